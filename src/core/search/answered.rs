//! What an answer does to a search with an open create: the answer to the create itself, or a reading of the list.

use super::Search;
use super::create::Create;
use super::event::SearchEvent;
use super::settle::Verdict;
use super::step::{NewPart, Step};
use crate::core::gate::RETRY_AFTER_MAX;
use crate::core::ledger::{IllegalTransition, Transition};
use crate::core::policy::Policy;
use crate::core::progress::State;
use crate::core::{Failure, TaskId, after, settle};
use jiff::Timestamp;
use std::time::Duration;

/// The answer to a create.
#[derive(Debug, Clone)]
pub struct CreateAnswer {
    /// The row of the ledger.
    pub create_id: i64,
    /// When the request was sent.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// The status code, if there was an answer.
    pub http_status: Option<u16>,
    /// The task that was created, or why there is none.
    pub outcome: Result<TaskId, Failure>,
}

impl CreateAnswer {
    /// Returns what it means for the ledger.
    #[must_use]
    pub fn transition(&self) -> Transition {
        Transition::of_answer(&self.outcome, self.http_status)
    }

    /// Returns the task that was created.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.outcome.as_ref().ok().cloned()
    }
}

/// Returns what the answer to `create` does to its search.
///
/// # Errors
///
/// [`IllegalTransition`] where the row has an answer already.
pub fn create_answered(
    search: &Search,
    create: &Create,
    answer: &CreateAnswer,
    policy: &Policy,
) -> Result<Step, IllegalTransition> {
    let at = answer.answered_at;
    let (row, event) = create.apply(&answer.transition(), answer.task(), at)?;
    let mut step = Step::of(search);
    step.record(event);
    match &answer.outcome {
        Ok(task) => arrived(&mut step, search, create, task, policy, at),
        Err(failure) => {
            let part = create.part;
            let reason = match failure {
                Failure::Unanswered { .. } | Failure::NotUnderstood { .. } => {
                    format!(
                        "part {part} was asked for without an answer ({failure}): looking for it in the list"
                    )
                }
                _ => {
                    format!("part {part} was asked for in vain ({failure}): deciding what is next")
                }
            };
            step.enter(State::Growing, reason, at);
            step.progress.next_at = Some(match failure {
                Failure::Unanswered {
                    retry_after: Some(retry_after),
                    ..
                } => after(at, retry_after.wait(at).min(RETRY_AFTER_MAX)),
                _ => at,
            });
        }
    }
    step.create = Some(row);
    Ok(step)
}

/// Returns what a reading of the list does to the search of an open create.
///
/// # Errors
///
/// [`IllegalTransition`] where the row is not open any more.
pub fn list_read(
    search: &Search,
    create: &Create,
    verdict: &Verdict,
    policy: &Policy,
    now: Timestamp,
) -> Result<Step, IllegalTransition> {
    let mut step = Step::of(search);
    let (row, next_at) = match verdict {
        Verdict::Arrived { task, candidates } => {
            step.record(SearchEvent::CreateFound {
                create: create.request.id,
                task_id: task.to_string(),
                candidates: *candidates,
            });
            let (row, event) = create.apply(&Transition::Proven, Some(task.clone()), now)?;
            step.record(event);
            arrived(&mut step, search, create, task, policy, now);
            (row, now)
        }
        Verdict::Lost => {
            let (row, event) = create.apply(&Transition::Lost, None, now)?;
            step.record(event);
            (row, now)
        }
        Verdict::Open {
            absent_since,
            doubts,
        } => {
            let row = Create {
                absent_since: *absent_since,
                doubts: *doubts,
                ..create.clone()
            };
            let polling = &policy.polling;
            let settle = policy.growth.settle;
            let deadline = after(absent_since.unwrap_or(now), settle);
            let deadline = deadline.max(after(create.request.sent_at, settle));
            let (min, max) = (polling.min_interval, polling.max_interval);
            let next = settle::next_poll(&create.request, now, deadline, min, max);
            (row, next)
        }
    };
    step.create = Some(row);
    step.progress.next_at = Some(next_at);
    Ok(step)
}

/// Returns what a failed reading of the list does to the search of an open create. The next reading is as far away as
/// [`settle::next_poll`] says; further if the answer asks for that (`Retry-After`).
#[must_use]
pub fn list_failed(
    search: &Search,
    create: &Create,
    failure: &Failure,
    policy: &Policy,
    now: Timestamp,
) -> Step {
    let mut step = Step::of(search);
    let part = create.part;
    let reason = format!(
        "part {part} was asked for without an answer, and the list to look for it cannot be read: {failure}"
    );
    step.enter(State::Growing, reason, now);
    let (min, max) = (policy.polling.min_interval, policy.polling.max_interval);
    let deadline = after(now, max);
    let next = settle::next_poll(&create.request, now, deadline, min, max);
    let wait = match failure {
        Failure::RateLimited { retry_after, .. } | Failure::Unanswered { retry_after, .. } => {
            let wait = retry_after.map(|retry_after| retry_after.wait(now));
            wait.unwrap_or_default().min(RETRY_AFTER_MAX)
        }
        _ => Duration::ZERO,
    };
    step.progress.next_at = Some(next.max(after(now, wait)));
    step
}

/// Makes the task that `create` made a part of the search.
fn arrived(
    step: &mut Step,
    search: &Search,
    create: &Create,
    task: &TaskId,
    policy: &Policy,
    at: Timestamp,
) {
    if search.parts.iter().any(|part| part.task == *task) {
        // The list showed it, and it was taken for the task of a later create.
        step.progress.next_at = Some(at);
        return;
    }
    // A create that was taken for lost can be answered after the next one has made this part.
    let is_taken = search.parts.iter().any(|part| part.number == create.part);
    let part = if is_taken {
        search.next_part()
    } else {
        create.part
    };
    step.enter(State::Growing, format!("part {part} was created"), at);
    step.progress.next_at = Some(at);
    if let Some(earlier) = search
        .newest()
        .filter(|newest| newest.target > newest.results)
    {
        // Whatever wakes it later, it has reached its target: it would find what this part finds.
        step.set_target(earlier, earlier.results.max(1));
    }
    let missing = search.missing().max(create.request.requested);
    step.part = Some(NewPart {
        task: task.clone(),
        part,
        target: missing.clamp(1, policy.growth.task_cap.max(1)),
    });
}
