//! The table of keys: each with its default, what it takes and why it is there. Messages are made from it.

use super::kinds::{Http, Integer, Kind, Number, Path, Shape, Span, Word};
use super::{LogFormat, MAX_CONCURRENCY};
use crate::core::resume::RESUME_MAX;
use std::time::Duration;
use tracing::Level;

const DAY: Duration = Duration::from_hours(24);

/// One key of the config.
pub(super) struct Key<K> {
    /// Its full name, `section.key`.
    pub name: &'static str,
    /// Its default, written as an environment variable would have it; none: the key has no value then.
    pub default: Option<&'static str>,
    /// What it takes.
    pub kind: K,
    /// Why it is there.
    pub why: &'static str,
}

/// A key of the config, for people and for tests.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its full name, `section.key`.
    pub name: &'static str,
    /// Its default, as a line of TOML would have it.
    pub default: Option<String>,
    /// What it takes, in words.
    pub allowed: String,
    /// Why it is there.
    pub why: &'static str,
}

/// Any time but zero, up to a year.
const TIME: Span = Span {
    min: Duration::from_millis(1),
    max: Duration::from_hours(365 * 24),
};

macro_rules! keys {
    ($($constant:ident: $kind:ty = $name:literal, $default:expr, $allowed:expr, $why:literal;)*) => {
        $(pub(super) const $constant: Key<$kind> = Key {
            name: $name, default: $default, kind: $allowed, why: $why,
        };)*

        /// Every key there is, in the order of the documentation.
        #[must_use]
        pub fn entries() -> Vec<Entry> {
            vec![$($constant.entry()),*]
        }

        /// The names of all keys.
        pub(super) const NAMES: &[&str] = &[$($name),*];
    };
}

keys! {
    BASE_URL: Http = "api.base_url", Some("https://api.extruct.ai"), Http,
        "where the service is; plain http:// is accepted for this machine's own addresses only, for the token goes with every request";
    TOKEN_FILE: Path = "api.token_file", None, Path,
        "the file that holds the API token, and nothing else; read again on SIGHUP";
    TIMEOUT: Span = "api.timeout", Some("30s"), TIME,
        "for one whole request; an answer that takes longer counts as none";
    CONNECT_TIMEOUT: Span = "api.connect_timeout", Some("10s"), TIME,
        "for making the connection; nothing was asked when it runs out";
    DATABASE: Path = "database.path", Some("/var/lib/growd/growd.db"), Path,
        "the one file that growd remembers everything in; created, and migrated, when needed";
    CHUNK: Integer = "growth.chunk", Some("250"), Integer { min: 1, max: RESUME_MAX },
        "the most results that one resume asks for; 250 is the most the service takes";
    TASK_CAP: Integer = "growth.task_cap", Some("250"), Integer { min: 1, max: i64::MAX },
        "the service's cap on one task's results; a task with a higher target ends as capped";
    MAX_STALLED: Integer = "growth.max_stalled", Some("2"), Integer { min: 1, max: i64::MAX },
        "accepted resumes in a row that bring nothing before a task is left alone as stalled";
    MAX_WASTE: Integer = "growth.max_waste", Some("250"), Integer { min: 0, max: i64::MAX },
        "for each task, the most results asked for and not brought, in sum over its accepted resumes since it was added, retried or its target raised: a task beyond it is left alone as stalled";
    DAILY_LIMIT: Integer = "growth.daily_limit", Some("0"), Integer { min: 0, max: i64::MAX },
        "the most new results asked for in any 24 h, over all tasks: a bound on what a day can cost; 0 is no limit";
    SETTLE: Span = "growth.settle", Some("60s"), TIME,
        "how long a resume without an answer is looked for before it counts as lost; it has to be above api.timeout";
    MIN_INTERVAL: Span = "polling.min_interval", Some("5s"), TIME,
        "no task is looked at more often";
    MAX_INTERVAL: Span = "polling.max_interval", Some("60s"), TIME,
        "no running task is left unseen for longer";
    QUIET_AFTER: Span = "polling.quiet_after", Some("6h"), Span { min: Duration::ZERO, max: TIME.max },
        "a running task without any change for this long is reported once, as event quiet; polling continues; 0s is never";
    CONCURRENCY: Integer = "limits.concurrency", Some("16"), Integer { min: 1, max: MAX_CONCURRENCY },
        "requests in flight at any time";
    RATE: Number = "limits.requests_per_second", Some("10"), Number { min: 0.001, max: 100_000.0 },
        "over all tasks; 0 is no limit";
    RETRY_INITIAL: Span = "retry.initial", Some("2s"), TIME,
        "the wait after a first error; it doubles with each that follows, give or take";
    RETRY_MAX: Span = "retry.max", Some("5m"), TIME,
        "the longest wait after an error";
    PROBE_INTERVAL: Span = "gate.probe_interval", Some("5m"), TIME,
        "how often one request tries again while the service refuses the account";
    KEEP: Span = "history.keep", Some("90d"), Span { min: TIME.min, max: DAY.saturating_mul(3650) },
        "samples and events older than that are removed; the ledger of resumes never is";
    LEVEL: Word<Level> = "log.level", Some("info"), Word(&[
            ("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ]),
        "how much is told; debug has a line for each look at a task";
    FORMAT: Word<LogFormat> = "log.format", Some("auto"), Word(&[
            ("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json),
            ("journald", LogFormat::Journald),
        ]),
        "auto is journald under systemd and text elsewhere";
}

impl<K: Kind> Key<K> {
    fn entry(&self) -> Entry {
        Entry {
            name: self.name,
            default: self.default.map(|text| match K::SHAPE {
                Shape::Text => format!("{text:?}"),
                Shape::Integer | Shape::Number => text.to_owned(),
            }),
            allowed: self.kind.allowed(),
            why: self.why,
        }
    }
}
