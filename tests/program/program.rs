//! The real program with signals, locks, bad tokens and bad configs: it reports the problem and continues.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, plenty};
use growd_simulator::{Fault, On, Options, Rule};
use std::process::Command;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_grows_a_search_added_on_the_command_line_and_sigterm_ends_it_in_order() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let id = bench.service.add_task(&plenty());
    let mut daemon = Daemon::start(&bench);
    let link = format!("https://app.extruct.ai/tasks/{id}?tab=results");
    let added = output(
        &bench,
        &["add", &link, "--target", "60", "--note", "a note"],
    );
    assert!(added.status.success(), "{}", text(&added.stderr));
    bench
        .until("SELECT state = 'reached' AND next_poll_at IS NULL FROM progress")
        .await;
    let shown = output(&bench, &["show", &id, "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["state"], &shown["note"]),
        (&"reached".into(), &"a note".into())
    );
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    let pid: Option<i64> = bench.value("SELECT pid FROM daemon").await;
    assert_eq!(pid, None);
    let log = std::fs::metadata(bench.dir.path().join("growd.db-wal"));
    assert!(
        log.map_or(true, |log| log.len() == 0),
        "all of the log is in the database"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_names_the_process_that_holds_the_database() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let mut first = Daemon::start(&bench);
    first.logs("started").await;
    let second = output(&bench, &["run"]);
    assert_eq!(second.status.code(), Some(75));
    let pid = format!("pid {}", first.child.id());
    assert!(
        text(&second.stderr).contains(&pid),
        "{}",
        text(&second.stderr)
    );
    first.signal("INT");
    assert_eq!(first.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_database_that_is_not_there_yet_leads_to_the_same_lock() {
    let bench = Bench::new().await;
    let (real, link) = (
        bench.dir.path().join("real"),
        bench.dir.path().join("link.db"),
    );
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(real.join("growd.db"), &link).unwrap();
    let path = format!("{:?}", link.to_str().unwrap());
    write_config(&bench, &[("database.path", &path)]);
    let mut first = Daemon::start(&bench);
    first.logs("started").await;
    assert_eq!(output(&bench, &["run"]).status.code(), Some(75));
    let there = real.join("growd.db");
    let by_its_own_name = ["run", "--database", there.to_str().unwrap()];
    assert_eq!(output(&bench, &by_its_own_name).status.code(), Some(75));
    first.signal("TERM");
    assert_eq!(first.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_with_a_later_schema_it_does_not_begin() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let path = bench.dir.path().join("token");
    std::fs::remove_file(&path).unwrap();
    let run = output(&bench, &["run"]);
    assert_eq!(run.status.code(), Some(77), "{}", text(&run.stderr));
    std::fs::write(&path, "token").unwrap();
    bench
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99991231235959, 'later', TRUE, x'00', 0)",
        )
        .await;
    for command in [&["run"][..], &["status"], &["add", "x", "--target", "1"]] {
        let output = output(&bench, command);
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        assert!(
            text(&output.stderr).contains("99991231235959"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_closes_the_gate_until_sighup_brings_a_better_one() {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.accepted_token = Some("the-new-one".to_owned());
    let bench = Bench::with(options).await;
    write_config(&bench, &[("gate.probe_interval", r#""1h""#)]);
    bench.grow(&plenty(), 60).await;
    bench.grow(&plenty(), 60).await;
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT gate = 'unauthorized' FROM daemon")
        .await;
    let asked = bench.service.requests().total;
    std::fs::write(bench.dir.path().join("token"), "the-new-one\n").unwrap();
    daemon.signal("HUP");
    bench.until_all_ended().await;
    bench.until("SELECT gate = 'open' FROM daemon").await;
    assert!(asked <= 2, "{asked} requests before the gate closed");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_from_a_pipe_cannot_be_read_again_and_stays() {
    let bench = Bench::new().await;
    let path = write_config(&bench, &[("growth.daily_limit", "25")]);
    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let writing = std::thread::spawn(move || std::fs::write(path, text));
    let mut daemon = Daemon::start(&bench);
    writing.join().unwrap().unwrap();
    daemon.logs("started").await;
    daemon.signal("HUP");
    daemon.logs("is a pipe, which cannot be read twice").await;
    // The limit stays too: without it, this task would reach its target.
    bench.grow(&plenty(), 90).await;
    bench
        .until("SELECT sum(requested) = 25 AND sum(state = 'accepted') > 0 FROM resumes")
        .await;
    bench.until("SELECT queue = 'limit' FROM progress").await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_config_at_sighup_is_logged_and_the_old_one_stays() {
    let bench = Bench::new().await;
    let path = write_config(&bench, &[]);
    let mut daemon = Daemon::start(&bench);
    daemon.logs("started").await;
    std::fs::write(&path, "growth.chunck = 3\n").unwrap();
    daemon.signal("HUP");
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'reload_failed'")
        .await;
    daemon.logs("growth.chunk").await;
    bench.grow(&plenty(), 60).await;
    bench.until("SELECT state = 'reached' FROM progress").await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_that_is_emptied_or_breaks_a_rule_at_sighup_lifts_no_limit() {
    let bench = Bench::new().await;
    let path = write_config(&bench, &[("growth.daily_limit", "25")]);
    let good = std::fs::read_to_string(&path).unwrap();
    let mut daemon = Daemon::start(&bench);
    daemon.logs("started").await;
    for (text, why) in [
        (String::new(), "has become empty"),
        (" \n".to_owned(), "has become empty"),
        (
            good.replace("growth.settle = \"3s\"", "growth.settle = \"2s\""),
            "is not above api.timeout",
        ),
    ] {
        assert_ne!(text, good);
        std::fs::write(&path, text).unwrap();
        bench.execute("DELETE FROM events").await;
        daemon.signal("HUP");
        bench
            .until("SELECT count(*) = 1 FROM events WHERE kind = 'reload_failed'")
            .await;
        let detail: String = bench
            .value("SELECT detail FROM events WHERE kind = 'reload_failed'")
            .await;
        assert!(detail.contains(why), "{detail}");
    }
    bench.grow(&plenty(), 90).await;
    bench
        .until("SELECT sum(requested) = 25 AND sum(state = 'accepted') > 0 FROM resumes")
        .await;
    bench.until("SELECT queue = 'limit' FROM progress").await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_growd_does_not_know_is_in_the_log() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    let mut daemon = Daemon::start_with(&bench, &[("GROWD_GROWTH_CHUNK", "5")]);
    daemon.logs("GROWD_GROWTH_CHUNK is unknown").await;
    daemon.logs("started").await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_resume_under_way_finish_and_begins_nothing_new() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
        .service
        .script(Rule::once(On::Resume, Fault::Delay { ms: 700 }).times(2));
    bench.grow(&plenty(), 60).await;
    bench.grow(&plenty(), 60).await;
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT count(*) = 2 FROM resumes WHERE state = 'intended'")
        .await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
    let accepted: i64 = bench
        .value("SELECT count(*) FROM resumes WHERE state = 'accepted'")
        .await;
    assert_eq!(accepted, 2, "{}", bench.dump().await);
}
