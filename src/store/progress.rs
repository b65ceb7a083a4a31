//! `progress`: the queues of due tasks.

use super::{StoreError, Text, history, time, values};
use crate::core::TaskId;
use crate::core::event::Event;
use crate::core::queue::Queue;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

/// A due task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTask {
    /// The task.
    pub id: TaskId,
    /// Whether the service's list can stand in for a poll of it. False for an id in a form that the list does not have.
    pub is_watched: bool,
}

/// Due tasks.
#[derive(Debug, Default)]
pub struct Due {
    /// The tasks, in the order in which they were read.
    pub tasks: Vec<DueTask>,
    /// Ids, as bytes, that cannot be part of a request: text that is not UTF-8, which no constraint of the schema
    /// refuses.
    pub unusable: Vec<Vec<u8>>,
}

/// The end of a queue to read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The task that became due first.
    Oldest,
    /// The task that became due last.
    Newest,
}

/// The due tasks of a queue.
macro_rules! due {
    ($order:literal) => {
        concat!(
            "SELECT CAST(task_id AS BLOB) AS id,
                    failures = 0 AND absences = 0 AND last_error IS NULL
                    AND (status IS NULL OR (queue = 'regular' AND status NOT IN ('done', 'failed'))) AS is_watched
               FROM progress
              WHERE queue = ?1 AND next_poll_at <= ?2
              ORDER BY next_poll_at ",
            $order,
            " LIMIT ?3"
        )
    };
}

pub(super) const DUE_OLDEST: &str = due!("ASC");
pub(super) const DUE_NEWEST: &str = due!("DESC");

/// Returns the due tasks of a queue, with whether they are [watched](crate::core::progress::Progress::is_watched), at most `limit`. A row of `progress` without a task may be among them, as a join
/// would cost more than the rest of the statement; [`unschedule_orphan`] handles those rows.
///
/// # Errors
///
/// What SQLite says.
pub async fn due(
    connection: &mut SqliteConnection,
    queue: Queue,
    end: End,
    now: Timestamp,
    limit: usize,
) -> Result<Due, StoreError> {
    let sql = match end {
        End::Oldest => DUE_OLDEST,
        End::Newest => DUE_NEWEST,
    };
    let ids: Vec<(Vec<u8>, bool)> = sqlx::query_as(sql)
        .bind(queue.as_str())
        .bind(time::to_text(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    Ok(Due::of(ids))
}

pub(super) const WAITING_FOR_LIMIT: &str = "SELECT CAST(task_id AS BLOB), FALSE FROM progress
      WHERE queue = 'limit' AND next_poll_at IS NOT NULL AND (polled_alone_at BETWEEN ?1 AND ?2) IS NOT TRUE
      ORDER BY next_poll_at LIMIT ?3";

/// Returns the tasks that wait for a limit on spending and were last polled by themselves before `polled_before`, at most
/// `limit`. A last poll after `now` does not count: the clock went back. An entry of the list does not count either,
/// because only a poll of the task itself leads to a resume.
///
/// # Errors
///
/// What SQLite says.
pub async fn waiting_for_limit(
    connection: &mut SqliteConnection,
    polled_before: Timestamp,
    now: Timestamp,
    limit: usize,
) -> Result<Due, StoreError> {
    let ids: Vec<(Vec<u8>, bool)> = sqlx::query_as(WAITING_FOR_LIMIT)
        .bind(time::to_text(polled_before))
        .bind(time::to_text(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    Ok(Due::of(ids))
}

impl Due {
    /// Returns whether nothing is due.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.unusable.is_empty()
    }

    /// Keeps the first `limit` tasks for which `is_out` is false.
    #[must_use]
    pub fn at_most(mut self, limit: usize, is_out: impl Fn(&TaskId) -> bool) -> Self {
        self.tasks.retain(|task| !is_out(&task.id));
        self.tasks.truncate(limit);
        self
    }

    fn of(rows: Vec<(Vec<u8>, bool)>) -> Self {
        let mut due = Self::default();
        for (id, is_watched) in rows {
            let text = std::str::from_utf8(&id).ok();
            match text.and_then(|text| TaskId::stored(text).ok()) {
                Some(id) => due.tasks.push(DueTask {
                    is_watched: is_watched && id.is_canonical(),
                    id,
                }),
                None => due.unusable.push(id),
            }
        }
        due
    }
}

pub(super) const MARK_UNUSABLE: &str =
    "UPDATE progress SET state = 'missing', reason = ?2, next_poll_at = NULL
          WHERE task_id = CAST(?1 AS TEXT) AND next_poll_at IS NOT NULL";

/// Ends a task whose id cannot be part of a request as `missing`, and records an event. Returns the number of changed
/// rows.
///
/// # Errors
///
/// What SQLite says.
pub async fn mark_unusable(
    connection: &mut SqliteConnection,
    id: &[u8],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let hex = values::hex(id);
    let reason = format!(
        "this id is no UTF-8 text: DELETE FROM tasks WHERE CAST(task_id AS BLOB) = x'{hex}' removes it"
    );
    let parked = sqlx::query(MARK_UNUSABLE)
        .bind(id)
        .bind(&reason)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if parked > 0 {
        let event = Event::UnusableId { reason };
        history::add_events(connection, &[(now, None, &event)]).await?;
    }
    Ok(parked)
}

pub(super) const RECORD_NOT_STORED: &str =
    "UPDATE progress SET last_error = ?2, failures = max(failures, 1)
      WHERE task_id = ?1 AND last_error IS NOT ?2";

/// Writes to `last_error` why the answer for a task cannot be stored, and records an event if that is a new error. The
/// next poll that can be stored clears it. Returns the number of changed rows.
///
/// # Errors
///
/// What SQLite says.
pub async fn record_not_stored(
    connection: &mut SqliteConnection,
    id: &TaskId,
    error: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let changed = sqlx::query(RECORD_NOT_STORED)
        .bind(id.as_str())
        .bind(error)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if changed > 0 {
        let event = Event::NotStored {
            error: error.to_owned(),
        };
        history::add_events(connection, &[(now, Some(id), &event)]).await?;
    }
    Ok(changed)
}

pub(super) const NEXT_DUE: &str = "SELECT min(at) FROM (
        SELECT * FROM (SELECT next_poll_at AS at FROM progress WHERE queue = 'new' AND next_poll_at > ?1
                        ORDER BY next_poll_at LIMIT 1)
        UNION ALL
        SELECT * FROM (SELECT next_poll_at AS at FROM progress WHERE queue = 'regular' AND next_poll_at > ?1
                        ORDER BY next_poll_at LIMIT 1))";

pub(super) const UNSCHEDULE_ORPHAN: &str = "UPDATE progress SET next_poll_at = NULL
      WHERE task_id = ?1 AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = ?1)";

/// Takes a row of `progress` that has no task out of its queue; an operator has inserted it.
///
/// # Errors
///
/// What SQLite says.
pub async fn unschedule_orphan(
    connection: &mut SqliteConnection,
    id: &TaskId,
) -> Result<(), StoreError> {
    sqlx::query(UNSCHEDULE_ORPHAN)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns when the first task after `now` is due, among those that do not wait for the daily limit. Returns none also
/// if the next value is not a time, which [`wake_scheduled_too_late`](super::reschedule::wake_scheduled_too_late)
/// corrects.
///
/// # Errors
///
/// What SQLite says.
pub async fn next_due(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<Text> = sqlx::query_scalar(NEXT_DUE)
        .bind(time::to_text(now))
        .fetch_one(connection)
        .await?;
    Ok(at.as_deref().and_then(time::from_text))
}
