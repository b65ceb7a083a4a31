//! Pages of results: one transaction for each.

use super::maintenance::store_gate;
use super::retry::WriteRetry;
use super::task::{WriterTask, add_requests};
use crate::core::event::Event;
use crate::core::gate::{Gate, Kind, Request};
use crate::core::policy::Policy;
use crate::core::reading::Setback;
use crate::core::results::ResultRow;
use crate::core::{Failure, TaskId};
use crate::crash::{self, Point};
use crate::daemon::error::panic_message;
use crate::store::results::{self, CompleteReading};
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
    results::upsert(connection, id, &answer.rows, answer.reading_began_at).await?;
    let error = match &answer.outcome {
        ReadingOutcome::Continues => None,
        ReadingOutcome::Complete(reading) => {
            let before = results::attempts(connection, id).await?;
            results::complete(connection, id, reading, now).await?;
            before.and_then(|before| news(before.error.as_ref(), reading.left_out.clone()))
        }
        ReadingOutcome::Postponed(setback, at_least) => {
            match results::attempts(connection, id).await? {
                Some(before) => {
                    let next = setback.clone().next_reading(
                        before.failures,
                        before.is_running,
                        *at_least,
                        now,
                        &policy.retry,
                        rand::random(),
                    );
                    results::postpone(connection, id, &next).await?;
                    news(before.error.as_ref(), next.error)
                }
                // It was removed meanwhile.
                None => None,
            }
        }
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

/// Returns an error that is not recorded yet.
fn news(recorded: Option<&String>, error: Option<String>) -> Option<String> {
    error.filter(|error| recorded != Some(error))
}
