//! The way to the only writer: what is asked of it, and what it answers.

pub mod batch;
pub mod clock;
pub mod maintenance;
mod retry;
mod task;
mod thread;
mod wal;

pub use batch::ResumePermit;
pub use maintenance::Maintenance;

use crate::daemon::event_log::EventLog;
use crate::daemon::supervision::health::Health;
use batch::{Answer, Entry};
use clock::Clock;
use task::WriterTask;
use wal::WalMonitor;

use crate::core::TaskId;
use crate::core::gate::Gate;
use crate::core::policy::Policy;
use crate::core::step::{PollAnswer, ResumeAnswer};
use crate::store::{StoreError, ledger, wal as store_wal};
use sqlx::sqlite::SqliteConnection;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Arc<StoreError>>>;

/// What one request of one task brought, and who waits for what comes of it; nobody where no order can.
#[derive(Debug)]
pub(super) struct Waiting {
    pub entry: Entry,
    pub reply: Option<Reply<Option<ResumePermit>>>,
}

/// A task of which all that was [left](Writer::leave) is stored, or why it is not.
pub type Completed = (TaskId, Result<(), Arc<StoreError>>);

/// What is asked of the writer.
#[derive(Debug)]
pub(super) enum Job {
    Entry(Box<Waiting>),
    Maintenance(Maintenance, Option<Reply<u64>>),
    /// Is this task to be looked at?
    Wanted(TaskId, Reply<bool>),
    /// The clock is looked at before each job; this one is nothing else.
    Clock,
    Stop(oneshot::Sender<()>),
}

impl Job {
    /// Shall it not wait for more to be gathered? Only looks that bring no resume may.
    fn is_urgent(&self) -> bool {
        match self {
            Self::Entry(waiting) => waiting.entry.is_urgent(),
            Self::Maintenance(..) | Self::Wanted(..) | Self::Clock | Self::Stop(_) => true,
        }
    }
}

/// The way to the writer; cheap to clone.
///
/// Its queue has no bound of its own: each task in flight has one entry in it at most, and the schedule bounds those; what
/// comes at regular times is left out while the last one still waits, and the rest is rare.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    shared: Arc<Shared>,
}

/// Which of the jobs that come at regular times still wait, and whether the writer gets on.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub heart: AtomicBool,
    pub clock: AtomicBool,
    /// Goes up with each job, and with each try to write one.
    pub pulse: AtomicU64,
    /// The database can't take something for the time being.
    pub is_stuck: AtomicBool,
    /// By how much the clock leapt ahead within a day, in milliseconds.
    pub ready: AtomicU64,
    /// Something came that shall not wait for more to be gathered.
    pub urgent: Notify,
}

/// The writer is gone, or could not write this.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The database refused it for good.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopped,
}

/// A writer at work.
#[derive(Debug)]
pub struct StartedWriter {
    /// The way to it.
    pub writer: Writer,
    /// The account's gate, as the writer last left it.
    pub gate: watch::Receiver<Gate>,
    /// What was left to the writer, as it is stored, a batch at once.
    pub landed: mpsc::UnboundedReceiver<Vec<Completed>>,
    /// Ends with the writer.
    pub work: JoinHandle<()>,
}

impl Writer {
    /// Starts the writer on a connection to the database, and on a thread of its own: it and SQLite's thread wait for each
    /// other many times a batch, which is none of the requests' business.
    ///
    /// # Errors
    ///
    /// Where the system has no thread for it.
    pub fn start(
        connection: SqliteConnection,
        gate: Gate,
        policy: Policy,
        draining: watch::Receiver<bool>,
        health: Health,
    ) -> io::Result<StartedWriter> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (published, watched) = watch::channel(gate.clone());
        let (landing, landed) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let log = WalMonitor::new(health.database(), store_wal::LARGE);
        let task = WriterTask {
            connection,
            gate,
            policy,
            draining,
            health,
            published,
            landing,
            clock: Clock::start(),
            shared: shared.clone(),
            report: EventLog::default(),
            log,
            unrecorded: Vec::new(),
        };
        Ok(StartedWriter {
            writer: Self { jobs, shared },
            gate: watched,
            landed,
            work: thread::spawn("growd-writer", task.work(inbox))?,
        })
    }

    /// Stores what a look brought; returns the resume to send, where one is due.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it is not stored.
    pub async fn store_poll(
        &self,
        id: TaskId,
        poll: PollAnswer,
    ) -> Result<Option<ResumePermit>, WriteError> {
        self.heard(id, Answer::Poll(poll)).await
    }

    /// Has what a look brought stored without waiting for it; no resume is sent that comes of it. Once it is stored the
    /// task is among those that [landed](StartedWriter::landed).
    ///
    /// # Errors
    ///
    /// [`WriteError::Stopped`] where nobody is left to store it.
    pub fn leave(&self, id: TaskId, poll: PollAnswer) -> Result<(), WriteError> {
        debug_assert!(
            poll.can_wait(),
            "a resume may come of it, which nobody would send"
        );
        let heard = Answer::Poll(poll);
        let entry = Entry { id, heard };
        self.send(Job::Entry(Box::new(Waiting { entry, reply: None })))
    }

    /// Stores what the answer to a resume brought.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it is not stored; the resume then stays `intended` until it is looked for.
    pub async fn store_resume(&self, id: TaskId, answer: ResumeAnswer) -> Result<(), WriteError> {
        self.heard(id, Answer::Resume(answer)).await.map(|_| ())
    }

    /// Is a task still to be looked at: is it there, not paused, and the daemon not stopping?
    ///
    /// # Errors
    ///
    /// [`WriteError`] where that cannot be read.
    pub async fn is_wanted(&self, id: TaskId) -> Result<bool, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Wanted(id, reply))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    /// Has a chore done; returns the number of rows that it removed or changed, where it counts them.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it was not done.
    pub async fn maintenance(&self, maintenance: Maintenance) -> Result<u64, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Maintenance(maintenance, Some(reply)))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    /// Has a chore done without waiting for it. A heartbeat is left out where the writer is behind: it would say what
    /// is not so.
    pub fn ask(&self, maintenance: Maintenance) {
        if matches!(maintenance, Maintenance::Heartbeat)
            && self.shared.heart.swap(true, Ordering::Relaxed)
        {
            return;
        }
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Job::Maintenance(maintenance, None));
    }

    /// Has it see whether the clock has leapt, where it has had nothing to do for a while.
    pub fn check_clock(&self) {
        if self.shared.clock.swap(true, Ordering::Relaxed) {
            return;
        }
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Job::Clock);
    }

    /// A number that goes up as long as the writer gets on and [has something to do](Self::check_clock).
    #[must_use]
    pub fn pulse(&self) -> u64 {
        self.shared.pulse.load(Ordering::Relaxed)
    }

    /// Does the database refuse something for the time being, such as where the disk is full?
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.shared.is_stuck.load(Ordering::Relaxed)
    }

    /// The window of `growth.daily_limit`: a day, and more where the clock leapt ahead.
    #[must_use]
    pub fn day(&self) -> Duration {
        let ready = self.shared.ready.load(Ordering::Relaxed);
        ledger::DAY.saturating_add(Duration::from_millis(ready))
    }

    /// Writes what is left, checkpoints, and closes the database.
    pub async fn stop(self) {
        let (reply, done) = oneshot::channel();
        if self.send(Job::Stop(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// A writer that nobody works for.
    #[cfg(test)]
    pub(super) fn to_nobody() -> Self {
        Self {
            jobs: mpsc::unbounded_channel().0,
            shared: Arc::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn set_stuck(&self, is_stuck: bool) {
        self.shared.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    async fn heard(&self, id: TaskId, heard: Answer) -> Result<Option<ResumePermit>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry { id, heard };
        let reply = Some(reply);
        self.send(Job::Entry(Box::new(Waiting { entry, reply })))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    fn send(&self, job: Job) -> Result<(), WriteError> {
        let is_urgent = job.is_urgent();
        self.jobs.send(job).map_err(|_| WriteError::Stopped)?;
        if is_urgent {
            self.shared.urgent.notify_one();
        }
        Ok(())
    }
}
