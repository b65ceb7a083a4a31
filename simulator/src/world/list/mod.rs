//! The list of tasks: its pages, the copy that it serves while `list_delay_ms` lasts, and its past.

mod history;
mod order;
mod strangers;

use std::time::Duration;

use serde_json::Value;

use self::{
    history::History,
    order::{Entry, RandomOrder},
    strangers::Strangers,
};
use crate::{
    options::{ListShows, Semantics},
    world::{
        Now, World,
        task::{Snapshot, Task},
        task_input::{TaskInput, random_query},
    },
};

/// What the list remembers between two requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    requests: u64,
    /// When each own task was added, in real time.
    added: Vec<Duration>,
    /// The own tasks that clients created, in ascending order.
    created: Vec<usize>,
    cached: Option<CachedList>,
    random: RandomOrder,
    strangers: Strangers,
    history: History,
}

#[derive(Debug, Clone)]
struct CachedList {
    /// When it was made, in real time.
    at: Duration,
    /// The virtual time that it shows.
    time: Duration,
    /// The own tasks in the order of creation.
    shown: Vec<Shown>,
}

/// What the list shows of an own task.
#[derive(Debug, Clone, Copy)]
struct Shown {
    snapshot: Snapshot,
    /// The number of finished runs at that time.
    runs: usize,
}

impl List {
    /// The number of tasks that clients created.
    pub fn created_count(&self) -> usize {
        self.created.len()
    }

    /// Records that a client created a task, the newest one.
    pub fn record_created(&mut self, nth: usize) {
        self.created.push(nth);
    }

    /// Whether requests that name a task find it: not those for a created task, while `create_get_delay_ms` lasts.
    pub fn is_found(&self, nth: usize, now: Now, semantics: &Semantics) -> bool {
        let delay = semantics.create_get_delay();
        delay.is_zero()
            || self.created.binary_search(&nth).is_err()
            || self.added[nth] + delay <= now.real
    }

    /// Returns how many own tasks the list has: those before the first one that it lacks.
    fn shown_count(&self, now: Now, semantics: &Semantics) -> usize {
        let lag = semantics.list_lag();
        let own = self.added.partition_point(|at| *at + lag <= now.real);
        let delay = lag + semantics.create_delay();
        let created = &self.created;
        let shown = created.partition_point(|nth| self.added[*nth] + delay <= now.real);
        created.get(shown).map_or(own, |first| own.min(*first))
    }
}

impl World {
    /// Returns a page (offset and limit) of the list of tasks.
    ///
    /// The list shows the tasks at `past`: `list_lag_ms` ago, or now.
    pub fn list(
        &mut self,
        now: Now,
        past: Now,
        page: (usize, usize),
        semantics: &Semantics,
    ) -> Value {
        self.list.requests += 1;
        if semantics.longest_lag().is_zero() {
            self.list.history.clear();
        }
        if self.list.strangers.count() != semantics.strangers {
            let (count, own) = (semantics.strangers, self.tasks.len());
            self.list.strangers = Strangers::new(self.seed, count, own, now.time);
        }
        let own = self.list.shown_count(now, semantics);
        let delay = Duration::from_millis(semantics.list_delay_ms);
        let cached = self.list.cached.take();
        self.list.cached = cached.filter(|list| now.real < list.at + delay);
        if self.list.cached.is_none() && !delay.is_zero() {
            let shown = (0..own).map(|nth| self.shown(now, past, nth, semantics));
            self.list.cached = Some(CachedList {
                shown: shown.collect(),
                at: now.real,
                time: past.time,
            });
        }
        let cached = self.list.cached.as_ref();
        let (own, time) = cached.map_or((own, past.time), |list| (list.shown.len(), list.time));
        let entries = order::page(
            semantics.list_order,
            &mut self.list.random,
            (self.seed, self.list.requests),
            (own, &self.list.strangers),
            page,
        );
        let page = entries.into_iter().map(|entry| match entry {
            Entry::Own(nth) => {
                let cached = self.list.cached.as_ref().map(|list| list.shown[nth]);
                let shown = cached.unwrap_or_else(|| self.shown(now, past, nth, semantics));
                self.record_listed(now, nth, shown);
                self.render(nth, shown.snapshot, semantics.list_shows)
            }
            Entry::Stranger(nth) => self.render_stranger(nth, time, semantics.list_shows),
        });
        Value::Array(page.collect())
    }

    /// Records that a task was added.
    pub(super) fn record_added(&mut self, now: Now, nth: usize, semantics: &Semantics) {
        self.list.added.push(now.real);
        self.record_change(now, nth, semantics);
    }

    /// Stores a task before its first change, for a list or results that lag behind.
    pub(super) fn before_change(&mut self, nth: usize, semantics: &Semantics) {
        if !semantics.longest_lag().is_zero() {
            self.list.history.begin(nth, &self.tasks[nth]);
        }
    }

    /// Stores a task after a change that a client caused, for a list or results that lag behind.
    pub(super) fn record_change(&mut self, now: Now, nth: usize, semantics: &Semantics) {
        let lag = semantics.longest_lag();
        if lag.is_zero() {
            self.list.history.clear();
        } else {
            let task = &self.tasks[nth];
            self.list.history.record(nth, task, now.real, lag);
        }
    }

    /// Counts a poll, which can make results fall, and returns what the list shows of a task.
    fn shown(&mut self, now: Now, past: Now, nth: usize, semantics: &Semantics) -> Shown {
        self.before_change(nth, semantics);
        let snapshot = self.observed(now, nth, semantics);
        if semantics.list_lag().is_zero() {
            let runs = self.tasks[nth].finished_runs.len();
            return Shown { snapshot, runs };
        }
        let task = self.past_task(past, nth, semantics);
        Shown {
            snapshot: task.visible(past),
            runs: task.finished_runs.len(),
        }
    }

    /// Returns a task as it was at `past`.
    pub(super) fn past_task(&self, past: Now, nth: usize, semantics: &Semantics) -> Task {
        let task = self.list.history.at(nth, past.real);
        let mut task = task.unwrap_or(&self.tasks[nth]).clone();
        task.advance_to(past.time, semantics);
        task
    }

    /// Records when a page first showed the end of the last run.
    fn record_listed(&mut self, now: Now, nth: usize, shown: Shown) {
        let last = shown.runs.checked_sub(1);
        let run = last.and_then(|last| self.tasks[nth].finished_runs.get_mut(last));
        if let Some(run) = run.filter(|run| run.listed.is_none() && !shown.snapshot.is_running()) {
            run.listed = Some(now.time);
        }
    }

    /// Returns a stranger's task at a virtual time.
    fn render_stranger(&self, nth: u32, time: Duration, shows: ListShows) -> Value {
        let strangers = &self.list.strangers;
        let created = strangers.created(nth, |own| self.tasks[own].created);
        let age = Duration::try_from(created).map_or_else(
            |_| time.saturating_add(created.unsigned_abs()),
            |created| time.saturating_sub(created),
        );
        let query = random_query(strangers.key(nth));
        let input = TaskInput::from_query(query);
        let input = match shows {
            ListShows::Task => input.inferred(self.seed),
            ListShows::Progress => input,
        };
        let created = self.timestamp_before(created);
        let snapshot = strangers.snapshot(nth, age);
        super::render(&strangers.id(nth), created, &input, snapshot, shows)
    }
}
