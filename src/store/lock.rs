//! One daemon for each database: an advisory lock on a file beside it, which the kernel releases when the holder dies.
//!
//! The lock is not on the database itself: closing any handle to it would drop SQLite's own locks.

use super::StoreError;
use nix::fcntl::OFlag;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The content of the lock file while a command migrates the database.
const MIGRATING: &str = "migrating";

/// How long a daemon waits for a command's migration.
const MIGRATION_WAIT: Duration = Duration::from_secs(5);

/// How long a daemon retries: a command that checks whether a daemon runs holds the lock for less than that.
const CHECK_WAIT: Duration = Duration::from_millis(200);

/// The lock of a database's daemon; released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock for a daemon. Waits for a command's migration, but not for another daemon.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if a daemon holds it, [`StoreError::Lock`] if the file cannot be created,
    /// [`StoreError::HardLinked`] if the database has another name.
    pub async fn take(database: &Path) -> Result<Self, StoreError> {
        let begin = Instant::now();
        loop {
            match Self::try_take(database, &std::process::id().to_string()) {
                Err(StoreError::Locked { holder, .. })
                    if holder == MIGRATING && begin.elapsed() < MIGRATION_WAIT => {}
                Err(StoreError::Locked { .. }) if begin.elapsed() < CHECK_WAIT => {}
                Err(error) => return Err(error),
                Ok(lock) => return assert_one_name(database).map(|()| lock),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes the lock for a migration, without waiting for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if a daemon holds it, [`StoreError::Lock`] if the file cannot be created.
    pub fn take_to_migrate(database: &Path) -> Result<Self, StoreError> {
        Self::try_take(database, MIGRATING)
    }

    fn try_take(database: &Path, holder: &str) -> Result<Self, StoreError> {
        let path = lock_path(database);
        let failed = |cause| StoreError::Lock {
            path: path.clone(),
            cause,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            // growd writes to no file that a symbolic link points to.
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    holder: read_holder(&mut file),
                    path: database.to_owned(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        // Only for people.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{holder}"))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Returns whether a daemon holds the lock of this database; none if this user may not open the lock file.
    #[must_use]
    pub fn is_held(database: &Path) -> Option<bool> {
        match File::open(lock_path(database)) {
            // Dropping the file releases the shared lock.
            Ok(file) => Some(matches!(
                file.try_lock_shared(),
                Err(TryLockError::WouldBlock)
            )),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(false),
            Err(_) => None,
        }
    }
}

/// The lock, like SQLite's `-wal`, goes by the database's name: under another name there would be another of each.
fn assert_one_name(database: &Path) -> Result<(), StoreError> {
    match fs::metadata(database) {
        Ok(file) if file.is_file() && file.nlink() > 1 => Err(StoreError::HardLinked {
            path: database.to_owned(),
            links: file.nlink(),
        }),
        // A database that does not exist yet has no other name.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Returns the path of the lock file: the database's real path and `.lock`, so that symbolic links lead to the same
/// lock.
#[must_use]
pub fn lock_path(database: &Path) -> PathBuf {
    let mut name = real_path(database).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

/// Returns a database's path with symbolic links resolved. The database need not exist.
#[must_use]
pub fn real_path(database: &Path) -> PathBuf {
    let mut path = database.to_owned();
    // Linux follows as many.
    for _ in 0..40 {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => break,
        }
    }
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return path,
    };
    match (directory.canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        (_, _) => path,
    }
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("pid {}", text.trim()),
        Ok(_) if text.trim() == MIGRATING => MIGRATING.to_owned(),
        Ok(_) | Err(_) => "of unknown pid".to_owned(),
    }
}
