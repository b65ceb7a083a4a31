//! What systemd is told: ready, reloading, stopping, and a status line. Without systemd nothing is said.

use sd_notify::NotifyState;

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

/// The daemon drains.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not notified");
    }
}
