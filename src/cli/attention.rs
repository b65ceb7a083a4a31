//! Conditions that need the operator's attention, as `growd status` lists them.

use super::output::{clean, relative};
use super::search::attention::Searches;
use crate::store::daemon::DaemonRow;
use crate::store::overview::{self, QuietRow};
use crate::store::readings::{self, UnreadableRow};
use crate::store::{StoreError, disk, wal};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// A condition that needs attention.
#[derive(Debug, Serialize)]
pub struct Attention {
    /// Kind, for scripts.
    pub kind: &'static str,
    /// The condition and the remedy, in one line.
    pub text: String,
}

/// Largest number of tasks of a kind that are listed one by one.
const LISTED_MAX: u32 = 20;

/// Number of consecutive readings of results that failed, from which on an operator is to know. With the default delays that is
/// at least 4.3 to 8.5 minutes after the first failure, by the jitter.
const UNREADABLE_FROM: u32 = 9;

/// The tasks and searches that need attention: at most one more of each kind than are listed.
#[derive(Debug, Default)]
pub struct SilentTasks {
    quiet: Vec<QuietRow>,
    unreadable: Vec<UnreadableRow>,
    searches: Searches,
}

impl SilentTasks {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// What SQLite reports.
    pub async fn read(
        connection: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let limit = LISTED_MAX + 1;
        Ok(Self {
            quiet: overview::quiet(connection, limit).await?,
            unreadable: readings::unreadable(connection, UNREADABLE_FROM, limit).await?,
            searches: Searches::read(connection, now, limit).await?,
        })
    }
}

/// Lists all conditions.
pub fn list(
    database: &Path,
    daemon: &DaemonRow,
    tasks: &SilentTasks,
    now: Timestamp,
) -> Vec<Attention> {
    let most = LISTED_MAX as usize;
    let more = |kind, len: usize, text: &str| {
        let text = text.to_owned();
        (len > most).then_some(Attention { kind, text })
    };
    let SilentTasks {
        quiet,
        unreadable,
        searches,
    } = tasks;
    let more_quiet = more(
        "quiet",
        quiet.len(),
        "more tasks are quiet: SELECT task_id FROM progress WHERE quiet_at IS NOT NULL",
    );
    let more_unreadable = more(
        "results",
        unreadable.len(),
        "the results of more tasks cannot be read: SELECT task_id, results_error FROM progress WHERE results_failures > 0",
    );
    [wal_large(database), gate(daemon, now)]
        .into_iter()
        .flatten()
        .chain(quiet.iter().take(most).map(|row| is_quiet(row, now)))
        .chain(more_quiet)
        .chain(
            unreadable
                .iter()
                .take(most)
                .map(|row| is_unreadable(row, now)),
        )
        .chain(more_unreadable)
        .chain(searches.list(now, most))
        .collect()
}

fn is_unreadable(row: &UnreadableRow, now: Timestamp) -> Attention {
    Attention {
        kind: "results",
        text: format!(
            "the results of {} cannot be read: {} ({} times in a row, next try {}); its growth is not affected",
            clean(&row.task_id),
            clean(&row.error),
            row.failures,
            relative(&row.next_at, now)
        ),
    }
}

fn is_quiet(row: &QuietRow, now: Timestamp) -> Attention {
    let shows = row.shows.as_ref().map_or("no answer", |shows| &**shows);
    Attention {
        kind: "quiet",
        text: format!(
            "{} is quiet: polls show {:?} without any change; reported {}. growd still polls it. See the task in the app, \
             or pause it",
            clean(&row.task_id),
            clean(shows),
            relative(&row.quiet_at, now)
        ),
    }
}

/// Checks whether the database is read-only. Call it before this process opens the database: closing a second file
/// descriptor of that file would release SQLite's locks.
pub fn read_only(database: &Path) -> Option<Attention> {
    disk::is_read_only(database).then(|| Attention {
        kind: "unwritable",
        text: format!(
            "the database {} is read-only: check its mode and the mount options of its file system; growd must write to it",
            database.display()
        ),
    })
}

fn wal_large(database: &Path) -> Option<Attention> {
    let log = wal::beside(database, "-wal");
    let bytes = wal::size(&log);
    (bytes > wal::LARGE).then(|| Attention {
        kind: "wal_large",
        text: wal::advice(&log, bytes),
    })
}

/// Describes the account's gate if it is not open.
pub fn gate(daemon: &DaemonRow, now: Timestamp) -> Option<Attention> {
    let reason = daemon.gate_reason.as_deref();
    let until = daemon.gate_until.as_deref();
    (&*daemon.gate != "open").then(|| Attention {
        kind: "gate",
        text: format!(
            "gate {}{}{}",
            clean(&daemon.gate),
            reason.map_or_else(String::new, |reason| format!(" ({})", clean(reason))),
            until.map_or_else(String::new, |at| format!(
                ", next try {}",
                relative(at, now)
            )),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Mode, daemon};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn a_closed_gate_and_a_read_only_file_need_attention() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("growd.db");
        let mut connection = store::open(&database, Mode::Write).await.expect("opens");
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let row = daemon::read(&mut connection).await.expect("a row");
        let none = SilentTasks::default();
        assert!(list(&database, &row, &none, now).is_empty());
        sqlx::query(
            "UPDATE daemon SET gate = 'payment_required', gate_reason = 'no credits', gate_until = '2026-11-24T12:05:00.000Z'",
        )
        .execute(&mut connection)
        .await
        .expect("an update");
        let row = daemon::read(&mut connection).await.expect("a row");
        let found = list(&database, &row, &none, now);
        let found: Vec<_> = found.iter().map(|one| (one.kind, &*one.text)).collect();
        let text = "gate payment_required (no credits), next try in 5 min";
        assert_eq!(found, [("gate", text)]);
        drop(connection);

        assert!(read_only(&database).is_none());
        fs::set_permissions(&database, Permissions::from_mode(0o444)).expect("a mode");
        let found = read_only(&database).expect("it is read-only");
        assert_eq!(found.kind, "unwritable");
    }
}
