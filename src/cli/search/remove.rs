//! `growd search remove`: stops managing searches; their tasks stay, paused.

use super::names;
use crate::cli::output::{count, print_message};
use crate::cli::{Context, Exit};
use crate::store::searches::{self, edit};
use crate::store::{self, Mode};
use anyhow::Context as _;
use clap::Args;
use std::io::{self, Write as _};

/// Stop managing searches
///
/// The tasks of a search stay, paused, as ordinary tasks. What was asked for, the events and the companies stay in the database.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd search remove freight-saas")]
pub(super) struct Remove {
    /// The name of a search
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Remove {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut connection = context.open_to_write(Mode::WriteExisting).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let names = names::find(&mut transaction, &self.names)
            .await
            .context("nothing was changed")?;
        let mut lines = Vec::new();
        let mut open = Vec::new();
        for name in &names {
            let parts = searches::parts(&mut transaction, name).await?;
            if searches::has_open_create(&mut transaction, name).await? {
                open.push(name);
            }
            edit::remove(&mut transaction, name).await?;
            let tasks = match parts.len() {
                0 => "it had no tasks".to_owned(),
                tasks => format!("{}, paused", remaining(tasks)),
            };
            lines.push(format!("{name}: removed; {tasks}"));
        }
        transaction.commit().await?;

        let mut out = io::BufWriter::new(io::stdout().lock());
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        for name in open {
            print_message(format_args!(
                "{name} was asking for a task, which the service may have created: look for it in the app"
            ));
        }
        Ok(Exit::Done)
    }
}

fn remaining(tasks: usize) -> String {
    let verb = if tasks == 1 { "stays" } else { "stay" };
    format!("its {} {verb}", count(tasks as u64, "task"))
}
