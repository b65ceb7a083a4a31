//! `tasks`: what is wanted. Written by people and by the commands; the daemon only reads it.

use super::StoreError;
use crate::core::TaskId;
use sqlx::sqlite::SqliteConnection;

/// What `growd add` sets: what is none stays as it is, or at its default in a new row.
#[derive(Debug, Clone)]
pub struct NewTask<'a> {
    /// Total number of results wanted, at least 1.
    pub target: i64,
    /// Largest resume, 1..=250.
    pub chunk: Option<i64>,
    /// Anything the user wants to remember.
    pub note: Option<&'a str>,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The task is new.
    New,
    /// It was there, and is changed.
    Changed,
    /// It was there as it is.
    Unchanged,
}

pub(super) const UPSERT: &str =
    "INSERT INTO tasks (task_id, target, chunk, note) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (task_id) DO UPDATE
            SET target = excluded.target,
                chunk = coalesce(excluded.chunk, chunk),
                note = coalesce(excluded.note, note)
          WHERE target IS NOT excluded.target
             OR chunk IS NOT coalesce(excluded.chunk, chunk)
             OR note IS NOT coalesce(excluded.note, note)";

/// Adds a task, or changes it.
///
/// # Errors
///
/// What SQLite says, such as a constraint that refuses a value.
pub async fn upsert(
    connection: &mut SqliteConnection,
    id: &TaskId,
    new: &NewTask<'_>,
) -> Result<Added, StoreError> {
    let known = exists(connection, id).await?;
    let changed = sqlx::query(UPSERT)
        .bind(id.as_str())
        .bind(new.target)
        .bind(new.chunk)
        .bind(new.note)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(match (known, changed) {
        (false, _) => Added::New,
        (true, 0) => Added::Unchanged,
        (true, _) => Added::Changed,
    })
}

pub(super) const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM tasks WHERE task_id = ?)";

/// Is there such a task?
///
/// # Errors
///
/// What SQLite says.
pub async fn exists(connection: &mut SqliteConnection, id: &TaskId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(EXISTS)
        .bind(id.as_str())
        .fetch_one(connection)
        .await?)
}

pub(super) const IS_GROWING: &str =
    "SELECT EXISTS (SELECT 1 FROM tasks WHERE task_id = ? AND NOT paused)";

/// Is there such a task, and is it not paused?
///
/// # Errors
///
/// What SQLite says.
pub async fn is_growing(
    connection: &mut SqliteConnection,
    id: &TaskId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_GROWING)
        .bind(id.as_str())
        .fetch_one(connection)
        .await?)
}

pub(super) const SET_PAUSED: &str =
    "UPDATE tasks SET paused = ?2 WHERE task_id = ?1 AND paused <> ?2";

/// Pauses a task or lets it go on; says whether that changed anything.
///
/// # Errors
///
/// What SQLite says.
pub async fn set_paused(
    connection: &mut SqliteConnection,
    id: &TaskId,
    paused: bool,
) -> Result<bool, StoreError> {
    let changed = sqlx::query(SET_PAUSED)
        .bind(id.as_str())
        .bind(paused)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(changed > 0)
}

pub(super) const RETRY: &str = "UPDATE tasks SET retry = retry + 1 WHERE task_id = ?";

/// Asks for an ended task to be looked at again: its refusals are forgiven, its stall count starts anew.
///
/// # Errors
///
/// What SQLite says.
pub async fn retry(connection: &mut SqliteConnection, id: &TaskId) -> Result<(), StoreError> {
    sqlx::query(RETRY)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const REMOVE: &str = "DELETE FROM tasks WHERE task_id = ?";

/// Stops managing a task; its ledger and its events stay.
///
/// # Errors
///
/// What SQLite says.
pub async fn remove(connection: &mut SqliteConnection, id: &TaskId) -> Result<(), StoreError> {
    sqlx::query(REMOVE)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
