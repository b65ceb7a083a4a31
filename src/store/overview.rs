//! What the commands show: the `overview`, and one task in full.

use super::{StoreError, Text};
use crate::core::TaskId;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::sqlite::SqliteConnection;

/// A row of the view `overview`.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[allow(
    missing_docs,
    reason = "the columns of the view, documented in docs/schema.md"
)]
pub struct OverviewRow {
    pub task_id: Text,
    pub note: Option<Text>,
    pub state: Text,
    pub reason: Option<Text>,
    pub target: i64,
    pub num_results: Option<i64>,
    pub percent: i64,
    pub status: Option<Text>,
    pub is_exhausted: Option<bool>,
    pub requested: i64,
    pub polled_at: Option<Text>,
    pub next_poll_at: Option<Text>,
    pub last_error: Option<Text>,
}

/// How many tasks are in a state.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct StateCount {
    /// The state, or `paused`.
    pub state: String,
    /// How many tasks.
    pub tasks: i64,
}

/// The tasks in the order in which they were added, all or those in `state`.
pub fn rows<'c>(
    connection: &'c mut SqliteConnection,
    state: Option<&'c str>,
) -> BoxStream<'c, Result<OverviewRow, StoreError>> {
    sqlx::query_as(
        "SELECT o.* FROM overview o JOIN tasks t ON t.task_id = o.task_id
          WHERE ?1 IS NULL OR o.state = ?1 ORDER BY t.created_at, t.task_id",
    )
    .bind(state)
    .fetch(connection)
    .map_err(StoreError::from)
    .boxed()
}

/// How many tasks are in each state that any is in. Without a look at each of them: from the index of the states, and
/// the paused tasks, which are few.
///
/// # Errors
///
/// What SQLite says.
pub async fn counts(connection: &mut SqliteConnection) -> Result<Vec<StateCount>, StoreError> {
    Ok(sqlx::query_as(
        "WITH paused AS MATERIALIZED (SELECT p.state FROM tasks t JOIN progress p USING (task_id) WHERE t.paused)
         SELECT state, sum(tasks) AS tasks
           FROM (SELECT state, count(*) AS tasks FROM progress GROUP BY state
                 UNION ALL SELECT state, -1 FROM paused
                 UNION ALL SELECT 'paused', 1 FROM paused)
          GROUP BY state HAVING sum(tasks) > 0 ORDER BY state",
    )
    .fetch_all(connection)
    .await?)
}

/// One task in full, as one JSON document; none where there is no such task.
///
/// # Errors
///
/// What SQLite says.
pub async fn show(
    connection: &mut SqliteConnection,
    id: &TaskId,
    events: u32,
) -> Result<Option<Box<RawValue>>, StoreError> {
    let document: Option<Text> = sqlx::query_scalar(
        "SELECT json_object(
            'task_id', t.task_id, 'note', t.note, 'target', t.target, 'chunk', t.chunk,
            'paused', json(iif(t.paused, 'true', 'false')),
            'created_at', t.created_at, 'updated_at', t.updated_at,
            'state', o.state, 'reason', o.reason, 'percent', o.percent, 'requested', o.requested,
            'status', p.status,
            'is_exhausted', json(CASE p.is_exhausted WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END),
            'desired_num_results', p.desired_num_results,
            'num_results_discovered', p.num_results_discovered, 'num_results_enriched', p.num_results_enriched,
            'num_results_evaluated', p.num_results_evaluated, 'num_results', p.num_results,
            'query', p.query, 'polls', p.polls, 'failures', p.failures, 'last_error', p.last_error,
            'polled_at', p.polled_at, 'changed_at', p.changed_at, 'next_poll_at', p.next_poll_at,
            'stalled', p.stalled,
            'resumes', (SELECT json_group_array(json_object(
                    'id', r.id, 'requested', r.requested, 'baseline_desired', r.baseline_desired,
                    'baseline_results', r.baseline_results, 'state', r.state, 'http_status', r.http_status,
                    'detail', r.detail, 'sent_at', r.sent_at, 'resolved_at', r.resolved_at,
                    'shown_at', r.shown_at, 'brought', r.brought) ORDER BY r.id)
                  FROM resumes r WHERE r.task_id = t.task_id),
            'events', (SELECT json_group_array(json_object(
                    'id', e.id, 'at', e.at, 'kind', e.kind, 'detail', json(e.detail)) ORDER BY e.id)
                  FROM (SELECT * FROM events WHERE task_id = t.task_id ORDER BY id DESC LIMIT ?2) e))
           FROM tasks t
           JOIN progress p ON p.task_id = t.task_id
           JOIN overview o ON o.task_id = t.task_id
          WHERE t.task_id = ?1",
    )
    .bind(id.as_str())
    .bind(events)
    .fetch_optional(connection)
    .await?;
    document
        .map(|document| RawValue::from_string(document.into()))
        .transpose()
        .map_err(|error| StoreError::Value(error.to_string()))
}
