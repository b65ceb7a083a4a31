//! Pages of results: one transaction for each.

use super::maintenance::store_gate;
use super::retry::WriteRetry;
use super::task::{WriterTask, add_requests};
use crate::core::doubt::{Doubt, Doubts, Kind as DoubtKind, Verdict};
use crate::core::event::Event;
use crate::core::gate::{Gate, Kind, Request};
use crate::core::policy::Policy;
use crate::core::reading::{Circumstances, NextReading, Setback, is_same_kind};
use crate::core::results::ResultRow;
use crate::core::{Failure, TaskId};
use crate::crash::{self, Point};
use crate::daemon::error::panic_message;
use crate::store::results::{self, Attempts, CompleteReading};
use crate::store::{self, StoreError, history};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// The answer to a request for a page of a task's results.
#[derive(Debug, Clone)]
pub struct ResultsAnswer {
    /// The task.
    pub id: TaskId,
    /// When the request was begun.
    pub started_at: Timestamp,
    /// Why there is no page.
    pub failure: Option<Failure>,
    /// When the reading was begun.
    pub reading_began_at: Timestamp,
    /// The rows of the page.
    pub rows: Vec<ResultRow>,
    /// The service worked on the task when the reading was begun.
    pub was_running: bool,
    /// `results.live`.
    pub live: Duration,
    /// What became of the reading.
    pub outcome: ReadingOutcome,
}

/// What a page means for its reading.
#[derive(Debug, Clone)]
pub enum ReadingOutcome {
    /// Another page is read.
    Continues,
    /// All results were read.
    Complete(CompleteReading),
    /// The reading has ended, and is not trusted. If it is accepted all the same, this is stored.
    Doubtful(Doubt, CompleteReading),
    /// The reading has ended before that. The next one begins after this delay at the earliest.
    Postponed(Setback, Duration),
}

/// What a transaction did, once it is committed.
struct Stored {
    event: Option<Event>,
    gate_event: Option<Event>,
    gate: Gate,
}

impl WriterTask {
    /// Stores a page of results. If the database refuses it, the reading is postponed.
    pub(super) async fn store_results(&mut self, answer: &ResultsAnswer) -> Result<(), StoreError> {
        let Err(error) = self.write_results(answer).await else {
            return Ok(());
        };
        let text = format!("{}: its results are not stored: {error}", answer.id);
        self.event_log.refused(Some(&answer.id), &text);
        if !self.health.was_well() {
            return Err(error);
        }
        let setback = Setback::Failed(format!("not stored: {error}"));
        let postponed = ResultsAnswer {
            rows: Vec::new(),
            outcome: ReadingOutcome::Postponed(setback, Duration::ZERO),
            ..answer.clone()
        };
        if let Err(error) = self.write_results(&postponed).await {
            tracing::debug!(task_id = %answer.id, "{}: the reading is not postponed: {error}", answer.id);
        }
        Err(error)
    }

    async fn write_results(&mut self, answer: &ResultsAnswer) -> Result<(), StoreError> {
        let mut retry = WriteRetry::new();
        loop {
            let outcome = self.try_write_results(answer).await;
            if let Some(outcome) = self.final_outcome(&mut retry, outcome).await {
                return outcome;
            }
        }
    }

    async fn try_write_results(&mut self, answer: &ResultsAnswer) -> Result<(), StoreError> {
        let mut tx = store::begin(&mut self.connection).await?;
        let writing = write(&mut tx, answer, &self.gate, &self.policy, Timestamp::now());
        let written = AssertUnwindSafe(writing).catch_unwind().await;
        let stored = written
            .map_err(|panic| StoreError::Panicked(panic_message(panic.as_ref()).to_owned()))??;
        crash::at(Point::ResultsWritten);
        let requests = add_requests(&mut tx, self.requests.due()).await?;
        tx.commit().await?;
        self.requests.wrote(requests);
        crash::at(Point::ResultsCommitted);
        let probing = self.gate.kind != Kind::Open;
        self.publish(stored.gate);
        let of_task = stored.event.map(|event| (Some(answer.id.clone()), event));
        let of_gate = stored.gate_event.map(|event| (None, event));
        let events: Vec<_> = of_task.into_iter().chain(of_gate).collect();
        self.event_log.transaction(&events, probing);
        Ok(())
    }
}

/// Stores a page in the transaction that `connection` has begun.
async fn write(
    connection: &mut SqliteConnection,
    answer: &ResultsAnswer,
    gate: &Gate,
    policy: &Policy,
    now: Timestamp,
) -> Result<Stored, StoreError> {
    crash::panic_for(answer.id.as_str());
    let ResultsAnswer { id, failure, .. } = answer;
    let mut gate_after = gate.clone();
    gate_after.learn(
        Request::Results,
        failure.as_ref(),
        answer.started_at,
        now,
        policy,
        rand::random(),
    );
    // None if it was removed meanwhile: then nothing is stored.
    let error = match results::attempts(connection, id).await? {
        Some(before) => write_reading(connection, answer, before, policy, now).await?,
        None => None,
    };
    let event = error.map(|error| Event::ResultsError { error });
    if let Some(event) = &event {
        history::add_events(connection, &[(now, Some(id), event)]).await?;
    }
    let min_interval = policy.polling.min_interval;
    let gate_event = store_gate(connection, gate, &gate_after, min_interval, now).await?;
    Ok(Stored {
        event,
        gate_event,
        gate: gate_after,
    })
}

/// Stores the rows of a page, and what it means for the reading. Returns the error to report, if it is of another kind than the
/// recorded one.
async fn write_reading(
    connection: &mut SqliteConnection,
    answer: &ResultsAnswer,
    before: Attempts,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let id = &answer.id;
    results::upsert(connection, id, &answer.rows, answer.reading_began_at).await?;
    let recorded = before.error.clone();
    let error = match &answer.outcome {
        ReadingOutcome::Continues => return Ok(None),
        ReadingOutcome::Complete(reading) => {
            results::complete(connection, id, reading, now).await?;
            reading.error.clone()
        }
        ReadingOutcome::Doubtful(doubt, reading) => {
            let settle = policy.growth.settle;
            let doubts = Doubts::with(before.doubts.clone(), doubt, &reading.counters, now);
            // Pages of a task at which the service works shift all the time.
            let is_usual = before.is_running && doubt.kind == DoubtKind::Shifted;
            match doubts.verdict(doubt, settle, now) {
                Verdict::Accepted { marks_gone } if !is_usual => {
                    let accepted = CompleteReading {
                        marks_gone,
                        error: Some(doubt.why.clone()),
                        ..reading.clone()
                    };
                    results::complete(connection, id, &accepted, now).await?;
                    accepted.error
                }
                Verdict::Accepted { .. } | Verdict::Repeated => {
                    let setback = Setback::Doubtful(doubt.clone(), doubts);
                    let next = next_reading(answer, &before, setback, Duration::ZERO, policy, now);
                    results::postpone(connection, id, &next).await?;
                    next.error
                }
            }
        }
        ReadingOutcome::Postponed(setback, at_least) => {
            let next = next_reading(answer, &before, setback.clone(), *at_least, policy, now);
            results::postpone(connection, id, &next).await?;
            next.error
        }
    };
    // Its text may be another one each time, such as with the number of the request.
    let is_recorded =
        |error: &String| recorded.is_some_and(|recorded| is_same_kind(&recorded, error));
    Ok(error.filter(|error| !is_recorded(error)))
}

/// Returns when to read again. Whether the service works on the task counts now: it may have stopped since the reading began.
fn next_reading(
    answer: &ResultsAnswer,
    before: &Attempts,
    setback: Setback,
    at_least: Duration,
    policy: &Policy,
    now: Timestamp,
) -> NextReading {
    let circumstances = Circumstances {
        failures: before.failures,
        was_running: answer.was_running,
        is_running: before.is_running,
        live: answer.live,
        at_least,
    };
    let (settle, retry) = (policy.growth.settle, &policy.retry);
    setback.next_reading(&circumstances, settle, now, retry, rand::random())
}
