//! The command line: arguments, and one file per command.
//!
//! Results go to stdout, messages to stderr. Commands write to the database and never contact a running daemon, which
//! reads their changes within 2 s.

mod add;
mod attention;
mod backup;
mod check;
mod demo;
mod exit;

pub mod output;
mod pause;
mod privileges;
mod rate;
mod remove;
mod results;
mod retry;
mod run;
mod search;
mod show;
mod simulate;
mod spent;
mod status;

mod task_list;
mod tasks;
mod watch;

pub use exit::Exit;

use crate::config::{self, ConfigError, Settings, Source};
use crate::store::{self, Lock, Mode};
use clap::{Args, Parser, Subcommand};
use sqlx::sqlite::SqliteConnection;
use std::io;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "\
Examples:
  growd demo                                   show growd at work; no account needed
  growd add https://app.extruct.ai/tasks/ID --target 250
  growd search add bakeries --query 'bakeries in Lyon' --target 600
  growd run                                    grow all tasks and searches to their targets
  growd status                                 show all tasks and the daemon
  growd results --distinct --output list.csv   export the companies that were found

Search order for the config: --config, $GROWD_CONFIG, /etc/growd/growd.toml.
Search order for the API token: the systemd credential extruct-api-token, the
file that api.token_file names, $EXTRUCT_API_TOKEN.";

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "growd",
    version,
    about = "Grows each Extruct Deep Search task to its target size",
    long_about = "Grows each Extruct Deep Search task to its target size.\n\n\
        Each task has a target: the total number of results wanted. growd polls the task and requests more results \
        until the target is reached or the service has no more. All state is in one SQLite file, so growd can be \
        stopped at any moment without requesting, and paying for, the same results twice.",
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The options of all commands.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "the text of --help")]
struct Global {
    /// The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it exists]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        value_parser = path,
        help_heading = "Global options"
    )]
    config: Option<PathBuf>,
    /// The database file [default: database.path of the config]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        value_parser = path,
        help_heading = "Global options"
    )]
    database: Option<PathBuf>,
}

/// Parses a path. Rejects `~`, which a shell expands only at the beginning of a word and growd not at all.
fn path(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('~') {
        return Err(
            "write the path out: growd does not expand ~, and the shell does so only at the beginning of a word"
                .to_owned(),
        );
    }
    Ok(text.into())
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Add(add::Add),
    Pause(pause::Pause),
    Unpause(pause::Unpause),
    Retry(retry::Retry),
    Remove(remove::Remove),
    Status(status::Status),
    Show(show::Show),
    Search(search::Search),
    Results(results::Results),
    Watch(watch::Watch),
    Check(check::Check),
    Backup(backup::Backup),
    Simulate(simulate::Simulate),
    Demo(demo::Demo),
}

impl Cli {
    /// Creates the runtime of the command.
    ///
    /// The daemon has a single thread: with a thread for each core, more processor time goes into waking threads than into
    /// polls.
    ///
    /// # Errors
    ///
    /// Returns an error if the system provides no thread or no file descriptor.
    pub fn runtime(&self) -> io::Result<Runtime> {
        let mut builder = match self.command {
            // In benchmarks the stand-in must not be slower than the daemon.
            Command::Simulate(_) => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        builder.enable_all().build()
    }
}

/// What a command needs: its configuration and where that came from.
#[derive(Debug)]
pub struct Context {
    /// Where the configuration was read from.
    pub source: Source,
    /// The configuration.
    pub settings: Settings,
}

impl Context {
    fn load(source: Source) -> Result<Self, ConfigError> {
        let settings = source.load()?;
        Ok(Self { source, settings })
    }

    /// Returns the path of the database.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.settings.database
    }

    /// Opens the database for writing, as its owner.
    ///
    /// # Errors
    ///
    /// `PrivilegeError` if this user may not write it; [`store::StoreError`] from the database.
    pub async fn open_to_write(&self, mode: Mode<'_>) -> anyhow::Result<SqliteConnection> {
        privileges::drop_to_owner(self.database())?;
        Ok(store::open(self.database(), mode).await?)
    }

    /// Prints a hint if no daemon runs on this database.
    pub fn hint_if_no_daemon(&self) {
        if Lock::is_held(self.database()) == Some(false) {
            output::print_message(
                "no daemon runs on this database: the change takes effect when `growd run` is started",
            );
        }
    }
}

/// Runs a command.
///
/// # Errors
///
/// The error of the command, which [`Exit::of`] maps to an exit status.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let source = Source {
        config: cli.global.config,
        database: cli.global.database,
    };
    let context = |source| {
        let context = Context::load(source)?;
        for warning in config::warnings() {
            output::print_message(format_args!("growd: {warning}"));
        }
        Ok::<_, ConfigError>(context)
    };
    match cli.command {
        // The daemon logs the warnings.
        Command::Run(command) => command.run(Context::load(source)?).await,
        Command::Add(command) => command.run(&context(source)?).await,
        Command::Pause(command) => command.run(&context(source)?).await,
        Command::Unpause(command) => command.run(&context(source)?).await,
        Command::Retry(command) => command.run(&context(source)?).await,
        Command::Remove(command) => command.run(&context(source)?).await,
        Command::Status(command) => command.run(&context(source)?).await,
        Command::Show(command) => command.run(&context(source)?).await,
        Command::Search(command) => command.run(&context(source)?).await,
        Command::Results(command) => command.run(&context(source)?).await,
        Command::Watch(command) => command.run(&context(source)?).await,
        // It reports an invalid config itself.
        Command::Check(command) => command.run(source).await,
        Command::Backup(command) => command.run(&context(source)?).await,
        // These two do not use the config: an invalid one must not stop them.
        Command::Simulate(command) => command.run().await,
        Command::Demo(command) => command.run(source).await,
    }
}

/// Returns a future that completes on SIGINT or SIGTERM.
///
/// # Errors
///
/// Returns an error if the signal handlers cannot be installed.
pub fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
