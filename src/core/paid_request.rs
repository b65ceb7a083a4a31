//! A paid request: what a row of `resumes` and a row of `creates` have in common.

use jiff::Timestamp;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

/// `resumes.state` and `creates.state`. [`ledger`](super::ledger) has the transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RequestState {
    /// The row is durable. The request is sent, or about to be; there is no answer yet.
    Intended,
    /// The service accepted it, or a later look at the service showed an effect of it.
    Accepted,
    /// The service turned it down.
    Rejected,
    /// It was not sent: nothing was asked.
    Unsent,
    /// Nothing showed an effect of it for `growth.settle`.
    Lost,
}

impl RequestState {
    /// Returns the word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the state that the database's word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// What the ledger holds of a paid request, of whatever kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidRequest {
    /// `id`: later requests of the kind have higher ones.
    pub id: i64,
    /// How many results it asks for.
    pub requested: i64,
    /// What is known of it.
    pub state: RequestState,
    /// The status code of the answer, if there was one.
    pub http_status: Option<u16>,
    /// The service's words, or what went wrong.
    pub detail: Option<String>,
    /// When the row was written, just before the request was sent.
    pub sent_at: Timestamp,
    /// When it left `intended`.
    pub resolved_at: Option<Timestamp>,
    /// The service refused it because of what was asked, and not because of the account.
    pub refusal: bool,
}

impl PaidRequest {
    /// Returns the row of a request that is about to be sent.
    #[must_use]
    pub fn intended(id: i64, requested: i64, now: Timestamp) -> Self {
        Self {
            id,
            requested,
            state: RequestState::Intended,
            http_status: None,
            detail: None,
            sent_at: now,
            resolved_at: None,
            refusal: false,
        }
    }

    /// Returns whether it is known to have had no effect.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        matches!(self.state, RequestState::Unsent | RequestState::Rejected)
    }

    /// Returns whether it failed for a reason that says nothing about what was asked or about the account. The next one may
    /// fail too.
    #[must_use]
    pub fn failed_by_chance(&self) -> bool {
        match self.state {
            RequestState::Unsent => true,
            RequestState::Rejected => {
                !matches!(self.http_status, Some(400 | 401 | 402 | 403 | 422 | 429))
            }
            RequestState::Intended | RequestState::Accepted | RequestState::Lost => false,
        }
    }

    /// Returns whether it was answered 403 without a payment error. That concerns the account, or this task or search only;
    /// the next probe, by another one, shows which.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.state == RequestState::Rejected && self.http_status == Some(403) && !self.refusal
    }
}
