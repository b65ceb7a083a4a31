//! What the commands write to `searches`.

use crate::core::{State, TaskId};
use crate::store::StoreError;
use crate::store::tasks::Added;
use sqlx::sqlite::SqliteConnection;

/// The values that `growd search add` sets. `None` keeps the value, or the default of a new row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSearch<'a> {
    /// What to search for; needed for a new search.
    pub query: Option<&'a str>,
    /// Wanted number of different companies, at least 1.
    pub target: i64,
    /// JSON array of criteria.
    pub criteria: Option<&'a str>,
    /// JSON array of data sources.
    pub data_sources: Option<&'a str>,
    /// JSON array of domains.
    pub exclude_domains: Option<&'a str>,
    /// Largest resume of its tasks, 1..=250.
    pub chunk: Option<i64>,
    /// The most results that may be asked for in sum, at least 1.
    pub budget: Option<i64>,
    /// A remark of the operator.
    pub note: Option<&'a str>,
}

pub(in crate::store) const INSERT: &str = "INSERT INTO searches
           (search, query, target, criteria, data_sources, exclude_domains, chunk, budget, note, paused)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Adds a search.
///
/// # Errors
///
/// What SQLite says, such as a constraint or a trigger that refuses a value, or a name that exists.
pub async fn insert(
    connection: &mut SqliteConnection,
    name: &str,
    new: &NewSearch<'_>,
    paused: bool,
) -> Result<(), StoreError> {
    sqlx::query(INSERT)
        .bind(name)
        .bind(new.query)
        .bind(new.target)
        .bind(new.criteria)
        .bind(new.data_sources)
        .bind(new.exclude_domains)
        .bind(new.chunk)
        .bind(new.budget)
        .bind(new.note)
        .bind(paused)
        .execute(connection)
        .await?;
    Ok(())
}

// Sets only what differs: a trigger refuses a new query once a task was asked for.
pub(in crate::store) const CHANGE: &str = "UPDATE searches
        SET query = coalesce(?2, query), target = ?3, criteria = coalesce(?4, criteria),
            data_sources = coalesce(?5, data_sources), exclude_domains = coalesce(?6, exclude_domains),
            chunk = coalesce(?7, chunk), budget = coalesce(?8, budget), note = coalesce(?9, note)
      WHERE search = ?1
        AND (query IS NOT coalesce(?2, query) OR target IS NOT ?3 OR criteria IS NOT coalesce(?4, criteria)
             OR data_sources IS NOT coalesce(?5, data_sources)
             OR exclude_domains IS NOT coalesce(?6, exclude_domains)
             OR chunk IS NOT coalesce(?7, chunk) OR budget IS NOT coalesce(?8, budget)
             OR note IS NOT coalesce(?9, note))";

/// Changes a search that exists; returns whether that made a difference.
///
/// # Errors
///
/// What SQLite says, such as a constraint or a trigger that refuses a value.
pub async fn change(
    connection: &mut SqliteConnection,
    name: &str,
    new: &NewSearch<'_>,
) -> Result<Added, StoreError> {
    let changed = sqlx::query(CHANGE)
        .bind(name)
        .bind(new.query)
        .bind(new.target)
        .bind(new.criteria)
        .bind(new.data_sources)
        .bind(new.exclude_domains)
        .bind(new.chunk)
        .bind(new.budget)
        .bind(new.note)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(match changed {
        0 => Added::Unchanged,
        _ => Added::Changed,
    })
}

pub(in crate::store) const ADOPT: &str =
    "INSERT INTO tasks (task_id, target, chunk, paused, search, part) VALUES (?1, ?2, ?3, ?4, ?5, 1)
         ON CONFLICT (task_id) DO UPDATE SET target = ?2, chunk = ?3, search = ?5, part = 1";

/// Makes a task the first part of a search, and adds it where it is not in the database. A task that is in the database stays
/// paused or not.
///
/// # Errors
///
/// What SQLite says. A trigger refuses a task that is a part of another search.
pub async fn adopt(
    connection: &mut SqliteConnection,
    name: &str,
    id: &TaskId,
    target: i64,
    chunk: Option<i64>,
    paused: bool,
) -> Result<(), StoreError> {
    sqlx::query(ADOPT)
        .bind(id.as_str())
        .bind(target)
        .bind(chunk)
        .bind(paused)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

pub(in crate::store) const SET_PAUSED: &str =
    "UPDATE searches SET paused = ?2 WHERE search = ?1 AND paused <> ?2";

/// Pauses or unpauses a search and its tasks; returns whether that changed the search.
///
/// # Errors
///
/// What SQLite says.
pub async fn set_paused(
    connection: &mut SqliteConnection,
    name: &str,
    paused: bool,
) -> Result<bool, StoreError> {
    let changed = sqlx::query(SET_PAUSED)
        .bind(name)
        .bind(paused)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(changed > 0)
}

pub(in crate::store) const IN_STATE: &str =
    "SELECT search FROM search_progress WHERE state = ? ORDER BY search";

/// Returns the searches in a state, paused or not.
///
/// # Errors
///
/// What SQLite says.
pub async fn in_state(
    connection: &mut SqliteConnection,
    state: State,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(IN_STATE)
        .bind(state.as_str())
        .fetch_all(connection)
        .await?)
}

pub(in crate::store) const PAUSED: &str =
    "SELECT search FROM searches WHERE paused ORDER BY search";

/// Returns the paused searches.
///
/// # Errors
///
/// What SQLite says.
pub async fn paused(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(PAUSED).fetch_all(connection).await?)
}

pub(in crate::store) const RETRY: &str = "UPDATE searches SET retry = retry + 1 WHERE search = ?";

/// Has a search that ended looked at again, if its state allows it: see "What the triggers decide" in `docs/schema.md`.
///
/// # Errors
///
/// What SQLite says.
pub async fn retry(connection: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    sqlx::query(RETRY).bind(name).execute(connection).await?;
    Ok(())
}

pub(in crate::store) const REMOVE: &str = "DELETE FROM searches WHERE search = ?";

/// Removes a search; its tasks stay, paused, as do its ledger and its events.
///
/// # Errors
///
/// What SQLite says.
pub async fn remove(connection: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    sqlx::query(REMOVE).bind(name).execute(connection).await?;
    Ok(())
}
