//! How the commands look: tables that fit the terminal, times for people, colours where they are welcome.

pub use crate::logging::{clean, colours_are_welcome};

use crate::store::time;
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table};
use jiff::Timestamp;
use std::io::{self, Write};
use std::time::Duration;

/// Says something to people, on stderr. Nobody being there to read it is no error.
pub fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Terminals of fewer columns than this are narrow.
const NARROW: u16 = 80;

/// A table of lines: as wide as the terminal, where there is one, and as its content elsewhere. All but the
/// last column are as wide as what is in them; on a narrow terminal the last one is left out, and the first cut.
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

/// Adds a row that stays one line.
pub fn add_row(table: &mut Table, cells: Vec<Cell>) {
    let mut row = Row::from(cells);
    row.max_height(1);
    table.add_row(row);
}

/// Writes a table without the blanks at the ends of its lines.
///
/// # Errors
///
/// What the writing says.
pub fn write(out: &mut impl Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A cell with a number.
pub fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A cell with a state, in its colour.
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
    if colours_are_welcome() {
        cell.fg(colour)
    } else {
        cell
    }
}

/// How many there are of what has a regular plural: `1 task`, `2 tasks`.
#[must_use]
pub fn count(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// A span of time in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`.
#[must_use]
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5_999 => format!("{} min", seconds / 60),
        seconds @ 6_000..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A time of the database as seen from `now`: `in 12 s`, `3 min ago`, `now`.
#[must_use]
pub fn relative(at: &str, now: Timestamp) -> String {
    let Some(at) = time::from_text(at) else {
        return clean(at);
    };
    let ahead = at.duration_since(now);
    let distance = ahead.unsigned_abs();
    if distance < Duration::from_secs(1) {
        "now".to_owned()
    } else if ahead.is_positive() {
        format!("in {}", span(distance))
    } else {
        format!("{} ago", span(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (at, told) in [
            ("2026-11-24T12:00:00.500Z", "now"),
            ("2026-11-24T12:00:12.000Z", "in 12 s"),
            ("2026-11-24T11:57:00.000Z", "3 min ago"),
            ("2026-11-24T02:00:00.000Z", "10 h ago"),
            ("2026-11-20T12:00:00.000Z", "4 d ago"),
            ("tomorrow", "tomorrow"),
        ] {
            assert_eq!(relative(at, now), told);
        }
    }
}
