//! How many results were read, and which cannot be.

use super::results::{counters, is_unread};
use super::{StoreError, Text};
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;

/// How many results the newest complete reading of each task contained. The table has more rows: those that are gone, and
/// those of readings that are not complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct ReadCounts {
    /// The number of results.
    pub read: i64,
    /// The number of tasks whose results were read.
    pub tasks: i64,
    /// When the newest reading was complete.
    pub read_at: Option<Text>,
}

impl ReadCounts {
    /// Counts the results of all tasks, from an index of `progress` alone.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        Ok(sqlx::query_as(COUNTS).fetch_one(connection).await?)
    }
}

pub(super) const COUNTS: &str =
    "SELECT coalesce(sum(results_read), 0) AS read, count(*) AS tasks, max(results_read_at) AS read_at
       FROM progress WHERE results_read_at IS NOT NULL";

/// A task whose results cannot be read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct UnreadableRow {
    /// The task.
    pub task_id: Text,
    /// The newest error.
    pub error: Text,
    /// The number of consecutive readings that failed.
    pub failures: i64,
    /// When the next reading may begin.
    pub next_at: Text,
}

// A task in whose reading something failed waits, so its `results_next_at` is not empty: the index leads to it.
pub(super) const UNREADABLE: &str = concat!(
    "SELECT p.task_id, p.results_error AS error, p.results_failures AS failures, p.results_next_at AS next_at
       FROM (SELECT * FROM progress WHERE ",
    is_unread!(),
    " AND results_next_at > '') AS p CROSS JOIN tasks AS t ON t.task_id = p.task_id
      WHERE p.results_failures >= ?1 AND p.results_error IS NOT NULL AND NOT t.paused
      ORDER BY p.results_next_at LIMIT ?2"
);

/// Returns the tasks that have stopped and whose newest readings failed, at least `failures` in a row; at most `limit`.
///
/// # Errors
///
/// What SQLite says.
pub async fn unreadable(
    connection: &mut SqliteConnection,
    failures: u32,
    limit: u32,
) -> Result<Vec<UnreadableRow>, StoreError> {
    Ok(sqlx::query_as(UNREADABLE)
        .bind(failures)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

pub(super) const IS_UNREAD: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM (SELECT task_id, state FROM progress WHERE ",
    is_unread!(),
    ") AS p CROSS JOIN tasks AS t ON t.task_id = p.task_id WHERE p.state <> 'missing' AND NOT t.paused)"
);

/// Returns whether the results of a task that has stopped are still to be read.
///
/// # Errors
///
/// What SQLite says.
pub async fn is_unread(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_UNREAD).fetch_one(connection).await?)
}

pub(super) const COMPANIES: &str = "SELECT count(*) FROM companies";

/// Counts the companies that were found. It reads an entry of an index for each result.
///
/// # Errors
///
/// What SQLite says.
pub async fn companies(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(COMPANIES).fetch_one(connection).await?)
}
