//! `growd retry`: looks again at tasks that ended in a way that may have passed.

use super::exit::Usage;
use super::table::{self, tell};
use super::tasks::{self, Hosts, StateOrPaused, Which};
use super::{Context, Exit};
use crate::core::{State, TaskId};
use crate::store::{self, Mode, load, tasks::retry, tasks::retry_in};
use clap::Args;
use std::io::{self, Write};

/// Look again at tasks that ended short of their target
///
/// Takes a task out of `failed`, `missing`, `refused`, `stalled` or `capped`. A count of resumes that brought nothing
/// starts anew. Tasks in any other state are left as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd retry ID
  growd retry --state missing")]
pub struct Retry {
    #[command(flatten)]
    which: Which,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.which.state {
            None => self.retry_named(context).await,
            Some(StateOrPaused::State(state)) if state.is_retriable() => {
                retry_state(context, state).await
            }
            Some(_) => {
                let retriable = State::ALL.iter().filter(|state| state.is_retriable());
                let words: Vec<&str> = retriable.map(|state| state.as_str()).collect();
                let text = format!(
                    "--state takes the states that can be retried: {}",
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
        let ids = tasks::find(&mut transaction, &hosts, &self.which.tasks).await?;
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
                tell(format_args!(
                    "{id} is {state}: there is nothing to retry, and it was left as it is"
                ));
                continue;
            }
            retried = true;
            writeln!(out, "{id}: was {state}, will be looked at again")?;
            if task.wanted.paused {
                tell(format_args!(
                    "{id} is paused: it has to wait for `growd unpause`"
                ));
            }
        }
        out.flush()?;
        if retried {
            context.hint_at_daemon();
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
        tell(format_args!(
            "{} of them paused: it takes `growd unpause` as well",
            table::count(paused, "task")
        ));
    }
    writeln!(
        io::stdout(),
        "{}: {state} until now, will be looked at again",
        table::count(retried, "task")
    )?;
    if retried > 0 {
        context.hint_at_daemon();
    }
    Ok(Exit::Done)
}
