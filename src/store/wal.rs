//! The file of the write-ahead log: how large it is, and giving its room back.

use super::StoreError;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A log of more bytes than this cannot be written back, or a reader keeps it from being.
pub const LARGE: u64 = 64 << 20;

/// How long emptying the file may wait for readers, and so hold up the writer.
const MOMENT: Duration = Duration::from_millis(20);

/// A file beside a database, such as its `-wal`. SQLite puts them where the database really is, whatever links lead there.
#[must_use]
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let real = database.canonicalize();
    let mut path = real
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push(suffix);
    path.into()
}

/// Returns the size of the log's file in bytes; 0 where there is none.
#[must_use]
pub fn size(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |log| log.len())
}

/// What a large log means, and what to do about it.
#[must_use]
pub fn advice(log: &Path, bytes: u64) -> String {
    let log = log.display();
    format!(
        "the write-ahead log {log} has {} MiB: a process other than growd keeps a transaction open; find it with `fuser -v {log}` \
         (or `lsof {log}`) and end it, or its transaction; growd then empties the file within a minute",
        bytes >> 20
    )
}

/// Writes the log back into the database as far as readers allow, and empties its file if that was all of it. Waits for
/// no reader for longer than a moment. Returns whether the file is empty.
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
    // This waits for readers as long as the busy timeout is.
    set_busy_timeout(connection, MOMENT).await?;
    let emptied = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    set_busy_timeout(connection, busy_timeout).await?;
    emptied
}

/// Runs a checkpoint; returns whether all of the log is in the database.
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
