//! `growd show`: one task in full.

use super::output::{self, clean, relative};
use super::tasks::{self, Hosts};
use super::{Context, Exit};
use crate::store::{self, Mode, overview};
use anyhow::Context as _;
use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::Value;
use std::io::{self, Write};

/// Number of events shown, the newest.
const EVENTS: u32 = 20;

/// Show one task in full: counters, resumes, recent events
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd show ID
  growd show https://app.extruct.ai/tasks/ID --json")]
pub struct Show {
    /// A task id, or a link to the task
    #[arg(value_name = "TASK")]
    task: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let hosts = Hosts::of(&context.settings);
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let ids = tasks::find(&mut connection, &hosts, std::slice::from_ref(&self.task)).await?;
        let id = ids.first().context("a task that exists has an id")?;
        let document = overview::show(&mut connection, id, EVENTS)
            .await?
            .with_context(|| format!("{id} was removed just now"))?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            writeln!(out, "{}", document.get())?;
        } else {
            text(&mut out, &serde_json::from_str(document.get())?)?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

fn text(out: &mut impl Write, task: &Value) -> io::Result<()> {
    let now = Timestamp::now();
    let field = |key: &str| display(&task[key]);
    let time = |key: &str| {
        task[key]
            .as_str()
            .map_or_else(|| "-".to_owned(), |at| relative(at, now))
    };
    writeln!(out, "task       {}", field("task_id"))?;
    if !task["search"].is_null() {
        writeln!(
            out,
            "search     {}, part {}",
            field("search"),
            field("part")
        )?;
    }
    writeln!(out, "query      {}", field("query"))?;
    writeln!(out, "note       {}", field("note"))?;
    writeln!(out, "state      {}: {}", field("state"), field("reason"))?;
    writeln!(
        out,
        "results    {} of {} ({} %), {} requested in addition",
        field("num_results"),
        field("target"),
        field("percent"),
        field("requested")
    )?;
    if !task["budget"].is_null() {
        let (used, most) = (field("budget_used"), field("budget"));
        writeln!(out, "budget     {used} of {most} requested")?;
    }
    writeln!(
        out,
        "service    {}, exhausted: {}, desired {}",
        field("status"),
        field("is_exhausted"),
        field("desired_num_results")
    )?;
    writeln!(
        out,
        "pipeline   {} discovered > {} enriched > {} evaluated > {} results",
        field("num_results_discovered"),
        field("num_results_enriched"),
        field("num_results_evaluated"),
        field("num_results")
    )?;
    writeln!(
        out,
        "polls      {}, last {}, next {}",
        field("polls"),
        time("polled_at"),
        time("next_poll_at")
    )?;
    if !task["last_error"].is_null() {
        writeln!(
            out,
            "error      {} ({} in a row)",
            field("last_error"),
            field("failures")
        )?;
    }
    kept(out, task, &time("results_read_at"))?;
    history(out, task)
}

/// Writes the resumes and the events.
fn history(out: &mut impl Write, task: &Value) -> io::Result<()> {
    section(
        out,
        "resumes",
        &task["resumes"],
        &[
            "id",
            "sent",
            "requested",
            "at",
            "state",
            "brought",
            "detail",
        ],
        |resume| {
            vec![
                output::number(display(&resume["id"])),
                Cell::new(display(&resume["sent_at"])),
                output::number(display(&resume["requested"])),
                output::number(display(&resume["baseline_results"])),
                Cell::new(display(&resume["state"])),
                output::number(display(&resume["brought"])),
                Cell::new(match &resume["detail"] {
                    Value::Null => String::new(),
                    detail => display(detail),
                }),
            ]
        },
    )?;
    section(
        out,
        "events",
        &task["events"],
        &["at", "kind", "detail"],
        |event| {
            vec![
                Cell::new(display(&event["at"])),
                Cell::new(display(&event["kind"])),
                Cell::new(display(&event["detail"])),
            ]
        },
    )
}

/// Writes how many results are kept, and why they cannot be read.
fn kept(out: &mut impl Write, task: &Value, read_at: &str) -> io::Result<()> {
    let field = |key: &str| display(&task[key]);
    let gone = match task["results_gone"].as_i64() {
        None | Some(0) => String::new(),
        Some(gone) => format!(" ({gone} of them gone)"),
    };
    let read = match task["results_read_at"] {
        Value::Null => "not read completely so far".to_owned(),
        _ => format!("read {read_at}"),
    };
    writeln!(out, "kept       {}{gone}, {read}", field("results_kept"))?;
    let error = field("results_error");
    match &task["results_failures"] {
        _ if task["results_error"].is_null() => {}
        // They were accepted all the same.
        failures if failures == 0 => writeln!(out, "in part    {error}")?,
        failures => writeln!(out, "unread     {error} ({failures} in a row)")?,
    }
    Ok(())
}

/// Writes a table of the objects in a JSON array, with a title; nothing where there are none.
pub(super) fn section(
    out: &mut impl Write,
    title: &str,
    rows: &Value,
    header: &[&str],
    cells: impl Fn(&Value) -> Vec<Cell>,
) -> io::Result<()> {
    let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) else {
        return Ok(());
    };
    let mut table = output::table(header);
    for row in rows {
        output::add_row(&mut table, cells(row));
    }
    writeln!(out, "\n{title}")?;
    output::write(out, &table)
}

/// Formats a JSON value for display.
pub(super) fn display(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => clean(&other.to_string()),
    }
}
