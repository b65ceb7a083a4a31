//! The only writer: gathers what many tasks learnt into one transaction, judges it there, and tells what to do.
//!
//! # Guarantees
//!
//! The judgement is made on rows read in the very transaction that stores it, so that a change by hand is
//! either seen or comes after. An order to send a resume is given only once its `intended` row is durable.
//! What can't be written for the time being (a lock, a full disk) is tried again until it can; nothing is
//! dropped, and nothing new is begun meanwhile. In a database that is damaged or no longer in its place nothing
//! new is begun at all.

use super::batch::{self, Answer, BatchContext, Entry, ResumePermit};
use super::clock::{Clock, Leap};
use super::maintenance::{self, Maintenance};
use super::retry::WriteRetry;
use super::wal::WalMonitor;
use super::{Completed, Job, Shared, Waiting};
use crate::core::gate::{Gate, Kind};
use crate::core::policy::Policy;
use crate::core::settle::STALE_FACTOR;
use crate::core::step::Event;
use crate::crash::{self, Point};
use crate::daemon::error::panic_message;
use crate::daemon::event_log::EventLog;
use crate::daemon::supervision::health::Health;
use crate::store::{self, StoreError, daemon, ledger, schema, tasks, values};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// The most answers that go into one transaction.
const BATCH_MAX: usize = 256;

/// A transaction begins no sooner than so long after the one before it began, unless something in it may lead to a
/// resume or close the gate: looks are gathered meanwhile.
const GATHERING: Duration = Duration::from_millis(8);

/// The writer at work.
pub(super) struct WriterTask {
    pub connection: SqliteConnection,
    pub gate: Gate,
    pub policy: Policy,
    pub draining: watch::Receiver<bool>,
    pub health: Health,
    pub published: watch::Sender<Gate>,
    pub landing: mpsc::UnboundedSender<Vec<Completed>>,
    pub clock: Clock,
    pub shared: Arc<Shared>,
    pub report: EventLog,
    pub log: WalMonitor,
    /// Events of the database itself, which could not be recorded when they came up.
    pub unrecorded: Vec<Event>,
}

impl WriterTask {
    /// Does what comes in, until it is told to stop or nobody is left to ask.
    pub async fn work(mut self, mut inbox: mpsc::UnboundedReceiver<Job>) {
        let mut next = inbox.recv().await;
        let mut began_at: Option<Instant> = None;
        while let Some(job) = next.take() {
            self.shared.pulse.fetch_add(1, Ordering::Relaxed);
            self.mind_the_clock().await;
            self.report.sums();
            match job {
                Job::Entry(first) => {
                    if let Some(at) = began_at {
                        self.gather(&first, &inbox, at + GATHERING).await;
                    }
                    began_at = Some(Instant::now());
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
                Job::Maintenance(maintenance, reply) => {
                    if matches!(maintenance, Maintenance::Heartbeat) {
                        self.shared.heart.store(false, Ordering::Relaxed);
                    }
                    let outcome = self.persist(&maintenance).await;
                    if let Some(reply) = reply {
                        let _ = reply.send(outcome.map_err(Arc::new));
                    } else if let Err(error) = outcome {
                        self.refused(&maintenance, &error);
                    }
                }
                Job::Wanted(id, reply) => {
                    let wanted = tasks::is_growing(&mut self.connection, &id).await;
                    let stopping = *self.draining.borrow() || !self.health.is_well();
                    let _ = reply.send(wanted.map(|wanted| wanted && !stopping).map_err(Arc::new));
                }
                Job::Clock => {
                    self.shared.clock.store(false, Ordering::Relaxed);
                    self.watch_the_log().await;
                }
                Job::Stop(done) => {
                    self.close().await;
                    let _ = done.send(());
                    return;
                }
            }
            for event in std::mem::take(&mut self.unrecorded) {
                self.record(event).await;
            }
            if next.is_none() {
                next = inbox.recv().await;
            }
        }
        self.close().await;
    }

    /// Lets more come in while there is no hurry.
    async fn gather(&self, first: &Waiting, inbox: &mpsc::UnboundedReceiver<Job>, until: Instant) {
        let is_full = inbox.len() >= BATCH_MAX;
        if first.entry.is_urgent() || is_full || until <= Instant::now() {
            return;
        }
        tokio::select! {
            () = self.shared.urgent.notified() => {}
            () = sleep_until(until) => {}
        }
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
        let mut landed = Vec::with_capacity(batch.len());
        for ((entry, reply), outcome) in batch.into_iter().zip(replies).zip(outcomes) {
            let outcome = match outcome {
                Ok(order) => Ok(order),
                Err(error) => Err(Arc::new(self.set_aside(&entry, error).await)),
            };
            let id = entry.id;
            if let Some(reply) = reply {
                // Nobody waits any more where the daemon gave up a drain; the next start settles the order.
                let _ = reply.send(outcome);
            } else {
                landed.push((id, outcome.map(|_| ())));
            }
        }
        if !landed.is_empty() {
            // As above.
            let _ = self.landing.send(landed);
        }
    }

    /// Says what is wrong where what was learnt of a task cannot be stored, in the log and at the task.
    async fn set_aside(&mut self, entry: &Entry, error: StoreError) -> StoreError {
        let Entry { id, heard } = entry;
        let error = values::explain(&mut self.connection, id, error).await;
        let what = match error {
            StoreError::Panicked(_) => "it is left alone for a while",
            _ => "the database refused what was learnt of it",
        };
        let text = format!("{id}: {what}: {error}");
        self.report.refused(Some(id), &text);
        tracing::debug!(task_id = %id, "{id}: not stored: {heard:?}");
        if self.health.was_well() {
            let maintenance = Maintenance::SetAside(id.clone(), error.to_string());
            if let Err(error) = self.persist(&maintenance).await {
                tracing::debug!(task_id = %id, "{id}: nor could that be noted: {error}");
            }
        }
        error
    }

    async fn persist(&mut self, maintenance: &Maintenance) -> Result<u64, StoreError> {
        let mut retry = WriteRetry::new();
        loop {
            let outcome = self.do_chore(maintenance).await;
            if let Some(outcome) = self.settle(&mut retry, outcome).await {
                return outcome;
            }
        }
    }

    async fn persist_batch(
        &mut self,
        batch: &[Entry],
    ) -> Result<Vec<Option<ResumePermit>>, StoreError> {
        let mut retry = WriteRetry::new();
        loop {
            let outcome = self.write(batch).await;
            if let Some(outcome) = self.settle(&mut retry, outcome).await {
                return outcome;
            }
        }
    }

    /// The outcome of an attempt, where it is one; none, after a while, where it should be made again.
    async fn settle<T>(
        &mut self,
        retry: &mut WriteRetry,
        outcome: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        // A job can take many tries, and a batch be written one by one.
        self.shared.pulse.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = &outcome {
            store::rollback(&mut self.connection).await;
            self.health.heard(error, &mut self.connection).await;
        }
        match outcome {
            Err(error) if error.is_transient() && !self.health.gives_up(&error, retry.lasted()) => {
                if !(error.is_out_of_room()
                    && self.give_room_back().await
                    && retry.retries_at_once())
                {
                    self.shared.is_stuck.store(true, Ordering::Relaxed);
                    retry.wait(&error).await;
                }
                None
            }
            outcome => {
                self.shared.is_stuck.store(false, Ordering::Relaxed);
                self.unrecorded.extend(retry.end(outcome.is_ok()));
                if outcome.is_ok() && retry.was_quick() {
                    self.report.disk_is_full();
                }
                Some(outcome)
            }
        }
    }

    /// On a small disk the log alone may be what fills it: writes it into the database's file and empties it.
    async fn give_room_back(&mut self) -> bool {
        schema::checkpoint(&mut self.connection).await.is_ok()
    }

    /// One transaction for a whole batch; what it did is told once it is durable.
    async fn write(&mut self, batch: &[Entry]) -> Result<Vec<Option<ResumePermit>>, StoreError> {
        let mut tx = store::begin(&mut self.connection).await?;
        // Not before the transaction has begun, which may have taken a while.
        let context = BatchContext {
            policy: lengthened(self.policy, &self.clock),
            draining: *self.draining.borrow() || !self.health.is_well(),
            now: Timestamp::now(),
            day: ledger::DAY.saturating_add(self.clock.ahead_within(ledger::DAY)),
            send_within: self.policy.growth.settle / 2,
        };
        crash::at(Point::PollStoring);
        let judging = batch::write(&mut tx, batch, &self.gate, &context);
        // What a bug does to one task is not to be felt by others. Its transaction is rolled back.
        let judged = AssertUnwindSafe(judging).catch_unwind().await;
        let written = judged
            .map_err(|panic| StoreError::Panicked(panic_message(panic.as_ref()).to_owned()))??;
        let at = |poll, intent, answer| crash_at(batch, &written.orders, poll, intent, answer);
        at(
            Point::PollWritten,
            Point::IntentWritten,
            Point::AnswerWritten,
        );
        tx.commit().await?;
        at(
            Point::PollCommitted,
            Point::IntentCommitted,
            Point::AnswerCommitted,
        );
        let probing = self.gate.kind != Kind::Open;
        self.publish(written.gate);
        self.report.events(&written.told, probing);
        Ok(written.orders)
    }

    async fn do_chore(&mut self, maintenance: &Maintenance) -> Result<u64, StoreError> {
        let mut gate = self.gate.clone();
        let policy = match maintenance {
            Maintenance::Adopt(policy) => **policy,
            _ => self.policy,
        };
        let mut tx = store::begin(&mut self.connection).await?;
        let count =
            maintenance::perform(&mut tx, maintenance, &mut gate, &policy, Timestamp::now())
                .await?;
        tx.commit().await?;
        if matches!(maintenance, Maintenance::Prune(_)) {
            crash::at(Point::PruneCommitted);
        }
        self.policy = policy;
        self.publish(gate);
        Ok(count)
    }

    /// Notices a leap of the clock before anything is judged by it.
    async fn mind_the_clock(&mut self) {
        let leap = self.clock.leap();
        let ready = self.clock.ahead_within(ledger::DAY).as_millis();
        let ready = u64::try_from(ready).unwrap_or(u64::MAX);
        self.shared.ready.store(ready, Ordering::Relaxed);
        let Some(leap) = leap else {
            return;
        };
        let (what, by) = match leap {
            Leap::ReadyQueue(by) => ("leapt ahead", by),
            Leap::Back(by) => ("went back", by),
        };
        let seconds = by.as_secs();
        tracing::warn!(seconds, "the clock {what} by {seconds} s");
        let told = Event {
            kind: "clock",
            detail: json!({"what": what, "seconds": seconds}),
        };
        let back = matches!(leap, Leap::Back(_)).then_some(Maintenance::WentBack(by));
        for maintenance in back.into_iter().chain([Maintenance::Tell(told)]) {
            if let Err(error) = self.persist(&maintenance).await {
                self.refused(&maintenance, &error);
            }
        }
    }

    /// Has the log's file emptied where it is too large, or that reported.
    async fn watch_the_log(&mut self) {
        match self.log.poll(&mut self.connection).await {
            Ok(event) => self.unrecorded.extend(event),
            // What matters about it the next job meets, too.
            Err(error) => tracing::debug!("the write-ahead log was not looked after: {error}"),
        }
    }

    /// Records something that concerns no task.
    async fn record(&mut self, event: Event) {
        let maintenance = Maintenance::Tell(event);
        if let Err(error) = self.persist(&maintenance).await {
            self.refused(&maintenance, &error);
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

    fn refused(&mut self, maintenance: &Maintenance, error: &StoreError) {
        tracing::debug!("not done: {maintenance:?}");
        let text = format!("the database refused {}: {error}", maintenance.name());
        self.report.refused(None, &text);
    }

    async fn close(mut self) {
        self.report.end();
        let now = Timestamp::now();
        let stopped = async {
            daemon::stopped(&mut self.connection, now).await?;
            crash::at(Point::CheckpointBegins);
            schema::checkpoint(&mut self.connection).await?;
            crash::at(Point::CheckpointDone);
            Ok::<_, StoreError>(())
        };
        if let Err(error) = stopped.await {
            tracing::warn!(
                "the database was not closed in order; the next start makes up for that: {error}"
            );
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(
                "the database was not closed in order; the next start makes up for that: {error}"
            );
        }
    }
}

/// The policy with more settling time where the clock leapt ahead within the longest time that a resume is waited for.
fn lengthened(mut policy: Policy, clock: &Clock) -> Policy {
    let settle = &mut policy.growth.settle;
    let longest = settle.saturating_mul(STALE_FACTOR);
    *settle = settle.saturating_add(clock.ahead_within(longest));
    policy
}

/// Comes to the moments before or after the commit of a batch, one for each kind of thing in it.
fn crash_at(
    batch: &[Entry],
    orders: &[Option<ResumePermit>],
    poll: Point,
    intent: Point,
    answer: Point,
) {
    if orders.iter().any(Option::is_some) {
        crash::at(intent);
    }
    if batch
        .iter()
        .any(|entry| matches!(entry.heard, Answer::Resume(_)))
    {
        crash::at(answer);
    }
    if batch
        .iter()
        .any(|entry| matches!(entry.heard, Answer::Poll(_)))
    {
        crash::at(poll);
    }
}
