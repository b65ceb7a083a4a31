//! `growd pause` and `growd unpause`.

use super::output;
use super::tasks::{self, Hosts, Selection, StateFilter};
use super::{Context, Exit};
use crate::core::TaskId;
use crate::store::tasks::{set_paused, set_paused_in, unpause_all};
use crate::store::{self, Mode, searches};
use anyhow::{Context as _, bail};
use clap::Args;
use sqlx::sqlite::SqliteConnection;
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
///
/// The tasks of a paused search stay paused: `growd search unpause` continues them.
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
            if !paused {
                reject_part_of_paused(&mut transaction, &id).await?;
            }
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

/// Returns an error if the task is a part of a paused search.
async fn reject_part_of_paused(
    connection: &mut SqliteConnection,
    id: &TaskId,
) -> anyhow::Result<()> {
    match searches::of_task(connection, id).await? {
        Some(of) if of.paused => bail!(
            "{id} is part {part} of the search {search}, which is paused: `growd search unpause {search}` continues all of its \
             tasks; nothing was changed",
            part = of.part,
            search = of.search
        ),
        Some(_) | None => Ok(()),
    }
}
