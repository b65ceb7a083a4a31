//! Writing many rows with one statement, and the progress of tasks so.
//!
//! The rows are bound, and not handed over as JSON: that has SQLite read each row's text anew for each of its columns.
//! The statements come in a few sizes, so that each is prepared once; what is left over of a size is null, and no task
//! has that id.

use super::{StoreError, pace, time};
use crate::core::TaskId;
use crate::core::progress::Progress;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use std::sync::LazyLock;

/// A task's progress as it was read, and as it shall be.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// The task.
    pub id: &'a TaskId,
    /// As it was read in this transaction; none where the task is gone.
    pub before: Option<&'a Progress>,
    /// As it shall be.
    pub after: &'a Progress,
}

/// How many rows a statement takes. With more of them SQLite would keep more pages to undo it by, and a larger program.
const SIZES: [usize; 5] = [1, 4, 16, 32, 64];

/// What each look changes, whatever it brings.
const ALWAYS: [&str; 4] = ["polls", "polled_at", "next_poll_at", "pace"];

/// What one changes that brings something new. `state` is not in it: naming it costs a place in an index, even where
/// it stays what it was.
const NEWS: [&str; 22] = [
    "turn",
    "reason",
    "status",
    "is_exhausted",
    "desired_num_results",
    "num_results_discovered",
    "num_results_enriched",
    "num_results_evaluated",
    "num_results",
    "query",
    "failures",
    "last_error",
    "changed_at",
    "best_results",
    "stalled",
    "run_started_at",
    "run_results",
    "waste_requested",
    "waste_brought",
    "absences",
    "absent_since",
    "quiet_at",
];

/// A statement for each of [`SIZES`].
pub(super) type Statements = [String; SIZES.len()];

static QUIET: LazyLock<Statements> = LazyLock::new(|| statements(&ALWAYS));
static FULL: LazyLock<Statements> =
    LazyLock::new(|| statements(&ALWAYS.into_iter().chain(NEWS).collect::<Vec<_>>()));
static STATE: LazyLock<Statements> = LazyLock::new(|| statements(&["state"]));

/// The statements that `sql` makes of as many rows of so many columns.
pub(super) fn sized(columns: usize, sql: impl Fn(&str) -> String) -> Statements {
    let row = format!("({})", vec!["?"; columns].join(", "));
    SIZES.map(|size| {
        let rows = vec![row.as_str(); size].join(", ");
        sql(&format!("VALUES {rows}"))
    })
}

fn statements(columns: &[&str]) -> Statements {
    let set: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(n, column)| format!("{column} = v.column{}", n + 2))
        .collect();
    let set = set.join(", ");
    sized(columns.len() + 1, |rows| {
        format!("UPDATE progress SET {set} FROM ({rows}) AS v WHERE progress.task_id = v.column1")
    })
}

/// All of the statements that write progress.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    [&*QUIET, &*FULL, &*STATE]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Writes the progress of many tasks; those that are no longer there are left out.
///
/// # Errors
///
/// What SQLite says.
pub async fn save(
    connection: &mut SqliteConnection,
    tasks: &[Saved<'_>],
) -> Result<(), StoreError> {
    let (quiet, loud): (Vec<_>, Vec<_>) = tasks.iter().copied().partition(Saved::is_quiet);
    let moved: Vec<_> = loud
        .iter()
        .copied()
        .filter(Saved::has_another_state)
        .collect();
    write(connection, &quiet, &QUIET, always).await?;
    write(connection, &loud, &FULL, |query, saved| {
        news(always(query, saved), saved)
    })
    .await?;
    let state = |query: Bound<'static>, saved: &Saved<'_>| {
        let id = saved.id.as_str().to_owned();
        query.bind(id).bind(saved.after.state.as_str())
    };
    write(connection, &moved, &STATE, state).await
}

/// Writes rows with as few statements as they take; `bind` adds the values of one row.
pub(super) async fn write<T>(
    connection: &mut SqliteConnection,
    rows: &[T],
    statements: &'static Statements,
    bind: impl Fn(Bound<'static>, &T) -> Bound<'static>,
) -> Result<(), StoreError> {
    let mut rest = rows;
    while !rest.is_empty() {
        let index = size(rest.len());
        let (now, later) = rest.split_at(rest.len().min(SIZES[index]));
        let mut query = sqlx::query(AssertSqlSafe(statements[index].as_str()));
        for row in now {
            query = bind(query, row);
        }
        // What is not bound is null.
        query.execute(&mut *connection).await?;
        rest = later;
    }
    Ok(())
}

/// Which of [`SIZES`] to use for so many rows: the smallest that takes them all. A row that is left empty costs less than
/// one more statement, which SQLite's thread is woken for, and waits for.
fn size(rows: usize) -> usize {
    let takes_all = SIZES.iter().position(|size| *size >= rows);
    takes_all.unwrap_or(SIZES.len() - 1)
}

fn at(time: Option<Timestamp>) -> Option<String> {
    time.map(time::to_text)
}

fn always(query: Bound<'static>, saved: &Saved<'_>) -> Bound<'static> {
    let Progress {
        polls,
        polled_at,
        next_poll_at,
        pace,
        ..
    } = saved.after;
    query
        .bind(saved.id.as_str().to_owned())
        .bind(*polls)
        .bind(at(*polled_at))
        .bind(at(*next_poll_at))
        .bind(pace.as_ref().and_then(pace::to_text))
}

fn news(query: Bound<'static>, saved: &Saved<'_>) -> Bound<'static> {
    let progress = saved.after;
    let seen = progress.seen.as_ref();
    query
        .bind(progress.queue.as_str())
        .bind(progress.reason.clone())
        .bind(seen.map(|seen| seen.status.as_str().to_owned()))
        .bind(seen.map(|seen| seen.is_exhausted))
        .bind(seen.map(|seen| seen.desired))
        .bind(seen.map(|seen| seen.discovered))
        .bind(seen.map(|seen| seen.enriched))
        .bind(seen.map(|seen| seen.evaluated))
        .bind(seen.map(|seen| seen.results))
        .bind(seen.and_then(|seen| seen.query.clone()))
        .bind(progress.failures)
        .bind(progress.last_error.clone())
        .bind(at(progress.changed_at))
        .bind(progress.best_results)
        .bind(progress.stalled)
        .bind(at(progress.run_started_at))
        .bind(progress.run_results)
        .bind(progress.waste_requested)
        .bind(progress.waste_brought)
        .bind(progress.absences)
        .bind(at(progress.absent_since))
        .bind(at(progress.quiet_at))
}

impl Saved<'_> {
    /// Was there nothing new? Then less is written.
    fn is_quiet(&self) -> bool {
        let Some(before) = self.before else {
            return false;
        };
        // All that there is, so that a field that is added later is not forgotten.
        let Progress {
            state,
            reason,
            seen,
            polls: _,
            failures,
            last_error,
            polled_at: _,
            changed_at,
            next_poll_at: _,
            best_results,
            stalled,
            waste_requested,
            waste_brought,
            absences,
            absent_since,
            quiet_at,
            // The triggers' alone.
            forgiven: _,
            run_started_at,
            run_results,
            pace: _,
            queue,
        } = self.after;
        *queue == before.queue
            && *state == before.state
            && *reason == before.reason
            && *seen == before.seen
            && *failures == before.failures
            && *last_error == before.last_error
            && *changed_at == before.changed_at
            && *best_results == before.best_results
            && *stalled == before.stalled
            && *waste_requested == before.waste_requested
            && *waste_brought == before.waste_brought
            && *absences == before.absences
            && *absent_since == before.absent_since
            && *quiet_at == before.quiet_at
            && *run_started_at == before.run_started_at
            && *run_results == before.run_results
    }

    fn has_another_state(&self) -> bool {
        self.before
            .is_none_or(|before| before.state != self.after.state)
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZES, size};

    #[test]
    fn statements_are_few_and_not_too_empty() {
        for rows in 1..=1_000 {
            let (mut rest, mut room, mut statements) = (rows, 0, 0);
            while rest > 0 {
                let size = SIZES[size(rest)];
                rest -= rest.min(size);
                room += size;
                statements += 1;
            }
            assert!(room < rows * 4, "{rows}: room for {room}");
            assert!(room <= rows + 31, "{rows}: room for {room}");
            assert_eq!(statements, rows.div_ceil(64), "{rows}");
        }
    }
}
