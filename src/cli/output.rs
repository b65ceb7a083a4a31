//! Output of the commands: messages, tables that fit the terminal, relative times, colours.

pub use crate::logging::{clean, colours_enabled};

use crate::store::time;
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table};
use jiff::Timestamp;
use std::io::{self, Write};
use std::time::Duration;

/// Prints a message to stderr; ignores a closed stderr.
pub fn print_message(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Terminals with fewer columns are narrow.
const NARROW: u16 = 80;

/// Creates a table: as wide as the terminal, or as its content if stdout is no terminal. All columns but the last are
/// as wide as their content; a narrow terminal hides the last column and truncates the first.
#[must_use]
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(header.iter().map(|title| Cell::new(title.to_uppercase())))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_truncation_indicator("…");
    let is_narrow = table.width().is_some_and(|width| width < NARROW);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index + 1 < header.len() {
            if !is_narrow || column.index > 0 {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        } else if is_narrow && column.index > 0 {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    table
}

/// Adds a row of one line.
pub fn add_row(table: &mut Table, cells: Vec<Cell>) {
    let mut row = Row::from(cells);
    row.max_height(1);
    table.add_row(row);
}

/// Writes a table without trailing blanks.
///
/// # Errors
///
/// Returns the error of `out`.
pub fn write(out: &mut impl Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Creates a cell with a number, aligned to the right.
pub fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// Creates a cell with a state, in its colour.
#[must_use]
pub fn state(state: &str) -> Cell {
    let cell = Cell::new(state);
    let colour = match state {
        "reached" => Color::Green,
        "growing" => Color::Cyan,
        "exhausted" | "capped" | "stalled" => Color::Yellow,
        "refused" | "failed" | "missing" => Color::Red,
        _ => return cell,
    };
    if colours_enabled() {
        cell.fg(colour)
    } else {
        cell
    }
}

/// Formats a count with a noun that has a regular plural: `1 task`, `2 tasks`.
#[must_use]
pub fn count(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Formats a duration in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5_999 => format!("{} min", seconds / 60),
        seconds @ 6_000..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Formats a time of the database relative to `now`: `in 12 s`, `3 min ago`, `now`.
#[must_use]
pub fn relative(at: &str, now: Timestamp) -> String {
    let Some(at) = time::from_text(at) else {
        return clean(at);
    };
    let difference = at.duration_since(now);
    let distance = difference.unsigned_abs();
    if distance < Duration::from_secs(1) {
        "now".to_owned()
    } else if difference.is_positive() {
        format!("in {}", duration(distance))
    } else {
        format!("{} ago", duration(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_their_largest_unit() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (at, expected) in [
            ("2026-11-24T12:00:00.500Z", "now"),
            ("2026-11-24T12:00:12.000Z", "in 12 s"),
            ("2026-11-24T11:57:00.000Z", "3 min ago"),
            ("2026-11-24T02:00:00.000Z", "10 h ago"),
            ("2026-11-20T12:00:00.000Z", "4 d ago"),
            ("tomorrow", "tomorrow"),
        ] {
            assert_eq!(relative(at, now), expected);
        }
    }
}
