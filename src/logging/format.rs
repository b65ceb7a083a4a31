//! The text format of the log: time, level and message, always on one line.

use jiff::Timestamp;
use std::fmt::{self, Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of a line, by its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// A terminal: begins with the time of day (UTC), in colour if enabled.
    Terminal { colours: bool },
    /// A file or a pipe: begins with date and time (UTC).
    File,
    /// The journal, which adds the time itself: begins with the priority of sd-daemon(3).
    Journal,
}

impl LineFormat {
    /// Returns the format for the destination of stderr.
    pub(super) fn new(to_journal: bool, to_terminal: bool) -> Self {
        if to_journal {
            Self::Journal
        } else if to_terminal {
            Self::Terminal {
                colours: colours_enabled(),
            }
        } else {
            Self::File
        }
    }

    /// Formats an error with the current time.
    pub(super) fn error_line(self, text: &str) -> String {
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut line, Timestamp::now(), Level::ERROR, text);
        line
    }

    fn write(
        self,
        out: &mut impl fmt::Write,
        now: Timestamp,
        level: Level,
        message: &str,
    ) -> fmt::Result {
        match self {
            Self::Journal => write!(out, "<{}>", priority(level))?,
            Self::File => {
                let time = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
                write!(out, "{time} {:>5} ", level.as_str())?;
            }
            Self::Terminal { colours } => {
                let time = now.strftime("%H:%M:%SZ");
                let level_name = level.as_str();
                if colours {
                    let colour = colour(level);
                    write!(
                        out,
                        "\x1b[2m{time}\x1b[0m \x1b[{colour}m{level_name:>5}\x1b[0m "
                    )?;
                } else {
                    write!(out, "{time} {level_name:>5} ")?;
                }
            }
        }
        writeln!(out, "{}", clean(message))
    }
}

/// Returns whether the environment allows colours: `$NO_COLOR` is empty and `$TERM` is not `dumb`.
#[must_use]
pub fn colours_enabled() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The ANSI colour: red, yellow, green or blue.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    }
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let target = event.metadata().target();
        let mut visitor = TextVisitor::default();
        event.record(&mut visitor);
        let mut text = visitor.message;
        // Some messages of libraries consist of fields only.
        if !target.starts_with("growd") {
            text = format!("{target}: {text}{}", visitor.fields);
        }
        let level = *event.metadata().level();
        self.write(&mut out, Timestamp::now(), level, &text)
    }
}

/// Collects the message and the fields of an event.
#[derive(Default)]
struct TextVisitor {
    message: String,
    fields: String,
}

impl Visit for TextVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Replaces line breaks, control characters and marks of text direction by blanks, so that a text from outside stays on
/// one line and does not control the terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    // Line and paragraph separators, and bidirectional formatting (Unicode Standard Annexes #14 and #9).
    let is_format = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| {
            if c.is_control() || is_format(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Capture(Arc<Mutex<Vec<u8>>>);

    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Capture {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(format: LineFormat, log: impl FnOnce()) -> String {
        let capture = Capture::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(format)
            .with_writer(capture.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(capture.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_beginning_of_a_line_depends_on_its_destination() {
        let now: Timestamp = "2026-11-24T02:22:00.123456Z".parse().unwrap();
        for (format, level, expected) in [
            (LineFormat::Journal, Level::ERROR, "<3>m\n"),
            (LineFormat::Journal, Level::WARN, "<4>m\n"),
            (LineFormat::Journal, Level::INFO, "<6>m\n"),
            (LineFormat::Journal, Level::DEBUG, "<7>m\n"),
            (
                LineFormat::File,
                Level::WARN,
                "2026-11-24T02:22:00.123Z  WARN m\n",
            ),
            (
                LineFormat::Terminal { colours: false },
                Level::INFO,
                "02:22:00Z  INFO m\n",
            ),
            (
                LineFormat::Terminal { colours: true },
                Level::ERROR,
                "\x1b[2m02:22:00Z\x1b[0m \x1b[31mERROR\x1b[0m m\n",
            ),
        ] {
            let mut out = String::new();
            format.write(&mut out, now, level, "m").unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_message_is_one_line_with_the_id_once() {
        let hostile = "no\r\n<0>forged\u{1b}[2J\u{9b}31m\u{202e}\u{2028}end";
        let line = logged(LineFormat::Journal, || {
            tracing::warn!(target: "growd::daemon", task_id = "abc", "abc: refused: {hostile}");
        });
        assert_eq!(
            line, "<4>abc: refused: no  <0>forged [2J 31m  end\n",
            "{line:?}"
        );
    }

    #[test]
    fn a_message_of_a_library_keeps_its_fields() {
        let line = logged(LineFormat::Journal, || {
            tracing::warn!(target: "sqlx::query", elapsed = 3, "slow");
        });
        assert_eq!(line, "<4>sqlx::query: slow elapsed=3\n");
    }

    #[test]
    fn text_from_outside_cannot_control_the_terminal() {
        assert_eq!(clean("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(clean("a\u{9b}31m\u{202e}b\u{61c}c"), "a 31m b c");
    }
}
