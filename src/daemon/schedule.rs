//! Which task is looked at next: due ones from the database into flight, each at most once.

use super::ahead::{Ahead, Taken};
use super::census::Census;
use super::chores::Chore;
use super::cycle::{Means, cycle};
use super::health::Health;
use super::writer::WriteError;
use crate::core::TaskId;
use crate::core::gate::{Admission, Request};
use crate::core::model::Policy;
use crate::core::since;
use crate::core::turns::Queue;
use crate::crash::{self, Point};
use crate::extruct::Client;
use crate::store::{StoreError, schema};
use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

/// So many tasks may wait for the writer beside those that a request is out for.
const LANDING_MAX: usize = 512;

/// How long a task whose outcome the database refused is left alone.
const BENCH: Duration = Duration::from_mins(1);

/// The longest sleep: what wakes sooner is not always known.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The due tasks, and those in flight.
pub struct Schedule {
    reader: SqliteConnection,
    /// Shared by those in flight, so that none of them needs a copy.
    means: Arc<Means>,
    health: Health,
    concurrency: usize,
    policy: Policy,
    ahead: Ahead,
    flights: JoinSet<Result<(), WriteError>>,
    in_flight: HashMap<TaskId, Queue>,
    flown_as: HashMap<task::Id, TaskId>,
    benched: HashMap<TaskId, Instant>,
    /// Ids that the writer was asked to park.
    parked: HashSet<Vec<u8>>,
    data_version: i64,
    census: Census,
    /// Why the database could not be read, as it was told.
    unread: Option<String>,
}

impl Schedule {
    pub fn new(
        reader: SqliteConnection,
        means: Means,
        health: Health,
        concurrency: usize,
        policy: Policy,
    ) -> Self {
        Self {
            reader,
            means: Arc::new(means),
            health,
            concurrency,
            policy,
            ahead: Ahead::default(),
            flights: JoinSet::new(),
            in_flight: HashMap::new(),
            flown_as: HashMap::new(),
            benched: HashMap::new(),
            parked: HashSet::new(),
            data_version: 0,
            census: Census::default(),
            unread: None,
        }
    }

    /// Goes by a new client and new limits; requests under way end with the old ones.
    pub fn adopt(&mut self, client: Arc<Client>, concurrency: usize, policy: Policy) {
        Arc::make_mut(&mut self.means).client = client;
        self.concurrency = concurrency;
        self.policy = policy;
        self.ahead.forget();
    }

    /// How many tasks are in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// One line for people, such as `12 growing, 3 reached, next poll in 4 s, gate open`.
    pub async fn status(&mut self) -> String {
        if let Err(error) = self.census.take(&mut self.reader).await {
            self.unreadable(&error).await;
        }
        let now = Timestamp::now();
        let gate = self.means.gate.borrow();
        let mut line = self.census.line();
        match (self.flights.len(), self.ahead.next_due) {
            (0, None) => line += ", nothing is due",
            (0, Some(at)) => {
                let _ = write!(line, ", next poll in {} s", since(now, at).as_secs());
            }
            (flying, _) => {
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
                Instant::now() + super::TICK
            }
        }
    }

    async fn try_launch(&mut self) -> Result<Instant, StoreError> {
        let idle = Instant::now() + IDLE_MAX;
        while self.has_a_seat() {
            let now = Timestamp::now();
            let probing = match self.means.gate.borrow().admits(Request::Look, now) {
                Admission::Free => false,
                Admission::Probe => true,
                Admission::Wait(until) => return Ok(idle.min(instant(now, until))),
            };
            if probing && !self.flights.is_empty() {
                // What lands tells more.
                return Ok(idle);
            }
            if self.ahead.is_to_be_read(now) {
                self.refill(now).await?;
            }
            if self.ahead.is_empty() {
                let next = self.ahead.next_due;
                let next = next.map_or(idle, |next| instant(now, next));
                let bench = self.benched.values().min().copied().unwrap_or(idle);
                return Ok(idle.min(next).min(bench));
            }
            if let Err(next) = self.means.pacer.try_take() {
                return Ok(idle.min(next));
            }
            let next = if probing {
                self.ahead.take_as_probe()
            } else {
                self.ahead.take()
            };
            let Some((queue, id)) = next else {
                continue;
            };
            crash::at(Point::Scheduled);
            self.fly(queue, id);
        }
        Ok(idle)
    }

    /// May one more request go out?
    fn has_a_seat(&self) -> bool {
        let writer = &self.means.writer;
        let landing = if writer.is_stuck() { 0 } else { LANDING_MAX };
        self.means.seats.taken() < self.concurrency
            && self.flights.len() < self.concurrency + landing
    }

    fn fly(&mut self, queue: Queue, id: TaskId) {
        let (flown, means) = (id.clone(), self.means.clone());
        let seat = means.seats.take();
        let flight = self
            .flights
            .spawn(async move { cycle(&flown, &means, seat).await });
        self.in_flight.insert(id.clone(), queue);
        self.flown_as.insert(flight.id(), id);
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
        let day = self.means.writer.day();
        let ahead = &mut self.ahead;
        let unusable = ahead
            .read(&mut self.reader, &taken, &self.policy, day, now)
            .await?;
        for id in unusable {
            if self.parked.insert(id.clone()) {
                self.means.writer.ask(Chore::Park(id));
            }
        }
        if self.unread.take().is_some() {
            tracing::info!("the database can be read again");
        }
        Ok(())
    }

    /// Waits until a task in flight has landed, or only waits for the writer now; for ever while there is none.
    pub async fn landed(&mut self) {
        if self.flights.is_empty() {
            return std::future::pending().await;
        }
        let seats = self.means.seats.clone();
        tokio::select! {
            biased;
            Some(landed) = self.flights.join_next_with_id() => self.land(landed),
            () = seats.left() => return,
        }
        // A batch of the writer's lands many at once.
        while let Some(landed) = self.flights.try_join_next_with_id() {
            self.land(landed);
        }
    }

    fn land(&mut self, landed: Result<(task::Id, Result<(), WriteError>), JoinError>) {
        let (flight, outcome) = match landed {
            Ok((flight, outcome)) => (flight, outcome.map_err(|error| error.to_string())),
            Err(error) => (error.id(), Err(error.to_string())),
        };
        let Some(id) = self.flown_as.remove(&flight) else {
            return;
        };
        self.in_flight.remove(&id);
        self.ahead.landed();
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
                self.ahead.forget();
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

    /// Waits until nothing is in flight any more.
    pub async fn drain(&mut self) {
        while !self.flights.is_empty() {
            self.landed().await;
        }
    }
}

/// The instant at which the clock will show `at`.
fn instant(now: Timestamp, at: Timestamp) -> Instant {
    Instant::now() + since(now, at)
}
