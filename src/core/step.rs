//! What one answer does to one task: the composition of settling, deciding and pacing.
//!
//! Both functions take the task as it stands in the database and return the task as it shall stand there,
//! with what is worth telling. The caller stores all of it in one transaction, and only then acts.

use super::after;
use super::answer::Failure;
use super::decide::{Account, Decision, Ledger, Next, decide};
use super::model::{Observation, Policy, Progress, Resume, ResumeState, State, Status, Task};
use super::pace::{self, Run};
use super::settle::{self, Verdict};
use jiff::Timestamp;
use serde_json::json;

/// The answer to a look.
#[derive(Debug, Clone)]
pub struct Look {
    /// When the request was begun.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// What came of it.
    pub outcome: Result<Observation, Failure>,
}

/// The answer to a resume.
#[derive(Debug, Clone)]
pub struct Answer {
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
    /// When it left `intended`, where it did.
    pub resolved: bool,
    /// A resume to write down as intended, and to send: so many new results.
    pub ask: Option<i64>,
    /// Did a counter change?
    pub sample: bool,
    /// What is worth telling.
    pub events: Vec<Event>,
}

impl Step {
    fn of(task: &Task) -> Self {
        Self {
            progress: task.progress.clone(),
            resume: None,
            resolved: false,
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

    fn back_off(&mut self, at: Timestamp, policy: &Policy, spread: f64) {
        let delay = pace::retry_delay(self.progress.failures, &policy.retry, spread);
        self.progress.next_poll_at = Some(after(at, delay));
    }

    /// The bounds of whatever was decided: no task is polled more often than `min_interval`, and one that was
    /// paused while a request was under way not at all.
    fn bound_next_look(&mut self, task: &Task, at: Timestamp, policy: &Policy) {
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
pub fn look(task: &Task, look: &Look, policy: &Policy, account: &Account<'_>, spread: f64) -> Step {
    let mut step = Step::of(task);
    let at = look.answered_at;
    step.progress.polls = step.progress.polls.saturating_add(1);
    step.progress.polled_at = Some(at);
    match &look.outcome {
        Ok(seen) => seen_task(&mut step, task, look, seen, policy, account),
        Err(Failure::NotFound { detail }) => not_found(&mut step, task, look, detail, policy),
        Err(
            failure @ (Failure::Unauthorized { .. }
            | Failure::PaymentRequired { .. }
            | Failure::RateLimited { .. }),
        ) => step.held_by_gate("poll", failure, at),
        Err(
            failure @ (Failure::Refused { .. }
            | Failure::Unexpected { .. }
            | Failure::Unanswered { .. }
            | Failure::NotUnderstood { .. }
            | Failure::NotConnected { .. }
            | Failure::Withheld { .. }),
        ) => {
            step.fail("poll", failure);
            step.back_off(at, policy, spread);
        }
    }
    step.bound_next_look(task, at, policy);
    step
}

/// What the answer to a resume does to a task, and to the ledger's row `resume`.
#[must_use]
pub fn answer(task: &Task, resume: &Resume, answer: &Answer, policy: &Policy, spread: f64) -> Step {
    let mut step = Step::of(task);
    let at = answer.answered_at;
    let mut row = resume.clone();
    match &answer.outcome {
        Ok(seen) => {
            row.http_status = answer.http_status;
            resolve(&mut step, &mut row, ResumeState::Accepted, None);
            step.recover();
            run_began(&mut step.progress, seen, resume.sent_at);
            step.store(seen, at);
            step.enter(
                State::Growing,
                Some(format!("{} more were granted", row.requested)),
            );
            // The next look decides; this answer only proves that the request arrived.
            step.progress.next_poll_at = Some(if seen.status.is_running() {
                paced(&step.progress, Some(resume), None, seen, at, policy)
            } else {
                after(at, policy.polling.min_interval)
            });
        }
        Err(failure @ (Failure::Unanswered { .. } | Failure::NotUnderstood { .. })) => {
            row.detail = Some(failure.to_string());
            row.http_status = answer.http_status;
            step.tell(
                "resume_unanswered",
                json!({"resume": row.id, "error": failure.to_string()}),
            );
            step.fail("resume", failure);
            let why = "a resume was not answered: looking whether it arrived".to_owned();
            step.enter(State::Growing, Some(why));
            step.progress.next_poll_at = Some(at);
        }
        Err(failure @ Failure::NotConnected { .. }) => {
            resolve(&mut step, &mut row, ResumeState::Unsent, Some(failure));
            step.fail("resume", failure);
            step.enter(State::Growing, Some(went_wrong(failure)));
            step.back_off(at, policy, spread);
        }
        Err(failure @ Failure::Withheld { .. }) => {
            resolve(&mut step, &mut row, ResumeState::Unsent, Some(failure));
            step.enter(State::Growing, Some(went_wrong(failure)));
            step.progress.next_poll_at = Some(at);
        }
        Err(
            failure @ (Failure::Unauthorized { .. }
            | Failure::PaymentRequired { .. }
            | Failure::RateLimited { .. }),
        ) => {
            resolve(&mut step, &mut row, ResumeState::Rejected, Some(failure));
            step.held_by_gate("resume", failure, at);
            let why = format!(
                "a resume is due; the account is refused: {}",
                failure.detail()
            );
            step.enter(State::Growing, Some(why));
        }
        Err(failure @ Failure::NotFound { detail }) => {
            resolve(&mut step, &mut row, ResumeState::Rejected, Some(failure));
            step.enter(State::Missing, Some(missing(detail)));
            step.progress.next_poll_at = None;
        }
        Err(failure @ Failure::Refused { .. }) => {
            resolve(&mut step, &mut row, ResumeState::Rejected, Some(failure));
            let why = format!("a resume was refused ({failure}): looking why");
            step.enter(State::Growing, Some(why));
            step.progress.next_poll_at = Some(at);
        }
        Err(failure @ Failure::Unexpected { .. }) => {
            resolve(&mut step, &mut row, ResumeState::Rejected, Some(failure));
            step.fail("resume", failure);
            step.enter(State::Growing, Some(went_wrong(failure)));
            step.back_off(at, policy, spread);
        }
    }
    step.resume = Some(row);
    step.bound_next_look(task, at, policy);
    step
}

fn seen_task(
    step: &mut Step,
    task: &Task,
    look: &Look,
    seen: &Observation,
    policy: &Policy,
    account: &Account<'_>,
) {
    let at = look.answered_at;
    let previous = previous(&task.progress);
    let began = task.resume.as_ref().filter(|resume| resume.is_open());
    run_began(
        &mut step.progress,
        seen,
        began.map_or(at, |resume| resume.sent_at),
    );
    step.store(seen, at);
    // Of looks only: what the answer to a resume shows need not show in looks for long, and looks are what the next
    // resume is asked by. Taken for progress, it would have the same results asked for again and again.
    step.progress.best_results = step.progress.best_results.max(seen.results);
    let open = settle_open(step, task, Some(seen), look.started_at, policy);
    let current = step.resume.clone().or_else(|| task.resume.clone());
    let current = current.as_ref();
    let ledger = Ledger {
        open: open.and_then(|until| current.map(|resume| (resume, until))),
        refusal: current.filter(|resume| resume.is_refusal() && resume.id > step.progress.forgiven),
        stalled: step.progress.stalled,
        held_until: current
            .filter(|resume| resume.state == ResumeState::Lost)
            .map(|resume| {
                // The one that was just taken for lost is not counted yet.
                let lost = task.lost.saturating_add(u32::from(step.resume.is_some()));
                settle::held_until(resume, lost, policy.growth.settle)
            })
            .filter(|until| *until > at),
    };
    let Decision {
        state,
        reason,
        next,
    } = decide(&task.wanted, seen, &ledger, account, &policy.growth);
    // Looks that succeed are no reason to ask sooner again for what keeps failing.
    let asks = matches!(next, Next::Resume(_) | Next::At(_) | Next::Due);
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
        Next::Pace => Some(paced(&step.progress, current, previous, seen, at, policy)),
        Next::Settle(until) => current.map(|resume| {
            settle::next_look(
                resume,
                at,
                until,
                polling.min_interval,
                polling.max_interval,
            )
        }),
        Next::At(then) => Some(then),
        Next::Due => Some(at),
        Next::Stop => None,
    };
    if !seen.status.is_running() {
        step.progress.run_started_at = None;
    }
    step.enter(state, Some(reason));
}

fn not_found(step: &mut Step, task: &Task, look: &Look, detail: &str, policy: &Policy) {
    step.recover();
    let open = settle_open(step, task, None, look.started_at, policy);
    step.enter(State::Missing, Some(missing(detail)));
    // A resume whose fate is open is not written off before its time, even where its task is gone.
    step.progress.next_poll_at = open;
    step.progress.run_started_at = None;
}

fn went_wrong(failure: &Failure) -> String {
    format!("a resume is due; the last one went wrong ({failure})")
}

fn missing(detail: &str) -> String {
    format!("the service does not know this task: {detail}")
}

/// Settles the newest resume as far as a look can; returns until when it is still open.
fn settle_open(
    step: &mut Step,
    task: &Task,
    seen: Option<&Observation>,
    looked_at: Timestamp,
    policy: &Policy,
) -> Option<Timestamp> {
    let resume = task.resume.as_ref()?;
    let verdict = settle::settle(resume, seen, looked_at, policy.growth.settle);
    let mut row = resume.clone();
    if let Some(seen) = seen.filter(|_| resume.may_show()) {
        let unproven = matches!(row.state, ResumeState::Intended | ResumeState::Lost);
        if unproven && settle::is_proof(resume, seen) {
            resolve(step, &mut row, ResumeState::Accepted, None);
        }
        if row.shown_at.is_none() && settle::shows_work(resume, seen) {
            row.shown_at = Some(looked_at);
        }
    }
    let open = match verdict {
        Verdict::Closed => return None,
        Verdict::Waiting(until) => Some(until),
        Verdict::AtWork => Some(looked_at),
        Verdict::Brought(count) => {
            row.brought = Some(count);
            // Against the best ever seen, not against the baseline: counters that fall and rise again
            // would otherwise pass for progress for ever, and every round would be paid for.
            step.progress.stalled = if step.progress.best_results > row.best_results {
                0
            } else {
                step.progress.stalled.saturating_add(1)
            };
            let detail = json!({"resume": row.id, "requested": row.requested, "brought": count});
            step.tell("resume_done", detail);
            None
        }
        Verdict::Lost => {
            resolve(step, &mut row, ResumeState::Lost, None);
            None
        }
    };
    if row != *resume {
        step.resume = Some(row);
    }
    open
}

fn resolve(step: &mut Step, row: &mut Resume, state: ResumeState, failure: Option<&Failure>) {
    row.state = state;
    if let Some(failure) = failure {
        row.http_status = failure.status();
        row.detail = Some(failure.detail().to_owned());
    }
    step.resolved = true;
    let kind = match state {
        ResumeState::Intended => "resume_intended",
        ResumeState::Accepted => "resume_accepted",
        ResumeState::Rejected => "resume_rejected",
        ResumeState::Unsent => "resume_unsent",
        ResumeState::Lost => "resume_lost",
    };
    let detail = json!({
        "resume": row.id,
        "requested": row.requested,
        "http_status": row.http_status,
        "detail": row.detail,
    });
    step.tell(kind, detail);
}

fn previous(progress: &Progress) -> Option<(Timestamp, i64)> {
    let seen = progress.seen.as_ref()?;
    Some((progress.polled_at?, seen.results))
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

fn paced(
    progress: &Progress,
    resume: Option<&Resume>,
    previous: Option<(Timestamp, i64)>,
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
        previous,
    };
    pace::next_look(&run, seen, at, &policy.polling)
}
