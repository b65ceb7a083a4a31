//! `growd remove`: stops managing tasks; their ledger, their events and, unless asked otherwise, their results stay.

use super::output::count;
use super::tasks::{self, Hosts};
use super::{Context, Exit};
use crate::store::{self, Mode, companies, searches, tasks::remove};
use anyhow::{Context as _, bail};
use clap::Args;
use std::io::{self, Write};

/// Stop managing tasks
///
/// The tasks stay as they are at the service. Their resumes, events and results stay in the database, and the resumes still
/// count towards the daily limit. A task of a search can be removed only once the search is removed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd remove ID
  growd remove --results ID")]
pub struct Remove {
    /// A task id, or a link to the task
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
    /// Delete the companies that were found, too; also those of tasks that were removed before
    #[arg(long)]
    results: bool,
}

impl Remove {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let hosts = Hosts::of(&context.settings);
        let mut connection = context.open_to_write(Mode::WriteExisting).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let ids = if self.results {
            tasks::find_with_results(&mut transaction, &hosts, &self.tasks).await
        } else {
            tasks::find(&mut transaction, &hosts, &self.tasks).await
        };
        let ids = ids.context(tasks::NOTHING_CHANGED)?;
        let mut lines = Vec::new();
        for id in &ids {
            if let Some(of) = searches::of_task(&mut transaction, id).await? {
                bail!(
                    "{id} is part {part} of the search {search}, whose later tasks leave out what it found: remove the search \
                     first, with `growd search remove {search}`; nothing was changed",
                    part = of.part,
                    search = of.search
                );
            }
            remove(&mut transaction, id).await?;
            let deleted = if self.results {
                let results = companies::delete(&mut transaction, id).await?;
                format!(", with {}", count(results, "result"))
            } else {
                String::new()
            };
            lines.push(format!("{id}: removed{deleted}"));
        }
        transaction.commit().await?;

        let mut out = io::BufWriter::new(io::stdout().lock());
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
