//! What growd stores of a task between two polls, and the states of its growth.

use super::observation::Observation;
use super::pace::Memory;
use super::queue::Queue;
use jiff::Timestamp;
use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// `progress.state`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Not polled yet.
    Pending,
    /// The service is at work, or a resume is due or on its way.
    Growing,
    /// The target is met.
    Reached,
    /// The service has no more, short of the target.
    Exhausted,
    /// The service's cap on one task is met, short of the target.
    Capped,
    /// The service refused a resume though the task is not exhausted.
    Refused,
    /// Accepted resumes in a row brought nothing.
    Stalled,
    /// The service says `failed`.
    Failed,
    /// The service does not know the task.
    Missing,
}

impl State {
    /// Every state, in the order of the documentation.
    pub const ALL: &[Self] = Self::VARIANTS;

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

    /// Whether the growth has ended, as far as known.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Growing)
    }

    /// Whether `growd retry` applies to it.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        matches!(
            self,
            Self::Capped | Self::Refused | Self::Stalled | Self::Failed | Self::Missing
        )
    }
}

/// What growd stores of a task between two polls: a row of `progress`.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The state of its growth.
    pub state: State,
    /// The reason for the state, for the operator.
    pub reason: Option<String>,
    /// What the newest successful poll showed.
    pub seen: Option<Observation>,
    /// Polls that were answered, successful or not.
    pub polls: i64,
    /// Polls and resumes in a row that failed.
    pub failures: i64,
    /// The error of the last of them; `None` after a success.
    pub last_error: Option<String>,
    /// When the newest observation was answered: a poll of the task, or an entry of the service's list.
    pub polled_at: Option<Timestamp>,
    /// When the newest poll of this task alone was answered; `None` also for a row that an earlier version wrote last.
    pub polled_alone_at: Option<Timestamp>,
    /// When a counter, the status or `is_exhausted` last changed.
    pub changed_at: Option<Timestamp>,
    /// When to poll next; `None` means no more.
    pub next_poll_at: Option<Timestamp>,
    /// The highest `num_results` that a poll ever showed.
    pub best_results: i64,
    /// Accepted resumes in a row that brought nothing.
    pub stalled: i64,
    /// Results requested by concluded resumes since the task was added, retried, or its target raised.
    pub waste_requested: i64,
    /// Results that came of those resumes.
    pub waste_brought: i64,
    /// Polls in a row that the service answered with 404.
    pub absences: i64,
    /// When the first of those polls began.
    pub absent_since: Option<Timestamp>,
    /// Since when the task is reported as quiet.
    pub quiet_at: Option<Timestamp>,
    /// Refusals and losses in the ledger up to this id no longer count against the task. Only the triggers write it: see
    /// "What the triggers decide" in `docs/schema.md`, also for retries, the waste counters and the queue.
    pub forgiven: i64,
    /// When the service was first seen at work on the present run.
    pub run_started_at: Option<Timestamp>,
    /// `num_results` at that time.
    pub run_results: i64,
    /// The memory of the pace for that run.
    pub pace: Option<Memory>,
    /// Its scheduling class until the next poll.
    pub queue: Queue,
}

impl Progress {
    /// Returns the progress of a new task, due at once.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: State::Pending,
            reason: None,
            seen: None,
            polls: 0,
            failures: 0,
            last_error: None,
            polled_at: None,
            polled_alone_at: None,
            changed_at: None,
            next_poll_at: Some(now),
            best_results: 0,
            stalled: 0,
            waste_requested: 0,
            waste_brought: 0,
            absences: 0,
            absent_since: None,
            quiet_at: None,
            forgiven: 0,
            run_started_at: None,
            run_results: 0,
            pace: None,
            queue: Queue::New,
        }
    }

    /// Whether the list of tasks can stand in for polls of this task: it was never polled, or the service is at work on it, and
    /// the next poll has no other purpose than to look again.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        let is_regular = match &self.seen {
            None => self.queue != Queue::Limit,
            Some(seen) => seen.status.is_running() && self.queue == Queue::Regular,
        };
        is_regular
            && self.next_poll_at.is_some()
            && self.failures == 0
            && self.absences == 0
            && self.last_error.is_none()
    }
}
