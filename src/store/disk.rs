//! The disk: how much of its room the write-ahead log may take, and whether it may be written.

use super::StoreError;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::fs::File;
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

/// Whether the system refuses to write the file, which this process may have open: sets its time of modification. What a
/// file system that became read-only after an error says of itself need not tell, and opening the file is no way to find
/// out: closing it again would drop SQLite's locks.
#[must_use]
pub fn refuses_writes(path: &Path) -> bool {
    let now = TimeSpec::UTIME_NOW;
    let touched = utimensat(AT_FDCWD, path, &now, &now, UtimensatFlags::FollowSymlink);
    matches!(touched, Err(Errno::EROFS | Errno::EACCES | Errno::EPERM))
}

/// Whether nobody may write the file: its file system is read-only, it is immutable, or its mode says so. For a process that
/// does not have it open; nothing is written.
#[must_use]
pub fn is_read_only(path: &Path) -> bool {
    let Ok(file) = std::fs::metadata(path) else {
        return false;
    };
    // Opening anything else, such as a pipe, could wait.
    let opened = file
        .is_file()
        .then(|| File::options().write(true).open(path));
    let error = opened.and_then(|opened| opened.err()?.raw_os_error());
    file.permissions().readonly()
        || matches!(
            error.map(Errno::from_raw),
            Some(Errno::EROFS | Errno::EPERM)
        )
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
