//! What the answer to a resume does to its task and to the ledger.

use super::open_resume::note_effect;
use super::{ResumeAnswer, Step, run};
use crate::core::after;
use crate::core::event::Event;
use crate::core::failure::Failure;
use crate::core::gate::{RETRY_AFTER_MAX, Request};
use crate::core::ledger::{IllegalTransition, Transition};
use crate::core::policy::Policy;
use crate::core::progress::State;
use crate::core::resume::Resume;
use crate::core::task::Task;

/// Returns what the answer to a resume does to its task, and to the ledger's row `resume`.
///
/// # Errors
///
/// [`IllegalTransition`] where the row has an answer already.
pub fn resume_answered(
    task: &Task,
    resume: &Resume,
    answer: &ResumeAnswer,
    policy: &Policy,
    jitter: f64,
) -> Result<Step, IllegalTransition> {
    let mut step = Step::of(task);
    let at = answer.answered_at;
    let mut row = resume.clone();
    step.transition(&mut row, &transition(answer), at)?;
    match &answer.outcome {
        Ok(seen) => {
            note_effect(&mut row, seen, at);
            step.recover();
            run::began(&mut step.progress, seen, resume.request.sent_at);
            step.store(seen, at);
            let reason = format!("{} more were granted", row.request.requested);
            step.enter(State::Growing, Some(reason));
            // The next poll decides; this answer only proves that the request arrived.
            step.progress.next_poll_at = Some(if seen.status.is_running() {
                run::next_poll(&mut step.progress, Some(resume), seen, at, policy)
            } else {
                after(at, policy.polling.min_interval)
            });
        }
        Err(failure) => failed(&mut step, failure, answer, policy, jitter),
    }
    step.resume = Some(row);
    step.bound_next_poll(task, at, policy);
    Ok(step)
}

/// Returns what the answer to a resume does to the ledger's row, for a task that was removed meanwhile: nothing but the
/// ledger is kept of it.
///
/// # Errors
///
/// [`IllegalTransition`] where the row has an answer already.
pub fn removed_task_answered(
    resume: &Resume,
    answer: &ResumeAnswer,
) -> Result<(Resume, Event), IllegalTransition> {
    let at = answer.answered_at;
    let (mut row, event) = resume.apply(&transition(answer), at)?;
    if let Ok(seen) = &answer.outcome {
        note_effect(&mut row, seen, at);
    }
    Ok((row, event))
}

fn transition(answer: &ResumeAnswer) -> Transition {
    Transition::of_answer(&answer.outcome, answer.http_status)
}

/// What an answer without a task does to the task.
fn failed(step: &mut Step, failure: &Failure, answer: &ResumeAnswer, policy: &Policy, jitter: f64) {
    let at = answer.answered_at;
    match failure {
        Failure::Unanswered { .. } | Failure::NotUnderstood { .. } => {
            step.fail(Request::Resume, failure);
            let reason = "a resume was not answered: looking whether it arrived".to_owned();
            step.enter(State::Growing, Some(reason));
            step.progress.next_poll_at = Some(match failure {
                Failure::Unanswered {
                    retry_after: Some(retry_after),
                    ..
                } => after(at, retry_after.wait(at).min(RETRY_AFTER_MAX)),
                _ => at,
            });
        }
        Failure::Unauthorized { .. }
        | Failure::Forbidden { .. }
        | Failure::PaymentRequired { .. }
        | Failure::Superseded { .. }
        | Failure::RateLimited { .. } => {
            step.held_by_gate(Request::Resume, failure, at);
            let reason = format!(
                "a resume is due; the account is refused: {}",
                failure.detail()
            );
            step.enter(State::Growing, Some(reason));
        }
        Failure::Refused { .. } => {
            let reason = format!("a resume was refused ({failure}): looking why");
            step.enter(State::Growing, Some(reason));
            step.progress.next_poll_at = Some(at);
        }
        // Whether the task is missing is for polls to confirm.
        Failure::NotConnected { .. }
        | Failure::Withheld { .. }
        | Failure::NotFound { .. }
        | Failure::Unexpected { .. } => {
            step.fail(Request::Resume, failure);
            let reason = format!("a resume is due; the last one went wrong ({failure})");
            step.enter(State::Growing, Some(reason));
            step.back_off(failure, at, policy, jitter);
        }
    }
}
