//! What a poll proves about the newest resume of its task.
//!
//! A resume cannot be repeated safely, its answer can be lost, and polls can be stale. So silence proves nothing: a poll
//! proves that a resume arrived by showing an effect of it. That it did not arrive, or that it brought less than it asked
//! for, takes polls that show the task done and unchanged for a whole settling time in which the service could be asked.

use super::observation::{Observation, Status};
use super::policy::{Growth, Polling};
use super::resume::{Idle, Resume, ResumeState};
use super::{after, since};
use jiff::Timestamp;
use std::time::Duration;

/// The longest wait after resumes that were taken for lost, where `growth.settle` is not longer.
pub const HELD_MAX: Duration = Duration::from_hours(1);

/// After an effect was seen, polls that show no work are stale: they conclude the resume after this many settling times.
pub const STALE_FACTOR: u32 = 10;

/// What a poll shows of a resume, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// More results than ever before it.
    Results,
    /// The status left `done`.
    Working,
    /// A higher `desired_num_results`, or more results than just before it but no more than once before: it
    /// arrived, but it need not have begun.
    Sign,
    /// The task looks as it did before.
    Nothing,
}

/// What is now known of the newest resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its outcome was known before.
    Closed,
    /// Not known yet; the next resume has to wait for it, at the longest until then.
    Waiting(Timestamp),
    /// It arrived, and the service is at work on it.
    AtWork,
    /// It arrived, and the service has finished: so many results more than before it, 0 for none.
    Brought(i64),
    /// It never arrived.
    Lost,
}

/// A poll that the service answered with the task.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What it shows.
    pub seen: &'a Observation,
    /// When the request was begun: what the poll shows is at least as new as that.
    pub started_at: Timestamp,
    /// When a poll last showed another counter, status or `is_exhausted` than the one before; this poll included.
    pub changed_at: Timestamp,
    /// When the last outage ended, as far as the gate knows.
    pub reachable_since: Timestamp,
    /// How many requests in a row failed before this poll.
    pub failures: i64,
}

/// Judges `resume` by a poll; returns the verdict, and the new [`Resume::idle`].
#[must_use]
pub fn settle(
    resume: &Resume,
    poll: &Evidence<'_>,
    growth: &Growth,
    polling: &Polling,
) -> (Verdict, Option<Idle>) {
    let settle = growth.settle;
    let effect = effect(resume, poll.seen);
    if !resume.may_show() || (resume.state == ResumeState::Lost && effect == Effect::Nothing) {
        return (Verdict::Closed, resume.idle);
    }
    if poll.seen.status.is_running() {
        return (Verdict::AtWork, None);
    }
    let brought = brought(resume, poll.seen);
    let worked = resume.shown_at.is_some() || effect == Effect::Results;
    let is_proven = resume.state != ResumeState::Intended || effect != Effect::Nothing;
    let is_whole = worked && brought >= resume.requested;
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
        quiet.max(after(resume.resolved_at.unwrap_or(resume.sent_at), settle))
    } else if worked && effect != Effect::Nothing {
        quiet
    } else {
        let stale = settle.saturating_mul(STALE_FACTOR);
        quiet.max(after(resume.sent_at, stale))
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

/// Continues the polls in a row that show the task done.
///
/// Time in which the service could not be asked does not count, and as much of it as a settling time begins the row anew,
/// since the service may be catching up. Around a single failure an eighth of the time counts, so that a service that fails
/// every other poll does not hold the task for good. A gap of more than twice the time between two polls can hide an outage
/// that growd did not see, such as while the task was paused: half a settling time of it counts.
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

/// Does an observation prove that an unanswered resume arrived?
#[must_use]
pub fn is_proof(resume: &Resume, seen: &Observation) -> bool {
    effect(resume, seen) != Effect::Nothing
}

/// Does a poll show a resume at work, or what it brought? A mere sign of it is not enough for that.
#[must_use]
pub fn shows_work(resume: &Resume, seen: &Observation) -> bool {
    matches!(effect(resume, seen), Effect::Results | Effect::Working)
}

/// When a task may be asked again whose last `lost` resumes were all taken for lost, `resume` being the newest.
///
/// The first is over with its settling time. From then on the wait doubles each time, up to [`HELD_MAX`]: a service
/// that takes requests on without a word, and shows what they did only later than `settle`, would else be asked once
/// in every `settle` for the same results.
#[must_use]
pub fn held_until(resume: &Resume, lost: u32, settle: Duration) -> Timestamp {
    let doubled = 2_u32.saturating_pow(lost.saturating_sub(1));
    let wait = settle.saturating_mul(doubled).min(HELD_MAX.max(settle));
    after(resume.sent_at, wait)
}

/// When to poll a task again whose resume is still open: at first often, then at intervals that grow with the time since
/// the resume, and once at the deadline.
#[must_use]
pub fn next_poll(
    resume: &Resume,
    now: Timestamp,
    deadline: Timestamp,
    min: Duration,
    max: Duration,
) -> Timestamp {
    let gap = (since(resume.sent_at, now) / 2).clamp(min, max);
    let soonest = after(now, min);
    after(now, gap).min(deadline.max(soonest))
}

fn effect(resume: &Resume, seen: &Observation) -> Effect {
    // A counter that fell before the resume may rise to where it was without any resume.
    if seen.results > resume.best_results.max(resume.baseline_results) {
        Effect::Results
    } else if seen.status != Status::Done {
        Effect::Working
    } else if seen.desired > resume.baseline_desired || seen.results > resume.baseline_results {
        Effect::Sign
    } else {
        Effect::Nothing
    }
}

fn brought(resume: &Resume, seen: &Observation) -> i64 {
    seen.results.saturating_sub(resume.baseline_results).max(0)
}
