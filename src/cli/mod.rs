//! The command line: what can be asked of growd, a file for each command.
//!
//! Results go to stdout, words for people to stderr. Commands speak to the database and never to a running
//! daemon: that sees within seconds what they changed.

pub mod add;
mod attention;
pub mod backup;
pub mod check;
pub mod demo;
pub mod exit;
pub mod owner;
pub mod pause;
mod rate;
pub mod remove;
pub mod retry;
pub mod run;
pub mod show;
pub mod simulate;
pub mod status;
pub mod table;
mod task_list;
pub mod tasks;
pub mod watch;

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
  growd demo                                   see it work; no account needed
  growd add https://app.extruct.ai/tasks/ID --target 250
  growd run                                    grow all tasks to their targets
  growd status                                 what there is, and how far it got

The config is looked for at --config, $GROWD_CONFIG and /etc/growd/growd.toml.
The API token is read from the systemd credential extruct-api-token, the file
that api.token_file names, or $EXTRUCT_API_TOKEN.";

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(
    name = "growd",
    version,
    about = "Grows each Extruct Deep Search task to its target size",
    long_about = "Grows each Extruct Deep Search task to its target size.\n\n\
        For each task it is given a target: the number of results wanted. It watches the task, and asks the service \
        for more until the target is reached or there is no more to be had. All it learns is in one SQLite file, so \
        that it can be stopped at any moment and never asks, and never pays, twice.",
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

/// What goes with every command.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "the words of --help")]
struct Global {
    /// The config file [default: $GROWD_CONFIG, else /etc/growd/growd.toml if it is there]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        value_parser = path,
        help_heading = "Global options"
    )]
    config: Option<PathBuf>,
    /// The database [default: database.path of the config]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        value_parser = path,
        help_heading = "Global options"
    )]
    database: Option<PathBuf>,
}

/// A path as a shell hands it over; one that it left as it was would be a file of that name.
fn path(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('~') {
        return Err(
            "write the path out: the shell makes a directory of ~ only at the beginning of a word"
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
    Watch(watch::Watch),
    Check(check::Check),
    Backup(backup::Backup),
    Simulate(simulate::Simulate),
    Demo(demo::Demo),
}

impl Cli {
    /// What the command is to run on.
    ///
    /// For the daemon that is one thread: a thread for each core would do fewer looks, for they wake each other more often
    /// than they work (docs/performance.md).
    ///
    /// # Errors
    ///
    /// Where the system has no thread, or no file descriptor, for it.
    pub fn runtime(&self) -> io::Result<Runtime> {
        let mut builder = match self.command {
            // It is as fast as the machine, so that it is not what is measured.
            Command::Simulate(_) => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        builder.enable_all().build()
    }
}

/// What a command goes by.
#[derive(Debug)]
pub struct Context {
    /// Where the config came from.
    pub source: Source,
    /// The config.
    pub settings: Settings,
}

impl Context {
    fn load(source: Source) -> Result<Self, ConfigError> {
        let settings = source.load()?;
        Ok(Self { source, settings })
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.settings.database
    }

    /// Opens the database to change it, as its owner.
    ///
    /// # Errors
    ///
    /// Where this user may not, and what the database says.
    pub async fn open_to_write(&self, mode: Mode<'_>) -> anyhow::Result<SqliteConnection> {
        owner::act_as_owner(self.database())?;
        Ok(store::open(self.database(), mode).await?)
    }

    /// Says that what was changed waits for a daemon, where none runs.
    pub fn hint_at_daemon(&self) {
        if Lock::is_held(self.database()) == Some(false) {
            table::tell(
                "no daemon runs on this database: nothing will happen until `growd run` is started",
            );
        }
    }
}

/// Runs a command.
///
/// # Errors
///
/// What went wrong, in words for people; [`Exit::of`] has its exit status.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let source = Source {
        config: cli.global.config,
        database: cli.global.database,
    };
    let context = |source| {
        let context = Context::load(source)?;
        for warning in config::warnings() {
            table::tell(format_args!("growd: {warning}"));
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
        Command::Watch(command) => command.run(&context(source)?).await,
        // A config that can't be used is what it is there to tell.
        Command::Check(command) => command.run(source).await,
        Command::Backup(command) => command.run(&context(source)?).await,
        // These two have no use for a config: a bad one is no reason not to start.
        Command::Simulate(command) => command.run().await,
        Command::Demo(command) => command.run(source).await,
    }
}

/// Ends when the process is asked to: SIGINT or SIGTERM.
///
/// # Errors
///
/// Where the signals can't be listened for.
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
