//! What a poll shows of the newest row of the ledger.

use super::Step;
use crate::core::event::Event;
use crate::core::ledger::{IllegalTransition, Transition};
use crate::core::observation::Observation;
use crate::core::paid_request::RequestState;
use crate::core::policy::Policy;
use crate::core::resume::Resume;
use crate::core::settle::{self, Evidence, Verdict};
use crate::core::task::Task;
use jiff::Timestamp;

/// Settles the newest resume as far as the poll can. Returns until when it is still open.
pub(super) fn settle_open(
    step: &mut Step,
    task: &Task,
    evidence: &Evidence<'_>,
    at: Timestamp,
    policy: &Policy,
) -> Result<Option<Timestamp>, IllegalTransition> {
    let Some(resume) = &task.resume else {
        return Ok(None);
    };
    let mut row = resume.clone();
    // After the clock went back, this lies ahead; it is not waited for.
    row.request.resolved_at = row.request.resolved_at.map(|resolved| resolved.min(at));
    let (verdict, idle) = settle::settle(&row, evidence, &policy.growth, &policy.polling);
    row.idle = idle;
    if resume.may_take_effect() {
        note_effect(&mut row, evidence.seen, evidence.started_at);
        let unproven = matches!(
            row.request.state,
            RequestState::Intended | RequestState::Lost
        );
        if unproven && settle::is_proof(resume, evidence.seen) {
            step.transition(&mut row, &Transition::Proven, at)?;
        }
        if row.shown_at.is_none() && settle::shows_work(resume, evidence.seen) {
            row.shown_at = Some(evidence.started_at);
        }
    }
    if row.request.refusal && lifts_refusal(&row, evidence.seen) {
        row.request.refusal = false;
        step.record(Event::RefusalLifted {
            resume: row.request.id,
        });
    }
    let open = match verdict {
        Verdict::Closed => None,
        Verdict::Waiting(until) => Some(until),
        Verdict::AtWork => Some(evidence.started_at),
        Verdict::Brought(brought) => {
            let (concluded, event) = row.conclude(brought)?;
            row = concluded;
            step.record(event);
            count(step, &row, brought);
            None
        }
        Verdict::Lost => {
            step.transition(&mut row, &Transition::Lost, at)?;
            None
        }
    };
    if row != *resume {
        step.resume = Some(row);
    }
    Ok(open)
}

/// Counts what a concluded resume brought.
fn count(step: &mut Step, row: &Resume, brought: i64) {
    let progress = &mut step.progress;
    // Against the best ever seen, not against the baseline: counters that fall and rise again would pass for progress for
    // ever, and every round would be paid for.
    progress.stalled = if progress.best_results > row.best_results {
        0
    } else {
        progress.stalled.saturating_add(1)
    };
    progress.waste_requested = progress
        .waste_requested
        .saturating_add(row.request.requested);
    progress.waste_brought = progress.waste_brought.saturating_add(brought);
}

/// Notes when the first effect of a resume was seen.
pub(super) fn note_effect(row: &mut Resume, seen: &Observation, at: Timestamp) {
    if row.effect_at.is_none() && settle::is_proof(row, seen) {
        row.effect_at = Some(at);
    }
}

/// Whether a poll lifts a refusal: it shows the task at work, or with more results than ever before the refusal. A counter
/// that falls and rises again lifts nothing.
fn lifts_refusal(row: &Resume, seen: &Observation) -> bool {
    let is_at_work = seen.status.is_running() && !seen.is_exhausted;
    is_at_work || seen.results > row.best_results.max(row.baseline_results)
}
