//! The scheduler: takes due tasks from the database, and has at most one pass at a time for each.

use super::ready_queue::{Excluded, ReadyQueue};
use super::reconcile::{Context, reconcile};
use crate::core::TaskId;
use crate::core::gate::{Admission, Kind, Request};
use crate::core::policy::Policy;
use crate::core::queue::Queue;
use crate::core::since;
use crate::crash::{self, Point};
use crate::daemon::TICK;
use crate::daemon::error::panic_message;
use crate::daemon::supervision::health::Health;
use crate::daemon::writer::Maintenance;
use crate::extruct::Client;
use crate::store::state_counts::StateCounts;
use crate::store::{StoreError, schema};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// How long a task is left alone after the database refused its outcome.
const SUSPENSION: Duration = Duration::from_mins(1);

/// The longest sleep.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The due tasks, and those in flight.
pub struct Scheduler {
    reader: SqliteConnection,
    context: Arc<Context>,
    health: Health,
    concurrency: usize,
    policy: Policy,
    ready: ReadyQueue,
    /// The passes in flight.
    passes: JoinSet<Finished>,
    /// Their tasks, each with the queue that it came from.
    in_flight: HashMap<TaskId, Queue>,
    /// Tasks that are left alone, and until when.
    suspended: HashMap<TaskId, Instant>,
    /// Unusable ids that the writer was asked to mark.
    marked: HashSet<Vec<u8>>,
    data_version: i64,
    counts: StateCounts,
    /// The error of the last read, as it was logged.
    read_error: Option<String>,
}

impl Scheduler {
    /// Returns a scheduler with nothing in flight.
    #[must_use]
    pub fn new(
        reader: SqliteConnection,
        context: Context,
        health: Health,
        concurrency: usize,
        policy: Policy,
    ) -> Self {
        Self {
            reader,
            context: Arc::new(context),
            health,
            concurrency,
            policy,
            ready: ReadyQueue::default(),
            passes: JoinSet::new(),
            in_flight: HashMap::new(),
            suspended: HashMap::new(),
            marked: HashSet::new(),
            data_version: 0,
            counts: StateCounts::default(),
            read_error: None,
        }
    }

    /// Applies a new client and new limits. Requests in flight end with the old ones.
    pub fn reconfigure(&mut self, client: Arc<Client>, concurrency: usize, policy: Policy) {
        self.concurrency = concurrency;
        self.policy = policy;
        self.replace_client(client);
    }

    fn replace_client(&mut self, client: Arc<Client>) {
        // What the service answers to the old token says nothing about the account any more.
        self.context.client.retire();
        Arc::make_mut(&mut self.context).client = client;
        self.ready.clear();
    }

    /// Reads the token again before a probe of a gate that is closed as `unauthorized`: it may have been replaced.
    fn renew_client(&mut self) {
        if self.context.gate.borrow().kind != Kind::Unauthorized {
            return;
        }
        match self.context.client.renewed() {
            Ok(Some(client)) => {
                tracing::info!("the token has changed: trying the new one");
                self.replace_client(Arc::new(client));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("the token cannot be read again: {error}"),
        }
    }

    /// Returns the number of tasks in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns one line for people, such as `12 growing, 3 reached, next poll in 4 s, gate open`.
    pub async fn status(&mut self) -> String {
        match StateCounts::read(&mut self.reader).await {
            Ok(counts) => self.counts = counts,
            Err(error) => self.report_read_error(&error).await,
        }
        let now = Timestamp::now();
        let gate = self.context.gate.borrow();
        let mut line = self.counts.line();
        match (self.in_flight.len(), self.ready.next_due) {
            (0, None) => line += ", nothing is due",
            (0, Some(at)) => {
                let _ = write!(line, ", next poll in {} s", since(now, at).as_secs());
            }
            (polled, _) => {
                let _ = write!(line, ", {polled} polled just now");
            }
        }
        let _ = write!(line, ", gate {}", gate.kind.as_str());
        if let Some(until) = gate.until {
            let _ = write!(line, ", next try in {} s", since(now, until).as_secs());
        }
        line
    }

    /// Starts a pass for each task that is due, as far as the limits allow. Returns when to call it again, unless a pass
    /// finishes before.
    pub async fn dispatch(&mut self) -> Instant {
        match self.try_dispatch().await {
            Ok(wake) => wake,
            Err(error) => {
                self.report_read_error(&error).await;
                Instant::now() + TICK
            }
        }
    }

    async fn try_dispatch(&mut self) -> Result<Instant, StoreError> {
        let idle = Instant::now() + IDLE_MAX;
        while self.in_flight.len() < self.concurrency {
            let now = Timestamp::now();
            let admission = self.context.gate.borrow().admits(Request::Poll, now);
            let probing = match admission {
                Admission::Free => false,
                Admission::Probe => true,
                Admission::Wait(until) => return Ok(idle.min(instant(now, until))),
            };
            if probing && !self.in_flight.is_empty() {
                // Their answers may open the gate, so that no probe is needed.
                return Ok(idle);
            }
            if self.ready.needs_refill(now) {
                self.refill(now).await?;
            }
            if self.ready.is_empty() {
                let next_due = self.ready.next_due.map(|at| instant(now, at));
                let released = self.suspended.values().min().copied();
                return Ok([next_due, released]
                    .into_iter()
                    .flatten()
                    .fold(idle, Instant::min));
            }
            if let Err(next_slot) = self.context.rate_limiter.try_take() {
                return Ok(idle.min(next_slot));
            }
            if probing {
                self.renew_client();
            }
            let in_flight = &self.in_flight;
            if let Some((queue, id)) = self.ready.take(probing, |id| in_flight.contains_key(id)) {
                crash::at(Point::Scheduled);
                self.in_flight.insert(id.clone(), queue);
                self.passes.spawn(pass(id, self.context.clone()));
            }
        }
        Ok(idle)
    }

    async fn refill(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let released = Instant::now();
        self.suspended.retain(|_, until| *until > released);
        let (in_flight, suspended) = (&self.in_flight, &self.suspended);
        let of_the_limit = in_flight.values().filter(|queue| **queue == Queue::Limit);
        let excluded = Excluded {
            contains: &|id| in_flight.contains_key(id) || suspended.contains_key(id),
            count: in_flight.len() + suspended.len(),
            of_the_limit: of_the_limit.count(),
        };
        let window = self.context.writer.daily_window();
        let ready = &mut self.ready;
        let unusable = ready
            .refill(&mut self.reader, &excluded, &self.policy, window, now)
            .await?;
        for id in unusable {
            if self.marked.insert(id.clone()) {
                self.context.writer.request(Maintenance::MarkUnusable(id));
            }
        }
        if self.read_error.take().is_some() {
            tracing::info!("the database can be read again");
        }
        Ok(())
    }

    /// Waits until a pass has finished; for ever while none is in flight.
    pub async fn finished(&mut self) {
        match self.passes.join_next().await {
            Some(finished) => self.finish(finished),
            None => std::future::pending().await,
        }
        // A batch of the writer's finishes many passes at once.
        while let Some(finished) = self.passes.try_join_next() {
            self.finish(finished);
        }
    }

    fn finish(&mut self, finished: Result<Finished, JoinError>) {
        match finished {
            Ok(Finished(id, outcome)) => {
                self.in_flight.remove(&id);
                self.ready.expect_more();
                if let Err(error) = outcome {
                    tracing::debug!(task_id = %id, "{id}: left alone for a minute: {error}");
                    self.suspended.insert(id, Instant::now() + SUSPENSION);
                }
            }
            // It was aborted, and the daemon ends: a pass catches its panics.
            Err(error) => tracing::debug!("{error}"),
        }
    }

    /// Checks whether another connection has written, and forgets what was read before that.
    pub async fn tick(&mut self) {
        match schema::data_version(&mut self.reader).await {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                self.ready.clear();
                self.marked.clear();
            }
            Err(error) => self.report_read_error(&error).await,
        }
    }

    /// Logs once that the database cannot be read, and again when the error changes.
    async fn report_read_error(&mut self, error: &StoreError) {
        let text = error.to_string();
        if self.read_error.as_ref() != Some(&text) {
            tracing::error!("the database cannot be read; trying again: {text}");
            self.read_error = Some(text);
        }
        self.health.note(error, &mut self.reader).await;
    }

    /// Aborts the passes in flight, and closes the connection to the database.
    pub async fn close(mut self) {
        self.passes.shutdown().await;
        if let Err(error) = self.reader.close().await {
            tracing::debug!("the reader was not closed in order: {error}");
        }
    }

    /// Waits until nothing is in flight any more.
    pub async fn drain(&mut self) {
        while !self.in_flight.is_empty() {
            self.finished().await;
        }
    }
}

/// The task of a pass, and how the pass ended.
struct Finished(TaskId, Result<(), String>);

async fn pass(id: TaskId, context: Arc<Context>) -> Finished {
    // A bug that one task meets is reported with its id, and not felt by others.
    let outcome = AssertUnwindSafe(reconcile(&id, &context))
        .catch_unwind()
        .await;
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic_message(panic.as_ref());
            tracing::error!(task_id = %id, "{id}: a bug: {text}; left alone for a minute");
            Err(text.to_owned())
        }
    };
    Finished(id, outcome)
}

/// Returns the instant at which the clock will show `at`.
fn instant(now: Timestamp, at: Timestamp) -> Instant {
    Instant::now() + since(now, at)
}
