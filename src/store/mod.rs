//! All SQL: the tables of the database as Rust functions over a connection.
//!
//! # Guarantees
//!
//! What a function writes is durable once the caller's transaction is committed (`synchronous=FULL`). Only [`begin`]
//! and [`Transaction::commit`] begin and commit: the caller decides what belongs together.
//!
//! # Caveats
//!
//! Writers must begin with `BEGIN IMMEDIATE` ([`begin`]). A deferred transaction that reads first fails at once if
//! another process wrote in between, however long the busy timeout is.

pub mod bounds;
pub mod companies;
pub mod creates;
pub mod daemon;
pub mod disk;
pub mod history;
pub mod ledger;
pub mod load;
pub mod lock;
pub mod overview;
mod pace;
pub mod progress;
pub mod readings;
pub mod reschedule;
pub mod results;
mod rows;
mod save;
pub mod schema;
pub mod search_progress;
pub mod searches;
pub mod state_counts;
pub mod statements;
pub mod tasks;
pub mod text;
pub mod time;
pub mod values;
pub mod wal;

pub use lock::Lock;
pub use save::{ProgressChange, save};
pub use schema::{Mode, open};
pub use text::Text;

use crate::core::ledger::IllegalTransition;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnection;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file does not exist, and the mode does not create it.
    #[error("there is no database at {path}: `growd add` or `growd run` creates it")]
    Absent {
        /// The file's path.
        path: PathBuf,
    },
    /// The file cannot be opened.
    #[error(
        "the database {path} cannot be opened: {cause}; growd needs to read and write that file and its directory"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: sqlx::Error,
    },
    /// The path is a directory.
    #[error("{path} is a directory: set database.path to a file")]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The file is not a database, or not growd's.
    #[error(
        "{path} is not a growd database ({detail}); nothing was changed in it: move it away, or set database.path to another file"
    )]
    NotGrowd {
        /// The file.
        path: PathBuf,
        /// What shows it.
        detail: String,
    },
    /// The schema is of a newer growd.
    #[error("the database {path} has schema {found}, and this growd {version} knows schemas up to {known}: install the newer growd again, or restore a backup made before the upgrade", version = env!("CARGO_PKG_VERSION"))]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration that was applied.
        found: i64,
        /// The newest migration that this program has.
        known: i64,
    },
    /// The schema is of an older growd. Readers do not migrate it, and commands do not while a daemon holds the lock.
    #[error(
        "the database {path} has the schema of an older growd: `growd run` migrates it when it starts; if an older daemon is running on it, restart that"
    )]
    NeedsMigration {
        /// The file.
        path: PathBuf,
    },
    /// A migration failed and was rolled back.
    #[error("the database {path} could not be migrated, and is unchanged: {detail}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The cause.
        detail: String,
        /// Whether the cause may pass, such as a full disk.
        is_transient: bool,
    },
    /// Another daemon holds the database.
    #[error(
        "another growd daemon ({holder}) holds {path}: stop it first, or give this one a database of its own"
    )]
    Locked {
        /// The database.
        path: PathBuf,
        /// The daemon's process id, such as `pid 1`, if it could be read.
        holder: String,
    },
    /// The lock file cannot be created or locked.
    #[error(
        "the lock {path} cannot be taken: {cause}; its directory must exist, and growd needs to write in it"
    )]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// The file has several names, and each would have a lock of its own.
    #[error(
        "the database {path} has {links} hard links. SQLite and the lock go by the name, so a daemon on another name would \
         overwrite what this one writes: remove the other names (`find / -xdev -samefile {path}` lists them)"
    )]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The file is a database, but damaged.
    #[error(
        "the database is damaged ({0}): stop the daemon, keep the file with its -wal and -shm, and restore a backup"
    )]
    Damaged(String),
    /// The schema is not the one that the migrations make.
    #[error(
        "the database {path} does not have the schema that growd gave it: {found}. Stop the daemon, keep the file with its \
         -wal and -shm, and restore a backup"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The objects that differ, and how.
        found: String,
    },
    /// A file of the database was replaced, emptied or removed while the daemon had it open.
    #[error("{path} {how} while the daemon was using it. {advice}", advice = file.advice())]
    Gone {
        /// The file's path.
        path: PathBuf,
        /// Which file it is.
        file: DatabaseFile,
        /// What happened to it.
        how: &'static str,
    },
    /// The database did not become writable again.
    #[error(
        "the database {path} could not be written for {seconds} s: {cause}. Make the file and its directory writable for growd \
         (is the file system mounted read-only?), and start growd again"
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// How long growd tried, in seconds.
        seconds: u64,
        /// SQLite's message.
        cause: String,
    },
    /// A value in the database that growd did not write and cannot read.
    #[error("the database holds a value that growd cannot read: {0}")]
    Value(String),
    /// The ledger's row does not allow what was to be recorded: it was changed by hand, or this is a bug.
    #[error("the ledger: {0}; polls settle it")]
    Ledger(#[from] IllegalTransition),
    /// growd panicked while it processed what it was to write: a bug.
    #[error("a bug: {0}")]
    Panicked(String),
    /// Any other error of SQLite.
    #[error("the database: {0}{advice}", advice = advice(.0))]
    Sqlite(sqlx::Error),
}

/// One of the files of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseFile {
    /// The database's own file.
    Main,
    /// `-wal`, the write-ahead log: what was committed and is not in the main file yet.
    Wal,
    /// `-shm`: the index of the log, and the locks of the processes that use it.
    Shm,
    /// `.lock`: keeps other daemons away.
    Lock,
}

impl DatabaseFile {
    /// What the operator does if the file was replaced while the daemon had it open. The daemon then ends, and writes
    /// its log, which it still has open, into the main file.
    fn advice(self) -> &'static str {
        match self {
            Self::Main => {
                "What growd asks for now would be recorded in a file that is gone. Put the file back as it was, or a backup in \
                 its place, and start growd again; stop growd before you move or replace its files"
            }
            Self::Wal => {
                "growd still has it open, and writes its content into the database as it ends. Start growd again, and \
                 put no -wal back. What other processes wrote since then, such as `growd add`, may be lost: look, and \
                 do it again. Only if growd was killed before it ended, restore a backup"
            }
            Self::Lock => {
                "It no longer keeps other daemons away: end any other daemon that runs on this database, and start growd \
                 again. Never remove this file"
            }
            Self::Shm => {
                "SQLite makes it anew from the -wal, and nothing of growd's is lost: start growd again. What other \
                 processes wrote since then, such as `growd add`, may be lost: look, and do it again"
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } => Self::Value(error.to_string()),
            error if is_damage(&error) => Self::Damaged(error.to_string()),
            error => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// Returns whether the same operation may succeed later, once a lock is gone or the disk has room.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.primary_code().is_some_and(is_transient_code)
    }

    /// Returns whether the disk is full or fails (`SQLITE_FULL`, `SQLITE_IOERR`).
    #[must_use]
    pub fn is_out_of_room(&self) -> bool {
        matches!(self.primary_code(), Some(10 | 13))
    }

    /// Returns whether the database may not be written, rather than being busy or full: `SQLITE_READONLY`, or another
    /// failure while the system refuses to write the file at `path`.
    #[must_use]
    pub fn is_read_only(&self, path: &Path) -> bool {
        match self.primary_code() {
            Some(8) => true,
            // A file system that became read-only leads to SQLITE_IOERR or CANTOPEN.
            Some(10 | 14) => disk::refuses_writes(path),
            _ => false,
        }
    }

    /// Returns whether a table or a column is missing. SQLite has no code of its own for that.
    #[must_use]
    pub fn is_missing_object(&self) -> bool {
        let Self::Sqlite(sqlx::Error::Database(cause)) = self else {
            return false;
        };
        ["no such table", "no such column", "has no column named"]
            .iter()
            .any(|words| cause.message().contains(words))
    }

    /// Returns SQLite's primary result code, if this is an error of SQLite.
    #[must_use]
    pub fn primary_code(&self) -> Option<i64> {
        match self {
            Self::Sqlite(cause) | Self::Open { cause, .. } => primary_code(cause),
            _ => None,
        }
    }
}

/// Returns whether the cause of a primary result code may pass.
fn is_transient_code(code: i64) -> bool {
    // SQLITE_BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL: sqlite.org/rescode.html
    const PASSING: [i64; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];
    PASSING.contains(&code)
}

/// Returns whether the cause of a failed migration may pass.
fn is_transient_migration(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            primary_code(cause).is_some_and(is_transient_code)
        }
        _ => false,
    }
}

/// Returns whether the file is damaged (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
fn is_damage(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(11 | 26))
}

/// Returns what the operator can do about an error of SQLite.
fn advice(error: &sqlx::Error) -> &'static str {
    match primary_code(error) {
        // SQLITE_BUSY, READONLY, IOERR, FULL, CANTOPEN
        Some(5) => "; another process has been writing for a long time: try again once it is done",
        Some(8 | 14) => "; growd needs to read and write that file and its directory",
        Some(10) => "; check the disk, and that it has room",
        Some(13) => "; make room on its disk",
        _ => "",
    }
}

/// Returns SQLite's primary result code (sqlite.org/rescode.html): the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<i64>().ok()? & 0xff)
}

/// A write transaction. If it is dropped without [`commit`](Self::commit), it stays open until [`rollback`], or until
/// the connection is closed.
///
/// sqlx's own type does not notice that SQLite has rolled a transaction back by itself, as it does on a full disk: the
/// connection would refuse every later one.
#[derive(Debug)]
pub struct Transaction<'c>(&'c mut SqliteConnection);

impl Transaction<'_> {
    /// Commits: what was written is durable.
    ///
    /// # Errors
    ///
    /// What SQLite says, such as a full disk.
    pub async fn commit(self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(self.0).await?;
        Ok(())
    }
}

impl Deref for Transaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.0
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.0
    }
}

/// Begins a write transaction.
///
/// # Errors
///
/// What SQLite says, such as [busy](StoreError::is_transient) if another process writes for longer than the busy
/// timeout.
pub async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_>, StoreError> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    Ok(Transaction(connection))
}

/// Begins a transaction for reading: all that follows sees the database as it is with the first statement.
///
/// # Errors
///
/// What SQLite says.
pub async fn begin_to_read(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("BEGIN").execute(connection).await?;
    Ok(())
}

/// Rolls the open transaction back, if there is one.
pub async fn rollback(connection: &mut SqliteConnection) {
    // It fails if SQLite has rolled back by itself; nothing is left to do then.
    let _ = sqlx::query("ROLLBACK").execute(connection).await;
}
