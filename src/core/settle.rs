//! What a new look at a task proves about its newest resume.
//!
//! A resume can't be repeated safely, and its answer can be lost. So nothing is concluded from the silence:
//! only looks count. A look proves that a resume arrived by showing its effect; that it did *not* arrive can
//! only be concluded by a look that was begun after the whole settling time and still shows nothing.

use super::model::{Observation, Resume, ResumeState, Status};
use super::{after, since};
use jiff::Timestamp;
use std::time::Duration;

/// The longest wait after resumes that were taken for lost, where `growth.settle` is not longer.
pub const HELD_MAX: Duration = Duration::from_hours(1);

/// What a look shows of a resume, strongest first.
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

/// Judges `resume` by a look that was begun at `looked_at`; `seen` is none where the service did not know
/// the task.
///
/// `looked_at` is the time at which the request was *begun*: what a look shows is at least as new as that.
#[must_use]
pub fn settle(
    resume: &Resume,
    seen: Option<&Observation>,
    looked_at: Timestamp,
    settle: Duration,
) -> Verdict {
    let deadline = after(resume.sent_at, settle);
    let in_time = looked_at < deadline;
    let worked = resume.shown_at.is_some();
    match (resume.state, effect(resume, seen), is_final(seen)) {
        // What was taken for lost can still show, as long as nothing was asked since.
        (ResumeState::Lost, Effect::Nothing, _) => Verdict::Closed,
        _ if !resume.may_show() => Verdict::Closed,
        (_, Effect::Results | Effect::Working, false) => Verdict::AtWork,
        // `failed` is no `done` either: it was worked on.
        (_, Effect::Results | Effect::Working, true) => Verdict::Brought(brought(resume, seen)),
        // A sign and nothing else can be a service that has yet to begin; only where it was seen at work
        // before is it one that has finished.
        (_, Effect::Sign, _) if worked || !in_time => Verdict::Brought(brought(resume, seen)),
        (ResumeState::Intended, Effect::Nothing, _) if !in_time => Verdict::Lost,
        (_, Effect::Nothing, _) if !in_time => Verdict::Brought(0),
        (_, Effect::Sign | Effect::Nothing, _) => Verdict::Waiting(deadline),
    }
}

/// Does a look prove that an unanswered resume arrived?
#[must_use]
pub fn is_proof(resume: &Resume, seen: &Observation) -> bool {
    effect(resume, Some(seen)) != Effect::Nothing
}

/// Does a look show a resume at work, or what it brought? A mere sign of it is not enough for that.
#[must_use]
pub fn shows_work(resume: &Resume, seen: &Observation) -> bool {
    matches!(
        effect(resume, Some(seen)),
        Effect::Results | Effect::Working
    )
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

/// When to look again at a task whose resume is still open, after a look begun at `looked_at`: at first often,
/// then at intervals that grow with the time since the resume, and once at the deadline.
#[must_use]
pub fn next_look(
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

fn effect(resume: &Resume, seen: Option<&Observation>) -> Effect {
    let Some(seen) = seen else {
        return Effect::Nothing;
    };
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

fn is_final(seen: Option<&Observation>) -> bool {
    seen.is_none_or(|seen| !seen.status.is_running())
}

fn brought(resume: &Resume, seen: Option<&Observation>) -> i64 {
    seen.map_or(0, |seen| {
        seen.results.saturating_sub(resume.baseline_results).max(0)
    })
}
