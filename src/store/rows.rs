//! Statements that write many rows at once.
//!
//! SQLite runs on a thread of its own, which answers each statement. Waiting for an answer costs as much as writing a row.

/// The number of rows of such a statement. Where fewer are to be written, the parameters of the last rows are not bound, and
/// null.
pub(super) const ROWS: usize = 16;

/// Returns a `VALUES` clause of [`ROWS`] rows with this many parameters each.
pub(super) fn values(columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("VALUES {}", vec![row; ROWS].join(", "))
}
