//! `growd results`: the companies that the tasks found.

mod cell;
mod columns;
mod csv;
mod destination;
pub(super) mod filters;
mod jsonl;
mod scores;
mod table;
mod xlsx;

use self::columns::{COLUMNS_MAX, Columns};
use self::destination::{Destination, Target};
use super::exit::Usage;
use super::output::{count, print_message};
use super::search::names;
use super::tasks::{self, Hosts};
use super::{Context, Exit, interrupted};
use crate::core::TaskId;
use crate::store::companies::{self, Company, Filter};
use crate::store::{self, Mode, searches};
use anyhow::bail;
use clap::{Args, ValueEnum};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// Number of criteria above which a spreadsheet is too wide to be of use.
const CRITERIA_MANY: usize = 100;

/// Print the companies that the tasks found
///
/// The most relevant ones come first. Without TASK and NAME, the companies of all tasks are printed, also those of tasks that were
/// removed. A company that two tasks found is there twice; --distinct merges them.
///
/// For a spreadsheet, xlsx is the safer format: a program that opens a CSV file may take a text such as 1-10 for a date.
///
/// While it prints, such as into a pager that waits, growd cannot empty the write-ahead log of the database. With --output the
/// time is short.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
#[command(after_help = "\
Examples:
  growd results ID
  growd results --search bakeries --distinct --output bakeries.csv
  growd results --distinct --output companies.csv
  growd results --distinct --since 7d --exclude-domains customers.txt --output new.xlsx
  growd results ID --explain --format jsonl | jq .scores")]
pub struct Results {
    /// A task id, or a link to the task
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,
    /// The companies of all tasks of these searches, and of each TASK
    #[arg(long, value_name = "NAME", num_args = 1..)]
    search: Vec<String>,
    /// The format [default: that of the name of FILE (.csv, .jsonl, .xlsx); table on a terminal; csv otherwise]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// The file to write, - for stdout (the default); a file is there in full or not at all
    #[arg(long, value_name = "FILE", value_parser = super::path)]
    output: Option<PathBuf>,
    /// Replace FILE if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// One row for each domain (for each company name where there is no domain): the most relevant one. A website on a site of
    /// many companies, such as Facebook or GitHub, is no domain
    #[arg(long)]
    distinct: bool,
    /// Only companies of this relevance or a higher one
    #[arg(long, value_name = "X", value_parser = relevance, allow_negative_numbers = true)]
    min_relevance: Option<f64>,
    /// Only results first seen since then: a time such as 2026-11-24T02:22:00Z, a date (UTC), or a span such as 24h. With
    /// --distinct, only companies of which none of these tasks has an earlier result, whatever --min-relevance leaves out,
    /// and whether it is gone by now
    #[arg(long, value_name = "TIME", value_parser = filters::since)]
    since: Option<String>,
    /// Leave out these domains: a file with a domain or URL a line, or a CSV file such as an export, with the first column
    /// domain; - for stdin. # begins a comment. A page on a site of many companies, such as Facebook, is no company's domain: a warning
    /// names its line
    #[arg(long, value_name = "FILE", value_parser = super::path)]
    exclude_domains: Option<PathBuf>,
    /// Include why each criterion was graded as it was
    #[arg(long)]
    explain: bool,
    /// Write texts to CSV as they are. Without it, ' is put before a text that a spreadsheet would evaluate
    #[arg(long)]
    raw: bool,
}

/// A value of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    Table,
    Csv,
    Jsonl,
    Xlsx,
}

fn relevance(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| !number.is_nan());
    number.ok_or_else(|| "give a number such as 80".to_owned())
}

/// Writes companies in one format.
trait Format {
    /// Writes one company.
    ///
    /// # Errors
    ///
    /// The error of the output, or that of a limit of the format.
    fn write(&mut self, company: &Company) -> anyhow::Result<()>;

    /// Writes what is left.
    ///
    /// # Errors
    ///
    /// The error of the output.
    fn finish(&mut self) -> anyhow::Result<()>;
}

impl Results {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let file = self.file();
        let format = format(self.format, file).map_err(Usage)?;
        if format == FormatName::Xlsx && file.is_none() && io::stdout().is_terminal() {
            bail!(Usage(
                "a terminal cannot show a workbook: name a file with --output, such as --output companies.xlsx".to_owned()
            ));
        }
        let target = file.map(|path| Target::new(path, self.force)).transpose()?;
        let exclude_domains = match &self.exclude_domains {
            Some(path) => filters::exclude_domains(path)?,
            None => Vec::new(),
        };
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let hosts = Hosts::of(&context.settings);
        let filter = Filter {
            tasks: self.named_tasks(&mut connection, &hosts).await?,
            is_distinct: self.distinct,
            min_relevance: self.min_relevance,
            since: self.since.clone(),
            exclude_domains,
        };
        if target.is_none() {
            self.export(context, &mut connection, &filter, format, None)
                .await?;
            return Ok(Exit::Done);
        }
        let interrupted = interrupted()?;
        tokio::select! {
            outcome = self.export(context, &mut connection, &filter, format, target) => outcome?,
            () = interrupted => bail!("interrupted: no file was written"),
        }
        Ok(Exit::Done)
    }

    /// Returns the file to write; none for stdout.
    fn file(&self) -> Option<&Path> {
        self.output
            .as_deref()
            .filter(|path| *path != Path::new("-"))
    }

    /// Returns the tasks that are named, and those of the searches that are named; `None` if there is no name.
    async fn named_tasks(
        &self,
        connection: &mut SqliteConnection,
        hosts: &Hosts,
    ) -> anyhow::Result<Option<Vec<TaskId>>> {
        if self.tasks.is_empty() && self.search.is_empty() {
            return Ok(None);
        }
        let mut tasks = tasks::find_with_results(connection, hosts, &self.tasks).await?;
        for search in names::find(connection, &self.search).await? {
            tasks.extend(searches::parts(connection, &search).await?);
        }
        Ok(Some(tasks))
    }

    async fn export(
        &self,
        context: &Context,
        connection: &mut SqliteConnection,
        filter: &Filter,
        format: FormatName,
        target: Option<Target>,
    ) -> anyhow::Result<()> {
        let number = companies::choose(connection, filter).await?;
        if number == 0 {
            print_message(why_none(context, connection, filter).await?);
        }
        let columns = match format {
            FormatName::Csv | FormatName::Xlsx => {
                let max = Columns::keys_max(self.explain);
                let Some(keys) = companies::keys(connection, max).await? else {
                    bail!(
                        "these tasks have over {max} criteria, and an export has {COLUMNS_MAX} columns at most: name fewer tasks, or \
                         use --format jsonl"
                    );
                };
                if keys.len() > CRITERIA_MANY {
                    print_message(format_args!(
                        "these tasks have {} criteria, and each has a column: name fewer tasks, or use --format jsonl",
                        keys.len()
                    ));
                }
                Columns::new(keys, self.explain)
            }
            FormatName::Table | FormatName::Jsonl => Columns::new(Vec::new(), false),
        };
        let mut destination = Destination::open(target)?;
        let out = destination.writer();
        {
            let mut writer: Box<dyn Format + '_> = match format {
                FormatName::Table => Box::new(table::Table::new(out, self.explain)),
                FormatName::Csv => Box::new(csv::Csv::new(out, columns, self.raw)?),
                FormatName::Jsonl => Box::new(jsonl::Jsonl::new(out, self.explain)),
                FormatName::Xlsx => Box::new(xlsx::Xlsx::new(out, columns, number)?),
            };
            let mut rows = companies::rows(connection, format == FormatName::Jsonl);
            while let Some(company) = rows.try_next().await? {
                writer.write(&company)?;
            }
            writer.finish()?;
        }
        if let Some(path) = destination.keep()? {
            print_message(format_args!("{}: {}", path.display(), count(number, "row")));
        }
        Ok(())
    }
}

/// Returns the format: the named one, or that of the file's name.
///
/// # Errors
///
/// A message with the remedy if the two contradict each other: a spreadsheet would refuse the file, or show it wrongly.
fn format(named: Option<FormatName>, file: Option<&Path>) -> Result<FormatName, String> {
    let Some(file) = file else {
        let by_default = if io::stdout().is_terminal() {
            FormatName::Table
        } else {
            FormatName::Csv
        };
        return Ok(named.unwrap_or(by_default));
    };
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    let of_name = match extension.to_ascii_lowercase().as_str() {
        "csv" => Some(FormatName::Csv),
        "jsonl" => Some(FormatName::Jsonl),
        "xlsx" => Some(FormatName::Xlsx),
        _ => None,
    };
    match (named, of_name) {
        (Some(named), Some(of_name)) if named != of_name => Err(format!(
            "--format contradicts the name of {}: leave --format out, or name a file that does not end in .{extension}",
            file.display()
        )),
        (named, of_name) => Ok(named.or(of_name).unwrap_or(FormatName::Csv)),
    }
}

/// Returns why there is nothing to print.
async fn why_none(
    context: &Context,
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> anyhow::Result<&'static str> {
    Ok(if companies::any(connection, filter).await? {
        "no companies: the options leave out all that were found"
    } else if companies::any_read(connection, filter).await? {
        "no companies: the service shows no results of these tasks"
    } else if !context.settings.results.keep {
        "no companies: results.keep is false, so growd reads no results"
    } else {
        "no companies: no results were read yet. The daemon, `growd run`, reads those of a task once the service has stopped \
         working on it, or earlier with results.live"
    })
}
