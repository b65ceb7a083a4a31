//! Opening, checking and migrating the database.

use super::{Lock, StoreError, disk, primary_code, wal};
use crate::crash::{self, Point};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// `PRAGMA application_id` of growd's databases: "growd" in four bytes.
const APPLICATION_ID: i64 = 0x6772_6f77;

/// How long a statement waits for the lock of another process.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of rows that SQLite's thread sends ahead of the reader: as many as are read of the due tasks at once.
const ROWS_AT_ONCE: usize = 512;

/// How long to wait for another process that creates or migrates the database.
const MIGRATION_WAIT: Duration = Duration::from_secs(5);

/// SQLite truncates the write-ahead log to this size after a checkpoint, in bytes.
const JOURNAL_SIZE_LIMIT: &str = "16777216";

/// The purpose of a connection.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Reading an existing database.
    Read,
    /// Changing a database. It is created and migrated if needed, unless a daemon runs on it.
    Write,
    /// Changing an existing database. It is migrated if needed, unless a daemon runs on it.
    WriteExisting,
    /// The daemon, which holds the lock.
    Daemon(&'a Lock),
}

/// Opens the database.
///
/// # Errors
///
/// [`StoreError::Absent`] if it does not exist and `mode` does not create it; [`StoreError::NotGrowd`] and
/// [`StoreError::Newer`] if it is not one for this program; otherwise what SQLite says.
pub async fn open(path: &Path, mode: Mode<'_>) -> Result<SqliteConnection, StoreError> {
    let creates = matches!(mode, Mode::Write | Mode::Daemon(_));
    let reads_only = matches!(mode, Mode::Read);
    let begin = Instant::now();
    let mut connection = loop {
        // Checked first: the other process may be done before this one has seen the result.
        let others = Lock::is_held(path) != Some(false);
        match open_once(path, mode, creates, reads_only).await {
            // Another process is creating or migrating it.
            Err(StoreError::Absent { .. }) if others && begin.elapsed() < MIGRATION_WAIT => {}
            Err(StoreError::NeedsMigration { .. })
                if (others || !reads_only) && begin.elapsed() < MIGRATION_WAIT => {}
            outcome => break outcome?,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    if reads_only {
        pragma(&mut connection, "PRAGMA query_only = ON").await?;
        // It reads the ends of queues, and each row of a long answer once: a larger cache does not help.
        pragma(&mut connection, "PRAGMA cache_size = -256").await?;
    }
    if matches!(mode, Mode::Daemon(_)) {
        // The pages that many polls share fit: the inner pages, the ends of the queues, and for 10,000 tasks most of what
        // an entry of the list is looked up by.
        pragma(&mut connection, "PRAGMA cache_size = -2000").await?;
        // The journal that undoes a failed statement within a batch is small.
        pragma(&mut connection, "PRAGMA temp_store = MEMORY").await?;
        disk::limit_log(&mut connection, path).await?;
    }
    Ok(connection)
}

async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

async fn open_once(
    path: &Path,
    mode: Mode<'_>,
    creates: bool,
    reads_only: bool,
) -> Result<SqliteConnection, StoreError> {
    if !creates && !path.try_exists().unwrap_or(true) {
        return Err(StoreError::Absent {
            path: path.to_owned(),
        });
    }
    let mut connection = if reads_only {
        connect_reader(path).await
    } else {
        connect(path, creates).await
    }
    .map_err(|cause| failed_to_open(path, cause))?;
    if applied_version(&mut connection, path).await? == newest_version() {
        return Ok(connection);
    }
    let needed = || StoreError::NeedsMigration {
        path: path.to_owned(),
    };
    match mode {
        Mode::Daemon(_) => migrate(&mut connection, path).await?,
        Mode::Write | Mode::WriteExisting => match Lock::take_to_migrate(path) {
            Ok(_lock) => migrate(&mut connection, path).await?,
            Err(StoreError::Locked { .. }) => return Err(needed()),
            Err(error) => return Err(error),
        },
        Mode::Read => return Err(needed()),
    }
    Ok(connection)
}

/// Returns the version of the newest migration that this program has.
#[must_use]
pub fn newest_version() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

/// Writes the log back into the database's file and truncates it, as far as readers allow.
///
/// # Errors
///
/// What SQLite says.
pub async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    pragma(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await
}

/// Raises the page cache from 2 to 64 MiB, for a transaction that writes very many rows. A page that does not fit is
/// written to the log early, and again for each later change.
///
/// # Errors
///
/// What SQLite says.
pub async fn enlarge_cache(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    pragma(connection, "PRAGMA cache_size = -65536").await
}

/// Raises the page cache of a reader from 256 KiB to 8 MiB, for rows that it reads in no order: the inner pages of a table of a
/// few million rows fit. Without them each row takes more reads.
///
/// # Errors
///
/// What SQLite says.
pub async fn cache_inner_pages(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    pragma(connection, "PRAGMA cache_size = -8192").await
}

/// Maps the database's file into memory, up to 2 GiB of it, for a reader that reads most of it: that takes less time than reading
/// page by page.
///
/// If the file is cut off by another program, the process is killed. So it is not for one that writes.
///
/// # Errors
///
/// What SQLite says.
pub async fn map_file(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    pragma(connection, "PRAGMA mmap_size = 2147418112").await
}

/// Returns a number that changes when another connection has written.
///
/// # Errors
///
/// What SQLite says.
pub async fn data_version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(connection)
        .await?)
}

/// Returns what `PRAGMA integrity_check` finds; nothing if the database is sound.
///
/// # Errors
///
/// What SQLite says.
pub async fn integrity(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
        .fetch_all(connection)
        .await?;
    found.retain(|line| line != "ok");
    Ok(found)
}

/// Returns how each object of the schema differs from the one that the migrations make; nothing if none does. Objects
/// that an operator has added do not count.
///
/// # Errors
///
/// What SQLite says.
pub async fn differences(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    // The migrator's own table depends on the version that created it.
    const OBJECTS: &str = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema
                            WHERE tbl_name <> '_sqlx_migrations'";
    let mut model = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await?;
    migrate(&mut model, Path::new(":memory:")).await?;
    let wanted: Vec<(String, String)> = sqlx::query_as(OBJECTS).fetch_all(&mut model).await?;
    let there: HashMap<String, String> = sqlx::query_as(OBJECTS)
        .fetch_all(connection)
        .await?
        .into_iter()
        .collect();
    let differs = wanted
        .into_iter()
        .filter_map(|(name, sql)| match there.get(&name) {
            None => Some(format!("{name} is missing")),
            Some(other) if *other != sql => Some(format!("{name} was changed")),
            Some(_) => None,
        });
    Ok(differs.collect())
}

/// Checks that the schema is the one that the migrations make.
///
/// # Errors
///
/// [`StoreError::Schema`] if it is not; otherwise what SQLite says.
pub async fn check_schema(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let found = differences(connection).await?;
    if found.is_empty() {
        return Ok(());
    }
    Err(StoreError::Schema {
        path: path.to_owned(),
        found: found.join("; "),
    })
}

/// Lets a connection that only reads have temporary tables, which SQLite counts as writes. They are no part of the database.
///
/// # Errors
///
/// What SQLite says.
pub async fn allow_temporary_tables(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    pragma(connection, "PRAGMA query_only = OFF").await
}

/// Writes a consistent copy of the live database to `file`, which must not exist or be empty.
///
/// # Errors
///
/// What SQLite says, such as that the file exists or cannot be written.
pub async fn copy_to(connection: &mut SqliteConnection, file: &str) -> Result<(), StoreError> {
    // SQLite counts this as a write, although it writes only to the copy.
    pragma(connection, "PRAGMA query_only = OFF").await?;
    sqlx::query("VACUUM INTO ?")
        .bind(file)
        .execute(connection)
        .await?;
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROWS_AT_ONCE)
        .foreign_keys(true)
        .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
        .disable_statement_logging()
}

async fn connect(path: &Path, create: bool) -> Result<SqliteConnection, sqlx::Error> {
    let options = options(path).create_if_missing(create);
    // Switching a file to WAL writes to it, so growd checks first that the file is its own.
    let mut probe = options.clone().connect().await?;
    let owner = ownership(&mut probe).await;
    probe.close().await?;
    if matches!(owner, Ok(Owner::Other(_))) {
        return options.connect().await;
    }
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
}

/// Connects a reader, which may lack the right to write. If it cannot open the database for writing, it opens it
/// read-only; if it cannot create the files that readers share either, it reads the database alone, if the log is
/// empty.
async fn connect_reader(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let usual = options(path);
    let may_not_write = |error: &sqlx::Error| matches!(primary_code(error), Some(8 | 14));
    let mut outcome = try_to_read(usual.clone()).await;
    if outcome.as_ref().is_err_and(may_not_write) {
        outcome = try_to_read(usual.clone().read_only(true)).await;
    }
    if outcome.as_ref().is_err_and(may_not_write) && !has_log(path) {
        outcome = try_to_read(usual.read_only(true).immutable(true)).await;
    }
    outcome
}

/// Connects and reads: a connection alone does not show whether the database can be read.
async fn try_to_read(options: SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    ownership(&mut connection).await?;
    Ok(connection)
}

fn has_log(path: &Path) -> bool {
    wal::size(&wal::beside(path, "-wal")) > 0
}

/// The program that a database belongs to.
enum Owner {
    Growd,
    None,
    Other(i64),
}

async fn ownership(connection: &mut SqliteConnection) -> Result<Owner, sqlx::Error> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await?;
    // A first migration that was interrupted leaves the migrator's own table, and nothing else.
    let objects: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'",
    )
    .fetch_one(connection)
    .await?;
    Ok(match (id, objects) {
        (APPLICATION_ID, _) => Owner::Growd,
        (0, 0) => Owner::None,
        (other, _) => Owner::Other(other),
    })
}

async fn applied_version(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<i64, StoreError> {
    let owner = ownership(connection)
        .await
        .map_err(|cause| failed_to_open(path, cause))?;
    let found: i64 = match owner {
        Owner::None => 0,
        Owner::Other(id) => {
            return Err(StoreError::NotGrowd {
                path: path.to_owned(),
                detail: format!("its application_id is {id} and it has tables"),
            });
        }
        Owner::Growd => {
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(connection)
                .await
                .map_err(|cause| failed_to_open(path, cause))?
        }
    };
    let known = newest_version();
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    crash::at(Point::MigrationBegins);
    #[cfg(all(feature = "crash-points", debug_assertions))]
    die_half_way(connection).await;
    MIGRATIONS
        // rustc cannot prove that the future of `run` is Send (rust-lang/rust#100013); it calls this.
        .run_direct(None, connection, false)
        .await
        .map_err(|error| StoreError::Migrate {
            path: path.to_owned(),
            detail: error.to_string(),
            is_transient: super::is_transient_migration(&error),
        })?;
    crash::at(Point::MigrationCommitted);
    #[cfg(all(feature = "crash-points", debug_assertions))]
    if let Ok(mut handle) = connection.lock_handle().await {
        handle.remove_progress_handler();
    }
    Ok(())
}

/// Lets the tests kill the program between two statements of a migration.
#[cfg(all(feature = "crash-points", debug_assertions))]
async fn die_half_way(connection: &mut SqliteConnection) {
    const OPCODES: i32 = 4;
    if let Ok(mut handle) = connection.lock_handle().await {
        handle.set_progress_handler(OPCODES, || {
            crash::at(Point::MigrationUnderWay);
            true
        });
    }
}

fn failed_to_open(path: &Path, cause: sqlx::Error) -> StoreError {
    match primary_code(&cause) {
        // SQLITE_CORRUPT
        Some(11) => StoreError::Damaged(format!("{}: {cause}", path.display())),
        // SQLITE_NOTADB
        Some(26) => StoreError::NotGrowd {
            path: path.to_owned(),
            detail: cause.to_string(),
        },
        _ if path.is_dir() => StoreError::Directory {
            path: path.to_owned(),
        },
        _ => StoreError::Open {
            path: path.to_owned(),
            cause,
        },
    }
}
