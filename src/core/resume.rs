//! A row of the ledger: one resume, and what growd knows of it.

use super::event::{Event, Resolution};
use super::ledger::{self, IllegalTransition, Outcome, Transition};
use super::observation::Observation;
use super::paid_request::{PaidRequest, RequestState};
use jiff::Timestamp;

/// The most results one resume can ask for (docs.extruct.ai, "Resume discovery task").
pub const RESUME_MAX: i64 = 250;

/// The kind of request, in errors.
const KIND: &str = "resume";

/// Polls in a row that show the task `done` while a resume of it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// When the first of them began, plus the time in which the service could not be asked.
    pub since: Timestamp,
    /// When the newest of them began.
    pub until: Timestamp,
}

/// A row of the ledger: one resume, sent or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The request for `desired_new_results` more. Its `refusal` holds until a later poll lifts it.
    pub request: PaidRequest,
    /// `desired_num_results` before it.
    pub baseline_desired: i64,
    /// `num_results` before it.
    pub baseline_results: i64,
    /// The highest `num_results` of the task that a poll showed before it.
    pub best_results: i64,
    /// When its own answer or a poll first showed any effect of it, such as a higher `desired_num_results`.
    pub effect_at: Option<Timestamp>,
    /// When a poll first showed the service at work on it, or results of it.
    pub shown_at: Option<Timestamp>,
    /// The newest polls in a row that show the task `done` while the resume is open.
    pub idle: Option<Idle>,
    /// The number of results it brought; none until that is known.
    pub brought: Option<i64>,
}

impl Resume {
    /// Returns the row of a resume that is about to be sent, from what the newest poll shows.
    #[must_use]
    pub fn intended(
        id: i64,
        requested: i64,
        seen: &Observation,
        best_results: i64,
        now: Timestamp,
    ) -> Self {
        Self {
            request: PaidRequest::intended(id, requested, now),
            baseline_desired: seen.desired,
            baseline_results: seen.results,
            best_results,
            effect_at: None,
            shown_at: None,
            idle: None,
            brought: None,
        }
    }

    /// Returns whether its outcome is still unknown: polls have to show it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.request.state {
            RequestState::Intended => true,
            RequestState::Accepted => self.brought.is_none(),
            RequestState::Rejected | RequestState::Unsent | RequestState::Lost => false,
        }
    }

    /// Returns whether a poll can still show an effect of it. A resume that was taken for lost may only be late.
    #[must_use]
    pub fn may_take_effect(&self) -> bool {
        self.is_open() || self.request.state == RequestState::Lost
    }

    /// Applies what became known of it at `at`. Returns the new row, and the event that records it.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] where the state of the row does not allow it.
    pub fn apply(
        &self,
        transition: &Transition,
        at: Timestamp,
    ) -> Result<(Self, Event), IllegalTransition> {
        let (request, outcome) = ledger::apply(KIND, &self.request, transition, at)?;
        let new = Self {
            brought: self.brought.filter(|_| outcome != Outcome::Accepted),
            request,
            ..self.clone()
        };
        let resolution = || Resolution {
            resume: new.request.id,
            requested: new.request.requested,
            http_status: new.request.http_status,
            detail: new.request.detail.clone(),
        };
        let event = match outcome {
            Outcome::Accepted => Event::ResumeAccepted(resolution()),
            Outcome::Rejected => Event::ResumeRejected(resolution()),
            Outcome::Unsent => Event::ResumeUnsent(resolution()),
            Outcome::Lost => Event::ResumeLost(resolution()),
            Outcome::Unanswered { error, class } => Event::ResumeUnanswered {
                resume: new.request.id,
                error,
                class,
            },
        };
        Ok((new, event))
    }

    /// Records that the service has finished, and that so many new results came of it, 0 or more.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] unless it is accepted and was not concluded before.
    pub fn conclude(&self, brought: i64) -> Result<(Self, Event), IllegalTransition> {
        if self.request.state != RequestState::Accepted || self.brought.is_some() {
            return Err(ledger::illegal(KIND, &self.request, "concluded"));
        }
        let new = Self {
            brought: Some(brought),
            ..self.clone()
        };
        let event = Event::ResumeDone {
            resume: self.request.id,
            requested: self.request.requested,
            brought,
        };
        Ok((new, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::observation::Status;

    #[test]
    fn what_a_resume_brought_is_concluded_once() {
        let seen = Observation {
            status: Status::Done,
            is_exhausted: false,
            desired: 25,
            discovered: 40,
            enriched: 40,
            evaluated: 40,
            results: 25,
            query: None,
        };
        let resume = Resume::intended(7, 20, &seen, 25, Timestamp::UNIX_EPOCH);
        assert!(resume.conclude(5).is_err());
        let (accepted, event) = resume
            .apply(&Transition::Proven, Timestamp::UNIX_EPOCH)
            .expect("legal");
        assert_eq!(event.resume(), Some(7));
        let (concluded, _) = accepted.conclude(5).expect("legal");
        assert_eq!(concluded.brought, Some(5));
        let error = concluded.conclude(5).expect_err("a second time");
        assert_eq!(
            error.to_string(),
            "resume 7 is accepted in the ledger, and cannot become concluded"
        );
    }
}
