//! `results`: the companies that tasks found; and in `progress`, what was read of them.

use super::rows::{self, Statement};
use super::{StoreError, Text, time};
use crate::core::doubt::Doubts;
use crate::core::reading::{DELAY_MAX, NextReading};
use crate::core::results::ResultRow;
use crate::core::{TaskId, after};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use std::time::Duration;

/// The counters that `progress.results_counters` is compared with.
macro_rules! counters {
    () => {
        "num_results || ' ' || num_results_evaluated || ' ' || num_results_enriched || ' ' || num_results_discovered"
    };
}

/// The condition of the index `progress_unread`, as the migration has it.
macro_rules! is_unread {
    () => {
        concat!(
            "status IN ('done', 'failed') AND results_counters IS NOT ",
            counters!()
        )
    };
}

pub(super) use {counters, is_unread};

/// A task whose results differ from those that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadTask {
    /// The task.
    pub id: TaskId,
    /// Its counters, as `progress.results_counters` has them.
    pub counters: String,
    /// `num_results`.
    pub results: i64,
    /// When its counters or its status changed last.
    pub changed_at: Option<Timestamp>,
    /// Whether it may still be resumed.
    pub is_growing: bool,
    /// Whether the service works on it.
    pub is_running: bool,
    /// The readings in a row that are not trusted, at these counters.
    pub doubts: Option<Doubts>,
}

impl UnreadTask {
    /// Returns when what was seen of it has stood for `settle`, if that is still to come.
    #[must_use]
    pub fn settles_at(&self, settle: Duration, now: Timestamp) -> Option<Timestamp> {
        // Later than now: the clock went back.
        let changed_at = self.changed_at.filter(|at| *at <= now)?;
        Some(after(changed_at, settle)).filter(|at| *at > now)
    }
}

/// Where a scan of the unread tasks goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    next_at: String,
    task_id: String,
}

/// A part of a scan.
#[derive(Debug)]
pub struct Scanned {
    /// The tasks that can be read.
    pub tasks: Vec<UnreadTask>,
    /// Where the scan goes on; none at its end.
    pub cursor: Option<Cursor>,
}

/// The columns of a scan. A task that is paused, missing or removed, or whose newest resume is open, is passed over. So is a
/// resume on its way: its effect would shift the pages.
macro_rules! scanned {
    ($next_at:literal, $from:expr) => {
        concat!(
            "SELECT CAST(part.task_id AS BLOB) AS id, part.task_id, ",
            $next_at,
            " AS next_at, part.counters, part.num_results,
                    part.changed_at, part.results_doubts, part.state IN ('pending', 'growing') AS is_growing,
                    part.status NOT IN ('done', 'failed') AS is_running,
                    part.is_due AND part.state <> 'missing' AND NOT t.paused
                    AND NOT EXISTS (SELECT 1 FROM resumes AS r WHERE r.task_id = part.task_id AND r.state = 'intended') AS is_wanted
               FROM (SELECT task_id, state, status, num_results, changed_at, results_next_at, results_doubts, ",
            counters!(),
            " AS counters, ",
            $from,
            ") AS part LEFT JOIN tasks AS t ON t.task_id = part.task_id"
        )
    };
}

pub(super) const UNREAD: &str = scanned!(
    "part.results_next_at",
    concat!(
        "TRUE AS is_due FROM progress WHERE ",
        is_unread!(),
        " AND (results_next_at, task_id) > (?1, ?2) AND results_next_at <= ?3
      ORDER BY results_next_at, task_id LIMIT ?4"
    )
);

/// Returns the next tasks that have stopped and whose results are to be read, out of at most `limit` rows.
///
/// # Errors
///
/// What SQLite says.
pub async fn unread(
    connection: &mut SqliteConnection,
    cursor: &Cursor,
    now: Timestamp,
    limit: u32,
) -> Result<Scanned, StoreError> {
    let rows = sqlx::query(UNREAD)
        .bind(&cursor.next_at)
        .bind(&cursor.task_id)
        .bind(time::to_text(now))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    Ok(Scanned::of(&rows, cursor, limit)?)
}

pub(super) const RUNNING: &str = scanned!(
    "''",
    concat!(
        "num_results > 0 AND results_counters IS NOT ",
        counters!(),
        " AND (results_next_at > ?2 AND results_next_at <= ?4) IS NOT TRUE
      AND (results_read_at > ?3 AND results_read_at <= ?2) IS NOT TRUE AS is_due
      FROM progress WHERE status NOT IN ('done', 'failed') AND task_id > ?1 ORDER BY task_id LIMIT ?5"
    )
);

/// Returns the next tasks at which the service works, in whatever state they are, and whose results were last read before
/// `read_before`, out of at most `limit` rows. A time to wait for that is over [`DELAY_MAX`] ahead does not count: the clock went back.
///
/// # Errors
///
/// What SQLite says.
pub async fn running(
    connection: &mut SqliteConnection,
    cursor: &Cursor,
    now: Timestamp,
    read_before: Timestamp,
    limit: u32,
) -> Result<Scanned, StoreError> {
    let rows = sqlx::query(RUNNING)
        .bind(&cursor.task_id)
        .bind(time::to_text(now))
        .bind(time::to_text(read_before))
        .bind(time::to_text(after(now, DELAY_MAX)))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    Ok(Scanned::of(&rows, cursor, limit)?)
}

impl Scanned {
    fn of(rows: &[SqliteRow], before: &Cursor, limit: u32) -> Result<Self, sqlx::Error> {
        let mut tasks = Vec::new();
        for row in rows {
            let is_wanted: Option<bool> = row.try_get("is_wanted")?;
            let id: Vec<u8> = row.try_get("id")?;
            // An id that cannot be part of a request is marked by the scheduler.
            let id = std::str::from_utf8(&id).ok();
            let id = id.and_then(|id| TaskId::stored(id).ok());
            // Null where there is no task.
            let (Some(id), Some(true)) = (id, is_wanted) else {
                continue;
            };
            let changed_at = Text::nullable(row, "changed_at")?;
            let counters = Text::nullable(row, "counters")?.unwrap_or_default();
            let doubts = doubts(row)?.filter(|doubts| doubts.counters == counters);
            tasks.push(UnreadTask {
                id,
                counters,
                doubts,
                results: row
                    .try_get::<Option<i64>, _>("num_results")?
                    .unwrap_or_default(),
                changed_at: changed_at.as_deref().and_then(time::from_text),
                is_growing: row.try_get("is_growing")?,
                is_running: row
                    .try_get::<Option<bool>, _>("is_running")?
                    .unwrap_or(true),
            });
        }
        let last = rows
            .last()
            .filter(|_| rows.len() as u64 >= u64::from(limit));
        let cursor = match last {
            Some(last) => Some(Cursor {
                next_at: Text::nullable(last, "next_at")?.unwrap_or_default(),
                task_id: last.try_get::<Text, _>("task_id")?.into(),
            }),
            None => None,
        };
        // Text that is not UTF-8 may sort elsewhere. The scan ends all the same.
        let cursor = cursor.filter(|cursor| cursor > before);
        Ok(Self { tasks, cursor })
    }
}

/// Reads `results_doubts`; none if it is unreadable: the readings are then counted from the beginning.
fn doubts(row: &SqliteRow) -> Result<Option<Doubts>, sqlx::Error> {
    let text = Text::nullable(row, "results_doubts")?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(super) const NEXT_UNREAD: &str = concat!(
    "SELECT results_next_at FROM progress WHERE ",
    is_unread!(),
    " AND results_next_at > ?1 ORDER BY results_next_at LIMIT 1"
);

/// Returns when the next task after `now` may be read.
///
/// # Errors
///
/// What SQLite says.
pub async fn next_unread(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<Text> = sqlx::query_scalar(NEXT_UNREAD)
        .bind(time::to_text(now))
        .fetch_optional(connection)
        .await?;
    Ok(at.as_deref().and_then(time::from_text))
}

/// The columns of a row: those of [`ResultRow`] after its `result_id`.
macro_rules! columns {
    ($($column:ident),* $(,)?) => {
        /// Writes results. A row without an id is none.
        pub(super) static UPSERT: Statement = Statement::new(
            concat!("INSERT ", upsert!("VALUES (?, ?", $(columns!(@parameter $column),)* ", ?, ?)"; $($column),*)),
            concat!(
                "INSERT OR FAIL ",
                upsert!("SELECT * FROM (VALUES) WHERE column1 IS NOT NULL"; $($column),*)
            ),
            [$(stringify!($column)),*].len() + 4,
        );

        /// Binds a row to the next parameters of [`UPSERT`].
        fn bind<'q>(
            query: Query<'q, Sqlite, SqliteArguments>,
            id: &'q TaskId,
            row: &'q ResultRow,
            seen_at: &'q str,
        ) -> Query<'q, Sqlite, SqliteArguments> {
            // Names each field, so that a field that is added later is not forgotten.
            let ResultRow { result_id, $($column),* } = row;
            query.bind(id.as_str()).bind(result_id)$(.bind($column))*.bind(seen_at).bind(seen_at)
        }
    };
    (@parameter $column:ident) => { ", ?" };
}

macro_rules! upsert {
    ($($values:expr),*; $($column:ident),*) => {
        concat!(
            "INTO results (task_id, result_id, ", $(stringify!($column), ", ",)* "seen_at, first_seen_at) ",
            $($values,)*
            " ON CONFLICT (task_id, result_id) DO UPDATE SET ",
            $(stringify!($column), " = excluded.", stringify!($column), ", ",)*
            "seen_at = excluded.seen_at, gone_at = NULL"
        )
    };
}

columns!(
    company_name,
    company_website,
    domain,
    company_description,
    company_full_description,
    relevance,
    source,
    founding_year,
    employee_count,
    hq_country,
    hq_state_province,
    hq_city,
    company_profile_id,
    scores,
    created_at,
    extra,
);

/// Writes results of a task, which a reading that began at `seen_at` has shown.
///
/// # Errors
///
/// What SQLite says, such as a constraint that refuses a value.
pub async fn upsert(
    connection: &mut SqliteConnection,
    id: &TaskId,
    results: &[ResultRow],
    seen_at: Timestamp,
) -> Result<(), StoreError> {
    let seen_at = time::to_text(seen_at);
    // Results are long, and each is copied twice on its way into the statement.
    for results in results.chunks(rows::FEW) {
        let sql = UPSERT.sql(results.len());
        let query = sqlx::query(sql);
        let query = results
            .iter()
            .fold(query, |query, row| bind(query, id, row, &seen_at));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) const MARK_GONE: &str =
    "UPDATE results SET gone_at = ?3 WHERE task_id = ?1 AND seen_at <> ?2 AND gone_at IS NULL";

pub(super) const COMPLETE: &str = "UPDATE progress
        SET results_read = ?2, results_read_at = ?3, results_counters = ?4, results_next_at = '', results_failures = 0,
            results_error = ?5, results_doubts = NULL
      WHERE task_id = ?1";

/// A complete reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteReading {
    /// When it began.
    pub began_at: Timestamp,
    /// The number of rows that were kept.
    pub rows: u64,
    /// The counters of the task when it began.
    pub counters: String,
    /// What the reading did not contain is gone.
    pub marks_gone: bool,
    /// Why it is accepted although it is not what the service should show.
    pub error: Option<String>,
}

/// Records that all results of a task were read.
///
/// # Errors
///
/// What SQLite says.
pub async fn complete(
    connection: &mut SqliteConnection,
    id: &TaskId,
    reading: &CompleteReading,
    now: Timestamp,
) -> Result<(), StoreError> {
    let now = time::to_text(now);
    if reading.marks_gone {
        sqlx::query(MARK_GONE)
            .bind(id.as_str())
            .bind(time::to_text(reading.began_at))
            .bind(&now)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(COMPLETE)
        .bind(id.as_str())
        .bind(i64::try_from(reading.rows).unwrap_or(i64::MAX))
        .bind(&now)
        .bind(&reading.counters)
        .bind(&reading.error)
        .execute(connection)
        .await?;
    Ok(())
}

/// What is recorded of the readings of a task since its last complete one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    /// Failures in a row.
    pub failures: i64,
    /// The error of the last one, or why rows were left out.
    pub error: Option<String>,
    /// Whether the service works on the task.
    pub is_running: bool,
    /// The readings in a row that are not trusted.
    pub doubts: Option<Doubts>,
}

pub(super) const ATTEMPTS: &str =
    "SELECT results_failures, results_error, results_doubts, status NOT IN ('done', 'failed') AS is_running
       FROM progress JOIN tasks USING (task_id) WHERE task_id = ?";

/// Returns what is recorded of the readings of a task; none if it was removed.
///
/// # Errors
///
/// What SQLite says.
pub async fn attempts(
    connection: &mut SqliteConnection,
    id: &TaskId,
) -> Result<Option<Attempts>, StoreError> {
    let row = sqlx::query(ATTEMPTS)
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    Ok(Some(Attempts {
        failures: row.try_get("results_failures")?,
        error: Text::nullable(&row, "results_error")?,
        is_running: row
            .try_get::<Option<bool>, _>("is_running")?
            .unwrap_or(true),
        doubts: doubts(&row)?,
    }))
}

pub(super) const POSTPONE: &str = "UPDATE progress
        SET results_failures = ?2, results_next_at = ?3, results_error = coalesce(?4, results_error),
            results_doubts = coalesce(?5, results_doubts)
      WHERE task_id = ?1";

/// Records when the results of a task are to be read again.
///
/// # Errors
///
/// What SQLite says.
pub async fn postpone(
    connection: &mut SqliteConnection,
    id: &TaskId,
    next: &NextReading,
) -> Result<(), StoreError> {
    // Without it, the readings are counted from the beginning.
    let doubts = next.doubts.as_ref();
    let doubts = doubts.and_then(|doubts| serde_json::to_string(doubts).ok());
    sqlx::query(POSTPONE)
        .bind(id.as_str())
        .bind(next.failures)
        .bind(time::to_text(next.at))
        .bind(&next.error)
        .bind(doubts)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const READ_POSTPONED_TOO_LONG: &str = concat!(
    "UPDATE progress SET results_next_at = '' WHERE ",
    is_unread!(),
    " AND results_next_at > ?1"
);

/// Makes the tasks due that wait for a reading for longer than [`DELAY_MAX`]: the clock went back, or an operator has set it.
///
/// # Errors
///
/// What SQLite says.
pub async fn read_postponed_too_long(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(READ_POSTPONED_TOO_LONG)
        .bind(time::to_text(after(now, DELAY_MAX)))
        .execute(connection)
        .await?;
    Ok(())
}
