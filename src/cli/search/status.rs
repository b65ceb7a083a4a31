//! The searches in `growd status`.

use super::table;
use crate::cli::output::{self, print_message};
use crate::cli::status::LISTED_MAX;
use crate::store::StoreError;
use crate::store::overview::StateCount;
use crate::store::searches::overview;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::sqlite::SqliteConnection;
use std::io::Write;

/// How many searches are in each state.
#[derive(Debug)]
pub struct Searches(Vec<StateCount>);

impl Searches {
    /// Counts the searches.
    ///
    /// # Errors
    ///
    /// What SQLite reports.
    pub async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        Ok(Self(overview::counts(connection).await?))
    }

    /// Returns whether there are no searches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a line such as `searches: 1 growing, 2 reached`; `None` where there are none.
    pub fn line(&self) -> Option<String> {
        let counts = self.0.iter();
        let counts: Vec<String> = counts
            .map(|count| format!("{} {}", count.tasks, count.state))
            .collect();
        (!counts.is_empty()).then(|| format!("searches: {}", counts.join(", ")))
    }

    /// Returns the counts as an object, by state.
    pub fn counts_json(&self) -> Value {
        let counts = self.0.iter();
        let counts: Map<String, Value> = counts
            .map(|count| (count.state.clone(), json!(count.tasks)))
            .collect();
        Value::Object(counts)
    }

    /// Writes a table of the searches, unless there are too many of them and not `all` are asked for.
    ///
    /// # Errors
    ///
    /// The error of the database or of `out`.
    pub async fn write(
        &self,
        out: &mut impl Write,
        connection: &mut SqliteConnection,
        all: bool,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let total: i64 = self.0.iter().map(|count| count.tasks).sum();
        if total == 0 {
            return Ok(());
        }
        if total > LISTED_MAX && !all {
            print_message("there are many searches: `growd search list` shows them");
            return Ok(());
        }
        let rows = overview::rows(connection, None, None).await?;
        writeln!(out)?;
        output::write(out, &table::of(&rows, now))?;
        Ok(())
    }
}
