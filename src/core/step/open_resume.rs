//! What a poll or an answer does to the newest row of the ledger.

use super::Step;
use crate::core::failure::Failure;
use crate::core::observation::Observation;
use crate::core::policy::Policy;
use crate::core::resume::{Resume, ResumeState};
use crate::core::settle::{self, Evidence, Verdict};
use crate::core::task::Task;
use jiff::Timestamp;
use serde_json::json;

/// Settles the newest resume as far as a poll can; returns until when it is still open.
pub(super) fn settle_open(
    step: &mut Step,
    task: &Task,
    poll: &Evidence<'_>,
    at: Timestamp,
    policy: &Policy,
) -> Option<Timestamp> {
    let resume = task.resume.as_ref()?;
    let mut row = resume.clone();
    // Where the clock went back this lies ahead; it is not waited for.
    row.resolved_at = row.resolved_at.map(|resolved| resolved.min(at));
    let (verdict, idle) = settle::settle(&row, poll, &policy.growth, &policy.polling);
    row.idle = idle;
    if resume.may_show() {
        note_effect(&mut row, poll.seen, poll.started_at);
        let unproven = matches!(row.state, ResumeState::Intended | ResumeState::Lost);
        if unproven && settle::is_proof(resume, poll.seen) {
            resolve(step, &mut row, ResumeState::Accepted, None, at);
        }
        if row.shown_at.is_none() && settle::shows_work(resume, poll.seen) {
            row.shown_at = Some(poll.started_at);
        }
    }
    if row.refusal && lifts_refusal(&row, poll.seen) {
        row.refusal = false;
        step.tell("refusal_lifted", json!({"resume": row.id}));
    }
    let open = match verdict {
        Verdict::Closed => None,
        Verdict::Waiting(until) => Some(until),
        Verdict::AtWork => Some(poll.started_at),
        Verdict::Brought(count) => {
            row.brought = Some(count);
            // Against the best ever seen, not against the baseline: counters that fall and rise again
            // would otherwise pass for progress for ever, and every round would be paid for.
            step.progress.stalled = if step.progress.best_results > row.best_results {
                0
            } else {
                step.progress.stalled.saturating_add(1)
            };
            let progress = &mut step.progress;
            progress.waste_requested = progress.waste_requested.saturating_add(row.requested);
            progress.waste_brought = progress.waste_brought.saturating_add(count);
            let detail = json!({"resume": row.id, "requested": row.requested, "brought": count});
            step.tell("resume_done", detail);
            None
        }
        Verdict::Lost => {
            resolve(step, &mut row, ResumeState::Lost, None, at);
            None
        }
    };
    if row != *resume {
        step.resume = Some(row);
    }
    open
}

/// Notes when the first effect of a resume was seen.
pub(super) fn note_effect(row: &mut Resume, seen: &Observation, at: Timestamp) {
    if row.effect_at.is_none() && settle::is_proof(row, seen) {
        row.effect_at = Some(at);
    }
}

/// A task at work, or with more results than ever before the refusal, can be asked again once it is done. A counter that
/// falls and rises again lifts nothing.
fn lifts_refusal(row: &Resume, seen: &Observation) -> bool {
    let is_at_work = seen.status.is_running() && !seen.is_exhausted;
    is_at_work || seen.results > row.best_results.max(row.baseline_results)
}

pub(super) fn resolve(
    step: &mut Step,
    row: &mut Resume,
    state: ResumeState,
    failure: Option<&Failure>,
    at: Timestamp,
) {
    row.state = state;
    if let Some(failure) = failure {
        row.http_status = failure.status();
        row.detail = Some(failure.detail().to_owned());
    }
    row.resolved_at = Some(at);
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
