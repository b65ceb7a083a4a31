//! Notifications to systemd (`sd_notify`): ready, reloading, stopping, watchdog, status line. Without systemd they do nothing.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::Instant;

/// Notifies that the daemon is ready.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// Notifies that the configuration is being read again; [`ready`] ends that.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// Notifies that the daemon stops, within `timeout`, even if the unit's `TimeoutStopSec=` is shorter.
pub fn stopping(timeout: Duration) {
    send(&[NotifyState::Stopping, more_time(timeout)]);
}

/// Notifies that the daemon starts within `timeout`, even if the unit's `TimeoutStartSec=` is shorter.
pub fn starting(timeout: Duration) {
    send(&[more_time(timeout)]);
}

/// Sets the line that `systemctl status` shows.
pub fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// systemd's watchdog (`WatchdogSec=`), which restarts a daemon that does not feed it in time.
///
/// It is fed only if the writer made progress since it was fed before.
#[derive(Debug)]
pub struct Watchdog {
    /// The shortest time between two notifications; none: systemd has set no watchdog.
    every: Option<Duration>,
    fed_at: Instant,
    pulse: u64,
}

impl Watchdog {
    /// Returns the watchdog that systemd has set on this process, if any.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            // Twice in the time would do. More often, so that one late notification does not end the daemon.
            every: sd_notify::watchdog_enabled().map(|limit| limit / 4),
            fed_at: Instant::now(),
            pulse: 0,
        }
    }

    /// Feeds the watchdog if that is due, unless `pulse` has not changed since: then the writer hangs.
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

/// Extends the timeout of a start or a stop, by at most what the message can hold, which is over an hour.
fn more_time(timeout: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(timeout.as_micros()).unwrap_or(u32::MAX))
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not notified");
    }
}
