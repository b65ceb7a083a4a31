//! What a poll without a task does: backing off, waiting for the account, or counting towards a missing task.

use super::{PollAnswer, Step, run};
use crate::core::failure::Failure;
use crate::core::gate::Request;
use crate::core::policy::Policy;
use crate::core::progress::State;
use crate::core::task::Task;
use crate::core::{after, since};
use std::time::Duration;

/// Polls in a row that the service has to answer with 404 before a task is missing.
const ABSENCES: i64 = 3;

/// How often a missing task is polled.
const MISSING_INTERVAL: Duration = Duration::from_hours(24);

pub(super) fn failed_poll(
    step: &mut Step,
    task: &Task,
    poll: &PollAnswer,
    failure: &Failure,
    policy: &Policy,
    jitter: f64,
) {
    let at = poll.answered_at;
    match failure {
        Failure::NotFound { .. } => not_found(step, poll, failure, policy),
        Failure::Unauthorized { .. }
        | Failure::Forbidden { .. }
        | Failure::PaymentRequired { .. }
        | Failure::Superseded { .. }
        | Failure::RateLimited { .. } => step.held_by_gate(Request::Poll, failure, at),
        Failure::Refused { .. }
        | Failure::Unexpected { .. }
        | Failure::Unanswered { .. }
        | Failure::NotUnderstood { .. }
        | Failure::NotConnected { .. }
        | Failure::Withheld { .. } => {
            step.fail(Request::Poll, failure);
            if step.progress.state == State::Pending {
                let reason = format!("no poll has succeeded yet: {failure}");
                step.enter(State::Pending, Some(reason));
            }
            step.back_off(failure, at, policy, jitter);
            if let Failure::NotUnderstood { .. } = failure {
                step.watch_quiet(task, &failure.to_string(), at, policy);
            }
        }
    }
}

/// Counts a 404 of the service's own: one can be a passing fault, and ends nothing.
fn not_found(step: &mut Step, poll: &PollAnswer, failure: &Failure, policy: &Policy) {
    let (at, settle) = (poll.answered_at, policy.growth.settle);
    let progress = &mut step.progress;
    // A clock that went back begins the time anew.
    let first = progress
        .absent_since
        .filter(|first| *first <= poll.started_at)
        .unwrap_or(poll.started_at);
    progress.absent_since = Some(first);
    progress.absences = progress.absences.saturating_add(1);
    let is_confirmed = progress.absences >= ABSENCES && since(first, poll.started_at) >= settle;
    if is_confirmed || progress.state == State::Missing {
        let reason = absence(failure);
        progress.next_poll_at = Some(after(at, MISSING_INTERVAL));
        progress.quiet_at = None;
        step.enter(State::Missing, Some(reason));
    } else {
        let reason = format!(
            "{}; polling again before it is taken for missing",
            absence(failure)
        );
        let gap = (settle / 2).min(policy.polling.max_interval);
        progress.next_poll_at = Some(after(at, gap));
        step.enter(step.progress.state, Some(reason));
    }
    run::ended(&mut step.progress);
}

fn absence(failure: &Failure) -> String {
    match failure.status() {
        Some(403) => format!("the service does not show this task: {failure}"),
        _ => format!("the service does not know this task: {failure}"),
    }
}
