//! The judgement: what is wanted, what is seen, and the one rule that says what comes next.
//!
//! Nothing below here knows of tokio, HTTP, SQL or the clock: `now` is always a parameter, randomness is
//! handed in, and every function returns data for others to act on. That is what lets the tests drive the
//! rule through every combination of the service's unknowns without a socket or a sleep.

pub mod decide;
pub mod event;
pub mod failure;
pub mod gate;
pub mod ledger;
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
pub mod time;

pub use failure::{Failure, RetryAfter};
pub use observation::{Observation, Status};
pub use progress::State;
pub use task_id::TaskId;
pub use time::{after, since};
