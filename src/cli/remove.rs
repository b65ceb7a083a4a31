//! `growd remove`: stops managing tasks; their ledger and events stay.

use super::tasks::{self, Hosts};
use super::{Context, Exit};
use crate::store::{self, Mode, tasks::remove};
use clap::Args;
use std::io::{self, Write};

/// Stop managing tasks
///
/// The tasks stay as they are at the service. Their resumes and events stay in the database, and the resumes still count
/// towards the daily limit.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd remove ID")]
pub struct Remove {
    /// A task id, or a link to the task
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
