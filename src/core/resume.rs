//! A row of the ledger: one resume, and how far it got as far as growd knows.

use super::observation::Observation;
use jiff::Timestamp;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

/// The most results one resume can ask for (docs.extruct.ai, "Resume discovery task").
pub const RESUME_MAX: i64 = 250;

/// `resumes.state`: how far a resume got, as far as growd knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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

/// Polls in a row that show a task done although a resume of it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// When the first of them began, later by the time in which the service could not be asked.
    pub since: Timestamp,
    /// When the newest of them began.
    pub until: Timestamp,
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
    /// When it left `intended`.
    pub resolved_at: Option<Timestamp>,
    /// When its own answer or a poll first showed any effect of it, such as a higher `desired_num_results`.
    pub effect_at: Option<Timestamp>,
    /// When a poll first showed the service at work on it, or results of it.
    pub shown_at: Option<Timestamp>,
    /// The polls in a row, up to the newest, that show the task done while this is open.
    pub idle: Option<Idle>,
    /// The service refused it for what the task is, and no later poll has lifted that.
    pub refusal: bool,
    /// How many results it brought; none until that is known.
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
            id,
            requested,
            baseline_desired: seen.desired,
            baseline_results: seen.results,
            best_results,
            state: ResumeState::Intended,
            http_status: None,
            detail: None,
            sent_at: now,
            resolved_at: None,
            effect_at: None,
            shown_at: None,
            idle: None,
            refusal: false,
            brought: None,
        }
    }

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

    /// Was nothing asked with it: is it known not to have taken effect?
    #[must_use]
    pub fn was_turned_back(&self) -> bool {
        matches!(self.state, ResumeState::Unsent | ResumeState::Rejected)
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

    /// Was it refused with 403 and without a word about payment? That concerns the account, or this task only: the next
    /// probe, by another task, tells which.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.state == ResumeState::Rejected && self.http_status == Some(403) && !self.refusal
    }
}
