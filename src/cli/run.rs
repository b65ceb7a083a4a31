//! `growd run`: the daemon, in the foreground.

use super::{Context, Exit, owner};
use crate::daemon::{self, RunError};
use crate::logging::{self, LogHandle};
use crate::token::Token;
use anyhow::Context as _;
use clap::Args;

/// Run the daemon, in the foreground, until SIGTERM or SIGINT
///
/// Grows every task that is in the database or comes into it. SIGHUP makes it read config and token again. A second
/// SIGINT or SIGTERM ends it at once, which loses nothing either.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  EXTRUCT_API_TOKEN=... growd run
  growd run --config ./growd.toml --database ./growd.db")]
pub struct Run {}

impl Run {
    pub(super) async fn run(self, context: Context) -> anyhow::Result<Exit> {
        let log = logging::init(&context.settings.log);
        match serve(context, log).await {
            Ok(()) => Ok(Exit::Done),
            Err(error) => {
                let is_told = matches!(
                    error.downcast_ref::<RunError>(),
                    Some(RunError::Unhealthy(_))
                );
                if !is_told {
                    // To the log, in the form and with the priority that are expected there.
                    tracing::error!("{error:#}");
                }
                Ok(Exit::of(&error))
            }
        }
    }
}

async fn serve(context: Context, log: LogHandle) -> anyhow::Result<()> {
    let token = Token::find(&context.settings.api)?;
    for warning in token.warnings() {
        tracing::warn!("{warning}");
    }
    // Config and token are read; those of a reload are read as the owner.
    owner::act_as_owner(context.database())?;
    // On a thread of the runtime's: the first one of the process is woken at a greater cost, for each task that lands.
    let daemon = tokio::spawn(daemon::run(context.source, context.settings, token, log));
    daemon.await.context("the daemon broke off")??;
    Ok(())
}
