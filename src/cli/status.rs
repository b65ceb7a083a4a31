//! `growd status`: what the daemon is doing, and how far each task got.

use super::attention::{self, Attention};
use super::table::{self, clean, relative, span, tell};
use super::{Context, Exit};
use crate::core::State;
use crate::core::since;
use crate::daemon::HEARTBEAT;
use crate::store::daemon::DaemonRow;
use crate::store::overview::{self, OverviewRow, RowOrder, StateCount};
use crate::store::{self, Lock, Mode, Text, daemon, ledger, time};
use clap::Args;
use comfy_table::{Cell, Table};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use std::io::{self, Write};
use std::time::Duration;

/// With more tasks than this a list of all would help nobody, unless it is asked for.
pub(super) const FEW: i64 = 300;

/// So many are shown in that case: about a screen.
const SCREEN: usize = 30;

/// What is shown of many tasks: first what needs somebody, then what is under way.
const WORTH_A_LOOK: [&str; 6] = [
    "refused", "failed", "missing", "stalled", "growing", "pending",
];

/// So many rows make a table; more are more tables, for none is written before it is whole.
const CHUNK: usize = 500;

/// A daemon that has not said for so long that it is well is not well.
const STALE: Duration = Duration::from_secs(HEARTBEAT.as_secs() * 6);

/// Show all tasks, and what the daemon is doing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd status
  growd status --state refused
  growd status --all | less
  growd status --json | jq '.tasks[] | select(.last_error)'")]
pub struct Status {
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
    /// Only the tasks in this state: pending, growing, reached, exhausted, capped, refused, stalled, failed, missing
    /// or paused
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<String>,
    /// All tasks, where there are so many that a summary is shown
    #[arg(long, conflicts_with_all = ["json", "state"])]
    all: bool,
}

fn state(word: &str) -> Result<String, String> {
    if word == "paused" || State::parse(word).is_some() {
        return Ok(word.to_owned());
    }
    let known: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
    Err(format!("the states are {} and paused", known.join(", ")))
}

/// All but the tasks.
struct Summary {
    daemon: DaemonRow,
    attention: Vec<Attention>,
    /// None where this user may not know.
    running: Option<bool>,
    counts: Vec<StateCount>,
    asked: i64,
    daily_limit: i64,
    now: Timestamp,
}

impl Status {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let attention = attention::of_the_file(context.database());
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let now = Timestamp::now();
        let daemon = daemon::read(&mut connection).await?;
        let quiet = attention::quiet(&mut connection).await?;
        let summary = Summary {
            attention: attention
                .into_iter()
                .chain(attention::list(context.database(), &daemon, &quiet, now))
                .collect(),
            daemon,
            running: Lock::is_held(context.database()),
            counts: overview::counts(&mut connection).await?,
            asked: ledger::asked_within(&mut connection, ledger::DAY, now)
                .await?
                .0,
            daily_limit: context.settings.policy.growth.daily_limit,
            now,
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            json(&mut out, &mut connection, &summary, self.state.as_deref()).await?;
        } else {
            text(&mut out, &mut connection, &summary, &self).await?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

/// One document; the tasks are written as they are read, so that a million of them take no memory.
async fn json(
    out: &mut impl Write,
    connection: &mut SqliteConnection,
    summary: &Summary,
    state: Option<&str>,
) -> anyhow::Result<()> {
    let mut daemon = serde_json::to_value(&summary.daemon)?;
    daemon["running"] = summary.running.into();
    let counts: serde_json::Map<_, _> = summary
        .counts
        .iter()
        .map(|count| (count.state.clone(), json!(count.tasks)))
        .collect();
    write!(
        out,
        "{{\"daemon\":{daemon},\"attention\":{},\"counts\":{},\"asked_24h\":{},\"daily_limit\":{},\"tasks\":[",
        serde_json::to_string(&summary.attention)?,
        serde_json::Value::Object(counts),
        summary.asked,
        summary.daily_limit
    )?;
    let mut rows = overview::rows(connection, state, summary.order());
    let mut separator = "";
    while let Some(row) = rows.try_next().await? {
        write!(out, "{separator}{}", serde_json::to_string(&row)?)?;
        separator = ",";
    }
    writeln!(out, "]}}")?;
    Ok(())
}

async fn text(
    out: &mut impl Write,
    connection: &mut SqliteConnection,
    summary: &Summary,
    asked: &Status,
) -> anyhow::Result<()> {
    for line in summary.lines() {
        writeln!(out, "{line}")?;
    }
    let total = summary.total();
    if total == 0 {
        tell("there are no tasks yet: `growd add TASK --target N` starts growing one");
        return Ok(());
    }
    if total > FEW && !asked.all && asked.state.is_none() {
        return short(out, connection, summary).await;
    }
    let mut table = new_table();
    let mut rows = overview::rows(connection, asked.state.as_deref(), summary.order());
    while let Some(row) = rows.try_next().await? {
        table::add_row(&mut table, cells(&row, summary.now));
        if table.row_count() == CHUNK {
            write_table(out, &table)?;
            table = new_table();
        }
    }
    write_table(out, &table)
}

/// About a screen of what is worth a look.
async fn short(
    out: &mut impl Write,
    connection: &mut SqliteConnection,
    summary: &Summary,
) -> anyhow::Result<()> {
    let mut table = new_table();
    for state in WORTH_A_LOOK {
        let room = SCREEN - table.row_count();
        if room == 0 {
            break;
        }
        for row in overview::first(connection, state, room).await? {
            table::add_row(&mut table, cells(&row, summary.now));
        }
    }
    let shown = table.row_count();
    write_table(out, &table)?;
    tell(format_args!(
        "{shown} of {} tasks are shown: --state STATE shows those in one state, --all and --json all",
        summary.total()
    ));
    Ok(())
}

fn new_table() -> Table {
    table::table(&["task", "state", "results", "%", "next poll", "why"])
}

fn write_table(out: &mut impl Write, table: &Table) -> anyhow::Result<()> {
    if table.row_count() > 0 {
        writeln!(out)?;
        table::write(out, table)?;
    }
    Ok(())
}

fn cells(row: &OverviewRow, now: Timestamp) -> Vec<Cell> {
    let results = match row.num_results {
        Some(results) => format!("{results}/{}", row.target),
        None => format!("-/{}", row.target),
    };
    let next = row
        .next_poll_at
        .as_deref()
        .map_or_else(|| "-".to_owned(), |at| relative(at, now));
    let why = row.last_error.as_ref().or(row.reason.as_ref());
    vec![
        Cell::new(clean(&row.task_id)),
        table::state(&row.state),
        table::number(results),
        table::number(row.percent),
        Cell::new(next),
        Cell::new(clean(why.map_or("", |why| why))),
    ]
}

impl Summary {
    fn total(&self) -> i64 {
        self.counts.iter().map(|count| count.tasks).sum()
    }

    /// A few are sorted; many are taken as they come.
    fn order(&self) -> RowOrder {
        if self.total() > FEW {
            RowOrder::Id
        } else {
            RowOrder::Added
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.daemon_line()];
        if !self.attention.is_empty() {
            lines.push("needs attention:".to_owned());
            lines.extend(self.attention.iter().map(|one| format!("  {}", one.text)));
        }
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|count| format!("{} {}", count.tasks, count.state))
            .collect();
        if !counts.is_empty() {
            lines.push(format!("tasks: {}", counts.join(", ")));
        }
        lines.push(match self.daily_limit {
            0 => format!("asked for in the last 24 h: {} (no limit)", self.asked),
            limit => format!(
                "asked for in the last 24 h: {} of {limit}, {} left",
                self.asked,
                (limit - self.asked).max(0)
            ),
        });
        lines
    }

    fn daemon_line(&self) -> String {
        match self.running {
            Some(true) => {}
            Some(false) => return "daemon: not running".to_owned(),
            None => {
                return "daemon: whether one runs is not for this user to know: its lock cannot be opened"
                    .to_owned();
            }
        }
        let age = |at: &Option<Text>| {
            let at = time::from_text(at.as_deref()?)?;
            Some(since(at, self.now))
        };
        let version = self.daemon.version.as_deref().unwrap_or("?");
        let pid = self.daemon.pid.unwrap_or_default();
        let up = age(&self.daemon.started_at).unwrap_or_default();
        let health = match age(&self.daemon.heartbeat_at) {
            Some(age) if age <= STALE => String::new(),
            Some(age) => format!(
                "; it has not written for {}: see its log, and whether the disk is full",
                span(age)
            ),
            None => "; it is just starting".to_owned(),
        };
        format!(
            "daemon: running (version {version}, pid {pid}) for {}, gate {}{health}",
            span(up),
            self.daemon.gate
        )
    }
}
