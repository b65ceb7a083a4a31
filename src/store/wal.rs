//! The write-ahead log's file: its size, and truncating it.

use super::StoreError;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A log of more bytes than this is large: a reader probably keeps it from being written back.
pub const LARGE: u64 = 64 << 20;

/// How long truncating the file waits for readers, and so holds up the writer.
const TRUNCATE_WAIT: Duration = Duration::from_millis(20);

/// Returns the path of a file beside a database, such as its `-wal`. SQLite resolves symbolic links first.
#[must_use]
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let real = database.canonicalize();
    let mut path = real
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push(suffix);
    path.into()
}

/// Returns the size of the log's file in bytes; 0 if it does not exist.
#[must_use]
pub fn size(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// Returns what a large log means, and what the operator can do.
#[must_use]
pub fn advice(log: &Path, bytes: u64) -> String {
    let log = log.display();
    format!(
        "the write-ahead log {log} has {} MiB: a process other than growd keeps a transaction open; find it with `fuser -v {log}` \
         (or `lsof {log}`) and end it, or its transaction; growd then empties the file within a minute",
        bytes >> 20
    )
}

/// Writes the log back into the database as far as readers allow, and truncates its file if that was all of it. Returns
/// whether the file is empty.
///
/// # Errors
///
/// What SQLite says.
pub async fn shrink(
    connection: &mut SqliteConnection,
    busy_timeout: Duration,
) -> Result<bool, StoreError> {
    if !checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)").await? {
        return Ok(false);
    }
    // A truncating checkpoint waits for readers as long as the busy timeout.
    set_busy_timeout(connection, TRUNCATE_WAIT).await?;
    let emptied = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    set_busy_timeout(connection, busy_timeout).await?;
    emptied
}

/// Runs a checkpoint; returns whether the whole log is in the database.
async fn checkpoint(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> Result<bool, StoreError> {
    let row = sqlx::query(sql).fetch_one(connection).await?;
    let (busy, frames, written): (i64, i64, i64) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(busy == 0 && frames == written)
}

async fn set_busy_timeout(
    connection: &mut SqliteConnection,
    timeout: Duration,
) -> Result<(), StoreError> {
    let sql = format!("PRAGMA busy_timeout = {}", timeout.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}
