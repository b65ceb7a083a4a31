//! `growd pause` and `growd unpause`.

use super::output;
use super::tasks::{self, Hosts, Selection, StateFilter};
use super::{Context, Exit};
use crate::store::tasks::{set_paused, set_paused_in, unpause_all};
use crate::store::{self, Mode};
use anyhow::Context as _;
use clap::Args;
use std::io::{self, Write};

/// Stop growing tasks for now
///
/// growd sends no request for a paused task. Work that the service has already begun continues.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd pause ID && growd unpause ID
  growd pause --state growing")]
pub struct Pause {
    #[command(flatten)]
    selection: Selection,
}

/// Continue growing paused tasks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd unpause ID
  growd unpause --state paused")]
pub struct Unpause {
    #[command(flatten)]
    selection: Selection,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        set(context, &self.selection, true).await?;
        Ok(Exit::Done)
    }
}

impl Unpause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        set(context, &self.selection, false).await?;
        context.hint_if_no_daemon();
        Ok(Exit::Done)
    }
}

async fn set(context: &Context, selection: &Selection, paused: bool) -> anyhow::Result<()> {
    let mut connection = context.open_to_write(Mode::WriteExisting).await?;
    let mut transaction = store::begin(&mut connection).await?;
    let mut out = Vec::new();
    if let Some(state) = selection.state {
        let changed = match (state, paused) {
            (StateFilter::State(state), _) => {
                set_paused_in(&mut transaction, state, paused).await?
            }
            (StateFilter::Paused, false) => unpause_all(&mut transaction).await?,
            // All of them are paused already.
            (StateFilter::Paused, true) => 0,
        };
        let word = if paused { "paused" } else { "unpaused" };
        writeln!(out, "{}: {word}", output::count(changed, "task"))?;
    } else {
        let hosts = Hosts::of(&context.settings);
        let found = tasks::find(&mut transaction, &hosts, &selection.tasks).await;
        for id in found.context(tasks::NOTHING_CHANGED)? {
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
