//! What growd records: each event is one row of `events`, and one line of the log.

use super::Failure;
use super::gate::{self, Request};
use super::paid_request::RequestState;
use super::progress::State;
use super::search::event::SearchEvent;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use strum::IntoStaticStr;

/// An event of one task, or of the daemon. `docs/schema.md` lists the kinds that triggers record besides.
///
/// Serialized, an event is the JSON object of `events.detail`. Fields that only the log shows are not part of it.
#[derive(Debug, Clone, PartialEq, Serialize, IntoStaticStr)]
#[serde(untagged)]
#[strum(serialize_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the fields are the columns' and the service's own terms"
)]
pub enum Event {
    /// `progress.state` changed.
    State {
        from: State,
        to: State,
        reason: Option<String>,
    },
    /// A resume is in the ledger, and is sent now.
    ResumeIntended {
        resume: i64,
        requested: i64,
        baseline_results: i64,
        /// The state of the task's resume before it.
        previous: Option<RequestState>,
    },
    /// A resume arrived.
    ResumeAccepted(Resolution),
    /// The service turned a resume down.
    ResumeRejected(Resolution),
    /// A resume was not sent.
    ResumeUnsent(Resolution),
    /// A resume never arrived, as far as polls show.
    ResumeLost(Resolution),
    /// A resume got no usable answer. Polls show whether it arrived.
    ResumeUnanswered {
        resume: i64,
        error: String,
        #[serde(skip)]
        class: ErrorClass,
    },
    /// It is known what an accepted resume brought.
    ResumeDone {
        resume: i64,
        requested: i64,
        brought: i64,
    },
    /// An event of a search or of a create.
    Search(SearchEvent),
    /// A poll shows a refused task at work, or with more results.
    RefusalLifted { resume: i64 },
    /// A request failed. Recorded once, until the error changes.
    Error {
        request: Request,
        error: String,
        #[serde(skip)]
        class: ErrorClass,
    },
    /// Requests succeed again.
    Recovered {
        failures: i64,
        last_error: Option<String>,
    },
    /// Nothing has changed for `polling.quiet_after`.
    Quiet {
        /// The status, or the error.
        shows: String,
        #[serde(serialize_with = "time")]
        unchanged_since: Option<Timestamp>,
    },
    /// A quiet task has changed.
    Moved {
        status: String,
        #[serde(serialize_with = "time")]
        quiet_at: Option<Timestamp>,
    },
    /// The service used a status that growd does not know.
    UnknownStatus {
        status: String,
        taken_as: &'static str,
    },
    /// `daemon.gate` changed.
    Gate {
        from: gate::Kind,
        to: gate::Kind,
        reason: Option<String>,
        #[serde(serialize_with = "time")]
        until: Option<Timestamp>,
    },
    /// The daemon started.
    Started {
        version: &'static str,
        pid: u32,
        #[serde(skip)]
        database: String,
        #[serde(skip)]
        service: String,
    },
    /// The daemon stopped in order.
    Stopped {},
    /// The daemon read config and token again.
    Reloaded {},
    /// The daemon could not read config and token again; the old ones stay.
    ReloadFailed { error: String },
    /// The clock was off against the time that passed.
    Clock {
        /// `leapt ahead` or `went back`.
        what: &'static str,
        seconds: u64,
    },
    /// The database could not be written for a while, and can be again.
    Unwritable { error: String, seconds: u64 },
    /// The write-ahead log is too large, because a process keeps a transaction open.
    WalLarge {
        bytes: u64,
        /// What to do about it.
        #[serde(skip)]
        advice: String,
    },
    /// The write-ahead log is smaller again.
    WalSmall { bytes: u64 },
    /// The service's list cannot be used; tasks are polled one by one meanwhile.
    ListUnusable {
        error: String,
        /// When the list is tried again.
        #[serde(serialize_with = "time")]
        until: Option<Timestamp>,
    },
    /// Pages of the service's list are read again.
    ListUsable {},
    /// Four fifths of a limit on spending are used. Recorded once a day for each limit.
    LimitNear {
        /// The configuration key.
        limit: &'static str,
        used: i64,
        of: i64,
    },
    /// A task's results cannot be read, or some of them cannot be kept. Recorded once, until the error changes.
    ResultsError { error: String },
    /// A task's id is not UTF-8 text.
    UnusableId { reason: String },
    /// What was learnt of a task cannot be stored.
    NotStored { error: String },
}

/// How a resume left the state `intended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are columns of `resumes`")]
pub struct Resolution {
    pub resume: i64,
    pub requested: i64,
    pub http_status: Option<u16>,
    pub detail: Option<String>,
}

/// What kind of error a request met, so that the log can throttle each kind by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The service, or something in front of it, answered with this status code.
    Status(u16),
    /// No answer: a timeout or a broken connection.
    Unanswered,
    /// No connection.
    NotConnected,
    /// growd did not send the request.
    NotSent,
}

impl From<&Failure> for ErrorClass {
    fn from(failure: &Failure) -> Self {
        match (failure, failure.status()) {
            (_, Some(status)) => Self::Status(status),
            (Failure::NotConnected { .. }, None) => Self::NotConnected,
            (Failure::Withheld { .. }, None) => Self::NotSent,
            (_, None) => Self::Unanswered,
        }
    }
}

impl Event {
    /// Returns `events.kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Search(event) => event.kind(),
            event => event.into(),
        }
    }

    /// Returns `events.detail`, a JSON object.
    #[must_use]
    pub fn detail(&self) -> String {
        // The fields are text, numbers and words: nothing of them can fail to be JSON.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Returns the id of the resume that the event is about.
    #[must_use]
    pub fn resume(&self) -> Option<i64> {
        match self {
            Self::ResumeIntended { resume, .. }
            | Self::ResumeUnanswered { resume, .. }
            | Self::ResumeDone { resume, .. }
            | Self::RefusalLifted { resume } => Some(*resume),
            Self::ResumeAccepted(row)
            | Self::ResumeRejected(row)
            | Self::ResumeUnsent(row)
            | Self::ResumeLost(row) => Some(row.resume),
            _ => None,
        }
    }
}

/// Writes a time as every column of the database has it.
#[allow(clippy::ref_option, reason = "serde hands the field over so")]
fn time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(super::time::to_text).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_is_an_object_of_the_fields_that_the_log_does_not_have_alone() {
        let detail = |event: Event| event.detail();
        assert_eq!(detail(Event::Stopped {}), "{}");
        let error = Event::Error {
            request: Request::Poll,
            error: "503: busy".to_owned(),
            class: ErrorClass::Status(503),
        };
        assert_eq!(error.detail(), r#"{"request":"poll","error":"503: busy"}"#);
        let gate = Event::Gate {
            from: gate::Kind::Open,
            to: gate::Kind::PaymentRequired,
            reason: None,
            until: Some("2026-11-24T02:22:00.1239Z".parse().expect("a time")),
        };
        assert_eq!(
            gate.detail(),
            r#"{"from":"open","to":"payment_required","reason":null,"until":"2026-11-24T02:22:00.123Z"}"#
        );
        let lost = Event::ResumeLost(Resolution {
            resume: 7,
            requested: 25,
            http_status: None,
            detail: None,
        });
        assert_eq!(
            lost.detail(),
            r#"{"resume":7,"requested":25,"http_status":null,"detail":null}"#
        );
        assert_eq!(lost.resume(), Some(7));
    }
}
