//! `growd watch`: live progress, one bar per task and per search; plain lines if stderr is no terminal.

mod bars;
mod lines;

use self::bars::Bars;
use self::lines::Lines;
use super::output::count;
use super::status::LISTED_MAX;
use super::{Context, Exit, interrupted};
use crate::core::State;
use crate::store::overview::{self, OverviewRow, RowOrder};
use crate::store::readings::ReadCounts;
use crate::store::searches::overview::{self as searches, SearchOverview};
use crate::store::state_counts::StateCounts;
use crate::store::{self, Mode, schema};
use clap::Args;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// Interval between checks whether another process has written to the database.
const REFRESH: Duration = Duration::from_millis(500);

/// The same for more than [`LISTED_MAX`] tasks: counting a million takes 50 ms.
const REFRESH_OF_MANY: Duration = Duration::from_secs(5);

/// Show live progress, one line per task and per search, until all have ended or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd watch")]
pub struct Watch {}

impl Watch {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        follow(context.database(), interrupted()?).await?;
        Ok(Exit::Done)
    }
}

/// Shows the progress of all tasks and searches until all of them have ended or `until` completes.
///
/// # Errors
///
/// Returns the error of the database or of the terminal.
pub async fn follow(database: &Path, until: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut connection = store::open(database, Mode::Read).await?;
    let mut view: Box<dyn View> = if io::stderr().is_terminal() {
        Box::new(Bars::new())
    } else {
        Box::new(Lines::default())
    };
    let mut delay = Duration::ZERO;
    let mut version = None;
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return Ok(()),
            () = sleep(delay) => {}
        }
        delay = REFRESH;
        let current = schema::data_version(&mut connection).await?;
        if version.replace(current) == Some(current) {
            continue;
        }
        let totals = show(&mut connection, view.as_mut()).await?;
        if totals.tasks > usize::try_from(LISTED_MAX).unwrap_or(usize::MAX) {
            delay = REFRESH_OF_MANY;
        }
        if totals.open == 0 && totals.open_searches == 0 {
            view.finish(&totals)?;
            return Ok(());
        }
    }
}

async fn show(connection: &mut SqliteConnection, view: &mut dyn View) -> anyhow::Result<Totals> {
    let now = Timestamp::now();
    let counts = StateCounts::read(connection).await?;
    view.begin();
    let mut totals = show_searches(connection, view, now).await?;
    if counts.total() > LISTED_MAX {
        return show_some(connection, view, &counts, totals, now).await;
    }
    totals.read = ReadCounts::read(connection).await?.read;
    let mut rows = overview::rows(connection, None, RowOrder::Added);
    while let Some(row) = rows.try_next().await? {
        let item = Item::of_task(&row);
        totals.tasks += 1;
        totals.open += usize::from(!item.has_ended);
        totals.results += item.results;
        totals.target = totals.target.saturating_add(row.target);
        view.item(&item, now)?;
    }
    view.summary(&totals.line());
    Ok(totals)
}

/// Shows all searches.
async fn show_searches(
    connection: &mut SqliteConnection,
    view: &mut dyn View,
    now: Timestamp,
) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    for row in searches::rows(connection, None, None).await? {
        let item = Item::of_search(&row);
        totals.searches += 1;
        totals.open_searches += usize::from(!item.has_ended);
        view.item(&item, now)?;
    }
    Ok(totals)
}

/// Shows some of many tasks: those that are shown already, then growing ones up to the view's capacity.
async fn show_some(
    connection: &mut SqliteConnection,
    view: &mut dyn View,
    counts: &StateCounts,
    totals: Totals,
    now: Timestamp,
) -> anyhow::Result<Totals> {
    let shown = view.shown();
    // The keys of searches are among them, and name no task.
    let ids: Vec<&str> = shown.iter().map(String::as_str).collect();
    for row in overview::named(connection, &ids).await? {
        let item = Item::of_task(&row);
        view.item(&item, now)?;
        if item.has_ended {
            view.remove(&item.key);
        }
    }
    for row in overview::first(connection, "growing", view.capacity()).await? {
        view.item(&Item::of_task(&row), now)?;
    }
    let tasks = usize::try_from(counts.total()).unwrap_or(usize::MAX);
    let read = ReadCounts::read(connection).await?.read;
    view.summary(&format!(
        "{tasks} tasks in all: {}; {read} results read; `growd status`",
        counts.line()
    ));
    Ok(Totals {
        tasks,
        open: usize::from(overview::is_open(connection).await?),
        ..totals
    })
}

/// What a line shows: a task, or a search.
struct Item<'a> {
    /// The id of a task, or `search` and the name of a search, which is no id.
    key: String,
    /// What a bar shows in place of the key.
    name: String,
    /// The search and the number of the part.
    part_of: Option<String>,
    state: &'a str,
    reason: &'a str,
    results: i64,
    target: i64,
    has_ended: bool,
}

impl<'a> Item<'a> {
    fn of_task(row: &'a OverviewRow) -> Self {
        let part_of = row.part_of();
        let note = row.note.as_deref().map(str::to_owned);
        Self {
            key: row.task_id.to_string(),
            name: part_of
                .clone()
                .or(note)
                .unwrap_or_else(|| row.task_id.to_string()),
            part_of,
            state: &row.state,
            reason: row.reason.as_deref().unwrap_or(""),
            results: row.num_results.unwrap_or(0),
            target: row.target,
            // It is no longer polled, so that its final counters are stored.
            has_ended: row.next_poll_at.is_none() && is_end(&row.state),
        }
    }

    fn of_search(row: &'a SearchOverview) -> Self {
        let key = format!("search {}", row.search);
        Self {
            name: key.clone(),
            key,
            part_of: None,
            state: &row.state,
            reason: row.reason.as_deref().unwrap_or(""),
            results: row.results,
            target: row.target,
            has_ended: is_end(&row.state),
        }
    }
}

/// Returns whether a task or a search in this state has ended or is paused.
fn is_end(state: &str) -> bool {
    state == "paused" || State::parse(state).is_some_and(State::is_end)
}

/// Totals over all tasks and searches.
#[derive(Debug, Default)]
struct Totals {
    searches: usize,
    open_searches: usize,
    tasks: usize,
    open: usize,
    results: i64,
    target: i64,
    read: i64,
}

impl Totals {
    fn line(&self) -> String {
        let searches = match self.searches {
            0 => String::new(),
            searches => format!(
                "{}, {} not ended; ",
                plural(searches, "search", "searches"),
                self.open_searches
            ),
        };
        format!(
            "{searches}{} tasks in all, {} not ended, {} of {} results, {} of them read; `growd status` lists them",
            self.tasks, self.open, self.results, self.target, self.read
        )
    }

    /// Returns the line for the end of all of them.
    fn end(&self) -> String {
        match (self.searches, self.tasks) {
            (0, 1) => "the task has ended".to_owned(),
            (0, tasks) => format!("all {tasks} tasks have ended"),
            (searches, tasks) => format!(
                "{} and {} have ended",
                plural(searches, "search", "searches"),
                count(tasks as u64, "task")
            ),
        }
    }
}

fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A display of progress.
trait View: Send {
    /// Begins a refresh.
    fn begin(&mut self) {}
    /// Shows a task or a search.
    fn item(&mut self, item: &Item<'_>, now: Timestamp) -> io::Result<()>;
    /// Ends a refresh: shows a line about all of them.
    fn summary(&mut self, line: &str);
    /// Returns the keys that are shown.
    fn shown(&self) -> Vec<String>;
    /// Returns how many tasks can be shown.
    fn capacity(&self) -> usize;
    /// Stops showing a task.
    fn remove(&mut self, key: &str);
    /// Ends the display after all tasks and searches have ended.
    fn finish(&mut self, totals: &Totals) -> io::Result<()>;
}
