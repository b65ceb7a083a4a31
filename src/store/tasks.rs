//! `tasks`: the wanted targets. Operators and the commands write it; the daemon only reads it.

use super::{StoreError, Text};
use crate::core::{State, TaskId};
use serde_json::json;
use sqlx::sqlite::SqliteConnection;

/// The values that `growd add` sets. None keeps the value, or the default of a new row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTask<'a> {
    /// Wanted total number of results, at least 1.
    pub target: i64,
    /// Largest resume, 1..=250.
    pub chunk: Option<i64>,
    /// The most results that may be asked for in sum, at least 1.
    pub budget: Option<i64>,
    /// A remark of the operator.
    pub note: Option<&'a str>,
}

/// The effect of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The task is new.
    New,
    /// The task existed and is changed.
    Changed,
    /// The task existed and is unchanged.
    Unchanged,
}

/// Adds or changes a task.
///
/// # Errors
///
/// What SQLite says, such as a constraint that refuses a value.
pub async fn upsert(
    connection: &mut SqliteConnection,
    id: &TaskId,
    new: &NewTask<'_>,
) -> Result<Added, StoreError> {
    let sums = upsert_all(connection, &[(id.clone(), new.clone())]).await?;
    Ok(match (sums.new, sums.changed) {
        (0, 0) => Added::Unchanged,
        (0, _) => Added::Changed,
        (_, _) => Added::New,
    })
}

/// The effect of an upsert of many tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// New tasks.
    pub new: u64,
    /// Tasks that existed and are changed.
    pub changed: u64,
    /// Tasks that existed and are unchanged.
    pub unchanged: u64,
}

/// The number of tasks that one statement adds.
const BATCH: usize = 10_000;

pub(super) const COUNT_KNOWN: &str = "SELECT count(*) FROM json_each(?) AS wanted
       JOIN tasks AS t ON t.task_id = wanted.value ->> 0";

pub(super) const UPSERT: &str = "INSERT INTO tasks (task_id, target, chunk, budget, note)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true
         ON CONFLICT (task_id) DO UPDATE
            SET target = excluded.target,
                chunk = coalesce(excluded.chunk, chunk),
                budget = coalesce(excluded.budget, budget),
                note = coalesce(excluded.note, note)
          WHERE target IS NOT excluded.target
             OR chunk IS NOT coalesce(excluded.chunk, chunk)
             OR budget IS NOT coalesce(excluded.budget, budget)
             OR note IS NOT coalesce(excluded.note, note)";

/// Adds or changes many tasks. Each id may occur once.
///
/// # Errors
///
/// What SQLite says, such as a constraint that refuses a value.
pub async fn upsert_all(
    connection: &mut SqliteConnection,
    tasks: &[(TaskId, NewTask<'_>)],
) -> Result<Sums, StoreError> {
    let mut sums = Sums::default();
    for batch in tasks.chunks(BATCH) {
        let rows: Vec<_> = batch
            .iter()
            .map(|(id, new)| (id.as_str(), new.target, new.chunk, new.budget, new.note))
            .collect();
        let rows = json!(rows).to_string();
        let known: i64 = sqlx::query_scalar(COUNT_KNOWN)
            .bind(&rows)
            .fetch_one(&mut *connection)
            .await?;
        let written = sqlx::query(UPSERT)
            .bind(&rows)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        let known = known.unsigned_abs();
        let new = batch.len() as u64 - known;
        sums.new += new;
        sums.changed += written - new;
        sums.unchanged += known - (written - new);
    }
    Ok(sums)
}

pub(super) const MOST_ASKED: &str = "SELECT coalesce(sum(max(0, min(
            min(t.target, ?2) - coalesce(p.num_results, 0),
            CASE WHEN t.budget IS NULL THEN ?2
                 ELSE t.budget - (SELECT coalesce(sum(r.requested), 0) FROM resumes r
                                   WHERE r.task_id = t.task_id AND r.state IN ('intended', 'accepted', 'lost')) END))), 0)
       FROM json_each(?1) AS wanted
       JOIN tasks AS t ON t.task_id = wanted.value
       JOIN progress AS p ON p.task_id = t.task_id";

/// Returns the most results that these tasks can ask for in sum, if one task has at most `task_cap`: what their targets lack of the
/// known results, within their budgets.
///
/// # Errors
///
/// What SQLite says.
pub async fn most_asked(
    connection: &mut SqliteConnection,
    tasks: &[(TaskId, NewTask<'_>)],
    task_cap: i64,
) -> Result<i64, StoreError> {
    let mut sum = 0_i64;
    for batch in tasks.chunks(BATCH) {
        let ids: Vec<&str> = batch.iter().map(|(id, _)| id.as_str()).collect();
        let asked: i64 = sqlx::query_scalar(MOST_ASKED)
            .bind(json!(ids).to_string())
            .bind(task_cap)
            .fetch_one(&mut *connection)
            .await?;
        sum = sum.saturating_add(asked);
    }
    Ok(sum)
}

pub(super) const OTHER_TARGETS: &str =
    "SELECT wanted.key, t.search, t.part FROM json_each(?) AS wanted
       JOIN tasks AS t ON t.task_id = wanted.value ->> 0
      WHERE t.search IS NOT NULL AND t.target <> wanted.value ->> 1";

/// Finds the tasks that are parts of a search and have another target: the search sets the targets of its parts. Returns the position
/// of each with the search and the number of the part.
///
/// # Errors
///
/// What SQLite says.
pub async fn other_targets(
    connection: &mut SqliteConnection,
    tasks: &[(TaskId, NewTask<'_>)],
) -> Result<Vec<(usize, Text, i64)>, StoreError> {
    let rows: Vec<_> = tasks
        .iter()
        .map(|(id, new)| (id.as_str(), new.target))
        .collect();
    let found: Vec<(i64, Text, i64)> = sqlx::query_as(OTHER_TARGETS)
        .bind(json!(rows).to_string())
        .fetch_all(connection)
        .await?;
    Ok(found
        .into_iter()
        .filter_map(|(key, search, part)| Some((key.try_into().ok()?, search, part)))
        .collect())
}

pub(super) const KNOWN: &str = "SELECT wanted.key FROM json_each(?) AS wanted
       JOIN tasks AS t ON t.task_id = wanted.value";

/// Returns the positions of the ids that are in the database in exactly this form.
///
/// # Errors
///
/// What SQLite says.
pub async fn known(
    connection: &mut SqliteConnection,
    ids: &[&TaskId],
) -> Result<Vec<usize>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    let keys: Vec<i64> = sqlx::query_scalar(KNOWN)
        .bind(json!(texts).to_string())
        .fetch_all(connection)
        .await?;
    Ok(keys
        .into_iter()
        .filter_map(|key| key.try_into().ok())
        .collect())
}

// The expression and the condition must be those of the index `tasks_other_forms`.
pub(super) const OTHER_FORMS: &str = "SELECT wanted.key, t.task_id FROM json_each(?) AS wanted
       JOIN tasks AS t
         ON replace(replace(replace(replace(lower(trim(t.task_id)), 'urn:uuid:', ''), '{', ''), '}', ''), '-', '')
                = replace(wanted.value, '-', '')
        AND NOT (t.task_id GLOB '????????-????-????-????-????????????' AND t.task_id NOT GLOB '*[^-0-9a-f]*')
      WHERE wanted.value <> '' AND NOT EXISTS (SELECT 1 FROM tasks WHERE task_id = wanted.value)";

/// Finds rows of an earlier version that hold the UUID of one of these ids in another form, if the id itself is not in
/// the database. Returns each with the position of the id.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for a row that no version wrote.
pub async fn other_forms(
    connection: &mut SqliteConnection,
    ids: &[&TaskId],
) -> Result<Vec<(usize, TaskId)>, StoreError> {
    // Only a UUID has other forms.
    let texts: Vec<&str> = ids
        .iter()
        .map(|id| if id.is_uuid() { id.as_str() } else { "" })
        .collect();
    let rows: Vec<(i64, String)> = sqlx::query_as(OTHER_FORMS)
        .bind(json!(texts).to_string())
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|(key, text)| {
            let id = TaskId::stored(&text).map_err(|why| StoreError::Value(why.to_string()))?;
            Ok((usize::try_from(key).unwrap_or_default(), id))
        })
        .collect()
}

pub(super) const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM tasks WHERE task_id = ?)";

/// Returns whether the task exists.
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

/// Returns whether the task exists and is not paused.
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

/// Pauses or unpauses a task; returns whether that changed it.
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

pub(super) const SET_PAUSED_IN: &str = "UPDATE tasks SET paused = ?2
      WHERE paused <> ?2 AND task_id IN (SELECT task_id FROM progress WHERE state = ?1)
        AND (?2 OR NOT EXISTS (SELECT 1 FROM searches s WHERE s.search = tasks.search AND s.paused))";

/// Pauses or unpauses all tasks in a state; returns the number of changed tasks. The tasks of a paused search stay paused.
///
/// # Errors
///
/// What SQLite says.
pub async fn set_paused_in(
    connection: &mut SqliteConnection,
    state: State,
    paused: bool,
) -> Result<u64, StoreError> {
    Ok(sqlx::query(SET_PAUSED_IN)
        .bind(state.as_str())
        .bind(paused)
        .execute(connection)
        .await?
        .rows_affected())
}

pub(super) const UNPAUSE_ALL: &str = "UPDATE tasks SET paused = 0 WHERE paused
        AND NOT EXISTS (SELECT 1 FROM searches s WHERE s.search = tasks.search AND s.paused)";

/// Unpauses all paused tasks, except those of paused searches; returns their number.
///
/// # Errors
///
/// What SQLite says.
pub async fn unpause_all(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    Ok(sqlx::query(UNPAUSE_ALL)
        .execute(connection)
        .await?
        .rows_affected())
}

pub(super) const RETRY: &str = "UPDATE tasks SET retry = retry + 1 WHERE task_id = ?";

/// Takes an ended task back to `pending`, if its state allows it: see "What the triggers decide" in `docs/schema.md`.
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

pub(super) const COUNT_PAUSED_IN: &str = "SELECT count(*) FROM progress AS p
       JOIN tasks AS t ON t.task_id = p.task_id WHERE p.state = ? AND t.paused";

pub(super) const RETRY_IN: &str = "UPDATE tasks SET retry = retry + 1
      WHERE task_id IN (SELECT task_id FROM progress WHERE state = ?)";

/// Retries all tasks in a state, as [`retry`] does; returns their number, and how many of them are paused.
///
/// # Errors
///
/// What SQLite says.
pub async fn retry_in(
    connection: &mut SqliteConnection,
    state: State,
) -> Result<(u64, u64), StoreError> {
    let paused: i64 = sqlx::query_scalar(COUNT_PAUSED_IN)
        .bind(state.as_str())
        .fetch_one(&mut *connection)
        .await?;
    let retried = sqlx::query(RETRY_IN)
        .bind(state.as_str())
        .execute(connection)
        .await?
        .rows_affected();
    Ok((retried, paused.unsigned_abs()))
}

pub(super) const REMOVE: &str = "DELETE FROM tasks WHERE task_id = ?";

/// Removes a task; its ledger and its events stay.
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
