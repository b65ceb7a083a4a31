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
        if self.is_to_be_fed(pulse, Instant::now()) {
            send(&[NotifyState::Watchdog]);
        }
    }

    fn is_to_be_fed(&mut self, pulse: u64, now: Instant) -> bool {
        let is_due = self
            .every
            .is_some_and(|every| now.duration_since(self.fed_at) >= every);
        let feeds = is_due && pulse != self.pulse;
        if feeds {
            self.fed_at = now;
            self.pulse = pulse;
        }
        feeds
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_while_the_writer_makes_progress_and_not_after() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut watchdog = Watchdog {
            every: Some(Duration::from_secs(5)),
            fed_at: begin,
            pulse: 0,
        };
        assert!(!watchdog.is_to_be_fed(1, at(4)), "too soon");
        assert!(watchdog.is_to_be_fed(1, at(5)));
        for second in [10, 15, 60] {
            assert!(!watchdog.is_to_be_fed(1, at(second)), "the writer hangs");
        }
        assert!(watchdog.is_to_be_fed(2, at(61)), "it goes on");
        watchdog.every = None;
        assert!(!watchdog.is_to_be_fed(3, at(100)), "systemd has set none");
    }
}
