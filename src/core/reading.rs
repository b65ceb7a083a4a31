//! One reading of all results of a task, page by page.
//!
//! The service shows results by relevance, and pages can shift while they are read. So a reading is complete only if all its pages
//! showed the same task (`num_results` and `status`), join up, contain no result twice, and show as many results as they and the
//! newest poll count. Every row that was read is kept either way. What else was read is repeated, and accepted in the end: see
//! [`doubt`](super::doubt).

use super::doubt::{Doubt, Doubts, Kind, SHIFTS_MAX};
use super::gate::RETRY_AFTER_MAX;
use super::observation::{Observation, Status};
use super::policy::Retry;
use super::results::ResultsPage;
use super::{after, pace};
use jiff::Timestamp;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The most rows of one reading.
pub const ROWS_MAX: u64 = 100_000;

/// The most pages of one reading. The service may return as few as one row a page.
pub const PAGES_MAX: u32 = 10_000;

/// The longest delay before the next reading, whatever a setting or `Retry-After` says. A later time in the database is from before
/// the clock went back.
pub const DELAY_MAX: Duration = RETRY_AFTER_MAX;

/// A reading in progress.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// It goes on to its end although its pages do not fit together.
    reads_on: bool,
    /// What the first page showed.
    first: Option<(i64, Status)>,
    /// The rows that were read, including those that are left out.
    offset: u64,
    /// The pages that were read.
    pages: u32,
    /// The rows that are kept.
    ids: HashSet<String>,
    /// Why its pages do not fit together.
    shifted: Option<&'static str>,
    /// Why rows are not kept.
    left_out: Option<String>,
}

/// What follows from a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextPage {
    /// Another page is to be read.
    Read,
    /// The reading is complete, with this number of different results.
    Complete(u64),
    /// The pages show fewer results than they count, or than the newest observation of the task, which has changed not long ago: the
    /// service does not show all yet.
    NotYet,
    /// The reading has ended, and is not trusted.
    Doubtful(Doubt),
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
    /// Returns a reading without a page. With `reads_on` it goes on to its end although its pages do not fit together.
    #[must_use]
    pub fn new(reads_on: bool) -> Self {
        Self {
            reads_on,
            ..Self::default()
        }
    }

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
            self.shifted("the task changed while its results were read");
        } else if expected.is_recent && *results < expected.results {
            return NextPage::NotYet;
        }
        for row in &page.rows {
            if !self.ids.insert(row.result_id.clone()) {
                self.shifted("a result came twice while the results were read");
            }
        }
        if page.repeated > 0 {
            self.shifted("a page shows a result twice");
        }
        if self.left_out.is_none() {
            self.left_out.clone_from(&page.left_out);
        }
        self.offset += page.len as u64;
        self.pages += 1;
        let shown = i64::try_from(self.offset).unwrap_or(i64::MAX);
        // A page can be shorter than asked for: the service may clamp the limit.
        let mut is_whole = page.len == 0 || shown >= *results;
        if !is_whole && (self.offset >= ROWS_MAX || self.pages >= PAGES_MAX) {
            self.shifted("the service shows more results than a task can have");
            is_whole = true;
        }
        let is_over = is_whole || (self.shifted.is_some() && !self.reads_on);
        if !is_over {
            return NextPage::Read;
        }
        let counted = expected.results.max(*results);
        let is_short = shown < counted;
        let (kind, why) = if let Some(why) = self.shifted {
            (Kind::Shifted, why.to_owned())
        } else if is_short && expected.is_recent {
            return NextPage::NotYet;
        } else if let Some(why) = self.left_out.take() {
            (Kind::LeftOut, why)
        } else if is_short {
            let why = format!("the results show {shown} of {counted}");
            (Kind::Short, why)
        } else {
            return NextPage::Complete(self.ids.len() as u64);
        };
        NextPage::Doubtful(Doubt {
            kind,
            why,
            rows: self.ids.len() as u64,
            is_whole,
            list: self.list(*results),
        })
    }

    fn shifted(&mut self, why: &'static str) {
        self.shifted.get_or_insert(why);
    }

    /// Returns a number for the list that was read. Another version of this program may return another one, which costs a reading.
    fn list(&self, results: i64) -> u64 {
        let mut ids: Vec<&String> = self.ids.iter().collect();
        ids.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (results, ids).hash(&mut hasher);
        hasher.finish()
    }
}

/// Why the results are to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    /// This says nothing of the task's results: the account is refused, or the service shows not all yet.
    Passing,
    /// The reading is not trusted.
    Doubtful(Doubt, Doubts),
    /// The results cannot be read, and why.
    Failed(String),
}

/// What the delay after a [`Setback`] depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// The failures in a row before this one.
    pub failures: i64,
    /// The service worked on the task when the reading began.
    pub was_running: bool,
    /// The service works on the task now.
    pub is_running: bool,
    /// `results.live`: the shortest delay while the service works on the task.
    pub live: Duration,
    /// The shortest delay in any case.
    pub at_least: Duration,
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
    /// The readings that are not trusted; none keeps what is recorded.
    pub doubts: Option<Doubts>,
}

impl Setback {
    /// Returns when to read again. `settle` is `growth.settle`; `jitter` is in `0.0..1.0`.
    ///
    /// Pages of a task at which the service works shift all the time: that is no failure. What a reading began while the service
    /// worked on the task says nothing once it has stopped: the task is due at once.
    #[must_use]
    pub fn next_reading(
        self,
        circumstances: &Circumstances,
        settle: Duration,
        now: Timestamp,
        retry: &Retry,
        jitter: f64,
    ) -> NextReading {
        let Circumstances {
            failures,
            was_running,
            is_running,
            live,
            at_least,
        } = *circumstances;
        let failures = failures.max(0);
        let is_failure = matches!(self, Self::Failed(_));
        if was_running && !is_running && !is_failure {
            return NextReading {
                failures,
                at: now,
                error: None,
                doubts: None,
            };
        }
        let counts = match &self {
            Self::Passing => false,
            Self::Doubtful(doubt, _) => doubt.kind != Kind::Shifted || !is_running,
            Self::Failed(_) => true,
        };
        let failures = failures.saturating_add(i64::from(counts));
        let mut delay = pace::retry_delay(failures, retry, jitter).max(at_least);
        if is_running {
            delay = delay.max(live);
        }
        let (error, doubts) = match self {
            Self::Doubtful(doubt, doubts) if counts => {
                delay = delay.max(Doubts::delay(&doubt, settle));
                let is_error = doubt.kind != Kind::Shifted || doubts.times >= SHIFTS_MAX;
                (is_error.then_some(doubt.why), Some(doubts))
            }
            Self::Passing | Self::Doubtful(..) => (None, None),
            Self::Failed(error) => (Some(error), None),
        };
        NextReading {
            failures,
            at: after(now, delay.min(DELAY_MAX)),
            error,
            doubts,
        }
    }
}

/// Whether two errors of a task's results are of the same kind: the same status code, or the same words before the first colon,
/// whatever numbers are in them.
#[must_use]
pub fn is_same_kind(one: &str, other: &str) -> bool {
    let kind = |error: &str| {
        let kind = error.split(':').next().unwrap_or_default();
        if kind.parse::<u16>().is_ok() {
            kind.to_owned()
        } else {
            kind.replace(|c: char| c.is_ascii_digit(), "")
        }
    };
    kind(one) == kind(other)
}
