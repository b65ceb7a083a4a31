//! `creates`, the ledger of tasks that growd asked for. Rows are added and settled, never removed.

use super::ledger::LedgerRow;
use super::{StoreError, Text, time};
use crate::core::TaskId;
use crate::core::failure::PAYMENT_ERRORS;
use crate::core::search::create::Create;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

pub(super) const NEXT_ID: &str = "SELECT 1 + max(
            coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'creates'), 0),
            coalesce((SELECT max(id) FROM creates), 0))";

/// Returns the id of the next row: the one that `AUTOINCREMENT` would choose. No id is given out twice, not even after its
/// row was deleted.
///
/// # Errors
///
/// What SQLite says.
pub async fn next_id(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(NEXT_ID).fetch_one(connection).await?)
}

pub(super) const INTEND: &str = "INSERT INTO creates (id, search, part, desired, body, state, sent_at) VALUES (?, ?, ?, ?, ?, ?, ?)";

/// Writes a new row down, before its create is sent.
///
/// # Errors
///
/// What SQLite says. A second `intended` create of a search violates a unique index.
pub async fn intend(
    connection: &mut SqliteConnection,
    search: &str,
    create: &Create,
) -> Result<(), StoreError> {
    sqlx::query(INTEND)
        .bind(create.request.id)
        .bind(search)
        .bind(create.part)
        .bind(create.request.requested)
        .bind(create.body.to_string())
        .bind(create.request.state.as_str())
        .bind(time::to_text(create.request.sent_at))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const UPDATE: &str = "UPDATE creates
            SET state = ?2, http_status = ?3, detail = ?4, resolved_at = ?5, task_id = ?6, refusal = ?7,
                absent_since = ?8, doubts = ?9
          WHERE id = ?1";

/// Writes the changed state of a create.
///
/// # Errors
///
/// What SQLite says.
pub async fn update(connection: &mut SqliteConnection, create: &Create) -> Result<(), StoreError> {
    let request = &create.request;
    sqlx::query(UPDATE)
        .bind(request.id)
        .bind(request.state.as_str())
        .bind(request.http_status)
        .bind(request.detail.as_deref())
        .bind(request.resolved_at.map(time::to_text))
        .bind(create.task.as_ref().map(TaskId::as_str))
        .bind(request.refusal)
        .bind(create.absent_since.map(time::to_text))
        .bind(create.doubts)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const FIND: &str = "SELECT * FROM creates WHERE id = ?";

/// Reads one create.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for a value that growd cannot read.
pub async fn find(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<Option<Create>, StoreError> {
    let row = sqlx::query(FIND)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(create).transpose()
}

pub(super) const NEWEST: &str = "SELECT * FROM creates WHERE search = ?1 AND (id > ?2 OR state = 'intended') ORDER BY id DESC LIMIT 1";

/// Reads the newest create of a search, of those after `begun_after` or still open.
///
/// # Errors
///
/// Those of [`find`].
pub async fn newest(
    connection: &mut SqliteConnection,
    search: &str,
    begun_after: i64,
) -> Result<Option<Create>, StoreError> {
    let row = sqlx::query(NEWEST)
        .bind(search)
        .bind(begun_after)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(create).transpose()
}

pub(super) const FAILURES: &str = "SELECT count(*) FROM creates
      WHERE search = ?1
        AND (state IN ('lost', 'unsent') OR (state = 'rejected' AND http_status NOT IN (400, 401, 402, 403, 422, 429)))
        AND id > max(?2, coalesce((SELECT max(id) FROM creates WHERE search = ?1 AND state = 'accepted'), 0))";

/// Returns how many creates in a row were lost, not sent, or rejected for no documented reason, of those after the id
/// `counted_after`.
///
/// # Errors
///
/// What SQLite says.
pub async fn failures(
    connection: &mut SqliteConnection,
    search: &str,
    counted_after: i64,
) -> Result<u32, StoreError> {
    Ok(sqlx::query_scalar(FAILURES)
        .bind(search)
        .bind(counted_after)
        .fetch_one(connection)
        .await?)
}

pub(super) const IS_KNOWN: &str =
    "SELECT EXISTS (SELECT 1 FROM tasks WHERE task_id = ?1 AND created_at <= ?2)
     OR EXISTS (SELECT 1 FROM creates WHERE task_id = ?1)";

/// Returns whether growd managed a task at `sent_at`, or has created it. A task that a person adds while a create is open can be
/// the one that the create made.
///
/// # Errors
///
/// What SQLite says.
pub async fn is_known(
    connection: &mut SqliteConnection,
    task: &TaskId,
    sent_at: Timestamp,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_KNOWN)
        .bind(task.as_str())
        .bind(time::to_text(sent_at))
        .fetch_one(connection)
        .await?)
}

pub(super) const OPEN_ALIKE: &str =
    "SELECT other.id FROM creates AS mine CROSS JOIN creates AS other
      WHERE mine.id = ?1 AND other.state = 'intended' AND other.search <> mine.search
        AND other.desired = mine.desired
        AND trim(other.body ->> '$.query') = trim(mine.body ->> '$.query')";

/// Returns the open creates of other searches that ask for the same query and number of results as this one.
///
/// # Errors
///
/// What SQLite says.
pub async fn open_alike(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(OPEN_ALIKE)
        .bind(id)
        .fetch_all(connection)
        .await?)
}

pub(super) const FORBIDDEN_ALONE: &str = "SELECT EXISTS (
        SELECT 1 FROM creates AS mine
         WHERE mine.search = ?1 AND mine.id > ?3 AND mine.id < ?2
           AND mine.state = 'rejected' AND mine.http_status = 403
           AND coalesce(mine.detail, '') NOT IN (SELECT value FROM json_each(?4))
           AND (EXISTS (SELECT 1 FROM creates AS other
                         WHERE other.id > mine.id AND other.id < ?2
                           AND other.search <> ?1 AND other.state = 'accepted')
             OR EXISTS (SELECT 1 FROM resumes AS other
                         WHERE other.sent_at > mine.resolved_at AND other.state = 'accepted')))";

/// Returns whether a create of this search, before `id` and after `forgiven`, was answered 403 for another reason than
/// payment, and another paid request was accepted since.
///
/// # Errors
///
/// What SQLite says.
pub async fn was_forbidden_alone(
    connection: &mut SqliteConnection,
    search: &str,
    id: i64,
    forgiven: i64,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(FORBIDDEN_ALONE)
        .bind(search)
        .bind(id)
        .bind(forgiven)
        .bind(serde_json::json!(PAYMENT_ERRORS).to_string())
        .fetch_one(connection)
        .await?)
}

pub(super) const RESTART_SETTLING: &str = "UPDATE creates
        SET sent_at = ?1, resolved_at = min(resolved_at, ?1), absent_since = NULL
      WHERE sent_at > ?1 AND state IN ('intended', 'lost')";

/// Restarts the settling time of open creates whose `sent_at` is after `now`: the clock went back, and their age is unknown.
/// Returns the number of these creates.
///
/// # Errors
///
/// What SQLite says.
pub async fn restart_settling(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Ok(sqlx::query(RESTART_SETTLING)
        .bind(time::to_text(now))
        .execute(connection)
        .await?
        .rows_affected())
}

/// Reads a row of `creates`.
fn create(row: &SqliteRow) -> Result<Create, StoreError> {
    let of_ledger = LedgerRow::of("creates", row)?;
    let body: Text = row.try_get("body")?;
    let task = Text::nullable(row, "task_id")?;
    let task = task.map(|text| {
        text.parse()
            .map_err(|_| of_ledger.unreadable("task_id", &text, "a task id"))
    });
    Ok(Create {
        request: of_ledger.request("desired")?,
        part: row.try_get("part")?,
        body: serde_json::from_str(&body)
            .map_err(|_| of_ledger.unreadable("body", &body, "JSON"))?,
        task: task.transpose()?,
        absent_since: of_ledger.time("absent_since")?,
        doubts: row.try_get("doubts")?,
    })
}
