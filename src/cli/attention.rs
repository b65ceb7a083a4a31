//! What needs an operator's attention, as `growd status` lists it.

use super::table::{clean, relative};
use crate::store::daemon::DaemonRow;
use crate::store::{room, wal};
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;

/// One thing that needs attention.
#[derive(Debug, Serialize)]
pub struct Attention {
    /// What kind of thing, for scripts.
    pub kind: &'static str,
    /// What it is and what to do, in one line.
    pub text: String,
}

/// Lists what needs attention.
pub fn list(database: &Path, daemon: &DaemonRow, now: Timestamp) -> Vec<Attention> {
    // What is known of single tasks, such as those that are quiet, goes to the end of this list.
    [wal_large(database), gate(daemon, now)]
        .into_iter()
        .flatten()
        .collect()
}

/// Looks whether the file can be written. Only before this process opens it: closing it would drop SQLite's locks.
pub fn of_the_file(database: &Path) -> Option<Attention> {
    room::is_read_only(database).then(|| Attention {
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

fn gate(daemon: &DaemonRow, now: Timestamp) -> Option<Attention> {
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
        assert!(list(&database, &row, now).is_empty());
        sqlx::query(
            "UPDATE daemon SET gate = 'payment_required', gate_reason = 'no credits', gate_until = '2026-11-24T12:05:00.000Z'",
        )
        .execute(&mut connection)
        .await
        .expect("an update");
        let row = daemon::read(&mut connection).await.expect("a row");
        let found = list(&database, &row, now);
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
