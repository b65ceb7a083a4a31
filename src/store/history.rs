//! `samples` and `events`: the history for people, pruned by age in small batches.

use super::rows::{ROWS, Statement};
use super::{StoreError, time};
use crate::core::TaskId;
use crate::core::event::Event;
use crate::core::observation::Observation;
use crate::core::search::event::SearchEvent;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

/// The most rows of one table that one call of [`prune`] removes, so that it does not hold up the writer.
pub const PRUNE_BATCH: u32 = 500;

macro_rules! samples {
    () => {
        "samples (task_id, at, desired_num_results, num_results_discovered, num_results_enriched,
                  num_results_evaluated, num_results) "
    };
}

/// A row without an id is none.
pub(super) static ADD_SAMPLES: Statement = Statement::new(
    concat!("INSERT INTO ", samples!(), "VALUES (?, ?, ?, ?, ?, ?, ?)"),
    concat!(
        "INSERT OR FAIL INTO ",
        samples!(),
        "SELECT * FROM (VALUES) WHERE column1 IS NOT NULL"
    ),
    7,
);

/// Writes the counters of many tasks as they were observed.
///
/// # Errors
///
/// What SQLite says. The transaction is then to be rolled back: some samples may be written.
pub async fn add_samples(
    connection: &mut SqliteConnection,
    samples: &[(&TaskId, Timestamp, &Observation)],
) -> Result<(), StoreError> {
    for samples in samples.chunks(ROWS) {
        let query = sqlx::query(ADD_SAMPLES.sql(samples.len()));
        let insert = samples.iter().fold(query, |query, (id, at, seen)| {
            query
                .bind(id.as_str())
                .bind(time::to_text(*at))
                .bind(seen.desired)
                .bind(seen.discovered)
                .bind(seen.enriched)
                .bind(seen.evaluated)
                .bind(seen.results)
        });
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) const ADD_EVENT: &str =
    "INSERT INTO events (at, task_id, kind, detail) VALUES (?, ?, ?, ?)";

/// Writes many events; an event without a task concerns the daemon or the account.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_events(
    connection: &mut SqliteConnection,
    events: &[(Timestamp, Option<&TaskId>, &Event)],
) -> Result<(), StoreError> {
    for (at, id, event) in events {
        sqlx::query(ADD_EVENT)
            .bind(time::to_text(*at))
            .bind(id.map(TaskId::as_str))
            .bind(event.kind())
            .bind(event.detail())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) const ADD_SEARCH_EVENT: &str =
    "INSERT INTO events (at, search, kind, detail) VALUES (?, ?, ?, ?)";

/// Writes the events of a search.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_search_events(
    connection: &mut SqliteConnection,
    search: &str,
    events: &[SearchEvent],
    at: Timestamp,
) -> Result<(), StoreError> {
    for event in events {
        sqlx::query(ADD_SEARCH_EVENT)
            .bind(time::to_text(at))
            .bind(search)
            .bind(event.kind())
            .bind(event.detail())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) const PRUNE_SAMPLES: &str = "DELETE FROM samples WHERE rowid IN (SELECT rowid FROM samples WHERE at < ?1 ORDER BY at LIMIT ?2)";

pub(super) const PRUNE_EVENTS: &str =
    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// Removes a batch of the samples and events older than `before`; returns the number of removed rows. The caller
/// repeats it until that is 0.
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
