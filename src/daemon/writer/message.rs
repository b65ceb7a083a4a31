//! What is asked of the writer, and what its handle and its task share.

use super::batch::{Stored, Update};
use super::listed::PageAnswer;
use super::maintenance::Maintenance;
use super::results::ResultsAnswer;
use super::search::{Decided, SearchUpdate};
use crate::core::TaskId;
use crate::core::spending::Limit;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::oneshot;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Arc<StoreError>>>;

/// A request to the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// Store what one request of one task brought.
    Update(Box<Update>, Reply<Stored>),
    /// Store a page of the list in one transaction.
    Page(Arc<PageAnswer>, Vec<Update>, Reply<Vec<Stored>>),
    /// Store a page of a task's results.
    Results(Box<ResultsAnswer>, Reply<()>),
    /// Store what is known anew of a search, and decide what follows.
    Search(String, Box<SearchUpdate>, Reply<Decided>),
    /// Do this, and answer if there is somewhere to answer to.
    Maintain(Maintenance, Option<Reply<u64>>),
    /// Answer whether a task is still to be polled.
    IsWanted(TaskId, Reply<bool>),
    /// Check the clock and the size of the write-ahead log.
    CheckClock,
    /// Close the database, and end.
    Stop(oneshot::Sender<()>),
}

/// The state that the writer's task shares with its handles.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// A heartbeat waits in the queue.
    pub heartbeat_waits: AtomicBool,
    /// A check of the clock waits in the queue.
    pub clock_check_waits: AtomicBool,
    /// Goes up with each message, and with each attempt to write.
    pub pulse: AtomicU64,
    /// The database cannot be written for the time being.
    pub is_stuck: AtomicBool,
    /// By how much the clock leapt ahead within the window of each limit, in milliseconds.
    pub clock_ahead: [AtomicU64; Limit::ALL.len()],
}
