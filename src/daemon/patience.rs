//! What the database can't take for the time being, a lock or a full disk: told once, and again when it is over.

use crate::store::StoreError;
use std::time::Duration;

/// How long the writer waits before it tries again what could not be written: first, and at most.
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Waits for what the database can't take for the time being, for as long as it takes.
pub struct Patience {
    wait: Duration,
    told: bool,
    tried: bool,
}

impl Patience {
    /// Before the first try.
    pub fn new() -> Self {
        Self {
            wait: RETRY_INITIAL,
            told: false,
            tried: false,
        }
    }

    /// May it be tried again without waiting? Once only, after something was done about it.
    pub fn retries_at_once(&mut self) -> bool {
        !std::mem::replace(&mut self.tried, true)
    }

    /// Was it over without a wait?
    pub fn was_quick(&self) -> bool {
        self.tried && !self.told
    }

    /// Waits a while; longer each time.
    pub async fn wait(&mut self, error: &StoreError) {
        if !self.told {
            tracing::error!("the database cannot be written; trying again until it can: {error}");
            self.told = true;
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(RETRY_MAX);
    }

    /// The last try is over.
    pub fn end(&self, well: bool) {
        if self.told && well {
            tracing::info!("the database can be written again");
        }
    }
}
