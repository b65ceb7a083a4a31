//! The disk: the size limit of the write-ahead log, and whether a file can be written.

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

/// Limits the log to a quarter of the free disk space. On a full disk the database's file cannot grow, so the log could
/// not be written back. The limit is computed once, from the space that is free now.
///
/// # Errors
///
/// What SQLite says.
pub(super) async fn limit_log(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    // If the free space is unknown, SQLite's own limit stays.
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

/// Returns whether the system refuses to write the file, by setting its modification time. The process may have the
/// file open: opening and closing it again would drop SQLite's locks. The mount flags of a file system that became
/// read-only after an error do not always show it.
#[must_use]
pub fn refuses_writes(path: &Path) -> bool {
    let now = TimeSpec::UTIME_NOW;
    let touched = utimensat(AT_FDCWD, path, &now, &now, UtimensatFlags::FollowSymlink);
    matches!(touched, Err(Errno::EROFS | Errno::EACCES | Errno::EPERM))
}

/// Returns whether the file is read-only for all: by its file system, its mode, or the immutable flag. Writes nothing.
/// Only for a process that does not have the file open.
#[must_use]
pub fn is_read_only(path: &Path) -> bool {
    let Ok(file) = std::fs::metadata(path) else {
        return false;
    };
    // Opening another kind of file, such as a pipe, could block.
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

/// Returns the limit in pages of the database, for so many bytes of free space.
fn pages(free: u64) -> u64 {
    /// In bytes.
    const PAGE: u64 = 4096;
    /// Four times SQLite's own limit: pages that change often are in the log several times by then, and are written
    /// back once. `JOURNAL_SIZE_LIMIT` is as large.
    const USUAL: u64 = 4_000;
    (free / 4 / PAGE).clamp(8, USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_its_usual_limit_except_on_a_small_disk() {
        assert_eq!(pages(u64::MAX), 4_000);
        assert_eq!(pages(64 << 20), 4_000);
        assert_eq!(pages(700 << 10), 43);
        assert_eq!(pages(0), 8);
    }
}
