//! What is asked for next, as far as gate, rate limit and concurrency allow.

use super::Scheduler;
use crate::core::gate::{Admission, Request};
use crate::core::priority::Load;
use crate::core::queue::Queue;
use crate::core::{TaskId, since};
use crate::crash::{self, Point};
use crate::store::StoreError;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// The longest sleep.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// A task to poll.
struct NextTask {
    queue: Queue,
    id: TaskId,
    /// It is not due; the list is compared with it.
    is_check: bool,
}

impl Scheduler {
    pub(super) async fn try_dispatch(&mut self) -> Result<Instant, StoreError> {
        let idle = Instant::now() + IDLE_MAX;
        'next: while self.in_flight() < self.concurrency {
            let now = Timestamp::now();
            let admission = self.context.gate.borrow().admits(Request::Poll, now);
            let probing = match admission {
                Admission::Free => false,
                Admission::Probe => true,
                Admission::Wait(until) => return Ok(idle.min(instant(now, until))),
            };
            if probing && self.in_flight() > 0 {
                // Their answers may open the gate, so that no probe is needed.
                return Ok(idle);
            }
            if self.begin_search(probing, now).await? {
                continue;
            }
            if self.ready.needs_refill(now) {
                self.refill(now).await?;
            }
            if let Some(next_slot) = self.context.rate_limiter.next_free() {
                return Ok(idle.min(next_slot));
            }
            if probing && !self.ready.is_empty() {
                self.renew_client();
            }
            for request in self.priority.order() {
                if request == Request::Results && self.ready.needs_refill(now) {
                    // The client was replaced, or what was read is in flight or waits for a page.
                    continue 'next;
                }
                if self.begin(request, probing, now).await? {
                    self.priority.begun(request);
                    continue 'next;
                }
            }
            return Ok(self.wake(probing, now).map_or(idle, |wake| wake.min(idle)));
        }
        Ok(idle)
    }

    /// Begins a request of this kind, if one is to be sent. A slot is free.
    async fn begin(
        &mut self,
        request: Request,
        probing: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !self.may_begin(request, probing) {
            return Ok(false);
        }
        match request {
            Request::List => {
                let Some(page) = self.plan.next_page(now) else {
                    return Ok(false);
                };
                self.take_slot();
                crash::at(Point::Scheduled);
                self.in_flight.start_page(page, self.context.clone());
            }
            Request::Poll => {
                let Some(NextTask {
                    queue,
                    id,
                    is_check,
                }) = self.next_task(probing, now)
                else {
                    return Ok(false);
                };
                self.take_slot();
                crash::at(Point::Scheduled);
                let context = self.context.clone();
                self.in_flight.start_task(id, queue, is_check, context);
            }
            Request::Results => {
                let taken = self.results.take(&mut self.reader, &self.policy);
                let Some(reading) = taken.await? else {
                    return Ok(false);
                };
                // It may be all that is left to do, and is the probe then.
                if probing {
                    self.renew_client();
                }
                self.take_slot();
                self.in_flight.start_results(reading, self.context.clone());
            }
            // A pass sends it.
            Request::Resume | Request::Create => return Ok(false),
        }
        Ok(true)
    }

    fn take_slot(&self) {
        let _ = self.context.rate_limiter.try_take();
    }

    pub(super) fn may_begin(&self, request: Request, probing: bool) -> bool {
        let load = Load {
            pages: self.in_flight.pages(),
            results: self.in_flight.results(),
            searches: self.in_flight.searches(),
        };
        load.admits(request, self.concurrency, probing)
    }

    /// Returns when something may be due, while nothing is. What finishes wakes the scheduler as well.
    fn wake(&self, probing: bool, now: Timestamp) -> Option<Instant> {
        let may_begin = |request| self.may_begin(request, probing);
        let page_due = may_begin(Request::List).then(|| self.plan.next_due(now));
        let next_due = [self.ready.next_due, page_due.flatten()];
        let next_due = next_due.into_iter().flatten().map(|at| instant(now, at));
        let released = self.suspended.values().min().copied();
        let results = may_begin(Request::Results).then(|| self.results.wake());
        let wakes = next_due.chain(released).chain(results.flatten());
        let searches = self.searches.wake(now, may_begin(Request::Create));
        wakes.chain(searches).min()
    }

    /// Returns the next task to poll.
    fn next_task(&mut self, probing: bool, now: Timestamp) -> Option<NextTask> {
        let Self {
            ready,
            plan,
            in_flight,
            suspended,
            ..
        } = self;
        let in_flight = in_flight.tasks();
        let due = ready.take(probing, |task| {
            let awaits_page = !probing && task.is_watched && !plan.polls_alone(&task.id, now);
            !in_flight.contains_key(&task.id) && !awaits_page
        });
        if let Some((queue, id)) = due {
            let is_check = false;
            return Some(NextTask {
                queue,
                id,
                is_check,
            });
        }
        let id = (!probing).then(|| plan.next_check(now)).flatten()?;
        let is_free = !in_flight.contains_key(&id) && !suspended.contains_key(&id);
        is_free.then_some(NextTask {
            queue: Queue::Regular,
            id,
            is_check: true,
        })
    }
}

/// Returns the instant at which the clock will show `at`.
fn instant(now: Timestamp, at: Timestamp) -> Instant {
    Instant::now() + since(now, at)
}
