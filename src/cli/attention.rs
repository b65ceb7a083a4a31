//! What needs an operator's attention, as `growd status` lists it.

use super::table::{clean, relative};
use crate::store::daemon::DaemonRow;
use crate::store::overview::{self, QuietRow};
use crate::store::{StoreError, disk, wal};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// One thing that needs attention.
#[derive(Debug, Serialize)]
pub struct Attention {
    /// What kind of thing, for scripts.
    pub kind: &'static str,
    /// What it is and what to do, in one line.
    pub text: String,
}

/// Quiet tasks that are listed one by one.
const QUIET_MAX: u32 = 20;

/// Lists what needs attention; `quiet` is at most one more than [`QUIET_MAX`].
pub fn list(
    database: &Path,
    daemon: &DaemonRow,
    quiet: &[QuietRow],
    now: Timestamp,
) -> Vec<Attention> {
    let most = QUIET_MAX as usize;
    let more = (quiet.len() > most).then(|| Attention {
        kind: "quiet",
        text: "more tasks are quiet: SELECT task_id FROM progress WHERE quiet_at IS NOT NULL"
            .to_owned(),
    });
    [wal_large(database), gate(daemon, now)]
        .into_iter()
        .flatten()
        .chain(quiet.iter().take(most).map(|row| is_quiet(row, now)))
        .chain(more)
        .collect()
}

/// Reads the tasks that are quiet, for [`list`].
///
/// # Errors
///
/// What SQLite says.
pub async fn quiet(connection: &mut SqliteConnection) -> Result<Vec<QuietRow>, StoreError> {
    overview::quiet(connection, QUIET_MAX + 1).await
}

fn is_quiet(row: &QuietRow, now: Timestamp) -> Attention {
    let shows = row.shows.as_ref().map_or("no answer", |shows| &**shows);
    Attention {
        kind: "quiet",
        text: format!(
            "{} is quiet: polls show {:?}, and nothing changes; reported {}, polling goes on: see the search in the app, \
             or pause it",
            clean(&row.task_id),
            clean(shows),
            relative(&row.quiet_at, now)
        ),
    }
}

/// Looks whether the file can be written. Only before this process opens it: closing it would drop SQLite's locks.
pub fn of_the_file(database: &Path) -> Option<Attention> {
    disk::is_read_only(database).then(|| Attention {
        kind: "unwritable",
        text: format!(
            "the database {} is read-only: see its mode, and how its file system is mounted; growd needs to write that file",
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

/// The account's gate, where it is not open.
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
    async fn a_closed_gate_and_a_file_without_the_right_to_write_need_attention() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("growd.db");
        let mut connection = store::open(&database, Mode::Write).await.expect("opens");
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let row = daemon::read(&mut connection).await.expect("a row");
        assert!(list(&database, &row, &[], now).is_empty());
        sqlx::query(
            "UPDATE daemon SET gate = 'payment_required', gate_reason = 'no credits', gate_until = '2026-11-24T12:05:00.000Z'",
        )
        .execute(&mut connection)
        .await
        .expect("an update");
        let row = daemon::read(&mut connection).await.expect("a row");
        let found = list(&database, &row, &[], now);
        let found: Vec<_> = found.iter().map(|one| (one.kind, &*one.text)).collect();
        let text = "gate payment_required (no credits), next try in 5 min";
        assert_eq!(found, [("gate", text)]);
        drop(connection);

        assert!(of_the_file(&database).is_none());
        fs::set_permissions(&database, Permissions::from_mode(0o444)).expect("a mode");
        let found = of_the_file(&database).expect("it is read-only");
        assert_eq!(found.kind, "unwritable");
    }
}
