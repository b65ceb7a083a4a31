//! The config: a TOML file and environment variables, checked as a whole before anything runs on them.

mod environment;
mod error;
mod keys;
mod kinds;
mod layers;

pub use environment::warnings;
pub use error::{ConfigError, Origin, Problem, Wrong};
pub use keys::{Entry, entries};

use crate::core::policy::{Growth, Policy, Polling, Retry};
use layers::{Layers, PREFIX, SEPARATOR};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// The file that is read where none is named. It need not exist.
pub const SYSTEM_FILE: &str = "/etc/growd/growd.toml";

/// The variable that names a file in place of `--config`.
pub const FILE_VARIABLE: &str = "GROWD_CONFIG";

/// The largest config file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

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
        let connect_timeout = layers.read(&keys::CONNECT_TIMEOUT);
        let database = layers.read(&keys::DATABASE);
        let chunk = layers.read(&keys::CHUNK);
        let task_cap = layers.read(&keys::TASK_CAP);
        let max_stalled = layers.read(&keys::MAX_STALLED);
        let max_waste = layers.read(&keys::MAX_WASTE);
        let daily_limit = layers.read(&keys::DAILY_LIMIT);
        let times = layers.read_above(
            &keys::SETTLE,
            &keys::TIMEOUT,
            "a resume that is still under way would count as lost and be asked for twice",
        );
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
        let (settle, timeout) = times?;
        let (min_interval, max_interval) = intervals?;
        let (initial, max) = retries?;
        Some(Self {
            api: Api {
                base_url: base_url?,
                token_file,
                timeout,
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
                    settle,
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
        self.settings(self.read_file()?.as_ref())
    }

    /// Reads file and environment again. A file that had something in it, as `had_text` says, and has nothing now, is no
    /// config: it may lift every limit. `had_text` is brought up to date.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], as [`load`](Self::load), and [`ConfigError::Emptied`].
    pub fn load_again(&self, had_text: &mut bool) -> Result<Settings, ConfigError> {
        let text = self.read_file()?;
        if *had_text && !has_text(text.as_ref()) {
            let (path, _) = self.candidate();
            return Err(ConfigError::Emptied { path });
        }
        let settings = self.settings(text.as_ref())?;
        *had_text = has_text(text.as_ref());
        Ok(settings)
    }

    /// Whether there is a config file with anything in it but white space. A pipe is not read: nobody could read it again.
    #[must_use]
    pub fn has_text(&self) -> bool {
        let is_file = self.candidate().0.is_file();
        is_file && self.read_file().is_ok_and(|text| has_text(text.as_ref()))
    }

    fn settings(&self, text: Option<&(PathBuf, String)>) -> Result<Settings, ConfigError> {
        let file = text.map(|(path, text)| (path.as_path(), text.as_str()));
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
        match (read_at_most(&path, MAX_BYTES), named_by) {
            (Ok(Some(text)), _) => Ok(Some((path, text))),
            (Ok(None), _) => Err(ConfigError::TooLarge {
                path,
                max: MAX_BYTES,
            }),
            (Err(error), None) if error.kind() == ErrorKind::NotFound => Ok(None),
            (Err(error), Some(named_by)) if error.kind() == ErrorKind::NotFound => {
                Err(ConfigError::Missing { path, named_by })
            }
            (Err(cause), _) => Err(ConfigError::Unreadable { path, cause }),
        }
    }
}

fn has_text(file: Option<&(PathBuf, String)>) -> bool {
    file.is_some_and(|(_, text)| !text.trim().is_empty())
}

/// The text of a file; none where it is larger than `max` bytes.
fn read_at_most(path: &Path, max: u64) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Ok(None);
    }
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
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
