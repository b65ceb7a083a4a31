//! The current run of a task: when it began, and when to poll it again.

use crate::core::observation::Observation;
use crate::core::pace::{self, Run};
use crate::core::paid_request::RequestState;
use crate::core::policy::Policy;
use crate::core::progress::Progress;
use crate::core::resume::Resume;
use jiff::Timestamp;

/// Notes the start of a run when a task is first seen at work.
pub(super) fn began(progress: &mut Progress, seen: &Observation, began_at: Timestamp) {
    if progress.run_started_at.is_none() && seen.status.is_running() {
        progress.run_started_at = Some(began_at);
        progress.run_results = progress
            .seen
            .as_ref()
            .map_or(seen.results, |before| before.results.min(seen.results));
    }
}

pub(super) fn ended(progress: &mut Progress) {
    progress.run_started_at = None;
    progress.pace = None;
}

/// Returns when to poll a run again, and keeps what that poll is to know of this one.
pub(super) fn next_poll(
    progress: &mut Progress,
    resume: Option<&Resume>,
    seen: &Observation,
    at: Timestamp,
    policy: &Policy,
) -> Timestamp {
    // `desired_num_results` need not rise with a resume; the sum that was asked for is then the better guess.
    let asked = resume
        .filter(|resume| resume.request.state == RequestState::Accepted && resume.is_open())
        .map_or(0, |resume| {
            resume
                .baseline_results
                .saturating_add(resume.request.requested)
        });
    let run = Run {
        goal: seen.desired.max(asked),
        started_at: progress.run_started_at.unwrap_or(at),
        results_at_start: progress.run_results,
        memory: progress.pace.as_ref(),
    };
    let paced = pace::next_poll(&run, seen, at, &policy.polling);
    progress.pace = Some(paced.memory);
    paced.at
}
