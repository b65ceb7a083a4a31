//! `daemon`: the one row that says who is at work, since when, and what the account's gate is.

use super::{StoreError, Text, time};
use crate::core::gate::{Gate, Kind};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// The row, for people.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct DaemonRow {
    /// The program's version.
    pub version: Option<Text>,
    /// Its process id; none while no daemon runs.
    pub pid: Option<i64>,
    /// When it began.
    pub started_at: Option<Text>,
    /// When it last said that it is well.
    pub heartbeat_at: Option<Text>,
    /// `open`, or why requests are held.
    pub gate: Text,
    /// The service's words.
    pub gate_reason: Option<Text>,
    /// When the next probe may go.
    pub gate_until: Option<Text>,
}

pub(super) const READ: &str = "SELECT version, pid, started_at, heartbeat_at, coalesce(gate, 'open') AS gate, gate_reason, gate_until
           FROM (SELECT 1 AS id) LEFT JOIN daemon USING (id)";

/// Reads the row; one that somebody deleted by hand is as good as new.
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

/// Notes that a daemon has begun; returns the gate as the last one left it.
///
/// # Errors
///
/// What SQLite says, or [`StoreError::Value`] for what growd did not write.
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

/// Notes that the daemon is well, and puts right what others did to the row meanwhile.
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

pub(super) const STOPPED: &str = "UPDATE daemon SET pid = NULL, heartbeat_at = ? WHERE id = 1";

/// Notes that the daemon has stopped.
///
/// # Errors
///
/// What SQLite says.
pub async fn stopped(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(STOPPED)
        .bind(time::to_text(now))
        .execute(connection)
        .await?;
    Ok(())
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
