//! `growd status`: the state of the daemon and the progress of each task.

use super::attention::{self, Attention};
use super::output::{self, clean, duration, print_message, relative};
use super::search::status::Searches;
use super::spent::Spent;
use super::{Context, Exit, tasks};
use crate::core::since;
use crate::daemon::HEARTBEAT;
use crate::store::daemon::DaemonRow;
use crate::store::overview::{self, OverviewRow, RowOrder};
use crate::store::readings::ReadCounts;
use crate::store::searches::overview as overview_of_searches;
use crate::store::state_counts::StateCounts;
use crate::store::{self, Lock, Mode, StoreError, Text, daemon, time};
use clap::Args;
use comfy_table::{Cell, Table};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use std::io::{self, Write};
use std::time::Duration;

/// Largest number of tasks that are all listed without `--all`.
pub(super) const LISTED_MAX: i64 = 300;

/// Number of tasks listed if there are more: about a screen.
const SUMMARY_ROWS: usize = 30;

/// The states listed in that case: first those that need the operator, then the unfinished ones.
const SUMMARY_STATES: [&str; 6] = [
    "refused", "failed", "missing", "stalled", "growing", "pending",
];

/// Rows per table. A table is kept in memory until it is written, so a long list is written as several tables.
const TABLE_ROWS: usize = 500;

/// Age of the heartbeat above which the daemon counts as unhealthy.
const STALE_HEARTBEAT: Duration = Duration::from_secs(HEARTBEAT.as_secs() * 6);

/// Show all tasks and the daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd status
  growd status --state refused
  growd status --all | less
  growd status --json | jq '.tasks[] | select(.last_error)'")]
pub struct Status {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Only the tasks in this state: pending, growing, reached, exhausted, capped, refused, stalled, failed, missing
    /// or paused
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<String>,
    /// List all tasks, even if there are so many that only some are listed by default
    #[arg(long, conflicts_with_all = ["json", "state"])]
    all: bool,
}

fn state(word: &str) -> Result<String, String> {
    tasks::state(word).map(|_| word.to_owned())
}

/// Everything but the tasks.
struct Summary {
    daemon: DaemonRow,
    attention: Vec<Attention>,
    /// Whether a daemon runs; `None` if this user cannot see that.
    running: Option<bool>,
    counts: StateCounts,
    searches: Searches,
    read: ReadCounts,
    keep: bool,
    spent: Spent,
    now: Timestamp,
}

impl Status {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let attention = attention::read_only(context.database());
        let mut connection = store::open(context.database(), Mode::Read).await?;
        let now = Timestamp::now();
        let daemon = daemon::read(&mut connection).await?;
        let silent = attention::SilentTasks::read(&mut connection, now).await?;
        let summary = Summary {
            attention: attention
                .into_iter()
                .chain(attention::list(context.database(), &daemon, &silent, now))
                .collect(),
            daemon,
            running: Lock::is_held(context.database()),
            counts: StateCounts::read(&mut connection).await?,
            searches: Searches::read(&mut connection).await?,
            read: ReadCounts::read(&mut connection).await?,
            keep: context.settings.results.keep,
            spent: Spent::read(&mut connection, &context.settings.policy.growth, now).await?,
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

/// Writes one JSON document. Writes each task as it is read, so that a million tasks take no memory.
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
        "{{\"daemon\":{daemon},\"attention\":{},\"counts\":{},\"search_counts\":{},\"searches\":{},\"results\":{},{},\"tasks\":[",
        serde_json::to_string(&summary.attention)?,
        serde_json::Value::Object(counts),
        summary.searches.counts_json(),
        serde_json::to_string(&overview_of_searches::rows(connection, None, None).await?)?,
        serde_json::to_string(&summary.read)?,
        summary.spent.json()
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
    options: &Status,
) -> anyhow::Result<()> {
    for line in summary.lines() {
        writeln!(out, "{line}")?;
    }
    if options.state.is_none() {
        summary
            .searches
            .write(out, connection, options.all, summary.now)
            .await?;
    }
    let total = summary.counts.total();
    if total == 0 {
        if summary.searches.is_empty() {
            print_message(
                "there are no tasks yet: add one with `growd add TASK --target N`, or start a search with `growd search add`",
            );
        }
        return Ok(());
    }
    if total > LISTED_MAX && !options.all && options.state.is_none() {
        return write_some(out, connection, summary).await;
    }
    let columns = Columns::of(connection).await?;
    let mut table = columns.table();
    let mut rows = overview::rows(connection, options.state.as_deref(), summary.order());
    while let Some(row) = rows.try_next().await? {
        output::add_row(&mut table, columns.cells(&row, summary.now));
        if table.row_count() == TABLE_ROWS {
            write_table(out, &table)?;
            table = columns.table();
        }
    }
    write_table(out, &table)
}

/// Writes about a screen of tasks.
async fn write_some(
    out: &mut impl Write,
    connection: &mut SqliteConnection,
    summary: &Summary,
) -> anyhow::Result<()> {
    let columns = Columns::of(connection).await?;
    let mut table = columns.table();
    for state in SUMMARY_STATES {
        let left = SUMMARY_ROWS - table.row_count();
        if left == 0 {
            break;
        }
        for row in overview::first(connection, state, left).await? {
            output::add_row(&mut table, columns.cells(&row, summary.now));
        }
    }
    let shown = table.row_count();
    write_table(out, &table)?;
    print_message(format_args!(
        "{shown} of {} tasks are shown: use --state STATE for those in one state, --all or --json for all",
        summary.counts.total()
    ));
    Ok(())
}

fn write_table(out: &mut impl Write, table: &Table) -> anyhow::Result<()> {
    if table.row_count() > 0 {
        writeln!(out)?;
        output::write(out, table)?;
    }
    Ok(())
}

/// The columns of the table of tasks.
struct Columns {
    /// Whether the search of each task is shown.
    has_search: bool,
}

impl Columns {
    /// Shows the searches if any task is a part of one.
    async fn of(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let has_search = overview_of_searches::has_parts(connection).await?;
        Ok(Self { has_search })
    }

    fn table(&self) -> Table {
        if self.has_search {
            output::table(&[
                "task",
                "search",
                "state",
                "results",
                "%",
                "next poll",
                "why",
            ])
        } else {
            output::table(&["task", "state", "results", "%", "next poll", "why"])
        }
    }

    fn cells(&self, row: &OverviewRow, now: Timestamp) -> Vec<Cell> {
        let results = match row.num_results {
            Some(results) => format!("{results}/{}", row.target),
            None => format!("-/{}", row.target),
        };
        let next = row
            .next_poll_at
            .as_deref()
            .map_or_else(|| "-".to_owned(), |at| relative(at, now));
        let why = row.last_error.as_ref().or(row.reason.as_ref());
        let mut cells = vec![Cell::new(clean(&row.task_id))];
        if self.has_search {
            cells.push(Cell::new(
                row.part_of().map_or_else(String::new, |of| clean(&of)),
            ));
        }
        cells.extend([
            output::state(&row.state),
            output::number(results),
            output::number(row.percent),
            Cell::new(next),
            Cell::new(clean(why.map_or("", |why| why))),
        ]);
        cells
    }
}

impl Summary {
    /// Sorts only a few tasks: sorting a million takes time and memory.
    fn order(&self) -> RowOrder {
        if self.counts.total() > LISTED_MAX {
            RowOrder::Id
        } else {
            RowOrder::Added
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.daemon_line()];
        if !self.attention.is_empty() {
            lines.push("needs attention:".to_owned());
            lines.extend(self.attention.iter().map(|item| format!("  {}", item.text)));
        }
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|count| format!("{} {}", count.tasks, count.state))
            .collect();
        if !counts.is_empty() {
            lines.push(format!("tasks: {}", counts.join(", ")));
        }
        lines.extend(self.searches.line());
        lines.extend(self.read_line());
        if self.daemon.requests > 0 {
            let requests = self.daemon.requests;
            lines.push(format!("requests to the service so far: {requests}"));
        }
        lines.extend(self.spent.lines(self.now));
        lines
    }

    fn read_line(&self) -> Option<String> {
        let ReadCounts {
            read,
            tasks,
            read_at,
        } = &self.read;
        let off = if self.keep {
            ""
        } else {
            "; no more are read: results.keep is false"
        };
        let read_at = relative(read_at.as_deref()?, self.now);
        Some(format!(
            "results read: {read} (tasks: {tasks}, the newest {read_at}){off}"
        ))
    }

    fn daemon_line(&self) -> String {
        match self.running {
            Some(true) => {}
            Some(false) => return "daemon: not running".to_owned(),
            None => {
                return "daemon: unknown (this user cannot open its lock file)".to_owned();
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
            Some(age) if age <= STALE_HEARTBEAT => String::new(),
            Some(age) => format!(
                "; its last heartbeat is {} old: check its log and the free disk space",
                duration(age)
            ),
            None => "; starting".to_owned(),
        };
        format!(
            "daemon: running (version {version}, pid {pid}) for {}, gate {}{health}",
            duration(up),
            self.daemon.gate
        )
    }
}
