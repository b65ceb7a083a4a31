//! The scheduler: takes due tasks from the database, and has at most one pass at a time for each. Where the plan of requests
//! says so, it reads pages of the service's list instead.

mod dispatch;
mod searches;

use super::in_flight::{Finished, InFlight};
use super::page::PageRead;
use super::ready_queue::{Excluded, ReadyQueue};
use super::reconcile::{Context, Polled};
use super::results::PageOutcome;
use super::results_queue::ResultsQueue;
use super::search_queue::SearchQueue;
use crate::config;
use crate::core::TaskId;
use crate::core::event::Event;
use crate::core::gate::Kind;
use crate::core::plan::{PageRequest, Plan, Setback, Shown, Usability};
use crate::core::policy::Policy;
use crate::core::priority::Priority;
use crate::core::queue::Queue;
use crate::core::since;
use crate::daemon::TICK;
use crate::daemon::event_log::EventLog;
use crate::daemon::supervision::health::Health;
use crate::daemon::writer::Maintenance;
use crate::extruct::Client;
use crate::store::state_counts::StateCounts;
use crate::store::{StoreError, schema};
use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a task is left alone after the database refused its outcome.
const SUSPENSION: Duration = Duration::from_mins(1);

/// The most tasks that wait for a page for which others are read.
const AWAITING_MAX: usize = 4096;

/// The due tasks, and those in flight.
pub struct Scheduler {
    reader: SqliteConnection,
    context: Arc<Context>,
    health: Health,
    concurrency: usize,
    policy: Policy,
    ready: ReadyQueue,
    plan: Plan,
    results: ResultsQueue,
    searches: SearchQueue,
    priority: Priority,
    list_usability: Usability,
    event_log: EventLog,
    in_flight: InFlight,
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
        results: config::Results,
    ) -> Self {
        Self {
            reader,
            context: Arc::new(context),
            health,
            concurrency,
            policy,
            ready: ReadyQueue::default(),
            plan: Plan::new(&policy.polling),
            results: ResultsQueue::new(results),
            searches: SearchQueue::new(),
            priority: Priority::default(),
            list_usability: Usability::default(),
            event_log: EventLog::default(),
            in_flight: InFlight::default(),
            suspended: HashMap::new(),
            marked: HashSet::new(),
            data_version: 0,
            counts: StateCounts::default(),
            read_error: None,
        }
    }

    /// Applies a new client and new limits. Requests in flight end with the old ones.
    pub fn reconfigure(
        &mut self,
        client: Arc<Client>,
        concurrency: usize,
        policy: Policy,
        results: config::Results,
    ) {
        self.concurrency = concurrency;
        let before = self.policy.polling;
        self.plan.reconfigure(&policy.polling, &before);
        if policy.polling.list_page != before.list_page {
            self.list_usability.tried_again(Timestamp::now());
        }
        self.results.reconfigure(results);
        self.policy = policy;
        self.replace_client(client);
    }

    fn replace_client(&mut self, client: Arc<Client>) {
        // What the service answers to the old token says nothing about the account any more.
        self.context.client.retire();
        Arc::make_mut(&mut self.context).client = client;
        self.results.token_replaced();
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

    /// Returns the number of tasks and pages in flight, and of pages of results.
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
        let polled = self.in_flight.len() - self.in_flight.results();
        match (polled, self.ready.next_due) {
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

    /// Starts what is due, passes for tasks and requests for pages, as far as the limits allow. Returns when to call it again, unless a pass
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

    async fn refill(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let released = Instant::now();
        self.suspended.retain(|_, until| *until > released);
        let (in_flight, suspended) = (self.in_flight.tasks(), &self.suspended);
        let of_the_limit = in_flight.values().filter(|queue| **queue == Queue::Limit);
        let plan = &self.plan;
        let is_out = |id: &TaskId| {
            in_flight.contains_key(id) || suspended.contains_key(id) || plan.awaits_page(id, now)
        };
        let (awaiting, until) = plan.awaiting(now);
        let awaiting = awaiting.min(AWAITING_MAX);
        let excluded = Excluded {
            contains: &is_out,
            count: in_flight.len() + suspended.len() + awaiting,
            of_the_limit: of_the_limit.count(),
            until,
        };
        let windows = self.context.writer.windows();
        let ready = &mut self.ready;
        let unusable = ready
            .refill(&mut self.reader, &excluded, &self.policy, windows, now)
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
        for finished in self.in_flight.finished().await {
            match finished {
                Finished::Task(id, outcome) => self.task_finished(id, outcome),
                Finished::Page(request, outcome) => self.page_finished(&request, outcome),
                Finished::Results(id, outcome) => self.results_finished(&id, outcome),
                Finished::Search(name, outcome) => self.search_finished(name, outcome),
                Finished::List(searches, failed) => self.list_finished(&searches, &failed),
            }
        }
        self.ready.expect_more();
        self.searches.expect_more(false);
    }

    fn task_finished(&mut self, id: TaskId, outcome: Result<Option<Polled>, String>) {
        match outcome {
            Ok(Some(polled)) => {
                let due = match polled.shown {
                    Shown::Watched { due, .. } => Some(due),
                    _ => None,
                };
                self.plan
                    .polled(&id, polled.started_at, polled.is_running, due);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(task_id = %id, "{id}: left alone for a minute: {error}");
                self.suspended.insert(id, Instant::now() + SUSPENSION);
            }
        }
    }

    fn results_finished(&mut self, id: &TaskId, outcome: Result<PageOutcome, String>) {
        let outcome = outcome.map_err(|error| {
            tracing::debug!(task_id = %id, "{id}: its results are left alone for a minute: {error}");
            Instant::now() + SUSPENSION
        });
        self.results.finished(id, outcome, &self.policy);
    }

    fn page_finished(&mut self, request: &PageRequest, outcome: Result<PageRead, String>) {
        let now = Timestamp::now();
        let (setback, error) = match outcome {
            Ok(PageRead::Shown(shown)) => {
                self.plan.read(request, &shown, now);
                let event = self.list_usability.read(shown.started_at);
                return self.record(event);
            }
            Ok(PageRead::Failed(setback, error)) => (setback, error),
            Err(error) => (Setback::Passing(None), error),
        };
        tracing::debug!("page {} was not read: {error}", request.page);
        let until = self.plan.failed(request, setback, now);
        let event = until.and_then(|until| self.list_usability.failed(error, until));
        self.record(event);
    }

    /// Logs and records an event that concerns no task.
    fn record(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.event_log.event(None, &event);
            self.context.writer.request(Maintenance::Record(event));
        }
    }

    /// Checks whether another connection has written, and forgets what was read before that.
    pub async fn tick(&mut self) {
        match schema::data_version(&mut self.reader).await {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                self.results.expect_more();
                self.searches.expect_more(true);
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
    pub async fn close(self) {
        self.in_flight.shutdown().await;
        if let Err(error) = self.reader.close().await {
            tracing::debug!("the reader was not closed in order: {error}");
        }
    }

    /// Waits until nothing is in flight any more.
    pub async fn drain(&mut self) {
        while self.in_flight() > 0 {
            self.finished().await;
        }
    }
}
