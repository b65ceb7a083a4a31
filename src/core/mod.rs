//! The judgement: what is wanted, what is seen, and the one rule that says what comes next.
//!
//! Nothing below here knows of tokio, HTTP, SQL or the clock: `now` is always a parameter, randomness is
//! handed in, and every function returns data for others to act on. That is what lets the tests drive the
//! rule through every combination of the service's unknowns without a socket or a sleep.

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

/// `at` plus `delay`, or the end of time where that is no timestamp any more.
#[must_use]
pub fn after(at: Timestamp, delay: Duration) -> Timestamp {
    at.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// How long after `earlier` `later` comes; zero where the clock went back.
#[must_use]
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}
