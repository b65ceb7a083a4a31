//! `samples` and `events`: what happened, for people; pruned by age in small batches.

use super::save::{self, Statements};
use super::{StoreError, time};
use crate::core::TaskId;
use crate::core::event::Event;
use crate::core::observation::Observation;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;
use std::sync::LazyLock;

/// The most rows of one table that one call of [`prune`] removes: it never holds the writer for long.
pub const PRUNE_BATCH: u32 = 500;

pub(super) static ADD_SAMPLES: LazyLock<Statements> = LazyLock::new(|| {
    save::sized(7, |rows| {
        format!(
            "INSERT INTO samples (task_id, at, desired_num_results, num_results_discovered, num_results_enriched,
                                  num_results_evaluated, num_results)
             SELECT * FROM ({rows}) WHERE column1 IS NOT NULL"
        )
    })
});

/// Writes the counters of many tasks as they were seen.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_samples(
    connection: &mut SqliteConnection,
    samples: &[(&TaskId, Timestamp, &Observation)],
) -> Result<(), StoreError> {
    save::write(
        connection,
        samples,
        &ADD_SAMPLES,
        |query, (id, at, seen)| {
            query
                .bind(id.as_str().to_owned())
                .bind(time::to_text(*at))
                .bind(seen.desired)
                .bind(seen.discovered)
                .bind(seen.enriched)
                .bind(seen.evaluated)
                .bind(seen.results)
        },
    )
    .await
}

pub(super) const ADD_EVENTS: &str = "INSERT INTO events (at, task_id, kind, detail)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";

/// Writes many events; those of no task concern the daemon or the account.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_events(
    connection: &mut SqliteConnection,
    events: &[(Timestamp, Option<&TaskId>, &Event)],
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<Value> = events
        .iter()
        .map(|(at, id, event)| {
            json!([
                time::to_text(*at),
                id.map(TaskId::as_str),
                event.kind(),
                event.detail()
            ])
        })
        .collect();
    sqlx::query(ADD_EVENTS)
        .bind(Value::from(rows).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const PRUNE_SAMPLES: &str = "DELETE FROM samples WHERE rowid IN (SELECT rowid FROM samples WHERE at < ?1 ORDER BY at LIMIT ?2)";

pub(super) const PRUNE_EVENTS: &str =
    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// Removes a batch of samples and events from before `before`; says how many rows went. Call it again until
/// none did.
///
/// # Errors
///
/// What SQLite says.
pub async fn prune(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let before = time::to_text(before);
    let samples = sqlx::query(PRUNE_SAMPLES)
        .bind(&before)
        .bind(PRUNE_BATCH)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    let events = sqlx::query(PRUNE_EVENTS)
        .bind(&before)
        .bind(PRUNE_BATCH)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(samples + events)
}
