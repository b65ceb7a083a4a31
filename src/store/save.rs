//! Writing the progress of tasks.

use super::{StoreError, pace, time};
use crate::core::TaskId;
use crate::core::progress::{Progress, State};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

/// A task's progress as it is to be written.
#[derive(Debug, Clone, Copy)]
pub struct ProgressChange<'a> {
    /// The task.
    pub id: &'a TaskId,
    /// The state as it was read in this transaction.
    pub state_before: State,
    /// As it is to be written.
    pub after: &'a Progress,
}

/// All columns that the daemon writes but `state`. An `UPDATE` that names a column of an index rewrites the index's
/// entry even if the value is unchanged, and each task's entry is on another page.
pub(super) const UPDATE: &str = "UPDATE progress
        SET polls = ?2, polled_at = ?3, next_poll_at = ?4, pace = ?5, queue = ?6, reason = ?7, status = ?8,
            is_exhausted = ?9, desired_num_results = ?10, num_results_discovered = ?11, num_results_enriched = ?12,
            num_results_evaluated = ?13, num_results = ?14, query = ?15, failures = ?16, last_error = ?17,
            changed_at = ?18, best_results = ?19, stalled = ?20, run_started_at = ?21, run_results = ?22,
            waste_requested = ?23, waste_brought = ?24, absences = ?25, absent_since = ?26, quiet_at = ?27,
            polled_alone_at = ?28
      WHERE task_id = ?1";

pub(super) const UPDATE_STATE: &str = "UPDATE progress SET state = ?2 WHERE task_id = ?1";

/// Writes the progress of many tasks; tasks that no longer exist are left out.
///
/// # Errors
///
/// What SQLite says.
pub async fn save(
    connection: &mut SqliteConnection,
    tasks: &[ProgressChange<'_>],
) -> Result<(), StoreError> {
    for task in tasks {
        update(connection, task.id, task.after).await?;
        if task.state_before != task.after.state {
            sqlx::query(UPDATE_STATE)
                .bind(task.id.as_str())
                .bind(task.after.state.as_str())
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

async fn update(
    connection: &mut SqliteConnection,
    id: &TaskId,
    progress: &Progress,
) -> Result<(), StoreError> {
    // Names each field, so that a field that is added later is not forgotten.
    let Progress {
        state: _,
        reason,
        seen,
        polls,
        failures,
        last_error,
        polled_at,
        polled_alone_at,
        changed_at,
        next_poll_at,
        best_results,
        stalled,
        waste_requested,
        waste_brought,
        absences,
        absent_since,
        quiet_at,
        // Only the triggers write it.
        forgiven: _,
        run_started_at,
        run_results,
        pace,
        queue,
    } = progress;
    let seen = seen.as_ref();
    sqlx::query(UPDATE)
        .bind(id.as_str())
        .bind(polls)
        .bind(at(*polled_at))
        .bind(at(*next_poll_at))
        .bind(pace.as_ref().and_then(pace::to_text))
        .bind(queue.as_str())
        .bind(reason.as_deref())
        .bind(seen.map(|seen| seen.status.as_str()))
        .bind(seen.map(|seen| seen.is_exhausted))
        .bind(seen.map(|seen| seen.desired))
        .bind(seen.map(|seen| seen.discovered))
        .bind(seen.map(|seen| seen.enriched))
        .bind(seen.map(|seen| seen.evaluated))
        .bind(seen.map(|seen| seen.results))
        .bind(seen.and_then(|seen| seen.query.as_deref()))
        .bind(failures)
        .bind(last_error.as_deref())
        .bind(at(*changed_at))
        .bind(best_results)
        .bind(stalled)
        .bind(at(*run_started_at))
        .bind(run_results)
        .bind(waste_requested)
        .bind(waste_brought)
        .bind(absences)
        .bind(at(*absent_since))
        .bind(at(*quiet_at))
        .bind(at(*polled_alone_at))
        .execute(connection)
        .await?;
    Ok(())
}

fn at(time: Option<Timestamp>) -> Option<String> {
    time.map(time::to_text)
}
