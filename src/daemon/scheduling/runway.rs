//! Tasks that are cleared for their look: whoever has just looked takes the next one from here, so that the schedule need
//! not be woken for each.

use super::reconcile::Context;
use crate::core::TaskId;
use crate::core::gate::{Admission, Request};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Those that wait for a seat.
#[derive(Debug, Default)]
pub(super) struct Runway {
    ready: Mutex<Ready>,
    /// Half of them are left.
    low: Notify,
}

#[derive(Debug, Default)]
struct Ready {
    tasks: VecDeque<TaskId>,
    /// When so many are left, more are asked for.
    low_at: usize,
}

impl Runway {
    /// How many may wait here: no more than two for each seat, and no more than the pace serves within a moment. That is
    /// none with a low `limits.requests_per_second`, as by default: there is no need then. Whoever is here is overtaken by
    /// nobody, until the schedule takes them back because somebody has written.
    pub fn length(concurrency: usize, context: &Context) -> usize {
        concurrency
            .saturating_mul(2)
            .min(context.rate_limiter.slots_of_a_moment())
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.ready().tasks.len()
    }

    /// Puts more at its end.
    pub fn extend(&self, ids: impl IntoIterator<Item = TaskId>) {
        let mut ready = self.ready();
        ready.tasks.extend(ids);
        ready.low_at = ready.tasks.len() / 2;
    }

    /// Takes the first.
    pub fn pop(&self) -> Option<TaskId> {
        self.ready().tasks.pop_front()
    }

    /// Takes all of them.
    pub fn clear(&self) -> VecDeque<TaskId> {
        std::mem::take(&mut self.ready().tasks)
    }

    /// The next task for one that has just looked at another, unless something is in the way: that is for the schedule
    /// to see to.
    pub fn next(&self, context: &Context) -> Option<TaskId> {
        let is_free = || {
            context
                .gate
                .borrow()
                .admits(Request::Poll, Timestamp::now())
                == Admission::Free
        };
        if *context.draining.borrow() || context.writer.is_stuck() || !is_free() {
            return None;
        }
        let mut ready = self.ready();
        if ready.tasks.is_empty() || context.rate_limiter.try_take().is_err() {
            return None;
        }
        let next = ready.tasks.pop_front();
        if ready.tasks.len() <= ready.low_at {
            self.low.notify_one();
        }
        next
    }

    /// Shared until half of them are left, since this was last waited for.
    pub async fn low(&self) {
        self.low.notified().await;
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::core::gate::{Gate, Kind};
    use crate::daemon::scheduling::rate_limiter::RateLimiter;
    use crate::daemon::writer::Writer;
    use crate::extruct::Client;
    use crate::token::Token;
    use futures_util::FutureExt as _;
    use std::sync::Arc;
    use tokio::sync::watch;

    /// Context that let everything through, and what to change that with.
    struct Lab {
        context: Context,
        gate: watch::Sender<Gate>,
        draining: watch::Sender<bool>,
        runway: Runway,
    }

    fn lab() -> Lab {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, "a-token-of-the-tests").expect("a file");
        let token = Token::from_file_only(&file).expect("a token");
        let settings = Settings::from_toml("a test", "").expect("the defaults");
        let (gate, gate_of_means) = watch::channel(Gate::open(Timestamp::now()));
        let (draining, draining_of_means) = watch::channel(false);
        let context = Context {
            client: Arc::new(Client::new(&settings.api, token).expect("a client")),
            writer: Writer::to_nobody(),
            rate_limiter: Arc::new(RateLimiter::new(0.0)),
            gate: gate_of_means,
            draining: draining_of_means,
        };
        let runway = Runway::default();
        runway.extend(ids());
        Lab {
            context,
            gate,
            draining,
            runway,
        }
    }

    fn ids() -> Vec<TaskId> {
        let id = |n| format!("task-{n}").parse().expect("an id");
        (0..4).map(id).collect()
    }

    #[tokio::test]
    async fn tasks_are_taken_in_their_order_and_more_asked_for_once_half_are_left() {
        let Lab {
            context, runway, ..
        } = lab();
        for (n, id) in ids().into_iter().enumerate() {
            assert_eq!(runway.next(&context), Some(id));
            let is_low = runway.low().now_or_never().is_some();
            assert_eq!(is_low, n >= 1, "after {n}");
        }
        assert_eq!(runway.next(&context), None);
    }

    #[tokio::test]
    async fn what_is_in_the_way_leaves_every_task_where_it_is() {
        let Lab {
            mut context,
            gate,
            draining,
            runway,
        } = lab();
        let refuses = |context: &Context, why: &str| {
            assert_eq!(runway.next(context), None, "{why}");
            assert_eq!(runway.len(), ids().len(), "{why}");
        };

        draining.send_replace(true);
        refuses(&context, "draining");
        draining.send_replace(false);

        context.writer.set_stuck(true);
        refuses(&context, "the writer is stuck");
        context.writer.set_stuck(false);

        let now = Timestamp::now();
        gate.send_replace(Gate::restored(Kind::Unauthorized, None, None, now));
        // A probe goes alone, which only the schedule can see to.
        refuses(&context, "the gate lets a probe through");
        gate.send_replace(Gate::restored(
            Kind::RateLimited,
            None,
            Some(Timestamp::MAX),
            now,
        ));
        refuses(&context, "the gate is closed");
        gate.send_replace(Gate::open(now));

        context.rate_limiter = Arc::new(RateLimiter::new(0.001));
        context.rate_limiter.spend_out_of_turn();
        refuses(&context, "the pace has no slot");
        context.rate_limiter = Arc::new(RateLimiter::new(0.0));

        assert_eq!(runway.clear(), ids());
        assert_eq!(runway.next(&context), None, "nothing is left");
    }

    #[tokio::test]
    async fn no_more_wait_than_the_pace_serves_within_a_moment() {
        let Lab { mut context, .. } = lab();
        assert_eq!(Runway::length(16, &context), 32, "no limit");
        context.rate_limiter = Arc::new(RateLimiter::new(200.0));
        assert_eq!(Runway::length(16, &context), 10, "200 a second");
        context.rate_limiter = Arc::new(RateLimiter::new(4.0));
        assert_eq!(Runway::length(16, &context), 0, "4 a second");
    }
}
