//! Errors of the daemon, and of a reload.

use crate::config::ConfigError;
use crate::extruct::ClientError;
use crate::extruct::network::NetworkError;
use crate::store::StoreError;
use crate::token::TokenError;
use std::any::Any;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinError;

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The writer ended: nothing can be recorded any more.
    #[error(
        "the writer ended ({0}): this is a bug in growd; the next start settles what was in flight"
    )]
    Writer(String),
    /// A problem of the database while the daemon ran.
    #[error(transparent)]
    Unhealthy(Arc<StoreError>),
    /// The signal handlers.
    #[error("signal handlers cannot be installed: {0}")]
    Signals(#[from] std::io::Error),
}

impl RunError {
    pub(super) fn of_the_writer(end: Result<(), JoinError>) -> Self {
        Self::Writer(end.map_or_else(|error| error.to_string(), |()| "it ended".to_owned()))
    }
}

/// Why a reload kept the old configuration.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The config file is gone. Its settings are not the defaults.
    #[error(
        "the config file {0} is gone: put it back, or restart growd to go on with the defaults"
    )]
    Gone(PathBuf),
    /// The config is a pipe: a second read finds nothing, or waits for ever.
    #[error(
        "the config {0} is a pipe, which cannot be read twice: put it in a file, and restart growd with that"
    )]
    Pipe(PathBuf),
    /// There is no usable token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A proxy or a certificate file that the environment names cannot be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ReloadError {
    /// Checks whether the config file of the start, and the one of now, can be read again.
    pub(super) fn check(then: Option<&Path>, now: Option<&Path>) -> Result<(), Self> {
        match (then, now) {
            (Some(then), None) => Err(Self::Gone(then.to_owned())),
            (_, Some(now)) if is_pipe(now) => Err(Self::Pipe(now.to_owned())),
            _ => Ok(()),
        }
    }
}

/// Whether a path is a pipe. If that cannot be found out, reading it says why.
fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

/// Returns the message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
}
