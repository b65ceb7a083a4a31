//! Writing the progress of tasks.

use super::{StoreError, pace, time};
use crate::core::TaskId;
use crate::core::progress::{Progress, State};
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use std::sync::LazyLock;

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

/// The number of tasks that one call of SQLite's thread writes: a call costs as much as the update of a row.
const AT_ONCE: usize = 16;

/// The columns of `progress` that are written, and the statement that writes them for one task.
macro_rules! columns {
    ($first:ident: $first_type:ty, $($column:ident: $type:ty,)*) => {
        /// The values of one row.
        struct Row<'a> {
            task_id: &'a str,
            $first: $first_type,
            $($column: $type,)*
        }

        impl<'a> Row<'a> {
            /// Binds the values to the next parameters of a statement.
            fn bind(self, query: Update<'a>) -> Update<'a> {
                query.bind(self.$first)$(.bind(self.$column))*.bind(self.task_id)
            }
        }

        pub(super) const UPDATE: &str = concat!(
            "UPDATE progress SET ", stringify!($first), " = ?",
            $(", ", stringify!($column), " = ?",)*
            " WHERE task_id = ?"
        );
    };
}

// All that the daemon writes but `state`. An `UPDATE` that names a column of an index rewrites the index's entry even if
// the value is unchanged, and each task's entry is on another page.
columns! {
    polls: i64,
    polled_at: Option<String>,
    polled_alone_at: Option<String>,
    next_poll_at: Option<String>,
    pace: Option<String>,
    queue: &'static str,
    reason: Option<&'a str>,
    status: Option<&'a str>,
    is_exhausted: Option<bool>,
    desired_num_results: Option<i64>,
    num_results_discovered: Option<i64>,
    num_results_enriched: Option<i64>,
    num_results_evaluated: Option<i64>,
    num_results: Option<i64>,
    query: Option<&'a str>,
    failures: i64,
    last_error: Option<&'a str>,
    changed_at: Option<String>,
    best_results: i64,
    stalled: i64,
    run_started_at: Option<String>,
    run_results: i64,
    waste_requested: i64,
    waste_brought: i64,
    absences: i64,
    absent_since: Option<String>,
    quiet_at: Option<String>,
}

type Update<'a> = Query<'a, Sqlite, SqliteArguments>;

/// [`UPDATE`] as often as [`AT_ONCE`] says. Copies whose parameters are not bound change nothing, because no id is null.
static UPDATES: LazyLock<String> = LazyLock::new(|| [UPDATE; AT_ONCE].join(";"));

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
    for tasks in tasks.chunks(AT_ONCE) {
        let sql = match tasks {
            [_] => UPDATE,
            _ => UPDATES.as_str(),
        };
        let rows = tasks.iter().map(|task| row(task.id, task.after));
        let updates = rows.fold(sqlx::query(sql), |query, row| row.bind(query));
        updates.execute(&mut *connection).await?;
    }
    for task in tasks {
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

fn row<'a>(id: &'a TaskId, progress: &'a Progress) -> Row<'a> {
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
    Row {
        task_id: id.as_str(),
        polls: *polls,
        polled_at: at(*polled_at),
        polled_alone_at: at(*polled_alone_at),
        next_poll_at: at(*next_poll_at),
        pace: pace.as_ref().and_then(pace::to_text),
        queue: queue.as_str(),
        reason: reason.as_deref(),
        status: seen.map(|seen| seen.status.as_str()),
        is_exhausted: seen.map(|seen| seen.is_exhausted),
        desired_num_results: seen.map(|seen| seen.desired),
        num_results_discovered: seen.map(|seen| seen.discovered),
        num_results_enriched: seen.map(|seen| seen.enriched),
        num_results_evaluated: seen.map(|seen| seen.evaluated),
        num_results: seen.map(|seen| seen.results),
        query: seen.and_then(|seen| seen.query.as_deref()),
        failures: *failures,
        last_error: last_error.as_deref(),
        changed_at: at(*changed_at),
        best_results: *best_results,
        stalled: *stalled,
        run_started_at: at(*run_started_at),
        run_results: *run_results,
        waste_requested: *waste_requested,
        waste_brought: *waste_brought,
        absences: *absences,
        absent_since: at(*absent_since),
        quiet_at: at(*quiet_at),
    }
}

fn at(time: Option<Timestamp>) -> Option<String> {
    time.map(time::to_text)
}
