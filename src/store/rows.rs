//! Statements that write many rows at once.
//!
//! SQLite runs on a thread of its own, which answers each statement. Waiting for an answer costs as much as writing a row.

use std::sync::OnceLock;

/// The most rows of one statement: an answer of the service's list has so many entries.
pub(super) const ROWS: usize = 100;

/// The rows of the statement for the usual number of polls that are answered together.
pub(super) const FEW: usize = 16;

/// A statement for one row, and the same for more. Where fewer rows are to be written than it has, the parameters of the
/// last rows are not bound, and null.
///
/// The statements for more rows say `OR FAIL`: an error leaves the rows before it written, and the caller rolls the
/// transaction back. Without it, SQLite copies each page that it changes, to undo the statement alone.
pub(super) struct Statement {
    one: &'static str,
    /// The statement for more rows, with `VALUES` where the rows go.
    more: &'static str,
    /// Parameters of a row.
    columns: usize,
    few: OnceLock<String>,
    many: OnceLock<String>,
}

impl Statement {
    pub const fn new(one: &'static str, more: &'static str, columns: usize) -> Self {
        Self {
            one,
            more,
            columns,
            few: OnceLock::new(),
            many: OnceLock::new(),
        }
    }

    /// Returns the statement that writes so many rows, [`ROWS`] at most.
    pub fn sql(&self, rows: usize) -> &str {
        match rows {
            0..=1 => self.one,
            2..=FEW => self.few.get_or_init(|| self.with_rows(FEW)),
            _ => self.many.get_or_init(|| self.with_rows(ROWS)),
        }
    }

    fn with_rows(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        let values = format!("VALUES {}", vec![row; rows].join(", "));
        self.more.replace("VALUES", &values)
    }
}
