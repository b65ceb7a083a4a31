//! Failures of the database that the daemon repairs or names: a write-ahead log that fills a small disk, a changed
//! schema, and a removed log or index.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, TIMEOUT, duplicates, mounts, plenty};
use growd_simulator::{Fault, On, Rule, Scenario};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

async fn searches(bench: &Bench, count: usize) {
    write_config(bench, &[]);
    for _ in 0..count {
        let id = bench.service.add_task(&plenty()).parse().unwrap();
        bench.want(&id, 85, Some(20)).await;
    }
}

async fn ends(daemon: &mut Daemon, status: i32, words: &[&str]) {
    assert_eq!(daemon.ended().await, Some(status), "{}", daemon.logged());
    let logged = daemon.logged();
    for word in words {
        assert!(logged.contains(word), "no {word:?} in: {logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_very_small_disk_the_log_does_not_take_all_the_space() {
    if !mounts::in_own_namespace(
        "database_trouble::on_a_very_small_disk_the_log_does_not_take_all_the_space",
    ) {
        return;
    }
    let mut bench = Bench::new().await;
    mounts::disk(&mut bench, "1m");
    searches(&bench, 12).await;
    let mut daemon = Daemon::start(&bench);
    bench
        .until(
            "SELECT count(*) = 12 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL",
        )
        .await;
    daemon.signal("TERM");
    ends(&mut daemon, 0, &[]).await;
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_the_log_frees_its_space_and_polls_go_on() {
    if !mounts::in_own_namespace(
        "database_trouble::on_a_full_disk_the_log_frees_its_space_and_polls_go_on",
    ) {
        return;
    }
    let mut bench = Bench::new().await;
    let disk = mounts::disk(&mut bench, "20m");
    write_config(&bench, &[("polling.max_interval", r#""20ms""#)]);
    // The task stays `in_progress`: each poll overwrites the same rows.
    let at_work = Scenario {
        rate_per_minute: Some(0.000_1),
        ..Scenario::default()
    };
    bench.grow(&at_work, 100).await;
    let mut daemon = Daemon::start(&bench);
    bench.until("SELECT polls > 20 FROM progress").await;
    let full = std::io::copy(
        &mut std::io::repeat(0),
        &mut File::create(disk.join("filler")).unwrap(),
    );
    assert!(full.is_err());
    daemon.logs("the disk is full").await;
    let polls: i64 = bench.value("SELECT polls FROM progress").await;
    let begin = Instant::now();
    while bench.value::<i64>("SELECT polls FROM progress").await < polls + 100 {
        assert!(begin.elapsed() < TIMEOUT, "{}", daemon.logged());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    daemon.signal("TERM");
    ends(&mut daemon, 0, &[]).await;
    let reports = daemon.logged().matches("the disk is full").count();
    assert!(reports <= 7, "{}", daemon.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schema_is_refused_at_the_start_and_named() {
    for (sql, found) in [
        ("DROP TABLE samples", "table samples is missing"),
        (
            "ALTER TABLE progress RENAME COLUMN last_error TO mistake",
            "table progress was changed",
        ),
    ] {
        let bench = Bench::new().await;
        searches(&bench, 1).await;
        bench.execute(sql).await;
        let mut daemon = Daemon::start(&bench);
        ends(&mut daemon, 1, &[found, "restore a backup"]).await;
        assert_eq!(bench.service.requests().total, 0);
        let checked = output(&bench, &["check", "--offline"]);
        assert_eq!(checked.status.code(), Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_changed_while_it_runs_ends_it_and_is_named() {
    for (sql, found) in [
        ("DROP TABLE samples", "table samples is missing"),
        (
            "ALTER TABLE progress RENAME COLUMN next_poll_at TO later",
            "table progress was changed",
        ),
    ] {
        let bench = Bench::new().await;
        searches(&bench, 3).await;
        bench
            .service
            .script(Rule::always(On::Resume, Fault::Delay { ms: 300 }));
        let mut daemon = Daemon::start(&bench);
        bench.until("SELECT count(*) > 0 FROM resumes").await;
        bench.execute(sql).await;
        ends(&mut daemon, 1, &[found, "restore a backup"]).await;
        let twice = duplicates(&bench.service);
        assert!(twice.is_empty(), "took effect twice: {twice:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_to_the_schema_are_left_alone_even_if_they_are_broken() {
    let bench = Bench::new().await;
    searches(&bench, 1).await;
    bench.execute("CREATE INDEX by_note ON tasks (note)").await;
    bench
        .execute(
            "CREATE TRIGGER broken AFTER INSERT ON samples BEGIN INSERT INTO nowhere VALUES (1); END",
        )
        .await;
    let mut daemon = Daemon::start(&bench);
    daemon.logs("no such table: main.nowhere").await;
    daemon.signal("TERM");
    ends(
        &mut daemon,
        0,
        &["the database refused what was learnt of it"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_log_or_index_ends_the_daemon_and_a_restart_is_enough() {
    for (suffix, words) in [
        ("-wal", "put no -wal back"),
        ("-shm", "nothing of growd's is lost"),
    ] {
        let bench = Bench::new().await;
        searches(&bench, 3).await;
        bench
            .service
            .script(Rule::always(On::Resume, Fault::Delay { ms: 300 }));
        let mut daemon = Daemon::start(&bench);
        bench.until("SELECT count(*) > 0 FROM resumes").await;
        fs::remove_file(beside(&bench.settings.database, suffix)).unwrap();
        let words = ["was removed or moved away", words, "tart growd again"];
        ends(&mut daemon, 1, &words).await;
        assert!(
            !daemon.logged().contains("Put the file back"),
            "{}",
            daemon.logged()
        );
        // As the message says, a restart is enough.
        let mut daemon = Daemon::start(&bench);
        bench
            .until("SELECT count(*) = 3 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
            .await;
        daemon.signal("TERM");
        ends(&mut daemon, 0, &[]).await;
        bench.assert_ledgers_agree().await;
    }
}
