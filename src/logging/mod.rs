//! Sets up the log: its destination, format and level, from `log.format` and `log.level`.
//!
//! A message is complete without its fields and includes the task id. The journal and JSON also contain the fields, for
//! programs; text does not.

mod format;
mod non_blocking;

pub use format::{clean, colours_enabled};

use crate::config::{Log, LogFormat};
use format::LineFormat;
use jiff::Timestamp;
use non_blocking::NonBlocking;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::Level;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::fmt::MakeWriter as _;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Changes the level of the running log.
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogHandle {
    /// Sets the level. A new format needs a restart.
    pub fn set_level(&self, log: &Log) {
        // Fails only after the subscriber is dropped, when there is no log to report it to.
        let _ = self.filter.reload(filter(log));
    }
}

/// The longest wait for a pipe that is not read when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Size of the buffer for lines to stderr, in bytes.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The writer to stderr, once it is used.
static STDERR: OnceLock<NonBlocking> = OnceLock::new();

/// Whether the log uses the journal's native protocol.
static IS_NATIVE_JOURNAL: AtomicBool = AtomicBool::new(false);

/// Waits until the log is written, at most 2 s. Call it before the process ends.
pub fn flush() {
    if let Some(writer) = STDERR.get() {
        writer.flush(FLUSH_TIMEOUT);
    }
}

/// Logs the error that ends the process. Uses stderr instead of the journal's native protocol, because journald looks
/// up the sender of a native message by its pid, and the process may be gone by then.
pub fn log_fatal(text: &str) {
    if IS_NATIVE_JOURNAL.load(Ordering::Relaxed) {
        let prefix = if is_journal() { "<3>" } else { "growd: " };
        let format = move |line: &str| format!("{prefix}{}\n", clean(line));
        let lines: String = text.lines().map(format).collect();
        // An error cannot be reported: this is the last output.
        let _ = stderr(format).make_writer().write_all(lines.as_bytes());
    } else {
        tracing::error!("{text}");
    }
}

/// Sets up the log of the process. Further calls have no effect on it.
#[must_use]
pub fn init(log: &Log) -> LogHandle {
    let (filter, handle) = reload::Layer::new(filter(log));
    let to_terminal = io::stderr().is_terminal();
    let to_journal = is_journal();
    let (layer, warning) = match output(log.format, to_journal, to_terminal) {
        Output::Json => (json(), None),
        Output::Text(format) => (text(format), None),
        Output::NativeJournal => match journal() {
            Ok(journal) => {
                IS_NATIVE_JOURNAL.store(true, Ordering::Relaxed);
                (journal.boxed(), None)
            }
            Err(error) => (
                text(LineFormat::new(to_journal, to_terminal)),
                Some(format!(
                    "the journal's socket cannot be used ({error}): the log is written to stderr as text"
                )),
            ),
        },
    };
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
    install_panic_hook();
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    LogHandle { filter: handle }
}

/// Destination and format of the log.
#[derive(Debug, PartialEq, Eq)]
enum Output {
    /// The journal's native protocol, with fields.
    NativeJournal,
    /// One JSON object per line, on stderr.
    Json,
    /// Lines of text, on stderr.
    Text(LineFormat),
}

fn output(format: LogFormat, to_journal: bool, to_terminal: bool) -> Output {
    match format {
        LogFormat::Json => Output::Json,
        LogFormat::Journald => Output::NativeJournal,
        LogFormat::Auto if to_journal => Output::NativeJournal,
        LogFormat::Auto | LogFormat::Text => Output::Text(LineFormat::new(to_journal, to_terminal)),
    }
}

type BoxedLayer =
    Box<dyn Layer<Layered<reload::Layer<EnvFilter, Registry>, Registry>> + Send + Sync>;

fn json() -> BoxedLayer {
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(stderr(json_line))
        .boxed()
}

fn text(format: LineFormat) -> BoxedLayer {
    fmt::layer()
        .event_format(format)
        .with_writer(stderr(move |text| format.error_line(text)))
        .boxed()
}

/// Returns the non-blocking writer to stderr, or stderr itself if the system provides no thread. `format` makes a line
/// from the text of an error.
fn stderr(format: impl Fn(&str) -> String + Send + 'static) -> BoxMakeWriter {
    let report = move |dropped| format(&format!("{dropped} lines of the log are missing here"));
    let existing = STDERR.get().cloned();
    match existing.map_or_else(|| NonBlocking::new(BUFFER_BYTES, io::stderr(), report), Ok) {
        Ok(writer) => {
            let writer = STDERR.get_or_init(|| writer);
            BoxMakeWriter::new(|| writer.clone())
        }
        Err(_) => BoxMakeWriter::new(io::stderr),
    }
}

/// Logs panics as errors. The standard library's hook would block on a full stderr.
fn install_panic_hook() {
    panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!("a bug: {panic}; {backtrace}");
        } else {
            tracing::error!("a bug: {panic}");
        }
    }));
}

/// Formats an error as [`json`] does, without fields.
fn json_line(text: &str) -> String {
    let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
    let (level, text) = (Level::ERROR, serde_json::Value::from(text));
    format!("{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":{text}}}\n")
}

/// Connects to the journal. Fields keep their names, in upper case (`TASK_ID`).
fn journal() -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier("growd".to_owned())
        .with_priority_mappings(PRIORITIES);
    Ok(layer)
}

/// The default of tracing-journald maps info to the priority notice, which is above info.
const PRIORITIES: PriorityMappings = PriorityMappings {
    error: Priority::Error,
    warn: Priority::Warning,
    info: Priority::Informational,
    debug: Priority::Debug,
    trace: Priority::Debug,
};

/// Returns whether stderr is connected to systemd's journal. The variable alone proves nothing, because a child process
/// inherits it even if its own stderr is redirected (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stderr| File::from(stderr).metadata())
        .is_ok_and(|file| matches_stream(&stream, file.dev(), file.ino()))
}

/// Returns whether `$JOURNAL_STREAM`, `device:inode`, is this file.
fn matches_stream(stream: &str, device: u64, inode: u64) -> bool {
    let parts = stream.split_once(':');
    parts.is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// Logs growd's events at the configured level, and those of libraries from warn up: at lower levels some libraries log
/// whole requests, including the token.
fn filter(log: &Log) -> EnvFilter {
    EnvFilter::new(format!("warn,growd={}", log.level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_depends_on_the_format_and_on_stderr() {
        use LogFormat::{Auto, Journald, Json, Text};
        let file = || Output::Text(LineFormat::File);
        for (format, to_journal, expected) in [
            (Auto, true, Output::NativeJournal),
            (Auto, false, file()),
            (Journald, true, Output::NativeJournal),
            (Journald, false, Output::NativeJournal),
            (Text, true, Output::Text(LineFormat::Journal)),
            (Text, false, file()),
            (Json, true, Output::Json),
            (Json, false, Output::Json),
        ] {
            assert_eq!(output(format, to_journal, false), expected, "{format:?}");
        }
        for format in [Auto, Text] {
            let to_terminal = output(format, false, true);
            assert!(
                matches!(to_terminal, Output::Text(LineFormat::Terminal { .. })),
                "{to_terminal:?}"
            );
        }
    }

    #[test]
    fn the_journal_is_recognised_by_device_and_inode() {
        assert!(matches_stream("9:12345", 9, 12345));
        for stream in ["9:12346", "8:12345", "", ":", "9", "9:12345:1", "x:y"] {
            assert!(!matches_stream(stream, 9, 12345), "{stream}");
        }
    }

    #[test]
    fn each_level_has_its_syslog_priority() {
        let of = |priority: Priority| priority as u8;
        assert_eq!(
            [
                PRIORITIES.error,
                PRIORITIES.warn,
                PRIORITIES.info,
                PRIORITIES.debug
            ]
            .map(of),
            *b"3467"
        );
    }
}
