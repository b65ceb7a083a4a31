//! What the writer does besides storing answers: heartbeat, pruning, a new config, a clock that went back.

use crate::core::event::Event;
use crate::core::gate::{Gate, Kind};
use crate::core::policy::Policy;
use crate::core::spending::{CREDITS_INTERVAL, Limit};
use crate::core::{TaskId, after};
use crate::crash::{self, Point};
use crate::store::{
    StoreError, creates, daemon, history, ledger, progress, reschedule, results, search_progress,
};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;

/// One piece of maintenance.
#[derive(Debug, Clone)]
pub enum Maintenance {
    /// Record that the daemon is well.
    Heartbeat,
    /// Remove a batch of history from before a time. The reply counts the rows.
    Prune(Timestamp),
    /// Apply a new configuration, and reschedule what it changes.
    ApplyPolicy(Box<Policy>),
    /// Reschedule what lies in the future: the clock may have gone back while no daemon ran.
    Reschedule,
    /// Reschedule after the clock went back by this much.
    ClockWentBack(Duration),
    /// Mark a task as `missing` whose id, as these bytes, is not UTF-8 text.
    MarkUnusable(Vec<u8>),
    /// Note at a task why what was learnt of it cannot be stored.
    RecordNotStored(TaskId, String),
    /// Store the account's credits as the service showed them, none if it did not.
    StoreCredits(Option<i64>),
    /// Record an event that concerns no task.
    Record(Event),
}

impl Maintenance {
    /// Returns its name in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Heartbeat => "the heartbeat",
            Self::Prune(_) => "pruning old history",
            Self::ApplyPolicy(_) => "applying the configuration",
            Self::Reschedule | Self::ClockWentBack(_) => "rescheduling after a change of the clock",
            Self::MarkUnusable(_) => "marking a task whose id is not UTF-8",
            Self::RecordNotStored(..) => "noting an error at its task",
            Self::StoreCredits(_) => "storing the account's credits",
            Self::Record(_) => "recording an event",
        }
    }
}

/// Does maintenance in the transaction that `connection` has begun, under `policy`, which may be a new one. `gate` is
/// changed if the maintenance changes it. Returns the number of rows that it removed or changed, if it counts them.
///
/// # Errors
///
/// What SQLite says. The transaction is then to be rolled back.
pub async fn perform(
    connection: &mut SqliteConnection,
    maintenance: &Maintenance,
    gate: &mut Gate,
    policy: &Policy,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let before = gate.clone();
    let min_interval = policy.polling.min_interval;
    let limit_horizon = after(now, Limit::longest_wait(&policy.growth));
    Ok(match maintenance {
        Maintenance::Heartbeat => {
            daemon::heartbeat(&mut *connection, gate, now).await?;
            // No poll is scheduled further ahead than a day.
            let horizon = after(now, horizon(policy).max(Duration::from_hours(25)));
            let astray =
                reschedule::wake_scheduled_too_late(&mut *connection, now, horizon, limit_horizon)
                    .await?;
            if astray > 0 {
                tracing::warn!("{astray} tasks were scheduled too far ahead: polling them now");
            }
            results::read_postponed_too_long(&mut *connection, now).await?;
            let latest = horizon.max(limit_horizon);
            search_progress::wake_too_late(&mut *connection, now, latest).await?;
            0
        }
        Maintenance::Prune(before) => {
            let count = history::prune(&mut *connection, *before).await?;
            crash::at(Point::PruneWritten);
            count
        }
        Maintenance::ApplyPolicy(_) => {
            gate.probe_now(now);
            store_gate(&mut *connection, &before, gate, min_interval, now).await?;
            reschedule::wake_capped(&mut *connection, policy.growth.task_cap, min_interval, now)
                .await?;
            search_progress::wake(&mut *connection, now).await?;
            let horizon = after(now, policy.polling.max_interval);
            reschedule::poll_sooner(&mut *connection, horizon).await?;
            let idle = reschedule::wake_unscheduled(&mut *connection, min_interval, now).await?;
            if idle > 0 {
                tracing::warn!(
                    "{idle} tasks had no next poll, after an edit by hand: polling them now"
                );
            }
            idle
        }
        Maintenance::Reschedule => {
            let restarted = restart_settling(&mut *connection, now).await?;
            let horizon = after(now, horizon(policy));
            let latest = horizon.max(limit_horizon);
            search_progress::wake_too_late(&mut *connection, now, latest).await?;
            results::read_postponed_too_long(&mut *connection, now).await?;
            restarted
                + reschedule::wake_scheduled_too_late(&mut *connection, now, horizon, limit_horizon)
                    .await?
        }
        Maintenance::ClockWentBack(by) => {
            gate.clock_went_back(*by);
            store_gate(&mut *connection, &before, gate, min_interval, now).await?;
            let restarted = restart_settling(&mut *connection, now).await?;
            search_progress::wake(&mut *connection, now).await?;
            // Running tasks least of all may be left unseen; the others are polled once more.
            results::read_postponed_too_long(&mut *connection, now).await?;
            let horizon = after(now, policy.polling.max_interval);
            restarted
                + reschedule::wake_scheduled_too_late(&mut *connection, now, horizon, limit_horizon)
                    .await?
        }
        Maintenance::MarkUnusable(id) => progress::mark_unusable(&mut *connection, id, now).await?,
        Maintenance::RecordNotStored(id, error) => {
            progress::record_not_stored(&mut *connection, id, error, now).await?
        }
        Maintenance::StoreCredits(available) => {
            daemon::save_credits(&mut *connection, *available, None).await?;
            0
        }
        Maintenance::Record(event) => {
            history::add_events(&mut *connection, &[(now, None, event)]).await?;
            0
        }
    })
}

/// Restarts the settling time of open paid requests that were sent after `now`. Returns their number.
async fn restart_settling(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let creates = creates::restart_settling(&mut *connection, now).await?;
    Ok(creates + ledger::restart_settling(connection, now).await?)
}

/// Writes the gate if it changed, and makes due what waited for it if it opened. Returns the event of that.
///
/// # Errors
///
/// What SQLite says.
pub async fn store_gate(
    connection: &mut SqliteConnection,
    before: &Gate,
    after: &Gate,
    min_interval: Duration,
    now: Timestamp,
) -> Result<Option<Event>, StoreError> {
    if (before.kind, before.until, &before.reason) == (after.kind, after.until, &after.reason) {
        return Ok(None);
    }
    daemon::save_gate(connection, after).await?;
    if before.kind == after.kind {
        return Ok(None);
    }
    if after.until.is_none() {
        let backing_off = before.kind == Kind::Unreachable;
        reschedule::wake_gated(connection, backing_off, min_interval, now).await?;
        search_progress::wake(connection, now).await?;
    }
    let event = Event::Gate {
        from: before.kind,
        to: after.kind,
        reason: after.reason.clone(),
        until: after.until,
    };
    history::add_events(connection, &[(now, None, &event)]).await?;
    Ok(Some(event))
}

/// Returns how far ahead the daemon schedules a poll, except for a limit on spending.
fn horizon(policy: &Policy) -> Duration {
    policy
        .polling
        .max_interval
        .max(policy.retry.max)
        .max(policy.probe_interval)
        .max(policy.growth.settle)
        .max(CREDITS_INTERVAL)
}
