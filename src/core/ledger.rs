//! The states of a paid request, and the only way from one to another.
//!
//! # Guarantees
//!
//! [`apply`] is total: for every state and every transition it returns the new row with the event that
//! records it, or a typed error. A row that was accepted, rejected or not sent keeps that state for good. Recovery after a
//! crash goes the same way: a row that is still `intended` is settled by polls, through this function.

use super::Failure;
use super::event::{ErrorClass, Event, Resolution};
use super::observation::Observation;
use super::resume::{Resume, ResumeState};
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
    /// A poll shows an effect of it.
    Proven,
    /// The service answered, and did nothing.
    Rejected(Failure),
    /// The request never left.
    Unsent(Failure),
    /// No answer, or one that was not understood: polls have to show what happened.
    Unanswered(Failure),
    /// Polls showed nothing of it for as long as `growth.settle`.
    Lost,
    /// The service has finished: so many results came of it.
    Concluded {
        /// New results, 0 or more.
        brought: i64,
    },
}

/// A transition that the row's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("resume {resume} is {} in the ledger, and cannot become {}", state.as_str(), transition.name())]
pub struct IllegalTransition {
    /// The row's id.
    pub resume: i64,
    /// Its state.
    pub state: ResumeState,
    /// What was to be applied.
    pub transition: Transition,
}

impl Transition {
    /// Returns its name in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Returns what the answer to a paid request means for its row.
    #[must_use]
    pub fn of_answer(outcome: &Result<Observation, Failure>, http_status: Option<u16>) -> Self {
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

/// Applies `transition` to a row at `at`. Returns the new row, and the event that records it.
///
/// # Errors
///
/// [`IllegalTransition`] where the state of the row does not allow it.
pub fn apply(
    row: &Resume,
    transition: Transition,
    at: Timestamp,
) -> Result<(Resume, Event), IllegalTransition> {
    use ResumeState::{Accepted, Intended, Lost, Rejected, Unsent};
    let mut new = row.clone();
    let resume = row.id;
    let resolve = |new: &mut Resume, state, failure: Option<&Failure>| {
        new.state = state;
        new.resolved_at = Some(at);
        if let Some(failure) = failure {
            new.http_status = failure.status();
            new.detail = Some(failure.detail().to_owned());
        }
        Resolution {
            resume,
            requested: new.requested,
            http_status: new.http_status,
            detail: new.detail.clone(),
        }
    };
    let event = match (row.state, &transition) {
        // An answer can come after the request was taken for lost. It is proof, where the polls only showed nothing.
        (Intended | Lost, Transition::Accepted { http_status }) => {
            new.http_status = *http_status;
            new.brought = None;
            Event::ResumeAccepted(resolve(&mut new, Accepted, None))
        }
        (Intended | Lost, Transition::Proven) => {
            new.brought = None;
            Event::ResumeAccepted(resolve(&mut new, Accepted, None))
        }
        (Intended | Lost, Transition::Rejected(failure)) => {
            new.refusal = matches!(failure, Failure::Refused { .. });
            Event::ResumeRejected(resolve(&mut new, Rejected, Some(failure)))
        }
        (Intended | Lost, Transition::Unsent(failure)) => {
            Event::ResumeUnsent(resolve(&mut new, Unsent, Some(failure)))
        }
        (Intended | Lost, Transition::Unanswered(failure)) => {
            new.http_status = failure.status();
            new.detail = Some(failure.to_string());
            Event::ResumeUnanswered {
                resume,
                error: failure.to_string(),
                class: ErrorClass::from(failure),
            }
        }
        (Intended, Transition::Lost) => Event::ResumeLost(resolve(&mut new, Lost, None)),
        (Accepted, Transition::Concluded { brought }) if row.brought.is_none() => {
            new.brought = Some(*brought);
            Event::ResumeDone {
                resume,
                requested: row.requested,
                brought: *brought,
            }
        }
        (Lost, Transition::Lost)
        | (Intended | Lost | Accepted, Transition::Concluded { .. })
        | (
            Accepted,
            Transition::Accepted { .. }
            | Transition::Proven
            | Transition::Rejected(_)
            | Transition::Unsent(_)
            | Transition::Unanswered(_)
            | Transition::Lost,
        )
        | (Rejected | Unsent, _) => {
            return Err(IllegalTransition {
                resume,
                state: row.state,
                transition,
            });
        }
    };
    Ok((new, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::observation::Status;
    use ResumeState::{Accepted, Intended, Lost, Rejected, Unsent};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn row(state: ResumeState) -> Resume {
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
        Resume {
            state,
            resolved_at: (state != Intended).then_some(at(1)),
            ..Resume::intended(7, 20, &seen, 25, at(0))
        }
    }

    fn transitions() -> [Transition; 7] {
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
            Transition::Concluded { brought: 5 },
        ]
    }

    #[test]
    fn each_state_allows_these_transitions_and_no_others() {
        // One row a state; a column each of accepted, proven, rejected, unsent, unanswered, lost, concluded.
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
                    no,
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
                    no,
                ],
            ),
            (Accepted, [no, no, no, no, no, no, Some(Accepted)]),
            (Rejected, [no; 7]),
            (Unsent, [no; 7]),
        ];
        for (state, allowed) in table {
            for (transition, expected) in transitions().into_iter().zip(allowed) {
                let before = row(state);
                let text = format!("{state:?}: {transition:?}");
                match (apply(&before, transition.clone(), at(9)), expected) {
                    (Ok((new, event)), Some(expected)) => {
                        assert_eq!(new.state, expected, "{text}");
                        assert_eq!(event.resume(), Some(7), "{text}");
                        let resolved = if expected == state {
                            before.resolved_at
                        } else {
                            Some(at(9))
                        };
                        assert_eq!(new.resolved_at, resolved, "{text}");
                    }
                    (Err(error), None) => {
                        assert_eq!((error.resume, error.state), (7, state), "{text}");
                        assert_eq!(error.transition, transition, "{text}");
                    }
                    (outcome, _) => panic!("{text}: {outcome:?}"),
                }
            }
        }
    }

    #[test]
    fn what_a_resume_brought_is_concluded_once() {
        let concluded = Transition::Concluded { brought: 5 };
        let (row, _) = apply(&row(Accepted), concluded.clone(), at(2)).expect("legal");
        assert_eq!(row.brought, Some(5));
        let error = apply(&row, concluded, at(3)).expect_err("a second time");
        assert!(
            error
                .to_string()
                .starts_with("resume 7 is accepted in the ledger"),
            "{error}"
        );
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
            let (row, _) =
                apply(&row(Intended), Transition::Rejected(failure), at(2)).expect("legal");
            assert_eq!(row.refusal, refusal);
        }
    }
}
