//! The only writer: gathers what many tasks learnt into one transaction, judges it there, and tells what to do.
//!
//! # Guarantees
//!
//! The judgement is made on rows read in the very transaction that stores it, so that a change by hand is
//! either seen or comes after. An order to send a resume is given only once its `intended` row is durable.
//! What can't be written for the time being (a lock, a full disk) is tried again until it can; nothing is
//! dropped, and nothing new is begun meanwhile. In a database that is damaged or no longer in its place nothing
//! new is begun at all.

use super::batch::{self, Entry, Heard, Order, Terms};
use super::clock::{Clock, Leap};
use super::health::Health;
use super::report;
use crate::core::gate::Gate;
use crate::core::model::Policy;
use crate::core::step::{Answer, Event, Look};
use crate::core::{TaskId, after};
use crate::crash::{self, Point};
use crate::store::{self, StoreError, daemon, history, ledger, progress, schema};
use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// The most answers that go into one transaction.
const BATCH_MAX: usize = 256;

/// How long the writer waits before it tries again what could not be written: first, and at most.
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

type Reply<T> = oneshot::Sender<Result<T, Arc<StoreError>>>;

/// What one request of one task brought, and who waits for what comes of it.
struct Waiting {
    entry: Entry,
    reply: Reply<Option<Order>>,
}

enum Job {
    Entry(Box<Waiting>),
    Chore(Chore, Option<Reply<u64>>),
    Stop(oneshot::Sender<()>),
}

/// What the writer does besides.
#[derive(Debug, Clone)]
pub enum Chore {
    /// Say that the daemon is well, and settle what belongs to tasks that are gone.
    Heartbeat,
    /// Remove a batch of history from before a time; the reply counts the rows.
    Prune(Timestamp),
    /// Go by a new configuration, and let it be felt at once.
    Adopt(Box<Policy>),
    /// The clock may have gone back while no daemon ran.
    PullBack,
    /// See whether the clock has leapt.
    Clock,
    /// Write down something worth telling that concerns no task.
    Tell(Event),
}

/// The way to the writer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
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

impl Writer {
    /// Starts the writer on a connection; also returns the gate to watch.
    #[must_use]
    pub fn start(
        connection: SqliteConnection,
        gate: Gate,
        policy: Policy,
        draining: Arc<AtomicBool>,
        health: Health,
    ) -> (Self, watch::Receiver<Gate>) {
        let (jobs, inbox) = mpsc::channel(BATCH_MAX * 2);
        let (published, watched) = watch::channel(gate.clone());
        let desk = Desk {
            connection,
            gate,
            policy,
            draining,
            health,
            published,
            clock: Clock::new(),
            clock_held: None,
            went_back: false,
        };
        tokio::spawn(desk.work(inbox));
        (Self { jobs }, watched)
    }

    /// Stores what a look brought; returns the resume to send, where one is due.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it is not stored.
    pub async fn looked(&self, id: TaskId, look: Look) -> Result<Option<Order>, WriteError> {
        self.heard(id, Heard::Look(look)).await
    }

    /// Stores what the answer to a resume brought.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it is not stored; the resume then stays `intended` until it is looked for.
    pub async fn answered(&self, id: TaskId, answer: Answer) -> Result<(), WriteError> {
        self.heard(id, Heard::Answer(answer)).await.map(|_| ())
    }

    /// Has a chore done; returns the number of rows that it removed or changed, where it counts them.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where it was not done.
    pub async fn chore(&self, chore: Chore) -> Result<u64, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Chore(chore, Some(reply))).await?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    /// Has a chore done without waiting for it; not, where the writer has enough to do.
    pub fn ask(&self, chore: Chore) {
        // Full: the writer is behind, and a heartbeat now would say what is not so.
        let _ = self.jobs.try_send(Job::Chore(chore, None));
    }

    /// Writes what is left, checkpoints, and closes the database.
    pub async fn stop(self) {
        let (reply, done) = oneshot::channel();
        if self.jobs.send(Job::Stop(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    async fn heard(&self, id: TaskId, heard: Heard) -> Result<Option<Order>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry { id, heard };
        self.send(Job::Entry(Box::new(Waiting { entry, reply })))
            .await?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    async fn send(&self, job: Job) -> Result<(), WriteError> {
        self.jobs.send(job).await.map_err(|_| WriteError::Stopped)
    }
}

/// The writer's own state.
struct Desk {
    connection: SqliteConnection,
    gate: Gate,
    policy: Policy,
    draining: Arc<AtomicBool>,
    health: Health,
    published: watch::Sender<Gate>,
    clock: Clock,
    /// After the clock leapt ahead: until when, and by how much, an unanswered resume is given more time.
    clock_held: Option<(Instant, Duration)>,
    /// The clock went back, and the schedules do not follow yet.
    went_back: bool,
}

impl Desk {
    async fn work(mut self, mut inbox: mpsc::Receiver<Job>) {
        let mut next = inbox.recv().await;
        while let Some(job) = next.take() {
            match job {
                Job::Entry(first) => {
                    let mut batch = vec![*first];
                    while batch.len() < BATCH_MAX {
                        match inbox.try_recv() {
                            Ok(Job::Entry(entry)) => batch.push(*entry),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.serve(batch).await;
                }
                Job::Chore(chore, reply) => {
                    let outcome = self.persist(&chore).await;
                    if let Some(reply) = reply {
                        let _ = reply.send(outcome.map_err(Arc::new));
                    } else if let Err(error) = outcome {
                        tracing::error!(%error, ?chore, "the database refused a chore");
                    }
                }
                Job::Stop(done) => {
                    self.close().await;
                    let _ = done.send(());
                    return;
                }
            }
            if next.is_none() {
                next = inbox.recv().await;
            }
        }
        self.close().await;
    }

    /// Writes a batch, and answers each of its entries.
    async fn serve(&mut self, waiting: Vec<Waiting>) {
        let (batch, replies): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .map(|waiting| (waiting.entry, waiting.reply))
            .unzip();
        let outcomes = match self.persist_batch(&batch).await {
            Ok(orders) => orders.into_iter().map(Ok).collect(),
            Err(error) if batch.len() == 1 => vec![Err(error)],
            // One of them is to blame; the others shall not suffer for it.
            Err(_) => {
                let mut outcomes = Vec::with_capacity(batch.len());
                for entry in &batch {
                    let alone = self.persist_batch(std::slice::from_ref(entry)).await;
                    outcomes.push(alone.map(|orders| orders.into_iter().flatten().next()));
                }
                outcomes
            }
        };
        for ((entry, reply), outcome) in batch.iter().zip(replies).zip(outcomes) {
            if let Err(error) = &outcome {
                tracing::error!(task_id = %entry.id, %error, "the database refused what was learnt of a task");
            }
            // Nobody waits any more where the daemon gave up a drain; the next start settles the order.
            let _ = reply.send(outcome.map_err(Arc::new));
        }
    }

    async fn persist(&mut self, chore: &Chore) -> Result<u64, StoreError> {
        let mut patience = Patience::new();
        loop {
            let outcome = self.do_chore(chore).await;
            self.clean_up(&outcome).await;
            if let Some(outcome) = patience.settle(outcome).await {
                return outcome.inspect_err(|error| self.health.heard(error));
            }
        }
    }

    async fn persist_batch(&mut self, batch: &[Entry]) -> Result<Vec<Option<Order>>, StoreError> {
        let mut patience = Patience::new();
        loop {
            let outcome = self.write(batch).await;
            self.clean_up(&outcome).await;
            if let Some(outcome) = patience.settle(outcome).await {
                return outcome.inspect_err(|error| self.health.heard(error));
            }
        }
    }

    /// Ends the transaction of what went wrong.
    async fn clean_up<T>(&mut self, outcome: &Result<T, StoreError>) {
        if outcome.is_err() {
            store::rollback(&mut self.connection).await;
        }
    }

    /// One transaction for a whole batch; what it did is told once it is durable.
    async fn write(&mut self, batch: &[Entry]) -> Result<Vec<Option<Order>>, StoreError> {
        // Before anything is judged by it.
        self.mind_the_clock();
        let terms = Terms {
            policy: self.current_policy(),
            draining: self.draining.load(Ordering::Relaxed) || !self.health.is_well(),
            now: Timestamp::now(),
        };
        let mut tx = store::begin(&mut self.connection).await?;
        crash::at(Point::LookStoring);
        let written = batch::write(&mut tx, batch, &self.gate, &terms).await?;
        let (uncommitted, committed) = crash_points(batch, &written.orders);
        crash::at(uncommitted);
        tx.commit().await?;
        crash::at(committed);
        self.publish(written.gate);
        for (id, event) in &written.told {
            report::event(id.as_ref(), event);
        }
        Ok(written.orders)
    }

    async fn do_chore(&mut self, chore: &Chore) -> Result<u64, StoreError> {
        self.mind_the_clock();
        if matches!(chore, Chore::Clock) && !self.went_back {
            return Ok(0);
        }
        let now = Timestamp::now();
        let mut gate = self.gate.clone();
        let policy = match chore {
            Chore::Adopt(policy) => **policy,
            _ => self.policy,
        };
        let mut tx = store::begin(&mut self.connection).await?;
        let count = match chore {
            Chore::Heartbeat => {
                daemon::heartbeat(&mut tx, &gate, now).await?;
                // The longest that anything is put off is a day, by the daily limit.
                let horizon = after(now, horizon(&policy).max(Duration::from_hours(25)));
                let astray = progress::pull_back(&mut tx, now, horizon).await?;
                if astray > 0 {
                    tracing::warn!(
                        "{astray} tasks were put off beyond all measure: looking at them now"
                    );
                }
                let patience = policy.growth.settle.max(Duration::from_mins(1));
                let sent_before = now.checked_sub(patience).unwrap_or(Timestamp::MIN);
                ledger::settle_removed(&mut tx, sent_before, now).await?
            }
            Chore::Prune(before) => {
                let count = history::prune(&mut tx, *before).await?;
                crash::at(Point::PruneWritten);
                count
            }
            Chore::Adopt(_) => {
                gate.probe_now(now);
                batch::store_gate(&mut tx, &self.gate, &gate, now).await?;
                progress::wake_for_limits(&mut tx, policy.growth.task_cap, now).await?;
                restore(&mut tx, now).await?
            }
            Chore::PullBack => {
                progress::pull_back(&mut tx, now, after(now, horizon(&policy))).await?
            }
            // Running tasks least of all may be left unseen; what else is put off for longer is looked at once more.
            Chore::Clock => {
                let horizon = after(now, policy.polling.max_interval);
                progress::pull_back(&mut tx, now, horizon).await?
            }
            Chore::Tell(event) => {
                history::add_events(&mut tx, &[(now, None, event)]).await?;
                0
            }
        };
        tx.commit().await?;
        if matches!(chore, Chore::Prune(_)) {
            crash::at(Point::PruneCommitted);
        }
        self.went_back &= !matches!(chore, Chore::Clock);
        self.policy = policy;
        self.publish(gate);
        Ok(count)
    }

    fn publish(&mut self, gate: Gate) {
        self.published.send_if_modified(|published| {
            let changed = *published != gate;
            published.clone_from(&gate);
            changed
        });
        self.gate = gate;
    }

    /// Takes note of a leap of the clock, so that nothing counts as having taken longer, or as having to wait longer,
    /// than it does.
    fn mind_the_clock(&mut self) {
        match self.clock.leap() {
            Some(Leap::Ahead(by)) => {
                let before = self.clock_held.map_or(Duration::ZERO, |(_, by)| by);
                let until = Instant::now() + self.policy.growth.settle;
                self.clock_held = Some((until, before + by));
            }
            Some(Leap::Back(by)) => {
                self.gate.clock_went_back(by);
                self.went_back = true;
            }
            None => {}
        }
    }

    fn current_policy(&mut self) -> Policy {
        let mut policy = self.policy;
        match self.clock_held {
            Some((until, by)) if Instant::now() < until => policy.growth.settle += by,
            Some(_) => self.clock_held = None,
            None => {}
        }
        policy
    }

    async fn close(mut self) {
        let now = Timestamp::now();
        let stopped = async {
            daemon::stopped(&mut self.connection, now).await?;
            crash::at(Point::CheckpointBegins);
            schema::checkpoint(&mut self.connection).await?;
            crash::at(Point::CheckpointDone);
            Ok::<_, StoreError>(())
        };
        if let Err(error) = stopped.await {
            tracing::warn!(%error, "the database was not closed in order; the next start makes up for that");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database was not closed in order; the next start makes up for that");
        }
    }
}

/// How far ahead the daemon puts a look, save for a daily limit.
fn horizon(policy: &Policy) -> Duration {
    policy
        .polling
        .max_interval
        .max(policy.retry.max)
        .max(policy.probe_interval)
        .max(policy.growth.settle)
}

/// Gives progress to the tasks that have none, and tells of it.
async fn restore(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, StoreError> {
    let count = progress::restore(connection, now).await?;
    if count > 0 {
        tracing::warn!("{count} tasks had no progress, as if it had been deleted: they begin anew");
    }
    Ok(count)
}

/// The moments before and after the commit of a batch, by the weightiest thing in it.
fn crash_points(batch: &[Entry], orders: &[Option<Order>]) -> (Point, Point) {
    let is_answer = |entry: &Entry| matches!(entry.heard, Heard::Answer(_));
    if orders.iter().any(Option::is_some) {
        (Point::IntentWritten, Point::IntentCommitted)
    } else if batch.iter().any(is_answer) {
        (Point::AnswerWritten, Point::AnswerCommitted)
    } else {
        (Point::LookWritten, Point::LookCommitted)
    }
}

/// Tries again what the database can't take for the time being, for as long as it takes.
struct Patience {
    wait: Duration,
    told: bool,
}

impl Patience {
    fn new() -> Self {
        Self {
            wait: RETRY_INITIAL,
            told: false,
        }
    }

    /// The outcome, where it is one; none, after a while, where it should be tried again.
    async fn settle<T>(&mut self, outcome: Result<T, StoreError>) -> Option<Result<T, StoreError>> {
        match outcome {
            Err(error) if error.is_passing() => {
                if !self.told {
                    tracing::error!(%error, "the database cannot be written; trying again until it can");
                    self.told = true;
                }
                tokio::time::sleep(self.wait).await;
                self.wait = (self.wait * 2).min(RETRY_MAX);
                None
            }
            outcome => {
                if self.told {
                    tracing::info!("the database can be written again");
                }
                Some(outcome)
            }
        }
    }
}
