//! Writing the progress of tasks.

use super::rows::{ROWS, Statement};
use super::{StoreError, pace, time};
use crate::core::TaskId;
use crate::core::progress::Progress;
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};

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

/// Which columns of a task are written, and their values.
struct Columns {
    statement: Statement,
    /// Binds the values of a task to the next parameters of the statement.
    bind: for<'a> fn(Update<'a>, &'a TaskId, &'a Progress) -> Update<'a>,
}

macro_rules! columns {
    ($fields:pat => $first:ident = $first_value:expr, $($column:ident = $value:expr,)*) => {
        Columns {
            statement: Statement::new(
                concat!(
                    "UPDATE progress SET ", stringify!($first), " = ?",
                    $(", ", stringify!($column), " = ?",)*
                    " WHERE task_id = ?"
                ),
                // A row without an id updates nothing.
                concat!(
                    "WITH new (", stringify!($first), $(", ", stringify!($column),)* ", task_id) AS (VALUES)
                     UPDATE OR FAIL progress SET ", stringify!($first), " = new.", stringify!($first),
                    $(", ", stringify!($column), " = new.", stringify!($column),)*
                    " FROM new WHERE progress.task_id = new.task_id"
                ),
                [stringify!($first), $(stringify!($column),)* "task_id"].len(),
            ),
            bind: |query, id, $fields| {
                query.bind($first_value)$(.bind($value))*.bind(id.as_str())
            },
        }
    };
}

// What every poll changes: most polls change nothing else.
static SEEN_AGAIN: Columns = columns! {
    Progress { polls, polled_at, polled_alone_at, next_poll_at, pace, reason, .. } =>
    polls = *polls,
    polled_at = at(*polled_at),
    polled_alone_at = at(*polled_alone_at),
    next_poll_at = at(*next_poll_at),
    pace = pace.as_ref().and_then(pace::to_text),
    reason = reason.as_deref(),
};

// All that the daemon writes but `state`. An `UPDATE` that names a column of an index rewrites the index's entry even if
// the value is unchanged, and each task's entry is on another page.
static ALL: Columns = columns! {
    // Names each field, so that a field that is added later is not forgotten.
    Progress {
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
    } =>
    polls = *polls,
    polled_at = at(*polled_at),
    polled_alone_at = at(*polled_alone_at),
    next_poll_at = at(*next_poll_at),
    pace = pace.as_ref().and_then(pace::to_text),
    queue = queue.as_str(),
    reason = reason.as_deref(),
    status = seen.as_ref().map(|seen| seen.status.as_str()),
    is_exhausted = seen.as_ref().map(|seen| seen.is_exhausted),
    desired_num_results = seen.as_ref().map(|seen| seen.desired),
    num_results_discovered = seen.as_ref().map(|seen| seen.discovered),
    num_results_enriched = seen.as_ref().map(|seen| seen.enriched),
    num_results_evaluated = seen.as_ref().map(|seen| seen.evaluated),
    num_results = seen.as_ref().map(|seen| seen.results),
    query = seen.as_ref().and_then(|seen| seen.query.as_deref()),
    failures = *failures,
    last_error = last_error.as_deref(),
    changed_at = at(*changed_at),
    best_results = *best_results,
    stalled = *stalled,
    run_started_at = at(*run_started_at),
    run_results = *run_results,
    waste_requested = *waste_requested,
    waste_brought = *waste_brought,
    absences = *absences,
    absent_since = at(*absent_since),
    quiet_at = at(*quiet_at),
};

type Update<'a> = Query<'a, Sqlite, SqliteArguments>;

pub(super) const UPDATE_STATE: &str = "UPDATE progress SET state = ?2 WHERE task_id = ?1";

/// Returns the statements for one row and for more, each with its name.
pub(super) fn statements() -> [(&'static str, &'static str); 4] {
    [
        ("save::SEEN_AGAIN", SEEN_AGAIN.statement.sql(1)),
        ("save::SEEN_AGAIN, many", SEEN_AGAIN.statement.sql(ROWS)),
        ("save::ALL", ALL.statement.sql(1)),
        ("save::ALL, many", ALL.statement.sql(ROWS)),
    ]
}

/// Writes the progress of many tasks; tasks that no longer exist are left out.
///
/// # Errors
///
/// What SQLite says. The transaction is then to be rolled back: some tasks may be written.
pub async fn save(
    connection: &mut SqliteConnection,
    tasks: &[ProgressChange<'_>],
) -> Result<(), StoreError> {
    let (seen_again, changed): (Vec<&ProgressChange<'_>>, Vec<_>) =
        tasks.iter().partition(|task| {
            let ProgressChange { before, after, .. } = task;
            shows_nothing_new(before, after)
        });
    for (tasks, columns) in [(seen_again, &SEEN_AGAIN), (changed, &ALL)] {
        for tasks in tasks.chunks(ROWS) {
            let sql = columns.statement.sql(tasks.len());
            let mut update = sqlx::query(sql);
            for task in tasks {
                update = (columns.bind)(update, task.id, task.after);
            }
            update.execute(&mut *connection).await?;
        }
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

/// Whether only the columns of [`SEEN_AGAIN`] differ.
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

fn at(time: Option<Timestamp>) -> Option<String> {
    time.map(time::to_text)
}
