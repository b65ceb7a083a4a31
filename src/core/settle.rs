//! Settles the newest resume of a task by polls.
//!
//! A resume cannot be repeated safely, its answer can be lost, and polls can be stale. A poll proves that a resume arrived
//! by showing an effect of it. To conclude that it did not arrive, or brought less than requested, polls must show the task
//! done and unchanged for a settling time in which the service was reachable.

use super::observation::{Observation, Status};
use super::paid_request::{PaidRequest, RequestState};
use super::policy::{Growth, Polling};
use super::resume::{Idle, Resume};
use super::{after, since};
use jiff::Timestamp;
use std::time::Duration;

/// The longest wait after lost resumes, unless `growth.settle` is longer.
pub const HELD_MAX: Duration = Duration::from_hours(1);

/// After an effect was seen, polls that show no work count as stale for this many settling times.
pub const STALE_FACTOR: u32 = 10;

/// The effect of a resume that a poll shows, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// More results than ever before it.
    Results,
    /// The status left `done`.
    Working,
    /// A higher `desired_num_results`, or more results than just before the resume but not more than ever before: it arrived,
    /// but its work may not have begun.
    Arrival,
    /// The task looks as it did before.
    Nothing,
}

/// The outcome of the newest resume, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The outcome was known before.
    Closed,
    /// Not known yet; it is settled at this time at the latest.
    Waiting(Timestamp),
    /// It arrived, and the service is at work on it.
    AtWork,
    /// It arrived, and the service has finished with this many new results.
    Brought(i64),
    /// It did not arrive.
    Lost,
}

/// A successful poll, and what its weight as evidence depends on.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The task as the poll shows it.
    pub seen: &'a Observation,
    /// When the request was begun. The poll shows no older state, unless it is stale.
    pub started_at: Timestamp,
    /// When a poll, this one included, last showed another counter, status or `is_exhausted` than the one before.
    pub changed_at: Timestamp,
    /// When the last outage ended, as far as the gate knows.
    pub reachable_since: Timestamp,
    /// Requests in a row that failed before this poll.
    pub failures: i64,
}

/// Settles `resume` by a poll. Returns the verdict and the new [`Resume::idle`].
#[must_use]
pub fn settle(
    resume: &Resume,
    poll: &Evidence<'_>,
    growth: &Growth,
    polling: &Polling,
) -> (Verdict, Option<Idle>) {
    let settle = growth.settle;
    let effect = effect(resume, poll.seen);
    if !resume.may_take_effect()
        || (resume.request.state == RequestState::Lost && effect == Effect::Nothing)
    {
        return (Verdict::Closed, resume.idle);
    }
    if poll.seen.status.is_running() {
        return (Verdict::AtWork, None);
    }
    let brought = brought(resume, poll.seen);
    let worked = resume.shown_at.is_some() || effect == Effect::Results;
    let is_proven = resume.request.state != RequestState::Intended || effect != Effect::Nothing;
    let is_whole = worked && brought >= resume.request.requested;
    // `failed` is final, and an empty pool brings nothing more.
    let is_final = poll.seen.status == Status::Failed || poll.seen.is_exhausted;
    if is_whole || (is_proven && is_final) {
        return (Verdict::Brought(brought), None);
    }
    let idle = idle(resume, poll, settle, polling.max_interval);
    let quiet = after(idle.since.max(poll.changed_at), settle);
    let deadline = if !is_proven {
        after(idle.since, settle)
    } else if resume.effect_at.is_none() && effect == Effect::Nothing {
        // Its own answer showed no effect either.
        quiet.max(after(
            resume.request.resolved_at.unwrap_or(resume.request.sent_at),
            settle,
        ))
    } else if worked && effect != Effect::Nothing {
        quiet
    } else {
        let stale = settle.saturating_mul(STALE_FACTOR);
        quiet.max(after(resume.request.sent_at, stale))
    };
    let verdict = if poll.started_at < deadline {
        Verdict::Waiting(deadline)
    } else if is_proven {
        Verdict::Brought(brought)
    } else {
        Verdict::Lost
    };
    (verdict, Some(idle))
}

/// Extends the period in which polls show the task done.
///
/// An outage does not count. One of a settling time or more restarts the period, since the service may be catching up.
/// Around a single failure, an eighth of the time counts, so that a service that fails every other poll does not hold the
/// task for ever. A gap of more than twice the usual one can hide an outage that growd did not see, for instance while the
/// task was paused: half a settling time of it counts.
fn idle(resume: &Resume, poll: &Evidence<'_>, settle: Duration, max_interval: Duration) -> Idle {
    let until = poll.started_at;
    let begun = Idle {
        since: until,
        until,
    };
    let Some(idle) = resume.idle.filter(|idle| idle.until <= until) else {
        return begun;
    };
    let gap = since(idle.until, until);
    let is_long = gap >= settle.max(max_interval).saturating_mul(2);
    let outage = poll.failures > 1 || poll.reachable_since > idle.until;
    let counted = match (outage, poll.failures) {
        (true, _) if gap >= settle => return begun,
        (true, _) => Duration::ZERO,
        (false, 0) if is_long => settle / 2,
        (false, 0) => gap,
        (false, _) if is_long => return begun,
        (false, _) => gap / 8,
    };
    Idle {
        since: after(idle.since, gap.saturating_sub(counted)),
        until,
    }
}

/// Whether a poll proves that an unanswered resume arrived.
#[must_use]
pub fn is_proof(resume: &Resume, seen: &Observation) -> bool {
    effect(resume, seen) != Effect::Nothing
}

/// Whether a poll shows the service at work on a resume, or its results.
#[must_use]
pub fn shows_work(resume: &Resume, seen: &Observation) -> bool {
    matches!(effect(resume, seen), Effect::Results | Effect::Working)
}

/// Returns when the next paid request may follow after `lost` lost ones in a row, of which `request` is the newest.
///
/// After the first, that is its settling time. The wait then doubles each time, up to [`HELD_MAX`]. Otherwise a service that
/// accepts resumes without an answer, and shows their effect only after `settle`, would be asked for the same results once in
/// each `settle`.
#[must_use]
pub fn held_until(request: &PaidRequest, lost: u32, settle: Duration) -> Timestamp {
    let doubled = 2_u32.saturating_pow(lost.saturating_sub(1));
    let wait = settle.saturating_mul(doubled).min(HELD_MAX.max(settle));
    after(request.sent_at, wait)
}

/// Returns when to look again for an open request: at intervals that grow with the time since it was sent, and at the
/// deadline.
#[must_use]
pub fn next_poll(
    request: &PaidRequest,
    now: Timestamp,
    deadline: Timestamp,
    min: Duration,
    max: Duration,
) -> Timestamp {
    let gap = (since(request.sent_at, now) / 2).clamp(min, max);
    let soonest = after(now, min);
    after(now, gap).min(deadline.max(soonest))
}

fn effect(resume: &Resume, seen: &Observation) -> Effect {
    // A counter that fell before the resume may rise to its former value without a resume.
    if seen.results > resume.best_results.max(resume.baseline_results) {
        Effect::Results
    } else if seen.status != Status::Done {
        Effect::Working
    } else if seen.desired > resume.baseline_desired || seen.results > resume.baseline_results {
        Effect::Arrival
    } else {
        Effect::Nothing
    }
}

fn brought(resume: &Resume, seen: &Observation) -> i64 {
    seen.results.saturating_sub(resume.baseline_results).max(0)
}
