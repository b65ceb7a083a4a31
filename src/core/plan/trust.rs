//! How far the list is relied on: whether it can be read, how much of what is expected it shows, and how old that is.

use crate::core::pace::retry_delay;
use crate::core::policy::Retry;
use crate::core::{after, since};
use jiff::Timestamp;
use std::time::Duration;

/// How long the list is left alone once it is unusable.
const UNUSABLE_FOR: Duration = Duration::from_mins(10);

/// The smallest page that growd asks for.
const PAGE_MIN: u32 = 10;

/// The delays after errors that may pass.
const RETRY: Retry = Retry {
    initial: Duration::from_secs(5),
    max: Duration::from_mins(10),
};

/// So many errors in a row that may pass are reported.
const FAILURES_REPORTED: i64 = 4;

/// The weight of the newest page in the mean share.
const NEWEST: f64 = 0.2;

/// The lower bound of the share, so that a list that was of no use is tried again now and then.
const SHARE_MIN: f64 = 0.02;

/// The longest lag that is assumed.
const LAG_MAX: Duration = Duration::from_hours(1);

/// A task is polled alone at least this often while the list has not shown an end that was confirmed.
const ALONE_WITHIN: Duration = Duration::from_mins(10);

/// For each running task, how much longer the list stands in for a task that it shows without change. So these polls are less
/// than one a second, however many tasks there are.
const STILL_FOR_EACH: Duration = Duration::from_millis(1_200);

/// The same while it has, within [`PROVEN_FOR`].
const ALONE_WITHIN_PROVEN: Duration = Duration::from_hours(6);

/// How long a confirmed end proves that the list shows ends.
const PROVEN_FOR: Duration = Duration::from_mins(30);

/// How often the list is compared with a poll of one of its tasks.
const CHECK_EVERY: Duration = Duration::from_mins(5);

/// A lag below this is none: it is no more than requests take.
const LAG_MIN: Duration = Duration::from_millis(100);

/// How far the list is relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reliance {
    /// How far the list is behind, as far as known.
    pub lag: Duration,
    /// The longest time in which the list stands in for polls of a task alone.
    pub alone_within: Duration,
    /// The same for a task that the list has shown without change for so long.
    pub still_within: Duration,
}

/// Why a page could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// The page was too large (422).
    TooLarge,
    /// The list cannot be used.
    Unusable,
    /// An error that may pass. After this time, if the service said so.
    Passing(Option<Duration>),
    /// It says nothing about the list.
    None,
}

/// A page that was shorter than what was asked for: the last one, or as long as the service's pages get.
#[derive(Debug, Clone, Copy)]
struct Short {
    page: u32,
    len: usize,
    /// A page after it was not empty. So either the list has grown, or its pages are no longer than this.
    has_more: bool,
}

/// How far the list is relied on.
#[derive(Debug)]
pub(super) struct Trust {
    page_len: u32,
    /// Not used before.
    until: Option<Timestamp>,
    /// It turned out to be unusable, and was not read since.
    is_unusable: bool,
    failures: i64,
    share: f64,
    lag: Duration,
    /// When the last end that the list showed was confirmed.
    confirmed_at: Option<Timestamp>,
    /// The length of the longest page.
    longest: usize,
    /// A page of that length that was shorter than what was asked for.
    short: Option<Short>,
    /// When the list was last compared with a poll of one of its tasks.
    checked_at: Option<Timestamp>,
    /// A lag was seen since then.
    lag_seen: bool,
}

impl Trust {
    pub fn new(page_len: u32) -> Self {
        Self {
            page_len,
            until: None,
            is_unusable: false,
            failures: 0,
            share: 1.0,
            lag: Duration::ZERO,
            confirmed_at: None,
            longest: 0,
            short: None,
            checked_at: None,
            lag_seen: false,
        }
    }

    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.page_len > 0 && self.until.is_none_or(|until| until <= now)
    }

    pub fn page_len(&self) -> u32 {
        self.page_len
    }

    pub fn share(&self) -> f64 {
        self.share
    }

    /// Returns how far the list is relied on, with so many running tasks.
    pub fn reliance(&self, tasks: usize, now: Timestamp) -> Reliance {
        let is_proven = (self.confirmed_at).is_some_and(|at| since(at, now) < PROVEN_FOR);
        Reliance {
            lag: self.lag,
            alone_within: if is_proven {
                ALONE_WITHIN_PROVEN
            } else {
                ALONE_WITHIN
            },
            still_within: STILL_FOR_EACH
                .saturating_mul(u32::try_from(tasks).unwrap_or(u32::MAX))
                .clamp(ALONE_WITHIN, ALONE_WITHIN_PROVEN),
        }
    }

    /// Notes which share of the expected worth a page brought.
    pub fn brought(&mut self, share: f64) {
        let mean = self.share * (1.0 - NEWEST) + share.min(1.0) * NEWEST;
        self.share = mean.max(SHARE_MIN);
    }

    /// Returns until when the list is not used, after it turned out to be unusable.
    pub fn unusable_until(&self) -> Option<Timestamp> {
        self.until.filter(|_| self.is_unusable)
    }

    /// Returns from when on the list can be used again, if it could not.
    pub fn usable_from(&self) -> Option<Timestamp> {
        self.until
    }

    /// Notes that a page begun at `started` was answered. That says nothing if the list was left alone then: the request is older
    /// than the error.
    pub fn answered(&mut self, started: Timestamp) {
        if self.is_usable(started) {
            self.is_unusable = false;
            self.failures = 0;
        }
    }

    /// Notes that a page begun at `started` showed less than was known at `than`.
    pub fn lagged(&mut self, started: Timestamp, than: Option<Timestamp>) {
        if let Some(than) = than.filter(|than| *than <= started) {
            self.lag = self.lag.max(since(than, started)).min(LAG_MAX);
            self.lag_seen = true;
        }
    }

    /// Notes that a poll did not show the end that the list showed of a run of this age.
    pub fn refuted(&mut self, age: Duration) {
        self.lag = self.lag.max(age.saturating_mul(2)).min(LAG_MAX);
        self.lag_seen = true;
    }

    /// Notes that a poll confirmed an end that the list showed.
    pub fn confirmed(&mut self, at: Timestamp) {
        self.confirmed_at = Some(at);
    }

    /// The length of the longest page.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Returns the page to read again, to find out whether the service has shorter pages than were asked for.
    pub fn doubted(&self) -> Option<u32> {
        let short = self.short.filter(|short| short.has_more);
        short.map(|short| short.page)
    }

    /// Notes the length of a page. Returns whether the service turns out to have shorter pages than were asked for: a page has the same short
    /// length before and after a later one was seen not to be empty. A list that grows or shrinks has other lengths
    /// then. Pages of that length are asked for from then on.
    pub fn is_clamped(&mut self, page: u32, len: usize) -> bool {
        if let Some(short) = &mut self.short {
            if page > short.page && len > 0 && len <= short.len {
                short.has_more = true;
                return false;
            }
            if page == short.page {
                let is_clamped = short.has_more && len == short.len && len > 0;
                self.short = None;
                if is_clamped {
                    self.page_len = u32::try_from(len).unwrap_or(PAGE_MIN);
                    self.longest = 0;
                    return true;
                }
            }
        }
        if len >= self.longest {
            let is_short = len < self.page_len as usize;
            self.longest = len;
            self.short = is_short.then_some(Short {
                page,
                len,
                has_more: false,
            });
        }
        false
    }

    /// Returns whether the list is to be compared with a poll of one of its tasks now.
    pub fn needs_check(&mut self, now: Timestamp) -> bool {
        let needs = since(*self.checked_at.get_or_insert(now), now) >= CHECK_EVERY;
        if needs {
            self.checked_at = Some(now);
            // Without a new sign of it, a lag is forgotten.
            self.lag = if self.lag_seen {
                self.lag
            } else {
                Some(self.lag / 2)
                    .filter(|lag| *lag >= LAG_MIN)
                    .unwrap_or_default()
            };
            self.lag_seen = false;
        }
        needs
    }

    /// Notes why a page was not read. Returns whether the pages are other ones now.
    pub fn set_back(&mut self, setback: Setback, now: Timestamp) -> bool {
        match setback {
            Setback::TooLarge if self.page_len > PAGE_MIN => {
                self.page_len = (self.page_len / 2).max(PAGE_MIN);
                (self.longest, self.short) = (0, None);
                return true;
            }
            Setback::TooLarge | Setback::Unusable => {
                self.pause(now, UNUSABLE_FOR);
                self.is_unusable = true;
                return true;
            }
            Setback::Passing(asked) => {
                self.failures = self.failures.saturating_add(1);
                let delay = retry_delay(self.failures, &RETRY, 1.0);
                self.pause(now, delay.max(asked.unwrap_or_default()));
                // So many in a row are worth an event.
                self.is_unusable |= self.failures >= FAILURES_REPORTED;
            }
            Setback::None => {}
        }
        false
    }

    /// Leaves the list alone for a while; a longer pause that has begun goes on.
    fn pause(&mut self, now: Timestamp, length: Duration) {
        self.until = self.until.max(Some(after(now, length)));
    }
}
