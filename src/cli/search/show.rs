//! `growd search show`: one search in full.

use super::names;
use crate::cli::output::{self, clean, print_message, relative};
use crate::cli::show::{display, section};
use crate::cli::{Context, Exit};
use crate::store::searches::overview;
use crate::store::{self, Mode};
use anyhow::Context as _;
use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::Value;
use std::io::{self, Write};

/// Number of events shown, the newest.
const EVENTS: u32 = 20;

/// Show one search in full: its tasks, what was asked for, recent events
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd search show freight-saas
  growd search show freight-saas --json")]
pub(super) struct Show {
    /// The name of the search
    #[arg(value_name = "NAME")]
    name: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut connection = store::open(context.database(), Mode::Read).await?;
        names::find(&mut connection, std::slice::from_ref(&self.name)).await?;
        let document = overview::show(&mut connection, &self.name, EVENTS)
            .await?
            .with_context(|| format!("the search {} was removed just now", self.name))?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            writeln!(out, "{}", document.get())?;
            out.flush()?;
            return Ok(Exit::Done);
        }
        text(&mut out, &serde_json::from_str(document.get())?)?;
        out.flush()?;
        print_message(format_args!(
            "`growd show TASK` shows a task, `growd results --search {}` the companies",
            self.name
        ));
        Ok(Exit::Done)
    }
}

fn text(out: &mut impl Write, search: &Value) -> io::Result<()> {
    let now = Timestamp::now();
    let field = |key: &str| display(&search[key]);
    let time = |key: &str| {
        search[key]
            .as_str()
            .map_or_else(|| "-".to_owned(), |at| relative(at, now))
    };
    let texts = |key: &str| match search[key].as_array() {
        None => "chosen by the service".to_owned(),
        Some(entries) => {
            let entries = entries.iter().map(|entry| match &entry["name"] {
                Value::String(name) => clean(name),
                _ => display(entry),
            });
            entries.collect::<Vec<_>>().join(", ")
        }
    };
    writeln!(out, "search     {}", field("search"))?;
    writeln!(out, "query      {}", field("query"))?;
    writeln!(out, "criteria   {}", texts("criteria"))?;
    writeln!(out, "sources    {}", texts("data_sources"))?;
    if let Some(domains) = search["exclude_domains"].as_array() {
        writeln!(out, "excluded   {} domains", domains.len())?;
    }
    writeln!(out, "note       {}", field("note"))?;
    writeln!(out, "state      {}: {}", field("state"), field("reason"))?;
    writeln!(
        out,
        "companies  {} of {} ({} %) from {} tasks",
        field("results"),
        field("target"),
        field("percent"),
        field("parts")
    )?;
    let budget = match &search["budget"] {
        Value::Null => String::new(),
        budget => format!(", the budget is {budget}"),
    };
    writeln!(out, "requested  {}{budget}", field("requested"))?;
    writeln!(out, "next step  {}", time("next_at"))?;
    tables(out, search, now)
}

/// Writes the tasks, the creates and the events.
fn tables(out: &mut impl Write, search: &Value, now: Timestamp) -> io::Result<()> {
    section(
        out,
        "tasks",
        &search["tasks"],
        &[
            "part",
            "task",
            "state",
            "results",
            "requested",
            "read",
            "next poll",
            "why",
        ],
        |task| {
            let next = task["next_poll_at"]
                .as_str()
                .map_or_else(|| "-".to_owned(), |at| relative(at, now));
            let why = match &task["last_error"] {
                Value::Null => &task["reason"],
                error => error,
            };
            vec![
                output::number(display(&task["part"])),
                Cell::new(display(&task["task_id"])),
                output::state(task["state"].as_str().unwrap_or_default()),
                output::number(format!(
                    "{}/{}",
                    display(&task["num_results"]),
                    display(&task["target"])
                )),
                output::number(display(&task["requested"])),
                output::number(display(&task["results_read"])),
                Cell::new(next),
                Cell::new(or_blank(why)),
            ]
        },
    )?;
    section(
        out,
        "creates",
        &search["creates"],
        &["id", "part", "sent", "desired", "state", "task", "detail"],
        |create| {
            vec![
                output::number(display(&create["id"])),
                output::number(display(&create["part"])),
                Cell::new(display(&create["sent_at"])),
                output::number(display(&create["desired"])),
                Cell::new(display(&create["state"])),
                Cell::new(display(&create["task_id"])),
                Cell::new(or_blank(&create["detail"])),
            ]
        },
    )?;
    section(
        out,
        "events",
        &search["events"],
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

/// Formats a JSON value for display, null as nothing.
fn or_blank(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => display(value),
    }
}
