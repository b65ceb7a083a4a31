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
pub mod history;
pub mod ledger;
pub mod lock;
pub mod overview;
pub mod progress;
pub mod schema;
pub mod tasks;
pub mod text;
pub mod time;

pub use lock::Lock;
pub use schema::{Mode, open};
pub use text::Text;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Sqlite, Transaction};
use std::path::PathBuf;

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
        "the database {path} cannot be opened: {source}; growd needs to read and write that file and its directory"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: sqlx::Error,
    },
    /// The file is no database, or not one of growd's.
    #[error("{path} is not a growd database ({detail}); nothing was changed in it")]
    NotGrowd {
        /// The file.
        path: PathBuf,
        /// How that shows.
        detail: String,
    },
    /// The file is a database that SQLite finds damaged.
    #[error(
        "the database {path} is damaged ({detail}): stop the daemon, keep the file, and restore a backup"
    )]
    Damaged {
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
    #[error("the lock {path} cannot be taken: {source}; growd needs to write in that directory")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A value in the database that growd did not write.
    #[error("the database holds a value that growd cannot read: {0}")]
    Value(String),
    /// Anything else that SQLite says.
    #[error("the database: {0}")]
    Sqlite(#[from] sqlx::Error),
}

impl StoreError {
    /// May the same thing work later, once a lock is gone or a disk has room again?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        // SQLITE_BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL: sqlite.org/rescode.html
        const PASSING: [i64; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];
        self.primary_code()
            .is_some_and(|code| PASSING.contains(&code))
    }

    /// SQLite's primary result code, where this is an error of SQLite's.
    #[must_use]
    pub fn primary_code(&self) -> Option<i64> {
        match self {
            Self::Sqlite(source) | Self::Open { source, .. } => primary_code(source),
            _ => None,
        }
    }
}

/// What SQLite says primary result code (sqlite.org/rescode.html): the low byte of the extended one.
fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<i64>().ok()? & 0xff)
}

/// Begins a transaction that may write.
///
/// # Errors
///
/// What SQLite says, such as [busy](StoreError::is_passing) where another process has been writing for longer than
/// the busy timeout.
pub async fn begin(
    connection: &mut SqliteConnection,
) -> Result<Transaction<'_, Sqlite>, StoreError> {
    Ok(connection.begin_with("BEGIN IMMEDIATE").await?)
}
