//! Chooses the page to ask for, and when.

use super::page::Members;
use super::scan::{Access, Next};
use super::{PageRequest, Place, Plan};
use crate::core::after;
use jiff::Timestamp;
use std::time::Duration;

/// The least worth, in requests, of a page without its most urgent task.
const OTHERS: f64 = 0.5;

/// How long a task that a scan of the list did not find is not looked for again.
const ABSENT_FOR: Duration = Duration::from_mins(10);

impl Plan {
    /// Returns the page to ask for now, if one is worth it. It counts as asked for until [`read`](Self::read) or
    /// [`failed`](Self::failed).
    pub fn next_page(&mut self, now: Timestamp) -> Option<PageRequest> {
        self.sweep(now);
        if !self.trust.is_usable(now) {
            return None;
        }
        let page = self.choose(now)?;
        self.pages.entry(page).or_default().asked_at = Some(now);
        let limit = self.trust.page_len();
        Some(PageRequest {
            page,
            offset: u64::from(page) * u64::from(limit),
            limit,
            reliance: self.trust.reliance(self.tasks.len(), now),
            ignored: self.claims.ignored(now),
        })
    }

    /// Returns how many tasks [await a page](Self::awaits_page) at most, and when that may change without an answer.
    #[must_use]
    pub fn awaiting(&self, now: Timestamp) -> (usize, Option<Timestamp>) {
        let is_usable = self.trust.is_usable(now);
        let all = self.pages.values().chain([&self.unknown]);
        let awaited = all.filter(|members| {
            members.asked_at.is_some() || (is_usable && self.is_due(members, now))
        });
        let (mut count, mut until) = (0, None);
        for members in awaited {
            count += members.len();
            let asked_at = members.asked_at.map_or(now, |at| at.min(now));
            let release = after(asked_at, self.min_interval);
            // Some of its tasks have waited since later. Each waits for its own time, so they are looked at again soon.
            let soon = after(now, self.min_interval / 4);
            let release = if release > now { release } else { soon };
            until = Some(until.map_or(release, |until: Timestamp| until.min(release)));
        }
        (count, until)
    }

    fn choose(&mut self, now: Timestamp) -> Option<u32> {
        if let Some((page, at)) = self.doubted_due()
            && at <= now
        {
            return Some(page);
        }
        let known = self.pages.iter().filter(|(_, page)| self.is_due(page, now));
        let best = known
            .map(|(page, members)| (*page, members.worth(now)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let worth_known = best.map_or(0.0, |(_, worth)| worth);
        if self.unknown_due().is_some_and(|at| at <= now) && self.unknown.worth(now) > worth_known {
            let next = self.next_of_scan(now);
            if next.is_some() {
                return next;
            }
        }
        best.map(|(page, _)| page)
    }

    fn next_of_scan(&mut self, now: Timestamp) -> Option<u32> {
        let access = |page: u32| {
            let Some(page) = self.pages.get(&page) else {
                return Access::Free;
            };
            let newest = page.asked_at.max(page.read_at);
            match newest.map(|at| after(at, self.min_interval)) {
                Some(at) if at > now => Access::From(at),
                _ if page.asked_at.is_some() => Access::Stuck,
                _ => Access::Free,
            }
        };
        match self.scan.next(self.unknown.len(), now, access) {
            Next::Page(page) => {
                self.unknown.asked_at = Some(now);
                Some(page)
            }
            Next::Wait(_) => None,
            Next::Over => {
                self.scan_ended(now);
                None
            }
        }
    }

    /// Gives up the tasks that the scan did not find, for a while.
    fn scan_ended(&mut self, now: Timestamp) {
        self.scan.give_up();
        let until = after(now, ABSENT_FOR);
        for id in self.unknown.drain() {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.place = Place::Absent { until };
            }
        }
    }

    /// Returns when a page is worth reading next, if one will be and nothing changes before.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.trust.page_len() == 0 {
            return None;
        }
        let pages = self.pages.values().filter_map(|page| self.due_at(page));
        let others = [self.unknown_due(), self.doubted_due().map(|(_, at)| at)];
        let soonest = pages.chain(others.into_iter().flatten()).min()?;
        let paused = self.trust.usable_from().filter(|until| *until > now);
        Some(paused.map_or(soonest, |until| until.max(soonest)))
    }

    pub(super) fn is_due(&self, members: &Members, now: Timestamp) -> bool {
        let due = if std::ptr::eq(members, &raw const self.unknown) {
            self.unknown_due()
        } else {
            self.due_at(members)
        };
        due.is_some_and(|at| at <= now)
    }

    /// Returns when the next page of a scan is worth reading.
    fn unknown_due(&self) -> Option<Timestamp> {
        self.due_at(&self.unknown)
            .map(|at| self.scan.waits_until.map_or(at, |until| at.max(until)))
    }

    /// Returns the page that is read again because its length is in doubt, and when.
    fn doubted_due(&self) -> Option<(u32, Timestamp)> {
        let page = self.trust.doubted()?;
        let Some(known) = self.pages.get(&page) else {
            return Some((page, Timestamp::MIN));
        };
        let is_free = known.asked_at.is_none();
        let read_at = known.read_at.unwrap_or(Timestamp::MIN);
        is_free.then(|| (page, after(read_at, self.min_interval)))
    }

    fn due_at(&self, members: &Members) -> Option<Timestamp> {
        if members.asked_at.is_some() {
            return None;
        }
        let worth_it = members.worth_at(1.0 / self.trust.share(), OTHERS)?;
        let soonest = members.read_at.map(|read| after(read, self.min_interval));
        Some(soonest.map_or(worth_it, |soonest| soonest.max(worth_it)))
    }
}
