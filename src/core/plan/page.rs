//! The tasks that one page should show, and when it is worth reading.

use crate::core::task_id::TaskId;
use crate::core::{after, since};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// The shortest gap that counts: a task of which nothing is known yet does not outweigh all others.
const GAP_MIN: Duration = Duration::from_secs(1);

/// Changes of the sums before they are added up anew, beyond one for each task: rounding errors must not pile up.
const CHANGES_MAX: usize = 64;

/// The tasks that one page should show.
///
/// The worth of a task is a square of the time, so the worth of all of them is one quadratic. Its coefficients are kept up to
/// date with each task that comes or goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    tasks: HashMap<TaskId, Seen>,
    /// The same tasks, the one that is worth a request soonest first.
    by_urgency: BTreeSet<(Timestamp, TaskId)>,
    /// The time that the sums count from.
    base: Timestamp,
    sums: Sums,
    /// Changes of the sums since they were added up anew.
    changes: usize,
    /// When the newest request for the page was begun that has ended.
    pub read_at: Option<Timestamp>,
    /// When the request was begun that is under way.
    pub asked_at: Option<Timestamp>,
}

/// When a task was seen, and when it is wanted again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub at: Timestamp,
    pub due: Timestamp,
}

impl Seen {
    /// Returns what seeing the task at `now` is worth, in requests.
    pub fn worth(self, now: Timestamp) -> f64 {
        let share = since(self.at, now).as_secs_f64() / self.gap();
        share * share
    }

    /// Returns the same, but not more than the one request that would show the task anyway.
    pub fn saved(self, now: Timestamp) -> f64 {
        self.worth(now).min(1.0)
    }

    /// Returns when seeing the task is worth one request.
    fn urgent_at(self) -> Timestamp {
        self.due.max(after(self.at, GAP_MIN))
    }

    fn gap(self) -> f64 {
        since(self.at, self.urgent_at()).as_secs_f64()
    }
}

impl Members {
    pub fn insert(&mut self, id: TaskId, seen: Seen) {
        self.remove(&id);
        if self.tasks.is_empty() {
            self.base = seen.at;
            self.sums = Sums::default();
        }
        self.sums = self.sums.plus(&Sums::of(seen, self.base));
        self.by_urgency.insert((seen.urgent_at(), id.clone()));
        self.tasks.insert(id, seen);
        self.changed();
    }

    pub fn remove(&mut self, id: &TaskId) {
        if let Some(seen) = self.tasks.remove(id) {
            self.sums = self.sums.without(&Sums::of(seen, self.base));
            self.by_urgency.remove(&(seen.urgent_at(), id.clone()));
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.changes += 1;
        if self.changes < self.tasks.len() + CHANGES_MAX {
            return;
        }
        self.changes = 0;
        let first = self.tasks.values().map(|seen| seen.at).min();
        self.base = first.unwrap_or_default();
        let ones = self.tasks.values().map(|seen| Sums::of(*seen, self.base));
        self.sums = ones.fold(Sums::default(), |sums, one| sums.plus(&one));
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Removes all tasks, and returns them in the order of their ids.
    pub fn drain(&mut self) -> Vec<TaskId> {
        self.by_urgency.clear();
        self.sums = Sums::default();
        let tasks = std::mem::take(&mut self.tasks);
        let mut ids: Vec<TaskId> = tasks.into_keys().collect();
        ids.sort_unstable();
        ids
    }

    /// Returns the task that is wanted again after the shortest gap, and that gap.
    pub fn soonest(&self) -> Option<(Duration, TaskId)> {
        let gaps = self.tasks.iter();
        let gaps = gaps.map(|(id, seen)| (since(seen.at, seen.due), id));
        gaps.min().map(|(gap, id)| (gap, id.clone()))
    }

    /// Returns what reading the page at `now` is worth, in requests.
    pub fn worth(&self, now: Timestamp) -> f64 {
        self.sums.at(seconds(self.base, now))
    }

    /// Returns how many polls of single tasks reading the page at `now` saves.
    pub fn saved(&self, now: Timestamp) -> f64 {
        self.tasks.values().map(|seen| seen.saved(now)).sum()
    }

    /// Returns when reading the page is worth `all` requests, and `others` without its most urgent task; none with fewer than
    /// two tasks.
    pub fn worth_at(&self, all: f64, others: f64) -> Option<Timestamp> {
        if self.tasks.len() < 2 {
            return None;
        }
        let (_, urgent) = self.by_urgency.first()?;
        let urgent = Sums::of(*self.tasks.get(urgent)?, self.base);
        let without = self.sums.without(&urgent);
        let at = self.sums.reaches(all).max(without.reaches(others));
        let delay = Duration::try_from_secs_f64(at.max(0.0)).ok()?;
        Some(after(self.base, delay))
    }
}

/// The coefficients of `a t² - 2 b t + c`, a sum of the worth of tasks.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    a: f64,
    b: f64,
    c: f64,
}

impl Sums {
    fn of(seen: Seen, base: Timestamp) -> Self {
        let gap = seen.gap();
        let (weight, from) = (1.0 / (gap * gap), seconds(base, seen.at));
        Self {
            a: weight,
            b: weight * from,
            c: weight * from * from,
        }
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            a: self.a + other.a,
            b: self.b + other.b,
            c: self.c + other.c,
        }
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            a: self.a - other.a,
            b: self.b - other.b,
            c: self.c - other.c,
        }
    }

    fn at(&self, t: f64) -> f64 {
        ((self.a * t - 2.0 * self.b) * t + self.c).max(0.0)
    }

    /// Returns the later time at which the sum has this value; infinity if never.
    fn reaches(&self, value: f64) -> f64 {
        if self.a <= 0.0 {
            return f64::INFINITY;
        }
        let root = self.b * self.b - self.a * (self.c - value);
        (self.b + root.max(0.0).sqrt()) / self.a
    }
}

/// Returns the seconds from `base` to `at`, negative if `at` is earlier.
fn seconds(base: Timestamp, at: Timestamp) -> f64 {
    at.duration_since(base).as_secs_f64()
}
