//! `daemon`: the one row about the running daemon and the account's gate.

use super::{StoreError, Text, time};
use crate::core::gate::{Gate, Kind};
use crate::core::spending::Limit;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;

/// The row of `daemon`, for people.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct DaemonRow {
    /// The version of the daemon that ran last.
    pub version: Option<Text>,
    /// Its process id; none after an orderly stop.
    pub pid: Option<i64>,
    /// When it started.
    pub started_at: Option<Text>,
    /// Its last heartbeat.
    pub heartbeat_at: Option<Text>,
    /// `open`, or why requests wait.
    pub gate: Text,
    /// The service's error text.
    pub gate_reason: Option<Text>,
    /// When the next probe may be sent.
    pub gate_until: Option<Text>,
    /// Requests that growd has sent since the database was created.
    pub requests: i64,
}

pub(super) const READ: &str = "SELECT version, pid, started_at, heartbeat_at, coalesce(gate, 'open') AS gate, gate_reason, gate_until,
                coalesce(requests, 0) AS requests
           FROM (SELECT 1 AS id) LEFT JOIN daemon USING (id)";

/// Reads the row. A row that an operator deleted reads as a new one.
///
/// # Errors
///
/// What SQLite says.
pub async fn read(connection: &mut SqliteConnection) -> Result<DaemonRow, StoreError> {
    Ok(sqlx::query_as(READ).fetch_one(connection).await?)
}

pub(super) const STARTED: &str =
    "INSERT INTO daemon (id, version, pid, started_at, heartbeat_at) VALUES (1, ?1, ?2, ?3, ?3)
         ON CONFLICT (id) DO UPDATE SET version = ?1, pid = ?2, started_at = ?3, heartbeat_at = ?3
         RETURNING gate, gate_reason, gate_until";

/// Records the start of a daemon; returns the gate as the last daemon left it.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for a value that growd cannot read.
pub async fn started(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Gate, StoreError> {
    let row = sqlx::query(STARTED)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(i64::from(std::process::id()))
        .bind(time::to_text(now))
        .fetch_one(connection)
        .await?;
    let kind: Text = row.try_get("gate")?;
    let kind = Kind::parse(&kind).ok_or_else(|| {
        StoreError::Value(format!(
            "daemon.gate is '{kind}'; `growd check` says what to do"
        ))
    })?;
    let until: Option<Text> = row.try_get("gate_until")?;
    let until = until.and_then(|until| time::from_text(&until));
    let reason: Option<Text> = row.try_get("gate_reason")?;
    Ok(Gate::restored(kind, reason.map(String::from), until, now))
}

pub(super) const HEARTBEAT: &str = "INSERT INTO daemon (id, version, pid, started_at, heartbeat_at, gate, gate_reason, gate_until)
         VALUES (1, ?1, ?2, ?3, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE
            SET version = ?1, pid = ?2, heartbeat_at = ?3, gate = ?4, gate_reason = ?5, gate_until = ?6,
                started_at = iif(julianday(started_at) IS NULL, ?3, started_at)";

/// Records a heartbeat, and restores what others changed in the row.
///
/// # Errors
///
/// What SQLite says.
pub async fn heartbeat(
    connection: &mut SqliteConnection,
    gate: &Gate,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(HEARTBEAT)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(i64::from(std::process::id()))
        .bind(time::to_text(now))
        .bind(gate.kind.as_str())
        .bind(gate.reason.as_deref())
        .bind(gate.until.map(time::to_text))
        .execute(connection)
        .await?;
    Ok(())
}

/// The sum of `requests` and `?1`, which is an integer even if that exceeds the largest one.
macro_rules! more_requests {
    () => {
        "requests = min(requests + ?1, 9223372036854775807)"
    };
}

pub(super) const STOPPED: &str = concat!(
    "UPDATE daemon SET pid = NULL, heartbeat_at = ?2, ",
    more_requests!(),
    " WHERE id = 1"
);

/// Records the stop of the daemon, and adds the requests that are not in the row yet.
///
/// # Errors
///
/// What SQLite says.
pub async fn stopped(
    connection: &mut SqliteConnection,
    requests: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(STOPPED)
        .bind(requests)
        .bind(time::to_text(now))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const ADD_REQUESTS: &str =
    concat!("UPDATE daemon SET ", more_requests!(), " WHERE id = 1");

/// Adds to the number of requests that were sent. Returns whether the row is there: an operator may have deleted it.
///
/// # Errors
///
/// What SQLite says.
pub async fn add_requests(
    connection: &mut SqliteConnection,
    requests: u32,
) -> Result<bool, StoreError> {
    let rows = sqlx::query(ADD_REQUESTS)
        .bind(requests)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(rows > 0)
}

pub(super) const SAVE_GATE: &str =
    "UPDATE daemon SET gate = ?, gate_reason = ?, gate_until = ? WHERE id = 1";

/// Writes the gate.
///
/// # Errors
///
/// What SQLite says.
pub async fn save_gate(connection: &mut SqliteConnection, gate: &Gate) -> Result<(), StoreError> {
    sqlx::query(SAVE_GATE)
        .bind(gate.kind.as_str())
        .bind(gate.reason.as_deref())
        .bind(gate.until.map(time::to_text))
        .execute(connection)
        .await?;
    Ok(())
}

/// What the row says of spending.
#[derive(Debug, Clone, Default)]
pub struct SpendingRow {
    /// The credits as the service last showed them, none if it did not, and when it was asked.
    pub credits: Option<(Option<i64>, Timestamp)>,
    /// When each limit was last reported as nearly used up, by its configuration key.
    near: BTreeMap<String, String>,
}

impl SpendingRow {
    /// Returns when a limit was last reported as nearly used up.
    #[must_use]
    pub fn reported_at(&self, limit: Limit) -> Option<Timestamp> {
        time::from_text(self.near.get(limit.key())?)
    }

    /// Notes such a report.
    pub fn report(&mut self, limit: Limit, now: Timestamp) {
        self.near.insert(limit.key().to_owned(), time::to_text(now));
    }
}

pub(super) const READ_SPENDING: &str =
    "SELECT credits, credits_at, limits_near FROM daemon WHERE id = 1";

/// Reads what the row says of spending; nothing if an operator deleted it.
///
/// # Errors
///
/// What SQLite says.
pub async fn read_spending(connection: &mut SqliteConnection) -> Result<SpendingRow, StoreError> {
    let row = sqlx::query(READ_SPENDING)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(SpendingRow::default());
    };
    let asked_at: Option<Text> = row.try_get("credits_at")?;
    let asked_at = asked_at.and_then(|at| time::from_text(&at));
    let available: Option<i64> = row.try_get("credits")?;
    let near: Text = row.try_get("limits_near")?;
    Ok(SpendingRow {
        credits: asked_at.map(|at| (available, at)),
        // Something else that an operator wrote is overwritten by the next report.
        near: serde_json::from_str(&near).unwrap_or_default(),
    })
}

pub(super) const SAVE_LIMITS_NEAR: &str = "UPDATE daemon SET limits_near = ? WHERE id = 1";

/// Writes when the limits were last reported as nearly used up.
///
/// # Errors
///
/// What SQLite says.
pub async fn save_limits_near(
    connection: &mut SqliteConnection,
    row: &SpendingRow,
) -> Result<(), StoreError> {
    let near = serde_json::json!(row.near).to_string();
    sqlx::query(SAVE_LIMITS_NEAR)
        .bind(near)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const SAVE_CREDITS: &str =
    "UPDATE daemon SET credits = ?1, credits_at = coalesce(?2, credits_at) WHERE id = 1";

/// Writes the credits that the service showed, none if it did not, and, where the request is only about to be sent, when
/// it was asked.
///
/// # Errors
///
/// What SQLite says.
pub async fn save_credits(
    connection: &mut SqliteConnection,
    available: Option<i64>,
    asked_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query(SAVE_CREDITS)
        .bind(available)
        .bind(asked_at.map(time::to_text))
        .execute(connection)
        .await?;
    Ok(())
}
