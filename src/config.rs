//! The config: a TOML file and environment variables, checked as a whole before anything runs on them.

mod error;
mod keys;
mod kinds;
mod layers;

pub use error::{ConfigError, Origin, Problem, Wrong};
pub use keys::{Entry, entries};

use crate::core::model::{Growth, Policy, Polling, Retry};
use layers::{Layers, PREFIX, SEPARATOR};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// The file that is read where none is named. It need not exist.
pub const SYSTEM_FILE: &str = "/etc/growd/growd.toml";

/// The variable that names a file in place of `--config`.
pub const FILE_VARIABLE: &str = "GROWD_CONFIG";

/// The most requests in flight that a config can ask for.
const MAX_CONCURRENCY: i64 = 1024;

/// `[api]`: the service, and how long to wait for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Where it is: https, or http on a loopback address. May have a path.
    pub base_url: Url,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// For one whole request.
    pub timeout: Duration,
    /// For making a connection.
    pub connect_timeout: Duration,
}

/// `[limits]`: how much goes on at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests in flight, at least 1.
    pub concurrency: usize,
    /// Requests in a second over all tasks; 0: no limit. Finite, never negative.
    pub requests_per_second: f64,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Journald under systemd, text elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
    /// The journal's own protocol, with fields.
    Journald,
}

/// `[log]`: what is told, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least that is told.
    pub level: tracing::Level,
    /// How.
    pub format: LogFormat,
}

/// The config, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `[api]`.
    pub api: Api,
    /// `database.path`, or what `--database` says.
    pub database: PathBuf,
    /// What the rule goes by: `[growth]`, `[polling]`, `[retry]` and `gate.probe_interval`.
    pub policy: Policy,
    /// `[limits]`.
    pub limits: Limits,
    /// `history.keep`.
    pub history_keep: Duration,
    /// `[log]`.
    pub log: Log,
}

impl Settings {
    /// What is allowed, but hardly meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let (settle, timeout) = (self.policy.growth.settle, self.api.timeout);
        if settle <= timeout {
            warnings.push(format!(
                "growth.settle ({}) is not above api.timeout ({}): a resume may still arrive after it was given up, \
                 and be asked for twice; raise growth.settle",
                humantime::format_duration(settle),
                humantime::format_duration(timeout),
            ));
        }
        warnings
    }

    /// The settings that a text in TOML makes by itself, with no file and no environment; `name` stands for the
    /// file in messages.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with all that is wrong at once where that can be told.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ConfigError> {
        settings(Some((Path::new(name), text)), HashMap::new())
    }

    fn read(layers: &mut Layers) -> Option<Self> {
        // All keys are read before the first `?`, so that all problems are told at once.
        let base_url = layers.read(&keys::BASE_URL);
        let token_file = layers.read(&keys::TOKEN_FILE);
        let timeout = layers.read(&keys::TIMEOUT);
        let connect_timeout = layers.read(&keys::CONNECT_TIMEOUT);
        let database = layers.read(&keys::DATABASE);
        let chunk = layers.read(&keys::CHUNK);
        let task_cap = layers.read(&keys::TASK_CAP);
        let max_stalled = layers.read(&keys::MAX_STALLED);
        let max_waste = layers.read(&keys::MAX_WASTE);
        let daily_limit = layers.read(&keys::DAILY_LIMIT);
        let settle = layers.read(&keys::SETTLE);
        let intervals = layers.read_ordered(&keys::MIN_INTERVAL, &keys::MAX_INTERVAL);
        let quiet_after = layers.read(&keys::QUIET_AFTER);
        let concurrency = layers.read(&keys::CONCURRENCY);
        let requests_per_second = layers.read(&keys::RATE);
        let retries = layers.read_ordered(&keys::RETRY_INITIAL, &keys::RETRY_MAX);
        let probe_interval = layers.read(&keys::PROBE_INTERVAL);
        let history_keep = layers.read(&keys::KEEP);
        let level = layers.read(&keys::LEVEL);
        let format = layers.read(&keys::FORMAT);
        if !layers.is_sound() {
            return None;
        }
        let (min_interval, max_interval) = intervals?;
        let (initial, max) = retries?;
        Some(Self {
            api: Api {
                base_url: base_url?,
                token_file,
                timeout: timeout?,
                connect_timeout: connect_timeout?,
            },
            database: database?,
            policy: Policy {
                growth: Growth {
                    chunk: chunk?,
                    task_cap: task_cap?,
                    max_stalled: max_stalled?,
                    max_waste: max_waste?,
                    daily_limit: daily_limit?,
                    settle: settle?,
                },
                polling: Polling {
                    min_interval,
                    max_interval,
                    quiet_after: quiet_after?,
                },
                retry: Retry { initial, max },
                probe_interval: probe_interval?,
            },
            limits: Limits {
                concurrency: usize::try_from(concurrency?).ok()?,
                requests_per_second: requests_per_second?,
            },
            history_keep: history_keep?,
            log: Log {
                level: level?,
                format: format?,
            },
        })
    }
}

impl Default for Settings {
    /// Every key at its default, whatever file and environment say.
    fn default() -> Self {
        settings(None, HashMap::new())
            .expect("the table of keys has valid defaults: a unit test reads them")
    }
}

/// Where the config comes from: kept, so that it can be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--database`, which goes before `database.path`.
    pub database: Option<PathBuf>,
}

impl Source {
    /// Reads file and environment as they are now.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with all that is wrong at once where that can be told.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        let text = self.read_file()?;
        let file = text
            .as_ref()
            .map(|(path, text)| (path.as_path(), text.as_str()));
        let mut settings = settings(file, variables(std::env::vars_os()))?;
        if let Some(database) = &self.database {
            settings.database.clone_from(database);
        }
        // So that every name is one of a file: SQLite takes `:memory:` and `file:…` for something else.
        if let Ok(absolute) = std::path::absolute(&settings.database) {
            settings.database = absolute;
        }
        Ok(settings)
    }

    /// The config file that [`load`](Self::load) reads: none where there is none, and none is named.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let (path, named_by) = self.candidate();
        (named_by.is_some() || path.exists()).then_some(path)
    }

    /// The file to look for, and who names it; none: it need not exist.
    fn candidate(&self) -> (PathBuf, Option<&'static str>) {
        if let Some(path) = &self.config {
            return (path.clone(), Some("--config"));
        }
        match std::env::var_os(FILE_VARIABLE) {
            Some(path) if !path.is_empty() => (path.into(), Some("$GROWD_CONFIG")),
            _ => (SYSTEM_FILE.into(), None),
        }
    }

    fn read_file(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let (path, named_by) = self.candidate();
        match (std::fs::read_to_string(&path), named_by) {
            (Ok(text), _) => Ok(Some((path, text))),
            (Err(error), None) if error.kind() == ErrorKind::NotFound => Ok(None),
            (Err(error), Some(named_by)) if error.kind() == ErrorKind::NotFound => {
                Err(ConfigError::Missing { path, named_by })
            }
            (Err(cause), _) => Err(ConfigError::Unreadable { path, cause }),
        }
    }
}

fn settings(
    file: Option<(&Path, &str)>,
    variables: HashMap<String, String>,
) -> Result<Settings, ConfigError> {
    let mut layers = Layers::new(file, variables)?;
    Settings::read(&mut layers).ok_or_else(|| ConfigError::Invalid(layers.into_problems()))
}

/// The variables that override keys. What is not UTF-8 keeps a mark in place of the bad bytes: no key takes that.
fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> HashMap<String, String> {
    let prefix = format!("{PREFIX}{SEPARATOR}");
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.to_uppercase().starts_with(&prefix))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
