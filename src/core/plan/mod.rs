//! The plan of requests: which pages of the service's list and which single tasks to ask for now.
//!
//! # The rule
//!
//! A request is worth it once the delay that it may end outweighs its price. The pace gives each running task the gap after
//! which a request for it alone is worth it. If the end may come at any time, the expected delay grows with the square of
//! the time since the task was last seen. So a task is worth `(time / gap)²` requests, and a page is worth the sum over the tasks
//! that it shows. A page is read once that sum, times the share of it that earlier pages really brought, is at least 1;
//! but only if the sum without its most urgent task is at least one half. Otherwise a poll of that one task is better, since
//! only such a poll can decide about money. `docs/performance.md` derives and measures this.
//!
//! # Guarantees
//!
//! A page is read at most once in `min_interval`. A task is polled alone when it is due, unless a page that should show it
//! is about to be read, or is under way. Once the page is asked for, the task waits for `min_interval` at most, whatever the list says and
//! however slow it is; a task whose page is not known waits for a second at most, unless more of them are looked for than a page has. Nothing here is stored: after a restart the plan finds the tasks again.

mod choose;
mod claims;
mod page;
mod read;
mod scan;
mod trust;
mod usability;

pub use trust::{Reliance, Setback};
pub use usability::Usability;

use super::policy::Polling;
use super::progress::Progress;
use super::task_id::TaskId;
use super::{after, since};
use claims::Claims;
use jiff::Timestamp;
use page::{Members, Seen};
use scan::Scan;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use trust::Trust;

/// The price of a request: seconds of delay of one task.
const PRICE: f64 = 0.9;

/// How many times longer than for its answer a task waits for a page to be asked for.
const OVERLOADED: u32 = 6;

/// The longest wait of a task whose page is not known, if no more than a page of them are looked for.
const NEW_WAITS: Duration = Duration::from_secs(1);

/// How long after it was due a task is forgotten that is not polled: it was paused or removed. A poll brings it back.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// How often such tasks are looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// A page of the list to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The number of the page, from 0.
    pub page: u32,
    /// The number of tasks to skip.
    pub offset: u64,
    /// The number of tasks to ask for.
    pub limit: u32,
    /// How far the list is relied on.
    pub reliance: Reliance,
    /// Tasks of which entries are left out: polls did not confirm what the list showed of them.
    pub ignored: HashSet<TaskId>,
}

/// Returns when seeing a task again is worth a whole request, if it was as known at `seen_at`; none if the list cannot stand in
/// for polls of it.
///
/// That is when it is due, or sooner: the estimate behind that may be wrong. If the end may come at any time, a run of age
/// `a` ends in the next second with a probability of about `1 / a`, and the best gap is `sqrt(2 * PRICE * a)`.
#[must_use]
pub fn wanted_at(progress: &Progress, seen_at: Timestamp) -> Option<Timestamp> {
    let due = progress.next_poll_at.filter(|_| progress.is_watched())?;
    let began = progress.run_started_at.unwrap_or(seen_at);
    let gap = (2.0 * PRICE * since(began, seen_at).as_secs_f64()).sqrt();
    Some(due.min(after(seen_at, Duration::from_secs_f64(gap))))
}

/// What an entry of a page meant for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The task was seen as it was at `seen_at`, and is to be seen again at `due`.
    Watched {
        /// When the task was as the entry shows it.
        seen_at: Timestamp,
        /// When it is [wanted](wanted_at) again.
        due: Timestamp,
    },
    /// A poll of the task has to confirm what the entry shows.
    Confirm(ToConfirm),
    /// The entry shows less than is known.
    Older {
        /// When that was seen at the latest.
        than: Option<Timestamp>,
    },
    /// The task may have been polled alone, or its run may have begun, since: the list may lag.
    Overtaken,
    /// The task is not one that the list can stand in for.
    Unwatched,
}

/// What a poll of a task has to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToConfirm {
    /// The end of a run.
    End {
        /// The age of the run when the page was asked for.
        age: Duration,
    },
    /// Another state of a task that the service is at work on: it has reached its target, for example.
    State,
    /// That the service is still at work: the task was not polled alone for long, has all the results that it was asked for, or is to be
    /// reported as quiet.
    Work,
}

/// A page as it was read and stored.
#[derive(Debug, Clone)]
pub struct PageShown {
    /// When it was asked for.
    pub started_at: Timestamp,
    /// The number of its entries.
    pub len: usize,
    /// What its entries meant for growd's tasks.
    pub tasks: Vec<(TaskId, Shown)>,
}

/// Where a task is in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On this page, as far as known.
    Page(u32),
    /// Not known yet.
    Unknown,
    /// Not found. It is looked for again then.
    Absent { until: Timestamp },
}

/// A task at work, as far as the plan knows it.
#[derive(Debug, Clone, Copy)]
struct Watched {
    place: Place,
    seen_at: Timestamp,
    due: Timestamp,
    /// When the newest poll of it alone was begun at the latest.
    polled_at: Timestamp,
    /// Since when it is due and waits for a page.
    held_since: Option<Timestamp>,
    /// The place is a guess: it was not on the page where it was before.
    is_guess: bool,
}

impl Watched {
    fn new(place: Place, seen_at: Timestamp, due: Timestamp, polled_at: Timestamp) -> Self {
        Self {
            place,
            seen_at,
            due,
            polled_at,
            held_since: None,
            is_guess: false,
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            at: self.seen_at,
            due: self.due,
        }
    }
}

/// A task of which the list shows what a poll has to confirm.
#[derive(Debug, Clone, Copy)]
struct Confirming {
    what: ToConfirm,
    page: Option<u32>,
    shown_at: Timestamp,
}

/// The plan of requests.
#[derive(Debug)]
pub struct Plan {
    min_interval: Duration,
    tasks: HashMap<TaskId, Watched>,
    pages: BTreeMap<u32, Members>,
    /// The tasks whose page is not known, which the next page of a scan may show.
    unknown: Members,
    scan: Scan,
    trust: Trust,
    /// Tasks of which the list shows what a poll has to confirm.
    confirming: HashMap<TaskId, Confirming>,
    claims: Claims,
    /// By how many pages a task moves that is no longer on its page: 1 where new tasks come first.
    drift: i64,
    /// A task to compare the list with.
    check: Option<TaskId>,
    /// The task that the list is being compared with.
    checking: Option<TaskId>,
    /// The task that last refuted an end that the list showed.
    refuted_by: Option<TaskId>,
    /// When tasks were last looked for that are polled no more.
    swept_at: Option<Timestamp>,
}

impl Plan {
    /// Returns a plan that knows no task.
    #[must_use]
    pub fn new(polling: &Polling) -> Self {
        Self {
            min_interval: polling.min_interval,
            tasks: HashMap::new(),
            pages: BTreeMap::new(),
            unknown: Members::default(),
            scan: Scan::default(),
            trust: Trust::new(polling.list_page),
            confirming: HashMap::new(),
            claims: Claims::default(),
            drift: 1,
            check: None,
            checking: None,
            refuted_by: None,
            swept_at: None,
        }
    }

    /// Applies new intervals and another page length. What is known of the list is kept, unless the pages are other ones now.
    pub fn reconfigure(&mut self, polling: &Polling, before: &Polling) {
        if polling.list_page == before.list_page {
            self.min_interval = polling.min_interval;
        } else {
            *self = Self::new(polling);
        }
    }

    /// Returns whether a due task is to be polled alone now; otherwise a page that should show it is read first. Only for
    /// tasks that are [watched](super::progress::Progress::is_watched).
    pub fn polls_alone(&mut self, id: &TaskId, now: Timestamp) -> bool {
        if self.trust.page_len() == 0 {
            return true;
        }
        if !self.tasks.contains_key(id) {
            let seen_at = now.checked_sub(self.min_interval).unwrap_or(now);
            self.insert(id.clone(), Watched::new(Place::Unknown, seen_at, now, now));
        }
        let longest = self.longest_wait(id, now);
        let (Some(longest), Some(task)) = (longest, self.tasks.get_mut(id)) else {
            return true;
        };
        let held_since = *task.held_since.get_or_insert(now);
        !still_waits(held_since, longest, now)
    }

    /// Returns whether a due task [was told](Self::polls_alone) to wait for a page that should show it, and still does: for `min_interval` at
    /// most if the page was asked for, and for `OVERLOADED` times that if it is due but the limits leave no room for it.
    #[must_use]
    pub fn awaits_page(&self, id: &TaskId, now: Timestamp) -> bool {
        let held_since = self.tasks.get(id).and_then(|task| task.held_since);
        held_since.is_some_and(|held_since| {
            let longest = self.longest_wait(id, now);
            longest.is_some_and(|longest| still_waits(held_since, longest, now))
        })
    }

    /// Returns how long a task may wait for the page that should show it; none if that is not about to be read.
    fn longest_wait(&self, id: &TaskId, now: Timestamp) -> Option<Duration> {
        let page = self.page_of(id)?;
        let is_about_to = self.trust.is_usable(now) && self.is_due(page, now);
        if std::ptr::eq(page, &raw const self.unknown) {
            // It may have been added just now. Where many are looked for, as after a start, pages find them sooner than polls.
            let are_few = page.len() <= self.trust.page_len() as usize;
            let longest = if are_few { NEW_WAITS } else { Duration::MAX };
            let waits = page.asked_at.is_some() || is_about_to;
            waits.then_some(self.min_interval.min(longest))
        } else if page.asked_at.is_some() {
            Some(self.min_interval)
        } else if is_about_to {
            Some(self.min_interval.saturating_mul(OVERLOADED))
        } else {
            None
        }
    }

    /// Returns the page that should show a task.
    fn page_of(&self, id: &TaskId) -> Option<&Members> {
        match self.tasks.get(id)?.place {
            Place::Page(page) => self.pages.get(&page),
            Place::Unknown => Some(&self.unknown),
            Place::Absent { .. } => None,
        }
    }

    /// Notes that a task was polled alone. `due` is when it is [wanted](wanted_at) again, none if it is no longer watched; `is_running` is
    /// what the poll showed, none if it failed.
    pub fn polled(
        &mut self,
        id: &TaskId,
        started_at: Timestamp,
        is_running: Option<bool>,
        due: Option<Timestamp>,
    ) {
        let confirming = self.confirming.remove(id);
        if let Some(ToConfirm::End { age }) = confirming.map(|shown| shown.what) {
            match is_running {
                Some(true) => self.refuted(id, age, started_at),
                Some(false) => self.trust.confirmed(started_at),
                None => {}
            }
        }
        if is_running == Some(false) {
            self.claims.forget(id);
        }
        let known = self.remove(id);
        if self.checking.take_if(|checking| checking == id).is_some() && is_running == Some(false) {
            // The list may hide the ends of others too.
            self.check = self.polled_longest_ago(started_at);
        }
        let Some(due) = due.filter(|_| self.trust.page_len() > 0) else {
            return;
        };
        let page = confirming.and_then(|shown| shown.page);
        let shown_on = page.map_or(Place::Unknown, Place::Page);
        let place = match known.map_or(shown_on, |task| task.place) {
            Place::Absent { until } if until <= started_at => Place::Unknown,
            place => place,
        };
        let ignored_until = self.claims.ignored_until(id, started_at);
        let place = ignored_until.map_or(place, |until| Place::Absent { until });
        let task = Watched::new(place, started_at, due, started_at);
        self.insert(id.clone(), task);
    }

    /// Notes that a poll did not show the end that the list showed of a run of this age. If the same task did so before, the
    /// list is wrong about that task, and no lag follows for the others.
    fn refuted(&mut self, id: &TaskId, age: Duration, at: Timestamp) {
        if self.refuted_by.as_ref() == Some(id) {
            self.claims.made(id, at);
        } else {
            self.trust.refuted(age);
            self.refuted_by = Some(id.clone());
        }
    }

    /// Returns the task on a page whose last poll alone is the oldest, if that was not just now.
    fn polled_longest_ago(&self, now: Timestamp) -> Option<TaskId> {
        let listed = self.tasks.iter();
        let listed = listed.filter(|(_, task)| matches!(task.place, Place::Page(_)));
        let (id, task) = listed.min_by_key(|(_, task)| task.polled_at)?;
        (since(task.polled_at, now) >= self.min_interval).then(|| id.clone())
    }

    /// Chooses a task to compare the list with, if it was not compared for a while: the one that is wanted again soonest.
    fn checks(&mut self, now: Timestamp) {
        if self.trust.needs_check(now) {
            let moving = self.pages.values().filter_map(Members::soonest);
            self.check = moving.min_by_key(|(gap, _)| *gap).map(|(_, id)| id);
        }
    }

    /// Returns a task to poll alone now although it is not due, so that the next page can be compared with what that shows: a
    /// list that lags shows less. None if it was polled within `min_interval`: that poll serves as well.
    pub fn next_check(&mut self, now: Timestamp) -> Option<TaskId> {
        let id = self.check.take()?;
        let polled_at = self.tasks.get(&id)?.polled_at;
        let is_chosen = after(polled_at, self.min_interval) <= now;
        self.checking = is_chosen.then(|| id.clone());
        is_chosen.then_some(id)
    }

    /// Forgets tasks that were paused or removed: nothing else tells the plan. A task that was not found is looked for again
    /// once it is polled.
    fn sweep(&mut self, now: Timestamp) {
        if since(*self.swept_at.get_or_insert(now), now) < SWEEP_EVERY {
            return;
        }
        self.swept_at = Some(now);
        self.confirming
            .retain(|_, shown| since(shown.shown_at, now) < FORGOTTEN_AFTER);
        self.claims.sweep(now);
        let tasks = self.tasks.iter().filter(|(_, task)| {
            let is_over = matches!(task.place, Place::Absent { until } if until <= now);
            is_over || since(task.due, now) >= FORGOTTEN_AFTER
        });
        let forgotten: Vec<TaskId> = tasks.map(|(id, _)| id.clone()).collect();
        for id in &forgotten {
            self.remove(id);
        }
        self.drop_pages(now);
    }

    fn insert(&mut self, id: TaskId, task: Watched) {
        match task.place {
            Place::Page(page) => {
                let page = self.pages.entry(page).or_default();
                page.insert(id.clone(), task.seen());
            }
            Place::Unknown => self.unknown.insert(id.clone(), task.seen()),
            Place::Absent { .. } => {}
        }
        self.tasks.insert(id, task);
    }

    fn remove(&mut self, id: &TaskId) -> Option<Watched> {
        let task = self.tasks.remove(id)?;
        match task.place {
            Place::Page(page) => {
                if let Some(page) = self.pages.get_mut(&page) {
                    page.remove(id);
                }
            }
            Place::Unknown => self.unknown.remove(id),
            Place::Absent { .. } => {}
        }
        Some(task)
    }
}

/// Returns whether a task that waits for a page since `held_since` goes on waiting.
fn still_waits(held_since: Timestamp, longest: Duration, now: Timestamp) -> bool {
    held_since <= now && since(held_since, now) < longest
}
