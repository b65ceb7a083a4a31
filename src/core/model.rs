//! The nouns: what is wanted of it, what was seen of it, and what is kept.

pub use super::policy::{Growth, Policy, Polling, Retry};
pub use super::queue::Queue;
pub use super::resume::{Idle, Resume, ResumeState};
pub use super::task_id::{InvalidTaskId, TaskId};

use super::pace::Memory;
use jiff::Timestamp;
use std::fmt;

/// The most results one resume can ask for (docs.extruct.ai, "Resume discovery task").
pub const RESUME_MAX: i64 = 250;

/// `status`, as the service says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Accepted, not begun.
    Created,
    /// At work.
    InProgress,
    /// Finished: the only status from which a resume is asked.
    Done,
    /// Given up by the service.
    Failed,
    /// A word that growd does not know: treated as still running.
    Unknown(String),
}

impl Status {
    /// Reads the service's word; an unknown one is kept as it is.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "in_progress" => Self::InProgress,
            "done" => Self::Done,
            "failed" => Self::Failed,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The service's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::InProgress => "in_progress",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown(word) => word,
        }
    }

    /// Is the service still at work, as far as growd can tell?
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self {
            Self::Created | Self::InProgress | Self::Unknown(_) => true,
            Self::Done | Self::Failed => false,
        }
    }
}

/// One look at a task: what the service said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// `status`.
    pub status: Status,
    /// `is_exhausted`: the pool of candidates is empty. Not an end while the task is running.
    pub is_exhausted: bool,
    /// `desired_num_results`.
    pub desired: i64,
    /// `num_results_discovered`: candidates found.
    pub discovered: i64,
    /// `num_results_enriched`.
    pub enriched: i64,
    /// `num_results_evaluated`.
    pub evaluated: i64,
    /// `num_results`: candidates that fit; what the target counts.
    pub results: i64,
    /// `query`, where the service told it.
    pub query: Option<String>,
}

impl Observation {
    /// Does `other` show other counters? A row of `samples` is written where this is true.
    #[must_use]
    pub fn counters_differ(&self, other: &Self) -> bool {
        (
            self.desired,
            self.discovered,
            self.enriched,
            self.evaluated,
            self.results,
        ) != (
            other.desired,
            other.discovered,
            other.enriched,
            other.evaluated,
            other.results,
        )
    }
}

/// What the user wants of a task: a row of `tasks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Total number of results wanted, at least 1.
    pub target: i64,
    /// Largest resume for this task, 1..=250; none: `growth.chunk`.
    pub chunk: Option<i64>,
    /// A paused task gets no request at all.
    pub paused: bool,
}

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
    /// Refusals in the ledger up to this id were forgiven by `growd retry`.
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

/// All that the rule needs to know of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What the user wants.
    pub wanted: Wanted,
    /// When a person last added or changed it; none where that is no time.
    pub edited_at: Option<Timestamp>,
    /// What was learnt.
    pub progress: Progress,
    /// Its newest resume, if there was one. Only the newest can be open.
    pub resume: Option<Resume>,
    /// How many resumes were taken for lost, or rejected for no documented reason, since one was last seen to arrive, or
    /// forgiven by `growd retry`.
    pub lost: u32,
}
