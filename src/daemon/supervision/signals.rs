//! Signals as messages: stop, and read the configuration again.

use crate::logging;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// A request from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: take no new work, finish what is in flight, stop.
    Stop,
    /// SIGHUP: read config and token again.
    Reload,
}

/// Listens for the process's signals.
///
/// A second request to stop ends the process with status 1, at once, or within 2 s if its log is a full pipe. That is safe at
/// any moment: the next start settles what was in flight.
///
/// One thread handles signals and everything else. If a file system hangs while a reload reads config and token from it,
/// signals wait too, until the watchdog ends the daemon.
///
/// # Errors
///
/// If the handlers cannot be installed.
pub fn listen() -> io::Result<mpsc::Receiver<Signal>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        let mut stopping = false;
        loop {
            let signal = tokio::select! {
                Some(()) = terminate.recv() => Signal::Stop,
                Some(()) = interrupt.recv() => Signal::Stop,
                Some(()) = hang_up.recv() => Signal::Reload,
                else => return,
            };
            if signal == Signal::Stop && stopping {
                tracing::warn!("stopping at once");
                logging::flush();
                std::process::exit(1);
            }
            // The daemon may have ended, or have a queue full of reloads: one more changes nothing then. There is always
            // room for a stop.
            match signal {
                Signal::Reload if sender.capacity() <= 1 => {}
                signal => drop(sender.try_send(signal)),
            }
            stopping |= signal == Signal::Stop || sender.is_closed();
        }
    });
    Ok(receiver)
}
