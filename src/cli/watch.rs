//! `growd watch`: live progress, one bar per task; plain lines if stderr is no terminal.

use super::output::clean;
use super::rate::GrowthRate;
use super::status::LISTED_MAX;
use super::{Context, Exit, interrupted};
use crate::core::State;
use crate::store::overview::{self, OverviewRow, RowOrder};
use crate::store::readings::ReadCounts;
use crate::store::state_counts::StateCounts;
use crate::store::{self, Mode, Text, schema};
use clap::Args;
use console::{Alignment, Term, pad_str, truncate_str};
use futures_util::TryStreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// Interval between checks whether another process has written to the database.
const REFRESH: Duration = Duration::from_millis(500);

/// The same for more than [`LISTED_MAX`] tasks: counting a million takes 50 ms.
const REFRESH_OF_MANY: Duration = Duration::from_secs(5);

/// Largest number of bars.
const BARS_MAX: usize = 40;

/// Largest number of tasks shown as plain lines if not all tasks are shown.
const LINES_MAX: usize = 100;

/// Show live progress, one line per task, until all tasks have ended or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd watch")]
pub struct Watch {}

impl Watch {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        follow(context.database(), interrupted()?).await?;
        Ok(Exit::Done)
    }
}

/// Shows the progress of all tasks until all of them have ended or `until` completes.
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
        if totals.open == 0 {
            view.finish(&totals)?;
            return Ok(());
        }
    }
}

async fn show(connection: &mut SqliteConnection, view: &mut dyn View) -> anyhow::Result<Totals> {
    let now = Timestamp::now();
    let counts = StateCounts::read(connection).await?;
    view.begin();
    if counts.total() > LISTED_MAX {
        return show_some(connection, view, &counts, now).await;
    }
    let mut totals = Totals {
        read: ReadCounts::read(connection).await?.read,
        ..Totals::default()
    };
    let mut rows = overview::rows(connection, None, RowOrder::Added);
    while let Some(row) = rows.try_next().await? {
        let ended = has_ended(&row);
        totals.tasks += 1;
        totals.open += usize::from(!ended);
        totals.results += row.num_results.unwrap_or(0);
        totals.target = totals.target.saturating_add(row.target);
        view.task(&row, ended, now)?;
    }
    view.summary(&totals.line());
    Ok(totals)
}

/// Shows some of many tasks: those that are shown already, then growing ones up to the view's capacity.
async fn show_some(
    connection: &mut SqliteConnection,
    view: &mut dyn View,
    counts: &StateCounts,
    now: Timestamp,
) -> anyhow::Result<Totals> {
    let shown = view.shown();
    let ids: Vec<&str> = shown.iter().map(|id| &**id).collect();
    for row in overview::named(connection, &ids).await? {
        let ended = has_ended(&row);
        view.task(&row, ended, now)?;
        if ended {
            view.remove(&row.task_id);
        }
    }
    for row in overview::first(connection, "growing", view.capacity()).await? {
        view.task(&row, false, now)?;
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
        ..Totals::default()
    })
}

/// Returns whether the task has ended and is no longer polled, so that its final counters are stored.
fn has_ended(row: &OverviewRow) -> bool {
    row.next_poll_at.is_none()
        && (&*row.state == "paused" || State::parse(&row.state).is_some_and(State::is_end))
}

/// Totals over all tasks.
#[derive(Debug, Default)]
struct Totals {
    tasks: usize,
    open: usize,
    results: i64,
    target: i64,
    read: i64,
}

impl Totals {
    fn line(&self) -> String {
        format!(
            "{} tasks in all, {} not ended, {} of {} results, {} of them read; `growd status` lists them",
            self.tasks, self.open, self.results, self.target, self.read
        )
    }
}

/// A display of progress.
trait View: Send {
    /// Begins a refresh.
    fn begin(&mut self) {}
    /// Shows a task.
    fn task(&mut self, row: &OverviewRow, ended: bool, now: Timestamp) -> io::Result<()>;
    /// Ends a refresh: shows a line about all tasks.
    fn summary(&mut self, line: &str);
    /// Returns the tasks that are shown.
    fn shown(&self) -> Vec<Text>;
    /// Returns how many tasks can be shown.
    fn capacity(&self) -> usize;
    /// Stops showing a task.
    fn remove(&mut self, id: &Text);
    /// Ends the display after all tasks have ended.
    fn finish(&mut self, totals: &Totals) -> io::Result<()>;
}

/// Bars on a terminal.
struct Bars {
    all: MultiProgress,
    tasks: HashMap<Text, (ProgressBar, GrowthRate)>,
    summary: Option<ProgressBar>,
    capacity: usize,
    layout: Layout,
}

impl Bars {
    fn new() -> Self {
        let (rows, columns) = Term::stderr().size();
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            tasks: HashMap::new(),
            summary: None,
            capacity: usize::from(rows).saturating_sub(2).clamp(1, BARS_MAX),
            layout: Layout::of(columns),
        }
    }
}

impl View for Bars {
    fn begin(&mut self) {
        let layout = Layout::of(Term::stderr().size().1);
        if layout != self.layout {
            self.layout = layout;
            for (bar, _) in self.tasks.values() {
                bar.set_style(layout.style());
            }
        }
    }

    fn task(&mut self, row: &OverviewRow, ended: bool, now: Timestamp) -> io::Result<()> {
        if !self.tasks.contains_key(&row.task_id) {
            if self.tasks.len() >= self.capacity {
                return Ok(());
            }
            let length = u64::try_from(row.target).unwrap_or(0);
            let bar = ProgressBar::new(length).with_style(self.layout.style());
            let bar = match &self.summary {
                Some(summary) => self.all.insert_before(summary, bar),
                None => self.all.add(bar),
            };
            self.tasks
                .insert(row.task_id.clone(), (bar, GrowthRate::default()));
        }
        let Some((bar, rate)) = self.tasks.get_mut(&row.task_id) else {
            return Ok(());
        };
        let results = row.num_results.unwrap_or(0);
        rate.add(now, results);
        let name = row.note.as_deref().unwrap_or(&row.task_id);
        bar.set_prefix(self.layout.name(&clean(name)));
        bar.set_length(u64::try_from(row.target).unwrap_or(0));
        bar.set_position(u64::try_from(results.min(row.target)).unwrap_or(0));
        let note = match (ended, rate.expected(row.target - results)) {
            (false, Some(expected)) => expected,
            _ => clean(row.reason.as_deref().unwrap_or("")),
        };
        bar.set_message(format!("{:<9} {note}", row.state));
        Ok(())
    }

    fn summary(&mut self, line: &str) {
        let all = &self.all;
        let bar = self.summary.get_or_insert_with(|| {
            all.add(
                ProgressBar::no_length().with_style(
                    ProgressStyle::with_template("{wide_msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_bar()),
                ),
            )
        });
        bar.set_message(line.to_owned());
    }

    fn shown(&self) -> Vec<Text> {
        self.tasks.keys().cloned().collect()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn remove(&mut self, id: &Text) {
        if let Some((bar, _)) = self.tasks.remove(id) {
            self.all.remove(&bar);
        }
    }

    fn finish(&mut self, _totals: &Totals) -> io::Result<()> {
        for (bar, _) in self.tasks.values() {
            bar.abandon();
        }
        if let Some(bar) = &self.summary {
            bar.abandon();
        }
        Ok(())
    }
}

/// Lines for a file or a pipe: one per change of a task.
#[derive(Default)]
struct Lines {
    printed: HashMap<Text, (Text, i64)>,
}

impl View for Lines {
    fn task(&mut self, row: &OverviewRow, _ended: bool, _now: Timestamp) -> io::Result<()> {
        let results = row.num_results.unwrap_or(0);
        let current = (row.state.clone(), results);
        if self.printed.get(&row.task_id) == Some(&current) {
            return Ok(());
        }
        writeln!(
            io::stdout(),
            "{} {} {results}/{} {}",
            clean(&row.task_id),
            row.state,
            row.target,
            clean(row.reason.as_deref().unwrap_or(""))
        )?;
        self.printed.insert(row.task_id.clone(), current);
        Ok(())
    }

    fn summary(&mut self, _line: &str) {}

    fn shown(&self) -> Vec<Text> {
        self.printed.keys().cloned().collect()
    }

    fn capacity(&self) -> usize {
        LINES_MAX.saturating_sub(self.printed.len())
    }

    fn remove(&mut self, id: &Text) {
        self.printed.remove(id);
    }

    fn finish(&mut self, totals: &Totals) -> io::Result<()> {
        match totals.tasks {
            1 => writeln!(io::stdout(), "the task has ended"),
            tasks => writeln!(io::stdout(), "all {tasks} tasks have ended"),
        }
    }
}

/// Widths of a line's parts, so that the line fits the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    name: usize,
    bar: usize,
}

impl Layout {
    fn of(columns: u16) -> Self {
        // `1234/1234` and the longest state, each with the blanks around it.
        const NUMBERS: usize = 10;
        const STATE: usize = 11;
        let columns = usize::from(columns);
        let bar = match columns {
            80.. => 20,
            60.. => 10,
            _ => 0,
        };
        let bar_and_blank = if bar > 0 { bar + 1 } else { 0 };
        let name = columns.saturating_sub(bar_and_blank + NUMBERS + STATE);
        Self {
            name: name.clamp(6, 36),
            bar,
        }
    }

    fn name(self, name: &str) -> String {
        let cut = truncate_str(name, self.name, "…");
        pad_str(&cut, self.name, Alignment::Left, None).into_owned()
    }

    fn style(self) -> ProgressStyle {
        let bar = match self.bar {
            0 => String::new(),
            bar => format!("{{bar:{bar}.cyan/blue}} "),
        };
        let template = format!("{{prefix}} {bar}{{pos:>4}}/{{len:<4}} {{wide_msg}}");
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_terminal_together_with_the_state() {
        for columns in 28..=200 {
            let Layout { name, bar } = Layout::of(columns);
            let bar = if bar > 0 { bar + 1 } else { 0 };
            assert!(
                name + 1 + bar + 9 + 1 + 10 <= usize::from(columns),
                "{columns}"
            );
        }
        assert_eq!(Layout::of(80), Layout { name: 36, bar: 20 });
        assert_eq!(Layout::of(40), Layout { name: 19, bar: 0 });
    }
}
