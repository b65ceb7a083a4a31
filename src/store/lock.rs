//! One daemon a database: an advisory lock on a file beside it, which the kernel gives back when its holder dies.
//!
//! The lock is not on the database itself: closing any handle to that would drop SQLite's own locks.

use super::StoreError;
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the lock's file says while a command migrates the database: that is over in a moment.
const MIGRATING: &str = "migrating";

/// How long a daemon waits for that moment to pass.
const MOMENT: Duration = Duration::from_secs(5);

/// How long a daemon insists where it seems to be held.
const BLINK: Duration = Duration::from_millis(200);

/// The right to be the daemon of a database; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock for a daemon. It does not wait for another daemon, only for a command's migration.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] where a daemon holds it, [`StoreError::Lock`] where the file can't be made.
    pub async fn take(database: &Path) -> Result<Self, StoreError> {
        let begin = Instant::now();
        loop {
            match Self::try_take(database, &std::process::id().to_string()) {
                Err(StoreError::Locked { holder, .. })
                    if holder == MIGRATING && begin.elapsed() < MOMENT => {}
                // A command that only asks who holds it takes it for less than a blink.
                Err(StoreError::Locked { .. }) if begin.elapsed() < BLINK => {}
                outcome => return outcome,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes the lock for a migration, without waiting for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] where a daemon holds it, [`StoreError::Lock`] where the file can't be made.
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
            // What a link leads to is not a lock's to write to.
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
        // For people only: who holds it.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{holder}"))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Is a daemon holding the lock of this database? None where this user may not know.
    #[must_use]
    pub fn is_held(database: &Path) -> Option<bool> {
        match File::open(lock_path(database)) {
            // The shared lock is given back at once.
            Ok(file) => Some(matches!(
                file.try_lock_shared(),
                Err(TryLockError::WouldBlock)
            )),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(false),
            Err(_) => None,
        }
    }
}

/// The lock's file: the database's real path and `.lock`, so that a symbolic link leads to the same lock, be the
/// database there already or not.
#[must_use]
pub fn lock_path(database: &Path) -> PathBuf {
    let mut name = real_path(database).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

/// Where a database really is, be it there already or not.
#[must_use]
pub fn real_path(database: &Path) -> PathBuf {
    let mut path = database.to_owned();
    // As many links as Linux follows.
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
