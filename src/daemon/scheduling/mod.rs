//! Which task is polled when: the scheduler, its queue of due tasks, the rate limit, and one pass for one task.

mod rate_limiter;
mod ready_queue;
mod reconcile;
mod scheduler;

pub use rate_limiter::RateLimiter;
pub use reconcile::{Context, reconcile};
pub use scheduler::Scheduler;
