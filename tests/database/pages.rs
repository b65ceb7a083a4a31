//! A page of the service's list: its entries are stored in one transaction, apart from one that cannot be stored.

use growd::config::Settings;
use growd::core::gate::Gate;
use growd::core::list::ListEntry;
use growd::core::plan::{Reliance, Shown};
use growd::core::{Observation, Status, TaskId};
use growd::daemon::supervision::health::Health;
use growd::daemon::writer::{PageAnswer, StartedWriter, Writer};
use growd::store::{self, Mode};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

const LEN: u32 = 100;

/// A database of running tasks, `t0` to `t99`, that were seen before.
struct Database {
    path: PathBuf,
    _dir: TempDir,
}

impl Database {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Self {
            path: dir.path().join("growd.db"),
            _dir: dir,
        };
        database
            .run(
                "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)
                 INSERT INTO tasks (task_id, target) SELECT 't' || n, 200 FROM n;
                 UPDATE progress
                    SET state = 'growing', status = 'created', desired_num_results = 100, num_results_discovered = 7,
                        num_results_enriched = 0, num_results_evaluated = 0, num_results = 0, queue = 'regular'",
            )
            .await;
        database
    }

    async fn run(&self, sql: &str) {
        let mut connection = store::open(&self.path, Mode::Write).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    async fn number(&self, sql: &'static str) -> i64 {
        let mut connection = store::open(&self.path, Mode::Read).await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    async fn writer(&self) -> StartedWriter {
        let connection = store::open(&self.path, Mode::WriteExisting).await.unwrap();
        let settings =
            Settings::from_toml("growd.toml", "api.base_url = 'http://127.0.0.1:9'").unwrap();
        let (_, draining) = watch::channel(false);
        Writer::start(
            connection,
            Gate::open(Timestamp::now()),
            settings.policy,
            draining,
            Health::of(&self.path),
            Arc::default(),
        )
    }
}

/// A page that shows each task at work, with so many candidates discovered.
async fn store(writer: &Writer, discovered: i64) -> Vec<Shown> {
    let now = Timestamp::now();
    let answer = PageAnswer {
        started_at: now,
        answered_at: now,
        failure: None,
        reliance: Reliance {
            lag: Duration::ZERO,
            alone_within: Duration::from_mins(10),
            still_within: Duration::from_mins(10),
        },
    };
    let entry = |n| ListEntry {
        id: TaskId::stored(&format!("t{n}")).unwrap(),
        seen: Observation {
            status: Status::parse("in_progress"),
            is_exhausted: false,
            desired: 100,
            discovered,
            enriched: 0,
            evaluated: 0,
            results: 0,
            query: None,
        },
    };
    let tasks = writer
        .store_page(answer, (0..LEN).map(entry).collect())
        .await;
    tasks.unwrap().into_iter().map(|(_, shown)| shown).collect()
}

fn watched(shown: &[Shown]) -> usize {
    let is_watched = |shown: &&Shown| matches!(shown, Shown::Watched { .. });
    shown.iter().filter(is_watched).count()
}

#[tokio::test]
async fn a_page_is_stored_in_one_transaction_whether_counters_move_or_not() {
    let database = Database::new().await;
    let StartedWriter { writer, .. } = database.writer().await;
    for (discovered, samples) in [(8, 100), (8, 100), (9, 200)] {
        let pulse = writer.pulse();
        assert_eq!(watched(&store(&writer, discovered).await), 100);
        // The message, and one attempt to write.
        assert_eq!(writer.pulse() - pulse, 2);
        assert_eq!(
            database.number("SELECT count(*) FROM samples").await,
            samples
        );
    }
    let stored = "SELECT count(*) FROM progress
         WHERE polls = 3 AND num_results_discovered = 9 AND polled_at = changed_at AND pace IS NOT NULL
           AND next_poll_at > polled_at AND run_started_at < polled_at AND status = 'in_progress'";
    assert_eq!(database.number(stored).await, 100);
    writer.stop().await;
}

/// Checks that all entries but that of `t50` are stored once each time, without a transaction for each.
async fn only_t50_is_left_out(database: &Database) {
    let StartedWriter { writer, .. } = database.writer().await;
    for (round, discovered) in [(1, 8), (2, 9)] {
        let pulse = writer.pulse();
        let shown = store(&writer, discovered).await;
        assert_eq!(watched(&shown), 99, "{shown:?}");
        assert!(matches!(shown[50], Shown::Unwatched));
        let attempts = writer.pulse() - pulse;
        assert!(attempts < 25, "{attempts} attempts");
        assert_eq!(
            database.number("SELECT count(*) FROM samples").await,
            99 * round
        );
        assert_eq!(
            database.number("SELECT sum(polls) FROM progress").await,
            99 * round
        );
    }
    let noted = "SELECT count(*) FROM progress WHERE last_error IS NOT NULL AND task_id = 't50'";
    assert_eq!(database.number(noted).await, 1);
    writer.stop().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_takes_few_transactions_of_its_page() {
    let database = Database::new().await;
    database
        .run(
            "PRAGMA ignore_check_constraints = ON;
             UPDATE progress SET state = 'x' WHERE task_id = 't50'",
        )
        .await;
    only_t50_is_left_out(&database).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_written_leaves_no_other_written_twice() {
    let database = Database::new().await;
    // Keeps the rows that the same statement has written before.
    database
        .run(
            "CREATE TRIGGER no_polls BEFORE UPDATE OF polls ON progress WHEN NEW.task_id = 't50'
             BEGIN SELECT raise(FAIL, 'no'); END",
        )
        .await;
    only_t50_is_left_out(&database).await;
}
