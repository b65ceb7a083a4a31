//! What one answer does to one task: the composition of settling, deciding and pacing.
//!
//! Both functions take the task as it stands in the database and return the task as it shall stand there,
//! with what is worth telling. The caller stores all of it in one transaction, and only then acts.

mod open_resume;
mod poll_failed;
mod resume_answered;

pub use resume_answered::resume_answered;

use super::after;
use super::decide::{Account, Decision, Ledger, Next, Waste, decide};
use super::failure::Failure;
use super::gate::RETRY_AFTER_MAX;
use super::observation::{Observation, Status};
use super::pace::{self, Run};
use super::policy::Policy;
use super::progress::{Progress, State};
use super::queue::Queue;
use super::resume::{Resume, ResumeState};
use super::settle;
use super::task::Task;
use jiff::Timestamp;
use open_resume::settle_open;
use poll_failed::failed_poll;
use serde_json::json;

/// The answer to a look.
#[derive(Debug, Clone)]
pub struct PollAnswer {
    /// When the request was begun.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// What came of it.
    pub outcome: Result<Observation, Failure>,
}

impl PollAnswer {
    /// Does it concern nobody but its own task, and is nothing to be done about it? What failed may close the gate.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        self.outcome.is_ok() && !self.may_lead_to_resume()
    }

    /// May it be that a resume comes of this?
    #[must_use]
    pub fn may_lead_to_resume(&self) -> bool {
        let seen = self.outcome.as_ref();
        seen.is_ok_and(|seen| seen.status == Status::Done && !seen.is_exhausted)
    }
}

/// The answer to a resume.
#[derive(Debug, Clone)]
pub struct ResumeAnswer {
    /// The row of the ledger.
    pub resume_id: i64,
    /// When it was sent.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// The answer's status code, where there was one.
    pub http_status: Option<u16>,
    /// What came of it.
    pub outcome: Result<Observation, Failure>,
}

/// Something worth telling: a row of `events`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What kind of thing.
    pub kind: &'static str,
    /// The particulars.
    pub detail: serde_json::Value,
}

/// What is to be stored, and what is to be done once it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The new row of `progress`.
    pub progress: Progress,
    /// The newest resume's row, where it changed.
    pub resume: Option<Resume>,
    /// A resume to write down as intended, and to send: so many new results.
    pub ask: Option<i64>,
    /// Did a counter change?
    pub sample: bool,
    /// What is worth telling.
    pub events: Vec<Event>,
}

impl Step {
    fn of(task: &Task) -> Self {
        let mut progress = task.progress.clone();
        // Whoever was new, or waited for the limit, has had its turn.
        progress.queue = Queue::Regular;
        Self {
            progress,
            resume: None,
            ask: None,
            sample: false,
            events: Vec::new(),
        }
    }

    fn tell(&mut self, kind: &'static str, detail: serde_json::Value) {
        self.events.push(Event { kind, detail });
    }

    fn enter(&mut self, state: State, reason: Option<String>) {
        if self.progress.state != state {
            let from = self.progress.state.as_str();
            self.tell(
                "state",
                json!({"from": from, "to": state.as_str(), "reason": reason}),
            );
        }
        self.progress.state = state;
        self.progress.reason = reason;
    }

    fn store(&mut self, seen: &Observation, at: Timestamp) {
        let progress = &mut self.progress;
        let before = progress.seen.as_ref();
        self.sample = before.is_none_or(|before| before.counters_differ(seen));
        let moved = before.is_none_or(|before| {
            before.status != seen.status || before.is_exhausted != seen.is_exhausted
        });
        let told = before.is_some_and(|before| before.status == seen.status);
        if self.sample || moved {
            progress.changed_at = Some(at);
        }
        let is_over = !seen.status.is_running();
        if progress.quiet_at.is_some() && (self.sample || moved || is_over) {
            let quiet_at = progress.quiet_at.take();
            let detail = json!({"status": seen.status.as_str(), "quiet_at": quiet_at.map(|at| at.to_string())});
            self.events.push(Event {
                kind: "moved",
                detail,
            });
        }
        let progress = &mut self.progress;
        let mut seen = seen.clone();
        if seen.query.is_none() {
            seen.query = progress.seen.take().and_then(|before| before.query);
        }
        if let (Status::Unknown(word), false) = (&seen.status, told) {
            let detail = json!({"status": word, "taken_as": "still running"});
            self.events.push(Event {
                kind: "unknown_status",
                detail,
            });
        }
        self.progress.seen = Some(seen);
    }

    /// Notes that all is well again; it is told where this task's own requests had failed. What the gate held
    /// is told of the gate.
    fn recover(&mut self) {
        if self.progress.failures > 0 {
            let detail =
                json!({"failures": self.progress.failures, "last_error": self.progress.last_error});
            self.tell("recovered", detail);
        }
        self.progress.failures = 0;
        self.progress.last_error = None;
    }

    /// Notes an error of this request; it is told once, until what it says changes.
    fn fail(&mut self, what: &'static str, failure: &Failure) {
        let message = format!("{what}: {failure}");
        self.progress.failures = self.progress.failures.saturating_add(1);
        if self.progress.last_error.as_deref() != Some(&message) {
            self.tell(
                "error",
                json!({"request": what, "error": failure.to_string()}),
            );
        }
        self.progress.last_error = Some(message);
    }

    fn back_off(&mut self, failure: &Failure, at: Timestamp, policy: &Policy, spread: f64) {
        let delay = pace::retry_delay(self.progress.failures, &policy.retry, spread);
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
        let quiet_after = policy.polling.quiet_after;
        // What a person does begins the wait anew.
        let unchanged_since = self.progress.changed_at.max(task.edited_at);
        let is_quiet = unchanged_since.is_some_and(|since| super::since(since, at) >= quiet_after);
        if quiet_after.is_zero() || !is_quiet || self.progress.quiet_at.is_some() {
            return;
        }
        self.progress.quiet_at = Some(at);
        let since = unchanged_since.map(|at| at.to_string());
        self.tell("quiet", json!({"shows": shows, "unchanged_since": since}));
    }

    /// The bounds of whatever was decided: no task is polled more often than `min_interval`, and one that was
    /// paused while a request was under way not at all.
    fn bound_next_poll(&mut self, task: &Task, at: Timestamp, policy: &Policy) {
        // Where the clock went back the last look lies ahead; it is not waited for.
        let last = self.progress.polled_at.map_or(at, |last| last.min(at));
        let soonest = after(last, policy.polling.min_interval);
        let next = self.progress.next_poll_at.filter(|_| !task.wanted.paused);
        self.progress.next_poll_at = next.map(|next| next.max(soonest));
    }

    /// Marks the account's refusal: not this task's failure, so no back-off of its own. The task stays due,
    /// behind the others that are, and the gate holds all of them.
    fn held_by_gate(&mut self, what: &'static str, failure: &Failure, at: Timestamp) {
        self.progress.last_error = Some(format!("{what}: {failure}"));
        self.progress.next_poll_at = Some(at);
    }
}

/// What a look does to a task. `spread` in `0.0..1.0` is the jitter for a retry.
#[must_use]
pub fn poll_answered(
    task: &Task,
    poll: &PollAnswer,
    policy: &Policy,
    account: &Account<'_>,
    spread: f64,
) -> Step {
    let mut step = Step::of(task);
    let at = poll.answered_at;
    step.progress.polls = step.progress.polls.saturating_add(1);
    step.progress.polled_at = Some(at);
    if !matches!(poll.outcome, Err(Failure::NotFound { .. })) {
        step.progress.absences = 0;
        step.progress.absent_since = None;
    }
    match &poll.outcome {
        Ok(seen) => seen_task(&mut step, task, poll, seen, policy, account),
        Err(failure) => failed_poll(&mut step, task, poll, failure, policy, spread),
    }
    step.bound_next_poll(task, at, policy);
    step
}

fn seen_task(
    step: &mut Step,
    task: &Task,
    poll: &PollAnswer,
    seen: &Observation,
    policy: &Policy,
    account: &Account<'_>,
) {
    let at = poll.answered_at;
    let began = task.resume.as_ref().filter(|resume| resume.is_open());
    run_began(
        &mut step.progress,
        seen,
        began.map_or(at, |resume| resume.sent_at),
    );
    step.store(seen, at);
    if seen.status.is_running() {
        step.watch_quiet(task, seen.status.as_str(), at, policy);
    }
    // Of looks only: what the answer to a resume shows need not show in looks for long, and looks are what the next
    // resume is asked by. Taken for progress, it would have the same results asked for again and again.
    step.progress.best_results = step.progress.best_results.max(seen.results);
    // Where the clock went back the last change lies ahead: from now on it counts as one of now.
    step.progress.changed_at = step.progress.changed_at.map(|changed| changed.min(at));
    let poll = settle::Evidence {
        seen,
        started_at: poll.started_at,
        changed_at: step.progress.changed_at.unwrap_or(at),
        reachable_since: account.reachable_since,
        failures: (task.progress.failures)
            .max(task.progress.absences)
            // What the gate holds is no failure of the task's.
            .max(i64::from(task.progress.last_error.is_some())),
    };
    let open = settle_open(step, task, &poll, at, policy);
    let current = step.resume.clone().or_else(|| task.resume.clone());
    let current = current.as_ref();
    let refusal = current.filter(|resume| resume.refusal && resume.id > step.progress.forgiven);
    let ledger = Ledger {
        open: open.and_then(|until| current.map(|resume| (resume, until))),
        refusal,
        recheck_at: refusal.and_then(|resume| recheck_at(resume, at, policy)),
        stalled: step.progress.stalled,
        waste: Waste {
            requested: step.progress.waste_requested,
            brought: step.progress.waste_brought,
        },
        held_until: current
            .filter(|resume| resume.state == ResumeState::Lost || resume.was_turned_back())
            .and_then(|resume| {
                // The one that was just taken for lost is not counted yet.
                let before = task.resume.as_ref().map(|before| before.state);
                let is_new = resume.state == ResumeState::Lost && before != Some(resume.state);
                let lost = task.lost.saturating_add(u32::from(is_new));
                (lost > 0).then(|| settle::held_until(resume, lost, policy.growth.settle))
            })
            .filter(|until| *until > at),
    };
    let Decision {
        state,
        reason,
        next,
    } = decide(&task.wanted, seen, &ledger, account, &policy.growth);
    // Looks that succeed are no reason to ask sooner again for what keeps failing.
    let asks = matches!(
        next,
        Next::Resume(_) | Next::At(_) | Next::Limit(_) | Next::Due
    );
    if !(asks && current.is_some_and(Resume::went_wrong)) {
        step.recover();
    }
    let polling = &policy.polling;
    step.progress.next_poll_at = match next {
        Next::Resume(n) => {
            step.ask = Some(n);
            // Should the process die before the answer is stored, the look that settles it is due soon.
            Some(at)
        }
        Next::Pace => Some(paced(&mut step.progress, current, seen, at, policy)),
        Next::Settle(until) => current.map(|resume| {
            settle::next_poll(
                resume,
                at,
                until,
                polling.min_interval,
                polling.max_interval,
            )
        }),
        Next::At(then) => Some(then),
        Next::Limit(then) => {
            step.progress.queue = Queue::Limit;
            Some(then)
        }
        Next::Due => Some(at),
        Next::Stop => None,
    };
    if !seen.status.is_running() {
        run_ended(&mut step.progress);
    }
    step.enter(state, Some(reason));
}

/// When to poll a refused task once more, where that is still ahead: the polls before and after the refusal may have been
/// stale, or a colleague may have resumed the task.
fn recheck_at(resume: &Resume, at: Timestamp, policy: &Policy) -> Option<Timestamp> {
    let recheck_at = after(resume.resolved_at?, policy.growth.settle);
    (recheck_at > at).then_some(recheck_at)
}

/// Notes the start of a run when a task is first seen at work.
fn run_began(progress: &mut Progress, seen: &Observation, began_at: Timestamp) {
    if progress.run_started_at.is_none() && seen.status.is_running() {
        progress.run_started_at = Some(began_at);
        progress.run_results = progress
            .seen
            .as_ref()
            .map_or(seen.results, |before| before.results.min(seen.results));
    }
}

fn run_ended(progress: &mut Progress) {
    progress.run_started_at = None;
    progress.pace = None;
}

/// When to look again at a run; what that look is to know of this one is noted.
fn paced(
    progress: &mut Progress,
    resume: Option<&Resume>,
    seen: &Observation,
    at: Timestamp,
    policy: &Policy,
) -> Timestamp {
    // The wish need not rise with a resume; what was asked for is then the better guess.
    let asked = resume
        .filter(|resume| resume.state == ResumeState::Accepted && resume.is_open())
        .map_or(0, |resume| {
            resume.baseline_results.saturating_add(resume.requested)
        });
    let run = Run {
        goal: seen.desired.max(asked),
        started_at: progress.run_started_at.unwrap_or(at),
        results_at_start: progress.run_results,
        memory: progress.pace.as_ref(),
    };
    let paced = pace::next_poll(&run, seen, at, &policy.polling);
    progress.pace = Some(paced.memory);
    paced.at
}
