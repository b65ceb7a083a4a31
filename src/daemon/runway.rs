//! Tasks that are cleared for their look: whoever has just looked takes the next one from here, so that the schedule need
//! not be woken for each.

use super::cycle::Means;
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
    pub fn length(concurrency: usize, means: &Means) -> usize {
        concurrency
            .saturating_mul(2)
            .min(means.pacer.slots_of_a_moment())
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
    pub fn next(&self, means: &Means) -> Option<TaskId> {
        let is_free =
            || means.gate.borrow().admits(Request::Look, Timestamp::now()) == Admission::Free;
        if *means.draining.borrow() || means.writer.is_stuck() || !is_free() {
            return None;
        }
        let mut ready = self.ready();
        if ready.tasks.is_empty() || means.pacer.try_take().is_err() {
            return None;
        }
        let next = ready.tasks.pop_front();
        if ready.tasks.len() <= ready.low_at {
            self.low.notify_one();
        }
        next
    }

    /// Waits until half of them are left, since this was last waited for.
    pub async fn low(&self) {
        self.low.notified().await;
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
