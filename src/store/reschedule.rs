//! Tasks that are made due before their time: the gate has opened, the configuration or the clock has changed.

use super::{StoreError, ledger, time};
use crate::core::after;
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use std::time::Duration;

/// The statement that makes the tasks of a condition due: now (`?1`), but none sooner than an interval (`?2`) after its
/// last look, which was not after now.
macro_rules! make_due {
    ($condition:literal) => {
        concat!(
            "UPDATE progress
                SET next_poll_at = max(?1, coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', min(polled_at, ?1), ?2), ?1))
              WHERE ",
            $condition
        )
    };
}

/// One of these statements with what all of them are bound to.
fn made_due(
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

/// Makes tasks due that were waiting for the account, and those that are backing off too where `backing_off` says so:
/// the gate has opened. None is due sooner than `min_interval` after its last look.
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
    made_due(WAKE_GATED, min_interval, now)
        .bind(backing_off)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const WAKE_CAPPED: &str = make_due!(
    "task_id IN (SELECT task_id FROM progress WHERE state = 'capped' AND num_results < ?3)
     AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.task_id = progress.task_id AND paused)"
);

/// Makes tasks due that ended at a cap lower than `task_cap`: the configuration has changed. None is due sooner than
/// `min_interval` after its last look. What waits for the daily limit need not be woken: it is looked at when that has
/// room.
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
    made_due(WAKE_CAPPED, min_interval, now)
        .bind(task_cap)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const POLL_SOONER: &str = "UPDATE progress SET next_poll_at = ?1
      WHERE queue IN ('new', 'regular') AND next_poll_at > ?1 AND failures = 0 AND status NOT IN ('done', 'failed')
        AND state <> 'missing'";

/// Looks at running tasks no later than at `horizon`: the configuration has changed. Those that are backing off after
/// an error are left to that.
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

/// Makes tasks due that are neither paused nor at their end, and that nobody would look at: somebody took them out of
/// their queue by hand. None is due sooner than `min_interval` after its last look. Returns how many those are.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_unscheduled(
    connection: &mut SqliteConnection,
    min_interval: Duration,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Ok(made_due(WAKE_UNSCHEDULED, min_interval, now)
        .execute(connection)
        .await?
        .rows_affected())
}

/// No poll is put off for longer than a day, and a little more for the time that it takes.
const LONGEST_WAIT: Duration = Duration::from_hours(25);

pub(super) const WAKE_SCHEDULED_TOO_LATE: &str = "UPDATE progress SET next_poll_at = ?1
      WHERE queue IN ('new', 'regular') AND next_poll_at > ?2
        AND (next_poll_at > ?3 OR polled_at > ?1 OR (state <> 'missing' AND failures = 0) IS NOT FALSE)";

pub(super) const BOUND_LIMIT_WAIT: &str = "UPDATE progress SET next_poll_at = ?1
      WHERE queue = 'limit' AND next_poll_at > ?1";

/// Makes tasks due at once that the clock left behind, or somebody by hand: no schedule lies further ahead than
/// `horizon`, and what sorts behind it may be no time at all. Returns how many those are.
///
/// Only a missing task, and one whose poll was answered with a `Retry-After`, wait longer, up to 25 h.
///
/// What waits for the daily limit is due when that has room, whatever its time says; but none is held for more than a
/// day.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_scheduled_too_late(
    connection: &mut SqliteConnection,
    now: Timestamp,
    horizon: Timestamp,
) -> Result<u64, StoreError> {
    sqlx::query(BOUND_LIMIT_WAIT)
        .bind(time::to_text(after(now, ledger::DAY)))
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
