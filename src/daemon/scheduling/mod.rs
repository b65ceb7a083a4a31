//! What is asked for when: the scheduler, its queue of due tasks, the rate limit, one pass for one task, pages of the list, and pages of
//! results.

mod credits;
mod in_flight;
mod page;
mod rate_limiter;
mod ready_queue;
mod reconcile;
mod results;
mod results_queue;
mod scheduler;
mod search;
mod search_queue;

pub use rate_limiter::RateLimiter;
pub use reconcile::{Context, reconcile};
pub use scheduler::Scheduler;
