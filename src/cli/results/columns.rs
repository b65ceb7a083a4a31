//! The columns of a spreadsheet: those of every company, then those of the criteria.

use super::cell::Cell;
use super::scores::{Score, Scores};
use crate::store::companies::Company;

/// The columns that every company has.
const COMPANY: [&str; 14] = [
    "domain",
    "company_name",
    "company_website",
    "company_description",
    "relevance",
    "hq_country",
    "hq_state_province",
    "hq_city",
    "employee_count",
    "founding_year",
    "source",
    "task_id",
    "result_id",
    "first_seen_at",
];

/// The most columns. Each row has them all, and no spreadsheet of this width is of use.
pub const COLUMNS_MAX: usize = 1_000;

/// The columns of one export.
#[derive(Debug)]
pub struct Columns {
    /// The keys of the criteria.
    keys: Vec<String>,
    /// Whether there are columns with the explanations.
    explain: bool,
}

impl Columns {
    /// Returns the columns for criteria with these keys.
    #[must_use]
    pub fn new(keys: Vec<String>, explain: bool) -> Self {
        Self { keys, explain }
    }

    /// Returns the most criteria of which an export can have the columns.
    #[must_use]
    pub fn keys_max(explain: bool) -> usize {
        (COLUMNS_MAX - COMPANY.len()) / if explain { 2 } else { 1 }
    }

    /// Returns the names of the columns.
    #[must_use]
    pub fn header(&self) -> Vec<String> {
        let mut header: Vec<String> = COMPANY.map(str::to_owned).into();
        header.extend(self.keys.iter().map(|key| format!("score:{key}")));
        if self.explain {
            header.extend(self.keys.iter().map(|key| format!("why:{key}")));
        }
        header
    }

    /// Returns the cells of a company, one for each column.
    #[must_use]
    pub fn cells<'a>(&self, company: &'a Company) -> Vec<Cell<'a>> {
        let mut cells: Vec<Cell<'a>> = vec![
            Cell::text(company.domain.as_deref()),
            Cell::text(company.company_name.as_deref()),
            Cell::text(company.company_website.as_deref()),
            Cell::text(company.company_description.as_deref()),
            Cell::number(company.relevance),
            Cell::text(company.hq_country.as_deref()),
            Cell::text(company.hq_state_province.as_deref()),
            Cell::text(company.hq_city.as_deref()),
            Cell::text(company.employee_count.as_deref()),
            Cell::number(company.founding_year),
            Cell::text(company.source.as_deref()),
            Cell::text(Some(&company.task_id)),
            Cell::text(Some(&company.result_id)),
            Cell::text(Some(&company.first_seen_at)),
        ];
        let scores = company.scores.as_deref().and_then(Scores::parse);
        let scores = scores.unwrap_or_default();
        let scores: Vec<_> = self.keys.iter().map(|key| scores.get(key)).collect();
        let cell =
            |score: &Option<_>, of: fn(&_) -> Cell<'a>| score.as_ref().map_or(Cell::Empty, of);
        cells.extend(scores.iter().map(|score| cell(score, Score::grade)));
        if self.explain {
            cells.extend(scores.iter().map(|score| cell(score, Score::explanation)));
        }
        cells
    }
}
