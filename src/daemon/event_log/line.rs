//! The line of each event: its level, its text, and how it is throttled.

use super::search_line::search_line;
use crate::core::event::{ErrorClass, Event, Resolution};
use crate::core::gate::{self, Request};
use crate::core::paid_request::RequestState;
use crate::core::progress::State;
use crate::core::time;
use tracing::Level;

/// The kinds of lines that are throttled, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ThrottleKind {
    /// A task ended in this state.
    Ended(State),
    /// A request of this kind failed.
    Failed(Request, ErrorClass),
    /// A resume was rejected with this status code.
    Rejected(Option<u16>),
    ResumeUnsent,
    ResumeLost,
    CreateUnsent,
    CreateLost,
    /// A resume follows one that failed, or probes a closed gate.
    Repeated,
    WaitsForAccount,
    Recovered,
    Quiet,
    UnknownStatus,
    Gate(gate::Kind),
    /// Results could not be read.
    Results,
    NotStored,
    /// The database refused something.
    Refused,
    DiskFull,
}

/// A line of the log.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub level: Level,
    pub text: String,
    /// How it is throttled, if it is.
    pub throttled_as: Option<ThrottleKind>,
}

/// Returns a line at the level debug.
pub(super) fn debug(text: String) -> Line {
    Line {
        level: Level::DEBUG,
        text,
        throttled_as: None,
    }
}

/// Returns a line at the level info.
pub(super) fn info(text: String) -> Line {
    Line {
        level: Level::INFO,
        ..debug(text)
    }
}

/// Returns a line at the level warn, throttled as `kind`.
pub(super) fn warn(text: String, kind: ThrottleKind) -> Line {
    Line {
        level: Level::WARN,
        text,
        throttled_as: Some(kind),
    }
}

/// Returns the line of an event.
#[allow(clippy::too_many_lines, reason = "one arm for each kind of event")]
pub(super) fn line(event: &Event) -> Line {
    match event {
        Event::Search(event) => search_line(event),
        Event::State { from, to, reason } => state_line(*from, *to, reason.as_deref()),
        Event::ResumeIntended {
            resume,
            requested,
            baseline_results,
            ..
        } => info(format!(
            "asking for {requested} more, at {baseline_results} (resume {resume})"
        )),
        Event::ResumeAccepted(row) => debug(format!("resume {} arrived", row.resume)),
        Event::ResumeDone {
            resume,
            requested,
            brought,
        } => info(format!(
            "{requested} asked for, {brought} came (resume {resume})"
        )),
        Event::ResumeRejected(row) => rejected_line(row),
        Event::ResumeUnsent(row) => warn(
            format!("resume {} was not sent: {}", row.resume, detail(row)),
            ThrottleKind::ResumeUnsent,
        ),
        Event::ResumeUnanswered {
            resume,
            error,
            class,
        } => warn(
            format!("resume {resume} was not answered ({error}): looking whether it arrived"),
            ThrottleKind::Failed(Request::Resume, *class),
        ),
        Event::ResumeLost(row) => warn(
            format!("resume {} never arrived: it may be asked again", row.resume),
            ThrottleKind::ResumeLost,
        ),
        Event::RefusalLifted { resume } => info(format!(
            "the refusal of resume {resume} is lifted: the task may be asked again"
        )),
        Event::Quiet {
            shows,
            unchanged_since,
        } => {
            let since = unchanged_since.map(time::to_text);
            warn(
                format!(
                    "nothing has changed since {}, and the service says {shows:?}; polling goes on",
                    since.unwrap_or_default()
                ),
                ThrottleKind::Quiet,
            )
        }
        Event::Moved { status, .. } => {
            info(format!("no longer quiet: the service says {status:?}"))
        }
        Event::UnknownStatus { status, taken_as } => warn(
            format!("unknown status {status:?}, taken as {taken_as}"),
            ThrottleKind::UnknownStatus,
        ),
        Event::Error {
            request,
            error,
            class,
        } => warn(
            format!("{} failed: {error}", request.as_str()),
            ThrottleKind::Failed(*request, *class),
        ),
        Event::Recovered { failures, .. } => Line {
            throttled_as: Some(ThrottleKind::Recovered),
            ..info(format!("recovered after {failures} failures"))
        },
        Event::Gate {
            to: gate::Kind::Open,
            ..
        } => Line {
            throttled_as: Some(ThrottleKind::Gate(gate::Kind::Open)),
            ..info("gate open: requests go on".to_owned())
        },
        Event::Gate {
            to, reason, until, ..
        } => {
            let until = until.map(time::to_text).unwrap_or_default();
            let reason = reason.as_deref().unwrap_or_default();
            warn(
                format!("gate {}: {reason}; the next try is at {until}", to.as_str()),
                ThrottleKind::Gate(*to),
            )
        }
        Event::Started {
            version,
            database,
            service,
            ..
        } => info(format!(
            "started: version {version}, database {database}, service {service}"
        )),
        Event::Stopped {} => info("stopped".to_owned()),
        Event::Reloaded {} => info("reloaded".to_owned()),
        Event::ReloadFailed { error } => Line {
            level: Level::ERROR,
            ..debug(format!(
                "not reloaded: the old configuration stays: {error}"
            ))
        },
        Event::Clock { what, seconds } => Line {
            level: Level::WARN,
            ..debug(format!("the clock {what} by {seconds} s"))
        },
        Event::Unwritable { .. } => info("the database can be written again".to_owned()),
        Event::WalLarge { advice, .. } => Line {
            level: Level::WARN,
            ..debug(advice.clone())
        },
        Event::WalSmall { bytes } => {
            info(format!("the write-ahead log is small again: {bytes} bytes"))
        }
        Event::ListUnusable { error, until } => {
            let until = until.map(time::to_text).unwrap_or_default();
            Line {
                level: Level::WARN,
                ..debug(format!(
                    "the service's list of tasks cannot be used: {error}; polling each task by itself, and trying the list \
                     again at {until}"
                ))
            }
        }
        Event::ListUsable {} => info("the service's list of tasks can be used again".to_owned()),
        Event::LimitNear { limit, used, of } => Line {
            level: Level::WARN,
            ..debug(format!(
                "{limit}: {used} of {of} results are used; requests wait once all are"
            ))
        },
        Event::ResultsError { error } => {
            warn(format!("its results: {error}"), ThrottleKind::Results)
        }
        Event::UnusableId { reason } => warn(reason.clone(), ThrottleKind::NotStored),
        Event::NotStored { error } => warn(format!("not stored: {error}"), ThrottleKind::NotStored),
    }
}

pub(super) fn state_line(from: State, to: State, reason: Option<&str>) -> Line {
    let ended_short = matches!(
        to,
        State::Refused | State::Stalled | State::Failed | State::Missing
    );
    let level = match to {
        _ if ended_short => Level::WARN,
        // A task that was just added is at work: logged for each of a thousand tasks, that is no news.
        State::Growing if from == State::Pending => Level::DEBUG,
        _ => Level::INFO,
    };
    Line {
        level,
        text: format!("{to}: {}", reason.unwrap_or_default()),
        throttled_as: ended_short.then_some(ThrottleKind::Ended(to)),
    }
}

fn rejected_line(row: &Resolution) -> Line {
    let status = row.http_status.map(|status| status.to_string());
    let text = format!(
        "resume {} was rejected: {}: {}",
        row.resume,
        status.unwrap_or_default(),
        detail(row)
    );
    // Refusals of the account are logged by the gate, once.
    let is_of_account = matches!(row.http_status, Some(401 | 402 | 403 | 429));
    Line {
        level: if is_of_account {
            Level::DEBUG
        } else {
            Level::WARN
        },
        text,
        throttled_as: (!is_of_account).then_some(ThrottleKind::Rejected(row.http_status)),
    }
}

fn detail(row: &Resolution) -> &str {
    row.detail.as_deref().unwrap_or_default()
}

/// Returns the kind of a line about a step towards a resume that repeats one that failed, or probes a closed gate.
pub(super) fn repetition(event: &Event, probing: bool) -> Option<ThrottleKind> {
    match event {
        Event::ResumeIntended { previous, .. } => {
            let has_failed = matches!(
                previous,
                Some(RequestState::Lost | RequestState::Rejected | RequestState::Unsent)
            );
            (probing || has_failed).then_some(ThrottleKind::Repeated)
        }
        Event::State { to, .. } if probing && *to == State::Growing => {
            Some(ThrottleKind::WaitsForAccount)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intended(previous: Option<RequestState>) -> Event {
        Event::ResumeIntended {
            resume: 7,
            requested: 20,
            baseline_results: 25,
            previous,
        }
    }

    #[test]
    fn errors_are_throttled_by_status_code_and_not_by_the_services_words() {
        let kind_of = |error: &str, class| {
            let request = Request::Poll;
            let error = error.to_owned();
            line(&Event::Error {
                request,
                error,
                class,
            })
            .throttled_as
        };
        let status = ErrorClass::Status;
        assert_eq!(
            kind_of("500: request 1 failed", status(500)),
            kind_of("500: request 2 failed", status(500))
        );
        assert_ne!(kind_of("x", status(500)), kind_of("x", status(502)));
        assert_ne!(
            kind_of("x", status(500)),
            kind_of("x", ErrorClass::Unanswered)
        );
    }

    #[test]
    fn a_refusal_of_the_account_is_logged_by_the_gate_and_not_for_each_resume() {
        for (status, level) in [(402, Level::DEBUG), (429, Level::DEBUG), (400, Level::WARN)] {
            let rejected = Event::ResumeRejected(Resolution {
                resume: 1,
                requested: 5,
                http_status: Some(status),
                detail: Some("x".to_owned()),
            });
            assert_eq!(line(&rejected).level, level);
        }
    }

    #[test]
    fn a_transition_is_no_trouble_and_always_logged() {
        let to = |from, to| Event::State {
            from,
            to,
            reason: Some("r".to_owned()),
        };
        let reached = line(&to(State::Growing, State::Reached));
        assert_eq!((reached.level, reached.throttled_as), (Level::INFO, None));
        let at_work = line(&to(State::Pending, State::Growing));
        assert_eq!(at_work.level, Level::DEBUG);
        let asked = line(&intended(None));
        assert_eq!((asked.level, asked.throttled_as), (Level::INFO, None));
        assert_eq!(asked.text, "asking for 20 more, at 25 (resume 7)");
    }

    #[test]
    fn a_resume_after_a_failed_one_belongs_to_the_kind_of() {
        let kind_of = |previous, probing| repetition(&intended(previous), probing);
        assert_eq!(kind_of(None, false), None);
        assert_eq!(kind_of(Some(RequestState::Accepted), false), None);
        let repeated = Some(ThrottleKind::Repeated);
        for previous in [
            RequestState::Lost,
            RequestState::Rejected,
            RequestState::Unsent,
        ] {
            assert_eq!(kind_of(Some(previous), false), repeated);
        }
        assert_eq!(kind_of(Some(RequestState::Accepted), true), repeated);
    }
}
