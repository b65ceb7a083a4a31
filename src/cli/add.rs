//! `growd add`: tasks to grow, or changes to them; all of them or none.

use super::exit::Usage;
use super::table::tell;
use super::{Context, Exit, tasks};
use crate::core::TaskId;
use crate::core::model::RESUME_MAX;
use crate::crash::{self, Point};
use crate::store::tasks::{Added, NewTask, upsert};
use crate::store::{self, Mode};
use clap::Args;
use std::io::{self, Read, Write};

/// Start growing tasks, or change them
///
/// The tasks have to exist: growd asks for more results of searches that were started elsewhere. What is not given
/// of --chunk and --note stays as it is.
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
  growd add - --target 100 < ids.txt")]
pub struct Add {
    /// A task's id, or a link such as https://app.extruct.ai/tasks/ID; - reads them from stdin, one a line
    #[arg(required = true, value_name = "TASK", value_parser = argument)]
    tasks: Vec<Argument>,
    /// The total number of results wanted
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..))]
    target: i64,
    /// The most results to ask for at a time, 1 to 250 [default: growth.chunk of the config]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=RESUME_MAX))]
    chunk: Option<i64>,
    /// Anything you want to remember about them
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Debug, Clone)]
enum Argument {
    Task(TaskId),
    Stdin,
}

fn argument(text: &str) -> Result<Argument, String> {
    match text {
        "-" => Ok(Argument::Stdin),
        _ => tasks::parse(text).map(Argument::Task),
    }
}

impl Add {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let ids = ids(&self.tasks)?;
        let new = NewTask {
            target: self.target,
            chunk: self.chunk,
            note: self.note.as_deref(),
        };
        let mut connection = context.open_to_write(Mode::Write).await?;
        let mut transaction = store::begin(&mut connection).await?;
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in &ids {
            outcomes.push(upsert(&mut transaction, id, &new).await?);
        }
        crash::at(Point::AddWritten);
        transaction.commit().await?;
        crash::at(Point::AddCommitted);

        let cap = context.settings.policy.growth.task_cap;
        if self.target > cap {
            tell(format_args!(
                "the target {} is above growth.task_cap, the {cap} results that the service gives a task at most: \
                 what gets that far ends as `capped`",
                self.target
            ));
        }
        context.hint_at_daemon();
        let mut out = io::BufWriter::new(io::stdout().lock());
        for (id, outcome) in ids.iter().zip(outcomes) {
            let word = match outcome {
                Added::New => "added",
                Added::Changed => "changed",
                Added::Unchanged => "unchanged",
            };
            writeln!(out, "{word} {id} (target {})", self.target)?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

/// The ids that the arguments mean, each once.
fn ids(arguments: &[Argument]) -> anyhow::Result<Vec<TaskId>> {
    let mut ids = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut add = |id: TaskId| {
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    };
    for argument in arguments {
        match argument {
            Argument::Task(id) => add(id.clone()),
            Argument::Stdin => from_stdin()?.into_iter().for_each(&mut add),
        }
    }
    if ids.is_empty() {
        return Err(Usage("there are no tasks on stdin: one a line is expected".to_owned()).into());
    }
    Ok(ids)
}

fn from_stdin() -> anyhow::Result<Vec<TaskId>> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            tasks::parse(line)
                .map_err(|why| Usage(format!("line {number} of stdin, {line:?}: {why}")).into())
        })
        .collect()
}
