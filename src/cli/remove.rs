//! `growd remove`: stops managing tasks; what was asked for them stays on record.

use super::tasks::{self, Hosts};
use super::{Context, Exit};
use crate::store::{self, Mode, tasks::remove};
use clap::Args;
use std::io::{self, Write};

/// Stop managing tasks
///
/// Nothing changes on the service's side. The record of what was asked for them, and their events, stay in the
/// database; so does the count of the daily limit.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd remove ID")]
pub struct Remove {
    /// A task's id, or a link to it
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
}

impl Remove {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let hosts = Hosts::of(&context.settings);
        let mut connection = context.open_to_write(Mode::WriteExisting).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let ids = tasks::find(&mut transaction, &hosts, &self.tasks).await?;
        for id in &ids {
            remove(&mut transaction, id).await?;
        }
        transaction.commit().await?;

        let mut out = io::BufWriter::new(io::stdout().lock());
        for id in &ids {
            writeln!(out, "{id}: removed")?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
