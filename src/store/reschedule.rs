//! Making tasks due early: the gate has opened, or the configuration or the clock has changed.

use super::{StoreError, time};
use crate::core::after;
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use std::time::Duration;

/// The statement that makes the tasks of a condition due: now (`?1`), but none sooner than an interval (`?2`) after its
/// last poll of the task alone. A last poll after now counts as one at now: the clock went back.
macro_rules! make_due {
    ($condition:literal) => {
        concat!(
            "UPDATE progress
                SET next_poll_at = max(?1, coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', min(polled_alone_at, ?1), ?2), ?1))
              WHERE ",
            $condition
        )
    };
}

/// Binds the parameters that all of these statements have.
fn make_due(
    sql: &'static str,
    min_interval: Duration,
    now: Timestamp,
) -> Query<'static, Sqlite, SqliteArguments> {
    // As a modifier of SQLite's date functions.
    let interval = format!("{:+.3} seconds", min_interval.as_secs_f64());
    sqlx::query(sql).bind(time::to_text(now)).bind(interval)
}

pub(super) const WAKE_GATED: &str = make_due!(
    "queue IN ('new', 'regular') AND next_poll_at > ?1
     AND ((?3 AND failures > 0) OR (state = 'growing' AND status = 'done' AND failures = 0))"
);

/// Makes the tasks due that wait for the gate, which has opened; with `backing_off` also those that back off after
/// errors. None is due sooner than `min_interval` after its last poll.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_gated(
    connection: &mut SqliteConnection,
    backing_off: bool,
    min_interval: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    make_due(WAKE_GATED, min_interval, now)
        .bind(backing_off)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const WAKE_CAPPED: &str = make_due!(
    "task_id IN (SELECT task_id FROM progress WHERE state = 'capped' AND num_results < ?3)
     AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = progress.task_id AND paused)"
);

/// Makes the tasks due that ended at a lower cap than `task_cap`: the configuration has changed. None is due sooner
/// than `min_interval` after its last poll.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_capped(
    connection: &mut SqliteConnection,
    task_cap: i64,
    min_interval: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    make_due(WAKE_CAPPED, min_interval, now)
        .bind(task_cap)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const POLL_SOONER: &str = "UPDATE progress SET next_poll_at = ?1
      WHERE queue IN ('new', 'regular') AND next_poll_at > ?1 AND failures = 0 AND status NOT IN ('done', 'failed')
        AND state <> 'missing'";

/// Makes running tasks due at `horizon` at the latest: the configuration has changed. Tasks that back off after an
/// error keep their schedule.
///
/// # Errors
///
/// What SQLite says.
pub async fn poll_sooner(
    connection: &mut SqliteConnection,
    horizon: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(POLL_SOONER)
        .bind(time::to_text(horizon))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const WAKE_UNSCHEDULED: &str = make_due!(
    "next_poll_at IS NULL AND state IN ('pending', 'growing')
     AND EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = progress.task_id AND NOT paused)"
);

/// Makes the tasks due that are neither paused nor ended, and have no `next_poll_at`: an operator has set it to null.
/// None is due sooner than `min_interval` after its last poll. Returns the number of these tasks.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_unscheduled(
    connection: &mut SqliteConnection,
    min_interval: Duration,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Ok(make_due(WAKE_UNSCHEDULED, min_interval, now)
        .execute(connection)
        .await?
        .rows_affected())
}

/// The longest wait for a poll: a day, and a margin for the time that the poll takes.
const LONGEST_WAIT: Duration = Duration::from_hours(25);

pub(super) const WAKE_SCHEDULED_TOO_LATE: &str = "UPDATE progress SET next_poll_at = ?1
      WHERE queue IN ('new', 'regular') AND next_poll_at > ?2
        AND (next_poll_at > ?3 OR polled_at > ?1 OR (state <> 'missing' AND failures = 0) IS NOT FALSE)";

pub(super) const BOUND_LIMIT_WAIT: &str = "UPDATE progress SET next_poll_at = ?1
      WHERE queue = 'limit' AND next_poll_at > ?1";

/// Makes the tasks due now whose `next_poll_at` is later than `horizon`, or is not a time: the clock went back, or an
/// operator has set it. Returns the number of these tasks.
///
/// Missing tasks, and tasks whose poll was answered with a `Retry-After`, may wait up to 25 h. Tasks that wait for a limit
/// are due when it has room, whatever `next_poll_at` says; it is set to `limit_horizon` at most.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_scheduled_too_late(
    connection: &mut SqliteConnection,
    now: Timestamp,
    horizon: Timestamp,
    limit_horizon: Timestamp,
) -> Result<u64, StoreError> {
    sqlx::query(BOUND_LIMIT_WAIT)
        .bind(time::to_text(limit_horizon))
        .execute(&mut *connection)
        .await?;
    Ok(sqlx::query(WAKE_SCHEDULED_TOO_LATE)
        .bind(time::to_text(now))
        .bind(time::to_text(horizon))
        .bind(time::to_text(horizon.max(after(now, LONGEST_WAIT))))
        .execute(connection)
        .await?
        .rows_affected())
}
