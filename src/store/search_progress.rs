//! Searches as the daemon needs them: which are due, a whole search with its parts, and what was decided about it.

use super::results::counters;
use super::{StoreError, Text, creates, time};
use crate::core::search::step::NewPart;
use crate::core::search::{Company, Part, Search, SearchProgress, Wanted};
use crate::core::{State, Status, TaskId};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::time::Duration;

pub(super) const DUE: &str = "SELECT search, next_at FROM search_progress WHERE next_at IS NOT NULL ORDER BY next_at LIMIT ?1";

/// Returns the searches that are due first, at most `limit`, each with the time.
///
/// # Errors
///
/// What SQLite says.
pub async fn due(
    connection: &mut SqliteConnection,
    limit: u32,
) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let rows = sqlx::query(DUE).bind(limit).fetch_all(connection).await?;
    let due = rows.iter().map(|row| {
        let search: Text = row.try_get("search")?;
        let next_at: Text = row.try_get("next_at")?;
        // Text that is not a time is due now.
        let at = time::from_text(&next_at).unwrap_or(Timestamp::MIN);
        Ok((search.to_string(), at))
    });
    due.collect()
}

pub(super) const ANY_GROWS: &str =
    "SELECT EXISTS (SELECT 1 FROM search_progress WHERE state IN ('pending', 'growing'))";

/// Returns whether a search has not ended.
///
/// # Errors
///
/// What SQLite says.
pub async fn any_grows(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(ANY_GROWS).fetch_one(connection).await?)
}

pub(super) const SEARCH: &str = "SELECT s.query, s.target, s.criteria, s.data_sources, s.exclude_domains, s.chunk,
            s.budget, s.paused, p.state, p.reason, p.results, p.parts, p.requested, p.next_at, p.changed_at,
            p.begun_after, p.forgiven, p.forgiven_part
       FROM searches AS s JOIN search_progress AS p ON p.search = s.search WHERE s.search = ?1";

pub(super) const PARTS: &str = concat!(
    "SELECT t.task_id, t.part, t.target, t.paused, p.state, p.reason, p.status, p.num_results, p.results_error,
            p.next_poll_at IS NULL AS is_settled, p.results_counters,
            (p.results_counters IS ",
    counters!(),
    ") AS is_read
       FROM tasks AS t JOIN progress AS p ON p.task_id = t.task_id WHERE t.search = ?1 ORDER BY t.part"
);

/// One row for each company of each part; as in the view `companies`.
pub(super) const COMPANIES: &str = "SELECT t.part, r.domain,
            coalesce('d' || r.domain, 'n' || r.company_name, 'r' || r.rowid) AS company
       FROM tasks AS t JOIN results AS r ON r.task_id = t.task_id
      WHERE t.search = ?1 AND r.gone_at IS NULL";

pub(super) const REQUESTED: &str = "SELECT
        coalesce((SELECT sum(desired) FROM creates
                   WHERE search = ?1 AND id > ?2 AND state IN ('intended', 'accepted', 'lost')), 0)
      + coalesce((SELECT sum(r.requested) FROM tasks AS t JOIN resumes AS r ON r.task_id = t.task_id
                   WHERE t.search = ?1 AND r.state IN ('intended', 'accepted', 'lost')), 0)";

/// Returns a whole search; `None` if there is none of this name.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for a value that growd cannot read.
pub async fn load(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Search>, StoreError> {
    let row = sqlx::query(SEARCH)
        .bind(name)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let progress = progress(&row)?;
    let rows = sqlx::query(PARTS)
        .bind(name)
        .fetch_all(&mut *connection)
        .await?;
    let mut parts: Vec<Part> = rows.iter().map(part).collect::<Result<_, _>>()?;
    let rows = sqlx::query(COMPANIES)
        .bind(name)
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let number: i64 = row.try_get("part")?;
        let company: Text = row.try_get("company")?;
        let company = Company {
            key: company.to_string(),
            domain: Text::nullable(row, "domain")?,
        };
        if let Some(part) = parts.iter_mut().find(|part| part.number == number) {
            part.companies.push(company);
        }
    }
    let create = creates::newest(connection, name, progress.begun_after).await?;
    let counted_after = progress.forgiven.max(progress.begun_after);
    let failures = creates::failures(connection, name, counted_after).await?;
    let requested = sqlx::query_scalar(REQUESTED)
        .bind(name)
        .bind(progress.begun_after)
        .fetch_one(connection)
        .await?;
    Ok(Some(Search {
        name: name.to_owned(),
        wanted: wanted(&row)?,
        progress,
        parts,
        create,
        failures,
        requested,
    }))
}

pub(super) const SAVE: &str = "UPDATE search_progress
        SET state = ?2, reason = ?3, results = ?4, parts = ?5, requested = ?6, next_at = ?7, changed_at = ?8
      WHERE search = ?1";

/// Writes what was decided about a search.
///
/// # Errors
///
/// What SQLite says.
pub async fn save(
    connection: &mut SqliteConnection,
    name: &str,
    progress: &SearchProgress,
) -> Result<(), StoreError> {
    sqlx::query(SAVE)
        .bind(name)
        .bind(progress.state.as_str())
        .bind(progress.reason.as_deref())
        .bind(progress.results)
        .bind(progress.parts)
        .bind(progress.requested)
        .bind(progress.next_at.map(time::to_text))
        .bind(progress.changed_at.map(time::to_text))
        .execute(connection)
        .await?;
    Ok(())
}

// An earlier schedule is kept, and so is a delay after an error. A last poll after now counts as one at now: the clock went back.
pub(super) const NEXT_POLL: &str = "SELECT CASE WHEN failures > 0 THEN coalesce(next_poll_at, soonest)
                                        ELSE min(coalesce(next_poll_at, soonest), soonest) END
       FROM (SELECT failures, next_poll_at,
                    max(?2, coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', min(polled_alone_at, ?2), ?3), ?2)) AS soonest
               FROM progress WHERE task_id = ?1)";

pub(super) const SET_TARGET: &str = "UPDATE tasks SET target = ?2 WHERE task_id = ?1";

pub(super) const SCHEDULE: &str =
    "UPDATE progress SET next_poll_at = ?2 WHERE task_id = ?1 AND next_poll_at IS NOT NULL";

/// Sets how far a part grows, and when it is polled next: as scheduled, or earlier, but not within `min_interval` of its last poll,
/// nor during a delay after an error. The triggers alone would make it due now, which is for changes of an operator.
///
/// # Errors
///
/// What SQLite says.
pub async fn set_target(
    connection: &mut SqliteConnection,
    part: &TaskId,
    target: i64,
    min_interval: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    // As a modifier of SQLite's date functions.
    let interval = format!("{:+.3} seconds", min_interval.as_secs_f64());
    let next_poll_at: Option<Text> = sqlx::query_scalar(NEXT_POLL)
        .bind(part.as_str())
        .bind(time::to_text(now))
        .bind(interval)
        .fetch_optional(&mut *connection)
        .await?;
    sqlx::query(SET_TARGET)
        .bind(part.as_str())
        .bind(target)
        .execute(&mut *connection)
        .await?;
    sqlx::query(SCHEDULE)
        .bind(part.as_str())
        .bind(next_poll_at.map(|at| at.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const ADD_PART: &str = "INSERT INTO tasks (task_id, target, chunk, paused, search, part)
     SELECT ?1, ?2, chunk, paused, search, ?4 FROM searches WHERE search = ?3
     ON CONFLICT (task_id) DO UPDATE
            SET search = excluded.search, part = excluded.part, target = excluded.target,
                chunk = excluded.chunk, paused = excluded.paused
       WHERE search IS NULL";

/// Adds a task as a part of a search. A task that is in `tasks` already becomes the part, unless it is a part of a search. The part
/// has the chunk of the search, and is paused with it.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_part(
    connection: &mut SqliteConnection,
    search: &str,
    part: &NewPart,
) -> Result<(), StoreError> {
    sqlx::query(ADD_PART)
        .bind(part.task.as_str())
        .bind(part.target)
        .bind(search)
        .bind(part.part)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const ADD_ORPHAN: &str = "INSERT INTO tasks (task_id, target, paused, note)
     VALUES (?1, ?2, 1, ?3) ON CONFLICT (task_id) DO NOTHING";

/// Adds a task that was created, and so paid for, and that no search has: an ordinary task, paused. `note` says why.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_orphan(
    connection: &mut SqliteConnection,
    task: &TaskId,
    target: i64,
    note: &str,
) -> Result<(), StoreError> {
    sqlx::query(ADD_ORPHAN)
        .bind(task.as_str())
        .bind(target)
        .bind(note)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const WAKE: &str = "UPDATE search_progress SET next_at = ?1
      WHERE state <> 'reached' AND state <> 'exhausted'
        AND EXISTS (SELECT 1 FROM searches WHERE searches.search = search_progress.search AND NOT paused)";

/// Makes the searches due that a new configuration, a gate that has opened, or a restart can concern.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(WAKE)
        .bind(time::to_text(now))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const WAKE_TOO_LATE: &str = "UPDATE search_progress SET next_at = ?1 WHERE next_at > ?2 OR next_at NOT GLOB '????-??-??T??:??:??*Z'";

/// Makes the searches due whose `next_at` is later than `horizon`, or is not a time: the clock went back, or an operator has
/// set it.
///
/// # Errors
///
/// What SQLite says.
pub async fn wake_too_late(
    connection: &mut SqliteConnection,
    now: Timestamp,
    horizon: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(WAKE_TOO_LATE)
        .bind(time::to_text(now))
        .bind(time::to_text(horizon))
        .execute(connection)
        .await?;
    Ok(())
}

fn wanted(row: &SqliteRow) -> Result<Wanted, StoreError> {
    let query: Text = row.try_get("query")?;
    Ok(Wanted {
        query: query.to_string(),
        target: row.try_get("target")?,
        criteria: array(row, "criteria")?,
        data_sources: array(row, "data_sources")?,
        exclude_domains: array(row, "exclude_domains")?
            .as_ref()
            .and_then(Value::as_array)
            .map(|domains| {
                let texts = domains.iter().filter_map(Value::as_str);
                texts.map(str::to_owned).collect()
            })
            .unwrap_or_default(),
        chunk: row.try_get("chunk")?,
        budget: row.try_get("budget")?,
        paused: row.try_get("paused")?,
    })
}

/// Reads a JSON array; the triggers of the schema refuse anything else.
fn array(row: &SqliteRow, column: &str) -> Result<Option<Value>, StoreError> {
    let text = Text::nullable(row, column)?;
    text.map(|text| {
        serde_json::from_str(&text)
            .map_err(|error| StoreError::Value(format!("searches.{column}: {error}")))
    })
    .transpose()
}

fn progress(row: &SqliteRow) -> Result<SearchProgress, StoreError> {
    Ok(SearchProgress {
        state: state(row)?,
        reason: Text::nullable(row, "reason")?,
        results: row.try_get("results")?,
        parts: row.try_get("parts")?,
        requested: row.try_get("requested")?,
        next_at: time(row, "next_at")?,
        changed_at: time(row, "changed_at")?,
        begun_after: row.try_get("begun_after")?,
        forgiven: row.try_get("forgiven")?,
        forgiven_part: row.try_get("forgiven_part")?,
    })
}

fn part(row: &SqliteRow) -> Result<Part, StoreError> {
    let id: Text = row.try_get("task_id")?;
    let status = Text::nullable(row, "status")?;
    let counters = Text::nullable(row, "results_counters")?;
    let at_reading = counters.as_deref().and_then(|text| text.split(' ').next());
    Ok(Part {
        task: id
            .parse()
            .map_err(|error| StoreError::Value(format!("tasks.task_id is '{id}': {error}")))?,
        number: row.try_get("part")?,
        target: row.try_get("target")?,
        paused: row.try_get("paused")?,
        state: state(row)?,
        reason: Text::nullable(row, "reason")?,
        status: status.map(|status| Status::parse(&status)),
        is_settled: row.try_get("is_settled")?,
        results: row.try_get::<Option<i64>, _>("num_results")?.unwrap_or(0),
        results_at_reading: at_reading.and_then(|text| text.parse().ok()).unwrap_or(0),
        is_read: row.try_get::<Option<bool>, _>("is_read")? == Some(true),
        results_error: Text::nullable(row, "results_error")?,
        companies: Vec::new(),
    })
}

fn state(row: &SqliteRow) -> Result<State, StoreError> {
    let state: Text = row.try_get("state")?;
    State::parse(&state).ok_or_else(|| StoreError::Value(format!("a state is '{state}'")))
}

/// A time of the schedule. Text that is not a time counts as null.
fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let text = Text::nullable(row, column)?;
    Ok(text.and_then(|text| time::from_text(&text)))
}
