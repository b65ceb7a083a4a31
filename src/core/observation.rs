//! What one poll shows of a task.

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
