//! From an event to a line in the log: transitions at info, what asks for an operator at warn.

use crate::core::TaskId;
use crate::core::step::Event;
use serde_json::Value;

/// Tells an event, with the task's id as a field.
pub fn event(task_id: Option<&TaskId>, event: &Event) {
    let task_id = task_id.map(tracing::field::display);
    let text = |key: &str| match event.detail.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    match event.kind {
        "state" => {
            let (to, reason) = (text("to"), text("reason"));
            match to.as_str() {
                "refused" | "stalled" | "failed" | "missing" => {
                    tracing::warn!(task_id, "{to}: {reason}");
                }
                _ => tracing::info!(task_id, "{to}: {reason}"),
            }
        }
        "resume_intended" => {
            tracing::info!(
                task_id,
                "asking for {} more, at {}",
                text("requested"),
                text("baseline_results")
            );
        }
        "resume_accepted" => tracing::debug!(task_id, "resume {} arrived", text("resume")),
        "resume_done" => tracing::info!(
            task_id,
            "{} asked for, {} came",
            text("requested"),
            text("brought")
        ),
        "resume_rejected" => {
            tracing::warn!(
                task_id,
                "resume {} was rejected: {} {}",
                text("resume"),
                text("http_status"),
                text("detail")
            );
        }
        "resume_unsent" => {
            tracing::warn!(
                task_id,
                "resume {} was not sent: {}",
                text("resume"),
                text("detail")
            );
        }
        "resume_unanswered" => tracing::warn!(
            task_id,
            "resume {} was not answered ({}): looking whether it arrived",
            text("resume"),
            text("error")
        ),
        "resume_lost" => {
            tracing::warn!(
                task_id,
                "resume {} never arrived: it may be asked again",
                text("resume")
            );
        }
        "unknown_status" => tracing::warn!(
            task_id,
            "unknown status {:?}, taken as still running",
            text("status")
        ),
        "error" => tracing::warn!(task_id, "{} failed: {}", text("request"), text("error")),
        "recovered" => {
            tracing::info!(task_id, "recovered after {} failures", text("failures"));
        }
        "gate" if text("to") == "open" => tracing::info!("gate open: requests go on"),
        "gate" => tracing::warn!(
            "gate {}: {}; the next try is at {}",
            text("to"),
            text("reason"),
            text("until")
        ),
        other => tracing::info!(task_id, "{other} {}", event.detail),
    }
}
