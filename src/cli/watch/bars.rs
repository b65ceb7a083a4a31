//! Progress bars on a terminal.

use super::{Item, Totals, View};
use crate::cli::output::clean;
use crate::cli::rate::GrowthRate;
use console::{Alignment, Term, pad_str, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io;

/// Largest number of bars.
const BARS_MAX: usize = 40;

/// Bars on a terminal.
pub(super) struct Bars {
    all: MultiProgress,
    items: HashMap<String, (ProgressBar, GrowthRate)>,
    summary: Option<ProgressBar>,
    capacity: usize,
    layout: Layout,
}

impl Bars {
    pub(super) fn new() -> Self {
        let (rows, columns) = Term::stderr().size();
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            items: HashMap::new(),
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
            for (bar, _) in self.items.values() {
                bar.set_style(layout.style());
            }
        }
    }

    fn item(&mut self, item: &Item<'_>, now: Timestamp) -> io::Result<()> {
        let length = u64::try_from(item.target).unwrap_or(0);
        if !self.items.contains_key(&item.key) {
            if self.items.len() >= self.capacity {
                return Ok(());
            }
            let bar = ProgressBar::new(length).with_style(self.layout.style());
            let bar = match &self.summary {
                Some(summary) => self.all.insert_before(summary, bar),
                None => self.all.add(bar),
            };
            self.items
                .insert(item.key.clone(), (bar, GrowthRate::default()));
        }
        let Some((bar, rate)) = self.items.get_mut(&item.key) else {
            return Ok(());
        };
        rate.add(now, item.results);
        bar.set_prefix(self.layout.name(&clean(&item.name)));
        bar.set_length(length);
        bar.set_position(u64::try_from(item.results.min(item.target)).unwrap_or(0));
        let note = match (item.has_ended, rate.expected(item.target - item.results)) {
            (false, Some(expected)) => expected,
            _ => clean(item.reason),
        };
        bar.set_message(format!("{:<9} {note}", item.state));
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

    fn shown(&self) -> Vec<String> {
        self.items.keys().cloned().collect()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn remove(&mut self, key: &str) {
        if let Some((bar, _)) = self.items.remove(key) {
            self.all.remove(&bar);
        }
    }

    fn finish(&mut self, _totals: &Totals) -> io::Result<()> {
        for (bar, _) in self.items.values() {
            bar.abandon();
        }
        if let Some(bar) = &self.summary {
            bar.abandon();
        }
        Ok(())
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
