//! The handle of the writer: starts it, and sends it requests.

use super::batch::{Answer, Stored, Update};
use super::clock::Clock;
use super::listed::{ListedTask, PageAnswer};
use super::maintenance::Maintenance;
use super::message::{Message, Reply, Shared};
use super::request_count::RequestCount;
use super::results::ResultsAnswer;
use super::search::{Decided, SearchUpdate};
use super::task::WriterTask;
use super::wal_monitor::WalMonitor;
use crate::core::TaskId;
use crate::core::gate::Gate;
use crate::core::list::ListEntry;
use crate::core::plan::Shown;
use crate::core::policy::Policy;
use crate::core::spending::Windows;
use crate::core::step::{PollAnswer, ResumeAnswer};
use crate::daemon::event_log::EventLog;
use crate::daemon::supervision::health::Health;
use crate::store::{StoreError, wal};
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The handle of the writer; cheap to clone.
///
/// Its queue has no bound of its own. Each task in flight has one update in it at most, and the scheduler bounds those. A
/// heartbeat or a check of the clock is left out while the last one still waits. The rest is rare.
#[derive(Debug, Clone)]
pub struct Writer {
    messages: mpsc::UnboundedSender<Message>,
    shared: Arc<Shared>,
}

/// Why the writer did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The database refused it.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopped,
}

/// A running writer.
#[derive(Debug)]
pub struct StartedWriter {
    /// Its handle.
    pub writer: Writer,
    /// The account's gate, as the writer last left it.
    pub gate: watch::Receiver<Gate>,
    /// Ends with the writer.
    pub task: JoinHandle<()>,
}

impl Writer {
    /// Starts the writer on a connection to the database. It adds the number of `requests` to `daemon.requests`.
    #[must_use]
    pub fn start(
        connection: SqliteConnection,
        gate: Gate,
        policy: Policy,
        draining: watch::Receiver<bool>,
        health: Health,
        requests: Arc<AtomicU64>,
    ) -> StartedWriter {
        let (messages, inbox) = mpsc::unbounded_channel();
        let (published, gate_of_others) = watch::channel(gate.clone());
        let shared = Arc::new(Shared::default());
        let wal_monitor = WalMonitor::new(health.database(), wal::LARGE);
        let task = WriterTask {
            connection,
            gate,
            policy,
            draining,
            health,
            published,
            clock: Clock::start(),
            shared: shared.clone(),
            event_log: EventLog::default(),
            wal_monitor,
            requests: RequestCount::new(requests),
            unrecorded: Vec::new(),
            creates_in_flight: HashSet::new(),
            credits_asked: None,
        };
        StartedWriter {
            writer: Self { messages, shared },
            gate: gate_of_others,
            task: tokio::spawn(task.run(inbox)),
        }
    }

    /// Stores what a poll brought. Returns, among others, the permit for the resume that follows from it, if one does.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not stored.
    pub async fn store_poll(&self, id: TaskId, poll: PollAnswer) -> Result<Stored, WriteError> {
        self.update(id, Answer::Poll(poll)).await
    }

    /// Stores what the answer to a resume brought.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not stored; the resume then stays `intended` until polls settle it.
    pub async fn store_resume(
        &self,
        id: TaskId,
        answer: ResumeAnswer,
    ) -> Result<Stored, WriteError> {
        self.update(id, Answer::Resume(answer)).await
    }

    /// Stores what a page of the list brought, in one transaction. Returns what each entry means for the plan of requests.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not stored.
    pub async fn store_page(
        &self,
        page: PageAnswer,
        entries: Vec<ListEntry>,
    ) -> Result<Vec<(TaskId, Shown)>, WriteError> {
        let page = Arc::new(page);
        let ids: Vec<TaskId> = entries.iter().map(|entry| entry.id.clone()).collect();
        let update = |ListEntry { id, seen }| {
            let page = page.clone();
            let answer = Answer::Listed(ListedTask { seen, page });
            Update { id, answer }
        };
        let updates = entries.into_iter().map(update).collect();
        let stored = self
            .ask(|reply| Message::Page(page.clone(), updates, reply))
            .await?;
        let shown = stored.into_iter().map(|stored| stored.shown);
        Ok(ids.into_iter().zip(shown).collect())
    }

    /// Stores a page of a task's results, and what became of the reading.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not stored. The reading is then postponed, unless the database refuses that too.
    pub async fn store_results(&self, answer: ResultsAnswer) -> Result<(), WriteError> {
        let answer = Box::new(answer);
        self.ask(|reply| Message::Results(answer, reply)).await
    }

    /// Stores what is known anew of a search. Returns what follows, among others the permit for a create.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it is not stored. A create then stays `intended` until the list settles it.
    pub async fn store_search(
        &self,
        name: String,
        update: SearchUpdate,
    ) -> Result<Decided, WriteError> {
        let update = Box::new(update);
        self.ask(|reply| Message::Search(name, update, reply)).await
    }

    /// Stores the account's credits as the service showed them, none if it did not.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if they are not stored.
    pub async fn store_credits(&self, available: Option<i64>) -> Result<(), WriteError> {
        self.maintain(Maintenance::StoreCredits(available)).await?;
        Ok(())
    }

    /// Returns whether a task is still to be polled: it exists, is not paused, and the daemon is not stopping.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if that cannot be read.
    pub async fn is_wanted(&self, id: TaskId) -> Result<bool, WriteError> {
        self.ask(|reply| Message::IsWanted(id, reply)).await
    }

    /// Has maintenance done. Returns the number of rows that it removed or changed, if it counts them.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it was not done.
    pub async fn maintain(&self, maintenance: Maintenance) -> Result<u64, WriteError> {
        self.ask(|reply| Message::Maintain(maintenance, Some(reply)))
            .await
    }

    /// Requests maintenance without waiting for it. A heartbeat is left out while the last one still waits: the daemon is
    /// not well then.
    pub fn request(&self, maintenance: Maintenance) {
        let waits = &self.shared.heartbeat_waits;
        if matches!(maintenance, Maintenance::Heartbeat) && waits.swap(true, Ordering::Relaxed) {
            return;
        }
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Message::Maintain(maintenance, None));
    }

    /// Requests a check of the clock and of the write-ahead log, in case no other message comes.
    pub fn check_clock(&self) {
        if !self.shared.clock_check_waits.swap(true, Ordering::Relaxed) {
            // As above.
            let _ = self.send(Message::CheckClock);
        }
    }

    /// Returns a number that goes up as long as the writer makes progress. [`check_clock`](Self::check_clock) keeps it
    /// going while nothing else is to be written.
    #[must_use]
    pub fn pulse(&self) -> u64 {
        self.shared.pulse.load(Ordering::Relaxed)
    }

    /// Returns whether the database cannot be written for the time being, for example because the disk is full.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.shared.is_stuck.load(Ordering::Relaxed)
    }

    /// Returns the windows of the limits, which are longer after the clock leapt ahead.
    #[must_use]
    pub fn windows(&self) -> Windows {
        Windows::lengthened(|limit| {
            let ahead = self.shared.clock_ahead[limit as usize].load(Ordering::Relaxed);
            Duration::from_millis(ahead)
        })
    }

    /// Writes what is left, checkpoints, and closes the database.
    pub async fn stop(self) {
        let (reply, done) = oneshot::channel();
        if self.send(Message::Stop(reply)).is_ok() {
            let _ = done.await;
        }
    }

    async fn update(&self, id: TaskId, answer: Answer) -> Result<Stored, WriteError> {
        let update = Box::new(Update { id, answer });
        self.ask(|reply| Message::Update(update, reply)).await
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    fn send(&self, message: Message) -> Result<(), WriteError> {
        self.messages.send(message).map_err(|_| WriteError::Stopped)
    }
}
