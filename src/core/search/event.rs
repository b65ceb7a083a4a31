//! What growd records of searches: rows of `events`, and lines of the log.

use crate::core::event::ErrorClass;
use crate::core::progress::State;
use serde::Serialize;
use strum::IntoStaticStr;

/// An event of a search or of one of its creates.
#[derive(Debug, Clone, PartialEq, Serialize, IntoStaticStr)]
#[serde(untagged)]
#[strum(serialize_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the fields are the columns' and the service's own terms"
)]
pub enum SearchEvent {
    /// `search_progress.state` changed.
    #[strum(serialize = "search_state")]
    State {
        from: State,
        to: State,
        reason: Option<String>,
    },
    /// growd set how far a part of a search grows.
    PartTarget {
        part: i64,
        task_id: String,
        from: i64,
        to: i64,
    },
    /// A create is in the ledger, and is sent now.
    CreateIntended {
        create: i64,
        part: i64,
        requested: i64,
    },
    /// A create arrived: its task is a part of the search.
    CreateAccepted(CreateResolution),
    /// The service turned a create down.
    CreateRejected(CreateResolution),
    /// A create was not sent.
    CreateUnsent(CreateResolution),
    /// A create never arrived, as far as the list shows.
    CreateLost(CreateResolution),
    /// A create got no usable answer. The list shows whether it arrived.
    CreateUnanswered {
        create: i64,
        part: i64,
        error: String,
        #[serde(skip)]
        class: ErrorClass,
    },
    /// The list shows a task that is taken for the one that an unanswered create made: the oldest of so many candidates.
    CreateFound {
        create: i64,
        task_id: String,
        candidates: usize,
    },
    /// What was learnt of a create cannot be stored.
    #[strum(serialize = "search_not_stored")]
    NotStored { error: String },
}

impl SearchEvent {
    /// Returns `events.kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// Returns `events.detail`, a JSON object.
    #[must_use]
    pub fn detail(&self) -> String {
        // The fields are text, numbers and words: nothing of them can fail to be JSON.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// How a create left the state `intended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are columns of `creates`")]
pub struct CreateResolution {
    pub create: i64,
    pub part: i64,
    pub requested: i64,
    pub task_id: Option<String>,
    pub http_status: Option<u16>,
    pub detail: Option<String>,
}
