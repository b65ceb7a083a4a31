//! The exit statuses, and the mapping of errors to them.

use super::tasks::UnknownTasks;
use crate::config::ConfigError;
use crate::daemon::RunError;
use crate::extruct::network::NetworkError;
use crate::store::StoreError;
use crate::token::TokenError;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

/// The exit status of a command. Numbers above 2 are those of `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed; stderr says what and what to do.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// `check`: the service could not be reached.
    Unreachable = 69,
    /// `run`: another daemon holds this database.
    Locked = 75,
    /// No token, or `check`: the service refused it.
    NoToken = 77,
    /// The config, the environment's proxy or certificates, or the database's schema version is not usable.
    Unusable = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Wrong arguments that clap does not detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

impl Exit {
    /// Returns the exit status for an error.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<StoreError>() {
                return Self::of_store(error);
            }
            // `RunError` is transparent: its store error is not in the chain of sources.
            if let Some(RunError::Store(error)) = cause.downcast_ref::<RunError>() {
                return Self::of_store(error);
            }
            if cause.is::<ConfigError>() || cause.is::<NetworkError>() {
                return Self::Unusable;
            }
            if cause.is::<TokenError>() {
                return Self::NoToken;
            }
            if cause.is::<Usage>() {
                return Self::Usage;
            }
            if cause.is::<UnknownTasks>() {
                return Self::Failed;
            }
            if is_broken_pipe(cause) {
                // The reader of stdout has closed it, as in `growd status | head`.
                return Self::Done;
            }
        }
        Self::Failed
    }

    /// Returns the exit status for an error of the database.
    #[must_use]
    pub fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Locked { .. } => Self::Locked,
            StoreError::NotGrowd { .. }
            | StoreError::Newer { .. }
            | StoreError::NeedsMigration { .. }
            | StoreError::Migrate { is_transient: false, .. } => Self::Unusable,
            StoreError::Absent { .. }
            | StoreError::Open { .. }
            | StoreError::Directory { .. }
            | StoreError::Lock { .. }
            | StoreError::HardLinked { .. }
            | StoreError::Damaged(_)
            | StoreError::Schema { .. }
            // Temporary: a restart may succeed.
            | StoreError::Migrate { is_transient: true, .. }
            | StoreError::Gone { .. }
            | StoreError::Unwritable { .. }
            | StoreError::Value(_)
            | StoreError::Ledger(_)
            | StoreError::Panicked(_)
            | StoreError::Sqlite(_) => Self::Failed,
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = match (
        error.downcast_ref::<io::Error>(),
        error.downcast_ref::<serde_json::Error>(),
    ) {
        (Some(error), _) => Some(error.kind()),
        (_, Some(error)) => error.io_error_kind(),
        (None, None) => None,
    };
    kind == Some(ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_status_of_the_contract() {
        let path = || "x".into();
        let migrate = |is_transient| {
            anyhow::Error::from(StoreError::Migrate {
                path: path(),
                detail: String::new(),
                is_transient,
            })
        };
        for (error, status) in [
            (
                anyhow::Error::from(StoreError::Locked {
                    path: path(),
                    holder: String::new(),
                }),
                75,
            ),
            (StoreError::NeedsMigration { path: path() }.into(), 78),
            (
                RunError::Store(StoreError::NeedsMigration { path: path() }).into(),
                78,
            ),
            (StoreError::Absent { path: path() }.into(), 1),
            (migrate(false), 78),
            (migrate(true), 1),
            (TokenError::Missing.into(), 77),
            (ConfigError::Invalid(Vec::new()).into(), 78),
            (NetworkError::Proxy("HTTPS_PROXY").into(), 78),
            (Usage(String::new()).into(), 2),
            (io::Error::from(ErrorKind::BrokenPipe).into(), 0),
            (
                serde_json::Error::io(ErrorKind::BrokenPipe.into()).into(),
                0,
            ),
            (io::Error::from(ErrorKind::NotFound).into(), 1),
            (anyhow::anyhow!("anything else"), 1),
        ] {
            assert_eq!(Exit::of(&error) as u8, status, "{error}");
        }
    }
}
