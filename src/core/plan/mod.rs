//! The plan of requests: which pages of the service's list and which single tasks to ask for now.
//!
//! # The rule
//!
//! A request is worth it once the delay that it may end outweighs its price. The pace gives each running task the gap after
//! which a request for it alone is worth it. If the end may come at any time, the expected delay grows with the square of
//! the time since the task was last seen. So a task is worth `(time / gap)²` requests, and a page is worth the sum over the tasks
//! that it shows. A page is read once that sum, times the share of it that earlier pages really brought, is at least 1;
//! but only if the sum without its greatest part is at least [`OTHERS`]. Otherwise a poll of that one task is better, since
//! only such a poll can decide about money. `docs/performance.md` derives and measures this.
//!
//! # Guarantees
//!
//! A page is read at most once in `min_interval`. A task is polled alone when it is due, unless a page that should show it
//! is about to be read, or was asked for less than `min_interval` ago. So whatever the list says, and however slow it is, it
//! delays the poll of a task by that much at most. Nothing here is stored: after a restart the plan finds the tasks again.

mod page;
mod scan;
mod trust;

pub use trust::{Reliance, Setback};

use super::policy::Polling;
use super::progress::Progress;
use super::task_id::TaskId;
use super::{after, since};
use jiff::Timestamp;
use page::Members;
use scan::Scan;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use trust::Trust;

/// The least worth, in requests, of a page without its most urgent task.
const OTHERS: f64 = 0.5;

/// The price of a request: seconds of delay of one task.
const PRICE: f64 = 1.0;

/// How long a task that a scan of the list did not find is not looked for again.
const ABSENT_FOR: Duration = Duration::from_mins(10);

/// A page of the list to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The number of the page, from 0.
    pub page: u32,
    /// The number of tasks to skip.
    pub offset: u64,
    /// The number of tasks to ask for.
    pub limit: u32,
    /// How far the list is relied on.
    pub reliance: Reliance,
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
    /// The entry shows an end, which a poll of the task has to confirm.
    Confirm {
        /// The age of the task's run when the page was asked for; none if the service is still at work on it.
        age: Option<Duration>,
    },
    /// The entry shows less than is known.
    Older {
        /// When the task was last polled alone.
        than: Option<Timestamp>,
    },
    /// The task was polled alone since.
    Overtaken,
    /// The task is not one that the list can stand in for.
    Unwatched,
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
}

/// A task of which the list shows what a poll has to confirm.
#[derive(Debug, Clone, Copy)]
struct Confirming {
    /// The age of its run then, if it was shown at an end.
    age: Option<Duration>,
    page: u32,
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
    /// By how many pages a task moves that is no longer on its page: 1 where new tasks come first.
    drift: i64,
    /// A task to compare the list with.
    check: Option<TaskId>,
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
            drift: 1,
            check: None,
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
            let place = Place::Unknown;
            self.insert(
                id.clone(),
                Watched {
                    place,
                    seen_at,
                    due: now,
                },
            );
        }
        !self.awaits_page(id, now)
    }

    /// Returns whether a page that should show the task is due, or was asked for less than `min_interval` ago.
    #[must_use]
    pub fn awaits_page(&self, id: &TaskId, now: Timestamp) -> bool {
        let Some(task) = self.tasks.get(id) else {
            return false;
        };
        let members = match task.place {
            Place::Page(page) => self.pages.get(&page),
            Place::Unknown => Some(&self.unknown),
            Place::Absent { .. } => None,
        };
        members.is_some_and(|members| {
            let is_asked_for = members
                .asked_at
                .is_some_and(|at| since(at, now) < self.min_interval);
            is_asked_for || (self.trust.is_usable(now) && self.is_due(members, now))
        })
    }

    /// Returns how many tasks await a page.
    #[must_use]
    pub fn awaiting(&self, now: Timestamp) -> usize {
        let is_usable = self.trust.is_usable(now);
        let members = self.pages.values().chain([&self.unknown]);
        members
            .filter(|members| {
                members.asked_at.is_some() || (is_usable && self.is_due(members, now))
            })
            .map(Members::len)
            .sum()
    }

    /// Returns when the first page that was asked for is no longer awaited.
    #[must_use]
    pub fn next_release(&self, now: Timestamp) -> Option<Timestamp> {
        let asked = self.pages.values().chain([&self.unknown]);
        asked
            .filter_map(|members| members.asked_at)
            .map(|at| after(at, self.min_interval))
            .filter(|at| *at > now)
            .min()
    }

    /// Returns the page to ask for now, if one is worth it. It counts as asked for until [`read`](Self::read) or
    /// [`failed`](Self::failed).
    pub fn next_page(&mut self, now: Timestamp) -> Option<PageRequest> {
        if !self.trust.is_usable(now) {
            return None;
        }
        let known = self.pages.iter().filter(|(_, page)| self.is_due(page, now));
        let best = known
            .map(|(page, members)| (*page, members.worth(now)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let scanned = self
            .is_due(&self.unknown, now)
            .then(|| self.unknown.worth(now));
        let page = match (best, scanned) {
            (Some((page, worth)), Some(scanned)) if worth >= scanned => page,
            (_, Some(_)) => self.next_of_scan(now)?,
            (Some((page, _)), None) => page,
            (None, None) => return None,
        };
        self.pages.entry(page).or_default().asked_at = Some(now);
        let limit = self.trust.page_len();
        Some(PageRequest {
            page,
            offset: u64::from(page) * u64::from(limit),
            limit,
            reliance: self.trust.reliance(now),
        })
    }

    fn next_of_scan(&mut self, now: Timestamp) -> Option<u32> {
        let wanted = self.unknown.len();
        let next = self.scan.next(wanted, |page| {
            // A page that was just read has nothing new to show.
            self.pages.get(&page).is_some_and(|page| {
                page.asked_at
                    .max(page.read_at)
                    .is_some_and(|at| since(at, now) < self.min_interval)
            })
        });
        if next.is_none() {
            self.scan_ended(now);
        } else {
            self.unknown.asked_at = Some(now);
        }
        next
    }

    /// Gives up the tasks that the scan did not find, for a while.
    fn scan_ended(&mut self, now: Timestamp) {
        self.scan.end();
        let until = after(now, ABSENT_FOR);
        for (id, _, _) in self.unknown.drain() {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.place = Place::Absent { until };
            }
        }
    }

    /// Returns when a page is worth reading next, if one will be and nothing changes before.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.trust.is_usable(now) {
            return None;
        }
        let pages = self.pages.values().chain([&self.unknown]);
        pages.filter_map(|members| self.due_at(members)).min()
    }

    fn is_due(&self, members: &Members, now: Timestamp) -> bool {
        self.due_at(members).is_some_and(|at| at <= now)
    }

    fn due_at(&self, members: &Members) -> Option<Timestamp> {
        if members.asked_at.is_some() {
            return None;
        }
        let worth_it = members.worth_at(1.0 / self.trust.share(), OTHERS)?;
        let soonest = members.read_at.map(|read| after(read, self.min_interval));
        Some(soonest.map_or(worth_it, |soonest| soonest.max(worth_it)))
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
        if let Some(Confirming { age: Some(age), .. }) = confirming {
            match is_running {
                Some(true) => self.trust.refuted(age),
                Some(false) => self.trust.confirmed(started_at),
                None => {}
            }
        }
        let known = self.remove(id);
        let Some(due) = due.filter(|_| self.trust.page_len() > 0) else {
            return;
        };
        let shown_on = confirming.map_or(Place::Unknown, |shown| Place::Page(shown.page));
        let place = match known.map_or(shown_on, |task| task.place) {
            Place::Absent { until } if until <= started_at => Place::Unknown,
            place => place,
        };
        self.insert(
            id.clone(),
            Watched {
                place,
                seen_at: started_at,
                due,
            },
        );
    }

    /// Notes what a page brought.
    pub fn read(&mut self, request: &PageRequest, shown: &PageShown, now: Timestamp) {
        let PageRequest { page, limit, .. } = *request;
        if limit != self.trust.page_len() {
            // The numbers of pages have another meaning now.
            return;
        }
        self.trust.answered();
        let started = shown.started_at;
        let expected = self
            .pages
            .get(&page)
            .map_or(0.0, |page| page.worth(started));
        let mut brought = 0.0;
        let mut found = 0;
        let worth_of = |known: Option<Watched>| {
            known.map_or(1.0, |task| page::worth(task.seen_at, task.due, started))
        };
        let mut missed = self.pages.remove(&page).unwrap_or_default();
        for (id, what) in &shown.tasks {
            missed.remove(id);
            let known = self.remove(id);
            let was_unknown = known.is_some_and(|task| matches!(task.place, Place::Unknown));
            if let Some(task) = &known
                && let Place::Page(other) = task.place
                && other != page
            {
                self.drift = (i64::from(page) - i64::from(other)).signum();
            }
            let mut stays = |plan: &mut Self, seen_at, due| {
                plan.insert(
                    id.clone(),
                    Watched {
                        place: Place::Page(page),
                        seen_at,
                        due,
                    },
                );
                found += usize::from(was_unknown || known.is_none());
            };
            match *what {
                Shown::Watched { seen_at, due } => {
                    let after = page::worth(seen_at, due, started);
                    brought += (worth_of(known) - after).max(0.0);
                    stays(self, seen_at, due);
                }
                Shown::Confirm { age } => {
                    brought += worth_of(known);
                    self.confirming.insert(id.clone(), Confirming { age, page });
                }
                Shown::Older { than } => {
                    self.trust.lagged(started, than);
                    if let Some(task) = known {
                        stays(self, task.seen_at, task.due);
                    }
                }
                Shown::Overtaken => {
                    if let Some(task) = known {
                        stays(self, task.seen_at, task.due);
                    }
                }
                Shown::Unwatched => {}
            }
        }
        if expected > 0.0 {
            self.trust.brought(brought / expected);
        }
        let entry = self.pages.entry(page).or_default();
        entry.asked_at = None;
        entry.read_at = Some(started);
        self.unknown.asked_at = None;
        if self.trust.is_clamped(page, shown.len, started) {
            self.forget_places();
            return;
        }
        let is_last = shown.len == 0 || shown.len < self.trust.longest();
        self.scan.read(page, found, shown.len, is_last);
        // A task that is no longer here has moved on to a neighbouring page, if that is known to have any.
        let next = u32::try_from(i64::from(page) + self.drift).ok();
        let next = next.filter(|next| !(is_last && *next > page));
        for (id, _, _) in missed.drain() {
            if let Some(mut task) = self.remove(&id) {
                let was_there = next.and_then(|next| self.pages.get(&next));
                task.place = match next {
                    Some(next) if was_there.is_some() => Place::Page(next),
                    _ => Place::Unknown,
                };
                self.insert(id, task);
            }
        }
        if self.unknown.is_empty() {
            self.scan.end();
        }
        self.checks(now);
        self.pages.retain(|_, page| {
            let is_recent = |at| since(at, now) < self.min_interval;
            !page.is_empty() || page.asked_at.is_some() || page.read_at.is_some_and(is_recent)
        });
    }

    /// Notes that a page could not be read. Returns until when the list is not used, if it turned out to be unusable.
    pub fn failed(
        &mut self,
        request: &PageRequest,
        setback: Setback,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if let Some(page) = self.pages.get_mut(&request.page) {
            page.asked_at = None;
            page.read_at = Some(now);
        }
        self.unknown.asked_at = None;
        if self.trust.set_back(setback, now) {
            self.forget_places();
        }
        self.trust.unusable_until()
    }

    /// Chooses a task to compare the list with, if it was not compared for a while: the one that is wanted again soonest.
    fn checks(&mut self, now: Timestamp) {
        if self.trust.needs_check(now) {
            let moving = self.pages.values().filter_map(Members::soonest);
            self.check = moving.min_by_key(|(gap, _)| *gap).map(|(_, id)| id);
        }
    }

    /// Returns a task to poll alone now although it is not due, so that the next page can be compared with what that shows: a
    /// list that lags shows less.
    pub fn next_check(&mut self) -> Option<TaskId> {
        self.check.take()
    }

    /// Forgets which task is on which page.
    fn forget_places(&mut self) {
        self.pages.clear();
        self.unknown = Members::default();
        self.scan.end();
        for (id, task) in &mut self.tasks {
            task.place = Place::Unknown;
            self.unknown.insert(id.clone(), task.seen_at, task.due);
        }
    }
    fn insert(&mut self, id: TaskId, task: Watched) {
        match task.place {
            Place::Page(page) => {
                let page = self.pages.entry(page).or_default();
                page.insert(id.clone(), task.seen_at, task.due);
            }
            Place::Unknown => self.unknown.insert(id.clone(), task.seen_at, task.due),
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
