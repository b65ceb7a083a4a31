//! What growd keeps of a task between two polls, and the states of its growth.

use super::observation::Observation;
use super::pace::Memory;
use super::queue::Queue;
use jiff::Timestamp;
use std::fmt;

/// `progress.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Not looked at yet.
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
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Growing,
        Self::Reached,
        Self::Exhausted,
        Self::Capped,
        Self::Refused,
        Self::Stalled,
        Self::Failed,
        Self::Missing,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Growing => "growing",
            Self::Reached => "reached",
            Self::Exhausted => "exhausted",
            Self::Capped => "capped",
            Self::Refused => "refused",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }

    /// The state that the database's word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Is the growing over, as things stand?
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Growing)
    }

    /// Can `growd retry` take a task out of it?
    #[must_use]
    pub fn is_retriable(self) -> bool {
        matches!(
            self,
            Self::Capped | Self::Refused | Self::Stalled | Self::Failed | Self::Missing
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What growd keeps of a task between two looks: a row of `progress`.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where the growing stands.
    pub state: State,
    /// Why, for people.
    pub reason: Option<String>,
    /// The newest look that was understood.
    pub seen: Option<Observation>,
    /// Looks answered, whatever the answer was.
    pub polls: i64,
    /// Looks and resumes that failed in a row.
    pub failures: i64,
    /// What the last of them said; none once one succeeded.
    pub last_error: Option<String>,
    /// When the newest look was answered.
    pub polled_at: Option<Timestamp>,
    /// When a counter, the status or `is_exhausted` last changed.
    pub changed_at: Option<Timestamp>,
    /// When to look again; none: no more.
    pub next_poll_at: Option<Timestamp>,
    /// The highest `num_results` that a look ever showed.
    pub best_results: i64,
    /// Accepted resumes in a row that brought nothing.
    pub stalled: i64,
    /// Results that concluded resumes asked for since the task was added, retried, or its target raised.
    pub waste_requested: i64,
    /// Results that those resumes brought.
    pub waste_brought: i64,
    /// Polls in a row that the service answered with 404.
    pub absences: i64,
    /// When the first of those began.
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
    /// What the pace remembers of that run.
    pub pace: Option<Memory>,
    /// Where it waits for its next look.
    pub queue: Queue,
}

impl Progress {
    /// A task that nothing is known of, due at once.
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
}
