//! `samples` and `events`: what happened, for people; pruned by age in small batches.

use super::{StoreError, time};
use crate::core::TaskId;
use crate::core::model::Observation;
use crate::core::step::Event;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;

/// The most rows of one table that one call of [`prune`] removes: it never holds the writer for long.
pub const PRUNE_BATCH: u32 = 500;

/// Writes the counters of many tasks as they were seen.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_samples(
    connection: &mut SqliteConnection,
    samples: &[(&TaskId, Timestamp, &Observation)],
) -> Result<(), StoreError> {
    if samples.is_empty() {
        return Ok(());
    }
    let rows: Vec<Value> = samples
        .iter()
        .map(|(id, at, seen)| {
            json!([
                id.as_str(),
                time::to_text(*at),
                seen.desired,
                seen.discovered,
                seen.enriched,
                seen.evaluated,
                seen.results
            ])
        })
        .collect();
    sqlx::query(
        "INSERT INTO samples (task_id, at, desired_num_results, num_results_discovered, num_results_enriched,
                              num_results_evaluated, num_results)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
           FROM json_each(?)",
    )
    .bind(Value::from(rows).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

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
                event.kind,
                event.detail.to_string()
            ])
        })
        .collect();
    sqlx::query(
        "INSERT INTO events (at, task_id, kind, detail)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)",
    )
    .bind(Value::from(rows).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

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
    let samples = sqlx::query(
        "DELETE FROM samples WHERE rowid IN (SELECT rowid FROM samples WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )
    .bind(&before)
    .bind(PRUNE_BATCH)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let events = sqlx::query(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )
    .bind(&before)
    .bind(PRUNE_BATCH)
    .execute(connection)
    .await?
    .rows_affected();
    Ok(samples + events)
}
