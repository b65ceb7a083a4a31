//! Room on the disk: how much of it the write-ahead log may take.

use super::StoreError;
use nix::sys::statvfs::statvfs;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// Has the log written back before it takes up a quarter of the room there is: once a disk is full, the database's file
/// cannot grow either, and so the log not be written back. The room is that of now: a disk that fills up later keeps the
/// limit.
///
/// # Errors
///
/// What SQLite says.
pub(super) async fn limit_log(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    // Where the room is not known, SQLite's own limit has to do.
    let Ok(disk) = statvfs(path) else {
        return Ok(());
    };
    let pages = pages(disk.blocks_available().saturating_mul(disk.fragment_size()));
    sqlx::query(AssertSqlSafe(format!(
        "PRAGMA wal_autocheckpoint = {pages}"
    )))
    .execute(connection)
    .await?;
    Ok(())
}

/// The limit in pages of the database, for so many bytes of room.
fn pages(room: u64) -> u64 {
    /// In bytes.
    const PAGE: u64 = 4096;
    /// Four times SQLite's own limit: what is looked at often is in the log more than once by then, and written back
    /// once. It is what the log is cut back to, too.
    const USUAL: u64 = 4_000;
    (room / 4 / PAGE).clamp(8, USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_its_usual_limit_save_on_a_small_disk() {
        assert_eq!(pages(u64::MAX), 4_000);
        assert_eq!(pages(64 << 20), 4_000);
        assert_eq!(pages(700 << 10), 43);
        assert_eq!(pages(0), 8);
    }
}
