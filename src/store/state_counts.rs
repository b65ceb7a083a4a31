//! How many tasks are in each state, in total and as one line of text.

use super::StoreError;
use super::overview::{self, StateCount};
use sqlx::sqlite::SqliteConnection;

/// How many tasks are in each state, `paused` among them; states without tasks are left out.
#[derive(Debug, Default)]
pub struct StateCounts(Vec<StateCount>);

impl StateCounts {
    /// Counts the tasks in each state.
    ///
    /// # Errors
    ///
    /// What SQLite reports.
    pub async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        Ok(Self(overview::counts(connection).await?))
    }

    /// Returns the counts, ordered by the name of the state.
    pub fn iter(&self) -> impl Iterator<Item = &StateCount> {
        self.0.iter()
    }

    /// Returns the number of all tasks.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.iter().map(|count| count.tasks).sum()
    }

    /// Returns a line such as `12 growing, 3 reached`: unfinished states first, then the ends.
    #[must_use]
    pub fn line(&self) -> String {
        const FIRST: [&str; 3] = ["growing", "pending", "paused"];
        let rank = |state: &str| FIRST.iter().position(|first| *first == state);
        let mut counts: Vec<_> = self.iter().collect();
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
    fn the_line_begins_with_the_unfinished_states() {
        let mut counts = StateCounts::default();
        assert_eq!(counts.line(), "no tasks");
        for (state, tasks) in [
            ("exhausted", 1),
            ("growing", 12),
            ("paused", 2),
            ("reached", 3),
        ] {
            let state = state.to_owned();
            counts.0.push(StateCount { state, tasks });
        }
        assert_eq!(
            counts.line(),
            "12 growing, 2 paused, 1 exhausted, 3 reached"
        );
        assert_eq!(counts.total(), 18);
    }
}
