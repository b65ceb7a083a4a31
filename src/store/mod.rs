//! All SQL, and nothing else: the tables of the database as Rust functions over a connection.
//!
//! # Guarantees
//!
//! What a function wrote is durable once the transaction it was given is committed (`synchronous=FULL`).
//! Nothing here begins or commits on its own, save where its name says so: the caller decides what belongs
//! together.
//!
//! # Caveats
//!
//! Writers must begin with `BEGIN IMMEDIATE` ([`begin`]): a deferred transaction that reads first fails at
//! once where another process wrote in between, however long the busy timeout.

pub mod daemon;
pub mod disk;
pub mod history;
pub mod ledger;
pub mod load;
pub mod lock;
pub mod overview;
mod pace;
pub mod progress;
pub mod reschedule;
mod save;
pub mod schema;
pub mod state_counts;
pub mod statements;
pub mod tasks;
pub mod text;
pub mod time;
pub mod values;
pub mod wal;

pub use lock::Lock;
pub use save::{Saved, save};
pub use schema::{Mode, open};
pub use text::Text;

use crate::core::ledger::IllegalTransition;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnection;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file, and none was to be made.
    #[error("there is no database at {path}: `growd add` or `growd run` creates it")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file can't be opened.
    #[error(
        "the database {path} cannot be opened: {cause}; growd needs to read and write that file and its directory"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: sqlx::Error,
    },
    /// It is no file.
    #[error("{path} is a directory, and the database is a file: set database.path to one")]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The file is no database, or not one of growd's.
    #[error(
        "{path} is not a growd database ({detail}); nothing was changed in it: move it away, or set database.path to another file"
    )]
    NotGrowd {
        /// The file.
        path: PathBuf,
        /// How that shows.
        detail: String,
    },
    /// The schema is of a later version of growd.
    #[error("the database {path} has schema {found}, and this growd {version} knows it up to {known}: install the newer growd again, or restore a backup made before the upgrade", version = env!("CARGO_PKG_VERSION"))]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration applied.
        found: i64,
        /// The newest migration known.
        known: i64,
    },
    /// The schema has to be migrated, which a reader does not do, and nobody may while a daemon is using it.
    #[error(
        "the database {path} has the schema of an older growd: `growd run` migrates it when it starts; if an older daemon is running on it, restart that"
    )]
    NeedsMigration {
        /// The file.
        path: PathBuf,
    },
    /// A migration failed; it was rolled back.
    #[error("the database {path} could not be migrated, and is as it was: {detail}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why not.
        detail: String,
        /// For a reason that may be over soon, such as a full disk.
        for_now: bool,
    },
    /// Another daemon holds the database.
    #[error(
        "another growd daemon ({holder}) holds {path}: stop it first, or give this one a database of its own"
    )]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// Its process id, as `pid 1`, where it could be read.
        holder: String,
    },
    /// The lock's file can't be made.
    #[error(
        "the lock {path} cannot be taken: {cause}; its directory has to exist, and growd needs to write in it"
    )]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file is damaged: it is a database, but no sound one.
    #[error(
        "the database is damaged ({0}): stop the daemon, keep the file with its -wal and -shm, and restore a backup"
    )]
    Damaged(String),
    /// Somebody changed what growd's tables are.
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
    /// Another file is at the path of one that a daemon has open, or none.
    #[error("{path} {how} while the daemon was using it. {advice}", advice = part.advice())]
    Gone {
        /// The database, or one of its companions.
        path: PathBuf,
        /// Which of them.
        part: Part,
        /// What became of it.
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
        /// For how long it was tried.
        seconds: u64,
        /// What SQLite says.
        cause: String,
    },
    /// A value in the database that growd did not write.
    #[error("the database holds a value that growd cannot read: {0}")]
    Value(String),
    /// The ledger's row does not allow what was to be recorded: it was changed by hand, or this is a bug.
    #[error("the ledger: {0}; polls settle it")]
    Ledger(#[from] IllegalTransition),
    /// growd itself panicked while it judged what was to be written: a bug.
    #[error("a bug: {0}")]
    Panicked(String),
    /// Anything else that SQLite says.
    #[error("the database: {0}{advice}", advice = advice(.0))]
    Sqlite(sqlx::Error),
}

/// The files that a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The file itself.
    Database,
    /// `-wal`: what was committed and is not in the file yet.
    Log,
    /// `-shm`: the index of that, and the locks of those who use it.
    Index,
    /// `.lock`: what keeps another daemon away.
    Lock,
}

impl Part {
    /// What to do where it was taken from under a daemon, which ends then and writes into the database's file what it
    /// holds: it has its own log open all the same.
    fn advice(self) -> &'static str {
        match self {
            Self::Database => {
                "What it asks for now would be recorded where nobody looks. Put the file back as it was, or a backup in \
                 its place, and start growd again; stop growd before you move or replace its files"
            }
            Self::Log => {
                "growd still has it open, and writes what is in it into the database as it ends. Start growd again, \
                 and put no -wal back; what others wrote since then, such as `growd add`, may be lost: look, and do \
                 it again. Only if growd was killed before it ended, restore a backup"
            }
            Self::Lock => {
                "It keeps other daemons away, and does so no more: end any other that runs on this database, and start \
                 growd again; the file is to stay, whoever holds it"
            }
            Self::Index => {
                "It is made anew from the -wal, and nothing of growd's is lost: start growd again; what others wrote \
                 since then, such as `growd add`, may be lost: look, and do it again"
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
    /// May the same thing work later, once a lock is gone or a disk has room again?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.primary_code().is_some_and(is_of_now)
    }

    /// Was there no room to write, or is the disk not sound (`SQLITE_IOERR`, `SQLITE_FULL`)?
    #[must_use]
    pub fn is_out_of_room(&self) -> bool {
        matches!(self.primary_code(), Some(10 | 13))
    }

    /// Was the database refused to be written, rather than being busy or full: `SQLITE_READONLY`, or another failure to
    /// write while the system refuses to write the file at `path`?
    #[must_use]
    pub fn is_read_only(&self, path: &Path) -> bool {
        match self.primary_code() {
            Some(8) => true,
            // SQLITE_IOERR, which a file system that has become read-only leads to, and CANTOPEN.
            Some(10 | 14) => disk::refuses_writes(path),
            _ => false,
        }
    }

    /// Does SQLite miss a table or a column? It has no code of its own for that.
    #[must_use]
    pub fn names_what_is_not_there(&self) -> bool {
        let Self::Sqlite(sqlx::Error::Database(cause)) = self else {
            return false;
        };
        ["no such table", "no such column", "has no column named"]
            .iter()
            .any(|words| cause.message().contains(words))
    }

    /// SQLite's primary result code, where this is an error of SQLite's.
    #[must_use]
    pub fn primary_code(&self) -> Option<i64> {
        match self {
            Self::Sqlite(cause) | Self::Open { cause, .. } => primary_code(cause),
            _ => None,
        }
    }
}

/// Is a primary result code one of what may be over soon?
fn is_of_now(code: i64) -> bool {
    // SQLITE_BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL: sqlite.org/rescode.html
    const PASSING: [i64; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];
    PASSING.contains(&code)
}

/// Did a migration fail for what may be over soon?
fn is_for_now(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            primary_code(cause).is_some_and(is_of_now)
        }
        _ => false,
    }
}

/// Does SQLite find the file itself to be wrong (`SQLITE_CORRUPT`, `SQLITE_NOTADB`)?
fn is_damage(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(11 | 26))
}

/// What to do about an error of SQLite's, where there is something.
fn advice(error: &sqlx::Error) -> &'static str {
    match primary_code(error) {
        // SQLITE_BUSY, READONLY, IOERR, FULL, CANTOPEN
        Some(5) => "; another process has been writing for long: try again once it is done",
        Some(8 | 14) => "; growd needs to read and write that file and its directory",
        Some(10) => "; see whether the disk is sound, and has room",
        Some(13) => "; make room on its disk",
        _ => "",
    }
}

/// What SQLite says primary result code (sqlite.org/rescode.html): the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<i64>().ok()? & 0xff)
}

/// A transaction that may write. Dropped without [`commit`](Self::commit) it stays open until [`rollback`] or until
/// its connection is closed.
///
/// It is not sqlx's: that takes a transaction that SQLite has rolled back by itself, as a full disk makes it do, for
/// one under way, and the connection would refuse another for ever.
#[derive(Debug)]
pub struct Transaction<'c>(&'c mut SqliteConnection);

impl Transaction<'_> {
    /// Makes all that was written durable.
    ///
    /// # Errors
    ///
    /// What SQLite says, such as where the disk is full.
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

/// Begins a transaction.
///
/// # Errors
///
/// What SQLite says, such as [busy](StoreError::is_passing) where another process has been writing for longer than
/// the busy timeout.
pub async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_>, StoreError> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    Ok(Transaction(connection))
}

/// Undoes what a transaction wrote that was not committed, if there is one.
pub async fn rollback(connection: &mut SqliteConnection) {
    // It fails where SQLite has done so by itself, and there is nothing more to do.
    let _ = sqlx::query("ROLLBACK").execute(connection).await;
}
