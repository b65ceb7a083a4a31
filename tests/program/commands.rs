//! Each command as an operator or a script runs it: its output and its exit status.

use crate::support::program::{Daemon, growd, output, write_config};
use crate::support::{Bench, plenty};
use growd_simulator::{Fault, On, Rule};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// The commands of the contract.
const COMMANDS: [&str; 15] = [
    "run", "add", "pause", "unpause", "retry", "remove", "status", "show", "search", "results",
    "watch", "check", "backup", "simulate", "demo",
];

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
}

/// Runs a command that must exit with `status`; returns its stdout and stderr.
fn run(bench: &Bench, arguments: &[&str], status: i32) -> (String, String) {
    checked(arguments, output(bench, arguments), status)
}

fn checked(arguments: &[&str], output: Output, status: i32) -> (String, String) {
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let ended = output.status.code();
    assert_eq!(ended, Some(status), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_has_a_help_text_with_an_example() {
    let bench = bench().await;
    let (all, _) = run(&bench, &["--help"], 0);
    for command in COMMANDS {
        assert!(all.contains(command), "{command}");
        let (help, _) = run(&bench, &[command, "--help"], 0);
        assert!(help.contains("Example"), "{command}: {help}");
        assert!(help.contains("--config <FILE>"), "{command}: {help}");
        assert!(help.contains("--database <FILE>"), "{command}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_ends_with_2_and_nothing_on_stdout() {
    let bench = bench().await;
    for arguments in [
        &["grow"][..],
        &["add"],
        &["add", "a"],
        &["add", "a", "--target", "0"],
        &["add", "a", "--target", "-3"],
        &["add", "a", "--target", "many"],
        &["add", "a", "--target", "5", "--chunk", "0"],
        &["add", "a", "--target", "5", "--chunk", "251"],
        &["add", "https://app.extruct.ai/companies/a", "--target", "5"],
        &["add", "a", "--csv", "list.csv", "--target", "5"],
        &["add", "--target", "5"],
        &["pause"],
        &["pause", "a", "--state", "growing"],
        &["unpause"],
        &["retry", "--state", "reached"],
        &["retry", "--state", "asleep"],
        &["status", "--state", "asleep"],
        &["backup"],
    ] {
        let (out, err) = run(&bench, arguments, 2);
        assert!(out.is_empty(), "{arguments:?}: {out}");
        assert!(!err.is_empty(), "{arguments:?}");
    }
    assert!(!bench.settings.database.exists(), "nothing was made of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn add_is_an_upsert_of_ids_links_and_lines_all_or_none() {
    let bench = bench().await;
    let add = [
        "add",
        "a",
        "https://app.extruct.ai/tasks/b?x=y",
        "a",
        "--target",
        "60",
        "--note",
        "n",
    ];
    let (out, err) = run(&bench, &add, 0);
    assert_eq!(out, "added a (target 60)\nadded b (target 60)\n");
    assert!(err.contains("no daemon runs"), "{err}");
    let (out, _) = run(
        &bench,
        &["add", "a", "c", "--target", "70", "--chunk", "9"],
        0,
    );
    assert_eq!(out, "changed a (target 70)\nadded c (target 70)\n");
    let (out, _) = run(&bench, &["add", "a", "--target", "70"], 0);
    assert_eq!(out, "unchanged a (target 70)\n");
    let kept: (i64, Option<i64>, Option<String>) =
        sqlx::query_as("SELECT target, chunk, note FROM tasks WHERE task_id = 'a'")
            .fetch_one(&mut bench.connection().await)
            .await
            .unwrap();
    assert_eq!(kept, (70, Some(9), Some("n".to_owned())));
    let (_, err) = run(&bench, &["add", "d", "..", "--target", "5"], 2);
    assert!(err.contains("\"..\""), "{err}");
    let (_, err) = run(&bench, &["add", "e", "--target", "300"], 0);
    assert!(err.contains("growth.task_cap"), "{err}");

    let mut add = growd(&bench, &["add", "-", "--target", "8"]);
    let mut child = add
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = b"f\n# a remark\nhttps://app.extruct.ai/tasks/g\n../h\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines).unwrap();
    let (_, err) = checked(&["add", "-"], child.wait_with_output().unwrap(), 2);
    assert!(err.contains("line 4"), "{err}");
    let tasks: Vec<String> = sqlx::query_scalar("SELECT task_id FROM tasks ORDER BY 1")
        .fetch_all(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!(tasks, ["a", "b", "c", "e"]);
}

/// Runs a command with this stdin; returns its stdout and stderr.
fn run_with_stdin(bench: &Bench, arguments: &[&str], input: &str, status: i32) -> (String, String) {
    let mut command = growd(bench, arguments);
    let file = bench.dir.path().join("input");
    std::fs::write(&file, input).unwrap();
    command.stdin(std::fs::File::open(&file).unwrap());
    checked(arguments, command.output().unwrap(), status)
}

async fn wanted(bench: &Bench) -> Vec<(String, i64, Option<i64>, Option<String>)> {
    sqlx::query_as("SELECT task_id, target, chunk, note FROM tasks ORDER BY 1")
        .fetch_all(&mut bench.connection().await)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn add_reads_lines_without_blank_ones_and_remarks() {
    let bench = bench().await;
    let input = "\u{feff}a\n\n  # a remark\n#b\n \t\n c \r\n";
    let (out, _) = run_with_stdin(&bench, &["add", "-", "--target", "8"], input, 0);
    assert_eq!(out, "added a (target 8)\nadded c (target 8)\n");
    let (_, err) = run_with_stdin(&bench, &["add", "-", "--target", "8"], "# none\n\n", 2);
    assert!(err.contains("no tasks on stdin"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn add_reads_a_csv_file_with_values_of_its_own_for_each_task() {
    let bench = bench().await;
    let file = bench.dir.path().join("list.csv");
    let text = "\u{feff}company,task_id,target,note,chunk\r\n\
                x,a,60,\"one, two\",9\r\n\
                y,https://app.extruct.ai/tasks/b?x=y,,,\r\n\
                z, 0F0F1C1E-1111-4222-8333-4444555566AA ,7,,\r\n\
                x,a,60,\"one, two\",9\r\n";
    std::fs::write(&file, text).unwrap();
    let csv = ["add", "--csv", file.to_str().unwrap()];
    let (out, err) = run(&bench, &csv, 1);
    assert!(out.is_empty(), "{out}");
    assert!(
        err.contains("line 3 of") && err.contains("no target"),
        "{err}"
    );
    assert!(!bench.settings.database.exists(), "nothing was made of it");

    let with_target = [&csv[..], &["--target", "50", "--note", "n"]].concat();
    let (out, _) = run(&bench, &with_target, 0);
    let id = "0f0f1c1e-1111-4222-8333-4444555566aa";
    assert_eq!(
        out,
        format!("added a (target 60)\nadded b (target 50)\nadded {id} (target 7)\n")
    );
    let note = |text: &str| Some(text.to_owned());
    assert_eq!(
        wanted(&bench).await,
        [
            (id.to_owned(), 7, None, note("n")),
            ("a".to_owned(), 60, Some(9), note("one, two")),
            ("b".to_owned(), 50, None, note("n")),
        ]
    );
    let (out, _) = run_with_stdin(&bench, &["add", "--csv", "-"], "task_id,target\na,61\n", 0);
    assert_eq!(out, "changed a (target 61)\n");
    assert_eq!(
        wanted(&bench).await[1].2,
        Some(9),
        "what is not given stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unusable_row_of_a_csv_file_is_reported_and_nothing_is_added() {
    let bench = bench().await;
    let text = "task_id,target,chunk\n\
                good,5,\n\
                bad\u{200b},5,\n\
                a,0,\n\
                ,5,\n\
                b,5,251\n\
                good,6,\n\
                c\n\
                https://evil.example/tasks/d,5,\n";
    for _ in 0..2 {
        let (out, err) = run_with_stdin(&bench, &["add", "--csv", "-"], text, 1);
        assert!(out.is_empty(), "{out}");
        for expected in [
            "line 3 of stdin: \"bad\\u{200b}\" is no task id: U+200B",
            "line 4 of stdin: target is \"0\"",
            "line 5 of stdin: it has no task_id",
            "line 6 of stdin: chunk is \"251\"",
            "line 7 of stdin: good is already listed with other values on line 2 of stdin",
            "line 8 of stdin: it has 1 cell, but the first row names 3 columns",
            "line 9 of stdin: \"https://evil.example/tasks/d\" is a link to the host evil.example",
            "7 tasks cannot be used: nothing was added",
        ] {
            assert!(err.contains(expected), "no {expected:?} in {err}");
        }
        assert!(
            wanted(&bench).await.is_empty(),
            "with a database and without"
        );
    }
    for (text, why) in [
        ("", "is empty"),
        ("id,target\na,5\n", "no column task_id"),
        ("task_id,target\n", "no tasks in the CSV file"),
    ] {
        let (_, err) = run_with_stdin(&bench, &["add", "--csv", "-"], text, 1);
        assert!(err.contains(why), "{err}");
    }
    let (_, err) = run(&bench, &["add", "--csv", "/nonexistent/list.csv"], 1);
    assert!(err.contains("/nonexistent/list.csv"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_are_added_at_once_and_reported_in_one_line() {
    // A build without optimisation takes several times as long.
    let many = if cfg!(debug_assertions) {
        10_000
    } else {
        100_000
    };
    let bench = bench().await;
    let ids: Vec<String> = (0..many)
        .map(|n| format!("{n:08x}-1111-4222-8333-444455556666\n"))
        .collect();
    let begin = std::time::Instant::now();
    let (out, _) = run_with_stdin(&bench, &["add", "-", "--target", "100"], &ids.concat(), 0);
    let took = begin.elapsed();
    assert_eq!(
        out,
        format!("{many} tasks: {many} added, 0 changed, 0 unchanged\n")
    );
    println!("{many} tasks in {took:?}");
    if !cfg!(debug_assertions) {
        assert!(took < std::time::Duration::from_secs(3), "{took:?}");
    }
    let some = format!("{}{}", ids[..21].concat(), "new\n");
    run(&bench, &["add", ids[0].trim(), "--target", "90"], 0);
    let (out, _) = run_with_stdin(&bench, &["add", "-", "--target", "100"], &some, 0);
    assert_eq!(out, "22 tasks: 1 added, 1 changed, 20 unchanged\n");
    let (out, _) = run_with_stdin(
        &bench,
        &["add", "-", "--target", "100"],
        &ids[..20].concat(),
        0,
    );
    assert_eq!(out.lines().count(), 20);
    let due: i64 = bench
        .value("SELECT count(*) FROM progress JOIN tasks USING (task_id) WHERE next_poll_at IS NOT NULL")
        .await;
    assert_eq!(due, many + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_unpause_and_retry_take_all_tasks_in_a_state() {
    let bench = bench().await;
    let ids = ["a", "b", "c", "d", "e"];
    run(
        &bench,
        &[&["add"][..], &ids, &["--target", "5"]].concat(),
        0,
    );
    bench
        .execute("UPDATE progress SET state = 'missing', next_poll_at = NULL WHERE task_id IN ('a', 'b', 'c')")
        .await;
    let (out, _) = run(&bench, &["pause", "--state", "missing"], 0);
    assert_eq!(out, "3 tasks: paused\n");
    let (out, _) = run(&bench, &["pause", "--state", "missing"], 0);
    assert_eq!(out, "0 tasks: paused\n");
    run(&bench, &["unpause", "a"], 0);
    let (out, err) = run(&bench, &["retry", "--state", "missing"], 0);
    assert_eq!(out, "3 tasks: missing until now, will be polled again\n");
    assert!(err.contains("2 tasks of them paused"), "{err}");
    let pending: i64 = bench
        .value("SELECT count(*) FROM progress WHERE state = 'pending'")
        .await;
    assert_eq!(pending, 5);
    let (out, _) = run(&bench, &["pause", "d"], 0);
    assert_eq!(out, "d: paused\n");
    let (out, _) = run(&bench, &["unpause", "--state", "paused"], 0);
    assert_eq!(out, "3 tasks: unpaused\n");
    run(&bench, &["pause", "d", "e"], 0);
    let (out, _) = run(&bench, &["unpause", "--state", "pending"], 0);
    assert_eq!(out, "2 tasks: unpaused\n");
    let (out, _) = run(&bench, &["retry", "--state", "stalled"], 0);
    assert_eq!(out, "0 tasks: stalled until now, will be polled again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_there_is_an_error_that_names_it_and_nothing_is_done() {
    let bench = bench().await;
    run(&bench, &["add", "a", "--target", "5"], 0);
    for command in ["show", "pause", "unpause", "retry", "remove"] {
        let (_, err) = run(&bench, &[command, "no-such-task"], 1);
        assert!(err.contains("no-such-task"), "{command}: {err}");
    }
    for command in ["pause", "unpause", "retry", "remove"] {
        run(&bench, &[command, "a", "no-such-task"], 1);
    }
    let untouched: i64 = bench
        .value("SELECT count(*) FROM tasks WHERE task_id = 'a' AND paused = 0 AND retry = 0")
        .await;
    assert_eq!(untouched, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_it_says_so_at_once_and_makes_none() {
    let bench = bench().await;
    for arguments in [
        &["status"][..],
        &["show", "a"],
        &["watch"],
        &["pause", "a"],
        &["retry", "a"],
        &["remove", "a"],
        &["backup", "copy.db"],
    ] {
        let (_, err) = run(&bench, arguments, 1);
        assert!(err.contains("there is no database"), "{arguments:?}: {err}");
    }
    assert!(!bench.settings.database.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_retry_and_remove_take_effect_while_the_daemon_runs() {
    let bench = bench().await;
    let id = bench.service.add_task(&plenty());
    bench
        .service
        .script(Rule::once(On::Resume, Fault::status(422)));
    run(&bench, &["add", &id, "--target", "60"], 0);
    let mut daemon = Daemon::start(&bench);
    bench.until("SELECT state = 'refused' FROM progress").await;
    run(&bench, &["pause", &id], 0);
    let (out, _) = run(&bench, &["pause", &id], 0);
    assert_eq!(out, format!("{id}: already paused\n"));
    let asked = bench.service.requests().total;
    let (out, err) = run(&bench, &["retry", &id], 0);
    assert_eq!(out, format!("{id}: was refused, will be polled again\n"));
    assert!(err.contains("paused"), "{err}");
    let (out, _) = run(&bench, &["status", "--state", "paused"], 0);
    assert!(out.contains(&id), "{out}");
    assert_eq!(
        bench.service.requests().total,
        asked,
        "a paused task gets no request"
    );
    run(&bench, &["unpause", &id], 0);
    bench
        .until("SELECT state = 'reached' AND next_poll_at IS NULL FROM progress")
        .await;
    let (out, err) = run(&bench, &["retry", &id], 0);
    assert!(out.is_empty(), "{out}");
    assert!(err.contains("is reached"), "{err}");
    run(
        &bench,
        &["remove", &format!("https://app.extruct.ai/tasks/{id}")],
        0,
    );
    run(&bench, &["show", &id], 1);
    let kept: i64 = bench.value("SELECT count(*) FROM resumes").await;
    assert_eq!(kept, 2, "the ledger stays");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_output_is_one_document_on_stdout() {
    let bench = bench().await;
    let id = bench.service.add_task(&plenty());
    run(&bench, &["add", &id, "missing-one", "--target", "60"], 0);
    let (out, _) = run(&bench, &["status", "--json"], 0);
    let status = json(&out);
    assert_eq!(status["daemon"]["running"], false);
    assert_eq!(status["counts"]["pending"], 2);
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    let status = json(&run(&bench, &["status", "--json"], 0).0);
    assert_eq!(status["daemon"]["running"], true);
    assert_eq!(status["daemon"]["gate"], "open");
    assert_eq!(status["asked_24h"], 35);
    assert_eq!(status["asked_30d"], 35);
    assert_eq!(status["monthly_limit"], 0);
    assert!(status["credits"].is_null());
    assert_eq!(status["tasks"].as_array().unwrap().len(), 2);
    let status = json(&run(&bench, &["status", "--json", "--state", "missing"], 0).0);
    assert_eq!(status["tasks"][0]["task_id"], "missing-one");
    let shown = json(&run(&bench, &["show", &id, "--json"], 0).0);
    assert_eq!(shown["state"], "reached");
    assert_eq!(shown["num_results"], 60);
    assert_eq!(shown["resumes"][0]["requested"], 35);
    assert!(!shown["events"].as_array().unwrap().is_empty());
    let (text, _) = run(&bench, &["show", &id], 0);
    assert!(text.contains("reached: 60 of 60 results"), "{text}");
    let (text, _) = run(&bench, &["status"], 0);
    assert!(text.contains("tasks: 1 missing, 1 reached"), "{text}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_each_change_on_a_line_without_a_terminal_and_ends_with_the_last_task() {
    let bench = bench().await;
    let id = bench.service.add_task(&plenty());
    run(&bench, &["add", &id, "--target", "60"], 0);
    let watch = growd(&bench, &["watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut daemon = Daemon::start(&bench);
    let watched = tokio::task::spawn_blocking(move || watch.wait_with_output().unwrap());
    let (out, _) = checked(&["watch"], watched.await.unwrap(), 0);
    assert!(out.contains(&format!("{id} reached 60/60")), "{out}");
    assert!(out.ends_with("the task has ended\n"), "{out}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_each_problem_with_its_exit_status() {
    let bench = bench().await;
    let (out, _) = run(&bench, &["check"], 0);
    assert!(
        out.contains("will be created") && out.contains("credits left"),
        "{out}"
    );
    run(&bench, &["add", "a", "--target", "5"], 0);
    let (out, _) = run(&bench, &["check"], 0);
    assert!(out.contains("is sound"), "{out}");

    bench
        .service
        .script(Rule::once(On::User, Fault::status(401)));
    let (out, err) = run(&bench, &["check"], 77);
    assert!(out.contains("FAIL  service"), "{out}");
    assert!(err.contains("refuses the token"), "{err}");
    bench
        .service
        .script(Rule::once(On::User, Fault::LostBefore));
    run(&bench, &["check"], 69);
    write_config(&bench, &[("api.base_url", r#""http://127.0.0.1:1""#)]);
    run(&bench, &["check"], 69);
    run(&bench, &["check", "--offline"], 0);

    write_config(
        &bench,
        &[("growth.chunk", "0"), ("limits.concurrency", "0")],
    );
    let (out, err) = run(&bench, &["check", "--offline"], 78);
    assert_eq!(out, "FAIL  config    2 problems; see stderr\n");
    assert!(err.starts_with("growd: the config is invalid:\n"), "{err}");
    assert_eq!(err.lines().count(), 3, "{err}");
    write_config(&bench, &[("api.token_file", r#""/nonexistent""#)]);
    run(&bench, &["check"], 77);
    write_config(&bench, &[("growth.chunk", "0")]);
    let (_, err) = run(&bench, &["check", "--offline"], 78);
    assert!(err.contains("growth.chunk"), "{err}");
    write_config(&bench, &[]);
    bench.execute("DROP TABLE samples").await;
    let (_, err) = run(&bench, &["check", "--offline"], 1);
    assert!(err.contains("table samples is missing"), "{err}");
    // The exit status is the same if stdout is closed.
    let mut check = growd(&bench, &["check", "--offline"]);
    let mut child = check
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_takes_a_plain_file_name() {
    let bench = bench().await;
    let mut check = growd(&bench, &["check", "--offline", "--database", "new.db"]);
    let output = check.current_dir(bench.dir.path()).output().unwrap();
    checked(&["check"], output, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_makes_a_sound_copy_of_the_live_database_and_overwrites_nothing() {
    let bench = bench().await;
    let id = bench.service.add_task(&plenty());
    run(&bench, &["add", &id, "--target", "60"], 0);
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    let copy = bench.dir.path().join("copy.db");
    let name = copy.to_str().unwrap();
    let (out, _) = run(&bench, &["backup", name], 0);
    assert!(out.starts_with(name), "{out}");
    let before = std::fs::read(&copy).unwrap();
    let (_, err) = run(&bench, &["backup", name], 1);
    assert!(err.contains("is not overwritten"), "{err}");
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    let (out, _) = run(&bench, &["status", "--database", name], 0);
    assert!(out.contains(&id) && out.contains("reached"), "{out}");
    run(&bench, &["check", "--offline", "--database", name], 0);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}

#[test]
fn the_demo_grows_five_searches_to_five_ends_and_names_its_database() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("demo.db");
    let arguments = ["demo", "--database", database.to_str().unwrap()];
    let demo = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_growd"));
        command
            .args(arguments)
            .env_clear()
            .env("TMPDIR", dir.path());
        command.output().unwrap()
    };
    let (out, _) = checked(&arguments, demo(), 0);
    for (note, state) in [
        ("one resume is enough", "reached"),
        ("in chunks of 40", "reached"),
        ("the service runs out", "exhausted"),
        ("more than the service's cap", "capped"),
        ("the service gives up", "failed"),
    ] {
        let row = out.lines().find(|line| line.starts_with(note)).unwrap();
        assert!(row.contains(state), "{row}");
    }
    let said = out
        .lines()
        .filter(|line| line.trim().starts_with("sqlite3 -box "));
    assert_eq!(said.count(), 2, "{out}");
    let companies = out
        .lines()
        .find_map(|line| line.strip_suffix(" companies were found. Export them with:"));
    let companies: usize = companies.expect("the number").parse().unwrap();
    let found: usize = 100 + 150 + 250;
    assert!(companies > found, "{out}");
    let export = format!(
        "  growd --database {} results --distinct --output companies.csv",
        database.display()
    );
    assert!(out.lines().any(|line| line == export), "{out}");
    let of_search = format!(
        "  growd --database {} results --search freight-saas --distinct --output freight-saas.csv",
        database.display()
    );
    assert!(out.lines().any(|line| line == of_search), "{out}");
    let search = out.lines().find(|line| line.starts_with("freight-saas "));
    assert!(search.is_some_and(|line| line.contains("reached")), "{out}");
    let status = ["status", "--json", "--database", database.to_str().unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_growd"))
        .args(status)
        .env_clear()
        .output()
        .unwrap();
    let (status, _) = checked(&status, output, 0);
    let read = &json(&status)["results"];
    // Five tasks, and the three parts of the search.
    assert_eq!(read["tasks"], 8, "{read}");
    assert!(read["read"].as_u64().unwrap() >= companies as u64, "{read}");
    let (_, err) = checked(&arguments, demo(), 1);
    assert!(err.contains("exists"), "{err}");
    // The database, and its lock: no token, no directory.
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    left.retain(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        !name.to_str().unwrap().starts_with("demo.db")
    });
    assert!(left.is_empty(), "{left:?}");
}
