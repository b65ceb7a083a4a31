//! Readings of results that are not trusted at first: they are repeated, and accepted after a bounded number of times.
//!
//! Pages that are wrong once are mostly right at the next reading. But a service may show fewer results than it counts, or one id
//! twice, for as long as it is asked. Such results are accepted as they are shown, since every row that was read is kept anyway. A result
//! is taken for gone only if the same list was shown several times.

use super::since;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Readings in a row that leave a doubt before results that fit together are accepted.
pub const DOUBTS_MAX: u32 = 3;

/// Readings in a row whose pages shifted before all results are asked for on one page, which cannot shift, and before that is an error.
pub const SHIFTS_MAX: u32 = 3;

/// Readings in a row that leave a doubt, of any kind, before the results are accepted.
pub const REPEATS_MAX: u32 = 6;

/// The most rows of one page.
const PAGE_MAX: u32 = 1000;

/// Why a reading is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What kind of doubt it is.
    pub kind: Kind,
    /// The reason, for people.
    pub why: String,
    /// The number of different results that were read.
    pub rows: u64,
    /// All pages were read, whether they fit together or not.
    pub is_whole: bool,
    /// A number that is another one, most probably, for another list of results.
    pub list: u64,
}

/// A kind of doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The pages show fewer results than they count, or than the newest poll has shown.
    Short,
    /// Rows cannot be kept.
    LeftOut,
    /// The pages do not fit together, or one of them shows a result twice.
    Shifted,
}

/// The readings in a row that left a doubt: `progress.results_doubts`, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// How many they are.
    pub times: u32,
    /// The counters that the task had at all of them, as `progress.results_counters` has them.
    pub counters: String,
    /// The list that the newest of them showed; none if it showed no list that can be accepted in full.
    pub list: Option<u64>,
    /// How many in a row showed that list.
    pub list_times: u32,
    /// When the first of those ended.
    pub list_since: Timestamp,
}

/// What follows from a reading that leaves a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The results are read again.
    Repeated,
    /// They are accepted as they are shown.
    Accepted {
        /// The same list was shown so often that what is not on it is gone.
        marks_gone: bool,
    },
}

impl Doubts {
    /// Adds a reading that ended at `now`. `before` are the readings until then; those at other counters say nothing of these.
    #[must_use]
    pub fn with(before: Option<Self>, doubt: &Doubt, counters: &str, now: Timestamp) -> Self {
        let before = before.filter(|before| before.counters == counters);
        let list = (doubt.kind == Kind::Short).then_some(doubt.list);
        let times = before.as_ref().map_or(0, |before| before.times);
        let same = before.filter(|before| before.list == list);
        let (list_times, list_since) = same.map_or((0, now), |before| {
            // Later than now: the clock went back.
            (before.list_times, before.list_since.min(now))
        });
        Self {
            times: times.saturating_add(1),
            counters: counters.to_owned(),
            list,
            list_times: list_times.saturating_add(1),
            list_since,
        }
    }

    /// Returns what follows from the newest of the readings, which left this doubt. The same list is accepted if it was shown over
    /// at least `settle`.
    #[must_use]
    pub fn verdict(&self, doubt: &Doubt, settle: Duration, now: Timestamp) -> Verdict {
        if !doubt.is_whole {
            return Verdict::Repeated;
        }
        let is_same = self.list.is_some()
            && self.list_times >= DOUBTS_MAX
            && since(self.list_since, now) >= settle;
        let is_enough = match doubt.kind {
            Kind::LeftOut => self.times >= DOUBTS_MAX,
            Kind::Short | Kind::Shifted => self.times >= REPEATS_MAX,
        };
        if is_same || is_enough {
            Verdict::Accepted {
                marks_gone: is_same,
            }
        } else {
            Verdict::Repeated
        }
    }

    /// Returns the shortest delay before the next reading: then the last one ends at least `settle` after the first.
    #[must_use]
    pub fn delay(doubt: &Doubt, settle: Duration) -> Duration {
        match doubt.kind {
            // Times are kept in milliseconds.
            Kind::Short => settle / (DOUBTS_MAX - 1) + Duration::from_millis(1),
            Kind::LeftOut | Kind::Shifted => Duration::ZERO,
        }
    }

    /// Whether the next reading is to be read to its end although its pages do not fit together: it is then accepted.
    #[must_use]
    pub fn reads_on(&self) -> bool {
        self.times.saturating_add(1) >= REPEATS_MAX
    }

    /// Returns the number of rows to ask for at the next reading, of a task with so many results, if that is not the usual one.
    #[must_use]
    pub fn limit(&self, results: i64) -> Option<u32> {
        let all = u32::try_from(results)
            .unwrap_or(PAGE_MAX)
            .clamp(1, PAGE_MAX);
        (self.times >= SHIFTS_MAX).then_some(all)
    }
}
