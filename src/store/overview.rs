//! The reads of the commands: the view `overview`, the state counts, and one task in full.

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
    pub search: Option<Text>,
    pub part: Option<i64>,
}

impl OverviewRow {
    /// Returns the search and the number of the part, such as `bakeries/2`, if the task is a part of a search.
    #[must_use]
    pub fn part_of(&self) -> Option<String> {
        let (search, part) = (self.search.as_ref()?, self.part?);
        Some(format!("{search}/{part}"))
    }
}

/// The number of tasks, or of searches, in a state.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct StateCount {
    /// The state, or `paused`.
    pub state: String,
    /// The number of tasks or searches.
    pub tasks: i64,
}

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// By the time of addition; all rows are sorted in memory.
    Added,
    /// By id, as in the table: a million rows take no memory.
    Id,
}

pub(super) const ROWS_ADDED: &str =
    "SELECT o.* FROM overview o JOIN tasks t ON t.task_id = o.task_id
      WHERE ?1 IS NULL OR o.state = ?1 ORDER BY t.created_at, t.task_id";

pub(super) const ROWS: &str = "SELECT * FROM overview ORDER BY task_id";
pub(super) const ROWS_PAUSED: &str =
    "SELECT * FROM overview WHERE task_id IN (SELECT task_id FROM tasks WHERE paused)";
pub(super) const ROWS_IN: &str =
    "SELECT o.* FROM progress p CROSS JOIN overview o ON o.task_id = p.task_id
      WHERE p.state = ?1 AND o.state = ?1 ORDER BY p.task_id";
pub(super) const ROWS_FIRST: &str =
    "SELECT o.* FROM progress p CROSS JOIN overview o ON o.task_id = p.task_id
      WHERE p.state = ?1 AND o.state = ?1 ORDER BY p.task_id LIMIT ?2";

/// Returns all tasks, or those in `state`.
pub fn rows<'c>(
    connection: &'c mut SqliteConnection,
    state: Option<&'c str>,
    order: RowOrder,
) -> BoxStream<'c, Result<OverviewRow, StoreError>> {
    let sql = match (order, state) {
        (RowOrder::Added, _) => ROWS_ADDED,
        (RowOrder::Id, None) => ROWS,
        (RowOrder::Id, Some("paused")) => ROWS_PAUSED,
        (RowOrder::Id, Some(_)) => ROWS_IN,
    };
    sqlx::query_as(sql)
        .bind(state)
        .fetch(connection)
        .map_err(StoreError::from)
        .boxed()
}

/// Returns the first tasks, by id, in a state other than `paused`.
///
/// # Errors
///
/// What SQLite says.
pub async fn first(
    connection: &mut SqliteConnection,
    state: &str,
    limit: usize,
) -> Result<Vec<OverviewRow>, StoreError> {
    Ok(sqlx::query_as(ROWS_FIRST)
        .bind(state)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?)
}

pub(super) const COUNTS: &str = "WITH paused AS MATERIALIZED (SELECT p.state FROM tasks t JOIN progress p USING (task_id) WHERE t.paused)
         SELECT state, sum(tasks) AS tasks
           FROM (SELECT state, count(*) AS tasks FROM progress GROUP BY state
                 UNION ALL SELECT state, -1 FROM paused
                 UNION ALL SELECT 'paused', 1 FROM paused)
          GROUP BY state HAVING sum(tasks) > 0 ORDER BY state";

pub(super) const NAMED: &str =
    "SELECT o.* FROM json_each(?1) AS named CROSS JOIN overview o ON o.task_id = named.value";

/// Returns the tasks with these ids, in the order of `ids`.
///
/// # Errors
///
/// What SQLite says.
pub async fn named(
    connection: &mut SqliteConnection,
    ids: &[&str],
) -> Result<Vec<OverviewRow>, StoreError> {
    let ids = serde_json::Value::from(ids).to_string();
    Ok(sqlx::query_as(NAMED)
        .bind(ids)
        .fetch_all(connection)
        .await?)
}

pub(super) const IS_OPEN: &str =
    "SELECT EXISTS (SELECT 1 FROM progress p CROSS JOIN tasks t ON t.task_id = p.task_id
                      WHERE p.queue IN ('new', 'limit', 'regular') AND p.next_poll_at IS NOT NULL AND p.state <> 'missing')
          OR EXISTS (SELECT 1 FROM progress p CROSS JOIN tasks t ON t.task_id = p.task_id
                      WHERE p.state IN ('pending', 'growing') AND NOT t.paused)";

/// Returns whether a task has not ended and is not paused. A missing task has ended, although it is polled once a day.
///
/// # Errors
///
/// What SQLite says.
pub async fn is_open(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(IS_OPEN).fetch_one(connection).await?)
}

pub(super) const QUIET: &str =
    "SELECT p.task_id, coalesce(p.last_error, p.status) AS shows, p.quiet_at
       FROM progress p CROSS JOIN tasks t ON t.task_id = p.task_id
      WHERE p.quiet_at IS NOT NULL AND NOT t.paused ORDER BY p.quiet_at LIMIT ?";

/// A task that has not changed for `polling.quiet_after`, although the service calls it running or does not describe
/// it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct QuietRow {
    /// The task.
    pub task_id: Text,
    /// The last error, or the status if polls succeed.
    pub shows: Option<Text>,
    /// Since when it has been reported.
    pub quiet_at: Text,
}

/// Returns the quiet tasks, the longest quiet first, at most `limit`.
///
/// # Errors
///
/// What SQLite says.
pub async fn quiet(
    connection: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<QuietRow>, StoreError> {
    Ok(sqlx::query_as(QUIET)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

/// Returns the number of tasks in each state that is not empty, from the index of the states and the paused tasks; it
/// does not read every task.
///
/// # Errors
///
/// What SQLite says.
pub async fn counts(connection: &mut SqliteConnection) -> Result<Vec<StateCount>, StoreError> {
    Ok(sqlx::query_as(COUNTS).fetch_all(connection).await?)
}

pub(super) const SHOW: &str = "SELECT json_object(
            'task_id', t.task_id, 'note', t.note, 'target', t.target, 'chunk', t.chunk,
            'budget', t.budget, 'budget_used', iif(t.budget IS NULL, NULL,
                (SELECT coalesce(sum(b.requested), 0) FROM resumes b
                  WHERE b.task_id = t.task_id AND b.state IN ('intended', 'accepted', 'lost'))),
            'search', t.search, 'part', t.part,
            'paused', json(iif(t.paused, 'true', 'false')),
            'created_at', t.created_at, 'updated_at', t.updated_at,
            'state', o.state, 'reason', o.reason, 'percent', o.percent, 'requested', o.requested,
            'status', p.status,
            'is_exhausted', json(CASE p.is_exhausted WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END),
            'desired_num_results', p.desired_num_results,
            'num_results_discovered', p.num_results_discovered, 'num_results_enriched', p.num_results_enriched,
            'num_results_evaluated', p.num_results_evaluated, 'num_results', p.num_results,
            'query', p.query, 'polls', p.polls, 'failures', p.failures, 'last_error', p.last_error,
            'polled_at', p.polled_at, 'polled_alone_at', p.polled_alone_at, 'changed_at', p.changed_at, 'next_poll_at', p.next_poll_at,
            'stalled', p.stalled,
            'results_read', p.results_read, 'results_read_at', p.results_read_at,
            'results_failures', p.results_failures, 'results_error', p.results_error,
            'results_kept', (SELECT count(*) FROM results k WHERE k.task_id = t.task_id),
            'results_gone', (SELECT count(*) FROM results k WHERE k.task_id = t.task_id AND k.gone_at IS NOT NULL),
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
          WHERE t.task_id = ?1";

/// Returns one task in full as a JSON document; none if it does not exist.
///
/// # Errors
///
/// What SQLite says.
pub async fn show(
    connection: &mut SqliteConnection,
    id: &TaskId,
    events: u32,
) -> Result<Option<Box<RawValue>>, StoreError> {
    let document: Option<Text> = sqlx::query_scalar(SHOW)
        .bind(id.as_str())
        .bind(events)
        .fetch_optional(connection)
        .await?;
    document
        .map(|document| RawValue::from_string(document.into()))
        .transpose()
        .map_err(|error| StoreError::Value(error.to_string()))
}
