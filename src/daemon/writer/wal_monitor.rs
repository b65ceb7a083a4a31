//! Watches the size of the write-ahead log: a reader that keeps a transaction open makes it grow without bound.

use crate::core::event::Event;
use crate::store::{StoreError, schema, wal};
use sqlx::sqlite::SqliteConnection;
use std::path::{Path, PathBuf};

/// Checks in a row that have to find the log too large before that is reported: a short read is no trouble.
const CHECKS: u32 = 2;

/// The log of one database.
#[derive(Debug)]
pub struct WalMonitor {
    log: PathBuf,
    /// In bytes.
    bound: u64,
    /// How many checks in a row have found it too large.
    too_large: u32,
}

impl WalMonitor {
    /// Watches the log of `database`, which is too large above `bound` bytes.
    #[must_use]
    pub fn new(database: &Path, bound: u64) -> Self {
        Self {
            log: wal::beside(database, "-wal"),
            bound,
            too_large: 0,
        }
    }

    /// Checks the size, and empties a log that is too large if no reader is in the way. Returns the event to record. Call
    /// this about once a second.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn check(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Event>, StoreError> {
        let mut bytes = wal::size(&self.log);
        if bytes > self.bound && wal::shrink(connection, schema::BUSY_TIMEOUT).await? {
            bytes = wal::size(&self.log);
        }
        let reported = self.too_large >= CHECKS;
        if bytes <= self.bound {
            self.too_large = 0;
            return Ok(reported.then_some(Event::WalSmall { bytes }));
        }
        self.too_large = self.too_large.saturating_add(1);
        let reports = !reported && self.too_large >= CHECKS;
        Ok(reports.then(|| Event::WalLarge {
            bytes,
            advice: wal::advice(&self.log, bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Mode};
    use std::time::Instant;

    const BOUND: u64 = 1 << 20;

    async fn run(connection: &mut SqliteConnection, sql: &'static str) {
        sqlx::query(sql)
            .execute(connection)
            .await
            .expect("a statement of the test");
    }

    /// Makes the log grow beyond the bound.
    async fn write(connection: &mut SqliteConnection) {
        run(connection, "CREATE TABLE IF NOT EXISTS filler (bytes)").await;
        run(
            connection,
            "INSERT INTO filler VALUES (zeroblob(2 * 1024 * 1024))",
        )
        .await;
    }

    #[tokio::test]
    async fn a_log_that_a_reader_pins_is_reported_once_and_emptied_when_the_reader_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("growd.db");
        let mut writer = store::open(&database, Mode::Write).await.expect("opens");
        let mut reader = store::open(&database, Mode::Read).await.expect("opens");
        let log = wal::beside(&database, "-wal");
        let mut monitor = WalMonitor::new(&database, BOUND);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            run(&mut reader, "BEGIN").await;
            sqlx::query("SELECT count(*) FROM tasks")
                .fetch_one(&mut reader)
                .await
                .expect("reads");
            write(&mut writer).await;
            for _ in 0..4 {
                let begin = Instant::now();
                let event = monitor.check(&mut writer).await.expect("looks");
                kinds.extend(event.map(|event| event.kind()));
                // A statement of the writer would wait for ten seconds.
                assert!(begin.elapsed() < schema::BUSY_TIMEOUT / 2);
            }
            assert!(wal::size(&log) > BOUND);
            run(&mut reader, "COMMIT").await;
            for _ in 0..2 {
                let event = monitor.check(&mut writer).await.expect("looks");
                kinds.extend(event.map(|event| event.kind()));
            }
            assert_eq!(wal::size(&log), 0);
        }
        assert_eq!(kinds, ["wal_large", "wal_small"].repeat(2));
        let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout")
            .fetch_one(&mut writer)
            .await
            .expect("a number");
        assert_eq!(i64::try_from(schema::BUSY_TIMEOUT.as_millis()), Ok(timeout));
    }

    #[tokio::test]
    async fn a_large_log_without_a_reader_is_emptied_and_not_reported() {
        let dir = tempfile::tempdir().expect("a directory");
        let database = dir.path().join("growd.db");
        let mut writer = store::open(&database, Mode::Write).await.expect("opens");
        let mut monitor = WalMonitor::new(&database, BOUND);
        write(&mut writer).await;
        let log = wal::beside(&database, "-wal");
        assert!(wal::size(&log) > BOUND);
        assert_eq!(monitor.check(&mut writer).await.expect("looks"), None);
        assert_eq!(wal::size(&log), 0);
    }
}
