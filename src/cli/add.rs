//! `growd add`: tasks to grow, or changes to them; all of them or none.

use super::exit::Usage;
use super::table::{self, tell};
use super::task_list::{self, Entry, Problem, Values};
use super::tasks::{self, Hosts, Named};
use super::{Context, Exit};
use crate::core::TaskId;
use crate::core::resume::RESUME_MAX;
use crate::crash::{self, Point};
use crate::store::tasks::{Added, NewTask, upsert, upsert_all};
use crate::store::{self, Mode, schema};
use clap::Args;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// With more tasks than this there is one line for all of them, in place of one for each.
const FEW: usize = 20;

/// Start growing tasks, or change them
///
/// The tasks have to exist: growd asks for more results of searches that were started elsewhere. What is not given
/// of --chunk and --note stays as it is. If anything cannot be used, nothing is added.
#[derive(Debug, Args)]
#[allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "the words of --help"
)]
#[command(after_help = "\
Examples:
  growd add https://app.extruct.ai/tasks/ID --target 250
  growd add ID1 ID2 --target 100 --chunk 50 --note 'bakeries, spring list'
  growd add - --target 100 < ids.txt
  growd add --csv searches.csv --target 100")]
pub struct Add {
    /// A task's id, or a link such as https://app.extruct.ai/tasks/ID; - reads them from stdin, one a line, without blank
    /// lines and lines that begin with #
    #[arg(required_unless_present = "csv", value_name = "TASK")]
    tasks: Vec<String>,
    /// Read the tasks from a CSV file, - for stdin. Its first row names the columns: task_id and, optionally, target, chunk
    /// and note. Others are ignored; for empty cells --target, --chunk and --note hold
    #[arg(long, value_name = "FILE", conflicts_with = "tasks")]
    csv: Option<PathBuf>,
    /// The total number of results wanted
    #[arg(long, value_name = "N", required_unless_present = "csv", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    target: Option<i64>,
    /// The most results to ask for at a time, 1 to 250 [default: growth.chunk of the config]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=RESUME_MAX))]
    chunk: Option<i64>,
    /// Anything you want to remember about them
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (mut entries, problems) = self.read(&Hosts::of(&context.settings))?;
        // A row of an earlier version can have an id that no new one may have; without a database there is none.
        if !context.database().exists() {
            self.refuse(&problems, &once_each(&entries).1)?;
        }
        let mut connection = context.open_to_write(Mode::Write).await?;
        if entries.len() > FEW {
            schema::enlarge_cache(&mut connection).await?;
        }
        let mut transaction = store::begin(&mut connection).await?;
        tasks::resolve(
            &mut transaction,
            entries.iter_mut().map(|entry| &mut entry.task),
        )
        .await?;
        let (mut tasks, more) = once_each(&entries);
        self.refuse(&problems, &more)?;
        let mut out = Vec::new();
        if tasks.len() > FEW {
            // In the order of the tables, so that each page of them is written once.
            tasks.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            let sums = upsert_all(&mut transaction, &tasks).await?;
            writeln!(
                out,
                "{} tasks: {} added, {} changed, {} unchanged",
                tasks.len(),
                sums.new,
                sums.changed,
                sums.unchanged
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
        crash::at(Point::AddWritten);
        transaction.commit().await?;
        crash::at(Point::AddCommitted);

        let cap = context.settings.policy.growth.task_cap;
        if let Some(target) = tasks.iter().map(|(_, new)| new.target).max()
            && target > cap
        {
            tell(format_args!(
                "the target {target} is above growth.task_cap, the {cap} results that the service gives a task at most: \
                 what gets that far ends as `capped`"
            ));
        }
        context.hint_at_daemon();
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()?;
        Ok(Exit::Done)
    }

    /// Refuses everything where anything is wrong, and tells all that is, in the order of the list.
    fn refuse(&self, some: &[Problem], more: &[Problem]) -> anyhow::Result<()> {
        let mut problems: Vec<&Problem> = some.iter().chain(more).collect();
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        for problem in &problems {
            tell(problem);
        }
        let text = format!(
            "{} cannot be used: nothing was added",
            table::count(problems.len() as u64, "task")
        );
        Err(match self.csv {
            // What is wrong is in the file, not in the command.
            Some(_) => anyhow::Error::msg(text),
            None => Usage(text).into(),
        })
    }

    /// The tasks that the arguments name, and what is wrong with rows that name none.
    fn read(&self, hosts: &Hosts) -> anyhow::Result<(Vec<Entry>, Vec<Problem>)> {
        let values = Values {
            target: self.target,
            chunk: self.chunk,
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
                    place: None,
                    task: Named::new(hosts, argument),
                    values: values.clone(),
                });
            }
        }
        if entries.is_empty() && problems.is_empty() {
            let text = match &self.csv {
                Some(_) => {
                    "there are no tasks in the CSV file: a row for each is expected after the first"
                }
                None => "there are no tasks on stdin: one a line is expected",
            };
            return match &self.csv {
                Some(_) => Err(anyhow::Error::msg(text)),
                None => Err(Usage(text.to_owned()).into()),
            };
        }
        Ok((entries, problems))
    }
}

/// Each task once. An id that is none is a problem, and so is a task that is there twice with different values.
fn once_each(entries: &[Entry]) -> (Vec<(TaskId, NewTask<'_>)>, Vec<Problem>) {
    let mut tasks = Vec::with_capacity(entries.len());
    let mut problems = Vec::new();
    let mut seen: HashMap<&TaskId, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let mut wrong = |why| {
            let place = entry.place.clone();
            problems.push(Problem { place, why });
        };
        let id = match &entry.task.id {
            Ok(id) => id,
            Err(why) => {
                wrong(why.clone());
                continue;
            }
        };
        let Some(target) = entry.values.target else {
            wrong("it has no target, and there is no --target".to_owned());
            continue;
        };
        match seen.get(id) {
            None => {
                seen.insert(id, entry);
                let new = NewTask {
                    target,
                    chunk: entry.values.chunk,
                    note: entry.values.note.as_deref(),
                };
                tasks.push((id.clone(), new));
            }
            Some(first) if first.values == entry.values => {}
            // Only the rows of a CSV file have values of their own.
            Some(first) => wrong(format!(
                "{id} is there with other values on {}",
                first
                    .place
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            )),
        }
    }
    (tasks, problems)
}
