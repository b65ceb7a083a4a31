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
use super::patience::Patience;
use super::report;
use crate::core::gate::Gate;
use crate::core::model::Policy;
use crate::core::step::{Answer, Event, Look};
use crate::core::{TaskId, after};
use crate::crash::{self, Point};
use crate::store::{self, StoreError, daemon, history, ledger, progress, schema};
use jiff::Timestamp;
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// The most answers that go into one transaction.
const BATCH_MAX: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, Arc<StoreError>>>;

/// What one request of one task brought, and who waits for what comes of it.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    reply: Reply<Option<Order>>,
}

#[derive(Debug)]
enum Job {
    Entry(Box<Waiting>),
    Chore(Chore, Option<Reply<u64>>),
    /// The clock is looked at before each job; this one is nothing else.
    Clock,
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
    /// The clock went back by so much.
    WentBack(Duration),
    /// Park a task whose id, as these bytes, is none that can be asked for.
    Park(Vec<u8>),
    /// Write down something worth telling that concerns no task.
    Tell(Event),
}

/// The way to the writer; cheap to clone.
///
/// Its queue has no bound of its own: each task in flight waits for its one answer, a heartbeat is left out while the
/// last one still waits, and the rest is rare.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    heart_waits: Arc<AtomicBool>,
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
    /// Ends with the writer.
    pub work: JoinHandle<()>,
}

impl Writer {
    /// Starts the writer on a connection to the database.
    #[must_use]
    pub fn start(
        connection: SqliteConnection,
        gate: Gate,
        policy: Policy,
        draining: Arc<AtomicBool>,
        health: Health,
    ) -> Started {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let (published, watched) = watch::channel(gate.clone());
        let heart_waits = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            connection,
            gate,
            policy,
            draining,
            health,
            published,
            clock: Clock::start(),
            heart_waits: heart_waits.clone(),
        };
        Started {
            writer: Self { jobs, heart_waits },
            gate: watched,
            work: tokio::spawn(desk.work(inbox)),
        }
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
        self.send(Job::Chore(chore, Some(reply)))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    /// Has a chore done without waiting for it. A heartbeat is left out where the writer is behind: it would say what
    /// is not so.
    pub fn ask(&self, chore: Chore) {
        if matches!(chore, Chore::Heartbeat) && self.heart_waits.swap(true, Ordering::Relaxed) {
            return;
        }
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Job::Chore(chore, None));
    }

    /// Has it see whether the clock has leapt, where it has had nothing to do for a while.
    pub fn look_at_the_clock(&self) {
        // Fails only once the writer has ended, and then the daemon ends too.
        let _ = self.send(Job::Clock);
    }

    /// Writes what is left, checkpoints, and closes the database.
    pub async fn stop(self) {
        let (reply, done) = oneshot::channel();
        if self.send(Job::Stop(reply)).is_ok() {
            let _ = done.await;
        }
    }

    async fn heard(&self, id: TaskId, heard: Heard) -> Result<Option<Order>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let entry = Entry { id, heard };
        self.send(Job::Entry(Box::new(Waiting { entry, reply })))?;
        Ok(answer.await.map_err(|_| WriteError::Stopped)??)
    }

    fn send(&self, job: Job) -> Result<(), WriteError> {
        self.jobs.send(job).map_err(|_| WriteError::Stopped)
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
    heart_waits: Arc<AtomicBool>,
}

impl Desk {
    async fn work(mut self, mut inbox: mpsc::UnboundedReceiver<Job>) {
        let mut next = inbox.recv().await;
        while let Some(job) = next.take() {
            self.mind_the_clock().await;
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
                    if matches!(chore, Chore::Heartbeat) {
                        self.heart_waits.store(false, Ordering::Relaxed);
                    }
                    let outcome = self.persist(&chore).await;
                    if let Some(reply) = reply {
                        let _ = reply.send(outcome.map_err(Arc::new));
                    } else if let Err(error) = outcome {
                        tracing::error!(%error, ?chore, "the database refused a chore");
                    }
                }
                Job::Clock => {}
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
                let heard = &entry.heard;
                tracing::error!(task_id = %entry.id, %error, ?heard, "the database refused what was learnt of a task");
            }
            // Nobody waits any more where the daemon gave up a drain; the next start settles the order.
            let _ = reply.send(outcome.map_err(Arc::new));
        }
    }

    async fn persist(&mut self, chore: &Chore) -> Result<u64, StoreError> {
        let mut patience = Patience::new();
        loop {
            let outcome = self.do_chore(chore).await;
            if let Some(outcome) = self.settle(&mut patience, outcome).await {
                return outcome;
            }
        }
    }

    async fn persist_batch(&mut self, batch: &[Entry]) -> Result<Vec<Option<Order>>, StoreError> {
        let mut patience = Patience::new();
        loop {
            let outcome = self.write(batch).await;
            if let Some(outcome) = self.settle(&mut patience, outcome).await {
                return outcome;
            }
        }
    }

    /// The outcome of an attempt, where it is one; none, after a while, where it should be made again.
    async fn settle<T>(
        &mut self,
        patience: &mut Patience,
        outcome: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        if let Err(error) = &outcome {
            store::rollback(&mut self.connection).await;
            self.health.heard(error);
        }
        match outcome {
            Err(error) if error.is_passing() => {
                patience.wait(&error).await;
                None
            }
            outcome => {
                patience.end(outcome.is_ok());
                Some(outcome)
            }
        }
    }

    /// One transaction for a whole batch; what it did is told once it is durable.
    async fn write(&mut self, batch: &[Entry]) -> Result<Vec<Option<Order>>, StoreError> {
        let mut tx = store::begin(&mut self.connection).await?;
        // Not before the transaction has begun, which may have taken a while.
        let terms = Terms {
            policy: lengthened(self.policy, &self.clock),
            draining: self.draining.load(Ordering::Relaxed) || !self.health.is_well(),
            now: Timestamp::now(),
            day: ledger::DAY + self.clock.ahead_within(ledger::DAY).min(ledger::DAY),
        };
        crash::at(Point::LookStoring);
        let written = batch::write(&mut tx, batch, &self.gate, &terms).await?;
        let at = |look, intent, answer| crash_at(batch, &written.orders, look, intent, answer);
        at(
            Point::LookWritten,
            Point::IntentWritten,
            Point::AnswerWritten,
        );
        tx.commit().await?;
        at(
            Point::LookCommitted,
            Point::IntentCommitted,
            Point::AnswerCommitted,
        );
        self.publish(written.gate);
        for (id, event) in &written.told {
            report::event(id.as_ref(), event);
        }
        Ok(written.orders)
    }

    async fn do_chore(&mut self, chore: &Chore) -> Result<u64, StoreError> {
        let mut gate = self.gate.clone();
        let policy = match chore {
            Chore::Adopt(policy) => **policy,
            _ => self.policy,
        };
        let min_interval = policy.polling.min_interval;
        let mut tx = store::begin(&mut self.connection).await?;
        let now = Timestamp::now();
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
                batch::store_gate(&mut tx, &self.gate, &gate, min_interval, now).await?;
                progress::wake_for_limits(&mut tx, policy.growth.task_cap, min_interval, now)
                    .await?;
                restore(&mut tx, now).await?
            }
            Chore::PullBack => {
                let restarted = ledger::pull_back(&mut tx, now).await?;
                restarted + progress::pull_back(&mut tx, now, after(now, horizon(&policy))).await?
            }
            Chore::WentBack(by) => {
                gate.clock_went_back(*by);
                batch::store_gate(&mut tx, &self.gate, &gate, min_interval, now).await?;
                let restarted = ledger::pull_back(&mut tx, now).await?;
                // Running tasks least of all may be left unseen; what else was put off is looked at once more.
                let horizon = after(now, policy.polling.max_interval);
                restarted + progress::pull_back(&mut tx, now, horizon).await?
            }
            Chore::Park(id) => progress::park(&mut tx, id, now).await?,
            Chore::Tell(event) => {
                history::add_events(&mut tx, &[(now, None, event)]).await?;
                0
            }
        };
        tx.commit().await?;
        if matches!(chore, Chore::Prune(_)) {
            crash::at(Point::PruneCommitted);
        }
        self.policy = policy;
        self.publish(gate);
        Ok(count)
    }

    /// Notices a leap of the clock before anything is judged by it.
    async fn mind_the_clock(&mut self) {
        let Some(leap) = self.clock.leap() else {
            return;
        };
        let (what, by) = match leap {
            Leap::Ahead(by) => ("leapt ahead", by),
            Leap::Back(by) => ("went back", by),
        };
        tracing::warn!(seconds = by.as_secs(), "the clock {what}");
        let told = Event {
            kind: "clock",
            detail: json!({"what": what, "seconds": by.as_secs()}),
        };
        let back = matches!(leap, Leap::Back(_)).then_some(Chore::WentBack(by));
        for chore in back.into_iter().chain([Chore::Tell(told)]) {
            if let Err(error) = self.persist(&chore).await {
                tracing::error!(%error, ?chore, "the database refused a chore");
            }
        }
    }

    fn publish(&mut self, gate: Gate) {
        self.published.send_if_modified(|published| {
            let changed = *published != gate;
            published.clone_from(&gate);
            changed
        });
        self.gate = gate;
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

/// The policy with more settling time where the clock leapt ahead.
fn lengthened(mut policy: Policy, clock: &Clock) -> Policy {
    let settle = &mut policy.growth.settle;
    *settle = settle.saturating_add(clock.ahead_within(*settle));
    policy
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

/// Comes to the moments before or after the commit of a batch, one for each kind of thing in it.
fn crash_at(batch: &[Entry], orders: &[Option<Order>], look: Point, intent: Point, answer: Point) {
    if orders.iter().any(Option::is_some) {
        crash::at(intent);
    }
    if batch
        .iter()
        .any(|entry| matches!(entry.heard, Heard::Answer(_)))
    {
        crash::at(answer);
    }
    if batch
        .iter()
        .any(|entry| matches!(entry.heard, Heard::Look(_)))
    {
        crash::at(look);
    }
}
