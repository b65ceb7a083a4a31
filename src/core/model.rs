//! The nouns: a task's id, what is wanted of it, what was seen of it, and what the ledger says.

use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most results one resume can ask for (docs.extruct.ai, "Resume discovery task").
pub const RESUME_MAX: i64 = 250;

/// The id of a Deep Search task, fit to be one segment of a URL's path once percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(String);

/// Why a text is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTaskId {
    /// Nothing there.
    #[error("a task id is empty")]
    Empty,
    /// Longer than [`TaskId::MAX_BYTES`].
    #[error("a task id has {0} bytes; the most is {max}", max = TaskId::MAX_BYTES)]
    TooLong(usize),
    /// A path segment that would point elsewhere.
    #[error("{0:?} is no task id: it would change the path of the request")]
    DotSegment(String),
    /// A character that no id has.
    #[error("{id:?} is no task id: it has the character {character:?}")]
    Character {
        /// The text as given.
        id: String,
        /// The first character that does not belong.
        character: char,
    },
}

impl TaskId {
    /// The longest id accepted, in bytes of UTF-8. The service's own are UUIDs of 36.
    pub const MAX_BYTES: usize = 200;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskId {
    type Err = InvalidTaskId;

    fn from_str(text: &str) -> Result<Self, InvalidTaskId> {
        if text.trim_matches(' ').is_empty() {
            return Err(InvalidTaskId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidTaskId::TooLong(text.len()));
        }
        if text == "." || text == ".." {
            return Err(InvalidTaskId::DotSegment(text.to_owned()));
        }
        match text.chars().find(char::is_ascii_control) {
            Some(character) => Err(InvalidTaskId::Character {
                id: text.to_owned(),
                character,
            }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

/// What growd keeps of a task between two looks: a row of `progress`.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Refusals in the ledger up to this id were forgiven by `growd retry`.
    pub forgiven: i64,
    /// When the service was first seen at work on the present run.
    pub run_started_at: Option<Timestamp>,
    /// `num_results` at that time.
    pub run_results: i64,
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
            forgiven: 0,
            run_started_at: None,
            run_results: 0,
        }
    }
}

/// All that the rule needs to know of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What the user wants.
    pub wanted: Wanted,
    /// What was learnt.
    pub progress: Progress,
    /// Its newest resume, if there was one. Only the newest can be open.
    pub resume: Option<Resume>,
    /// How many resumes were taken for lost since one was last seen to arrive, or forgiven by `growd retry`.
    pub lost: u32,
}

/// `[growth]`: how much to ask for, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Largest resume, 1..=250.
    pub chunk: i64,
    /// The service's cap on one task's results.
    pub task_cap: i64,
    /// Accepted resumes in a row that bring nothing before a task is stalled.
    pub max_stalled: i64,
    /// Most new results asked for in any 24 h; 0: no limit.
    pub daily_limit: i64,
    /// How long an unanswered resume is looked for.
    pub settle: Duration,
}

/// `[polling]`: the bounds of the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Never look at one task more often.
    pub min_interval: Duration,
    /// Never leave a running task unseen for longer.
    pub max_interval: Duration,
}

/// `[retry]`: the delays after errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first error.
    pub initial: Duration,
    /// The longest.
    pub max: Duration,
}

/// The parts of the configuration that the rule goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `[growth]`.
    pub growth: Growth,
    /// `[polling]`.
    pub polling: Polling,
    /// `[retry]`.
    pub retry: Retry,
    /// `gate.probe_interval`.
    pub probe_interval: Duration,
}
