//! `growd watch`: live progress, a bar a task; plain lines where there is no terminal.

use super::rate::Rate;
use super::status::FEW;
use super::table::clean;
use super::{Context, Exit, interrupted};
use crate::core::State;
use crate::daemon::supervision::state_counts::StateCounts;
use crate::store::overview::{self, OverviewRow, RowOrder};
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
use tokio::time::{MissedTickBehavior, interval};

/// How often the database is asked whether somebody has written.
const LOOK: Duration = Duration::from_millis(500);

/// The most tasks that have a bar of their own.
const BARS_MAX: usize = 40;

/// Where there is no terminal, so many of them.
const LINES_MAX: usize = 100;

/// Show live progress, a line a task, until all are finished or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  growd watch")]
pub struct Watch {}

impl Watch {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        follow(context.database(), interrupted()?).await?;
        Ok(Exit::Done)
    }
}

/// Shows the progress of all tasks until each of them has ended, or until `until` is.
///
/// # Errors
///
/// What the database or the terminal says.
pub async fn follow(database: &Path, until: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut connection = store::open(database, Mode::Read).await?;
    let mut counts = StateCounts::default();
    let mut view: Box<dyn View> = if io::stderr().is_terminal() {
        Box::new(Bars::new())
    } else {
        Box::new(Lines::default())
    };
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut version = None;
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => return Ok(()),
            _ = ticks.tick() => {}
        }
        let current = schema::data_version(&mut connection).await?;
        if version.replace(current) == Some(current) {
            continue;
        }
        let sum = show(&mut connection, view.as_mut(), &mut counts).await?;
        if sum.open == 0 {
            view.finish(&sum)?;
            return Ok(());
        }
    }
}

async fn show(
    connection: &mut SqliteConnection,
    view: &mut dyn View,
    counts: &mut StateCounts,
) -> anyhow::Result<Sum> {
    let now = Timestamp::now();
    counts.take(connection).await?;
    view.begin();
    if counts.total() > FEW {
        return show_some(connection, view, counts, now).await;
    }
    let mut sum = Sum::default();
    let mut rows = overview::rows(connection, None, RowOrder::Added);
    while let Some(row) = rows.try_next().await? {
        let ended = has_ended(&row);
        sum.tasks += 1;
        sum.open += usize::from(!ended);
        sum.results += row.num_results.unwrap_or(0);
        sum.target = sum.target.saturating_add(row.target);
        view.task(&row, ended, now)?;
    }
    view.all(&sum.line(), sum.tasks);
    Ok(sum)
}

/// Of many tasks those that are shown already, and others that are under way where there is room for more.
async fn show_some(
    connection: &mut SqliteConnection,
    view: &mut dyn View,
    counts: &StateCounts,
    now: Timestamp,
) -> anyhow::Result<Sum> {
    let shown = view.shown();
    let ids: Vec<&str> = shown.iter().map(|id| &**id).collect();
    for row in overview::named(connection, &ids).await? {
        let ended = has_ended(&row);
        view.task(&row, ended, now)?;
        if ended {
            view.forget(&row.task_id);
        }
    }
    for row in overview::first(connection, "growing", view.most()).await? {
        view.task(&row, false, now)?;
    }
    let tasks = usize::try_from(counts.total()).unwrap_or(usize::MAX);
    view.all(
        &format!("{tasks} tasks in all: {}; `growd status`", counts.line()),
        tasks,
    );
    Ok(Sum {
        tasks,
        open: usize::from(overview::is_open(connection).await?),
        ..Sum::default()
    })
}

/// An end is one once nothing more is polled: the last counters are in.
fn has_ended(row: &OverviewRow) -> bool {
    row.next_poll_at.is_none()
        && (&*row.state == "paused" || State::parse(&row.state).is_some_and(State::is_end))
}

/// All tasks together.
#[derive(Debug, Default)]
struct Sum {
    tasks: usize,
    open: usize,
    results: i64,
    target: i64,
}

impl Sum {
    fn line(&self) -> String {
        format!(
            "{} tasks in all, {} not ended, {} of {} results; `growd status` lists them",
            self.tasks, self.open, self.results, self.target
        )
    }
}

/// A way to show progress.
trait View: Send {
    /// Before the tasks of a look.
    fn begin(&mut self) {}
    fn task(&mut self, row: &OverviewRow, ended: bool, now: Timestamp) -> io::Result<()>;
    /// After them: a line about all, of whom there are so many.
    fn all(&mut self, line: &str, tasks: usize);
    /// The tasks that are shown.
    fn shown(&self) -> Vec<Text>;
    /// The most that can be shown.
    fn most(&self) -> usize;
    /// Makes room: this one is done with.
    fn forget(&mut self, id: &Text);
    fn finish(&mut self, sum: &Sum) -> io::Result<()>;
}

/// Bars on a terminal.
struct Bars {
    all: MultiProgress,
    tasks: HashMap<Text, (ProgressBar, Rate)>,
    rest: Option<ProgressBar>,
    most: usize,
    layout: Layout,
}

impl Bars {
    fn new() -> Self {
        let (rows, columns) = Term::stderr().size();
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            tasks: HashMap::new(),
            rest: None,
            most: usize::from(rows).saturating_sub(2).clamp(1, BARS_MAX),
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
            if self.tasks.len() >= self.most {
                return Ok(());
            }
            let length = u64::try_from(row.target).unwrap_or(0);
            let bar = ProgressBar::new(length).with_style(self.layout.style());
            self.tasks
                .insert(row.task_id.clone(), (self.all.add(bar), Rate::default()));
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
        let why = match (ended, rate.expected(row.target - results)) {
            (false, Some(expected)) => expected,
            _ => clean(row.reason.as_deref().unwrap_or("")),
        };
        bar.set_message(format!("{:<9} {why}", row.state));
        Ok(())
    }

    fn all(&mut self, line: &str, tasks: usize) {
        if tasks > self.tasks.len() {
            let all = &self.all;
            let rest = self.rest.get_or_insert_with(|| {
                all.add(
                    ProgressBar::no_length().with_style(
                        ProgressStyle::with_template("{wide_msg}")
                            .unwrap_or_else(|_| ProgressStyle::default_bar()),
                    ),
                )
            });
            rest.set_message(line.to_owned());
        }
    }

    fn shown(&self) -> Vec<Text> {
        self.tasks.keys().cloned().collect()
    }

    fn most(&self) -> usize {
        self.most
    }

    fn forget(&mut self, id: &Text) {
        if let Some((bar, _)) = self.tasks.remove(id) {
            self.all.remove(&bar);
        }
    }

    fn finish(&mut self, _sum: &Sum) -> io::Result<()> {
        for (bar, _) in self.tasks.values() {
            bar.abandon();
        }
        if let Some(rest) = &self.rest {
            rest.abandon();
        }
        Ok(())
    }
}

/// Lines for a file or a pipe: one for each change.
#[derive(Default)]
struct Lines {
    told: HashMap<Text, (Text, i64)>,
}

impl View for Lines {
    fn task(&mut self, row: &OverviewRow, _ended: bool, _now: Timestamp) -> io::Result<()> {
        let results = row.num_results.unwrap_or(0);
        let seen = (row.state.clone(), results);
        if self.told.get(&row.task_id) == Some(&seen) {
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
        self.told.insert(row.task_id.clone(), seen);
        Ok(())
    }

    fn all(&mut self, _line: &str, _tasks: usize) {}

    fn shown(&self) -> Vec<Text> {
        self.told.keys().cloned().collect()
    }

    fn most(&self) -> usize {
        LINES_MAX.saturating_sub(self.told.len())
    }

    fn forget(&mut self, id: &Text) {
        self.told.remove(id);
    }

    fn finish(&mut self, sum: &Sum) -> io::Result<()> {
        match sum.tasks {
            1 => writeln!(io::stdout(), "the task has ended"),
            tasks => writeln!(io::stdout(), "all {tasks} tasks have ended"),
        }
    }
}

/// How a line is divided, so that it stays one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    name: usize,
    bar: usize,
}

impl Layout {
    fn of(columns: u16) -> Self {
        // `1234/1234`, the longest state, and the blanks before each of them.
        const NUMBERS: usize = 10;
        const STATE: usize = 11;
        let columns = usize::from(columns);
        let bar = match columns {
            80.. => 20,
            60.. => 10,
            _ => 0,
        };
        let with_blank = if bar > 0 { bar + 1 } else { 0 };
        let name = columns.saturating_sub(with_blank + NUMBERS + STATE);
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
    fn a_line_fits_the_terminal_and_leaves_room_for_the_state() {
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
