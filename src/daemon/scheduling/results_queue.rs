//! The results queue: which task's results are read next.
//!
//! What is to be read follows from the database, which is scanned in small parts when nothing else is to be done.

use super::results::{ActiveReading, PageOutcome, PageVerdict};
use crate::config::Results;
use crate::core::policy::{Policy, Retry};
use crate::core::{TaskId, pace, since};
use crate::daemon::TICK;
use crate::store::StoreError;
use crate::store::results::{self, Cursor, UnreadTask};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The rows of one part of a scan.
const SCAN_ROWS: u32 = 256;

/// A scan is followed by a rest of so many times its own length, so that many tasks that cannot be read cost little.
const REST_FACTOR: u32 = 20;

/// The longest time without a scan.
const QUIET_MAX: Duration = Duration::from_mins(1);

/// Tasks whose readings fail before one succeeds, before the next reading is delayed: the service may refuse them all.
const FAILED_MAX: usize = 8;

/// The most such tasks that are counted. The delay is longest long before.
const FAILED_COUNTED: usize = 128;

/// The delays of all readings after a 429. Polls and resumes do not wait for it.
const RATE_LIMITED: Retry = Retry {
    initial: Duration::from_mins(1),
    max: Duration::from_hours(1),
};

/// The readings of results: in progress, and to be begun.
#[derive(Debug)]
pub(super) struct ResultsQueue {
    settings: Results,
    /// The number of rows that one request asks for.
    limit: u32,
    /// The readings between two pages.
    between_pages: VecDeque<Box<ActiveReading>>,
    /// Tasks whose results are to be read.
    due: VecDeque<UnreadTask>,
    /// The tasks of the readings in progress.
    active: HashSet<TaskId>,
    /// Those of them that were given up while a page was in flight.
    given_up: HashSet<TaskId>,
    /// Tasks that are left alone, and until when.
    suspended: HashMap<TaskId, Instant>,
    scan: Scan,
    /// The tasks whose readings have failed since the last page was read.
    failed: HashSet<TaskId>,
    /// Pages in a row that were answered with 429.
    rate_limited: i64,
    /// No reading is begun before then, because many have failed.
    paused_until: Option<Instant>,
    /// A refusal until then concerns the results alone: `GET /v1/user` has shown that the service accepts the account.
    accepted_until: Option<Instant>,
}

/// Where the scan of the database stands.
#[derive(Debug)]
struct Scan {
    stage: Stage,
    /// The time that its parts have taken.
    spent: Duration,
    /// When one of the tasks that were passed over may be read.
    next_due: Option<Timestamp>,
    /// The next scan does not begin before then.
    rests_until: Instant,
    /// The next scan begins then, even if nothing was written.
    begins_at: Instant,
    /// Another connection has written since the scan began.
    has_changed: bool,
    /// When the running tasks were scanned last.
    running_scanned_at: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Rests,
    /// The tasks that have stopped.
    Stopped(Cursor),
    /// With `results.live`: those at which the service works.
    Running(Cursor),
}

impl ResultsQueue {
    pub fn new(settings: Results) -> Self {
        let now = Instant::now();
        Self {
            settings,
            limit: settings.page,
            between_pages: VecDeque::new(),
            due: VecDeque::new(),
            active: HashSet::new(),
            given_up: HashSet::new(),
            suspended: HashMap::new(),
            scan: Scan {
                stage: Stage::Rests,
                spent: Duration::ZERO,
                next_due: None,
                rests_until: now,
                begins_at: now,
                has_changed: true,
                running_scanned_at: None,
            },
            failed: HashSet::new(),
            rate_limited: 0,
            paused_until: None,
            accepted_until: None,
        }
    }

    /// Applies a new configuration. Readings in progress are given up, and begin again: one with a page in flight once that is stored.
    pub fn reconfigure(&mut self, settings: Results) {
        let suspended = std::mem::take(&mut self.suspended);
        for reading in self.between_pages.drain(..) {
            self.active.remove(reading.id());
        }
        let active = std::mem::take(&mut self.active);
        *self = Self {
            given_up: active.clone(),
            active,
            suspended,
            ..Self::new(settings)
        };
    }

    /// Forgets that the service accepts the account: the token is another one.
    pub fn token_replaced(&mut self) {
        self.accepted_until = None;
    }

    /// Notes that another connection has written.
    pub fn expect_more(&mut self) {
        self.scan.has_changed = true;
    }

    /// Takes the next page to read.
    pub async fn take(
        &mut self,
        reader: &mut SqliteConnection,
        policy: &Policy,
    ) -> Result<Option<Box<ActiveReading>>, StoreError> {
        if !self.settings.keep {
            return Ok(None);
        }
        let mut next = self.between_pages.pop_front();
        if next.is_none() && !self.is_paused() {
            if self.due.is_empty() {
                self.scan(reader, policy).await?;
            }
            next = self.begin(policy);
        }
        Ok(next)
    }

    fn is_paused(&self) -> bool {
        self.paused_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// Begins the reading of a due task.
    fn begin(&mut self, policy: &Policy) -> Option<Box<ActiveReading>> {
        let task = self.due.pop_front()?;
        self.active.insert(task.id.clone());
        let (settle, live) = (policy.growth.settle, self.settings.live);
        let is_accepted = self.accepted_until.is_some_and(|at| Instant::now() < at);
        let reading = ActiveReading::new(task, self.limit, settle, live, is_accepted);
        Some(Box::new(reading))
    }

    /// Returns when [`take`](Self::take) may have another page, if no page is answered before that.
    pub fn wake(&self) -> Option<Instant> {
        if !self.settings.keep {
            return None;
        }
        let scan = &self.scan;
        let rested = match scan.stage {
            Stage::Stopped(_) | Stage::Running(_) => Instant::now(),
            Stage::Rests if scan.has_changed => scan.rests_until,
            Stage::Rests => scan.rests_until.max(scan.begins_at),
        };
        Some(self.paused_until.map_or(rested, |until| rested.max(until)))
    }

    /// Takes what became of a page; none if its task is left alone until `suspended`.
    pub fn finished(
        &mut self,
        id: &TaskId,
        outcome: Result<PageOutcome, Instant>,
        policy: &Policy,
    ) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(until) => {
                self.active.remove(id);
                self.given_up.remove(id);
                self.suspended.insert(id.clone(), until);
                return;
            }
        };
        if self.given_up.remove(id) {
            // What it says is of the configuration before.
            self.active.remove(id);
            self.expect_more();
            return;
        }
        if let Some(limit) = outcome.accepted_limit {
            self.limit = self.limit.min(limit);
        }
        if outcome.is_account_accepted {
            self.accepted_until = Some(Instant::now() + policy.probe_interval);
        }
        match outcome.verdict {
            PageVerdict::Read => {
                self.failed.clear();
                self.rate_limited = 0;
                self.paused_until = None;
            }
            PageVerdict::Failed => self.failed_at(id, policy),
            PageVerdict::RateLimited(asked) => {
                self.rate_limited = self.rate_limited.saturating_add(1);
                let delay = pace::retry_delay(self.rate_limited, &RATE_LIMITED, 1.0);
                self.paused_until = Some(Instant::now() + delay.max(asked));
            }
            PageVerdict::Open => {}
        }
        match outcome.reading {
            Some(reading) if self.settings.keep => self.between_pages.push_back(reading),
            _ => {
                self.active.remove(id);
                // A scan since the outcome was committed has passed over it.
                self.expect_more();
            }
        }
    }

    /// Counts a task whose results cannot be read. One task that fails again and again counts once.
    fn failed_at(&mut self, id: &TaskId, policy: &Policy) {
        if self.failed.len() < FAILED_COUNTED {
            self.failed.insert(id.clone());
        }
        let too_many = self.failed.len().saturating_sub(FAILED_MAX);
        self.paused_until = (too_many > 0).then(|| {
            let too_many = i64::try_from(too_many).unwrap_or(i64::MAX);
            Instant::now() + pace::retry_delay(too_many, &policy.retry, 1.0)
        });
    }

    /// Reads the next part of the database, unless the scan rests.
    async fn scan(
        &mut self,
        reader: &mut SqliteConnection,
        policy: &Policy,
    ) -> Result<(), StoreError> {
        let begin = Instant::now();
        let now = Timestamp::now();
        let cursor = match &self.scan.stage {
            Stage::Rests => {
                let scan = &mut self.scan;
                let is_time = scan.has_changed || scan.begins_at <= begin;
                if begin < scan.rests_until || !is_time {
                    return Ok(());
                }
                scan.has_changed = false;
                scan.spent = Duration::ZERO;
                scan.next_due = None;
                self.suspended.retain(|_, until| *until > begin);
                Cursor::default()
            }
            Stage::Stopped(cursor) | Stage::Running(cursor) => cursor.clone(),
        };
        let live = self.settings.live;
        let is_running = matches!(self.scan.stage, Stage::Running(_));
        let scanned = if is_running {
            let read_before = now.checked_sub(live).unwrap_or(Timestamp::MIN);
            results::running(reader, &cursor, now, read_before, SCAN_ROWS).await?
        } else {
            results::unread(reader, &cursor, now, SCAN_ROWS).await?
        };
        for task in scanned.tasks {
            self.found(task, policy, now);
        }
        self.scan.stage = match scanned.cursor {
            Some(cursor) if is_running => Stage::Running(cursor),
            Some(cursor) => Stage::Stopped(cursor),
            None if !is_running && self.scans_running(begin) => {
                self.scan.running_scanned_at = Some(begin);
                Stage::Running(Cursor::default())
            }
            None => Stage::Rests,
        };
        if matches!(self.scan.stage, Stage::Rests) {
            let next = results::next_unread(reader, now).await?;
            let next = [next, self.scan.next_due].into_iter().flatten().min();
            let quiet = if live.is_zero() {
                QUIET_MAX
            } else {
                self.live_scan_interval()
            };
            let begins_in = next.map_or(quiet, |at| since(now, at).min(quiet));
            self.scan.begins_at = begin + begins_in;
        }
        self.scan.spent += begin.elapsed();
        self.scan.rests_until = Instant::now() + (self.scan.spent * REST_FACTOR).max(TICK / 4);
        Ok(())
    }

    /// Adds a task that was found unless it is not to be read yet.
    fn found(&mut self, task: UnreadTask, policy: &Policy, now: Timestamp) {
        if self.active.contains(&task.id) || self.suspended.contains_key(&task.id) {
            return;
        }
        // It may be resumed at once. What it has then is read when it has stopped again.
        let settles_at = task.settles_at(policy.growth.settle, now);
        if let Some(at) = settles_at.filter(|_| task.is_growing && !task.is_running) {
            let next = &mut self.scan.next_due;
            *next = Some(next.map_or(at, |next| next.min(at)));
        } else {
            self.due.push_back(task);
        }
    }

    /// How often the running tasks are scanned.
    fn live_scan_interval(&self) -> Duration {
        (self.settings.live / 4).clamp(TICK / 4, QUIET_MAX)
    }

    fn scans_running(&self, now: Instant) -> bool {
        let scanned_at = self.scan.running_scanned_at;
        let is_time = scanned_at.is_none_or(|at| at + self.live_scan_interval() <= now);
        !self.settings.live.is_zero() && is_time
    }
}

#[cfg(test)]
mod tests;
