//! Requests that were sent, and how many of them `daemon.requests` has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The shortest time between two batches that write the count.
const INTERVAL: Duration = Duration::from_secs(1);

/// The requests that the daemon's clients have counted, and how many of them are in the database.
#[derive(Debug)]
pub(super) struct RequestCount {
    /// All since the daemon started. Only the clients change it.
    sent: Arc<AtomicU64>,
    /// Those that are in the database.
    written: u64,
    written_at: Option<Instant>,
}

impl RequestCount {
    pub fn new(sent: Arc<AtomicU64>) -> Self {
        Self {
            sent,
            written: 0,
            written_at: None,
        }
    }

    /// Returns the number of requests that are not in the database yet.
    pub fn unwritten(&self) -> u32 {
        let unwritten = self.sent.load(Ordering::Relaxed) - self.written;
        // What is left over is written next time.
        u32::try_from(unwritten).unwrap_or(u32::MAX)
    }

    /// Returns that number for a batch to write; 0 if the count was written within the last second.
    pub fn due(&self) -> u32 {
        match self.written_at {
            Some(at) if at.elapsed() < INTERVAL => 0,
            _ => self.unwritten(),
        }
    }

    /// Notes that so many more are in the database: the transaction that adds them is committed.
    pub fn wrote(&mut self, requests: u32) {
        if requests > 0 {
            self.written += u64::from(requests);
            self.written_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_request_is_written_once_and_at_most_once_a_second() {
        let sent = Arc::new(AtomicU64::new(3));
        let mut count = RequestCount::new(sent.clone());
        assert_eq!(count.due(), 3);
        // A transaction that is rolled back changes nothing.
        assert_eq!(count.due(), 3);
        sent.fetch_add(1, Ordering::Relaxed);
        count.wrote(3);
        assert_eq!((count.due(), count.unwritten()), (0, 1));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(count.due(), 1);
        count.wrote(1);
        assert_eq!((count.due(), count.unwritten()), (0, 0));
    }
}
