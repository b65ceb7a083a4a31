//! What the writer does besides storing what was learnt: heartbeat, pruning, a new config, a clock that went back.

use super::batch;
use crate::core::gate::Gate;
use crate::core::policy::Policy;
use crate::core::step::Event;
use crate::core::{TaskId, after};
use crate::crash::{self, Point};
use crate::store::{StoreError, daemon, history, ledger, progress, reschedule};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;

/// One of these.
#[derive(Debug, Clone)]
pub enum Maintenance {
    /// Say that the daemon is well.
    Heartbeat,
    /// Remove a batch of history from before a time; the reply counts the rows.
    Prune(Timestamp),
    /// Go by a new configuration, and let it be felt at once.
    Adopt(Box<Policy>),
    /// The clock may have gone back while no daemon ran.
    PullBack,
    /// The clock went back by so much.
    WentBack(Duration),
    /// Park a task whose id, as these bytes, is none that can be asked for.
    Park(Vec<u8>),
    /// Note at a task why what was learnt of it cannot be stored.
    SetAside(TaskId, String),
    /// Write down something worth telling that concerns no task.
    Tell(Event),
}

impl Maintenance {
    /// What it is called in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Heartbeat => "the heartbeat",
            Self::Prune(_) => "pruning old history",
            Self::Adopt(_) => "adopting the configuration",
            Self::PullBack | Self::WentBack(_) => "rescheduling after a change of the clock",
            Self::Park(_) => "parking a task whose id is not UTF-8",
            Self::SetAside(..) => "noting an error at its task",
            Self::Tell(_) => "recording an event",
        }
    }
}

/// Does a chore in the transaction that `connection` has begun, by `policy`, which may be a new one; `gate` is changed
/// where the chore changes it. Returns the number of rows that it removed or changed, where it counts them.
///
/// # Errors
///
/// What SQLite says; the transaction is then to be rolled back.
pub async fn perform(
    connection: &mut SqliteConnection,
    maintenance: &Maintenance,
    gate: &mut Gate,
    policy: &Policy,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let before = gate.clone();
    let min_interval = policy.polling.min_interval;
    Ok(match maintenance {
        Maintenance::Heartbeat => {
            daemon::heartbeat(&mut *connection, gate, now).await?;
            // No schedule is put off for longer than a day.
            let horizon = after(now, horizon(policy).max(Duration::from_hours(25)));
            let astray =
                reschedule::wake_scheduled_too_late(&mut *connection, now, horizon).await?;
            if astray > 0 {
                tracing::warn!(
                    "{astray} tasks were put off beyond all measure: looking at them now"
                );
            }
            0
        }
        Maintenance::Prune(before) => {
            let count = history::prune(&mut *connection, *before).await?;
            crash::at(Point::PruneWritten);
            count
        }
        Maintenance::Adopt(_) => {
            gate.probe_now(now);
            batch::store_gate(&mut *connection, &before, gate, min_interval, now).await?;
            reschedule::wake_capped(&mut *connection, policy.growth.task_cap, min_interval, now)
                .await?;
            let horizon = after(now, policy.polling.max_interval);
            reschedule::poll_sooner(&mut *connection, horizon).await?;
            let idle = reschedule::wake_unscheduled(&mut *connection, min_interval, now).await?;
            if idle > 0 {
                tracing::warn!(
                    "{idle} tasks were in no queue, by somebody's hand: looking at them now"
                );
            }
            idle
        }
        Maintenance::PullBack => {
            let restarted = ledger::restart_settling(&mut *connection, now).await?;
            restarted
                + reschedule::wake_scheduled_too_late(
                    &mut *connection,
                    now,
                    after(now, horizon(policy)),
                )
                .await?
        }
        Maintenance::WentBack(by) => {
            gate.clock_went_back(*by);
            batch::store_gate(&mut *connection, &before, gate, min_interval, now).await?;
            let restarted = ledger::restart_settling(&mut *connection, now).await?;
            // Running tasks least of all may be left unseen; what else was put off is looked at once more.
            let horizon = after(now, policy.polling.max_interval);
            restarted + reschedule::wake_scheduled_too_late(&mut *connection, now, horizon).await?
        }
        Maintenance::Park(id) => progress::mark_unusable(&mut *connection, id, now).await?,
        Maintenance::SetAside(id, error) => {
            progress::record_not_stored(&mut *connection, id, error, now).await?
        }
        Maintenance::Tell(event) => {
            history::add_events(&mut *connection, &[(now, None, event)]).await?;
            0
        }
    })
}

/// How far ahead the daemon puts a poll, save for a daily limit.
fn horizon(policy: &Policy) -> Duration {
    policy
        .polling
        .max_interval
        .max(policy.retry.max)
        .max(policy.probe_interval)
        .max(policy.growth.settle)
}
