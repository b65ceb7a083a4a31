//! What the answer to a poll does to its task and to the ledger.

use super::open_resume::settle_open;
use super::poll_failed::failed_poll;
use super::{PollAnswer, Step, run};
use crate::core::after;
use crate::core::decide::{Decision, LedgerView, Next, Waste, decide};
use crate::core::event::Event;
use crate::core::failure::Failure;
use crate::core::ledger::IllegalTransition;
use crate::core::observation::Observation;
use crate::core::paid_request::RequestState;
use crate::core::policy::Policy;
use crate::core::queue::Queue;
use crate::core::resume::Resume;
use crate::core::settle;
use crate::core::spending::Account;
use crate::core::task::Task;
use jiff::Timestamp;

/// Returns what a poll does to a task. `jitter` in `0.0..1.0` spreads the delay after an error.
///
/// # Errors
///
/// [`IllegalTransition`] where the ledger's newest row does not allow what the poll shows.
pub fn poll_answered(
    task: &Task,
    poll: &PollAnswer,
    policy: &Policy,
    account: &Account<'_>,
    jitter: f64,
) -> Result<Step, IllegalTransition> {
    let is_stale = poll.is_stale(task, account.now);
    let poll = &poll.clamped(account.now);
    let mut step = Step::of(task);
    let at = poll.answered_at;
    step.progress.polls = step.progress.polls.saturating_add(1);
    step.progress.polled_at = Some(at);
    step.progress.polled_alone_at = Some(at);
    if !matches!(poll.outcome, Err(Failure::NotFound { .. })) {
        step.progress.absences = 0;
        step.progress.absent_since = None;
    }
    match &poll.outcome {
        Ok(seen) => seen_task(&mut step, task, poll, seen, is_stale, policy, account)?,
        Err(failure) => failed_poll(&mut step, task, poll, failure, policy, jitter),
    }
    step.bound_next_poll(task, at, policy);
    Ok(step)
}

fn seen_task(
    step: &mut Step,
    task: &Task,
    poll: &PollAnswer,
    seen: &Observation,
    is_stale: bool,
    policy: &Policy,
    account: &Account<'_>,
) -> Result<(), IllegalTransition> {
    let at = poll.answered_at;
    let began = task.resume.as_ref().filter(|resume| resume.is_open());
    run::began(
        &mut step.progress,
        seen,
        began.map_or(at, |resume| resume.request.sent_at),
    );
    step.store(seen, at);
    if seen.status.is_running() {
        step.watch_quiet(task, seen.status.as_str(), at, policy);
    }
    // Polls alone count. The answer to a resume may show results that polls do not show for a while, and the next resume
    // goes by polls: taken for progress, those results would be asked for again and again.
    step.progress.best_results = step.progress.best_results.max(seen.results);
    // After the clock went back, the last change lies ahead; it counts as one of now.
    step.progress.changed_at = step.progress.changed_at.map(|changed| changed.min(at));
    let evidence = settle::Evidence {
        seen,
        started_at: poll.started_at,
        changed_at: step.progress.changed_at.unwrap_or(at),
        reachable_since: account.reachable_since,
        failures: (task.progress.failures)
            .max(task.progress.absences)
            // What the gate holds is no failure of the task's.
            .max(i64::from(task.progress.last_error.is_some())),
    };
    let open = settle_open(step, task, &evidence, at, policy)?;
    let newest = step.resume.clone().or_else(|| task.resume.clone());
    let newest = newest.as_ref();
    let refusal = newest
        .filter(|resume| resume.request.refusal && resume.request.id > step.progress.forgiven);
    let ledger = LedgerView {
        open: open.and_then(|until| newest.map(|resume| (resume, until))),
        refusal,
        recheck_at: refusal.and_then(|resume| recheck_at(resume, at, policy)),
        stalled: step.progress.stalled,
        waste: Waste {
            requested: step.progress.waste_requested,
            brought: step.progress.waste_brought,
        },
        held_until: newest.and_then(|resume| held_until(resume, task, at, policy)),
        stale: is_stale,
    };
    let Decision {
        state,
        reason,
        next,
    } = decide(&task.wanted, seen, &ledger, account, &policy.growth);
    // Polls that succeed are no reason to ask sooner again for what keeps failing.
    let asks = matches!(
        next,
        Next::Resume(_) | Next::At(_) | Next::Limit(_) | Next::AskCredits | Next::Due
    );
    if !(asks && newest.is_some_and(|resume| resume.request.failed_by_chance())) {
        step.recover();
    }
    let polling = &policy.polling;
    step.progress.next_poll_at = match next {
        // If the process dies before the answer is stored, the poll that settles the resume is due soon.
        Next::Resume(_) | Next::AskCredits | Next::Due => Some(at),
        Next::Pace => Some(run::next_poll(&mut step.progress, newest, seen, at, policy)),
        Next::Settle(until) => newest.map(|resume| {
            settle::next_poll(
                &resume.request,
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
        Next::Stop => None,
    };
    if !seen.status.is_running() {
        run::ended(&mut step.progress);
    }
    step.enter(state, Some(reason));
    step.asks_credits = next == Next::AskCredits;
    if let Next::Resume(requested) = next {
        intend(step, requested, seen, newest, account);
    }
    Ok(())
}

/// Writes down a resume that is to be sent.
fn intend(
    step: &mut Step,
    requested: i64,
    seen: &Observation,
    previous: Option<&Resume>,
    account: &Account<'_>,
) {
    let resume = Resume::intended(
        account.next_id,
        requested,
        seen,
        step.progress.best_results,
        account.now,
    );
    step.record(Event::ResumeIntended {
        resume: resume.request.id,
        requested,
        baseline_results: resume.baseline_results,
        previous: previous.map(|resume| resume.request.state),
    });
    step.intended = Some(resume);
}

/// Returns until when nothing is asked, because resumes in a row were taken for lost or rejected for no documented reason.
fn held_until(resume: &Resume, task: &Task, at: Timestamp, policy: &Policy) -> Option<Timestamp> {
    if resume.request.state != RequestState::Lost && !resume.request.had_no_effect() {
        return None;
    }
    // The one that this poll has taken for lost is not counted yet.
    let before = task.resume.as_ref().map(|before| before.request.state);
    let is_new = resume.request.state == RequestState::Lost && before != Some(resume.request.state);
    let lost = task.lost.saturating_add(u32::from(is_new));
    let until = (lost > 0).then(|| settle::held_until(&resume.request, lost, policy.growth.settle));
    until.filter(|until| *until > at)
}

/// Returns when to poll a refused task once more, if that is still ahead. The polls before and after the refusal may have
/// been stale, or another client may have resumed the task.
fn recheck_at(resume: &Resume, at: Timestamp, policy: &Policy) -> Option<Timestamp> {
    let recheck_at = after(resume.request.resolved_at?, policy.growth.settle);
    (recheck_at > at).then_some(recheck_at)
}
