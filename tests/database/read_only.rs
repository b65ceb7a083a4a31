//! A database that becomes read-only while the daemon runs: the writer retries for a while, then the daemon ends.

use crate::support::program::{output, write_config};
use crate::support::{Bench, TIMEOUT, mounts};
use growd::core::event::Event;
use growd::core::gate::Gate;
use growd::daemon::supervision::health::Health;
use growd::daemon::writer::maintenance::Maintenance;
use growd::daemon::writer::{StartedWriter, Writer};
use growd::store::StoreError;
use jiff::Timestamp;
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Stands for the daemon's minute.
const GRACE: Duration = Duration::from_millis(500);

fn event(reason: &str) -> Maintenance {
    Maintenance::Record(Event::UnusableId {
        reason: reason.to_owned(),
    })
}

/// Starts a writer on a database of `bench`.
fn writer(bench: &Bench, connection: SqliteConnection) -> (StartedWriter, Health) {
    let health = Health::with_read_only_max(&bench.settings.database, GRACE);
    let (_, draining) = watch::channel(false);
    let gate = Gate::open(Timestamp::now());
    let policy = bench.settings.policy;
    let started = Writer::start(
        connection,
        gate,
        policy,
        draining,
        health.clone(),
        Arc::default(),
    );
    (started, health)
}

/// Checks that the writer retries for as long as it should, then gives up, and fails later writes at once.
async fn gives_up(started: StartedWriter, health: &Health, path: &Path) {
    let begin = Instant::now();
    started.writer.maintain(event("first")).await.unwrap_err();
    assert!(begin.elapsed() >= GRACE, "{:?}", begin.elapsed());
    assert!(begin.elapsed() < TIMEOUT / 2);
    let error = health.result().unwrap_err();
    assert!(matches!(*error, StoreError::Unwritable { .. }), "{error}");
    let text = error.to_string();
    for word in [
        path.to_str().unwrap(),
        "could not be written for",
        "read-only",
        "start growd again",
    ] {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    let begin = Instant::now();
    started.writer.maintain(event("second")).await.unwrap_err();
    started.writer.stop().await;
    assert!(begin.elapsed() < TIMEOUT / 2, "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stays_read_only_is_given_up_after_a_while() {
    let bench = Bench::new().await;
    let mut connection = bench.connection().await;
    // SQLite then says SQLITE_READONLY to each statement that writes.
    sqlx::query("PRAGMA query_only = ON")
        .execute(&mut connection)
        .await
        .unwrap();
    let (started, health) = writer(&bench, connection);
    gives_up(started, &health, &bench.settings.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_turns_read_only_is_given_up_after_a_while_and_shown_by_status() {
    const NAME: &str = "read_only::a_file_system_that_turns_read_only_is_given_up_after_a_while_and_shown_by_status";
    if !mounts::in_own_namespace(NAME) {
        return;
    }
    let mut bench = Bench::new().await;
    if !mounts::ext4_disk(&mut bench) {
        return;
    }
    write_config(&bench, &[]);
    let path = bench.settings.database.clone();
    let connection = bench.connection().await;
    let (started, health) = writer(&bench, connection);
    started.writer.maintain(event("well")).await.unwrap();
    let status = || {
        let status = output(&bench, &["status", "--json"]);
        assert!(status.status.success(), "{status:?}");
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        status["attention"].clone()
    };
    assert_eq!(status(), json!([]));
    // The kernel does this after a disk error.
    mounts::mount(&["-o", "remount,abort"], path.parent().unwrap());
    let attention = status();
    assert_eq!(attention[0]["kind"], "unwritable", "{attention}");
    gives_up(started, &health, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_may_last_and_is_recorded_once_it_is_over() {
    let bench = Bench::new().await;
    bench.execute("CREATE TABLE filler (bytes)").await;
    bench
        .execute("INSERT INTO filler VALUES (zeroblob(200000))")
        .await;
    let mut connection = bench.connection().await;
    // A full disk: the file cannot grow.
    let pages: i64 = bench.value("PRAGMA page_count").await;
    let full = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(AssertSqlSafe(full))
        .execute(&mut connection)
        .await
        .unwrap();
    let (started, health) = writer(&bench, connection);
    let writer = started.writer.clone();
    let large = event(&"x".repeat(100_000));
    let written = tokio::spawn(async move { writer.maintain(large).await });
    let begin = Instant::now();
    while !(started.writer.is_stuck() && begin.elapsed() > GRACE * 2) {
        assert!(begin.elapsed() < TIMEOUT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!written.is_finished());
    health.result().unwrap();
    bench.execute("DROP TABLE filler").await;
    written.await.unwrap().unwrap();
    bench
        .until(
            "SELECT count(*) = 1 FROM events
              WHERE kind = 'unwritable' AND detail ->> 'error' LIKE '%make room%' AND detail ->> 'seconds' >= 0",
        )
        .await;
    started.writer.stop().await;
}
