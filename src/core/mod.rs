//! The pure core: decides the next step of a task from its target, its polls, the ledger and the time.
//!
//! Nothing here uses tokio, HTTP, SQL or the clock. Time and randomness are parameters, and every function returns data for
//! its caller to act on. So tests can run the rule through every behaviour of the service without a socket or a sleep.

pub mod decide;
pub mod domain;
pub mod doubt;
pub mod event;
pub mod failure;
pub mod gate;
pub mod ledger;
pub mod list;
pub mod observation;
pub mod pace;
pub mod paid_request;
pub mod plan;
pub mod policy;
pub mod priority;
pub mod progress;
pub mod queue;
pub mod reading;
pub mod results;
pub mod resume;
pub mod search;
pub mod settle;
pub mod spending;
pub mod step;
pub mod task;
pub mod task_id;
pub mod time;

pub use failure::{Failure, RetryAfter};
pub use observation::{Observation, Status};
pub use progress::State;
pub use task_id::TaskId;
pub use time::{after, since};
