//! `searches`, as the commands read and write it. The triggers decide what an edit does to the tasks of a search.

pub mod edit;
pub mod overview;

use super::{StoreError, Text};
use crate::core::TaskId;
use sqlx::sqlite::SqliteConnection;

/// A search: what is wanted, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
#[allow(
    missing_docs,
    reason = "the columns of the tables, documented in docs/schema.md"
)]
pub struct SearchRow {
    pub query: Text,
    pub target: i64,
    pub criteria: Option<Text>,
    pub data_sources: Option<Text>,
    pub exclude_domains: Option<Text>,
    pub budget: Option<i64>,
    pub paused: bool,
    pub state: Text,
    pub results: i64,
    pub requested: i64,
    /// Whether a task was asked for. From then on the query and what belongs to it cannot change.
    pub has_begun: bool,
}

// The same condition as in the trigger `searches_begun`.
pub(super) const FIND: &str =
    "SELECT s.query, s.target, s.criteria, s.data_sources, s.exclude_domains, s.budget, s.paused,
            p.state, p.results, p.requested,
            EXISTS (SELECT 1 FROM tasks WHERE search = s.search)
         OR EXISTS (SELECT 1 FROM creates WHERE search = s.search AND id > p.begun_after) AS has_begun
       FROM searches s JOIN search_progress p ON p.search = s.search WHERE s.search = ?";

/// Returns a search, if it exists.
///
/// # Errors
///
/// What SQLite says.
pub async fn find(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<SearchRow>, StoreError> {
    Ok(sqlx::query_as(FIND)
        .bind(name)
        .fetch_optional(connection)
        .await?)
}

pub(super) const NAMES: &str = "SELECT search FROM searches";

/// Returns the names of all searches.
///
/// # Errors
///
/// What SQLite says.
pub async fn names(connection: &mut SqliteConnection) -> Result<Vec<Text>, StoreError> {
    Ok(sqlx::query_scalar(NAMES).fetch_all(connection).await?)
}

pub(super) const PARTS: &str = "SELECT task_id FROM tasks WHERE search = ? ORDER BY part";

/// Returns the tasks of a search, the first part first.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for an id that no version wrote.
pub async fn parts(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Vec<TaskId>, StoreError> {
    let ids: Vec<Text> = sqlx::query_scalar(PARTS)
        .bind(name)
        .fetch_all(connection)
        .await?;
    ids.iter()
        .map(|id| TaskId::stored(id).map_err(|why| StoreError::Value(why.to_string())))
        .collect()
}

/// The search that a task is a part of.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PartOf {
    /// The search.
    pub search: Text,
    /// The number of the part, from 1.
    pub part: i64,
    /// Whether the search is paused.
    pub paused: bool,
}

pub(super) const OF_TASK: &str = "SELECT t.search, t.part, s.paused FROM tasks t
       JOIN searches s ON s.search = t.search WHERE t.task_id = ?";

/// Returns the search that a task is a part of, if it is one.
///
/// # Errors
///
/// What SQLite says.
pub async fn of_task(
    connection: &mut SqliteConnection,
    id: &TaskId,
) -> Result<Option<PartOf>, StoreError> {
    Ok(sqlx::query_as(OF_TASK)
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?)
}

pub(super) const HAS_OPEN_CREATE: &str =
    "SELECT EXISTS (SELECT 1 FROM creates WHERE search = ? AND state = 'intended')";

/// Returns whether it is not known yet if the service created a task of this search.
///
/// # Errors
///
/// What SQLite says.
pub async fn has_open_create(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(HAS_OPEN_CREATE)
        .bind(name)
        .fetch_one(connection)
        .await?)
}
