//! A row of the ledger of creates: one task that was asked for, and what growd knows of it.

use super::event::{CreateResolution, SearchEvent};
use crate::core::TaskId;
use crate::core::ledger::{self, IllegalTransition, Outcome, Transition};
use crate::core::paid_request::{PaidRequest, RequestState};
use jiff::Timestamp;
use serde_json::Value;

/// The kind of request, in errors.
const KIND: &str = "create";

/// A row of the ledger: one create, sent or about to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// The request; what it asks for is `desired_num_results`.
    pub request: PaidRequest,
    /// The part of the search that it makes.
    pub part: i64,
    /// The body as it was sent.
    pub body: Value,
    /// The task that it made.
    pub task: Option<TaskId>,
    /// When the first complete reading of the list that shows nothing of it was begun.
    pub absent_since: Option<Timestamp>,
    /// Readings of the list in a row whose pages did not join up, and that show nothing of it.
    pub doubts: i64,
}

impl Create {
    /// Returns the row of a create that is about to be sent.
    #[must_use]
    pub fn intended(id: i64, desired: i64, part: i64, body: Value, now: Timestamp) -> Self {
        Self {
            request: PaidRequest::intended(id, desired, now),
            part,
            body,
            task: None,
            absent_since: None,
            doubts: 0,
        }
    }

    /// Returns whether it is still unknown whether it arrived.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.request.state == RequestState::Intended
    }

    /// Applies what became known of it at `at`; `task` is the task that it made, if it is known. Returns the new row, and the
    /// event that records it.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] where the state of the row does not allow it.
    pub fn apply(
        &self,
        transition: &Transition,
        task: Option<TaskId>,
        at: Timestamp,
    ) -> Result<(Self, SearchEvent), IllegalTransition> {
        let (request, outcome) = ledger::apply(KIND, &self.request, transition, at)?;
        let new = Self {
            request,
            task: task.or_else(|| self.task.clone()),
            ..self.clone()
        };
        let resolution = || CreateResolution {
            create: new.request.id,
            part: new.part,
            requested: new.request.requested,
            task_id: new.task.as_ref().map(ToString::to_string),
            http_status: new.request.http_status,
            detail: new.request.detail.clone(),
        };
        let event = match outcome {
            Outcome::Accepted => SearchEvent::CreateAccepted(resolution()),
            Outcome::Rejected => SearchEvent::CreateRejected(resolution()),
            Outcome::Unsent => SearchEvent::CreateUnsent(resolution()),
            Outcome::Lost => SearchEvent::CreateLost(resolution()),
            Outcome::Unanswered { error, class } => SearchEvent::CreateUnanswered {
                create: new.request.id,
                part: new.part,
                error,
                class,
            },
        };
        Ok((new, event))
    }
}
