//! `growd show`: one task in full.

use super::table::{self, clean, relative};
use super::tasks::{self, Hosts};
use super::{Context, Exit};
use crate::store::{self, Mode, overview};
use anyhow::Context as _;
use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use serde_json::Value;
use std::io::{self, Write};

/// How many of the newest events are shown.
const EVENTS: u32 = 20;

/// Show one task in full: counters, resumes, recent events
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd show ID
  growd show https://app.extruct.ai/tasks/ID --json")]
pub struct Show {
    /// A task's id, or a link to it
    #[arg(value_name = "TASK")]
    task: String,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let hosts = Hosts::of(&context.settings);
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let ids = tasks::find(&mut connection, &hosts, std::slice::from_ref(&self.task)).await?;
        let id = ids.first().context("a task that was found has an id")?;
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
    let told = |key: &str| word(&task[key]);
    let at = |key: &str| {
        task[key]
            .as_str()
            .map_or_else(|| "-".to_owned(), |at| relative(at, now))
    };
    writeln!(out, "task       {}", told("task_id"))?;
    writeln!(out, "query      {}", told("query"))?;
    writeln!(out, "note       {}", told("note"))?;
    writeln!(out, "state      {}: {}", told("state"), told("reason"))?;
    writeln!(
        out,
        "results    {} of {} ({} %), asked for {} more in all",
        told("num_results"),
        told("target"),
        told("percent"),
        told("requested")
    )?;
    writeln!(
        out,
        "service    {}, exhausted: {}, desired {}",
        told("status"),
        told("is_exhausted"),
        told("desired_num_results")
    )?;
    writeln!(
        out,
        "pipeline   {} discovered > {} enriched > {} evaluated > {} results",
        told("num_results_discovered"),
        told("num_results_enriched"),
        told("num_results_evaluated"),
        told("num_results")
    )?;
    writeln!(
        out,
        "polls      {}, last {}, next {}",
        told("polls"),
        at("polled_at"),
        at("next_poll_at")
    )?;
    if !task["last_error"].is_null() {
        writeln!(
            out,
            "error      {} ({} in a row)",
            told("last_error"),
            told("failures")
        )?;
    }
    section(
        out,
        "resumes",
        &task["resumes"],
        &[
            "id",
            "sent",
            "asked for",
            "at",
            "state",
            "brought",
            "detail",
        ],
        |resume| {
            vec![
                table::number(word(&resume["id"])),
                Cell::new(word(&resume["sent_at"])),
                table::number(word(&resume["requested"])),
                table::number(word(&resume["baseline_results"])),
                Cell::new(word(&resume["state"])),
                table::number(word(&resume["brought"])),
                Cell::new(match &resume["detail"] {
                    Value::Null => String::new(),
                    detail => word(detail),
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
                Cell::new(word(&event["at"])),
                Cell::new(word(&event["kind"])),
                Cell::new(word(&event["detail"])),
            ]
        },
    )
}

fn section(
    out: &mut impl Write,
    title: &str,
    rows: &Value,
    header: &[&str],
    cells: impl Fn(&Value) -> Vec<Cell>,
) -> io::Result<()> {
    let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) else {
        return Ok(());
    };
    let mut table = table::table(header);
    for row in rows {
        table::add_row(&mut table, cells(row));
    }
    writeln!(out, "\n{title}")?;
    table::write(out, &table)
}

/// A value for people.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}
