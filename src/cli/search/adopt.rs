//! `growd search adopt`: makes an existing task the first part of a new search.

use super::{criteria, names};
use crate::cli::output::{clean, print_message};
use crate::cli::tasks::{self, Hosts, TaskArgument};
use crate::cli::{Context, Exit};
use crate::core::resume::RESUME_MAX;
use crate::core::{Failure, TaskId};
use crate::extruct::Client;
use crate::store::searches::edit::{self, NewSearch};
use crate::store::{self, Mode, overview, searches};
use crate::token::Token;
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;
use std::io::{self, Write as _};

/// Make an existing task the first part of a new search
///
/// growd reads the query, the criteria, the data sources and the excluded domains of the task from the service. The task grows first; once it is full,
/// growd creates the next one with the same values. A task that is paused makes a search that is paused.
///
/// Exit status 77: there is no token, or the service refuses it; 69: the service cannot be reached.
#[derive(Debug, Args)]
#[allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "the text of --help"
)]
#[command(after_help = "\
Example:
  growd search adopt bakeries https://app.extruct.ai/tasks/ID --target 600")]
pub(super) struct Adopt {
    /// The name of the new search: 1 to 100 of A-Z a-z 0-9 - . _
    #[arg(value_name = "NAME", value_parser = names::name)]
    name: String,
    /// A task id, or a link such as https://app.extruct.ai/tasks/ID
    #[arg(value_name = "TASK")]
    task: String,
    /// The number of different companies wanted, with those that the task has found
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    target: i64,
    /// The largest number of results to request at a time from a task, 1 to 250 [default: growth.chunk of the config]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=RESUME_MAX))]
    chunk: Option<i64>,
    /// The most results to request in sum, over all tasks of the search
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    budget: Option<i64>,
    /// A note for the operator; growd does not use it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Adopt {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        // Before this process acts as the owner of the database, who may not be able to read the token.
        let client = Client::new(&context.settings.api, Token::find(&context.settings.api)?)?;
        let mut connection = context.open_to_write(Mode::Write).await?;
        let mut task = TaskArgument::new(&Hosts::of(&context.settings), &self.task);
        tasks::resolve(&mut connection, std::iter::once(&mut task)).await?;
        let id = task.id.map_err(crate::cli::exit::Usage)?;
        self.check(&mut connection, &id).await?;
        // Not within a transaction: the daemon must be able to write.
        let input = match client.input(&id).await {
            Ok(input) => input,
            Err(failure) => return failed(context, &id, &failure),
        };

        let query = input
            .query
            .with_context(|| format!("the service shows no query of {id}: nothing was changed"))?;
        let criteria = match &input.criteria {
            None => None,
            Some(criteria) => Some(criteria::parse(criteria).map_err(|problems| {
                anyhow::anyhow!(
                    "a new task would not accept the criteria that the service shows of {id}: {}; nothing was changed",
                    problems.join("; ")
                )
            })?),
        };
        let domains = input.exclude_domains.map(BTreeSet::from_iter);
        let domains = domains.map(|domains: BTreeSet<String>| json!(domains).to_string());
        let data_sources = input.data_sources.map(|sources| json!(sources).to_string());
        let new = NewSearch {
            query: Some(&query),
            target: self.target,
            criteria: criteria.as_deref(),
            data_sources: data_sources.as_deref(),
            exclude_domains: domains.as_deref(),
            chunk: self.chunk,
            budget: self.budget,
            note: self.note.as_deref(),
        };
        let mut transaction = store::begin(&mut connection).await?;
        self.check(&mut transaction, &id).await?;
        let known = overview::named(&mut transaction, &[id.as_str()]).await?;
        let paused = known.iter().any(|task| &*task.state == "paused");
        edit::insert(&mut transaction, &self.name, &new, paused).await?;
        let target = self.target.min(context.settings.policy.growth.task_cap);
        edit::adopt(
            &mut transaction,
            &self.name,
            &id,
            target,
            self.chunk,
            paused,
        )
        .await?;
        transaction.commit().await?;

        print_message(format_args!("its query: {}", clean(&query)));
        if paused {
            print_message(format_args!(
                "{id} is paused, and so is the search: run `growd search unpause {}` as well",
                self.name
            ));
        }
        context.hint_if_no_daemon();
        writeln!(
            io::stdout(),
            "added {} (target {}), {id} is its part 1",
            self.name,
            self.target
        )?;
        Ok(Exit::Done)
    }

    /// Checks that there is no such search, and that the task is no part of another one.
    async fn check(&self, connection: &mut SqliteConnection, id: &TaskId) -> anyhow::Result<()> {
        let name = &self.name;
        if let Some(part) = searches::of_task(connection, id).await? {
            bail!(
                "{id} is part {} of the search {} already: nothing was changed",
                part.part,
                clean(&part.search)
            );
        }
        if searches::find(connection, name).await?.is_some() {
            bail!(
                "there is a search {name} already: choose another name, or change it with `growd search add {name} --target N`"
            );
        }
        Ok(())
    }
}

/// Says why the service does not show the task.
fn failed(context: &Context, id: &TaskId, failure: &Failure) -> anyhow::Result<Exit> {
    let url = &context.settings.api.base_url;
    let exit = match failure {
        Failure::NotFound { .. } => bail!(
            "the service knows no task {id} ({failure}): check the id, and that the token is of the account that owns the task"
        ),
        Failure::Unauthorized { .. } | Failure::Forbidden { .. } => Exit::NoToken,
        Failure::NotConnected { .. } | Failure::Unanswered { .. } => Exit::Unreachable,
        _ => Exit::Failed,
    };
    print_message(format_args!(
        "growd: the task cannot be read from {url} ({failure}): nothing was changed; `growd check` says what to do"
    ));
    Ok(exit)
}
