//! Reading whole tasks.

use super::{StoreError, Text, ledger, pace, time};
use crate::core::observation::Observation;
use crate::core::progress::Progress;
use crate::core::queue::Queue;
use crate::core::task::{Task, Wanted};
use crate::core::{State, Status, TaskId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// A row, and the statement that returns many of them as one JSON document: the rows of a page as rows of SQLite, each with
/// dozens of columns, would cost most of the time that it takes to store a page.
macro_rules! document {
    ($sql:ident, $row:ident, { $($field:ident: $type:ty = $value:literal,)* }, $from:literal) => {
        pub(super) const $sql: &str = concat!(
            "SELECT json_group_array(json_array(wanted.key", $(", ", $value,)* ")) ", $from
        );

        #[derive(Deserialize)]
        struct $row {
            /// The index in the ids that were asked for.
            position: usize,
            $($field: $type,)*
        }
    };
}

document!(TASKS, TaskRow, {
    target: i64 = "t.target",
    chunk: Option<i64> = "t.chunk",
    paused: i64 = "t.paused",
    is_bounded: i64 = "t.budget IS NOT NULL OR t.search IS NOT NULL",
    edited_at: Option<String> = "max(t.created_at, t.updated_at)",
    state: String = "p.state",
    reason: Option<String> = "p.reason",
    status: Option<String> = "p.status",
    is_exhausted: Option<i64> = "p.is_exhausted",
    desired: Option<i64> = "p.desired_num_results",
    discovered: Option<i64> = "p.num_results_discovered",
    enriched: Option<i64> = "p.num_results_enriched",
    evaluated: Option<i64> = "p.num_results_evaluated",
    results: Option<i64> = "p.num_results",
    query: Option<String> = "p.query",
    polls: i64 = "p.polls",
    failures: i64 = "p.failures",
    last_error: Option<String> = "p.last_error",
    polled_at: Option<String> = "p.polled_at",
    polled_alone_at: Option<String> = "p.polled_alone_at",
    changed_at: Option<String> = "p.changed_at",
    next_poll_at: Option<String> = "p.next_poll_at",
    best_results: i64 = "p.best_results",
    stalled: i64 = "p.stalled",
    waste_requested: i64 = "p.waste_requested",
    waste_brought: i64 = "p.waste_brought",
    absences: i64 = "p.absences",
    absent_since: Option<String> = "p.absent_since",
    quiet_at: Option<String> = "p.quiet_at",
    forgiven: i64 = "p.forgiven",
    run_started_at: Option<String> = "p.run_started_at",
    run_results: i64 = "p.run_results",
    pace: Option<String> = "p.pace",
    queue: String = "p.queue",
}, "  FROM json_each(?1) AS wanted
       JOIN tasks AS t ON t.task_id = wanted.value
       JOIN progress AS p ON p.task_id = t.task_id");

/// `lost` counts resumes that were lost in a row, or rejected for no documented reason: those after the last accepted
/// one that are not forgiven.
pub(super) const NEWEST_RESUMES: &str = "SELECT wanted.key AS position,
            CASE WHEN r.state = 'accepted' THEN 0 ELSE
                (SELECT count(*) FROM resumes AS l
                  WHERE l.task_id = r.task_id
                    AND (l.state = 'lost' OR (l.state = 'rejected' AND l.http_status NOT IN (400, 401, 402, 403, 422, 429)))
                    AND l.id > max(p.forgiven,
                                   coalesce((SELECT max(a.id) FROM resumes AS a
                                              WHERE a.task_id = r.task_id AND a.state = 'accepted'), 0)))
            END AS lost,
            r.*
       FROM json_each(?) AS wanted
       JOIN progress AS p ON p.task_id = wanted.value
       JOIN resumes AS r ON r.id = (SELECT max(id) FROM resumes WHERE task_id = wanted.value)";

/// Returns whole tasks, each with its newest resume, in the order of `ids`; none for a task that does not exist. What bounds
/// the resumes of some of them is read by [`bounds`](super::bounds).
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for a value that growd cannot read.
pub async fn load(
    connection: &mut SqliteConnection,
    ids: &[&TaskId],
) -> Result<Vec<Option<Task>>, StoreError> {
    let texts: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    let wanted = json!(texts).to_string();
    let mut tasks = vec![None; ids.len()];
    let document: Text = sqlx::query_scalar(TASKS)
        .bind(&wanted)
        .fetch_one(&mut *connection)
        .await?;
    let rows: Vec<TaskRow> = serde_json::from_str(&document)
        .map_err(|error| StoreError::Value(format!("a row of progress: {error}")))?;
    if rows.is_empty() {
        return Ok(tasks);
    }
    for row in rows {
        let position = row.position;
        if let Some(id) = ids.get(position) {
            tasks[position] = Some(task(row, (*id).clone())?);
        }
    }
    // In their positions, but without those that do not exist.
    let found = ids.iter().zip(&tasks);
    let found: Vec<Option<&str>> = found
        .map(|(id, task)| task.as_ref().map(|_| id.as_str()))
        .collect();
    let rows = sqlx::query(NEWEST_RESUMES)
        .bind(json!(found).to_string())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        if let Some(task) = &mut tasks[position(row)?] {
            task.lost = row.try_get("lost")?;
            task.resume = Some(ledger::resume(row)?);
        }
    }
    Ok(tasks)
}

/// The index in `ids` that a row belongs to.
fn position(row: &SqliteRow) -> Result<usize, StoreError> {
    let key: u32 = row.try_get("position")?;
    Ok(key as usize)
}

fn task(row: TaskRow, id: TaskId) -> Result<Task, StoreError> {
    Ok(Task {
        id,
        wanted: Wanted {
            target: row.target,
            chunk: row.chunk,
            paused: row.paused != 0,
            budget: None,
            is_superseded: false,
        },
        is_bounded: row.is_bounded != 0,
        edited_at: time_or_none(row.edited_at.as_deref()),
        progress: progress(row)?,
        resume: None,
        lost: 0,
    })
}

fn progress(row: TaskRow) -> Result<Progress, StoreError> {
    let state = &row.state;
    Ok(Progress {
        state: State::parse(state)
            .ok_or_else(|| StoreError::Value(format!("progress.state is '{state}'")))?,
        reason: row.reason,
        // None before the first poll.
        seen: row.status.map(|status| Observation {
            status: Status::parse(&status),
            is_exhausted: row.is_exhausted == Some(1),
            desired: row.desired.unwrap_or(0),
            discovered: row.discovered.unwrap_or(0),
            enriched: row.enriched.unwrap_or(0),
            evaluated: row.evaluated.unwrap_or(0),
            results: row.results.unwrap_or(0),
            query: row.query,
        }),
        polls: row.polls,
        failures: row.failures,
        last_error: row.last_error,
        polled_at: time_or_none(row.polled_at.as_deref()),
        polled_alone_at: time_or_none(row.polled_alone_at.as_deref()),
        changed_at: time_or_none(row.changed_at.as_deref()),
        next_poll_at: time_or_none(row.next_poll_at.as_deref()),
        best_results: row.best_results,
        stalled: row.stalled,
        waste_requested: row.waste_requested,
        waste_brought: row.waste_brought,
        absences: row.absences,
        absent_since: time_or_none(row.absent_since.as_deref()),
        quiet_at: time_or_none(row.quiet_at.as_deref()),
        forgiven: row.forgiven,
        run_started_at: time_or_none(row.run_started_at.as_deref()),
        run_results: row.run_results,
        pace: pace::from_column(row.pace.as_deref()),
        // The schema allows no other word.
        queue: row.queue.parse().unwrap_or(Queue::Regular),
    })
}

/// A time of the schedule. Text that is not a time counts as null: the next poll writes a new one.
fn time_or_none(text: Option<&str>) -> Option<Timestamp> {
    time::from_text(text?)
}
