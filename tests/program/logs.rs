//! The log of the real program: its formats, the lines of a resume, and its length in a quiet and in a bad hour of a
//! thousand tasks.

use crate::support::program::{Daemon, growd, write_config};
use crate::support::{Bench, TIMEOUT, from_env, mounts, plenty};
use growd_simulator::{Fault, On, Rule, Scenario};
use nix::fcntl::{FcntlArg, fcntl};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

const TASKS: i64 = 1_000;

fn status(code: u16, body: Option<Value>) -> Fault {
    Fault::Status {
        code,
        headers: BTreeMap::new(),
        body,
        text: None,
        takes_effect: false,
    }
}

/// A task that stays `in_progress`.
fn at_work() -> Scenario {
    Scenario {
        pool: Some(5_000),
        desired_num_results: Some(100),
        rate_per_minute: Some(0.000_1),
        ..Scenario::default()
    }
}

/// Adds `count` tasks in one statement.
async fn many(bench: &Bench, scenario: &Scenario, count: i64, target: i64) {
    let ids: Vec<String> = (0..count)
        .map(|_| bench.service.add_task(scenario))
        .collect();
    sqlx::query("INSERT INTO tasks (task_id, target) SELECT value, ? FROM json_each(?)")
        .bind(target)
        .bind(json!(ids).to_string())
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
}

/// Returns the lines of a JSON log; each must be one object.
fn lines(daemon: &Daemon) -> Vec<Value> {
    let log = daemon.logged();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Returns the lines of level INFO and above.
fn info_lines(daemon: &Daemon) -> Vec<Value> {
    let is_info = |line: &Value| matches!(line["level"].as_str(), Some("INFO" | "WARN" | "ERROR"));
    lines(daemon).into_iter().filter(is_info).collect()
}

fn with(lines: &[Value], words: &str) -> usize {
    let has = |line: &&Value| line["message"].as_str().unwrap().contains(words);
    lines.iter().filter(has).count()
}

async fn end(daemon: &mut Daemon) {
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_hour_of_a_thousand_tasks_is_logged_in_a_few_lines() {
    // With the default `polling.max_interval`, 60 polls of each task are an hour.
    let polls: i64 = from_env("GROWD_QUIET_POLLS", 5);
    let bench = Bench::new().await;
    write_config(
        &bench,
        &[
            ("log.format", r#""json""#),
            ("polling.max_interval", r#""500ms""#),
            // At these intervals an unoptimised build would do little else than read pages.
            ("polling.list_page", "0"),
        ],
    );
    many(&bench, &Scenario::done(25), TASKS, 25).await;
    many(&bench, &at_work(), TASKS, 100).await;
    let mut daemon = Daemon::start(&bench);
    bench
        .until(
            "SELECT (SELECT count(*) FROM progress WHERE state = 'reached') = 1000
                AND (SELECT count(*) FROM progress WHERE state = 'growing') = 1000",
        )
        .await;
    let before = info_lines(&daemon).len();
    sqlx::query("CREATE TABLE hour AS SELECT task_id, polls + ? AS enough FROM progress")
        .bind(polls)
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
    bench
        .until(
            "SELECT NOT EXISTS (SELECT 1 FROM progress JOIN hour USING (task_id)
                                 WHERE state = 'growing' AND polls < enough)",
        )
        .await;
    end(&mut daemon).await;
    let after: Vec<Value> = info_lines(&daemon).split_off(before);
    println!("lines in the quiet hour: {}", after.len());
    assert!(after.len() < 20, "{after:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_500s_is_logged_in_a_few_lines_and_counted() {
    let bench = Bench::new().await;
    write_config(&bench, &[("log.format", r#""json""#)]);
    many(&bench, &at_work(), TASKS, 100).await;
    bench
        .service
        .script(Rule::always(On::Any, status(500, None)));
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT count(*) = 1000 FROM progress WHERE failures > 2")
        .await;
    bench.service.clear_script();
    bench
        .until("SELECT count(*) = 1000 FROM progress WHERE failures = 0 AND state = 'growing'")
        .await;
    end(&mut daemon).await;
    let logged = info_lines(&daemon);
    let of_trouble: Vec<Value> = logged
        .iter()
        .filter(|line| matches!(line["event"].as_str(), Some("error" | "recovered" | "sum")))
        .cloned()
        .collect();
    assert_eq!(with(&of_trouble, "poll failed: 500"), 6, "{of_trouble:#?}");
    assert_eq!(of_trouble.len(), 12, "{of_trouble:#?}");
    assert_eq!(
        with(&of_trouble, "995 more like this"),
        2,
        "{of_trouble:#?}"
    );
    let events: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'error'")
        .await;
    assert_eq!(events, TASKS, "each is in the events");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_account_is_logged_once_and_its_probes_in_a_few_lines() {
    for (on, code, gate) in [
        (On::Resume, 402, "payment_required"),
        (On::Any, 401, "unauthorized"),
        (On::Any, 429, "rate_limited"),
    ] {
        let bench = Bench::new().await;
        write_config(
            &bench,
            &[
                ("log.format", r#""json""#),
                ("gate.probe_interval", r#""10ms""#),
            ],
        );
        many(&bench, &plenty(), 200, 60).await;
        bench.service.script(Rule::always(on, status(code, None)));
        let mut daemon = Daemon::start(&bench);
        daemon.logs(&format!("gate {gate}")).await;
        if code == 402 {
            bench
                .until("SELECT count(*) > 100 FROM resumes WHERE state = 'rejected'")
                .await;
        }
        end(&mut daemon).await;
        let logged = info_lines(&daemon);
        assert_eq!(with(&logged, &format!("gate {gate}")), 1, "{logged:#?}");
        // Before the gate closes, as many requests can fail as are in flight at once.
        assert!(logged.len() < 40, "{code}: {logged:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_service_is_logged_in_a_few_lines() {
    let bench = Bench::new().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("\"http://{}\"", gone.local_addr().unwrap());
    drop(gone);
    write_config(
        &bench,
        &[("log.format", r#""json""#), ("api.base_url", &url)],
    );
    many(&bench, &at_work(), 200, 100).await;
    let mut daemon = Daemon::start(&bench);
    daemon.logs("gate unreachable").await;
    bench
        .until("SELECT count(*) > 40 FROM progress WHERE failures > 0")
        .await;
    end(&mut daemon).await;
    let logged = info_lines(&daemon);
    assert!(logged.len() < 20, "{logged:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_is_one_line_and_what_came_of_it_another() {
    let bench = Bench::new().await;
    write_config(&bench, &[("log.format", r#""json""#)]);
    let id = bench.grow(&plenty(), 60).await;
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    end(&mut daemon).await;
    let of_task: Vec<Value> = info_lines(&daemon)
        .into_iter()
        .filter(|line| line["task_id"] == id.as_str())
        .collect();
    let messages: Vec<&str> = of_task
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let [asked, came, reached] = messages[..] else {
        panic!("{messages:#?}");
    };
    assert_eq!(asked, format!("{id}: asking for 35 more, at 25 (resume 1)"));
    let prefix = format!("{id}: 35 asked for, ");
    assert!(came.starts_with(&prefix), "{came}");
    assert!(
        reached.starts_with(&format!("{id}: reached: ")),
        "{reached}"
    );
    assert_eq!(of_task[0]["resume"], 1);
    for line in lines(&daemon) {
        assert!(line["timestamp"].is_string(), "{line}");
        assert!(line["level"].is_string() && line["message"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_the_service_breaks_no_line_and_the_id_is_in_it_once() {
    let hostile = json!({"detail": "no\r\n<0>forged\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\u{0}end"});
    for (format, is_journal) in [("text", false), ("text", true), ("json", false)] {
        let bench = Bench::new().await;
        write_config(&bench, &[("log.format", &format!("{format:?}"))]);
        let id = bench.grow(&plenty(), 60).await;
        bench
            .service
            .script(Rule::always(On::Resume, status(422, Some(hostile.clone()))));
        // growd detects the journal by device and inode of stderr.
        let log = File::create(bench.dir.path().join("growd.log")).unwrap();
        let file = log.metadata().unwrap();
        let inode = file.ino() + u64::from(!is_journal);
        let stream = format!("{}:{inode}", file.dev());
        let mut daemon = Daemon::start_with(&bench, &[("JOURNAL_STREAM", &stream)]);
        bench.until("SELECT state = 'refused' FROM progress").await;
        end(&mut daemon).await;
        let log = daemon.logged();
        assert!(log.contains("forged"), "{log}");
        assert!(
            !log.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')),
            "{log:?}"
        );
        for line in log.lines() {
            let begins_well = match (format, is_journal) {
                ("json", _) => serde_json::from_str::<Value>(line).is_ok(),
                (_, true) => matches!(line.as_bytes(), [b'<', b'3'..=b'7', b'>', ..]),
                // 2026-11-24T02:22:00.123Z
                (_, false) => line.as_bytes()[10] == b'T' && line.as_bytes()[23] == b'Z',
            };
            assert!(begins_well, "{line}");
            if format == "text" {
                assert!(line.matches(id.as_str()).count() <= 1, "{line}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_lines_are_short_and_coloured_unless_colours_are_disabled() {
    let script = std::process::Command::new("script")
        .arg("--version")
        .output();
    if !script.is_ok_and(|script| script.status.success()) {
        mounts::skipped("terminal", "there is no `script` to make one");
        return;
    }
    for no_color in ["", "1"] {
        let bench = Bench::new().await;
        write_config(&bench, &[]);
        let run = growd(&bench, &["run"]);
        let words: Vec<_> = std::iter::once(run.get_program())
            .chain(run.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let log = bench.dir.path().join("growd.log");
        let child = std::process::Command::new("script")
            .args(["-qec", &format!("exec {}", words.join(" ")), "/dev/null"])
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm")
            .stdin(std::process::Stdio::null())
            .stdout(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Daemon { child, log };
        daemon.logs("started").await;
        let pid: i64 = bench.value("SELECT pid FROM daemon").await;
        let ended = std::process::Command::new("kill")
            .arg(pid.to_string())
            .status()
            .unwrap();
        assert!(ended.success());
        daemon.logs("stopped").await;
        daemon.ended().await;
        let log = fs::read_to_string(&daemon.log).unwrap();
        let first = log.lines().find(|line| line.contains("started")).unwrap();
        let is_coloured = first.contains("\u{1b}[32m INFO\u{1b}[0m");
        assert_eq!(is_coloured, no_color.is_empty(), "{first:?}");
        assert_eq!(first.contains('\u{1b}'), no_color.is_empty(), "{first:?}");
        // The rest contains the path of a directory, with any letters.
        let (time, _) = first.split_once("started").unwrap();
        assert!(!time.contains('T'), "no date: {first:?}");
    }
}

/// Returns a pipe of one page, already full, and its size.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4_096)).unwrap();
    let size = usize::try_from(size).unwrap();
    writer.write_all(&vec![b'.'; size]).unwrap();
    (reader, writer, size)
}

/// Starts `growd run` with a full pipe as stderr; returns the reading end and the pipe's size.
fn unread(bench: &Bench) -> (Daemon, PipeReader, usize) {
    let (reader, writer, size) = full_pipe();
    let child = growd(bench, &["run"])
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let log = bench.dir.path().join("none.log");
    (Daemon { child, log }, reader, size)
}

fn rest(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Grows a task and stops the daemon by these signals, while its log is not read.
async fn stops_unread(signals: &[&str]) {
    let bench = Bench::new().await;
    write_config(
        &bench,
        &[
            ("log.level", r#""debug""#),
            // The first signal's shutdown waits this long, so the second signal comes during it.
            ("api.timeout", r#""1h""#),
        ],
    );
    bench.grow(&plenty(), 100).await;
    bench.grow(&at_work(), 200).await;
    let (mut daemon, reader, size) = unread(&bench);
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE state = 'reached'")
        .await;
    bench.until("SELECT max(polls) > 20 FROM progress").await;
    let is_second = signals.len() > 1;
    if is_second {
        let hang = Fault::Hang { ms: 600_000 };
        bench.service.script(Rule::always(On::Any, hang));
        let before = bench.service.requests().total;
        let begin = Instant::now();
        while bench.service.requests().total == before {
            assert!(begin.elapsed() < TIMEOUT, "no request");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    for signal in signals {
        daemon.signal(signal);
    }
    assert_eq!(daemon.ended().await, Some(i32::from(is_second)));
    assert_eq!(
        rest(reader),
        ".".repeat(size),
        "the pipe was full throughout"
    );
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_read_delays_neither_the_tasks_nor_the_stop() {
    tokio::join!(stops_unread(&["TERM"]), stops_unread(&["TERM", "INT"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_read_too_late_says_how_many_lines_it_lacks() {
    let bench = Bench::new().await;
    write_config(
        &bench,
        &[
            ("log.level", r#""debug""#),
            ("log.format", r#""json""#),
            ("polling.list_page", "0"),
        ],
    );
    many(&bench, &at_work(), TASKS, 100).await;
    let (mut daemon, reader, size) = unread(&bench);
    // Each poll logs a line of more than 250 bytes, and 2 MiB of lines are kept.
    bench.until("SELECT sum(polls) > 12000 FROM progress").await;
    let missing = "lines of the log are missing here";
    let (sender, found) = tokio::sync::oneshot::channel();
    let reading = std::thread::spawn(move || {
        let (mut lines, mut sender) = (Vec::new(), Some(sender));
        for line in BufReader::new(reader).lines() {
            let line = line.unwrap();
            if line.contains(missing) {
                sender.take().map(|sender| sender.send(()));
            }
            lines.push(line);
        }
        lines
    });
    tokio::time::timeout(TIMEOUT, found)
        .await
        .expect("the number of missing lines is logged in time")
        .unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let mut lines = reading.join().unwrap();
    // The first line follows the bytes that filled the pipe.
    lines[0].drain(..size);
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(with(&lines, missing) >= 1);
    assert_eq!(with(&lines[lines.len() - 1..], "stopped"), 1);
}
