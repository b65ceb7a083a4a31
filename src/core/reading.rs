//! One reading of all results of a task, page by page.
//!
//! The service shows results by relevance, and pages can shift while they are read. So a reading counts only if all its pages
//! showed the same task (`num_results` and `status`), join up, and contain no result twice. Every row that was read is kept either way;
//! only a complete reading can show that a result is gone.

use super::observation::{Observation, Status};
use super::policy::Retry;
use super::results::ResultsPage;
use super::{after, pace};
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

/// The most rows of one reading.
pub const ROWS_MAX: u64 = 100_000;

/// The most pages of one reading. The service may return as few as one row a page.
pub const PAGES_MAX: u32 = 10_000;

/// Readings in a row that found the pages shifted before that is an error.
pub const SHIFTS_MAX: i64 = 3;

/// A reading in progress.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What the first page showed.
    first: Option<(i64, Status)>,
    /// The rows that were read, including those that are left out.
    offset: u64,
    /// The pages that were read.
    pages: u32,
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
    /// The pages show fewer results than the newest observation of the task, which has changed not long ago: the service does
    /// not show all yet.
    NotYet,
    /// The pages do not fit together, and why: start again later.
    Shifted(&'static str),
}

/// What a reading is compared with: the newest observation of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// `num_results` of the observation.
    pub results: i64,
    /// The observation has changed not long ago: a page that shows fewer results comes from before it.
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
            return NextPage::NotYet;
        }
        for row in &page.rows {
            if !self.ids.insert(row.result_id.clone()) {
                return NextPage::Shifted("a result came twice while the results were read");
            }
        }
        self.offset += page.len as u64;
        self.pages += 1;
        // A page can be shorter than asked for: the service may clamp the limit.
        let is_all = i64::try_from(self.offset).is_ok_and(|offset| offset >= *results);
        let is_end = page.len == 0;
        if is_all || (is_end && !expected.is_recent) {
            NextPage::Complete(self.ids.len() as u64)
        } else if is_end {
            NextPage::NotYet
        } else if self.offset >= ROWS_MAX || self.pages >= PAGES_MAX {
            NextPage::Shifted("the service shows more results than a task can have")
        } else {
            NextPage::Read
        }
    }
}

/// Why a reading ended before it was complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    /// This says nothing of the task's results: the account is refused, or the service shows not all yet.
    Passing,
    /// The pages do not fit together.
    Shifted(&'static str),
    /// The results cannot be read, and why.
    Failed(String),
}

/// When to read a task's results again after a [`Setback`], and what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextReading {
    /// The failures in a row: `progress.results_failures`.
    pub failures: i64,
    /// Not before this time: `progress.results_next_at`.
    pub at: Timestamp,
    /// The error to record; none keeps what is recorded.
    pub error: Option<String>,
}

impl Setback {
    /// Returns when to read again. `failures` is the number in a row before this one. `at_least` is the shortest delay; `jitter`
    /// is in `0.0..1.0`.
    ///
    /// Pages of a task at which the service works shift all the time: that is no failure.
    #[must_use]
    pub fn next_reading(
        self,
        failures: i64,
        is_running: bool,
        at_least: Duration,
        now: Timestamp,
        retry: &Retry,
        jitter: f64,
    ) -> NextReading {
        let counts = match self {
            Self::Passing => false,
            Self::Shifted(_) => !is_running,
            Self::Failed(_) => true,
        };
        let failures = failures.max(0).saturating_add(i64::from(counts));
        let delay = pace::retry_delay(failures, retry, jitter).max(at_least);
        let error = match self {
            Self::Shifted(why) if counts && failures >= SHIFTS_MAX => Some(why.to_owned()),
            Self::Passing | Self::Shifted(_) => None,
            Self::Failed(error) => Some(error),
        };
        NextReading {
            failures,
            at: after(now, delay),
            error,
        }
    }
}
