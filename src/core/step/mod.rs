//! What one answer does to one task: settling, deciding and pacing, composed.
//!
//! Each function takes a task as it stands in the database, and returns the [`Step`]: the new row of `progress`, the
//! rows of the ledger, and the events. The caller stores all of it in one transaction, and only then acts.

pub mod listed;
mod open_resume;
mod poll_answered;
mod poll_failed;
mod resume_answered;
mod run;

pub use poll_answered::poll_answered;
pub use resume_answered::{removed_task_answered, resume_answered};

use super::decide::fresh_for;
use super::event::{ErrorClass, Event};
use super::failure::Failure;
use super::gate::{RETRY_AFTER_MAX, Request};
use super::ledger::{IllegalTransition, Transition};
use super::observation::{Observation, Status};
use super::pace;
use super::policy::Policy;
use super::progress::{Progress, State};
use super::queue::Queue;
use super::resume::Resume;
use super::task::Task;
use super::{after, since};
use jiff::Timestamp;
use std::time::Duration;

/// The answer to a poll.
#[derive(Debug, Clone)]
pub struct PollAnswer {
    /// When the request was begun.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// The task, or why there is none.
    pub outcome: Result<Observation, Failure>,
}

impl PollAnswer {
    /// Whether a resume may follow from this poll.
    #[must_use]
    pub fn may_lead_to_resume(&self) -> bool {
        let seen = self.outcome.as_ref();
        seen.is_ok_and(|seen| seen.status == Status::Done && !seen.is_exhausted)
    }

    /// Returns how long the poll can still be the basis of a resume; none if it is too old.
    #[must_use]
    pub fn fresh_left(&self, now: Timestamp) -> Option<Duration> {
        let fresh = fresh_for(since(self.started_at, self.answered_at));
        fresh.checked_sub(since(self.started_at, now))
    }

    /// Whether the task may have changed since this poll, so that no money is spent on it.
    fn is_stale(&self, task: &Task, now: Timestamp) -> bool {
        // Another daemon may have polled since this poll began. The lock prevents that as long as its file is there.
        let newest = task.progress.polled_alone_at;
        let is_overtaken = newest.is_some_and(|newest| self.started_at < newest && newest <= now);
        // After the clock went back, the age of the poll is unknown.
        self.answered_at > now || self.fresh_left(now).is_none() || is_overtaken
    }

    /// Returns the poll with no time after `now`: the clock may have gone back.
    fn clamped(&self, now: Timestamp) -> Self {
        Self {
            started_at: self.started_at.min(now),
            answered_at: self.answered_at.min(now),
            outcome: self.outcome.clone(),
        }
    }
}

/// The answer to a resume.
#[derive(Debug, Clone)]
pub struct ResumeAnswer {
    /// The row of the ledger.
    pub resume_id: i64,
    /// When the request was sent.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// The status code, if there was an answer.
    pub http_status: Option<u16>,
    /// The task, or why there is none.
    pub outcome: Result<Observation, Failure>,
}

/// What is to be stored, and what is to be done once it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The new row of `progress`.
    pub progress: Progress,
    /// The newest row of the ledger, if it changed.
    pub resume: Option<Resume>,
    /// A resume to write down as `intended`, and to send once that is durable.
    pub intended: Option<Resume>,
    /// A resume is due, and the service is to be asked for the account's credits first.
    pub asks_credits: bool,
    /// Whether a counter changed: a row of `samples`.
    pub sample: bool,
    /// Rows of `events`, in their order.
    pub events: Vec<Event>,
}

impl Step {
    fn of(task: &Task) -> Self {
        let mut progress = task.progress.clone();
        // A task that was polled returns to the regular queue.
        progress.queue = Queue::Regular;
        Self {
            progress,
            resume: None,
            intended: None,
            asks_credits: false,
            sample: false,
            events: Vec::new(),
        }
    }

    fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Takes a row of the ledger from one state to another, and records that.
    fn transition(
        &mut self,
        row: &mut Resume,
        transition: &Transition,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        let (new, event) = row.apply(transition, at)?;
        *row = new;
        self.record(event);
        Ok(())
    }

    fn enter(&mut self, state: State, reason: Option<String>) {
        let from = self.progress.state;
        if from != state {
            self.record(Event::State {
                from,
                to: state,
                reason: reason.clone(),
            });
        }
        self.progress.state = state;
        self.progress.reason = reason;
    }

    fn store(&mut self, seen: &Observation, at: Timestamp) {
        let before = self.progress.seen.as_ref();
        self.sample = before.is_none_or(|before| before.counters_differ(seen));
        let moved = before.is_none_or(|before| {
            before.status != seen.status || before.is_exhausted != seen.is_exhausted
        });
        let is_known = before.is_some_and(|before| before.status == seen.status);
        if self.sample || moved {
            self.progress.changed_at = Some(at);
        }
        let is_over = !seen.status.is_running();
        if (self.sample || moved || is_over)
            && let Some(quiet_at) = self.progress.quiet_at.take()
        {
            self.record(Event::Moved {
                status: seen.status.as_str().to_owned(),
                quiet_at: Some(quiet_at),
            });
        }
        let mut seen = seen.clone();
        if seen.query.is_none() {
            seen.query = self.progress.seen.take().and_then(|before| before.query);
        }
        if let (Status::Unknown(word), false) = (&seen.status, is_known) {
            self.record(Event::UnknownStatus {
                status: word.clone(),
                taken_as: "still running",
            });
        }
        self.progress.seen = Some(seen);
    }

    /// Clears the error. The recovery is recorded if requests of this task had failed; the gate records what it held.
    fn recover(&mut self) {
        if self.progress.failures > 0 {
            self.record(Event::Recovered {
                failures: self.progress.failures,
                last_error: self.progress.last_error.clone(),
            });
        }
        self.progress.failures = 0;
        self.progress.last_error = None;
    }

    /// Counts a failed request. Its error is recorded once, until the error changes.
    fn fail(&mut self, request: Request, failure: &Failure) {
        let message = format!("{}: {failure}", request.as_str());
        self.progress.failures = self.progress.failures.saturating_add(1);
        if self.progress.last_error.as_deref() != Some(&message) {
            self.record(Event::Error {
                request,
                error: failure.to_string(),
                class: ErrorClass::from(failure),
            });
        }
        self.progress.last_error = Some(message);
    }

    fn back_off(&mut self, failure: &Failure, at: Timestamp, policy: &Policy, jitter: f64) {
        let delay = pace::retry_delay(self.progress.failures, &policy.retry, jitter);
        let asked = match failure {
            Failure::Unanswered { retry_after, .. } => {
                retry_after.map(|retry_after| retry_after.wait(at).min(RETRY_AFTER_MAX))
            }
            _ => None,
        };
        self.progress.next_poll_at = Some(after(at, delay.max(asked.unwrap_or_default())));
    }

    /// Reports a task once that the service calls running, or does not describe, and that has not changed for long.
    fn watch_quiet(&mut self, task: &Task, shows: &str, at: Timestamp, policy: &Policy) {
        if !self.is_newly_quiet(task, at, policy) {
            return;
        }
        self.progress.quiet_at = Some(at);
        self.record(Event::Quiet {
            shows: shows.to_owned(),
            unchanged_since: self.unchanged_since(task),
        });
    }

    /// Whether a running task is to be reported as quiet.
    fn is_newly_quiet(&self, task: &Task, at: Timestamp, policy: &Policy) -> bool {
        let quiet_after = policy.polling.quiet_after;
        let unchanged_since = self.unchanged_since(task);
        let is_quiet = unchanged_since.is_some_and(|begin| since(begin, at) >= quiet_after);
        !quiet_after.is_zero() && is_quiet && self.progress.quiet_at.is_none()
    }

    /// Returns since when nothing has changed. An edit by the operator begins the wait anew.
    fn unchanged_since(&self, task: &Task) -> Option<Timestamp> {
        self.progress.changed_at.max(task.edited_at)
    }

    /// Holds the next poll within the bounds: `min_interval` after the last poll of the task alone at the earliest, and
    /// never for a task that was paused while its request was under way.
    fn bound_next_poll(&mut self, task: &Task, at: Timestamp, policy: &Policy) {
        // After the clock went back, the last poll lies ahead; it is not waited for.
        let last = self.progress.polled_alone_at.map(|last| last.min(at));
        let soonest = last.map(|last| after(last, policy.polling.min_interval));
        let next = self.progress.next_poll_at.filter(|_| !task.wanted.paused);
        self.progress.next_poll_at =
            next.map(|next| soonest.map_or(next, |soonest| next.max(soonest)));
    }

    /// Marks a refusal of the account. It is no failure of this task, so the task does not back off: it stays due, behind
    /// the others, and the gate holds all of them.
    fn held_by_gate(&mut self, request: Request, failure: &Failure, at: Timestamp) {
        self.progress.last_error = Some(format!("{}: {failure}", request.as_str()));
        self.progress.next_poll_at = Some(at);
    }
}
