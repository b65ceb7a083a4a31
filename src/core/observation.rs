//! The state of a task that one poll shows.

/// The service's `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Accepted, not begun.
    Created,
    /// At work.
    InProgress,
    /// Finished: the only status in which a resume is sent.
    Done,
    /// Given up by the service.
    Failed,
    /// An unknown word: treated as still running.
    Unknown(String),
}

impl Status {
    /// Parses the service's word; an unknown one is kept.
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

    /// Returns the service's word.
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

    /// Whether the service is still at work, as far as known.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self {
            Self::Created | Self::InProgress | Self::Unknown(_) => true,
            Self::Done | Self::Failed => false,
        }
    }
}

/// The state of a task that one poll shows.
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
    /// `num_results`: candidates that match; the target counts these.
    pub results: i64,
    /// `query`, if the answer has it.
    pub query: Option<String>,
}

impl Observation {
    /// Whether `other` has other counters. If so, a row of `samples` is written.
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
