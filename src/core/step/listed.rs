//! What an entry of the service's list does to its task.
//!
//! An entry is processed like a poll of the task, but nothing is decided by it that costs money or ends anything: it leaves
//! the ledger alone, and does not enter an end. Where a poll would do so, the task is made due to be polled alone.

use super::{Step, run};
use crate::core::decide::at_work;
use crate::core::observation::Observation;
use crate::core::plan::{Reliance, Shown, ToConfirm, wanted_at};
use crate::core::policy::Policy;
use crate::core::progress::State;
use crate::core::queue::Queue;
use crate::core::task::Task;
use crate::core::{after, since};
use jiff::Timestamp;

/// An entry of the list, and what its weight as an observation depends on.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What the list shows of the task.
    pub seen: &'a Observation,
    /// When the request for the page was begun.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Timestamp,
    /// How far the list is relied on.
    pub reliance: Reliance,
}

/// Returns what an entry of the list does to its task, none if nothing, and what that means for the plan of requests.
#[must_use]
pub fn listed(task: &Task, entry: &Entry<'_>, policy: &Policy) -> (Option<Step>, Shown) {
    let progress = &task.progress;
    if task.wanted.paused || !progress.is_watched() {
        return (None, Shown::Unwatched);
    }
    let Entry {
        seen,
        started_at,
        answered_at: at,
        reliance,
    } = *entry;
    // A list that lags shows the tasks as they were then.
    let seen_at = started_at.checked_sub(reliance.lag).unwrap_or(started_at);
    let polled = progress.polled_alone_at;
    let run_began = progress.run_started_at;
    if (progress.seen.as_ref()).is_some_and(|known| is_older(seen, known)) {
        // The answer to a resume counts as well.
        let than = progress.polled_at.max(run_began);
        return (None, Shown::Older { than });
    }
    if polled.max(run_began).is_some_and(|newest| seen_at < newest) {
        return (None, Shown::Overtaken);
    }
    let mut step = Step::of(task);
    step.progress.polls = step.progress.polls.saturating_add(1);
    step.progress.polled_at = Some(at);
    let is_running = seen.status.is_running();
    let run_began = run_began.unwrap_or(seen_at);
    if is_running {
        run::began(&mut step.progress, seen, seen_at);
    }
    step.store(seen, at);
    let refusal = task.resume.as_ref();
    let is_refused = refusal
        .is_some_and(|resume| resume.request.refusal && resume.request.id > progress.forgiven);
    let (state, reason) = at_work(&task.wanted, seen, is_refused, &policy.growth);
    let stays = progress.state == state || state == State::Growing && !progress.state.is_end();
    // A list that never shows an end must not hide it for ever, nor must one entry that no longer changes.
    let unchanged_since = step.progress.changed_at.unwrap_or(run_began);
    let alone_within = if since(unchanged_since, at) < reliance.still_within {
        reliance.alone_within
    } else {
        reliance.alone_within.min(reliance.still_within)
    };
    let alone = after(polled.unwrap_or(run_began), alone_within);
    // The run has had all that it was asked for, for a while. Has it ended unseen?
    let is_complete = seen.results >= seen.desired
        && since(unchanged_since, at) >= policy.polling.max_interval
        && polled.is_none_or(|polled| polled <= unchanged_since);
    // A task is not reported as quiet on the strength of the list.
    let is_quiet = step.is_newly_quiet(task, at, policy);
    if is_running && stays && alone > at && !is_complete && !is_quiet {
        step.enter(state, Some(reason));
        let paced = run::next_poll(
            &mut step.progress,
            task.resume.as_ref(),
            seen,
            seen_at,
            policy,
        );
        step.progress.next_poll_at = Some(paced.min(alone));
        step.bound_next_poll(task, at, policy);
        let due = wanted_at(&step.progress, seen_at).unwrap_or(paced);
        return (Some(step), Shown::Watched { seen_at, due });
    }
    let status = seen.status.as_str();
    let (what, why) = if !is_running {
        let age = since(run_began, started_at);
        (ToConfirm::End { age }, format!("the list shows {status}"))
    } else if !stays {
        let why = format!("the list shows {} results", seen.results);
        (ToConfirm::State, why)
    } else {
        let why = format!("only the list has shown {status} for a while");
        (ToConfirm::Work, why)
    };
    step.progress.reason = Some(format!("{why}: polling the task itself"));
    step.progress.queue = Queue::New;
    step.progress.next_poll_at = Some(at);
    step.bound_next_poll(task, at, policy);
    (Some(step), Shown::Confirm(what))
}

/// Whether an entry shows less than is known already: the list lags, or a counter fell, which a poll of the task shows.
fn is_older(seen: &Observation, known: &Observation) -> bool {
    let pairs = [
        (seen.desired, known.desired),
        (seen.discovered, known.discovered),
        (seen.enriched, known.enriched),
        (seen.evaluated, known.evaluated),
        (seen.results, known.results),
    ];
    pairs.iter().any(|(seen, known)| seen < known)
}
