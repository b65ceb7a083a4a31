//! `resumes`, the ledger of paid requests for more results, and what counts towards the limits. Rows are added and settled,
//! never removed.

use super::{StoreError, Text, time};
use crate::core::failure::PAYMENT_ERRORS;
use crate::core::paid_request::{PaidRequest, RequestState};
use crate::core::policy::Growth;
use crate::core::resume::{Idle, Resume};
use crate::core::spending::{Limit, Used, Windows};
use crate::core::{TaskId, after};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::time::Duration;

pub(super) const NEXT_ID: &str = "SELECT 1 + max(
            coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'resumes'), 0),
            coalesce((SELECT max(id) FROM resumes), 0))";

/// Returns the id of the next row: the one that `AUTOINCREMENT` would choose. No id is given out twice, not even after its
/// row was deleted.
///
/// # Errors
///
/// What SQLite says.
pub async fn next_id(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(NEXT_ID).fetch_one(connection).await?)
}

pub(super) const INTEND: &str = "INSERT INTO resumes
           (id, task_id, requested, baseline_desired, baseline_results, best_results, state, sent_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

/// Writes a new row down, before its resume is sent.
///
/// # Errors
///
/// What SQLite says. A second `intended` resume of a task violates a unique index.
pub async fn intend(
    connection: &mut SqliteConnection,
    task_id: &TaskId,
    resume: &Resume,
) -> Result<(), StoreError> {
    sqlx::query(INTEND)
        .bind(resume.request.id)
        .bind(task_id.as_str())
        .bind(resume.request.requested)
        .bind(resume.baseline_desired)
        .bind(resume.baseline_results)
        .bind(resume.best_results)
        .bind(resume.request.state.as_str())
        .bind(time::to_text(resume.request.sent_at))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const UPDATE: &str = "UPDATE resumes
            SET state = ?2, http_status = ?3, detail = ?4, shown_at = ?5, brought = ?6, resolved_at = ?7,
                effect_at = ?8, idle_since = ?9, idle_until = ?10,
                refusal = CASE WHEN ?11 THEN 1 WHEN refusal THEN 0 END
          WHERE id = ?1";

/// Writes the changed state of a resume.
///
/// # Errors
///
/// What SQLite says.
pub async fn update(connection: &mut SqliteConnection, resume: &Resume) -> Result<(), StoreError> {
    sqlx::query(UPDATE)
        .bind(resume.request.id)
        .bind(resume.request.state.as_str())
        .bind(resume.request.http_status)
        .bind(resume.request.detail.as_deref())
        .bind(resume.shown_at.map(time::to_text))
        .bind(resume.brought)
        .bind(resume.request.resolved_at.map(time::to_text))
        .bind(resume.effect_at.map(time::to_text))
        .bind(resume.idle.map(|idle| time::to_text(idle.since)))
        .bind(resume.idle.map(|idle| time::to_text(idle.until)))
        .bind(resume.request.refusal)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const FIND: &str = "SELECT * FROM resumes WHERE id = ?";

/// Reads one resume.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for a value that growd cannot read.
pub async fn find(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<Option<Resume>, StoreError> {
    let row = sqlx::query(FIND)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(resume).transpose()
}

pub(super) const ASKED_WITHIN: &str =
    "SELECT coalesce(sum(asked), 0) AS asked, min(oldest) AS oldest FROM (
        SELECT sum(requested) AS asked, min(sent_at) AS oldest FROM resumes
         WHERE sent_at > ?1 AND state IN ('intended', 'accepted', 'lost')
        UNION ALL
        SELECT sum(desired), min(sent_at) FROM creates
         WHERE sent_at > ?1 AND state IN ('intended', 'accepted', 'lost'))";

/// Returns what counts towards a limit: the resumes and creates that were sent, or may have been, within `window` before
/// `now`. A request after `now` counts too: the clock may have gone back.
///
/// # Errors
///
/// What SQLite says.
pub async fn asked_within(
    connection: &mut SqliteConnection,
    limit: Limit,
    window: Duration,
    now: Timestamp,
) -> Result<Used, StoreError> {
    let since = now.checked_sub(window).unwrap_or(Timestamp::MIN);
    let row = sqlx::query(ASKED_WITHIN)
        .bind(time::to_text(since))
        .fetch_one(connection)
        .await?;
    let oldest = row
        .try_get::<Option<Text>, _>("oldest")?
        .and_then(|oldest| time::from_text(&oldest));
    // However far the clock leapt.
    let latest = after(now, limit.window());
    Ok(Used {
        limit,
        requested: row.try_get("asked")?,
        frees_at: oldest.map(|at| after(at.min(now), window).min(latest)),
    })
}

/// Returns what counts towards each limit that is configured.
///
/// # Errors
///
/// What SQLite says.
pub async fn used(
    connection: &mut SqliteConnection,
    growth: &Growth,
    windows: Windows,
    now: Timestamp,
) -> Result<Vec<Used>, StoreError> {
    let mut used = Vec::new();
    for &limit in Limit::ALL {
        if limit.of(growth).is_some() {
            let window = windows.of(limit);
            used.push(asked_within(&mut *connection, limit, window, now).await?);
        }
    }
    Ok(used)
}

pub(super) const RESTART_SETTLING: &str = "UPDATE resumes
            SET sent_at = ?1, resolved_at = min(resolved_at, ?1), idle_since = NULL, idle_until = NULL
          WHERE sent_at > ?1 AND (state IN ('intended', 'lost') OR (state = 'accepted' AND brought IS NULL))";

/// Restarts the settling time of open resumes whose `sent_at` is after `now`: the clock went back, and their age is
/// unknown. Returns the number of these resumes.
///
/// # Errors
///
/// What SQLite says.
pub async fn restart_settling(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Ok(sqlx::query(RESTART_SETTLING)
        .bind(time::to_text(now))
        .execute(connection)
        .await?
        .rows_affected())
}

pub(super) const FORBIDDEN_ALONE: &str = "SELECT EXISTS (
        SELECT 1 FROM resumes AS mine
         WHERE mine.task_id = ?1 AND mine.id > ?3 AND mine.id < ?2
           AND mine.state = 'rejected' AND mine.http_status = 403
           AND coalesce(mine.detail, '') NOT IN (SELECT value FROM json_each(?4))
           AND (EXISTS (SELECT 1 FROM resumes AS other
                         WHERE other.id > mine.id AND other.id < ?2
                           AND other.task_id <> ?1 AND other.state = 'accepted')
             OR EXISTS (SELECT 1 FROM creates AS other
                         WHERE other.sent_at > mine.resolved_at AND other.state = 'accepted')))";

/// Returns whether a resume of this task, before `id` and after `forgiven`, was answered 403 for another reason than
/// payment, and another paid request was accepted since.
///
/// # Errors
///
/// What SQLite says.
pub async fn was_forbidden_alone(
    connection: &mut SqliteConnection,
    task_id: &TaskId,
    id: i64,
    forgiven: i64,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(FORBIDDEN_ALONE)
        .bind(task_id.as_str())
        .bind(id)
        .bind(forgiven)
        .bind(serde_json::json!(PAYMENT_ERRORS).to_string())
        .fetch_one(connection)
        .await?)
}

/// A row of a ledger, `resumes` or `creates`. Its errors name the value that cannot be read.
pub(super) struct LedgerRow<'a> {
    row: &'a SqliteRow,
    table: &'static str,
    id: i64,
}

impl<'a> LedgerRow<'a> {
    pub fn of(table: &'static str, row: &'a SqliteRow) -> Result<Self, StoreError> {
        let id = row.try_get("id")?;
        Ok(Self { row, table, id })
    }

    /// Returns the error of a value that is not what its column holds.
    pub fn unreadable(&self, column: &str, text: &str, fault: &str) -> StoreError {
        StoreError::Value(format!(
            "{}.{column} where id = {} is '{text}', which is not {fault}",
            self.table, self.id
        ))
    }

    /// Reads a time, or null.
    pub fn time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        let text: Option<Text> = self.row.try_get(column)?;
        text.map(|text| {
            time::from_text(&text).ok_or_else(|| self.unreadable(column, &text, "a time"))
        })
        .transpose()
    }

    /// Reads the columns that all ledgers have; `requested` is the column with the number of results.
    pub fn request(&self, requested: &str) -> Result<PaidRequest, StoreError> {
        let row = self.row;
        let state: Text = row.try_get("state")?;
        Ok(PaidRequest {
            id: self.id,
            requested: row.try_get(requested)?,
            state: RequestState::parse(&state)
                .ok_or_else(|| self.unreadable("state", &state, "a known state"))?,
            http_status: row.try_get("http_status")?,
            detail: Text::nullable(row, "detail")?,
            sent_at: (self.time("sent_at")?)
                .ok_or_else(|| self.unreadable("sent_at", "", "a time"))?,
            resolved_at: self.time("resolved_at")?,
            refusal: row.try_get::<Option<bool>, _>("refusal")? == Some(true),
        })
    }
}

/// Reads a row of `resumes`.
pub(super) fn resume(row: &SqliteRow) -> Result<Resume, StoreError> {
    let of_ledger = LedgerRow::of("resumes", row)?;
    let time = |column: &str| of_ledger.time(column);
    Ok(Resume {
        request: of_ledger.request("requested")?,
        baseline_desired: row.try_get("baseline_desired")?,
        baseline_results: row.try_get("baseline_results")?,
        best_results: row.try_get("best_results")?,
        effect_at: time("effect_at")?,
        shown_at: time("shown_at")?,
        idle: time("idle_since")?
            .zip(time("idle_until")?)
            .map(|(since, until)| Idle { since, until }),
        brought: row.try_get("brought")?,
    })
}
