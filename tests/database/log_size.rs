//! A write-ahead log that a reader pins, with the real program: it is reported, and its space is freed.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, TIMEOUT};
use growd::store::wal;
use std::time::{Duration, Instant};

/// Returns the list `attention` of `growd status --json`.
fn attention(bench: &Bench) -> Vec<serde_json::Value> {
    let status = output(bench, &["status", "--json"]);
    assert!(status.status.success(), "{status:?}");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    status["attention"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_a_reader_pins_is_reported_and_emptied_after_that_though_nothing_is_due() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    // No task at all: nothing is due.
    let mut other = bench.connection().await;
    sqlx::query("CREATE TABLE filler (bytes)")
        .execute(&mut other)
        .await
        .unwrap();
    let mut daemon = Daemon::start(&bench);
    bench.until("SELECT pid IS NOT NULL FROM daemon").await;
    assert!(attention(&bench).is_empty());

    let mut reader = bench.connection().await;
    for sql in ["BEGIN", "SELECT * FROM tasks"] {
        sqlx::query(sql).execute(&mut reader).await.unwrap();
    }
    sqlx::query("INSERT INTO filler VALUES (zeroblob(70 * 1024 * 1024))")
        .execute(&mut other)
        .await
        .unwrap();
    let log = wal::beside(&bench.settings.database, "-wal");
    assert!(wal::size(&log) > wal::LARGE);
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'wal_large' AND detail ->> 'bytes' > 70000000")
        .await;
    let found = attention(&bench);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["kind"], "wal_large");
    let text = output(&bench, &["status"]);
    let text = String::from_utf8(text.stdout).unwrap();
    let advice = format!("fuser -v {}", log.display());
    for said in [found[0]["text"].as_str().unwrap(), &text, &daemon.logged()] {
        assert!(said.contains(&advice), "no {advice:?} in: {said}");
    }

    sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
    let begin = Instant::now();
    while wal::size(&log) > 0 {
        assert!(begin.elapsed() < TIMEOUT, "{}", daemon.logged());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'wal_small'")
        .await;
    assert!(attention(&bench).is_empty());
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    let warnings = daemon.logged().matches("the write-ahead log").count();
    assert_eq!(warnings, 2, "{}", daemon.logged());
}
