//! `growd run`: the daemon, in the foreground.

use super::{Context, Exit, owner};
use crate::daemon;
use crate::token::Token;
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
        let token = Token::find(&context.settings.api)?;
        for warning in token.warnings() {
            super::table::tell(warning);
        }
        // Config and token are read; those of a reload are read as the owner.
        owner::act_as_owner(context.database())?;
        daemon::run(context.source, context.settings, token).await?;
        Ok(Exit::Done)
    }
}
