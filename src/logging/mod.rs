//! The log: where it goes and what it looks like, by `log.format` and `log.level`.
//!
//! growd's messages say all by themselves, the task's id too. What they carry as fields besides is for machines: the
//! journal and JSON have it, text has not.

mod format;
mod non_blocking;

pub use format::{clean, colours_are_welcome};

use crate::config::{Log, LogFormat};
use format::Line;
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
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// The way to change the level of a running log.
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogHandle {
    /// Changes the level; the format takes a restart.
    pub fn set_level(&self, log: &Log) {
        // Fails only once the log is gone, and then there is nothing to tell it to.
        let _ = self.filter.reload(filter(log));
    }
}

/// How long the end of the process waits for a log that nobody reads.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to stderr, where that is the log.
static OUTLET: OnceLock<NonBlocking> = OnceLock::new();

/// Shared until the log is written, for the process is about to end; for a pipe that nobody empties no longer than 2 s.
pub fn flush() {
    if let Some(non_blocking) = OUTLET.get() {
        non_blocking.flush(FAREWELL);
    }
}

/// Says why the process ends, to the log, and where that is the journal, to stderr instead: the journal finds out who
/// sent it something by asking after the process, which is gone by then; whose stderr a stream is it knows.
pub fn last_words(text: &str) {
    if SPEAKS_TO_JOURNAL.load(Ordering::Relaxed) {
        let priority = if is_journal() { "<3>" } else { "growd: " };
        let form = move |line: &str| format!("{priority}{}\n", clean(line));
        let lines: String = text.lines().map(form).collect();
        // There is nobody left to tell where this fails.
        let _ = stderr(form).make_writer().write_all(lines.as_bytes());
    } else {
        tracing::error!("{text}");
    }
}

/// The log is the journal, by its own protocol.
static SPEAKS_TO_JOURNAL: AtomicBool = AtomicBool::new(false);

/// Sets the process's log up. Once; a second call leaves the first one's as it is.
#[must_use]
pub fn init(log: &Log) -> LogHandle {
    let (filter, handle) = reload::Layer::new(filter(log));
    let to_terminal = io::stderr().is_terminal();
    let to_journal = is_journal();
    let (layer, told) = match output(log.format, to_journal, to_terminal) {
        Output::Json => (json(), None),
        Output::Lines(line) => (lines(line), None),
        Output::Journal => match journal() {
            Ok(journal) => {
                SPEAKS_TO_JOURNAL.store(true, Ordering::Relaxed);
                (journal.boxed(), None)
            }
            Err(error) => (
                lines(Line::of(to_journal, to_terminal)),
                Some(format!(
                    "the journal's socket cannot be used ({error}): text is written to stderr"
                )),
            ),
        },
    };
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
    tell_of_panics();
    if let Some(problem) = told {
        tracing::warn!("{problem}");
    }
    LogHandle { filter: handle }
}

/// The forms that the log can take.
#[derive(Debug, PartialEq, Eq)]
enum Output {
    /// The journal's own protocol, with fields.
    Journal,
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Lines(Line),
}

fn output(format: LogFormat, to_journal: bool, to_terminal: bool) -> Output {
    match format {
        LogFormat::Json => Output::Json,
        LogFormat::Journald => Output::Journal,
        LogFormat::Auto if to_journal => Output::Journal,
        LogFormat::Auto | LogFormat::Text => Output::Lines(Line::of(to_journal, to_terminal)),
    }
}

type Boxed = Box<dyn Layer<Layered<reload::Layer<EnvFilter, Registry>, Registry>> + Send + Sync>;

fn json() -> Boxed {
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(stderr(json_line))
        .boxed()
}

fn lines(line: Line) -> Boxed {
    fmt::layer()
        .event_format(line)
        .with_writer(stderr(move |text| line.of_error(text)))
        .boxed()
}

/// The way to stderr that is nobody's to wait for; stderr itself where there is no thread for that. `form` makes a line of
/// an error's text.
fn stderr(form: impl Fn(&str) -> String + Send + 'static) -> BoxMakeWriter {
    let tell = move |lost| form(&format!("{lost} lines of the log are missing here"));
    let known = OUTLET.get().cloned();
    match known.map_or_else(|| NonBlocking::to(io::stderr(), tell), Ok) {
        Ok(non_blocking) => BoxMakeWriter::new(OUTLET.get_or_init(|| non_blocking).clone()),
        Err(_) => BoxMakeWriter::new(io::stderr),
    }
}

/// Has a panic told as any other error, and not by the standard library, which would wait for stderr.
fn tell_of_panics() {
    panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!("a bug: {panic}; {backtrace}");
        } else {
            tracing::error!("a bug: {panic}");
        }
    }));
}

/// The line that [`json`] would make of an error without fields.
fn json_line(text: &str) -> String {
    let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
    let (level, text) = (Level::ERROR, serde_json::Value::from(text));
    format!("{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":{text}}}\n")
}

/// The journal with the fields' own names (`TASK_ID`), and with the priorities that its readers expect.
fn journal() -> io::Result<tracing_journald::Layer> {
    let layer = tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier("growd".to_owned())
        .with_priority_mappings(PRIORITIES);
    Ok(layer)
}

/// By default tracing-journald says notice for info, which people take for more than it is.
const PRIORITIES: PriorityMappings = PriorityMappings {
    error: Priority::Error,
    warn: Priority::Warning,
    info: Priority::Informational,
    debug: Priority::Debug,
    trace: Priority::Debug,
};

/// Is stderr connected to systemd's journal? The variable alone proves nothing: a child inherits it, wherever its own
/// stderr leads (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stderr| File::from(stderr).metadata())
        .is_ok_and(|file| names(&stream, file.dev(), file.ino()))
}

/// Does `$JOURNAL_STREAM`, `device:inode`, name this file?
fn names(stream: &str, device: u64, inode: u64) -> bool {
    let parts = stream.split_once(':');
    parts.is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// growd's own lines at the level of the configuration; the libraries' only where something is wrong, for at
/// their lowest levels some write down whole requests, the token among them.
fn filter(log: &Log) -> EnvFilter {
    EnvFilter::new(format!("warn,growd={}", log.level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_goes_by_the_format_and_by_where_stderr_leads() {
        use LogFormat::{Auto, Journald, Json, Text};
        let file = || Output::Lines(Line::File);
        for (format, to_journal, expected) in [
            (Auto, true, Output::Journal),
            (Auto, false, file()),
            (Journald, true, Output::Journal),
            (Journald, false, Output::Journal),
            (Text, true, Output::Lines(Line::Journal)),
            (Text, false, file()),
            (Json, true, Output::Json),
            (Json, false, Output::Json),
        ] {
            assert_eq!(output(format, to_journal, false), expected, "{format:?}");
        }
        for format in [Auto, Text] {
            let to_terminal = output(format, false, true);
            assert!(
                matches!(to_terminal, Output::Lines(Line::Terminal { .. })),
                "{to_terminal:?}"
            );
        }
    }

    #[test]
    fn the_journal_is_told_by_device_and_inode() {
        assert!(names("9:12345", 9, 12345));
        for stream in ["9:12346", "8:12345", "", ":", "9", "9:12345:1", "x:y"] {
            assert!(!names(stream, 9, 12345), "{stream}");
        }
    }

    #[test]
    fn each_level_has_the_priority_of_syslog() {
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
