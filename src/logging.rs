//! The log: where it goes and what it looks like, by `log.format` and `log.level`.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
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

/// Sets the process's log up. Once; a second call leaves the first one's as it is.
#[must_use]
pub fn init(log: &Log) -> LogHandle {
    let (filter, handle) = reload::Layer::new(filter(log));
    let (layer, told) = layer(log.format);
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
    if let Some(problem) = told {
        tracing::warn!("{problem}");
    }
    LogHandle { filter: handle }
}

type Boxed = Box<
    dyn Layer<tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>>
        + Send
        + Sync,
>;

fn layer(format: LogFormat) -> (Boxed, Option<String>) {
    match format {
        LogFormat::Json => (
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_target(false)
                .with_writer(std::io::stderr)
                .boxed(),
            None,
        ),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journal) => (journal.boxed(), None),
            Err(error) => (
                text(),
                Some(format!(
                    "log.format journald: no journal here ({error}); text is written"
                )),
            ),
        },
        LogFormat::Auto if is_journal() => match tracing_journald::layer() {
            Ok(journal) => (journal.boxed(), None),
            Err(_) => (text(), None),
        },
        LogFormat::Auto | LogFormat::Text => (text(), None),
    }
}

fn text() -> Boxed {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    fmt::layer()
        .with_target(false)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .boxed()
}

/// Is stderr connected to systemd's journal?
fn is_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal()
}

/// growd's own lines at the level of the configuration; the libraries' only where something is wrong, for at
/// their lowest levels some write down whole requests, the token among them.
fn filter(log: &Log) -> EnvFilter {
    EnvFilter::new(format!("warn,growd={}", log.level))
}
