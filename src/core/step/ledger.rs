//! What a look or an answer does to the newest row of the ledger.

use super::Step;
use crate::core::answer::Failure;
use crate::core::model::{Observation, Policy, Resume, ResumeState, Task};
use crate::core::settle::{self, Verdict};
use jiff::Timestamp;
use serde_json::json;

/// Settles the newest resume as far as a look can; returns until when it is still open.
pub(super) fn settle_open(
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

pub(super) fn resolve(
    step: &mut Step,
    row: &mut Resume,
    state: ResumeState,
    failure: Option<&Failure>,
) {
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
