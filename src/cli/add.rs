//! `growd add`: adds or changes tasks, all of them or none.

use super::exit::Usage;
use super::output::{self, print_message};
use super::task_list::{self, Entry, Problem, Values};
use super::tasks::{self, Hosts, TaskArgument};
use super::{Context, Exit};
use crate::core::TaskId;
use crate::core::resume::RESUME_MAX;
use crate::crash::{self, Point};
use crate::store::searches::overview::has_parts;
use crate::store::tasks::{Added, NewTask, most_asked, other_targets, upsert, upsert_all};
use crate::store::{self, Mode, schema};
use anyhow::bail;
use clap::Args;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// With more tasks than this, one summary line replaces the line per task.
const LISTED_MAX: usize = 20;

/// Start growing tasks, or change them
///
/// The tasks must exist at the service; `growd search add` creates some. Without --chunk, --budget or --note, a task that was added
/// before keeps its value. If any task is unusable, nothing is added.
#[derive(Debug, Args)]
#[allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "the text of --help"
)]
#[command(after_help = "\
Examples:
  growd add https://app.extruct.ai/tasks/ID --target 250
  growd add ID1 ID2 --target 100 --chunk 50 --note 'bakeries, spring list'
  growd add - --target 100 < ids.txt
  growd add --csv searches.csv --target 100")]
pub struct Add {
    /// A task id, or a link such as https://app.extruct.ai/tasks/ID; - reads one task per line from stdin, and skips blank
    /// lines and lines that begin with #
    #[arg(required_unless_present = "csv", value_name = "TASK")]
    tasks: Vec<String>,
    /// Read the tasks from a CSV file, or from stdin if FILE is -. The first row names the columns: task_id and,
    /// optionally, target, chunk, budget and note. Other columns are ignored. --target, --chunk, --budget and --note apply to
    /// empty cells
    #[arg(long, value_name = "FILE", conflicts_with = "tasks")]
    csv: Option<PathBuf>,
    /// The total number of results wanted
    #[arg(long, value_name = "N", required_unless_present = "csv", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    target: Option<i64>,
    /// The largest number of results to request at a time, 1 to 250 [default: growth.chunk of the config]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=RESUME_MAX))]
    chunk: Option<i64>,
    /// The most results to request in sum, for each task
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    budget: Option<i64>,
    /// A note for the operator; growd does not use it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (mut entries, problems) = self.read(&Hosts::of(&context.settings))?;
        // Without a database all ids are final. With one, `resolve` may still accept an id that an earlier version stored.
        if !context.database().exists() {
            self.reject(&problems, &deduplicate(&entries).1)?;
        }
        let mut connection = context.open_to_write(Mode::Write).await?;
        if entries.len() > LISTED_MAX {
            schema::enlarge_cache(&mut connection).await?;
        }
        let mut transaction = store::begin(&mut connection).await?;
        tasks::resolve(
            &mut transaction,
            entries.iter_mut().map(|entry| &mut entry.task),
        )
        .await?;
        let (mut tasks, more) = deduplicate(&entries);
        self.reject(&problems, &more)?;
        reject_parts(&mut transaction, &entries, &tasks).await?;
        let mut out = Vec::new();
        if tasks.len() > LISTED_MAX {
            // In the order of the primary key, so that SQLite writes each page once.
            tasks.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            let counts = upsert_all(&mut transaction, &tasks).await?;
            writeln!(
                out,
                "{} tasks: {} added, {} changed, {} unchanged",
                tasks.len(),
                counts.new,
                counts.changed,
                counts.unchanged
            )?;
        } else {
            for (id, new) in &tasks {
                let word = match upsert(&mut transaction, id, new).await? {
                    Added::New => "added",
                    Added::Changed => "changed",
                    Added::Unchanged => "unchanged",
                };
                writeln!(out, "{word} {id} (target {})", new.target)?;
            }
        }
        let cap = context.settings.policy.growth.task_cap;
        let asked = most_asked(&mut transaction, &tasks, cap).await?;
        crash::at(Point::AddWritten);
        transaction.commit().await?;
        crash::at(Point::AddCommitted);

        print_message(match asked {
            0 => "no more results are asked for: these tasks have what they can have".to_owned(),
            asked => format!(
                "at most {} will be asked for, about one credit each",
                output::count(asked.unsigned_abs(), "result")
            ),
        });
        if let Some(target) = tasks.iter().map(|(_, new)| new.target).max()
            && target > cap
        {
            print_message(format_args!(
                "the target {target} is above growth.task_cap ({cap}), the service's maximum per task: a task that reaches \
                 {cap} results ends as `capped`"
            ));
        }
        context.hint_if_no_daemon();
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()?;
        Ok(Exit::Done)
    }

    /// Prints all problems, in the order of the list, and returns an error if there is one.
    fn reject(&self, some: &[Problem], more: &[Problem]) -> anyhow::Result<()> {
        let mut problems: Vec<&Problem> = some.iter().chain(more).collect();
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|one, other| one.location.cmp(&other.location));
        for problem in &problems {
            print_message(problem);
        }
        let text = format!(
            "{} cannot be used: nothing was added",
            output::count(problems.len() as u64, "task")
        );
        Err(match self.csv {
            // The file is wrong, not the command line.
            Some(_) => anyhow::Error::msg(text),
            None => Usage(text).into(),
        })
    }

    /// Reads the tasks that the arguments name, and the problems of unusable rows.
    fn read(&self, hosts: &Hosts) -> anyhow::Result<(Vec<Entry>, Vec<Problem>)> {
        let values = Values {
            target: self.target,
            chunk: self.chunk,
            budget: self.budget,
            note: self.note.clone(),
        };
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        if let Some(path) = &self.csv {
            (entries, problems) = task_list::from_csv(path, hosts, &values)?;
        }
        for argument in &self.tasks {
            if argument == "-" {
                entries.extend(task_list::from_stdin(hosts, &values)?);
            } else {
                entries.push(Entry {
                    location: None,
                    task: TaskArgument::new(hosts, argument),
                    values: values.clone(),
                });
            }
        }
        if entries.is_empty() && problems.is_empty() {
            return Err(match &self.csv {
                Some(_) => anyhow::anyhow!(
                    "there are no tasks in the CSV file: write one row per task after the first row"
                ),
                None => {
                    Usage("there are no tasks on stdin: write one task per line".to_owned()).into()
                }
            });
        }
        Ok((entries, problems))
    }
}

/// Prints the tasks whose target is set by the search that they are a part of, and returns an error if there is one.
async fn reject_parts(
    connection: &mut SqliteConnection,
    entries: &[Entry],
    tasks: &[(TaskId, NewTask<'_>)],
) -> anyhow::Result<()> {
    // Without searches, a long list is not looked up.
    if !has_parts(connection).await? {
        return Ok(());
    }
    let found = other_targets(connection, tasks).await?;
    let mut problems = 0;
    for (position, search, part) in found {
        let Some((id, _)) = tasks.get(position) else {
            continue;
        };
        let entry = entries
            .iter()
            .find(|entry| entry.task.id.as_ref() == Ok(id));
        let problem = Problem {
            location: entry.and_then(|entry| entry.location.clone()),
            reason: format!(
                "{id} is part {part} of the search {search}, which sets its target: `growd search add {search} --target N` changes \
                 that of the search"
            ),
        };
        print_message(problem);
        problems += 1;
    }
    if problems > 0 {
        bail!(
            "{} cannot be used: nothing was added",
            output::count(problems, "task")
        );
    }
    Ok(())
}

/// Removes repeated tasks. Returns invalid ids, missing targets, and tasks listed twice with different values as problems.
fn deduplicate(entries: &[Entry]) -> (Vec<(TaskId, NewTask<'_>)>, Vec<Problem>) {
    let mut tasks = Vec::with_capacity(entries.len());
    let mut problems = Vec::new();
    let mut seen: HashMap<&TaskId, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let mut reject = |reason| {
            let location = entry.location.clone();
            problems.push(Problem { location, reason });
        };
        let id = match &entry.task.id {
            Ok(id) => id,
            Err(reason) => {
                reject(reason.clone());
                continue;
            }
        };
        let Some(target) = entry.values.target else {
            reject("it has no target, and --target is not given".to_owned());
            continue;
        };
        match seen.get(id) {
            None => {
                seen.insert(id, entry);
                let new = NewTask {
                    target,
                    chunk: entry.values.chunk,
                    budget: entry.values.budget,
                    note: entry.values.note.as_deref(),
                };
                tasks.push((id.clone(), new));
            }
            Some(first) if first.values == entry.values => {}
            // Only rows of a CSV file have their own values, and they have a location.
            Some(first) => reject(format!(
                "{id} is already listed with other values on {}",
                first
                    .location
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            )),
        }
    }
    (tasks, problems)
}
