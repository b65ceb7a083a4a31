//! What the commands show of searches: the view `search_overview`, what needs attention, and one search in full.

use crate::store::overview::StateCount;
use crate::store::{StoreError, Text};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::sqlite::SqliteConnection;

/// A row of the view `search_overview`.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[allow(
    missing_docs,
    reason = "the columns of the view, documented in docs/schema.md"
)]
pub struct SearchOverview {
    pub search: Text,
    pub note: Option<Text>,
    pub state: Text,
    pub reason: Option<Text>,
    pub target: i64,
    pub results: i64,
    pub percent: i64,
    pub parts: i64,
    pub requested: i64,
    pub budget: Option<i64>,
    pub next_at: Option<Text>,
    pub changed_at: Option<Text>,
    pub query: Text,
}

pub(in crate::store) const ROWS: &str =
    "SELECT * FROM search_overview WHERE ?1 IS NULL OR state = ?1 ORDER BY search LIMIT ?2";

/// Returns the first searches, by name: all, or those in `state`, which can be `paused`.
///
/// # Errors
///
/// What SQLite says.
pub async fn rows(
    connection: &mut SqliteConnection,
    state: Option<&str>,
    limit: Option<u32>,
) -> Result<Vec<SearchOverview>, StoreError> {
    let rows = sqlx::query_as(ROWS)
        .bind(state)
        .bind(limit.map_or(-1, i64::from))
        .fetch(connection);
    Ok(rows.try_collect().await?)
}

pub(in crate::store) const COUNTS: &str =
    "SELECT state, count(*) AS tasks FROM search_overview GROUP BY state ORDER BY state";

/// Returns the number of searches in each state that is not empty, `paused` among them.
///
/// # Errors
///
/// What SQLite says.
pub async fn counts(connection: &mut SqliteConnection) -> Result<Vec<StateCount>, StoreError> {
    Ok(sqlx::query_as(COUNTS).fetch_all(connection).await?)
}

pub(in crate::store) const HAS_PARTS: &str =
    "SELECT EXISTS (SELECT 1 FROM tasks WHERE search IS NOT NULL)";

/// Returns whether any task is a part of a search.
///
/// # Errors
///
/// What SQLite says.
pub async fn has_parts(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(HAS_PARTS).fetch_one(connection).await?)
}

pub(in crate::store) const STOPPED: &str = "SELECT * FROM search_overview
      WHERE state IN ('refused', 'failed', 'missing', 'stalled', 'capped') ORDER BY search LIMIT ?";

/// Returns the searches that ended short of their target, except the exhausted ones: at most `limit`, by name.
///
/// # Errors
///
/// What SQLite says.
pub async fn stopped(
    connection: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<SearchOverview>, StoreError> {
    Ok(sqlx::query_as(STOPPED)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

/// A create of which growd does not know whether the service made the task.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OpenCreate {
    /// The search.
    pub search: Text,
    /// The number of the part.
    pub part: i64,
    /// When it was sent.
    pub sent_at: Text,
}

pub(in crate::store) const OPEN_CREATES: &str = "SELECT search, part, sent_at FROM creates
      WHERE state = 'intended' AND sent_at < ? ORDER BY sent_at LIMIT ?";

/// Returns the creates that are `intended` and were sent before this time, the oldest first, at most `limit`.
///
/// # Errors
///
/// What SQLite says.
pub async fn open_creates(
    connection: &mut SqliteConnection,
    before: &str,
    limit: u32,
) -> Result<Vec<OpenCreate>, StoreError> {
    Ok(sqlx::query_as(OPEN_CREATES)
        .bind(before)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

pub(in crate::store) const SHOW: &str = "SELECT json_object(
            'search', s.search, 'query', s.query, 'note', s.note, 'target', s.target, 'chunk', s.chunk, 'budget', s.budget,
            'criteria', json(s.criteria), 'data_sources', json(s.data_sources), 'exclude_domains', json(s.exclude_domains),
            'paused', json(iif(s.paused, 'true', 'false')),
            'created_at', s.created_at, 'updated_at', s.updated_at,
            'state', o.state, 'reason', o.reason, 'results', o.results, 'percent', o.percent, 'parts', o.parts,
            'requested', o.requested, 'next_at', o.next_at, 'changed_at', o.changed_at,
            'tasks', (SELECT json_group_array(json_object(
                    'task_id', t.task_id, 'part', t.part, 'state', t.state, 'reason', t.reason, 'target', t.target,
                    'num_results', t.num_results, 'status', t.status,
                    'is_exhausted', json(CASE t.is_exhausted WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END),
                    'requested', t.requested, 'results_read', p.results_read, 'results_read_at', p.results_read_at,
                    'polled_at', t.polled_at, 'next_poll_at', t.next_poll_at, 'last_error', t.last_error) ORDER BY t.part)
                  FROM overview t JOIN progress p ON p.task_id = t.task_id WHERE t.search = s.search),
            'creates', (SELECT json_group_array(json_object(
                    'id', c.id, 'part', c.part, 'desired', c.desired, 'state', c.state, 'task_id', c.task_id,
                    'http_status', c.http_status, 'detail', c.detail, 'sent_at', c.sent_at, 'resolved_at', c.resolved_at)
                    ORDER BY c.id)
                  FROM creates c WHERE c.search = s.search),
            'events', (SELECT json_group_array(json_object(
                    'id', e.id, 'at', e.at, 'kind', e.kind, 'task_id', e.task_id, 'detail', json(e.detail)) ORDER BY e.id)
                  FROM (SELECT * FROM events WHERE search = s.search ORDER BY id DESC LIMIT ?2) e))
           FROM searches s
           JOIN search_overview o ON o.search = s.search
          WHERE s.search = ?1";

/// Returns one search in full as a JSON document; `None` if it does not exist.
///
/// # Errors
///
/// What SQLite says.
pub async fn show(
    connection: &mut SqliteConnection,
    name: &str,
    events: u32,
) -> Result<Option<Box<RawValue>>, StoreError> {
    let document: Option<Text> = sqlx::query_scalar(SHOW)
        .bind(name)
        .bind(events)
        .fetch_optional(connection)
        .await?;
    document
        .map(|document| RawValue::from_string(document.into()))
        .transpose()
        .map_err(|error| StoreError::Value(error.to_string()))
}
