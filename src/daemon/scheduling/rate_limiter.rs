//! The rate limiter: `limits.requests_per_second`, over all tasks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Burst allowance, so that a late timer does not lower the rate.
const BURST: Duration = Duration::from_millis(50);

/// Spaces requests evenly.
///
/// Passes reserve the next slot and wait for it where a request may follow at once: a resume, a create, the credits, or a page of the
/// reading of the list that settles creates. What the scheduler begins (polls, pages of the list and of results) takes a slot only
/// if one is free. So a resume never waits behind polls: a task that is done gains nothing by waiting.
#[derive(Debug)]
pub struct RateLimiter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    spacing: Duration,
    /// When the next slot begins.
    next: Instant,
    /// Reserved slots that were not used. Another request can use each within its own time.
    free: Vec<Instant>,
}

impl RateLimiter {
    /// Returns a limiter of `per_second` requests a second; 0: no limit.
    #[must_use]
    pub fn new(per_second: f64) -> Self {
        Self {
            state: Mutex::new(State {
                spacing: spacing(per_second),
                next: Instant::now(),
                free: Vec::new(),
            }),
        }
    }

    /// Changes the limit.
    pub fn set(&self, per_second: f64) {
        let mut state = self.lock();
        state.spacing = spacing(per_second);
        state.next = Instant::now() + state.spacing;
        state.free.clear();
    }

    /// Returns when the next slot is free; none if one is free now.
    #[must_use]
    pub fn next_free(&self) -> Option<Instant> {
        let mut state = self.lock();
        let now = Instant::now();
        let spacing = state.spacing;
        state.free.retain(|begins| *begins + spacing > now);
        let is_free = state.free.iter().any(|begins| *begins <= now) || state.has_room(now);
        (!is_free).then_some(state.next)
    }

    /// Takes a slot if one is free.
    ///
    /// # Errors
    ///
    /// The time at which the next slot is free.
    pub fn try_take(&self) -> Result<(), Instant> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.take_free(now).is_some() {
            return Ok(());
        }
        if !state.has_room(now) {
            return Err(state.next);
        }
        state.next = state.next.max(now) + state.spacing;
        Ok(())
    }

    /// Reserves the next slot and waits for it. Another request gets it, unless the slot is spent before it is dropped.
    pub async fn take(&self) -> Slot<'_> {
        let slot = Slot {
            rate_limiter: self,
            begins: self.reserve(),
            is_spent: false,
        };
        sleep_until(slot.begins).await;
        slot
    }

    /// Counts a request that does not wait for a slot. The requests after it wait longer.
    pub fn spend_at_once(&self) {
        self.reserve();
    }

    fn reserve(&self) -> Instant {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(begins) = state.take_free(now) {
            return begins;
        }
        let begins = state.next.max(now);
        state.next = begins + state.spacing;
        begins
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the next slot may be taken now.
    fn has_room(&self, now: Instant) -> bool {
        self.next <= now + BURST.min(self.spacing / 2) || self.spacing.is_zero()
    }

    /// Takes a slot that was given back and is current, if there is one.
    fn take_free(&mut self, now: Instant) -> Option<Instant> {
        let spacing = self.spacing;
        self.free.retain(|begins| *begins + spacing > now);
        let found = self.free.iter().position(|begins| *begins <= now);
        found.map(|at| self.free.swap_remove(at))
    }
}

/// A slot that was reserved for one request.
#[derive(Debug)]
pub struct Slot<'a> {
    rate_limiter: &'a RateLimiter,
    begins: Instant,
    is_spent: bool,
}

impl Slot<'_> {
    /// Uses the slot up: its request is sent.
    pub fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if !self.is_spent {
            self.rate_limiter.lock().free.push(self.begins);
        }
    }
}

fn spacing(per_second: f64) -> Duration {
    if per_second > 0.0 {
        Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX / 4)
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn never_more_requests_than_the_limit_and_resumes_go_first() {
        let rate_limiter = RateLimiter::new(10.0);
        let begin = Instant::now();
        let mut taken = 0;
        while begin.elapsed() < Duration::from_secs(5) {
            match rate_limiter.try_take() {
                Ok(()) => taken += 1,
                Err(next) => sleep_until(next).await,
            }
        }
        assert!((49..=51).contains(&taken), "{taken}");
        // A reservation moves the next free slot away from the polls.
        let (one, other) = tokio::join!(rate_limiter.take(), rate_limiter.take());
        assert!(rate_limiter.try_take().is_err());
        one.spend();
        drop(other);
        assert!(
            rate_limiter.try_take().is_ok(),
            "what is not spent goes to the next"
        );
        assert!(rate_limiter.try_take().is_err(), "and to one only");
    }

    #[tokio::test(start_paused = true)]
    async fn slots_that_were_not_spent_are_no_credit_for_later() {
        let rate_limiter = RateLimiter::new(1.0);
        for _ in 0..4 {
            drop(rate_limiter.take().await);
        }
        let begin = Instant::now();
        let mut taken = 0;
        while begin.elapsed() < Duration::from_secs(10) {
            match rate_limiter.try_take() {
                Ok(()) => taken += 1,
                Err(next) => sleep_until(next).await,
            }
        }
        assert!((10..=12).contains(&taken), "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let rate_limiter = RateLimiter::new(0.0);
        let begin = Instant::now();
        for _ in 0..10_000 {
            assert!(rate_limiter.try_take().is_ok());
        }
        rate_limiter.take().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
