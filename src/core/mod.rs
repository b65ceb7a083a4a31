//! The pure core: decides the next step of a task from its target, its polls, the ledger and the time.
//!
//! Nothing here uses tokio, HTTP, SQL or the clock. Time and randomness are parameters, and every function returns data for
//! its caller to act on. So tests can run the rule through every behaviour of the service without a socket or a sleep.

pub mod decide;
pub mod failure;
pub mod gate;
pub mod observation;
pub mod pace;
pub mod policy;
pub mod progress;
pub mod queue;
pub mod resume;
pub mod settle;
pub mod step;
pub mod task;
pub mod task_id;

pub use failure::{Failure, RetryAfter};
pub use observation::{Observation, Status};
pub use progress::State;
pub use task_id::TaskId;

use jiff::Timestamp;
use std::time::Duration;

/// Returns `at` plus `delay`, or the latest timestamp if that overflows.
#[must_use]
pub fn after(at: Timestamp, delay: Duration) -> Timestamp {
    at.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// Returns the time from `earlier` to `later`; zero if the clock went back.
#[must_use]
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}
