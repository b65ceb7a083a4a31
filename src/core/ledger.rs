//! The states of a paid request, and the only way from one to another.
//!
//! Resumes and creates share it: one concept, two kinds of request. [`Resume::apply`](super::resume::Resume::apply) and
//! [`Create::apply`](super::search::create::Create::apply) add what is known of their kind only, and the event.
//!
//! # Guarantees
//!
//! [`apply`] is total: for every state and every transition it returns the new row and what happened, or a typed error. A row
//! that was accepted, rejected or not sent keeps that state for good. Recovery after a crash goes the same way: a row that is
//! still `intended` is settled by what the service shows later, through this function.

use super::Failure;
use super::event::ErrorClass;
use super::paid_request::{PaidRequest, RequestState};
use jiff::Timestamp;
use strum::IntoStaticStr;

/// What became known of a paid request.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Transition {
    /// The service answered 2xx with the task.
    Accepted {
        /// The status code.
        http_status: Option<u16>,
    },
    /// The service shows an effect of it.
    Proven,
    /// The service answered, and did nothing.
    Rejected(Failure),
    /// The request never left.
    Unsent(Failure),
    /// No answer, or one that was not understood: the service has to show what happened.
    Unanswered(Failure),
    /// The service showed nothing of it for as long as `growth.settle`.
    Lost,
}

/// What a transition did, for the event that records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The request arrived.
    Accepted,
    /// The service turned it down.
    Rejected,
    /// It was not sent.
    Unsent,
    /// It never arrived, as far as the service shows.
    Lost,
    /// It is still open.
    Unanswered {
        /// What happened.
        error: String,
        /// The kind of the error.
        class: ErrorClass,
    },
}

/// A transition that the row's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {id} is {} in the ledger, and cannot become {transition}", state.as_str())]
pub struct IllegalTransition {
    /// `resume` or `create`.
    pub kind: &'static str,
    /// The row's id.
    pub id: i64,
    /// Its state.
    pub state: RequestState,
    /// The name of what was to be applied.
    pub transition: &'static str,
}

impl Transition {
    /// Returns its name in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Returns what the answer to a paid request means for its row.
    #[must_use]
    pub fn of_answer<T>(outcome: &Result<T, Failure>, http_status: Option<u16>) -> Self {
        match outcome {
            Ok(_) => Self::Accepted { http_status },
            Err(failure) => match failure {
                Failure::Unanswered { .. } | Failure::NotUnderstood { .. } => {
                    Self::Unanswered(failure.clone())
                }
                Failure::NotConnected { .. } | Failure::Withheld { .. } => {
                    Self::Unsent(failure.clone())
                }
                Failure::Refused { .. }
                | Failure::Unauthorized { .. }
                | Failure::Forbidden { .. }
                | Failure::PaymentRequired { .. }
                | Failure::NotFound { .. }
                | Failure::Superseded { .. }
                | Failure::RateLimited { .. }
                | Failure::Unexpected { .. } => Self::Rejected(failure.clone()),
            },
        }
    }
}

/// Applies `transition` to a row at `at`. Returns the new row, and what happened. `kind` is `resume` or `create`.
///
/// # Errors
///
/// [`IllegalTransition`] where the state of the row does not allow it.
pub fn apply(
    kind: &'static str,
    row: &PaidRequest,
    transition: &Transition,
    at: Timestamp,
) -> Result<(PaidRequest, Outcome), IllegalTransition> {
    use RequestState::{Accepted, Intended, Lost, Rejected, Unsent};
    let mut new = row.clone();
    let mut resolve = |state, failure: Option<&Failure>| {
        new.state = state;
        new.resolved_at = Some(at);
        if let Some(failure) = failure {
            new.http_status = failure.status();
            new.detail = Some(failure.detail().to_owned());
        }
    };
    let outcome = match (row.state, transition) {
        // An answer can come after the request was taken for lost. It is proof, where the service only showed nothing.
        (Intended | Lost, Transition::Accepted { http_status }) => {
            resolve(Accepted, None);
            new.http_status = *http_status;
            Outcome::Accepted
        }
        (Intended | Lost, Transition::Proven) => {
            resolve(Accepted, None);
            Outcome::Accepted
        }
        (Intended | Lost, Transition::Rejected(failure)) => {
            resolve(Rejected, Some(failure));
            new.refusal = matches!(failure, Failure::Refused { .. });
            Outcome::Rejected
        }
        (Intended | Lost, Transition::Unsent(failure)) => {
            resolve(Unsent, Some(failure));
            Outcome::Unsent
        }
        (Intended | Lost, Transition::Unanswered(failure)) => {
            new.http_status = failure.status();
            new.detail = Some(failure.to_string());
            Outcome::Unanswered {
                error: failure.to_string(),
                class: ErrorClass::from(failure),
            }
        }
        (Intended, Transition::Lost) => {
            resolve(Lost, None);
            Outcome::Lost
        }
        (Lost, Transition::Lost) | (Accepted | Rejected | Unsent, _) => {
            return Err(illegal(kind, row, transition.name()));
        }
    };
    Ok((new, outcome))
}

/// Returns the error of a transition that the state of `row` does not allow.
pub(super) fn illegal(
    kind: &'static str,
    row: &PaidRequest,
    transition: &'static str,
) -> IllegalTransition {
    IllegalTransition {
        kind,
        id: row.id,
        state: row.state,
        transition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestState::{Accepted, Intended, Lost, Rejected, Unsent};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn row(state: RequestState) -> PaidRequest {
        PaidRequest {
            state,
            resolved_at: (state != Intended).then_some(at(1)),
            ..PaidRequest::intended(7, 20, at(0))
        }
    }

    fn transitions() -> [Transition; 6] {
        let detail = "x".to_owned();
        [
            Transition::Accepted {
                http_status: Some(200),
            },
            Transition::Proven,
            Transition::Rejected(Failure::Refused {
                status: 400,
                detail: detail.clone(),
            }),
            Transition::Unsent(Failure::NotConnected {
                detail: detail.clone(),
            }),
            Transition::Unanswered(Failure::Unanswered {
                status: Some(503),
                detail,
                retry_after: None,
            }),
            Transition::Lost,
        ]
    }

    #[test]
    fn each_state_allows_these_transitions_and_no_others() {
        // One row a state; a column each of accepted, proven, rejected, unsent, unanswered, lost.
        let (no, open) = (None, Some(Intended));
        let table = [
            (
                Intended,
                [
                    Some(Accepted),
                    Some(Accepted),
                    Some(Rejected),
                    Some(Unsent),
                    open,
                    Some(Lost),
                ],
            ),
            (
                Lost,
                [
                    Some(Accepted),
                    Some(Accepted),
                    Some(Rejected),
                    Some(Unsent),
                    Some(Lost),
                    no,
                ],
            ),
            (Accepted, [no; 6]),
            (Rejected, [no; 6]),
            (Unsent, [no; 6]),
        ];
        for (state, allowed) in table {
            for (transition, expected) in transitions().into_iter().zip(allowed) {
                let before = row(state);
                let text = format!("{state:?}: {transition:?}");
                match (apply("resume", &before, &transition, at(9)), expected) {
                    (Ok((new, _)), Some(expected)) => {
                        assert_eq!(new.state, expected, "{text}");
                        let resolved = if expected == state {
                            before.resolved_at
                        } else {
                            Some(at(9))
                        };
                        assert_eq!(new.resolved_at, resolved, "{text}");
                    }
                    (Err(error), None) => {
                        assert_eq!((error.id, error.state), (7, state), "{text}");
                        assert_eq!(error.transition, transition.name(), "{text}");
                    }
                    (outcome, _) => panic!("{text}: {outcome:?}"),
                }
            }
        }
    }

    #[test]
    fn a_refusal_is_of_the_task_only_where_the_service_refused_the_task() {
        for (failure, refusal) in [
            (
                Failure::Refused {
                    status: 422,
                    detail: String::new(),
                },
                true,
            ),
            (
                Failure::Forbidden {
                    detail: String::new(),
                },
                false,
            ),
        ] {
            let (row, _) = apply(
                "resume",
                &row(Intended),
                &Transition::Rejected(failure),
                at(2),
            )
            .expect("legal");
            assert_eq!(row.refusal, refusal);
        }
    }
}
