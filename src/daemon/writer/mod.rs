//! The way to the only writer: what is asked of it, and what it answers.

pub mod batch;
pub mod clock;
pub mod maintenance;
mod retry;
mod task;
mod thread;
mod wal;

pub use batch::Order;
pub use maintenance::Chore;

use crate::daemon::event_log::Report;
use crate::daemon::supervision::health::Health;
use batch::{Entry, Heard};
use clock::Clock;
use task::Desk;
use wal::LogWatch;

use crate::core::TaskId;
use crate::core::gate::Gate;
use crate::core::model::Policy;
use crate::core::step::{Answer, Look};
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
    pub reply: Option<Reply<Option<Order>>>,
}

/// A task of which all that was [left](Writer::leave) is stored, or why it is not.
pub type Landed = (TaskId, Result<(), Arc<StoreError>>);

/// What is asked of the writer.
#[derive(Debug)]
pub(super) enum Job {
    Entry(Box<Waiting>),
    Chore(Chore, Option<Reply<u64>>),
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
            Self::Chore(..) | Self::Wanted(..) | Self::Clock | Self::Stop(_) => true,
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
    waits: Arc<Waits>,
}

/// Which of the jobs that come at regular times still wait, and whether the writer gets on.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub heart: AtomicBool,
    pub clock: AtomicBool,
    /// Goes up with each job, and with each try to write one.
    pub pulse: AtomicU64,
    /// The database can't take something for the time being.
    pub is_stuck: AtomicBool,
    /// By how much the clock leapt ahead within a day, in milliseconds.
    pub ahead: AtomicU64,
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
pub struct Started {
    /// The way to it.
    pub writer: Writer,
    /// The account's gate, as the writer last left it.
    pub gate: watch::Receiver<Gate>,
    /// What was left to the writer, as it is stored, a batch at once.
    pub landed: mpsc::UnboundedReceiver<Vec<Landed>>,
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
    ) -> io::Result<Started> {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (published, watched) = watch::channel(gate.clone());
        let (landing, landed) = mpsc::unbounded_channel();
        let waits = Arc::new(Waits::default());
        let log = LogWatch::new(health.database(), store_wal::LARGE);
        let desk = Desk {
            connection,
            gate,
            policy,
            draining,
            health,
            published,
            landing,
            clock: Clock::start(),
            waits: waits.clone(),
            report: Report::default(),
            log,
            unrecorded: Vec::new(),
        };
        Ok(Started {
            writer: Self { jobs, waits },
            gate: watched,
            landed,
            work: thread::spawn("growd-writer", desk.work(inbox))?,
        })
    }

    /// Stores what a look brought; returns the resume to send, where one is due.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it is not stored.
    pub async fn looked(&self, id: TaskId, look: Look) -> Result<Option<Order>, WriteError> {
        self.heard(id, Heard::Look(look)).await
    }

    /// Has what a look brought stored without waiting for it; no resume is sent that comes of it. Once it is stored the
    /// task is among those that [landed](Started::landed).
    ///
    /// # Errors
    ///
    /// [`WriteError::Stopped`] where nobody is left to store it.
    pub fn leave(&self, id: TaskId, look: Look) -> Result<(), WriteError> {
        debug_assert!(
            look.can_wait(),
            "a resume may come of it, which nobody would send"
        );
        let heard = Heard::Look(look);
        let entry = Entry { id, heard };
        self.send(Job::Entry(Box::new(Waiting { entry, reply: None })))
    }

    /// Stores what the answer to a resume brought.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it is not stored; the resume then stays `intended` until it is looked for.
    pub async fn answered(&self, id: TaskId, answer: Answer) -> Result<(), WriteError> {
        self.heard(id, Heard::Answer(answer)).await.map(|_| ())
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
    pub async fn chore(&self, chore: Chore) -> Result<u64, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Chore(chore, Some(reply)))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    /// Has a chore done without waiting for it. A heartbeat is left out where the writer is behind: it would say what
    /// is not so.
    pub fn ask(&self, chore: Chore) {
        if matches!(chore, Chore::Heartbeat) && self.waits.heart.swap(true, Ordering::Relaxed) {
            return;
        }
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Job::Chore(chore, None));
    }

    /// Has it see whether the clock has leapt, where it has had nothing to do for a while.
    pub fn look_at_the_clock(&self) {
        if self.waits.clock.swap(true, Ordering::Relaxed) {
            return;
        }
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Job::Clock);
    }

    /// A number that goes up as long as the writer gets on and [has something to do](Self::look_at_the_clock).
    #[must_use]
    pub fn pulse(&self) -> u64 {
        self.waits.pulse.load(Ordering::Relaxed)
    }

    /// Does the database refuse something for the time being, such as where the disk is full?
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.waits.is_stuck.load(Ordering::Relaxed)
    }

    /// The window of `growth.daily_limit`: a day, and more where the clock leapt ahead.
    #[must_use]
    pub fn day(&self) -> Duration {
        let ahead = self.waits.ahead.load(Ordering::Relaxed);
        ledger::DAY.saturating_add(Duration::from_millis(ahead))
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
            waits: Arc::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn set_stuck(&self, is_stuck: bool) {
        self.waits.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    async fn heard(&self, id: TaskId, heard: Heard) -> Result<Option<Order>, WriteError> {
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
            self.waits.urgent.notify_one();
        }
        Ok(())
    }
}
