//! `growd search pause` and `growd search unpause`.

use super::names::{self, Selection};
use crate::cli::tasks::StateFilter;
use crate::cli::{Context, Exit};
use crate::store::searches::edit;
use crate::store::{self, Mode};
use anyhow::Context as _;
use clap::Args;
use sqlx::sqlite::SqliteConnection;
use std::io::{self, Write as _};

/// Stop growing searches for now
///
/// growd creates no task for a paused search, and sends no request for its tasks. Work that the service has already begun
/// continues.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd search pause freight-saas && growd search unpause freight-saas
  growd search pause --state growing")]
pub(super) struct Pause {
    #[command(flatten)]
    selection: Selection,
}

/// Continue growing paused searches and their tasks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd search unpause freight-saas
  growd search unpause --state paused")]
pub(super) struct Unpause {
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

/// Returns the selected searches.
///
/// # Errors
///
/// `UnknownSearches`, and what SQLite says.
pub(super) async fn selected(
    connection: &mut SqliteConnection,
    selection: &Selection,
) -> anyhow::Result<Vec<String>> {
    Ok(match selection.state {
        Some(StateFilter::State(state)) => edit::in_state(connection, state).await?,
        Some(StateFilter::Paused) => edit::paused(connection).await?,
        None => names::find(connection, &selection.names)
            .await
            .context("nothing was changed")?,
    })
}

async fn set(context: &Context, selection: &Selection, paused: bool) -> anyhow::Result<()> {
    let mut connection = context.open_to_write(Mode::WriteExisting).await?;
    let mut transaction = store::begin(&mut connection).await?;
    let mut out = Vec::new();
    for name in selected(&mut transaction, selection).await? {
        let changed = edit::set_paused(&mut transaction, &name, paused).await?;
        let words = match (paused, changed) {
            (true, true) => "paused",
            (true, false) => "already paused",
            (false, true) => "unpaused",
            (false, false) => "was not paused",
        };
        writeln!(out, "{name}: {words}")?;
    }
    transaction.commit().await?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    Ok(())
}
