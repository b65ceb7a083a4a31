//! What systemd is told: ready, reloading, stopping, alive, and a status line. Without systemd nothing is said.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::Instant;

/// The daemon is at work.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] says when that is done.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The daemon drains, which takes `patience` at most, however short the unit's `TimeoutStopSec=` is.
pub fn stopping(retry: Duration) {
    send(&[NotifyState::Stopping, more_time(retry)]);
}

/// The daemon begins after a wait of `patience` at most, however short the unit's `TimeoutStartSec=` is.
pub fn starting(retry: Duration) {
    send(&[more_time(retry)]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// systemd's watchdog (`WatchdogSec=`), which restarts a daemon that is not heard of in time.
///
/// # Guarantees
///
/// It is fed only where somebody who works has got on since it was fed before.
#[derive(Debug)]
pub struct Watchdog {
    /// How often it is fed at the most; none: nobody waits to hear.
    every: Option<Duration>,
    fed_at: Instant,
    pulse: u64,
}

impl Watchdog {
    /// The one that systemd has set on this process, if it has.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            // Twice would do; one that is late now and then shall not be the end of it.
            every: sd_notify::watchdog_enabled().map(|limit| limit / 4),
            fed_at: Instant::now(),
            pulse: 0,
        }
    }

    /// Feeds it, unless `pulse` is what it was when it was last fed: then the one whose pulse this is stands still.
    pub fn feed(&mut self, pulse: u64) {
        let is_due = self
            .every
            .is_some_and(|every| self.fed_at.elapsed() >= every);
        if is_due && pulse != self.pulse {
            send(&[NotifyState::Watchdog]);
            self.fed_at = Instant::now();
            self.pulse = pulse;
        }
    }
}

/// More time for a start or a stop; as much as the message can hold, which is over an hour.
fn more_time(retry: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(retry.as_micros()).unwrap_or(u32::MAX))
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not notified");
    }
}
