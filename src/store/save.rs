//! Writing the progress of tasks.

use super::{StoreError, pace, rows, time};
use crate::core::TaskId;
use crate::core::progress::Progress;
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use std::sync::LazyLock;

/// A task's progress as it is to be written.
#[derive(Debug, Clone, Copy)]
pub struct ProgressChange<'a> {
    /// The task.
    pub id: &'a TaskId,
    /// As it was read in this transaction.
    pub before: &'a Progress,
    /// As it is to be written.
    pub after: &'a Progress,
}

/// The columns of a statement that updates a task, and its values.
macro_rules! columns {
    ($row:ident, $update:ident, $many:ident, $doc:literal: $first:ident: $first_type:ty, $($column:ident: $type:ty,)*) => {
        #[doc = $doc]
        struct $row<'a> {
            task_id: &'a str,
            $first: $first_type,
            $($column: $type,)*
        }

        impl<'a> $row<'a> {
            /// Binds the values to the next parameters of a statement.
            fn bind(self, query: Update<'a>) -> Update<'a> {
                query.bind(self.$first)$(.bind(self.$column))*.bind(self.task_id)
            }
        }

        pub(super) const $update: &str = concat!(
            "UPDATE progress SET ", stringify!($first), " = ?",
            $(", ", stringify!($column), " = ?",)*
            " WHERE task_id = ?"
        );

        /// The same for [`ROWS`](rows::ROWS) tasks. A row without an id updates nothing.
        pub(super) static $many: LazyLock<String> = LazyLock::new(|| {
            let columns = [stringify!($first), $(stringify!($column),)* "task_id"];
            format!(
                concat!(
                    "WITH new ({}) AS ({}) UPDATE progress SET ", stringify!($first), " = new.", stringify!($first),
                    $(", ", stringify!($column), " = new.", stringify!($column),)*
                    " FROM new WHERE progress.task_id = new.task_id"
                ),
                columns.join(", "),
                rows::values(columns.len())
            )
        });
    };
}

// What every poll changes: most polls change nothing else.
columns! {
    SeenAgain, UPDATE_SEEN_AGAIN, UPDATE_MANY_SEEN_AGAIN, "The values of a task of which a poll showed nothing new.":
    polls: i64,
    polled_at: Option<String>,
    polled_alone_at: Option<String>,
    next_poll_at: Option<String>,
    pace: Option<String>,
    reason: Option<&'a str>,
}

// All that the daemon writes but `state`. An `UPDATE` that names a column of an index rewrites the index's entry even if
// the value is unchanged, and each task's entry is on another page.
columns! {
    Row, UPDATE, UPDATE_MANY, "The values of a task.":
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
    let (seen_again, changed): (Vec<&ProgressChange<'_>>, Vec<_>) =
        tasks.iter().partition(|task| {
            let ProgressChange { before, after, .. } = task;
            shows_nothing_new(before, after)
        });
    for tasks in seen_again.chunks(rows::ROWS) {
        let sql = match tasks {
            [_] => UPDATE_SEEN_AGAIN,
            _ => UPDATE_MANY_SEEN_AGAIN.as_str(),
        };
        let rows = tasks.iter().map(|task| seen_again_row(task.id, task.after));
        let update = rows.fold(sqlx::query(sql), |query, row| row.bind(query));
        update.execute(&mut *connection).await?;
    }
    for tasks in changed.chunks(rows::ROWS) {
        let sql = match tasks {
            [_] => UPDATE,
            _ => UPDATE_MANY.as_str(),
        };
        let rows = tasks.iter().map(|task| row(task.id, task.after));
        let update = rows.fold(sqlx::query(sql), |query, row| row.bind(query));
        update.execute(&mut *connection).await?;
    }
    for task in tasks {
        if task.before.state != task.after.state {
            sqlx::query(UPDATE_STATE)
                .bind(task.id.as_str())
                .bind(task.after.state.as_str())
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

/// Whether only the columns of [`SeenAgain`] differ.
fn shows_nothing_new(before: &Progress, after: &Progress) -> bool {
    let mut seen_again = before.clone();
    seen_again.polls = after.polls;
    seen_again.polled_at = after.polled_at;
    seen_again.polled_alone_at = after.polled_alone_at;
    seen_again.next_poll_at = after.next_poll_at;
    seen_again.pace = after.pace;
    seen_again.reason.clone_from(&after.reason);
    seen_again == *after
}

fn seen_again_row<'a>(id: &'a TaskId, progress: &'a Progress) -> SeenAgain<'a> {
    SeenAgain {
        task_id: id.as_str(),
        polls: progress.polls,
        polled_at: at(progress.polled_at),
        polled_alone_at: at(progress.polled_alone_at),
        next_poll_at: at(progress.next_poll_at),
        pace: progress.pace.as_ref().and_then(pace::to_text),
        reason: progress.reason.as_deref(),
    }
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
