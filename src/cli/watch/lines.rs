//! Lines for a file or a pipe.

use super::{Item, Totals, View};
use crate::cli::output::clean;
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::{self, Write};

/// Largest number of tasks and searches shown if not all are shown.
const LINES_MAX: usize = 100;

/// Lines for a file or a pipe: one per change of a task or a search.
#[derive(Default)]
pub(super) struct Lines {
    printed: HashMap<String, (String, i64)>,
}

impl View for Lines {
    fn item(&mut self, item: &Item<'_>, _now: Timestamp) -> io::Result<()> {
        let current = (item.state.to_owned(), item.results);
        if self.printed.get(&item.key) == Some(&current) {
            return Ok(());
        }
        let part_of = item
            .part_of
            .as_ref()
            .map_or_else(String::new, |of| format!("({}) ", clean(of)));
        writeln!(
            io::stdout(),
            "{} {} {}/{} {part_of}{}",
            clean(&item.key),
            item.state,
            item.results,
            item.target,
            clean(item.reason)
        )?;
        self.printed.insert(item.key.clone(), current);
        Ok(())
    }

    fn summary(&mut self, _line: &str) {}

    fn shown(&self) -> Vec<String> {
        self.printed.keys().cloned().collect()
    }

    fn capacity(&self) -> usize {
        LINES_MAX.saturating_sub(self.printed.len())
    }

    fn remove(&mut self, key: &str) {
        self.printed.remove(key);
    }

    fn finish(&mut self, totals: &Totals) -> io::Result<()> {
        writeln!(io::stdout(), "{}", totals.end())
    }
}
