//! One line for people: when, how bad, and the message, on one line whatever is in it.

use jiff::Timestamp;
use std::fmt::{self, Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What a line begins with, by who is to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A person just now: the time of day (UTC), and colours where they are welcome.
    Terminal { colours: bool },
    /// A file or a pipe: the whole time.
    File,
    /// The journal, which knows the time: the priority, as sd-daemon(3) has it.
    Journal,
}

impl Line {
    /// By where stderr leads.
    pub(super) fn of(to_journal: bool, to_terminal: bool) -> Self {
        if to_journal {
            Self::Journal
        } else if to_terminal {
            Self::Terminal {
                colours: colours_are_welcome(),
            }
        } else {
            Self::File
        }
    }

    /// The line of an error at this moment.
    pub(super) fn of_error(self, text: &str) -> String {
        let mut line = String::new();
        // A string takes all that is written to it.
        let _ = self.write(&mut line, Timestamp::now(), Level::ERROR, text);
        line
    }

    fn write(
        self,
        out: &mut impl fmt::Write,
        now: Timestamp,
        level: Level,
        words: &str,
    ) -> fmt::Result {
        match self {
            Self::Journal => write!(out, "<{}>", priority(level))?,
            Self::File => {
                let time = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
                write!(out, "{time} {:>5} ", level.as_str())?;
            }
            Self::Terminal { colours } => {
                let time = now.strftime("%H:%M:%SZ");
                let word = level.as_str();
                if colours {
                    let colour = colour(level);
                    write!(out, "\x1b[2m{time}\x1b[0m \x1b[{colour}m{word:>5}\x1b[0m ")?;
                } else {
                    write!(out, "{time} {word:>5} ")?;
                }
            }
        }
        writeln!(out, "{}", clean(words))
    }
}

/// May colours be used, apart from whether there is a terminal?
#[must_use]
pub fn colours_are_welcome() -> bool {
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

/// Red, yellow, green, blue.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    }
}

impl<S, N> FormatEvent<S, N> for Line
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
        let mut words = Words::default();
        event.record(&mut words);
        let mut text = words.message;
        // A library's fields are all there is of some of its messages.
        if !target.starts_with("growd") {
            text = format!("{target}: {text}{}", words.fields);
        }
        let level = *event.metadata().level();
        self.write(&mut out, Timestamp::now(), level, &text)
    }
}

/// The message of an event, and its fields.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A string takes all that is written to it.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Text from elsewhere, on one line and without anything that would drive a terminal or turn its writing round.
#[must_use]
pub fn clean(text: &str) -> String {
    // The marks that end a line or change the direction of what follows (Unicode Standard Annexes #14 and #9).
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if c.is_control() || turns(c) { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn written(line: Line, tell: impl FnOnce()) -> String {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(line)
            .with_writer(kept.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, tell);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_begins_by_who_is_to_read_it() {
        let now: Timestamp = "2026-11-24T02:22:00.123456Z".parse().unwrap();
        for (line, level, expected) in [
            (Line::Journal, Level::ERROR, "<3>m\n"),
            (Line::Journal, Level::WARN, "<4>m\n"),
            (Line::Journal, Level::INFO, "<6>m\n"),
            (Line::Journal, Level::DEBUG, "<7>m\n"),
            (
                Line::File,
                Level::WARN,
                "2026-11-24T02:22:00.123Z  WARN m\n",
            ),
            (
                Line::Terminal { colours: false },
                Level::INFO,
                "02:22:00Z  INFO m\n",
            ),
            (
                Line::Terminal { colours: true },
                Level::ERROR,
                "\x1b[2m02:22:00Z\x1b[0m \x1b[31mERROR\x1b[0m m\n",
            ),
        ] {
            let mut out = String::new();
            line.write(&mut out, now, level, "m").unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_message_is_one_line_that_says_the_id_once() {
        let hostile = "no\r\n<0>forged\u{1b}[2J\u{9b}31m\u{202e}\u{2028}end";
        let told = written(Line::Journal, || {
            tracing::warn!(target: "growd::daemon", task_id = "abc", "abc: refused: {hostile}");
        });
        assert_eq!(
            told, "<4>abc: refused: no  <0>forged [2J 31m  end\n",
            "{told:?}"
        );
    }

    #[test]
    fn what_a_library_says_keeps_its_fields() {
        let told = written(Line::Journal, || {
            tracing::warn!(target: "sqlx::query", elapsed = 3, "slow");
        });
        assert_eq!(told, "<4>sqlx::query: slow elapsed=3\n");
    }

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(clean("a\u{9b}31m\u{202e}b"), "a 31m b");
    }
}
