//! How many tasks are in which state, for the status line; with a million tasks not counted each time.

use crate::store::StoreError;
use crate::store::overview::{self, StateCount};
use sqlx::sqlite::SqliteConnection;
use std::time::Duration;
use tokio::time::Instant;

/// A count that takes longer is not made each time.
const QUICK: Duration = Duration::from_millis(10);

/// Of the time, so small a part is spent on counts that take longer: one in this many.
const THRIFT: u32 = 1_000;

/// No count gets older than that.
const OLDEST: Duration = Duration::from_mins(1);

/// The newest count.
#[derive(Debug)]
pub struct StateCounts {
    counts: Vec<StateCount>,
    next: Instant,
}

impl Default for StateCounts {
    /// Nothing was counted yet.
    fn default() -> Self {
        Self {
            counts: Vec::new(),
            next: Instant::now(),
        }
    }
}

impl StateCounts {
    /// Counts anew, unless that takes long and was done less than a minute ago.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn take(&mut self, reader: &mut SqliteConnection) -> Result<(), StoreError> {
        let begin = Instant::now();
        if begin >= self.next {
            self.counts = overview::counts(reader).await?;
            let took = begin.elapsed();
            if took > QUICK {
                self.next = begin + (took * THRIFT).min(OLDEST);
            }
        }
        Ok(())
    }

    /// How many tasks there are.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.counts.iter().map(|count| count.tasks).sum()
    }

    /// For people: `12 growing, 3 reached`; what is under way comes first, what has ended last.
    #[must_use]
    pub fn line(&self) -> String {
        const FIRST: [&str; 3] = ["growing", "pending", "paused"];
        let rank = |state: &str| FIRST.iter().position(|first| *first == state);
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_by_key(|count| rank(&count.state).unwrap_or(FIRST.len()));
        let parts: Vec<String> = counts
            .iter()
            .map(|count| format!("{} {}", count.tasks, count.state))
            .collect();
        if parts.is_empty() {
            "no tasks".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_begins_with_what_is_under_way() {
        let mut counts = StateCounts::default();
        assert_eq!(counts.line(), "no tasks");
        for (state, tasks) in [
            ("exhausted", 1),
            ("growing", 12),
            ("paused", 2),
            ("reached", 3),
        ] {
            let state = state.to_owned();
            counts.counts.push(StateCount { state, tasks });
        }
        assert_eq!(
            counts.line(),
            "12 growing, 2 paused, 1 exhausted, 3 reached"
        );
    }
}
