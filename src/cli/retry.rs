//! `growd retry`: looks again at tasks that ended in a way that may have passed.

use super::table::tell;
use super::{Context, Exit, tasks};
use crate::core::TaskId;
use crate::store::{self, Mode, loading, tasks::retry};
use clap::Args;
use std::io::{self, Write};

/// Look again at tasks that ended short of their target
///
/// Takes a task out of `failed`, `missing`, `refused`, `stalled` or `capped`. A count of resumes that brought nothing
/// starts anew. Tasks in any other state are left as they are.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd retry ID")]
pub struct Retry {
    /// A task's id, or a link to it
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut connection = context.open_to_write(Mode::WriteExisting).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let ids = tasks::find(&mut transaction, &self.tasks).await?;
        let loaded = loading::load(&mut transaction, &ids.iter().collect::<Vec<&TaskId>>()).await?;
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
