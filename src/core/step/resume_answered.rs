//! What the answer to a resume does to its task, and to the ledger's row.

use super::open_resume::{note_effect, resolve};
use super::{ResumeAnswer, Step, paced, run_began};
use crate::core::after;
use crate::core::failure::Failure;
use crate::core::gate::RETRY_AFTER_MAX;
use crate::core::policy::Policy;
use crate::core::progress::State;
use crate::core::resume::{Resume, ResumeState};
use crate::core::task::Task;
use serde_json::json;

/// What the answer to a resume does to a task, and to the ledger's row `resume`.
#[must_use]
pub fn resume_answered(
    task: &Task,
    resume: &Resume,
    answer: &ResumeAnswer,
    policy: &Policy,
    spread: f64,
) -> Step {
    let mut step = Step::of(task);
    let at = answer.answered_at;
    let mut row = resume.clone();
    match &answer.outcome {
        Ok(seen) => {
            row.http_status = answer.http_status;
            resolve(&mut step, &mut row, ResumeState::Accepted, None, at);
            note_effect(&mut row, seen, at);
            step.recover();
            run_began(&mut step.progress, seen, resume.sent_at);
            step.store(seen, at);
            step.enter(
                State::Growing,
                Some(format!("{} more were granted", row.requested)),
            );
            // The next look decides; this answer only proves that the request arrived.
            step.progress.next_poll_at = Some(if seen.status.is_running() {
                paced(&mut step.progress, Some(resume), seen, at, policy)
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
            step.progress.next_poll_at = Some(match failure {
                Failure::Unanswered {
                    retry_after: Some(retry_after),
                    ..
                } => after(at, retry_after.wait(at).min(RETRY_AFTER_MAX)),
                _ => at,
            });
        }
        Err(failure @ (Failure::NotConnected { .. } | Failure::Withheld { .. })) => {
            resolve(&mut step, &mut row, ResumeState::Unsent, Some(failure), at);
            step.fail("resume", failure);
            step.enter(State::Growing, Some(went_wrong(failure)));
            step.back_off(failure, at, policy, spread);
        }
        Err(
            failure @ (Failure::Unauthorized { .. }
            | Failure::Forbidden { .. }
            | Failure::PaymentRequired { .. }
            | Failure::Superseded { .. }
            | Failure::RateLimited { .. }),
        ) => {
            resolve(
                &mut step,
                &mut row,
                ResumeState::Rejected,
                Some(failure),
                at,
            );
            step.held_by_gate("resume", failure, at);
            let why = format!(
                "a resume is due; the account is refused: {}",
                failure.detail()
            );
            step.enter(State::Growing, Some(why));
        }
        Err(failure @ Failure::Refused { .. }) => {
            resolve(
                &mut step,
                &mut row,
                ResumeState::Rejected,
                Some(failure),
                at,
            );
            row.refusal = true;
            let why = format!("a resume was refused ({failure}): looking why");
            step.enter(State::Growing, Some(why));
            step.progress.next_poll_at = Some(at);
        }
        // Whether the task is missing is for polls to confirm.
        Err(failure @ (Failure::NotFound { .. } | Failure::Unexpected { .. })) => {
            resolve(
                &mut step,
                &mut row,
                ResumeState::Rejected,
                Some(failure),
                at,
            );
            step.fail("resume", failure);
            step.enter(State::Growing, Some(went_wrong(failure)));
            step.back_off(failure, at, policy, spread);
        }
    }
    step.resume = Some(row);
    step.bound_next_poll(task, at, policy);
    step
}

fn went_wrong(failure: &Failure) -> String {
    format!("a resume is due; the last one went wrong ({failure})")
}
