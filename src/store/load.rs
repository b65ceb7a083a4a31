//! Reading whole tasks.

use super::{StoreError, Text, ledger, pace, time};
use crate::core::observation::Observation;
use crate::core::progress::Progress;
use crate::core::queue::Queue;
use crate::core::task::{Task, Wanted};
use crate::core::{State, Status, TaskId};
use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

pub(super) const TASKS: &str =
    "SELECT wanted.key AS position, t.target, t.chunk, t.paused, max(t.created_at, t.updated_at) AS edited_at, p.*
       FROM json_each(?) AS wanted
       JOIN tasks AS t ON t.task_id = wanted.value
       JOIN progress AS p ON p.task_id = t.task_id";

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

/// Returns whole tasks, each with its newest resume, in the order of `ids`; none for a task that does not exist.
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
    let rows = sqlx::query(TASKS)
        .bind(&wanted)
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let position = position(row)?;
        tasks[position] = Some(task(row, ids[position].clone())?);
    }
    let rows = sqlx::query(NEWEST_RESUMES)
        .bind(&wanted)
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

fn task(row: &SqliteRow, id: TaskId) -> Result<Task, StoreError> {
    Ok(Task {
        id,
        wanted: Wanted {
            target: row.try_get("target")?,
            chunk: row.try_get("chunk")?,
            paused: row.try_get("paused")?,
        },
        edited_at: time_or_none(row, "edited_at")?,
        progress: progress(row)?,
        resume: None,
        lost: 0,
    })
}

fn progress(row: &SqliteRow) -> Result<Progress, StoreError> {
    let state: Text = row.try_get("state")?;
    let queue: Text = row.try_get("queue")?;
    let pace: Option<Text> = row.try_get("pace")?;
    Ok(Progress {
        state: State::parse(&state)
            .ok_or_else(|| StoreError::Value(format!("progress.state is '{state}'")))?,
        reason: Text::nullable(row, "reason")?,
        seen: observation(row)?,
        polls: row.try_get("polls")?,
        failures: row.try_get("failures")?,
        last_error: Text::nullable(row, "last_error")?,
        polled_at: time_or_none(row, "polled_at")?,
        polled_alone_at: time_or_none(row, "polled_alone_at")?,
        changed_at: time_or_none(row, "changed_at")?,
        next_poll_at: time_or_none(row, "next_poll_at")?,
        best_results: row.try_get("best_results")?,
        stalled: row.try_get("stalled")?,
        waste_requested: row.try_get("waste_requested")?,
        waste_brought: row.try_get("waste_brought")?,
        absences: row.try_get("absences")?,
        absent_since: time_or_none(row, "absent_since")?,
        quiet_at: time_or_none(row, "quiet_at")?,
        forgiven: row.try_get("forgiven")?,
        run_started_at: time_or_none(row, "run_started_at")?,
        run_results: row.try_get("run_results")?,
        pace: pace::from_column(pace.as_deref()),
        // The schema allows no other word.
        queue: queue.parse().unwrap_or(Queue::Regular),
    })
}

/// The newest observation; none before the first poll.
fn observation(row: &SqliteRow) -> Result<Option<Observation>, sqlx::Error> {
    let Some(status) = row.try_get::<Option<Text>, _>("status")? else {
        return Ok(None);
    };
    let count = |column| Ok::<i64, sqlx::Error>(row.try_get::<Option<_>, _>(column)?.unwrap_or(0));
    Ok(Some(Observation {
        status: Status::parse(&status),
        is_exhausted: row.try_get::<Option<bool>, _>("is_exhausted")? == Some(true),
        desired: count("desired_num_results")?,
        discovered: count("num_results_discovered")?,
        enriched: count("num_results_enriched")?,
        evaluated: count("num_results_evaluated")?,
        results: count("num_results")?,
        query: Text::nullable(row, "query")?,
    }))
}

/// A time of the schedule. Text that is not a time counts as null: the next poll writes a new one.
fn time_or_none(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let text: Option<Text> = row.try_get(column)?;
    Ok(text.and_then(|text| time::from_text(&text)))
}
