//! One reading of all results of a task, page by page.
//!
//! The service shows results by relevance, and pages can shift while they are read. So a reading counts only if all its pages
//! showed the same task (`num_results` and `status`), join up, and contain no result twice. Every row that was read is kept either way;
//! only a complete reading can show that a result is gone.

use super::observation::{Observation, Status};
use super::results::ResultsPage;
use std::collections::HashSet;

/// A reading in progress.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What the first page showed.
    first: Option<(i64, Status)>,
    /// The rows that were read, including those that are left out.
    offset: u64,
    /// The rows that are kept.
    ids: HashSet<String>,
}

/// What follows from a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextPage {
    /// Another page is to be read.
    Read,
    /// The reading is complete, with this number of different results.
    Complete(u64),
    /// The pages do not fit together, and why: start again later.
    Shifted(&'static str),
}

/// What a reading is compared with: the newest observation of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// `num_results` of the observation.
    pub results: i64,
    /// The observation is recent: a page that shows fewer results comes from before it.
    pub is_recent: bool,
}

impl Reading {
    /// Returns the offset of the next page, in rows.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the page at [`offset`](Self::offset), and returns what follows from it.
    pub fn read(&mut self, page: &ResultsPage, expected: Expected) -> NextPage {
        let Observation {
            status, results, ..
        } = &page.seen;
        let (first_results, first_status) = self.first.get_or_insert((*results, status.clone()));
        if (*first_results, &*first_status) != (*results, status) {
            return NextPage::Shifted("the task changed while its results were read");
        }
        if expected.is_recent && *results < expected.results {
            return NextPage::Shifted("the results are older than the newest poll of the task");
        }
        for row in &page.rows {
            if !self.ids.insert(row.result_id.clone()) {
                return NextPage::Shifted("a result came twice while the results were read");
            }
        }
        self.offset += page.len as u64;
        // A page can be shorter than asked for: the service may clamp the limit.
        let is_all = i64::try_from(self.offset).is_ok_and(|offset| offset >= *results);
        if page.len == 0 || is_all {
            NextPage::Complete(self.ids.len() as u64)
        } else {
            NextPage::Read
        }
    }
}
