//! `growd retry`: polls tasks again that ended short of their target.

use super::exit::Usage;
use super::output::{self, print_message};
use super::tasks::{self, Hosts, Selection, StateFilter};
use super::{Context, Exit};
use crate::core::{State, TaskId};
use crate::store::{self, Mode, load, tasks::retry, tasks::retry_in};
use anyhow::Context as _;
use clap::Args;
use std::io::{self, Write};

/// Poll tasks again that ended short of their target
///
/// Takes a task out of `failed`, `missing`, `refused`, `stalled` or `capped`, and resets its count of resumes without
/// new results. Tasks in any other state do not change.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd retry ID
  growd retry --state missing")]
pub struct Retry {
    #[command(flatten)]
    selection: Selection,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.selection.state {
            None => self.retry_named(context).await,
            Some(StateFilter::State(state)) if state.is_retriable() => {
                retry_state(context, state).await
            }
            Some(_) => {
                let retriable = State::ALL.iter().filter(|state| state.is_retriable());
                let words: Vec<&str> = retriable.map(|state| state.as_str()).collect();
                let text = format!(
                    "--state accepts the states that can be retried: {}",
                    words.join(", ")
                );
                Err(Usage(text).into())
            }
        }
    }

    async fn retry_named(&self, context: &Context) -> anyhow::Result<Exit> {
        let hosts = Hosts::of(&context.settings);
        let mut connection = context.open_to_write(Mode::WriteExisting).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let found = tasks::find(&mut transaction, &hosts, &self.selection.tasks).await;
        let ids = found.context(tasks::NOTHING_CHANGED)?;
        let loaded = load::load(&mut transaction, &ids.iter().collect::<Vec<&TaskId>>()).await?;
        for task in loaded.iter().flatten() {
            if task.progress.state.is_retriable() {
                retry(&mut transaction, &task.id).await?;
            }
        }
        transaction.commit().await?;

        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut retried = false;
        for task in loaded.iter().flatten() {
            let (id, state) = (&task.id, task.progress.state);
            if !state.is_retriable() {
                print_message(format_args!(
                    "{id} is {state}, which cannot be retried: nothing was changed"
                ));
                continue;
            }
            retried = true;
            writeln!(out, "{id}: was {state}, will be polled again")?;
            if task.wanted.paused {
                print_message(format_args!("{id} is paused: run `growd unpause` as well"));
            }
        }
        out.flush()?;
        if retried {
            context.hint_if_no_daemon();
        }
        Ok(Exit::Done)
    }
}

async fn retry_state(context: &Context, state: State) -> anyhow::Result<Exit> {
    let mut connection = context.open_to_write(Mode::WriteExisting).await?;
    let mut transaction = store::begin(&mut connection).await?;
    let (retried, paused) = retry_in(&mut transaction, state).await?;
    transaction.commit().await?;
    if paused > 0 {
        print_message(format_args!(
            "{} of them paused: run `growd unpause` as well",
            output::count(paused, "task")
        ));
    }
    writeln!(
        io::stdout(),
        "{}: {state} until now, will be polled again",
        output::count(retried, "task")
    )?;
    if retried > 0 {
        context.hint_if_no_daemon();
    }
    Ok(Exit::Done)
}
