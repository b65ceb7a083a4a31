//! `progress`: the queues of what is due, and reading whole tasks, many with one statement.

use super::{StoreError, history, ledger, pace, time};
use crate::core::model::{Observation, Progress, Queue, Task, Wanted};
use crate::core::step::Event;
use crate::core::{State, Status, TaskId};
use jiff::Timestamp;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// What is due.
#[derive(Debug, Default)]
pub struct Due {
    /// The tasks, the longest due first.
    pub tasks: Vec<TaskId>,
    /// Ids, as their bytes, that are none that can be asked for: text that is not UTF-8 gets past every constraint.
    pub unusable: Vec<Vec<u8>>,
}

/// Which end of a queue is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The longest due.
    Oldest,
    /// What became due last.
    Newest,
}

/// What is in a queue and due, read from one of its ends.
macro_rules! due {
    ($order:literal) => {
        concat!(
            "SELECT CAST(task_id AS BLOB) FROM progress
              WHERE turn = ?1 AND next_poll_at <= ?2
              ORDER BY next_poll_at ",
            $order,
            " LIMIT ?3"
        )
    };
}

pub(super) const DUE_OLDEST: &str = due!("ASC");
pub(super) const DUE_NEWEST: &str = due!("DESC");

/// The tasks of a queue that are due, at most `limit`. A row of progress without a task may be among them: to look for
/// each task would take longer than all else. [`put_away`] is for those.
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
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(sql)
        .bind(queue.as_str())
        .bind(time::to_text(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    Ok(Due::of(ids))
}

pub(super) const HELD: &str = "SELECT CAST(task_id AS BLOB) FROM progress
      WHERE turn = 'limit' AND next_poll_at IS NOT NULL AND (polled_at <= ?1) IS NOT FALSE
      ORDER BY next_poll_at LIMIT ?2";

/// The tasks that wait for the daily limit and were not looked at since `polled_before`, at most `limit`.
///
/// # Errors
///
/// What SQLite says.
pub async fn held(
    connection: &mut SqliteConnection,
    polled_before: Timestamp,
    limit: usize,
) -> Result<Due, StoreError> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(HELD)
        .bind(time::to_text(polled_before))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    Ok(Due::of(ids))
}

impl Due {
    /// Is nothing due?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.unusable.is_empty()
    }

    /// The first `limit` tasks of it that are not out.
    #[must_use]
    pub fn at_most(mut self, limit: usize, is_out: impl Fn(&TaskId) -> bool) -> Self {
        self.tasks.retain(|id| !is_out(id));
        self.tasks.truncate(limit);
        self
    }

    fn of(ids: Vec<Vec<u8>>) -> Self {
        let mut due = Self::default();
        for id in ids {
            match std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok()) {
                Some(task) => due.tasks.push(task),
                None => due.unusable.push(id),
            }
        }
        due
    }
}

pub(super) const PARK: &str =
    "UPDATE progress SET state = 'missing', reason = ?2, next_poll_at = NULL
          WHERE task_id = CAST(?1 AS TEXT) AND next_poll_at IS NOT NULL";

/// Parks a task whose id can't be asked for; tells of it. Returns how many rows that were.
///
/// # Errors
///
/// What SQLite says.
pub async fn park(
    connection: &mut SqliteConnection,
    id: &[u8],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let hex = id
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let reason = format!(
        "this id is no UTF-8 text: DELETE FROM tasks WHERE CAST(task_id AS BLOB) = x'{hex}' removes it"
    );
    let parked = sqlx::query(PARK)
        .bind(id)
        .bind(&reason)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if parked > 0 {
        let event = Event {
            kind: "unusable_id",
            detail: json!({"reason": reason}),
        };
        history::add_events(connection, &[(now, None, &event)]).await?;
    }
    Ok(parked)
}

pub(super) const NEXT_DUE: &str = "SELECT min(at) FROM (
        SELECT * FROM (SELECT next_poll_at AS at FROM progress WHERE turn = 'new' AND next_poll_at > ?1
                        ORDER BY next_poll_at LIMIT 1)
        UNION ALL
        SELECT * FROM (SELECT next_poll_at AS at FROM progress WHERE turn = 'look' AND next_poll_at > ?1
                        ORDER BY next_poll_at LIMIT 1))";

pub(super) const PUT_AWAY: &str = "UPDATE progress SET next_poll_at = NULL
      WHERE task_id = ?1 AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = ?1)";

/// Takes a row of progress out of its queue that has no task; somebody made it by hand.
///
/// # Errors
///
/// What SQLite says.
pub async fn put_away(connection: &mut SqliteConnection, id: &TaskId) -> Result<(), StoreError> {
    sqlx::query(PUT_AWAY)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// When the first task after `now` is due, of those that do not wait for the daily limit; none, too, where what is next
/// is no time: [`pull_back`](super::waking::pull_back) sees to that.
///
/// # Errors
///
/// What SQLite says.
pub async fn next_due(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<String> = sqlx::query_scalar(NEXT_DUE)
        .bind(time::to_text(now))
        .fetch_one(connection)
        .await?;
    Ok(time::from_column_or_none(at.as_deref()))
}

pub(super) const LOAD: &str = "SELECT t.task_id, t.target, t.chunk, t.paused,
                p.state, p.reason, p.status, p.is_exhausted, p.desired_num_results, p.num_results_discovered,
                p.num_results_enriched, p.num_results_evaluated, p.num_results, p.query, p.polls, p.failures,
                p.last_error, p.polled_at, p.changed_at, p.next_poll_at, p.best_results, p.stalled, p.forgiven,
                p.run_started_at, p.run_results, p.pace, p.turn,
                r.id AS resume_id, r.requested, r.baseline_desired, r.baseline_results,
                r.best_results AS resume_best_results, r.state AS resume_state, r.http_status, r.detail,
                r.sent_at, r.shown_at, r.brought,
                (SELECT count(*) FROM resumes AS l
                  WHERE l.task_id = t.task_id AND l.state = 'lost'
                    AND l.id > max(p.forgiven,
                                   coalesce((SELECT max(a.id) FROM resumes AS a
                                              WHERE a.task_id = t.task_id AND a.state = 'accepted'), 0))) AS lost
           FROM json_each(?) AS wanted
           JOIN tasks AS t ON t.task_id = wanted.value
           JOIN progress AS p ON p.task_id = t.task_id
           LEFT JOIN resumes AS r ON r.id = (SELECT max(id) FROM resumes WHERE task_id = t.task_id)";

/// Reads whole tasks, each with its newest resume; those that are no longer there are left out.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for what growd did not write.
pub async fn load(
    connection: &mut SqliteConnection,
    ids: &[&TaskId],
) -> Result<Vec<Task>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    let rows = sqlx::query(LOAD)
        .bind(json!(ids).to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(task).collect()
}

pub(super) fn parse_id(text: &str) -> Result<TaskId, StoreError> {
    text.parse()
        .map_err(|error| StoreError::Value(format!("task_id: {error}")))
}

fn task(row: &SqliteRow) -> Result<Task, StoreError> {
    let state: String = row.try_get("state")?;
    Ok(Task {
        id: parse_id(row.try_get("task_id")?)?,
        wanted: Wanted {
            target: row.try_get("target")?,
            chunk: row.try_get("chunk")?,
            paused: row.try_get("paused")?,
        },
        progress: Progress {
            state: State::parse(&state)
                .ok_or_else(|| StoreError::Value(format!("state {state:?}")))?,
            reason: row.try_get("reason")?,
            seen: observation(row)?,
            polls: row.try_get("polls")?,
            failures: row.try_get("failures")?,
            last_error: row.try_get("last_error")?,
            polled_at: time::from_column_or_none(row.try_get("polled_at")?),
            changed_at: time::from_column_or_none(row.try_get("changed_at")?),
            next_poll_at: time::from_column_or_none(row.try_get("next_poll_at")?),
            best_results: row.try_get("best_results")?,
            stalled: row.try_get("stalled")?,
            forgiven: row.try_get("forgiven")?,
            run_started_at: time::from_column_or_none(row.try_get("run_started_at")?),
            run_results: row.try_get("run_results")?,
            pace: pace::from_column(row.try_get("pace").ok().flatten()),
            queue: queue(row.try_get("turn")?),
        },
        resume: match row.try_get::<Option<i64>, _>("resume_id")? {
            Some(id) => Some(ledger::resume(
                row,
                id,
                "resume_state",
                "resume_best_results",
            )?),
            None => None,
        },
        lost: row.try_get("lost")?,
    })
}

fn queue(word: &str) -> Queue {
    // The schema knows no others.
    let known = Queue::ALL.into_iter().find(|queue| queue.as_str() == word);
    known.unwrap_or(Queue::Look)
}

fn observation(row: &SqliteRow) -> Result<Option<Observation>, StoreError> {
    let Some(status) = row.try_get::<Option<String>, _>("status")? else {
        return Ok(None);
    };
    let count = |column: &str| -> Result<i64, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.unwrap_or(0))
    };
    Ok(Some(Observation {
        status: Status::parse(&status),
        is_exhausted: row.try_get::<Option<bool>, _>("is_exhausted")? == Some(true),
        desired: count("desired_num_results")?,
        discovered: count("num_results_discovered")?,
        enriched: count("num_results_enriched")?,
        evaluated: count("num_results_evaluated")?,
        results: count("num_results")?,
        query: row.try_get("query")?,
    }))
}
