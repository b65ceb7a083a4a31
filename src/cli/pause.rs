//! `growd pause` and `growd unpause`.

use super::table;
use super::tasks::{self, Hosts, StateOrPaused, Which};
use super::{Context, Exit};
use crate::store::tasks::{set_paused, set_paused_in, unpause_all};
use crate::store::{self, Mode};
use clap::Args;
use std::io::{self, Write};

/// Stop growing tasks for now
///
/// A paused task gets no request at all. What the service is already at work on goes on there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd pause ID && growd unpause ID
  growd pause --state growing")]
pub struct Pause {
    #[command(flatten)]
    which: Which,
}

/// Go on with paused tasks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd unpause ID
  growd unpause --state paused")]
pub struct Unpause {
    #[command(flatten)]
    which: Which,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        set(context, &self.which, true).await?;
        Ok(Exit::Done)
    }
}

impl Unpause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        set(context, &self.which, false).await?;
        context.hint_at_daemon();
        Ok(Exit::Done)
    }
}

async fn set(context: &Context, which: &Which, paused: bool) -> anyhow::Result<()> {
    let mut connection = context.open_to_write(Mode::WriteExisting).await?;
    let mut transaction = store::begin(&mut connection).await?;
    let mut out = Vec::new();
    if let Some(state) = which.state {
        let changed = match (state, paused) {
            (StateOrPaused::State(state), _) => {
                set_paused_in(&mut transaction, state, paused).await?
            }
            (StateOrPaused::Paused, false) => unpause_all(&mut transaction).await?,
            // They are that already.
            (StateOrPaused::Paused, true) => 0,
        };
        let word = if paused { "paused" } else { "unpaused" };
        writeln!(out, "{}: {word}", table::count(changed, "task"))?;
    } else {
        let hosts = Hosts::of(&context.settings);
        for id in tasks::find(&mut transaction, &hosts, &which.tasks).await? {
            let words = match (paused, set_paused(&mut transaction, &id, paused).await?) {
                (true, true) => "paused",
                (true, false) => "already paused",
                (false, true) => "unpaused",
                (false, false) => "was not paused",
            };
            writeln!(out, "{id}: {words}")?;
        }
    }
    transaction.commit().await?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    Ok(())
}
