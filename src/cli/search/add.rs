//! `growd search add`: starts a search, or changes one.

use super::plan::Plan;
use super::{criteria, names};
use crate::cli::exit::Usage;
use crate::cli::output::{clean, print_message};
use crate::cli::results::filters;
use crate::cli::{Context, Exit};
use crate::core::resume::RESUME_MAX;
use crate::store::searches::edit::{self, NewSearch};
use crate::store::searches::{self, SearchRow};
use crate::store::tasks::Added;
use crate::store::{self, Mode, StoreError};
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The data sources that the service documents.
const SOURCES: [&str; 4] = ["web_search", "linkedin", "maps", "extruct_db"];

/// The most domains that the service excludes from one task.
const DOMAINS_MAX: usize = 1000;

/// The longest query, in bytes.
const QUERY_MAX: usize = 64 * 1024;

/// Start a search, or change one
///
/// The query, the criteria, the data sources and the excluded domains cannot change once growd has asked for the first task. The target, the
/// chunk, the budget and the note can change at any time. An option that is left out keeps its value. Messages say what the search can
/// cost at most.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "the text of --help")]
#[command(after_help = "\
Examples:
  growd search add freight-saas --query 'vertical SaaS companies serving freight forwarding' --target 600
  growd search add freight-saas --target 900 --budget 1200
  growd search add bakeries --query - --target 400 --criteria criteria.json --exclude-domains customers.txt --dry-run < query.txt

A file of criteria is a JSON array, such as
  [{\"key\": \"saas\", \"name\": \"Sells SaaS\", \"criterion\": \"The company sells software by subscription\"}]")]
pub(super) struct Add {
    /// The name of the search: 1 to 100 of A-Z a-z 0-9 - . _
    #[arg(value_name = "NAME", value_parser = names::name)]
    name: String,
    /// What to search for, in words; - reads it from stdin. Needed for a new search
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// The number of different companies wanted
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    target: i64,
    /// A JSON file of criteria that each company must meet, - for stdin; without it, the service infers them from the query
    #[arg(long, value_name = "FILE", value_parser = crate::cli::path)]
    criteria: Option<PathBuf>,
    /// Search only these: web_search, linkedin, maps, extruct_db; without it, the service chooses
    #[arg(long, value_name = "SOURCE", num_args = 1.., value_delimiter = ',')]
    source: Vec<String>,
    /// Leave out these domains: a file as for `growd results --exclude-domains`, - for stdin
    #[arg(long, value_name = "FILE", value_parser = crate::cli::path)]
    exclude_domains: Option<PathBuf>,
    /// The largest number of results to request at a time from a task, 1 to 250 [default: growth.chunk of the config]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=RESUME_MAX))]
    chunk: Option<i64>,
    /// The most results to request in sum, over all tasks of the search
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    budget: Option<i64>,
    /// A note for the operator; growd does not use it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print what the search can cost, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a search is about: it cannot change once a task was asked for.
struct Subject {
    query: Option<String>,
    criteria: Option<String>,
    data_sources: Option<String>,
    exclude_domains: Option<String>,
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let subject = self.subject()?;
        if self.dry_run {
            return self.estimate(context, subject).await;
        }
        if subject.query.is_none() && !context.database().exists() {
            bail!(self.needs_query());
        }
        let mut connection = context.open_to_write(Mode::Write).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let known = searches::find(&mut transaction, &self.name).await?;
        let subject = self.without_unchanged(subject, known.as_ref())?;
        let new = NewSearch {
            query: subject.query.as_deref(),
            target: self.target,
            criteria: subject.criteria.as_deref(),
            data_sources: subject.data_sources.as_deref(),
            exclude_domains: subject.exclude_domains.as_deref(),
            chunk: self.chunk,
            budget: self.budget,
            note: self.note.as_deref(),
        };
        let added = if known.is_some() {
            edit::change(&mut transaction, &self.name, &new).await?
        } else {
            edit::insert(&mut transaction, &self.name, &new, false).await?;
            Added::New
        };
        let known = searches::find(&mut transaction, &self.name).await?;
        let plan = self
            .plan(context, Some(&mut *transaction), known.as_ref(), &subject)
            .await?;
        transaction.commit().await?;

        for line in plan.lines().iter().chain(&plan.warnings()) {
            print_message(line);
        }
        if known.is_some_and(|known| known.paused) {
            print_message(format_args!(
                "{name} is paused: run `growd search unpause {name}` as well",
                name = self.name
            ));
        }
        context.hint_if_no_daemon();
        let word = match added {
            Added::New => "added",
            Added::Changed => "changed",
            Added::Unchanged => "unchanged",
        };
        writeln!(
            io::stdout(),
            "{word} {} (target {})",
            self.name,
            self.target
        )?;
        Ok(Exit::Done)
    }

    /// Prints what the search can cost.
    async fn estimate(&self, context: &Context, subject: Subject) -> anyhow::Result<Exit> {
        let mut connection = match store::open(context.database(), Mode::Read).await {
            Ok(connection) => Some(connection),
            Err(StoreError::Absent { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let known = match &mut connection {
            Some(connection) => searches::find(connection, &self.name).await?,
            None => None,
        };
        let subject = self.without_unchanged(subject, known.as_ref())?;
        let plan = self
            .plan(context, connection.as_mut(), known.as_ref(), &subject)
            .await?;
        let mut out = io::stdout().lock();
        for line in plan.lines() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        for warning in plan.warnings() {
            print_message(warning);
        }
        print_message("nothing was changed: this is a dry run");
        Ok(Exit::Done)
    }

    async fn plan(
        &self,
        context: &Context,
        connection: Option<&mut SqliteConnection>,
        known: Option<&SearchRow>,
        subject: &Subject,
    ) -> anyhow::Result<Plan> {
        let known_domains = known.and_then(|known| known.exclude_domains.as_deref());
        let domains = subject.exclude_domains.as_deref().or(known_domains);
        Ok(Plan {
            results: known.map_or(0, |known| known.results),
            requested: known.map_or(0, |known| known.requested),
            budget: self.budget.or_else(|| known.and_then(|known| known.budget)),
            excluded: domains.map_or(0, entries),
            ..Plan::of(&context.settings, connection, self.target).await?
        })
    }

    /// Reads what the arguments say about the subject.
    fn subject(&self) -> anyhow::Result<Subject> {
        let is_stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        let from_stdin = [
            self.query.as_deref() == Some("-"),
            is_stdin(&self.criteria),
            is_stdin(&self.exclude_domains),
        ];
        if from_stdin.iter().filter(|is_stdin| **is_stdin).count() > 1 {
            bail!(Usage(
                "only one of --query, --criteria and --exclude-domains can be read from stdin"
                    .to_owned()
            ));
        }
        Ok(Subject {
            query: self.query.as_deref().map(query).transpose()?,
            criteria: self.criteria.as_deref().map(criteria::read).transpose()?,
            data_sources: self.data_sources()?,
            exclude_domains: match &self.exclude_domains {
                Some(path) => domains(path)?,
                None => None,
            },
        })
    }

    fn data_sources(&self) -> anyhow::Result<Option<String>> {
        let mut sources: Vec<&str> = Vec::new();
        for source in self.source.iter().map(|source| source.trim()) {
            if source.is_empty() {
                bail!(Usage("a value of --source is blank".to_owned()));
            }
            if !SOURCES.contains(&source) {
                print_message(format_args!(
                    "the data source {source:?} is not one of {}: the service may refuse the search",
                    SOURCES.join(", ")
                ));
            }
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        Ok((!sources.is_empty()).then(|| json!(sources).to_string()))
    }

    fn needs_query(&self) -> Usage {
        Usage(format!(
            "there is no search {:?}: give a --query to start it",
            self.name
        ))
    }

    /// Returns the subject without what the search has already.
    ///
    /// # Errors
    ///
    /// An error if the search is new and has no query, or has begun with another subject.
    fn without_unchanged(
        &self,
        subject: Subject,
        known: Option<&SearchRow>,
    ) -> anyhow::Result<Subject> {
        let name = &self.name;
        let Some(known) = known else {
            if subject.query.is_none() {
                bail!(self.needs_query());
            }
            return Ok(subject);
        };
        let is_same = |given: &str, stored: Option<&str>| {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
            stored.is_some_and(|stored| {
                given == stored || parsed(given).is_some() && parsed(given) == parsed(stored)
            })
        };
        let changed = |given: Option<String>, stored: Option<&str>| {
            given.filter(|given| !is_same(given, stored))
        };
        let subject = Subject {
            query: subject.query.filter(|query| query != known.query.trim()),
            criteria: changed(subject.criteria, known.criteria.as_deref()),
            data_sources: changed(subject.data_sources, known.data_sources.as_deref()),
            exclude_domains: changed(subject.exclude_domains, known.exclude_domains.as_deref()),
        };
        if known.has_begun {
            let other = [
                ("query", subject.query.is_some()),
                ("list of criteria", subject.criteria.is_some()),
                ("list of data sources", subject.data_sources.is_some()),
                (
                    "list of excluded domains",
                    subject.exclude_domains.is_some(),
                ),
            ];
            if let Some((what, _)) = other.iter().find(|(_, is_other)| *is_other) {
                bail!(
                    "the search {name} has begun with another {what}, which cannot change any more: start another search, with \
                     another name. Its query is {:?}",
                    clean(&known.query)
                );
            }
        }
        Ok(subject)
    }
}

/// Returns the query, from stdin if it is `-`.
fn query(text: &str) -> anyhow::Result<String> {
    let mut query = text.to_owned();
    if text == "-" {
        query.clear();
        let mut stdin = io::stdin().lock().take(QUERY_MAX as u64 + 1);
        stdin
            .read_to_string(&mut query)
            .context("the query cannot be read from stdin")?;
    }
    let query = query.trim_start_matches('\u{feff}').trim();
    if query.is_empty() {
        bail!(Usage("the query is blank".to_owned()));
    }
    if query.len() > QUERY_MAX || query.contains('\0') {
        bail!(Usage(format!(
            "the query is no text of at most {QUERY_MAX} bytes"
        )));
    }
    Ok(query.to_owned())
}

/// Reads the domains to exclude, as a JSON array; `None` if the file has none.
fn domains(path: &Path) -> anyhow::Result<Option<String>> {
    let domains: BTreeSet<String> = filters::exclude_domains(path)?.into_iter().collect();
    if domains.len() > DOMAINS_MAX {
        bail!(
            "{} has {} domains; a search can exclude {DOMAINS_MAX}: exclude the others when you export, with `growd results \
             --exclude-domains`",
            path.display(),
            domains.len()
        );
    }
    Ok((!domains.is_empty()).then(|| json!(domains).to_string()))
}

/// Returns the number of entries of a JSON array.
fn entries(text: &str) -> i64 {
    let entries = serde_json::from_str::<Vec<Value>>(text).map_or(0, |entries| entries.len());
    i64::try_from(entries).unwrap_or(i64::MAX)
}
