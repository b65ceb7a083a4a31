//! `growd run`: the daemon, in the foreground.

use super::{Context, Exit, privileges};
use crate::daemon::supervision::restart_backoff::{RestartBackoff, Waited};
use crate::daemon::supervision::signals;
use crate::daemon::{self, RunError};
use crate::extruct::network;
use crate::logging::{self, LogHandle};
use crate::token::Token;
use anyhow::Context as _;
use clap::Args;

/// Run the daemon, in the foreground, until SIGTERM or SIGINT
///
/// Grows every task in the database, including tasks that are added later. On SIGHUP it reads config and token again. A
/// second SIGINT or SIGTERM ends it at once, with status 1, and loses nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  EXTRUCT_API_TOKEN=... growd run
  growd run --config ./growd.toml --database ./growd.db")]
pub struct Run {}

impl Run {
    pub(super) async fn run(self, context: Context) -> anyhow::Result<Exit> {
        let log = logging::init(&context.settings.log);
        let exit = match serve(context, log).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                let is_logged = matches!(
                    error.downcast_ref::<RunError>(),
                    Some(RunError::Unhealthy(_))
                );
                if !is_logged {
                    logging::log_fatal(&format!("{error:#}"));
                }
                Exit::of(&error)
            }
        };
        logging::flush();
        Ok(exit)
    }
}

async fn serve(mut context: Context, log: LogHandle) -> anyhow::Result<()> {
    let mut signals = signals::listen().map_err(RunError::from)?;
    let restarts = RestartBackoff::of_this_unit();
    match restarts.wait(&mut signals).await {
        Waited::No => {}
        // The operator may have fixed the config meanwhile.
        Waited::Yes => {
            context = Context::load(context.source)?;
            log.set_level(&context.settings.log);
        }
        Waited::Stopped => return Ok(()),
    }
    network::check()?;
    let token = Token::find(&context.settings.api)?;
    for warning in token.warnings() {
        tracing::warn!("{warning}");
    }
    // A reload reads config and token as the owner.
    privileges::drop_to_owner(context.database())?;
    let database = context.database().to_owned();
    if restarts.has_lost(&database) && !database.exists() {
        anyhow::bail!(
            "the database {} has disappeared: restore it, or put a backup in its place. To start with an empty database, stop \
             growd and start it again",
            database.display()
        );
    }
    // In a task of its own, so that a panic becomes an error with an exit status.
    let daemon = daemon::run(context.source, context.settings, token, log, signals);
    let outcome = tokio::spawn(daemon).await.context("the daemon panicked")?;
    match &outcome {
        Ok(()) => restarts.ended_well(),
        Err(RunError::Unhealthy(_)) => restarts.lost(&database),
        Err(_) => {}
    }
    Ok(outcome?)
}
