//! The exit statuses, and which error leads to which.

use super::tasks::UnknownTasks;
use crate::config::ConfigError;
use crate::daemon::RunError;
use crate::extruct::network::NetworkError;
use crate::store::StoreError;
use crate::token::TokenError;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

/// How a command ends. The numbers are those of `sysexits.h` where they are above 2.
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
    /// The config, what the environment says of proxies and certificates, or the database's schema version is not usable.
    Unusable = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Arguments that only turn out to be wrong once they are looked at together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

impl Exit {
    /// The status that an error leads to.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<StoreError>() {
                return Self::of_store(error);
            }
            // Its errors speak for it, and so are not its sources.
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
                // Who reads has had enough: `growd status | head`.
                return Self::Done;
            }
        }
        Self::Failed
    }

    /// The status that an error of the database leads to.
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
            | StoreError::Damaged(_)
            | StoreError::Schema { .. }
            // A restart may find it well.
            | StoreError::Migrate { is_transient: true, .. }
            | StoreError::Gone { .. }
            | StoreError::Unwritable { .. }
            | StoreError::Value(_)
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
