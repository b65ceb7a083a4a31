//! The parts of the configuration that the rule uses.

use std::time::Duration;

/// `[growth]`: how much to request, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Largest resume, 1..=250.
    pub chunk: i64,
    /// The service's cap on one task's results.
    pub task_cap: i64,
    /// Accepted resumes in a row that bring nothing before a task is stalled.
    pub max_stalled: i64,
    /// Upper bound, for each task, on results that were requested and did not come.
    pub max_waste: i64,
    /// Upper bound on new results requested in any 24 h; 0 means no limit.
    pub daily_limit: i64,
    /// Upper bound on new results requested in any 30 days; 0 means no limit.
    pub monthly_limit: i64,
    /// Paid requests wait while the account has fewer credits; 0 turns the check off.
    pub reserve_credits: i64,
    /// The service's cap on the domains that a new task can exclude.
    pub exclude_cap: i64,
    /// The settling time: how long polls look for the effect of an unanswered resume.
    pub settle: Duration,
}

/// `[polling]`: the bounds of the polling interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// The shortest interval between two polls of a task.
    pub min_interval: Duration,
    /// The longest interval between two polls of a running task.
    pub max_interval: Duration,
    /// A running task without any change for this long is reported as quiet; zero means never.
    pub quiet_after: Duration,
    /// The number of tasks that one request for the service's list asks for, up to 1000; 0 means never use the list.
    pub list_page: u32,
}

/// `[retry]`: the delays after errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The delay after the first error.
    pub initial: Duration,
    /// The longest delay.
    pub max: Duration,
}

/// The parts of the configuration that the rule uses.
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
    /// `results.keep`: searches tell companies apart by their results.
    pub keeps_results: bool,
}
