//! `growd search`: searches that span several tasks.

mod add;
mod adopt;
pub mod attention;
mod criteria;
mod list;
pub mod names;
mod pause;
mod plan;
mod remove;
mod retry;
mod show;
pub mod status;
mod table;

use super::{Context, Exit};
use clap::{Args, Subcommand};

/// Start and manage searches that are larger than one task
///
/// A search is a query and a target: the number of different companies wanted. growd creates its tasks one after the other, each of
/// which excludes what the earlier ones found, until the target is reached or the service has no more.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  growd search add freight-saas --query 'vertical SaaS companies serving freight forwarding' --target 600
  growd search list
  growd results --search freight-saas --distinct --output freight.csv"
)]
pub struct Search {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(Box<add::Add>),
    Adopt(adopt::Adopt),
    List(list::List),
    Show(show::Show),
    Pause(pause::Pause),
    Unpause(pause::Unpause),
    Retry(retry::Retry),
    Remove(remove::Remove),
}

impl Search {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.command {
            Command::Add(command) => command.run(context).await,
            Command::Adopt(command) => command.run(context).await,
            Command::List(command) => command.run(context).await,
            Command::Show(command) => command.run(context).await,
            Command::Pause(command) => command.run(context).await,
            Command::Unpause(command) => command.run(context).await,
            Command::Retry(command) => command.run(context).await,
            Command::Remove(command) => command.run(context).await,
        }
    }
}
