//! `limits.concurrency`: how many requests are out. A task gives its seat up once its request is answered, and not only
//! when the answer is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The seats that are taken.
#[derive(Debug, Default)]
pub struct Seats {
    taken: AtomicUsize,
    left: Notify,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Seats>);

impl Seats {
    /// Takes one more.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Seat {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Seat(self.clone())
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Waits until one was left, since this was last waited for.
    pub async fn left(&self) {
        self.left.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.left.notify_one();
    }
}
