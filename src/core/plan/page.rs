//! The tasks that one page should show, and when it is worth reading.

use crate::core::task_id::TaskId;
use crate::core::{after, since};
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// The shortest gap that counts, in seconds.
const GAP_MIN: f64 = 1.0;

/// The tasks that one page should show.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    tasks: HashMap<TaskId, (Timestamp, Timestamp)>,
    /// When the newest request for the page was begun that was answered.
    pub read_at: Option<Timestamp>,
    /// When the request was begun that is under way.
    pub asked_at: Option<Timestamp>,
}

/// Returns what seeing a task at `now` is worth, in requests.
pub(super) fn worth(seen_at: Timestamp, due: Timestamp, now: Timestamp) -> f64 {
    let share = since(seen_at, now).as_secs_f64() / gap(seen_at, due);
    share * share
}

fn gap(seen_at: Timestamp, due: Timestamp) -> f64 {
    since(seen_at, due).as_secs_f64().max(GAP_MIN)
}

impl Members {
    pub fn insert(&mut self, id: TaskId, seen_at: Timestamp, due: Timestamp) {
        self.tasks.insert(id, (seen_at, due));
    }

    pub fn remove(&mut self, id: &TaskId) {
        self.tasks.remove(id);
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Removes all tasks.
    pub fn drain(&mut self) -> Vec<(TaskId, Timestamp, Timestamp)> {
        let tasks = std::mem::take(&mut self.tasks).into_iter();
        tasks
            .map(|(id, (seen_at, due))| (id, seen_at, due))
            .collect()
    }

    /// Returns the task that is to be seen again after the shortest gap, and that gap.
    pub fn soonest(&self) -> Option<(Duration, TaskId)> {
        let gaps = self.tasks.iter();
        let soonest = gaps.min_by_key(|(_, (seen_at, due))| since(*seen_at, *due));
        soonest.map(|(id, (seen_at, due))| (since(*seen_at, *due), id.clone()))
    }

    /// Returns what reading the page at `now` is worth, in requests.
    pub fn worth(&self, now: Timestamp) -> f64 {
        let tasks = self.tasks.values();
        tasks.map(|(seen_at, due)| worth(*seen_at, *due, now)).sum()
    }

    /// Returns when reading the page is worth `all` requests, and `others` without its most urgent task; none with fewer than
    /// two tasks.
    pub fn worth_at(&self, all: f64, others: f64) -> Option<Timestamp> {
        if self.tasks.len() < 2 {
            return None;
        }
        // Each task adds w (t - s)²; both sums are quadratic in t, which counts from the first sighting.
        let first = self.tasks.values().map(|(seen_at, _)| *seen_at).min()?;
        let mut sums = Sums::default();
        let mut greatest = Sums::default();
        for (seen_at, due) in self.tasks.values() {
            let mut one = Sums::default();
            let gap = gap(*seen_at, *due);
            one.add(1.0 / (gap * gap), since(first, *seen_at).as_secs_f64());
            sums.add_all(&one);
            if one.reaches(1.0) < greatest.reaches(1.0) {
                greatest = one;
            }
        }
        let without = sums.without(&greatest);
        let at = sums.reaches(all).max(without.reaches(others));
        let delay = Duration::try_from_secs_f64(at.max(0.0)).ok()?;
        Some(after(first, delay))
    }
}

/// The coefficients of `a t² - 2 b t + c`, a sum of squares.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    a: f64,
    b: f64,
    c: f64,
}

impl Sums {
    fn add(&mut self, weight: f64, from: f64) {
        self.a += weight;
        self.b += weight * from;
        self.c += weight * from * from;
    }

    fn add_all(&mut self, other: &Self) {
        self.a += other.a;
        self.b += other.b;
        self.c += other.c;
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            a: self.a - other.a,
            b: self.b - other.b,
            c: self.c - other.c,
        }
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
