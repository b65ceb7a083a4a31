//! A row of the ledger: one resume, and what growd knows of it.

use super::observation::Observation;
use jiff::Timestamp;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

/// The most results one resume can ask for (docs.extruct.ai, "Resume discovery task").
pub const RESUME_MAX: i64 = 250;

/// `resumes.state`. [`ledger`](super::ledger) has the transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ResumeState {
    /// The row is durable. The request is sent, or about to be; there is no answer yet.
    Intended,
    /// The service accepted it, or a poll showed an effect of it.
    Accepted,
    /// The service turned it down.
    Rejected,
    /// It was not sent: nothing was asked.
    Unsent,
    /// Polls showed no effect of it for `growth.settle`.
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
    /// `id`: later resumes have higher ones.
    pub id: i64,
    /// `desired_new_results` of the request.
    pub requested: i64,
    /// `desired_num_results` before it.
    pub baseline_desired: i64,
    /// `num_results` before it.
    pub baseline_results: i64,
    /// The highest `num_results` of the task that a poll showed before it.
    pub best_results: i64,
    /// What is known of it.
    pub state: ResumeState,
    /// The status code of the answer, if there was one.
    pub http_status: Option<u16>,
    /// The service's words, or what went wrong.
    pub detail: Option<String>,
    /// When the row was written, just before the request was sent.
    pub sent_at: Timestamp,
    /// When it left `intended`.
    pub resolved_at: Option<Timestamp>,
    /// When its own answer or a poll first showed any effect of it, such as a higher `desired_num_results`.
    pub effect_at: Option<Timestamp>,
    /// When a poll first showed the service at work on it, or results of it.
    pub shown_at: Option<Timestamp>,
    /// The newest polls in a row that show the task `done` while the resume is open.
    pub idle: Option<Idle>,
    /// The service refused it because of the task, and no later poll has lifted that.
    pub refusal: bool,
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

    /// Returns whether its outcome is still unknown: polls have to show it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            ResumeState::Intended => true,
            ResumeState::Accepted => self.brought.is_none(),
            ResumeState::Rejected | ResumeState::Unsent | ResumeState::Lost => false,
        }
    }

    /// Returns whether a poll can still show an effect of it. A resume that was taken for lost may only be late.
    #[must_use]
    pub fn may_take_effect(&self) -> bool {
        self.is_open() || self.state == ResumeState::Lost
    }

    /// Returns whether it is known to have had no effect.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        matches!(self.state, ResumeState::Unsent | ResumeState::Rejected)
    }

    /// Returns whether it failed for a reason that says nothing about the task or the account. The next one may fail too.
    #[must_use]
    pub fn failed_by_chance(&self) -> bool {
        match self.state {
            ResumeState::Unsent => true,
            ResumeState::Rejected => {
                !matches!(self.http_status, Some(400 | 401 | 402 | 403 | 422 | 429))
            }
            ResumeState::Intended | ResumeState::Accepted | ResumeState::Lost => false,
        }
    }

    /// Returns whether it was answered 403 without a payment error. That concerns the account or this task only; the next
    /// probe, by another task, shows which.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.state == ResumeState::Rejected && self.http_status == Some(403) && !self.refusal
    }
}
