//! `growd search retry`: goes on with searches that ended short of their target.

use super::names::Selection;
use super::pause::selected;
use crate::cli::exit::Usage;
use crate::cli::output::print_message;
use crate::cli::tasks::StateFilter;
use crate::cli::{Context, Exit};
use crate::core::State;
use crate::store::searches::{self, edit};
use crate::store::{self, Mode};
use anyhow::bail;
use clap::Args;
use std::io::{self, Write as _};

/// Go on with searches that ended short of their target
///
/// Takes a search out of `failed`, `missing`, `refused`, `stalled` or `capped`, and its newest task with it. Searches in any other state do
/// not change.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd search retry freight-saas
  growd search retry --state stalled")]
pub(super) struct Retry {
    #[command(flatten)]
    selection: Selection,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Some(filter) = self.selection.state
            && !matches!(filter, StateFilter::State(state) if state.is_retriable())
        {
            let retriable = State::ALL.iter().filter(|state| state.is_retriable());
            let words: Vec<&str> = retriable.map(|state| state.as_str()).collect();
            bail!(Usage(format!(
                "--state accepts the states that can be retried: {}",
                words.join(", ")
            )));
        }
        let mut connection = context.open_to_write(Mode::WriteExisting).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let mut before = Vec::new();
        for name in selected(&mut transaction, &self.selection).await? {
            let Some(search) = searches::find(&mut transaction, &name).await? else {
                continue;
            };
            let is_retriable = State::parse(&search.state).is_some_and(State::is_retriable);
            if is_retriable {
                edit::retry(&mut transaction, &name).await?;
            }
            before.push((name, search, is_retriable));
        }
        transaction.commit().await?;

        let mut out = io::BufWriter::new(io::stdout().lock());
        for (name, search, is_retriable) in &before {
            let state = &search.state;
            if !is_retriable {
                print_message(format_args!(
                    "{name} is {state}, which cannot be retried: nothing was changed"
                ));
                continue;
            }
            writeln!(out, "{name}: was {state}, goes on")?;
            if search.paused {
                print_message(format_args!(
                    "{name} is paused: run `growd search unpause {name}` as well"
                ));
            }
        }
        out.flush()?;
        if before.iter().any(|(_, _, is_retriable)| *is_retriable) {
            context.hint_if_no_daemon();
        }
        Ok(Exit::Done)
    }
}
