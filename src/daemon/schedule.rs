//! Which task is looked at next: due ones from the database into flight, each at most once.

use super::census::Census;
use super::chores::Chore;
use super::cycle::{Means, cycle};
use super::health::Health;
use super::writer::WriteError;
use crate::core::TaskId;
use crate::core::gate::{Admission, Request};
use crate::core::since;
use crate::crash::{self, Point};
use crate::extruct::Client;
use crate::store::{StoreError, progress, schema};
use jiff::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;

/// How many due tasks are read ahead. Few, so that a change by hand is felt soon.
const AHEAD: usize = 64;

/// How long a task whose outcome the database refused is left alone.
const BENCH: Duration = Duration::from_mins(1);

/// The longest sleep: what wakes sooner is not always known.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The due tasks, and those in flight.
pub struct Schedule {
    reader: SqliteConnection,
    means: Means,
    health: Health,
    concurrency: usize,
    ahead: VecDeque<TaskId>,
    flights: JoinSet<Result<(), WriteError>>,
    in_flight: HashSet<TaskId>,
    flown_as: HashMap<task::Id, TaskId>,
    benched: HashMap<TaskId, Instant>,
    /// Ids that the writer was asked to park.
    parked: HashSet<Vec<u8>>,
    data_version: i64,
    next_due: Option<Timestamp>,
    census: Census,
    /// Why the database could not be read, as it was told.
    unread: Option<String>,
}

impl Schedule {
    pub fn new(reader: SqliteConnection, means: Means, health: Health, concurrency: usize) -> Self {
        Self {
            reader,
            means,
            health,
            concurrency,
            ahead: VecDeque::new(),
            flights: JoinSet::new(),
            in_flight: HashSet::new(),
            flown_as: HashMap::new(),
            benched: HashMap::new(),
            parked: HashSet::new(),
            data_version: 0,
            next_due: None,
            census: Census::default(),
            unread: None,
        }
    }

    /// Goes by a new client and limit; requests under way end with the old ones.
    pub fn adopt(&mut self, client: Arc<Client>, concurrency: usize) {
        self.means.client = client;
        self.concurrency = concurrency;
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
        match (self.flights.len(), self.next_due) {
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
        while self.flights.len() < self.concurrency {
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
            if self.ahead.is_empty() {
                self.refill(now).await?;
            }
            let Some(id) = self.ahead.front() else {
                let next = self.next_due.map_or(idle, |next| instant(now, next));
                let bench = self.benched.values().min().copied().unwrap_or(idle);
                return Ok(idle.min(next).min(bench));
            };
            if let Err(next) = self.means.pacer.try_take() {
                return Ok(idle.min(next));
            }
            let id = id.clone();
            crash::at(Point::Scheduled);
            self.ahead.pop_front();
            self.fly(id);
        }
        Ok(idle)
    }

    fn fly(&mut self, id: TaskId) {
        let (flown, means) = (id.clone(), self.means.clone());
        let flight = self
            .flights
            .spawn(async move { cycle(&flown, &means).await });
        self.in_flight.insert(id.clone());
        self.flown_as.insert(flight.id(), id);
    }

    async fn refill(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let benched_until = Instant::now();
        self.benched.retain(|_, until| *until > benched_until);
        let taken = self.in_flight.len() + self.benched.len();
        let due = progress::due(&mut self.reader, now, AHEAD + taken).await?;
        for id in due.unusable {
            if self.parked.insert(id.clone()) {
                self.means.writer.ask(Chore::Park(id));
            }
        }
        self.ahead.extend(
            due.tasks
                .into_iter()
                .filter(|id| !self.in_flight.contains(id) && !self.benched.contains_key(id)),
        );
        if self.ahead.is_empty() {
            self.next_due = progress::next_due(&mut self.reader, now).await?;
        }
        if self.unread.take().is_some() {
            tracing::info!("the database can be read again");
        }
        Ok(())
    }

    /// Waits until a task in flight has landed; for ever while there is none.
    pub async fn landed(&mut self) {
        let (flight, outcome) = match self.flights.join_next_with_id().await {
            Some(Ok((flight, outcome))) => (flight, outcome.map_err(|error| error.to_string())),
            Some(Err(error)) => (error.id(), Err(error.to_string())),
            None => return std::future::pending().await,
        };
        let Some(id) = self.flown_as.remove(&flight) else {
            return;
        };
        self.in_flight.remove(&id);
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
                self.ahead.clear();
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
