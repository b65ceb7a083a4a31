//! The table of configuration keys: name, default, type, and explanation of each.

use super::value_types::{
    BaseUrl, Boolean, DurationRange, FilePath, Integer, Number, OneOf, TomlType, ValueType,
};
use super::{LogFormat, MAX_CONCURRENCY};
use crate::core::resume::RESUME_MAX;
use std::time::Duration;
use tracing::Level;

const DAY: Duration = Duration::from_hours(24);

/// One configuration key.
pub(super) struct Key<T> {
    /// Full name, `section.key`.
    pub name: &'static str,
    /// Default, as text without quotation marks; `None` if the key has no default.
    pub default: Option<&'static str>,
    /// The values that it accepts.
    pub value_type: T,
    /// Explanation, as in the sample file.
    pub why: &'static str,
}

/// The documentation of one configuration key.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Full name, `section.key`.
    pub name: &'static str,
    /// Default, in TOML syntax.
    pub default: Option<String>,
    /// The values that it accepts.
    pub allowed: String,
    /// Explanation, as in the sample file.
    pub why: &'static str,
}

/// 1 ms to 365 days.
const TIME: DurationRange = DurationRange {
    min: Duration::from_millis(1),
    max: Duration::from_hours(365 * 24),
};

macro_rules! keys {
    ($($constant:ident: $type:ty = $name:literal, $default:expr, $allowed:expr, $why:literal;)*) => {
        $(pub(super) const $constant: Key<$type> = Key {
            name: $name, default: $default, value_type: $allowed, why: $why,
        };)*

        /// Returns the documentation of all keys, in the order of the sample file.
        #[must_use]
        pub fn entries() -> Vec<Entry> {
            vec![$($constant.entry()),*]
        }

        /// The names of all keys.
        pub(super) const NAMES: &[&str] = &[$($name),*];
    };
}

keys! {
    BASE_URL: BaseUrl = "api.base_url", Some("https://api.extruct.ai"), BaseUrl,
        "address of the service; plain http:// is accepted for loopback addresses only, because every request carries the token";
    TOKEN_FILE: FilePath = "api.token_file", None, FilePath,
        "file that holds the API token and nothing else; read again on SIGHUP";
    TIMEOUT: DurationRange = "api.timeout", Some("30s"), TIME,
        "timeout for one whole request; an answer that takes longer counts as no answer";
    CONNECT_TIMEOUT: DurationRange = "api.connect_timeout", Some("10s"), TIME,
        "timeout for establishing a connection; no request has been sent when it expires";
    DATABASE: FilePath = "database.path", Some("/var/lib/growd/growd.db"), FilePath,
        "the SQLite file that holds all of growd's state; created and migrated when needed";
    CHUNK: Integer = "growth.chunk", Some("250"), Integer { min: 1, max: RESUME_MAX },
        "largest number of results that one resume requests; the service accepts at most 250";
    TASK_CAP: Integer = "growth.task_cap", Some("250"), Integer { min: 1, max: i64::MAX },
        "the service's cap on the results of one task; a task with a higher target ends as capped";
    MAX_STALLED: Integer = "growth.max_stalled", Some("2"), Integer { min: 1, max: i64::MAX },
        "number of accepted resumes in a row without new results after which a task becomes stalled";
    MAX_WASTE: Integer = "growth.max_waste", Some("250"), Integer { min: 0, max: i64::MAX },
        "largest number of results of one task that were requested but not delivered, summed over its accepted resumes since the task was added, retried or given a higher target; beyond it the task becomes stalled";
    DAILY_LIMIT: Integer = "growth.daily_limit", Some("0"), Integer { min: 0, max: i64::MAX },
        "largest number of new results requested in any 24 h over all tasks, which bounds the cost of a day; 0 means no limit";
    MONTHLY_LIMIT: Integer = "growth.monthly_limit", Some("0"), Integer { min: 0, max: i64::MAX },
        "largest number of new results requested in any 30 days over all tasks; 0 means no limit";
    RESERVE_CREDITS: Integer = "growth.reserve_credits", Some("0"), Integer { min: 0, max: i64::MAX },
        "while the account has fewer credits than this, no paid request is sent; growd asks for them at most every 5 minutes, and only when a paid request is due; 0 turns the check off";
    EXCLUDE_CAP: Integer = "growth.exclude_cap", Some("1000"), Integer { min: 1, max: 100_000 },
        "the service's cap on the domains that a new task can exclude; a search that would need more ends as capped";
    SETTLE: DurationRange = "growth.settle", Some("60s"), TIME,
        "how long growd polls for the effect of an unanswered resume before that resume counts as lost; must be above api.timeout";
    MIN_INTERVAL: DurationRange = "polling.min_interval", Some("5s"), TIME,
        "shortest interval between two polls of one task";
    MAX_INTERVAL: DurationRange = "polling.max_interval", Some("60s"), TIME,
        "longest interval between two polls of a running task";
    QUIET_AFTER: DurationRange = "polling.quiet_after", Some("6h"), DurationRange { min: Duration::ZERO, max: TIME.max },
        "a running task without any change for this long is reported once, as event quiet, and polled as before; 0s turns the report off";
    LIST_PAGE: Integer = "polling.list_page", Some("100"), Integer { min: 0, max: 1000 },
        "number of tasks that one request for the service's list asks for, where several tasks are due; 0 means never use the list";
    RESULTS_KEEP: Boolean = "results.keep", Some("true"), Boolean,
        "read and keep the companies that each task found";
    RESULTS_PAGE: Integer = "results.page", Some("100"), Integer { min: 1, max: 1000 },
        "number of results that one request asks for";
    RESULTS_LIVE: DurationRange = "results.live", Some("0s"), DurationRange { min: Duration::ZERO, max: TIME.max },
        "how often to read results while the service still works on the task; 0s means only after it has stopped";
    CONCURRENCY: Integer = "limits.concurrency", Some("16"), Integer { min: 1, max: MAX_CONCURRENCY },
        "largest number of requests in flight";
    RATE: Number = "limits.requests_per_second", Some("10"), Number { min: 0.001, max: 100_000.0 },
        "largest number of requests per second over all tasks; 0 means no limit";
    RETRY_INITIAL: DurationRange = "retry.initial", Some("2s"), TIME,
        "delay after the first error; it doubles with each further error in a row, with jitter";
    RETRY_MAX: DurationRange = "retry.max", Some("5m"), TIME,
        "longest delay after an error";
    PROBE_INTERVAL: DurationRange = "gate.probe_interval", Some("5m"), TIME,
        "interval between the single requests that test whether the service still refuses the account";
    KEEP: DurationRange = "history.keep", Some("90d"), DurationRange { min: TIME.min, max: DAY.saturating_mul(3650) },
        "samples and events older than this are deleted; the ledger of resumes is never deleted";
    LEVEL: OneOf<Level> = "log.level", Some("info"), OneOf(&[
            ("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ]),
        "lowest level that is logged; debug logs every poll";
    FORMAT: OneOf<LogFormat> = "log.format", Some("auto"), OneOf(&[
            ("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json),
            ("journald", LogFormat::Journald),
        ]),
        "auto means journald under systemd and text elsewhere";
}

impl<T: ValueType> Key<T> {
    fn entry(&self) -> Entry {
        Entry {
            name: self.name,
            default: self.default.map(|text| match T::TOML_TYPE {
                TomlType::String => format!("{text:?}"),
                TomlType::Boolean | TomlType::Integer | TomlType::Float => text.to_owned(),
            }),
            allowed: self.value_type.allowed(),
            why: self.why,
        }
    }
}
