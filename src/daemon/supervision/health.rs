//! The health of the database. In a damaged database, or one whose files are no longer in their place, nothing more can be
//! recorded: nothing new is begun, and the daemon ends.
//!
//! SQLite keeps writing to a file that was moved away or removed. So the files at the paths are compared with those that
//! were there when the database was opened. They are never opened for that: closing one again would drop SQLite's locks.

use crate::store::lock::lock_path;
use crate::store::{DatabaseFile, StoreError, schema, wal};
use sqlx::sqlite::SqliteConnection;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a database may be read-only before the daemon ends. A full disk or a lock may last longer.
pub const READ_ONLY_MAX: Duration = Duration::from_mins(1);

/// The health of the daemon's database; cheap to clone. A problem that was found once stays.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: PathBuf,
    files: Vec<Watched>,
    read_only_max: Duration,
    found: OnceLock<Arc<StoreError>>,
}

/// A file as it was when the database was opened.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    device: u64,
    inode: u64,
    file: DatabaseFile,
}

impl Health {
    /// Remembers the files of a database that is open for writing: itself, its log, the index of the log, and the lock.
    #[must_use]
    pub fn of(database: &Path) -> Self {
        Self::with_read_only_max(database, READ_ONLY_MAX)
    }

    /// Does the same with another time than [`READ_ONLY_MAX`].
    #[must_use]
    pub fn with_read_only_max(database: &Path, read_only_max: Duration) -> Self {
        // Without a common index of the log, two processes overwrite each other's commits.
        let files = [
            (database.to_owned(), DatabaseFile::Main),
            (wal::beside(database, "-wal"), DatabaseFile::Wal),
            (wal::beside(database, "-shm"), DatabaseFile::Shm),
            (lock_path(database), DatabaseFile::Lock),
        ];
        Self(Arc::new(Inner {
            database: database.to_owned(),
            files: files
                .into_iter()
                .filter_map(|(path, file)| Watched::new(path, file))
                .collect(),
            read_only_max,
            found: OnceLock::new(),
        }))
    }

    /// Returns whether no problem was found so far. Unlike [`is_well`](Self::is_well), it checks no file.
    #[must_use]
    pub fn was_well(&self) -> bool {
        self.0.found.get().is_none()
    }

    /// Checks the files, and returns whether no problem was found.
    #[must_use]
    pub fn is_well(&self) -> bool {
        if self.0.found.get().is_none() {
            for error in self.0.files.iter().filter_map(Watched::gone) {
                self.found(error);
            }
        }
        self.0.found.get().is_none()
    }

    /// Takes note of an error of the database that `connection` is open on.
    pub async fn note(&self, error: &StoreError, connection: &mut SqliteConnection) {
        if let StoreError::Damaged(detail) = error {
            self.found(StoreError::Damaged(detail.clone()));
        } else if error.is_missing_object() {
            // If the schema is whole, a trigger of the operator's own names what does not exist.
            if let Err(error @ StoreError::Schema { .. }) =
                schema::check_schema(connection, &self.0.database).await
            {
                self.found(error);
            }
        }
    }

    /// Takes note that a write has failed for `lasted`. Returns whether to give up: the database is read-only for too long.
    pub(crate) fn gives_up(&self, error: &StoreError, lasted: Duration) -> bool {
        if !error.is_read_only(&self.0.database) {
            return false;
        }
        if lasted.is_zero() {
            tracing::error!(
                "the database {} is read-only: growd ends if that lasts for {} s",
                self.0.database.display(),
                self.0.read_only_max.as_secs()
            );
        }
        if lasted >= self.0.read_only_max {
            self.found(StoreError::Unwritable {
                path: self.0.database.clone(),
                seconds: lasted.as_secs(),
                cause: error.to_string(),
            });
        }
        !self.was_well()
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> &Path {
        &self.0.database
    }

    /// Returns an error if a problem was found.
    ///
    /// # Errors
    ///
    /// The problem.
    pub fn result(&self) -> Result<(), Arc<StoreError>> {
        match self.0.found.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn found(&self, error: StoreError) {
        let text = error.to_string();
        if self.0.found.set(Arc::new(error)).is_ok() {
            tracing::error!("{text}");
        }
    }
}

impl Watched {
    fn new(path: PathBuf, file: DatabaseFile) -> Option<Self> {
        let metadata = fs::metadata(&path).ok()?;
        Some(Self {
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
            file,
        })
    }

    fn gone(&self) -> Option<StoreError> {
        let gone = |how| {
            Some(StoreError::Gone {
                path: self.path.clone(),
                file: self.file,
                how,
            })
        };
        match fs::metadata(&self.path) {
            Ok(now) if (now.dev(), now.ino()) != (self.device, self.inode) => {
                gone("was replaced by another file")
            }
            // The database is never empty while it is used; its log may be.
            Ok(now) if self.file == DatabaseFile::Main && now.len() == 0 => gone("was emptied"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                gone("was removed or moved away")
            }
            // It is the same file, or it cannot be checked now (a network file system may be away), which proves nothing.
            Ok(_) | Err(_) => None,
        }
    }
}
