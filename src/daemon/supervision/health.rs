//! Can what happens still be recorded? Not in a damaged database, and not in a file that is no longer in its place:
//! then nothing new is begun, and the daemon ends.
//!
//! SQLite goes on with a file that was moved away or removed, as does every program that has one open. So the
//! files at the paths are compared with those that were there when the database was opened. They are never opened
//! for that: closing one again would drop SQLite's own locks.

use crate::store::lock::lock_path;
use crate::store::{DatabaseFile, StoreError, schema, wal};
use sqlx::sqlite::SqliteConnection;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// For how long a database that refuses to be written may do so before the daemon ends. A full disk and a lock may last.
pub const READ_ONLY_MAX: Duration = Duration::from_mins(1);

/// The state of the daemon's database; cheap to clone. What is found wrong once stays wrong.
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
    /// Takes down which files a database that is open for writing has now: itself, its log, the index of that, and the
    /// lock.
    #[must_use]
    pub fn of(database: &Path) -> Self {
        Self::with_patience(database, READ_ONLY_MAX)
    }

    /// The same with another time than [`READ_ONLY_MAX`].
    #[must_use]
    pub fn with_patience(database: &Path, read_only_max: Duration) -> Self {
        // Without the index of the log two processes overwrite what each other committed to it.
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

    /// Was nothing found wrong yet? Unlike [`is_well`](Self::is_well) this looks at no file.
    #[must_use]
    pub fn was_well(&self) -> bool {
        self.0.found.get().is_none()
    }

    /// Is everything in its place, and nothing known to be damaged?
    #[must_use]
    pub fn is_well(&self) -> bool {
        if self.0.found.get().is_none() {
            for error in self.0.files.iter().filter_map(Watched::gone) {
                self.found(error);
            }
        }
        self.0.found.get().is_none()
    }

    /// Takes note of an error of the database's, which `connection` is open on.
    pub async fn heard(&self, error: &StoreError, connection: &mut SqliteConnection) {
        if let StoreError::Damaged(detail) = error {
            self.found(StoreError::Damaged(detail.clone()));
        } else if error.is_missing_object() {
            // It may be a trigger of somebody's own that asks for what is not there: then the schema is whole.
            if let Err(error @ StoreError::Schema { .. }) =
                schema::check_schema(connection, &self.0.database).await
            {
                self.found(error);
            }
        }
    }

    /// Takes note that the database has refused to be written for `lasted`; returns whether to give up trying.
    pub(crate) fn gives_up(&self, error: &StoreError, lasted: Duration) -> bool {
        if !error.is_read_only(&self.0.database) {
            return false;
        }
        if lasted.is_zero() {
            tracing::error!(
                "the database {} refuses to be written: growd ends if that lasts for {} s",
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

    /// The path of the database.
    pub(crate) fn database(&self) -> &Path {
        &self.0.database
    }

    /// What was found wrong.
    ///
    /// # Errors
    ///
    /// That.
    pub fn verdict(&self) -> Result<(), Arc<StoreError>> {
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
            // It has something in it as long as it is used; the log need not.
            Ok(now) if self.file == DatabaseFile::Main && now.len() == 0 => gone("was emptied"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                gone("was removed or moved away")
            }
            // As it was; or not to be seen just now, such as where a network file system is away, which proves nothing.
            Ok(_) | Err(_) => None,
        }
    }
}
