//! What a page that was read, or could not be, tells the plan.

use super::page::{Members, Seen};
use super::{Confirming, PageRequest, PageShown, Place, Plan, Setback, Shown, ToConfirm, Watched};
use crate::core::since;
use crate::core::task_id::TaskId;
use jiff::Timestamp;

/// What a page brought.
#[derive(Debug, Default)]
struct Tally {
    /// How many polls of single tasks it saved.
    saved: f64,
    /// Tasks whose page was not known.
    found: usize,
}

impl Plan {
    /// Notes what a page brought.
    pub fn read(&mut self, request: &PageRequest, shown: &PageShown, now: Timestamp) {
        let page = request.page;
        if request.limit != self.trust.page_len() {
            // The numbers of pages have another meaning now.
            return;
        }
        self.trust.answered(shown.started_at);
        let mut missed = self.pages.remove(&page).unwrap_or_default();
        let expected = missed.saved(shown.started_at);
        let tally = self.place_shown(page, shown, &mut missed);
        if expected > 0.0 {
            self.trust.brought(tally.saved / expected);
        }
        let entry = self.pages.entry(page).or_default();
        entry.asked_at = None;
        entry.read_at = Some(shown.started_at);
        if self.scan.asked == Some(page) {
            self.unknown.asked_at = None;
        }
        let is_clamped = self.trust.is_clamped(page, shown.len);
        let is_last = shown.len < self.trust.longest() || shown.len == 0;
        self.scan.read(page, tally.found, shown.len, is_last);
        self.move_missed(page, is_last, missed.drain());
        if is_clamped {
            self.forget_places(false);
            return;
        }
        if self.unknown.is_empty() {
            self.scan.end();
            self.unknown.asked_at = None;
        }
        self.checks(now);
        self.drop_pages(now);
    }

    /// Places the tasks that a page has shown, and takes them out of `missed`.
    fn place_shown(&mut self, page: u32, shown: &PageShown, missed: &mut Members) -> Tally {
        let at = shown.started_at;
        let mut tally = Tally::default();
        for (id, what) in &shown.tasks {
            missed.remove(id);
            let known = self.remove(id);
            self.notice_move(page, known.as_ref());
            let is_new = known.is_none_or(|task| !matches!(task.place, Place::Page(_)));
            let before = known.map_or(1.0, |task| task.seen().saved(at));
            let stays = match *what {
                Shown::Watched { seen_at, due } => {
                    let left = Seen { at: seen_at, due }.saved(at);
                    tally.saved += (before - left).max(0.0);
                    // What is not known here was polled before, at the latest when the page was asked for.
                    let polled_at = known.map_or(at, |task| task.polled_at);
                    Some(Watched::new(Place::Page(page), seen_at, due, polled_at))
                }
                // A poll that was begun after the page was asked for has shown it already.
                Shown::Confirm(_) if known.is_some_and(|task| task.polled_at > at) => {
                    known.map(|task| unchanged(task, page))
                }
                Shown::Confirm(what) => {
                    tally.saved += before;
                    if what == ToConfirm::State {
                        self.claims.made(id, at);
                    }
                    let confirming = Confirming {
                        what,
                        page: Some(page),
                        shown_at: at,
                    };
                    self.confirming.insert(id.clone(), confirming);
                    None
                }
                Shown::Older { than } => {
                    self.trust.lagged(at, than);
                    known.map(|task| unchanged(task, page))
                }
                Shown::Overtaken => known.map(|task| unchanged(task, page)),
                Shown::Unwatched => None,
            };
            if let Some(task) = stays {
                self.insert(id.clone(), task);
                tally.found += usize::from(is_new);
            }
        }
        tally
    }

    /// Notes in which direction tasks move.
    fn notice_move(&mut self, page: u32, known: Option<&Watched>) {
        if let Some(Place::Page(other)) = known.map(|task| task.place)
            && other != page
        {
            self.drift = (i64::from(page) - i64::from(other)).signum();
        }
    }

    /// Places tasks that are no longer on their page: on the neighbouring one, if that is known to have any. That is a guess,
    /// and the only one.
    fn move_missed(&mut self, page: u32, is_last: bool, missed: Vec<TaskId>) {
        let next = u32::try_from(i64::from(page) + self.drift).ok();
        let next = next.filter(|next| !(is_last && *next > page));
        let is_known = next.is_some_and(|next| self.pages.contains_key(&next));
        for id in missed {
            let Some(mut task) = self.remove(&id) else {
                continue;
            };
            task.place = match next {
                Some(next) if is_known && !task.is_guess => Place::Page(next),
                _ => Place::Unknown,
            };
            task.is_guess = true;
            if let (Place::Unknown, Some(next)) = (task.place, next) {
                self.scan.suggest(next);
            }
            self.insert(id, task);
        }
    }

    /// Notes that a page could not be read. Returns until when the list is not used, if it turned out to be unusable.
    pub fn failed(
        &mut self,
        request: &PageRequest,
        setback: Setback,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let page = request.page;
        let is_current = request.limit == self.trust.page_len();
        if is_current {
            if self.scan.answered(page) {
                self.unknown.asked_at = None;
            }
            if let Some(members) = self.pages.get_mut(&page)
                && let Some(asked_at) = members.asked_at.take()
            {
                // It is not asked for again at once.
                members.read_at = Some(asked_at);
            }
        }
        if setback == Setback::TooLarge && !is_current {
            // Smaller pages are asked for already.
            return None;
        }
        if self.trust.set_back(setback, now) {
            self.forget_places(request.limit == self.trust.page_len());
        }
        self.trust.unusable_until()
    }

    /// Forgets which task is on which page. With `keep_asked`, requests under way still count.
    fn forget_places(&mut self, keep_asked: bool) {
        self.pages.retain(|_, page| {
            page.drain();
            keep_asked && page.asked_at.is_some()
        });
        self.unknown = Members::default();
        self.scan.end();
        for (id, task) in &mut self.tasks {
            task.place = Place::Unknown;
            self.unknown.insert(id.clone(), task.seen());
        }
        for confirming in self.confirming.values_mut() {
            confirming.page = None;
        }
    }

    /// Drops pages that show no task, unless their last request still counts.
    pub(super) fn drop_pages(&mut self, now: Timestamp) {
        self.pages.retain(|_, page| {
            let is_recent = |at| since(at, now) < self.min_interval;
            !page.is_empty() || page.asked_at.is_some() || page.read_at.is_some_and(is_recent)
        });
    }
}

/// Returns a task that a page has shown without news.
fn unchanged(task: Watched, page: u32) -> Watched {
    Watched {
        place: Place::Page(page),
        is_guess: false,
        ..task
    }
}
