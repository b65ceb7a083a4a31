//! The writer's task: gathers the answers of many tasks into one transaction, judges them there, and permits resumes.
//!
//! # Guarantees
//!
//! Answers are judged on rows read in the transaction that stores the outcome, so that an edit by hand is either seen or
//! comes after. A permit to send a resume is given only once its `intended` row is durable. A write that fails for the time
//! being (a lock, a full disk) is retried until it succeeds; nothing is dropped, and nothing new is begun meanwhile. In a
//! database that is damaged, or no longer in its place, nothing new is begun at all.

use super::batch::{self, Answer, BatchContext, Stored, Update};
use super::clock::{Clock, Leap};
use super::listed::PageAnswer;
use super::maintenance::{self, Maintenance};
use super::message::{Message, Shared};
use super::request_count::RequestCount;
use super::retry::WriteRetry;
use super::wal_monitor::WalMonitor;
use crate::core::event::Event;
use crate::core::gate::{Gate, Kind};
use crate::core::plan::Shown;
use crate::core::policy::Policy;
use crate::core::settle::STALE_FACTOR;
use crate::core::spending::{CREDITS_INTERVAL, Limit, Windows};
use crate::crash::{self, Point};
use crate::daemon::error::panic_message;
use crate::daemon::event_log::EventLog;
use crate::daemon::supervision::health::Health;
use crate::store::{self, StoreError, daemon, schema, tasks, values};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// The most answers of single tasks that go into one transaction. A page of the list has one of its own.
const BATCH_MAX: usize = 256;

/// The writer.
pub(super) struct WriterTask {
    pub connection: SqliteConnection,
    pub gate: Gate,
    pub policy: Policy,
    pub draining: watch::Receiver<bool>,
    pub health: Health,
    pub published: watch::Sender<Gate>,
    pub clock: Clock,
    pub shared: Arc<Shared>,
    pub event_log: EventLog,
    pub wal_monitor: WalMonitor,
    pub requests: RequestCount,
    /// Events of the database itself, which could not be recorded when they came up.
    pub unrecorded: Vec<Event>,
    /// The creates that were permitted and are not answered yet.
    pub creates_in_flight: HashSet<i64>,
    /// When a pass was last permitted to ask for the account's credits, unless it has had them stored.
    pub credits_asked: Option<Instant>,
}

impl WriterTask {
    /// Handles messages until a stop, or until all handles are dropped.
    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut next = inbox.recv().await;
        while let Some(message) = next.take() {
            self.shared.pulse.fetch_add(1, Ordering::Relaxed);
            self.observe_clock().await;
            self.event_log.summarize();
            match message {
                Message::Update(first, reply) => {
                    let (mut updates, mut replies) = (vec![*first], vec![reply]);
                    while updates.len() < BATCH_MAX {
                        match inbox.try_recv() {
                            Ok(Message::Update(update, reply)) => {
                                updates.push(*update);
                                replies.push(reply);
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    let outcomes = self.store(&updates, None).await;
                    for (reply, outcome) in replies.into_iter().zip(outcomes) {
                        // Fails where the daemon gave up a drain; the next start settles what a permit was for.
                        let _ = reply.send(outcome.map_err(Arc::new));
                    }
                }
                Message::Page(page, updates, reply) => {
                    let outcomes = self.store(&updates, Some(&page)).await;
                    let shown = |outcome: Result<Stored, StoreError>| {
                        // What cannot be stored is noted at its task, which is then polled alone.
                        outcome.unwrap_or(Stored {
                            permit: None,
                            asks_credits: false,
                            shown: Shown::Unwatched,
                        })
                    };
                    let _ = reply.send(Ok(outcomes.into_iter().map(shown).collect()));
                }
                Message::Results(answer, reply) => {
                    let outcome = self.store_results(&answer).await;
                    let _ = reply.send(outcome.map_err(Arc::new));
                }
                Message::Search(name, update, reply) => {
                    let outcome = self.store_search(&name, &update).await;
                    let _ = reply.send(outcome.map_err(Arc::new));
                }
                Message::Maintain(maintenance, reply) => {
                    if matches!(maintenance, Maintenance::Heartbeat) {
                        self.shared.heartbeat_waits.store(false, Ordering::Relaxed);
                    }
                    let outcome = self.maintain(&maintenance).await;
                    if let Some(reply) = reply {
                        let _ = reply.send(outcome.map_err(Arc::new));
                    } else if let Err(error) = outcome {
                        self.report_refusal(&maintenance, &error);
                    }
                }
                Message::IsWanted(id, reply) => {
                    let wanted = tasks::is_growing(&mut self.connection, &id).await;
                    let stopping = self.is_stopping();
                    let _ = reply.send(wanted.map(|wanted| wanted && !stopping).map_err(Arc::new));
                }
                Message::CheckClock => {
                    self.shared
                        .clock_check_waits
                        .store(false, Ordering::Relaxed);
                    self.check_log_size().await;
                }
                Message::Stop(done) => {
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

    /// Whether nothing new is to be begun.
    fn is_stopping(&self) -> bool {
        *self.draining.borrow() || !self.health.is_well()
    }

    /// Writes a batch, and returns what became of each of its updates.
    async fn store(
        &mut self,
        updates: &[Update],
        page: Option<&PageAnswer>,
    ) -> Vec<Result<Stored, StoreError>> {
        let mut outcomes = Vec::with_capacity(updates.len());
        let mut parts = vec![updates];
        while let Some(part) = parts.pop() {
            match (self.write_batch(part, page).await, part) {
                (Ok(stored), _) => outcomes.extend(stored.into_iter().map(Ok)),
                (Err(error), []) => {
                    let text = format!(
                        "what a page of the list says of the account is not stored: {error}"
                    );
                    self.event_log.refused(None, &text);
                }
                (Err(error), [update]) => {
                    outcomes.push(Err(self.report_not_stored(update, error).await));
                }
                // Few updates are to blame, mostly one. The halves without it are stored as a whole.
                (Err(_), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        outcomes
    }

    /// Reports, in the log and at the task, why what was learnt of a task cannot be stored.
    async fn report_not_stored(&mut self, update: &Update, error: StoreError) -> StoreError {
        let Update { id, answer } = update;
        let error = values::explain(&mut self.connection, id, error).await;
        let what = match (answer, &error) {
            (Answer::Listed(_), _) => "what the list shows of it is not stored",
            (_, StoreError::Panicked(_)) => "it is left alone for a minute",
            _ => "the database refused what was learnt of it",
        };
        let text = format!("{id}: {what}: {error}");
        self.event_log.refused(Some(id), &text);
        tracing::debug!(task_id = %id, "{id}: not stored: {answer:?}");
        if self.health.was_well() {
            let note = Maintenance::RecordNotStored(id.clone(), error.to_string());
            if let Err(error) = self.maintain(&note).await {
                tracing::debug!(task_id = %id, "{id}: the error cannot be noted at the task: {error}");
            }
        }
        error
    }

    async fn maintain(&mut self, maintenance: &Maintenance) -> Result<u64, StoreError> {
        let mut retry = WriteRetry::new();
        loop {
            let outcome = self.try_maintain(maintenance).await;
            if let Some(outcome) = self.final_outcome(&mut retry, outcome).await {
                return outcome;
            }
        }
    }

    async fn write_batch(
        &mut self,
        batch: &[Update],
        page: Option<&PageAnswer>,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut retry = WriteRetry::new();
        loop {
            let outcome = self.try_write_batch(batch, page).await;
            if let Some(outcome) = self.final_outcome(&mut retry, outcome).await {
                return outcome;
            }
        }
    }

    /// Returns the outcome of an attempt if it is final; otherwise waits, and returns none.
    pub(super) async fn final_outcome<T>(
        &mut self,
        retry: &mut WriteRetry,
        outcome: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        // A message can take many attempts, and a batch be written one by one.
        self.shared.pulse.fetch_add(1, Ordering::Relaxed);
        let error = match outcome {
            Ok(value) => {
                self.shared.is_stuck.store(false, Ordering::Relaxed);
                if let Some(event) = retry.recovered() {
                    self.event_log.event(None, &event);
                    self.unrecorded.push(event);
                } else if retry.needed_no_delay() {
                    self.event_log.disk_is_full();
                }
                return Some(Ok(value));
            }
            Err(error) => error,
        };
        store::rollback(&mut self.connection).await;
        self.health.note(&error, &mut self.connection).await;
        if !error.is_transient() || self.health.gives_up(&error, retry.lasted()) {
            self.shared.is_stuck.store(false, Ordering::Relaxed);
            return Some(Err(error));
        }
        // On a small disk the log alone may be what fills it. A checkpoint empties it.
        let has_made_room =
            error.is_out_of_room() && schema::checkpoint(&mut self.connection).await.is_ok();
        if !(has_made_room && retry.retries_at_once()) {
            self.shared.is_stuck.store(true, Ordering::Relaxed);
            retry.wait(&error).await;
        }
        None
    }

    /// Writes a batch in one transaction. Its events are logged once it is durable.
    async fn try_write_batch(
        &mut self,
        batch: &[Update],
        page: Option<&PageAnswer>,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut context = self.batch_context();
        let mut tx = store::begin(&mut self.connection).await?;
        // Beginning may have taken a while.
        context.now = Timestamp::now();
        crash::at(Point::PollStoring);
        let judging = batch::write(&mut tx, batch, page, &self.gate, &context);
        // A bug that one task meets is not felt by others: the transaction is rolled back.
        let judged = AssertUnwindSafe(judging).catch_unwind().await;
        let outcome = judged
            .map_err(|panic| StoreError::Panicked(panic_message(panic.as_ref()).to_owned()))??;
        let at = |poll, intent, answer| crash_at(batch, &outcome.stored, poll, intent, answer);
        at(
            Point::PollWritten,
            Point::IntentWritten,
            Point::AnswerWritten,
        );
        let requests = add_requests(&mut tx, self.requests.due()).await?;
        tx.commit().await?;
        self.requests.wrote(requests);
        at(
            Point::PollCommitted,
            Point::IntentCommitted,
            Point::AnswerCommitted,
        );
        if outcome.stored.iter().any(|stored| stored.asks_credits) {
            self.credits_asked = Some(Instant::now());
        }
        let probing = self.gate.kind != Kind::Open;
        self.publish(outcome.gate);
        self.event_log.transaction(&outcome.events, probing);
        Ok(outcome.stored)
    }

    /// Returns what a transaction is judged by that begins now.
    pub(super) fn batch_context(&self) -> BatchContext {
        BatchContext {
            policy: lengthened(self.policy, &self.clock),
            draining: *self.draining.borrow() || !self.health.is_well(),
            now: Timestamp::now(),
            windows: Windows::lengthened(|limit| self.clock.ahead_within(limit.window())),
            credits_asked: (self.credits_asked).is_some_and(|at| at.elapsed() < CREDITS_INTERVAL),
            send_within: self.policy.growth.settle / 2,
        }
    }

    async fn try_maintain(&mut self, maintenance: &Maintenance) -> Result<u64, StoreError> {
        let mut gate = self.gate.clone();
        let policy = match maintenance {
            Maintenance::ApplyPolicy(policy) => **policy,
            _ => self.policy,
        };
        let mut tx = store::begin(&mut self.connection).await?;
        let now = Timestamp::now();
        let count = maintenance::perform(&mut tx, maintenance, &mut gate, &policy, now).await?;
        let requests = match maintenance {
            Maintenance::Heartbeat => add_requests(&mut tx, self.requests.unwritten()).await?,
            _ => 0,
        };
        tx.commit().await?;
        self.requests.wrote(requests);
        match maintenance {
            Maintenance::Prune(_) => crash::at(Point::PruneCommitted),
            Maintenance::StoreCredits(_) => self.credits_asked = None,
            _ => {}
        }
        self.policy = policy;
        self.publish(gate);
        Ok(count)
    }

    /// Notices a leap of the clock before anything is judged by it.
    async fn observe_clock(&mut self) {
        let leap = self.clock.leap();
        for (&limit, shared) in Limit::ALL.iter().zip(&self.shared.clock_ahead) {
            let ahead = self.clock.ahead_within(limit.window()).as_millis();
            shared.store(u64::try_from(ahead).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        let Some(leap) = leap else {
            return;
        };
        let (what, by) = match leap {
            Leap::Ahead(by) => ("leapt ahead", by),
            Leap::Back(by) => ("went back", by),
        };
        let event = Event::Clock {
            what,
            seconds: by.as_secs(),
        };
        self.event_log.event(None, &event);
        if let Leap::Back(by) = leap {
            let reschedule = Maintenance::ClockWentBack(by);
            if let Err(error) = self.maintain(&reschedule).await {
                self.report_refusal(&reschedule, &error);
            }
        }
        self.record(event).await;
    }

    /// Empties a log that is too large, or reports it.
    async fn check_log_size(&mut self) {
        match self.wal_monitor.check(&mut self.connection).await {
            Ok(Some(event)) => {
                self.event_log.event(None, &event);
                self.unrecorded.push(event);
            }
            Ok(None) => {}
            // The next write meets the same error, and reports it.
            Err(error) => tracing::debug!("the write-ahead log was not checked: {error}"),
        }
    }

    /// Records an event that concerns no task.
    async fn record(&mut self, event: Event) {
        let record = Maintenance::Record(event);
        if let Err(error) = self.maintain(&record).await {
            self.report_refusal(&record, &error);
        }
    }

    pub(super) fn publish(&mut self, gate: Gate) {
        self.published.send_if_modified(|published| {
            let changed = *published != gate;
            published.clone_from(&gate);
            changed
        });
        self.gate = gate;
    }

    fn report_refusal(&mut self, maintenance: &Maintenance, error: &StoreError) {
        tracing::debug!("not done: {maintenance:?}");
        let text = format!("the database refused {}: {error}", maintenance.name());
        self.event_log.refused(None, &text);
    }

    async fn close(mut self) {
        self.event_log.summarize_last();
        let stopped = async {
            let requests = self.requests.unwritten();
            daemon::stopped(&mut self.connection, requests, Timestamp::now()).await?;
            crash::at(Point::CheckpointBegins);
            schema::checkpoint(&mut self.connection).await?;
            crash::at(Point::CheckpointDone);
            Ok::<_, StoreError>(())
        }
        .await;
        // Whatever failed: the lock is released only once the connection is closed.
        let closed = self.connection.close().await.map_err(StoreError::from);
        for error in [stopped, closed].into_iter().filter_map(Result::err) {
            tracing::warn!(
                "the database was not closed in order; the next start makes up for that: {error}"
            );
        }
    }
}

/// Adds requests to `daemon.requests`. Returns how many were added: none while the row is missing, which the next heartbeat
/// restores.
pub(super) async fn add_requests(
    connection: &mut SqliteConnection,
    requests: u32,
) -> Result<u32, StoreError> {
    if requests > 0 && daemon::add_requests(connection, requests).await? {
        Ok(requests)
    } else {
        Ok(0)
    }
}

/// Returns the policy with more settling time if the clock leapt ahead within the longest time that a resume is waited for.
fn lengthened(mut policy: Policy, clock: &Clock) -> Policy {
    let settle = &mut policy.growth.settle;
    let longest = settle.saturating_mul(STALE_FACTOR);
    *settle = settle.saturating_add(clock.ahead_within(longest));
    policy
}

/// Reaches the crash points around the commit of a batch, one for each kind of thing in it.
fn crash_at(batch: &[Update], stored: &[Stored], poll: Point, intent: Point, answer: Point) {
    if stored.iter().any(|stored| stored.permit.is_some()) {
        crash::at(intent);
    }
    let has = |wanted: fn(&Answer) -> bool| batch.iter().any(|update| wanted(&update.answer));
    if has(|answer| matches!(answer, Answer::Resume(_))) {
        crash::at(answer);
    }
    if has(|answer| matches!(answer, Answer::Poll(_))) {
        crash::at(poll);
    }
}
