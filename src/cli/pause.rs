//! `growd pause` and `growd unpause`: a paused task gets no request at all.

use super::{Context, Exit, tasks};
use crate::store::{self, Mode, tasks::set_paused};
use clap::Args;
use std::io::{self, Write};

/// Stop growing tasks for now
///
/// A paused task gets no request at all. What the service is already at work on goes on there.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd pause ID && growd unpause ID")]
pub struct Pause {
    /// A task's id, or a link to it
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
}

/// Go on with paused tasks
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd unpause ID")]
pub struct Unpause {
    /// A task's id, or a link to it
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        set(context, &self.tasks, true).await?;
        Ok(Exit::Done)
    }
}

impl Unpause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        set(context, &self.tasks, false).await?;
        context.hint_at_daemon();
        Ok(Exit::Done)
    }
}

async fn set(context: &Context, arguments: &[String], paused: bool) -> anyhow::Result<()> {
    let mut connection = context.open_to_write(Mode::WriteExisting).await?;
    let mut transaction = store::begin(&mut connection).await?;
    let ids = tasks::find(&mut transaction, arguments).await?;
    let mut changed = Vec::with_capacity(ids.len());
    for id in &ids {
        changed.push(set_paused(&mut transaction, id, paused).await?);
    }
    transaction.commit().await?;

    let mut out = io::BufWriter::new(io::stdout().lock());
    for (id, changed) in ids.iter().zip(changed) {
        let words = match (paused, changed) {
            (true, true) => "paused",
            (true, false) => "already paused",
            (false, true) => "unpaused",
            (false, false) => "was not paused",
        };
        writeln!(out, "{id}: {words}")?;
    }
    out.flush()?;
    Ok(())
}
