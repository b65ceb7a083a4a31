//! The ledgers of resumes and creates, and finished runs, to which tests compare a client's records.

use jiff::Timestamp;
use serde::Serialize;

/// One resume that reached the world.
///
/// Requests that did not reach it (a wrong token, a scripted 503) are not in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// Its number, from 1, over all tasks.
    pub seq: u64,
    /// When it was received, in virtual time.
    pub at: Timestamp,
    /// The task.
    pub task_id: String,
    /// The requested `desired_new_results`.
    pub requested: u32,
    /// What was granted within the cap; 0 if it was refused.
    pub granted: u32,
    /// The true `desired_num_results` before the resume.
    pub baseline_desired: u32,
    /// The true `num_results` before the resume.
    pub baseline_results: u32,
    /// The HTTP status of the response; `None` if no response was sent (yet).
    pub answered_status: Option<u16>,
    /// Whether it was accepted.
    pub took_effect: bool,
    /// Whether another client of the account sent it ([`crate::Fault::ColleagueFirst`]).
    pub by_colleague: bool,
}

/// One create that reached the world.
///
/// Requests that did not reach it (a wrong token, a body that is answered 422, a scripted 503) are not in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreateEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was received, in virtual time.
    pub at: Timestamp,
    /// The new task; `None` if the create was refused.
    pub task_id: Option<String>,
    /// The query.
    pub query: String,
    /// The requested `desired_num_results`.
    pub desired: u32,
    /// The number of different domains in the `exclude_domains` of the request.
    pub exclude_domains: usize,
    /// The `exclude_task_ids` of the request.
    pub exclude_task_ids: Vec<String>,
    /// The HTTP status of the response; `None` if no response was sent (yet).
    pub answered_status: Option<u16>,
    /// Whether it was accepted.
    pub took_effect: bool,
    /// Whether another client of the account sent it ([`crate::Fault::ColleagueFirst`]).
    pub by_colleague: bool,
}

/// A request that a ledger has, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    Resume(u64),
    Create(u64),
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEntry {
    /// The task.
    pub task_id: String,
    /// When it started, in virtual time.
    pub started_at: Timestamp,
    /// When it ended, in virtual time.
    pub ended_at: Timestamp,
    /// When a poll of the task first showed the end, in virtual time; `None` if no poll did (yet).
    pub noticed_at: Option<Timestamp>,
    /// When a page of the list first showed the end, in virtual time; `None` if no page did (yet).
    pub listed_at: Option<Timestamp>,
}
