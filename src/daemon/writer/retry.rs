//! What the database can't take for the time being, a lock or a full disk: told once, and again when it is over.

use crate::core::step::Event;
use crate::store::StoreError;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How long the writer waits before it tries again what could not be written: first, and at most.
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Shared for what the database can't take for the time being, for as long as it takes.
pub struct WriteRetry {
    wait: Duration,
    /// The first failure that was waited for, and when that was.
    told: Option<(String, Instant)>,
    tried: bool,
}

impl WriteRetry {
    /// Before the first try.
    pub fn new() -> Self {
        Self {
            wait: RETRY_INITIAL,
            told: None,
            tried: false,
        }
    }

    /// May it be tried again without waiting? Once only, after something was done about it.
    pub fn retries_at_once(&mut self) -> bool {
        !std::mem::replace(&mut self.tried, true)
    }

    /// Was it over without a wait?
    pub fn was_quick(&self) -> bool {
        self.tried && self.told.is_none()
    }

    /// Shared a while; longer each time.
    pub async fn wait(&mut self, error: &StoreError) {
        if self.told.is_none() {
            tracing::error!("the database cannot be written; trying again until it can: {error}");
            self.told = Some((error.to_string(), Instant::now()));
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(RETRY_MAX);
    }

    /// Returns since when it has been waited.
    pub fn lasted(&self) -> Duration {
        self.told
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// The last try is over. Returns what is to be recorded, now that it can be.
    pub fn end(&self, well: bool) -> Option<Event> {
        let (error, since) = self.told.as_ref().filter(|_| well)?;
        tracing::info!("the database can be written again");
        Some(Event {
            kind: "unwritable",
            detail: json!({"error": error, "seconds": since.elapsed().as_secs()}),
        })
    }
}
