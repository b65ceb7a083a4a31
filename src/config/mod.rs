//! The configuration: a TOML file and environment variables, read and checked as a whole.

mod environment;
mod error;
mod keys;
mod layers;
mod value_types;

pub use environment::{FILE_VARIABLE, warnings};
pub use error::{ConfigError, Origin, Problem, ProblemKind};
pub use keys::{Entry, entries};

use crate::core::policy::{Growth, Policy, Polling, Retry};
use layers::Layers;
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// The configuration file that is read unless another one is named. It need not exist.
pub const SYSTEM_FILE: &str = "/etc/growd/growd.toml";

/// The largest accepted configuration file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The largest accepted `limits.concurrency`.
const MAX_CONCURRENCY: i64 = 1024;

/// `[api]`: address, token file and timeouts of the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Address of the service: https, or http on a loopback address. May have a path.
    pub base_url: Url,
    /// File that holds the token.
    pub token_file: Option<PathBuf>,
    /// Timeout for one whole request.
    pub timeout: Duration,
    /// Timeout for establishing a connection.
    pub connect_timeout: Duration,
}

/// `[results]`: what is read of the companies that a task found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Results {
    /// Read and keep results.
    pub keep: bool,
    /// Results that one request asks for, 1..=1000.
    pub page: u32,
    /// How often to read results while the service works on the task; zero: only after it has stopped.
    pub live: Duration,
}

/// `[limits]`: bounds on the requests of all tasks together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests in flight, at least 1.
    pub concurrency: usize,
    /// Requests per second over all tasks; 0 means no limit. Finite, never negative.
    pub requests_per_second: f64,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Journald` where stderr is the systemd journal, `Text` elsewhere.
    Auto,
    /// Lines of text.
    Text,
    /// One JSON object per line.
    Json,
    /// The journal's native protocol, with fields.
    Journald,
}

/// `[log]`: level and format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Lowest level that is logged.
    pub level: tracing::Level,
    /// Format of the log.
    pub format: LogFormat,
}

/// The checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `[api]`.
    pub api: Api,
    /// `--database`, else `database.path`.
    pub database: PathBuf,
    /// Parameters of the decision rule: `[growth]`, `[polling]`, `[retry]` and `gate.probe_interval`.
    pub policy: Policy,
    /// `[results]`.
    pub results: Results,
    /// `[limits]`.
    pub limits: Limits,
    /// `history.keep`.
    pub history_keep: Duration,
    /// `[log]`.
    pub log: Log,
}

impl Settings {
    /// Returns the settings of a TOML text, without any file or environment variable. Error messages call the text
    /// `name`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with all invalid keys at once if the text is valid TOML.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ConfigError> {
        settings(Some((Path::new(name), text)), HashMap::new())
    }

    fn read(layers: &mut Layers) -> Option<Self> {
        // All keys are read before the first `?`, so that all problems are reported at once.
        let base_url = layers.read(&keys::BASE_URL);
        let token_file = layers.read(&keys::TOKEN_FILE);
        let connect_timeout = layers.read(&keys::CONNECT_TIMEOUT);
        let database = layers.read(&keys::DATABASE);
        let chunk = layers.read(&keys::CHUNK);
        let task_cap = layers.read(&keys::TASK_CAP);
        let max_stalled = layers.read(&keys::MAX_STALLED);
        let max_waste = layers.read(&keys::MAX_WASTE);
        let daily_limit = layers.read(&keys::DAILY_LIMIT);
        let monthly_limit = layers.read(&keys::MONTHLY_LIMIT);
        let reserve_credits = layers.read(&keys::RESERVE_CREDITS);
        let exclude_cap = layers.read(&keys::EXCLUDE_CAP);
        let times = layers.read_above(
            &keys::SETTLE,
            &keys::TIMEOUT,
            "a resume that is still in flight would count as lost, and would be sent and paid for twice",
        );
        let intervals = layers.read_ordered(&keys::MIN_INTERVAL, &keys::MAX_INTERVAL);
        let quiet_after = layers.read(&keys::QUIET_AFTER);
        let list_page = layers.read(&keys::LIST_PAGE);
        let results_keep = layers.read(&keys::RESULTS_KEEP);
        let results_page = layers.read(&keys::RESULTS_PAGE);
        let results_live = layers.read(&keys::RESULTS_LIVE);
        let concurrency = layers.read(&keys::CONCURRENCY);
        let requests_per_second = layers.read(&keys::RATE);
        let retries = layers.read_ordered(&keys::RETRY_INITIAL, &keys::RETRY_MAX);
        let probe_interval = layers.read(&keys::PROBE_INTERVAL);
        let history_keep = layers.read(&keys::KEEP);
        let level = layers.read(&keys::LEVEL);
        let format = layers.read(&keys::FORMAT);
        if !layers.is_valid() {
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
                    monthly_limit: monthly_limit?,
                    reserve_credits: reserve_credits?,
                    exclude_cap: exclude_cap?,
                    settle,
                },
                polling: Polling {
                    min_interval,
                    max_interval,
                    quiet_after: quiet_after?,
                    list_page: u32::try_from(list_page?).ok()?,
                },
                retry: Retry { initial, max },
                probe_interval: probe_interval?,
                keeps_results: results_keep?,
            },
            results: Results {
                keep: results_keep?,
                page: u32::try_from(results_page?).ok()?,
                live: results_live?,
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
    /// Returns the default of every key. Does not read the file or the environment.
    fn default() -> Self {
        settings(None, HashMap::new())
            .expect("the table of keys has valid defaults: a unit test reads them")
    }
}

/// The command-line options that the configuration depends on; kept for a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--database`, which overrides `database.path`.
    pub database: Option<PathBuf>,
}

impl Source {
    /// Reads the file and the environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with all invalid keys at once if the file is valid TOML.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        self.settings(self.read_file()?.as_ref())
    }

    /// Reads the file and the environment again, and updates `had_text`. Rejects a file that is empty now and was not
    /// before (`had_text`): the defaults that it stands for have no daily limit.
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

    /// Returns whether the configuration file holds anything but white space. Does not read a pipe, which can be read
    /// only once.
    #[must_use]
    pub fn has_text(&self) -> bool {
        let is_file = self.candidate().0.is_file();
        is_file && self.read_file().is_ok_and(|text| has_text(text.as_ref()))
    }

    fn settings(&self, text: Option<&(PathBuf, String)>) -> Result<Settings, ConfigError> {
        let file = text.map(|(path, text)| (path.as_path(), text.as_str()));
        let mut settings = settings(file, environment::overrides(std::env::vars_os()))?;
        if let Some(database) = &self.database {
            settings.database.clone_from(database);
        }
        // SQLite gives `:memory:` and `file:…` a special meaning; an absolute path has none.
        if let Ok(absolute) = std::path::absolute(&settings.database) {
            settings.database = absolute;
        }
        Ok(settings)
    }

    /// Returns the configuration file that [`load`](Self::load) reads: `None` if none is named and the default one does
    /// not exist.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        let (path, named_by) = self.candidate();
        (named_by.is_some() || path.exists()).then_some(path)
    }

    /// Returns the file to read and the option or variable that names it. The default file, named by neither, need not
    /// exist.
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

/// Reads a text file; returns `None` if it is larger than `max` bytes.
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

#[cfg(test)]
mod tests;
