//! Which task is polled when: the scheduler, the queue of due tasks, the rate limit, and one pass for one task.

mod rate_limiter;
mod ready_queue;
pub mod reconcile;
mod runway;
mod scheduler;

pub use rate_limiter::RateLimiter;
pub use reconcile::{Context, cycle};
pub use scheduler::Scheduler;
