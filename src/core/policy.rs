//! What the rule goes by: the parts of the configuration that it knows.

use std::time::Duration;

/// `[growth]`: how much to ask for, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Largest resume, 1..=250.
    pub chunk: i64,
    /// The service's cap on one task's results.
    pub task_cap: i64,
    /// Accepted resumes in a row that bring nothing before a task is stalled.
    pub max_stalled: i64,
    /// Upper bound, for each task, on results asked for and not brought.
    pub max_waste: i64,
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
    /// A running task without any change for this long is reported as quiet; zero: never.
    pub quiet_after: Duration,
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
