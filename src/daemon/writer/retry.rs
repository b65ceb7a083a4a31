//! Retries writes while the database is locked or the disk is full.

use crate::core::event::Event;
use crate::store::StoreError;
use std::time::Duration;
use tokio::time::Instant;

/// The first delay between two attempts, and the longest.
const INITIAL: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);

/// The attempts at one write. The first failure is logged at once; the recovery is an event.
#[derive(Debug)]
pub struct WriteRetry {
    delay: Duration,
    /// The first failure that was waited for, and when that was.
    first_failure: Option<(String, Instant)>,
    retried_at_once: bool,
}

impl WriteRetry {
    /// Returns the state before the first attempt.
    #[must_use]
    pub fn new() -> Self {
        Self {
            delay: INITIAL,
            first_failure: None,
            retried_at_once: false,
        }
    }

    /// Returns whether to try again without a delay: once only, after room was made.
    pub fn retries_at_once(&mut self) -> bool {
        !std::mem::replace(&mut self.retried_at_once, true)
    }

    /// Returns whether the write needed a second attempt, but no delay.
    #[must_use]
    pub fn needed_no_delay(&self) -> bool {
        self.retried_at_once && self.first_failure.is_none()
    }

    /// Waits before the next attempt; longer each time.
    pub async fn wait(&mut self, error: &StoreError) {
        if self.first_failure.is_none() {
            tracing::error!("the database cannot be written; trying again until it can: {error}");
            self.first_failure = Some((error.to_string(), Instant::now()));
        }
        tokio::time::sleep(self.delay).await;
        self.delay = (self.delay * 2).min(MAX);
    }

    /// Returns how long ago the first failure was.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.first_failure
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Returns the event of the recovery, after a write that succeeded late.
    #[must_use]
    pub fn recovered(&self) -> Option<Event> {
        let (error, since) = self.first_failure.as_ref()?;
        Some(Event::Unwritable {
            error: error.clone(),
            seconds: since.elapsed().as_secs(),
        })
    }
}
