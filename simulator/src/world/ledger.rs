//! What was asked of the world, and what became of it: the truth that a client's own books are checked against.

use jiff::Timestamp;
use serde::Serialize;

/// One resume that reached the world.
///
/// Requests that never got so far (a wrong token, a scripted 503) are not in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// Counts from 1, over all tasks.
    pub seq: u64,
    /// When, in virtual time.
    pub at: Timestamp,
    /// The task.
    pub task_id: String,
    /// `desired_new_results` as asked.
    pub requested: u32,
    /// What was granted after the cap; 0 where it was refused.
    pub granted: u32,
    /// `desired_num_results` as it truly was before.
    pub baseline_desired: u32,
    /// `num_results` as it truly was before.
    pub baseline_results: u32,
    /// The HTTP status that was sent back; `None` if no answer was sent (yet).
    pub answered_status: Option<u16>,
    /// Whether it was accepted, so that its grant is or will be worked on.
    pub took_effect: bool,
    /// Whether it came from another client of the same account ([`super::Fault::ColleagueFirst`]).
    pub by_colleague: bool,
}

/// One run that came to its end: when, and when a client first saw that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEntry {
    /// The task.
    pub task_id: String,
    /// When the service began it, in virtual time.
    pub started_at: Timestamp,
    /// When it was over, in virtual time.
    pub ended_at: Timestamp,
    /// When a look was first answered with that, in virtual time; `None` if none was yet.
    pub noticed_at: Option<Timestamp>,
}
