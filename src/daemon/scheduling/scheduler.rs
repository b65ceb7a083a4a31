//! Which task is looked at next: due ones from the database into flight, each at most once.

use super::ready_queue::{ReadyQueue, Taken};
use super::reconcile::{Context, Outcome, cycle};
use super::runway::Runway;
use crate::core::TaskId;
use crate::core::gate::{Admission, Kind, Request};
use crate::core::policy::Policy;
use crate::core::queue::Queue;
use crate::core::since;
use crate::crash::{self, Point};
use crate::daemon::TICK;
use crate::daemon::error::panic_message;
use crate::daemon::supervision::health::Health;
use crate::daemon::writer::{Completed, Maintenance};
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
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// So many tasks may wait for the writer, or on the runway, beside those that a request is out for.
const LANDING_MAX: usize = 512;

/// How long a task whose outcome the database refused is left alone.
const BENCH: Duration = Duration::from_mins(1);

/// The longest sleep: what wakes sooner is not always known.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The due tasks, and those in flight.
pub struct Scheduler {
    reader: SqliteConnection,
    /// Shared by those in flight, so that none of them needs a copy.
    context: Arc<Context>,
    health: Health,
    concurrency: usize,
    policy: Policy,
    ready: ReadyQueue,
    /// Tasks that are cleared, but have no seat yet.
    runway: Arc<Runway>,
    /// The seats that are taken. Each looks at one task after the other, as long as the runway has one.
    flights: JoinSet<Flown>,
    /// What was left to the writer, as it is stored.
    landed: UnboundedReceiver<Vec<Completed>>,
    /// The tasks on the runway, in a seat, and left to the writer.
    in_flight: HashMap<TaskId, Queue>,
    benched: HashMap<TaskId, Instant>,
    /// Ids that the writer was asked to park.
    parked: HashSet<Vec<u8>>,
    data_version: i64,
    counts: StateCounts,
    /// Why the database could not be read, as it was told.
    unread: Option<String>,
}

impl Scheduler {
    /// A scheduler with nothing in flight.
    #[must_use]
    pub fn new(
        reader: SqliteConnection,
        context: Context,
        landed: UnboundedReceiver<Vec<Completed>>,
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
            runway: Arc::default(),
            flights: JoinSet::new(),
            landed,
            in_flight: HashMap::new(),
            benched: HashMap::new(),
            parked: HashSet::new(),
            data_version: 0,
            counts: StateCounts::default(),
            unread: None,
        }
    }

    /// Goes by a new client and new limits; requests under way end with the old ones.
    pub fn adopt(&mut self, client: Arc<Client>, concurrency: usize, policy: Policy) {
        self.concurrency = concurrency;
        self.policy = policy;
        self.replace_client(client);
    }

    fn replace_client(&mut self, client: Arc<Client>) {
        // What the service says to the token before says nothing about the account any more.
        self.context.client.retire();
        Arc::make_mut(&mut self.context).client = client;
        self.recall();
        // Those that have a seat end where they look for the next task.
        self.runway = Arc::default();
    }

    /// Reads the token again before a probe by which the service may accept it: it may have been replaced since.
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

    /// Takes back what was cleared and not begun.
    pub fn recall(&mut self) {
        for id in self.runway.clear() {
            self.in_flight.remove(&id);
        }
        self.ready.forget();
    }

    /// How many tasks are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// One line for people, such as `12 growing, 3 reached, next poll in 4 s, gate open`.
    pub async fn status(&mut self) -> String {
        match StateCounts::read(&mut self.reader).await {
            Ok(counts) => self.counts = counts,
            Err(error) => self.unreadable(&error).await,
        }
        let now = Timestamp::now();
        let gate = self.context.gate.borrow();
        let mut line = self.counts.line();
        match (self.in_flight.len(), self.ready.next_due) {
            (0, None) => line += ", nothing is due",
            (0, Some(at)) => {
                let _ = write!(line, ", next poll in {} s", since(now, at).as_secs());
            }
            (begun, _) => {
                let flying = begun - self.runway.len().min(begun);
                let _ = write!(line, ", {flying} polled just now");
            }
        }
        let _ = write!(line, ", gate {}", gate.kind.as_str());
        if let Some(until) = gate.until {
            let _ = write!(line, ", next try in {} s", since(now, until).as_secs());
        }
        line
    }

    /// Launches all that is due and allowed; returns when there may be more, unless something lands before.
    pub async fn launch(&mut self) -> Instant {
        match self.try_launch().await {
            Ok(wake) => wake,
            Err(error) => {
                self.unreadable(&error).await;
                Instant::now() + TICK
            }
        }
    }

    async fn try_launch(&mut self) -> Result<Instant, StoreError> {
        let idle = Instant::now() + IDLE_MAX;
        while self.has_room() {
            let now = Timestamp::now();
            let admission = self.context.gate.borrow().admits(Request::Poll, now);
            if admission != Admission::Free && self.runway.len() > 0 {
                self.recall();
            }
            let probing = match admission {
                Admission::Free => false,
                Admission::Probe => true,
                Admission::Wait(until) => return Ok(idle.min(instant(now, until))),
            };
            if probing && !self.in_flight.is_empty() {
                // What lands tells more.
                return Ok(idle);
            }
            if self.ready.is_to_be_read(now) {
                self.refill(now).await?;
            }
            if self.flights.len() >= self.concurrency {
                self.line_up();
                return Ok(idle);
            }
            if self.ready.is_empty() && self.runway.len() == 0 {
                let next = self.ready.next_due;
                let next = next.map_or(idle, |next| instant(now, next));
                let bench = self.benched.values().min().copied().unwrap_or(idle);
                return Ok(idle.min(next).min(bench));
            }
            if let Err(next) = self.context.rate_limiter.try_take() {
                return Ok(idle.min(next));
            }
            if probing {
                self.renew_client();
            }
            let Some(id) = self.runway.pop().or_else(|| self.clear(probing)) else {
                continue;
            };
            crash::at(Point::Scheduled);
            self.fly(id);
        }
        Ok(idle)
    }

    /// May one more task be begun? One that is left to the writer has no seat any more, but takes up memory.
    fn has_room(&self) -> bool {
        let writer = &self.context.writer;
        let landing = if writer.is_stuck() { 0 } else { LANDING_MAX };
        self.in_flight.len() < self.concurrency + landing
    }

    /// Clears those whose turn it is for the seats that are left next.
    fn line_up(&mut self) {
        let length = Runway::length(self.concurrency, &self.context);
        let missing = length.saturating_sub(self.runway.len());
        let more: Vec<TaskId> = (0..missing)
            .map_while(|_| self.has_room().then(|| self.clear(false)).flatten())
            .collect();
        self.runway.extend(more);
    }

    /// Takes the task whose turn it is, and marks it as in flight.
    fn clear(&mut self, probing: bool) -> Option<TaskId> {
        let in_flight = &self.in_flight;
        let (queue, id) = self.ready.take(probing, |id| in_flight.contains_key(id))?;
        let before = self.in_flight.insert(id.clone(), queue);
        debug_assert!(before.is_none(), "{id} is in flight already");
        Some(id)
    }

    fn fly(&mut self, id: TaskId) {
        let flight = fly(id, self.context.clone(), self.runway.clone());
        self.flights.spawn(flight);
    }

    async fn refill(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let benched_until = Instant::now();
        self.benched.retain(|_, until| *until > benched_until);
        let (in_flight, benched) = (&self.in_flight, &self.benched);
        let waited = in_flight.values().filter(|queue| **queue == Queue::Limit);
        let taken = Taken {
            is_out: &|id| in_flight.contains_key(id) || benched.contains_key(id),
            count: in_flight.len() + benched.len(),
            of_the_limit: waited.count(),
        };
        let day = self.context.writer.day();
        let ready = &mut self.ready;
        let unusable = ready
            .read(&mut self.reader, &taken, &self.policy, day, now)
            .await?;
        for id in unusable {
            if self.parked.insert(id.clone()) {
                self.context.writer.ask(Maintenance::Park(id));
            }
        }
        if self.unread.take().is_some() {
            tracing::info!("the database can be read again");
        }
        Ok(())
    }

    /// Shared until a task in flight has landed, or there is a seat, or the runway is half empty; for ever while nothing is
    /// in flight.
    pub async fn landed(&mut self) {
        let runway = self.runway.clone();
        tokio::select! {
            Some(flown) = self.flights.join_next() => self.join(flown),
            Some(landed) = self.landed.recv() => self.land_all(landed),
            () = runway.low() => {}
        }
        // Whatever else has: a batch of the writer's lands many at once.
        while let Some(flown) = self.flights.try_join_next() {
            self.join(flown);
        }
        while let Ok(landed) = self.landed.try_recv() {
            self.land_all(landed);
        }
    }

    fn join(&mut self, flown: Result<Flown, JoinError>) {
        match flown {
            // The writer has it, and says when it has landed.
            Ok(Flown(_, Ok(Outcome::Left))) => {}
            Ok(Flown(id, outcome)) => self.land(id, outcome.map(|_| ())),
            // It was given up, and the daemon ends: panics are caught before.
            Err(error) => tracing::debug!("{error}"),
        }
    }

    fn land_all(&mut self, landed: Vec<Completed>) {
        for (id, outcome) in landed {
            self.land(id, outcome.map_err(|error| error.to_string()));
        }
    }

    fn land(&mut self, id: TaskId, outcome: Result<(), String>) {
        self.in_flight.remove(&id);
        self.ready.landed();
        if let Err(error) = outcome {
            tracing::debug!(task_id = %id, "{id}: left alone for a while: {error}");
            self.benched.insert(id, Instant::now() + BENCH);
        }
    }

    /// Looks whether somebody has written, and forgets what was read before that.
    pub async fn tick(&mut self) {
        match schema::data_version(&mut self.reader).await {
            Ok(version) if version == self.data_version => {}
            Ok(version) => {
                self.data_version = version;
                self.recall();
                self.parked.clear();
            }
            Err(error) => self.unreadable(&error).await,
        }
    }

    /// Tells once that the database cannot be read, and again where the reason changes.
    async fn unreadable(&mut self, error: &StoreError) {
        let text = error.to_string();
        if self.unread.as_ref() != Some(&text) {
            tracing::error!("the database cannot be read; trying again: {text}");
            self.unread = Some(text);
        }
        self.health.heard(error, &mut self.reader).await;
    }

    /// Gives up what is still in flight, and closes its connection to the database.
    pub async fn close(mut self) {
        self.flights.shutdown().await;
        if let Err(error) = self.reader.close().await {
            tracing::debug!("the reader was not closed in order: {error}");
        }
    }

    /// Shared until nothing is in flight any more.
    pub async fn drain(&mut self) {
        while !self.in_flight.is_empty() {
            self.landed().await;
        }
    }
}

/// The task that a flight ended with, and how.
struct Flown(TaskId, Result<Outcome, String>);

/// Looks at one task after the other, as long as what is learnt can be left to the writer and there is a next one.
async fn fly(mut id: TaskId, context: Arc<Context>, runway: Arc<Runway>) -> Flown {
    loop {
        // What a bug does to one task is not to be lost sight of, nor to be felt by others.
        let outcome = AssertUnwindSafe(cycle(&id, &context)).catch_unwind().await;
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(panic) => {
                let text = panic_message(panic.as_ref());
                tracing::error!(task_id = %id, "{id}: a bug: {text}; left alone for a while");
                Err(text.to_owned())
            }
        };
        if !matches!(outcome, Ok(Outcome::Left)) {
            return Flown(id, outcome);
        }
        match runway.next(&context) {
            Some(next) => id = next,
            None => return Flown(id, outcome),
        }
    }
}

/// The instant at which the clock will show `at`.
fn instant(now: Timestamp, at: Timestamp) -> Instant {
    Instant::now() + since(now, at)
}
