//! A table for a terminal.

use super::Format;
use super::cell::Cell as Value;
use super::scores::Scores;
use crate::cli::output::{self, clean, number};
use crate::store::companies::Company;
use comfy_table::{Cell, ColumnConstraint, Row, Table as Rows, Width};
use console::truncate_str;
use std::io::Write;

/// Rows per table. A table is kept in memory until it is written, so a long list is written as several tables.
const TABLE_ROWS: usize = 500;

/// The positions of some columns.
const RELEVANCE: usize = 2;
const EMPLOYEES: usize = 4;
const FOUNDED: usize = 5;
const DESCRIPTION: usize = 6;

/// A terminal with fewer columns shows neither employees nor the year.
const WIDE: u16 = 100;
/// A terminal with fewer columns shows no description.
const NARROW: u16 = 80;

/// The longest texts of a column, in columns of the terminal.
const NAME_MAX: usize = 32;
const WORD_MAX: usize = 16;
const DESCRIPTION_MAX: usize = 100;
const EXPLANATION_MAX: usize = 2_000;

/// Writes a row for each company.
pub struct Table<'a> {
    out: &'a mut dyn Write,
    /// Whether the explanations are shown.
    explain: bool,
    rows: Rows,
}

impl<'a> Table<'a> {
    /// Returns a writer to `out`.
    pub fn new(out: &'a mut dyn Write, explain: bool) -> Self {
        Self {
            out,
            explain,
            rows: new_rows(explain),
        }
    }

    fn write_rows(&mut self) -> anyhow::Result<()> {
        if self.rows.row_count() > 0 {
            output::write(&mut self.out, &self.rows)?;
        }
        self.rows = new_rows(self.explain);
        Ok(())
    }
}

/// Creates an empty table. The names and the description share the width that the other columns leave, and a narrow terminal
/// has fewer columns.
fn new_rows(explain: bool) -> Rows {
    let mut rows = output::table(&[
        "domain",
        "company",
        "relevance",
        "country",
        "employees",
        "founded",
        "description",
    ]);
    let width = rows.width().unwrap_or(u16::MAX);
    for column in rows.column_iter_mut() {
        let is_hidden = match column.index {
            EMPLOYEES | FOUNDED => width < WIDE,
            // The explanations are what was asked for.
            DESCRIPTION => width < NARROW && !explain,
            _ => false,
        };
        if is_hidden {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if column.index == DESCRIPTION && explain {
            let half = Width::Percentage(50);
            column.set_constraint(ColumnConstraint::LowerBoundary(half));
        } else if !matches!(column.index, RELEVANCE | EMPLOYEES | FOUNDED) {
            column.remove_constraint();
        }
    }
    rows
}

impl Format for Table<'_> {
    fn write(&mut self, company: &Company) -> anyhow::Result<()> {
        let text = |text: &Option<_>, width| shown(text.as_deref().unwrap_or("-"), width);
        let description = company.company_description.as_deref().unwrap_or_default();
        let mut cells = vec![
            Cell::new(text(&company.domain, NAME_MAX)),
            Cell::new(text(&company.company_name, NAME_MAX)),
            number(
                company
                    .relevance
                    .map_or_else(|| "-".to_owned(), |relevance| format!("{relevance:.1}")),
            ),
            Cell::new(text(&company.hq_country, WORD_MAX)),
            Cell::new(text(&company.employee_count, WORD_MAX)),
            number(
                company
                    .founding_year
                    .map_or_else(|| "-".to_owned(), |year| year.to_string()),
            ),
        ];
        if self.explain {
            let mut lines = vec![shown(description, EXPLANATION_MAX)];
            let scores = company.scores.as_deref().and_then(Scores::parse);
            for (key, score) in scores.unwrap_or_default().iter() {
                let line = format!(
                    "{key} {}: {}",
                    plain(&score.grade()),
                    plain(&score.explanation())
                );
                lines.push(shown(&line, EXPLANATION_MAX));
            }
            cells.push(Cell::new(lines.join("\n")));
            self.rows.add_row(Row::from(cells));
        } else {
            cells.push(Cell::new(shown(description, DESCRIPTION_MAX)));
            output::add_row(&mut self.rows, cells);
        }
        if self.rows.row_count() == TABLE_ROWS {
            self.write_rows()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.write_rows()?;
        Ok(self.out.flush()?)
    }
}

/// Returns a text of the service, safe for a terminal and at most this wide.
fn shown(text: &str, width: usize) -> String {
    truncate_str(&clean(text), width, "…").into_owned()
}

fn plain<'a>(value: &'a Value<'_>) -> &'a str {
    match value {
        Value::Empty => "-",
        Value::Text(text) | Value::Number(text) => text,
    }
}
