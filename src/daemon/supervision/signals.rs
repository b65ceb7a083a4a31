//! Signals as messages: stop, and read the configuration again.

use crate::logging;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What the daemon can be told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: take no new work, finish what is under way, stop.
    Stop,
    /// SIGHUP: read config and token again.
    Reload,
}

/// Listens for the process's signals.
///
/// A second request to stop ends the process with status 1, at once, or within 2 s where nobody reads the log. That is
/// safe at any moment: whatever was under way is settled by the next start.
///
/// They are heard by the thread that does all else but writing: a file system that hangs while a reload reads config and
/// token from it holds up signals too, until the watchdog ends the daemon.
///
/// # Errors
///
/// Where the handlers can't be installed.
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
            // The daemon may be past listening, or have as many reloads before it as it can hold: one more changes
            // nothing then. A stop always finds room.
            match signal {
                Signal::Reload if sender.capacity() <= 1 => {}
                signal => drop(sender.try_send(signal)),
            }
            stopping |= signal == Signal::Stop || sender.is_closed();
        }
    });
    Ok(receiver)
}
