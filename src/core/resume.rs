//! A row of the ledger: one resume, and how far it got as far as growd knows.

use jiff::Timestamp;

/// `resumes.state`: how far a resume got, as far as growd knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResumeState {
    /// Written down, durable; sent or about to be; no answer yet.
    Intended,
    /// It arrived.
    Accepted,
    /// The service answered that it won't.
    Rejected,
    /// No connection was made: nothing was asked.
    Unsent,
    /// No proof of arrival within `growth.settle`.
    Lost,
}

impl ResumeState {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unsent => "unsent",
            Self::Lost => "lost",
        }
    }

    /// The state that the database's word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Intended,
            Self::Accepted,
            Self::Rejected,
            Self::Unsent,
            Self::Lost,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

/// A row of the ledger: one resume, asked or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// `id`: later resumes have higher ones.
    pub id: i64,
    /// `desired_new_results` of the request.
    pub requested: i64,
    /// `desired_num_results` before it.
    pub baseline_desired: i64,
    /// `num_results` before it.
    pub baseline_results: i64,
    /// The highest `num_results` that a look showed of the task before it.
    pub best_results: i64,
    /// How far it got.
    pub state: ResumeState,
    /// The answer's status code, where there was an answer.
    pub http_status: Option<u16>,
    /// The service's words, or what went wrong.
    pub detail: Option<String>,
    /// When it was written down, which is just before it was sent.
    pub sent_at: Timestamp,
    /// When a look first showed its effect.
    pub shown_at: Option<Timestamp>,
    /// How many results it brought; none until that is known.
    pub brought: Option<i64>,
}

impl Resume {
    /// Is it still to be seen what became of it?
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            ResumeState::Intended => true,
            ResumeState::Accepted => self.brought.is_none(),
            ResumeState::Rejected | ResumeState::Unsent | ResumeState::Lost => false,
        }
    }

    /// Can a look still show an effect of it? One that was taken for lost may have been merely late.
    #[must_use]
    pub fn may_show(&self) -> bool {
        self.is_open() || self.state == ResumeState::Lost
    }

    /// Did it fail in a way that says nothing of the task or the account, and may fail again?
    #[must_use]
    pub fn went_wrong(&self) -> bool {
        match self.state {
            ResumeState::Unsent => true,
            ResumeState::Rejected => {
                !matches!(self.http_status, Some(400 | 401 | 402 | 403 | 422 | 429))
            }
            ResumeState::Intended | ResumeState::Accepted | ResumeState::Lost => false,
        }
    }

    /// Did the service turn it down for what the task is, and not for the account's sake?
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.state == ResumeState::Rejected && matches!(self.http_status, Some(400 | 422))
    }
}
