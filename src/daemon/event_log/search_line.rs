//! The lines of events of searches: their states, and their creates.

use super::line::{Line, ThrottleKind, debug, info, state_line, warn};
use crate::core::gate::Request;
use crate::core::search::event::{CreateResolution, SearchEvent};
use tracing::Level;

/// Returns the line of an event of a search.
pub(super) fn search_line(event: &SearchEvent) -> Line {
    match event {
        SearchEvent::State { from, to, reason } => state_line(*from, *to, reason.as_deref()),
        SearchEvent::PartTarget { part, from, to, .. } => {
            debug(format!("part {part} grows to {to} results, not {from}"))
        }
        SearchEvent::CreateIntended {
            create,
            part,
            requested,
        } => info(format!(
            "asking for part {part} of {requested} results (create {create})"
        )),
        SearchEvent::CreateAccepted(row) => info(format!(
            "part {} is task {} (create {})",
            row.part,
            row.task_id.as_deref().unwrap_or_default(),
            row.create
        )),
        SearchEvent::CreateRejected(row) => rejected_line(row),
        SearchEvent::CreateUnsent(row) => warn(
            format!("create {} was not sent: {}", row.create, detail(row)),
            ThrottleKind::CreateUnsent,
        ),
        SearchEvent::CreateUnanswered {
            create,
            error,
            class,
            ..
        } => warn(
            format!("create {create} was not answered ({error}): looking for its task in the list"),
            ThrottleKind::Failed(Request::Create, *class),
        ),
        SearchEvent::CreateLost(row) => warn(
            format!("create {} never arrived: it may be asked again", row.create),
            ThrottleKind::CreateLost,
        ),
        SearchEvent::CreateFound {
            create,
            task_id,
            candidates,
        } => info(format!(
            "the list shows task {task_id}, which create {create} made; {candidates} tasks are as it asked for"
        )),
        SearchEvent::NotStored { error } => {
            warn(format!("not stored: {error}"), ThrottleKind::NotStored)
        }
    }
}

fn rejected_line(row: &CreateResolution) -> Line {
    let status = row.http_status.map(|status| status.to_string());
    let text = format!(
        "create {} was rejected: {}: {}",
        row.create,
        status.unwrap_or_default(),
        detail(row)
    );
    // Refusals of the account are logged by the gate, once.
    if matches!(row.http_status, Some(401 | 402 | 403 | 429)) {
        return debug(text);
    }
    Line {
        level: Level::WARN,
        text,
        throttled_as: Some(ThrottleKind::Rejected(row.http_status)),
    }
}

fn detail(row: &CreateResolution) -> &str {
    row.detail.as_deref().unwrap_or_default()
}
