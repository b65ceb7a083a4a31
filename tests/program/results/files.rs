//! `--output`, and other ends of the output.

use super::{add, bench, column, ids, run};
use crate::support::mounts;
use crate::support::program::growd;
use serde_json::json;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// Returns the names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_overwritten_without_force() {
    let bench = bench().await;
    add(&bench, "t", "a", &[]).await;
    let directory = bench.dir.path().join("out");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("list.csv");
    let name = file.to_str().unwrap();
    let (out, err) = run(&bench, &["results", "--output", name], 0);
    assert!(
        out.is_empty() && err.contains(name) && err.contains("1 row"),
        "{out}{err}"
    );
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(column(&written, "result_id"), ["a"]);

    fs::write(&file, "mine").unwrap();
    let (_, err) = run(&bench, &["results", "--output", name], 1);
    assert!(err.contains(name) && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    // A link is a file of that name, also where it leads nowhere.
    let link = directory.join("link.csv");
    symlink(directory.join("nowhere"), &link).unwrap();
    let forced = ["results", "--force", "--output", link.to_str().unwrap()];
    let (_, err) = run(&bench, &["results", "--output", forced[3]], 1);
    assert!(err.contains("--force"), "{err}");
    let (_, err) = run(&bench, &forced, 1);
    assert!(
        err.contains(forced[3]) && err.contains("remove the link"),
        "{err}"
    );
    fs::remove_file(&link).unwrap();

    symlink(&file, &link).unwrap();
    run(&bench, &forced, 0);
    assert!(
        link.symlink_metadata().unwrap().is_symlink(),
        "the link stays"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    assert_eq!(names(&directory), ["link.csv", "list.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_an_error_that_names_it() {
    let bench = bench().await;
    let directory = bench.dir.path().join("out");
    fs::create_dir(&directory).unwrap();
    let absent = directory.join("no/list.csv");
    let (_, err) = run(
        &bench,
        &["results", "--output", absent.to_str().unwrap()],
        1,
    );
    assert!(
        err.contains("no/list.csv") && err.contains("directory must exist"),
        "{err}"
    );
    for special in [directory.to_str().unwrap(), "/dev/null"] {
        let forced = ["results", "--force", "--output", special];
        let (_, err) = run(&bench, &forced, 1);
        assert!(err.contains("not a regular file"), "{err}");
    }
    assert!(names(&directory).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_the_file_tells_the_format_and_the_umask_its_mode() {
    let bench = bench().await;
    add(&bench, "t", "a", &[]).await;
    for (name, begin, mask, mode) in [
        ("a.csv", &b"domain,"[..], "022", 0o644),
        ("a.jsonl", b"{\"domain\":", "077", 0o600),
        ("a.xlsx", b"PK", "002", 0o664),
        ("a.XLSX", b"PK", "002", 0o664),
        ("a.txt", b"domain,", "027", 0o640),
    ] {
        let file = bench.dir.path().join(name);
        let growd = growd(&bench, &["results", "--output", file.to_str().unwrap()]);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("umask {mask}; exec \"$@\""), "sh"])
            .arg(growd.get_program())
            .args(growd.get_args());
        assert!(shell.output().unwrap().status.success(), "{name}");
        assert!(fs::read(&file).unwrap().starts_with(begin), "{name}");
        let permissions = file.metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_that_contradicts_the_name_of_the_file_is_refused() {
    let bench = bench().await;
    add(&bench, "t", "a", &[]).await;
    for (name, format, status) in [
        ("a.xlsx", "csv", 2),
        ("a.csv", "xlsx", 2),
        ("a.JSONL", "table", 2),
        ("a.jsonl", "jsonl", 0),
        ("a.txt", "xlsx", 0),
        ("a", "table", 0),
    ] {
        let file = bench.dir.path().join(name);
        let file = file.to_str().unwrap();
        let options = ["results", "--output", file, "--format", format];
        let (_, err) = run(&bench, &options, status);
        assert_eq!(Path::new(file).exists(), status == 0, "{name}");
        let says = err.contains("leave --format out");
        assert_eq!(says, status == 2, "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hyphen_stands_for_stdout() {
    let bench = bench().await;
    add(&bench, "t", "a", &[]).await;
    for (options, begin) in [
        (&[][..], &b"domain,"[..]),
        (&["--force", "--format", "jsonl"], b"{\"domain\":"),
        (&["--format", "xlsx"], b"PK"),
    ] {
        let options = [&["results", "--output", "-"], options].concat();
        let output = growd(&bench, &options)
            .current_dir(bench.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{options:?}");
        assert!(output.stdout.starts_with(begin), "{options:?}");
        assert!(output.stderr.is_empty(), "{options:?}");
        assert!(!bench.dir.path().join("-").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_keeps_its_mode() {
    let bench = bench().await;
    add(&bench, "t", "a", &[]).await;
    let file = bench.dir.path().join("a.csv");
    // Narrower and wider than a new file's.
    for mode in [0o600, 0o666] {
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let forced = ["results", "--force", "--output", file.to_str().unwrap()];
        run(&bench, &forced, 0);
        assert!(fs::read(&file).unwrap().starts_with(b"domain,"));
        let permissions = file.metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_half_way_leaves_the_old_file_and_no_other() {
    let bench = bench().await;
    for id in 0..40 {
        let text = json!("x".repeat(64 * 1024));
        let fields = [("company_description", text), ("relevance", json!(id))];
        add(&bench, "t", &id.to_string(), &fields).await;
    }
    let directory = bench.dir.path().join("out");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("list.csv");
    fs::write(&file, "old").unwrap();
    let growd = growd(
        &bench,
        &["results", "--force", "--output", file.to_str().unwrap()],
    );
    // The largest file is 1 MiB, and the export is larger.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"])
        .arg(growd.get_program())
        .args(growd.get_args())
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("File too large"), "{err}");
    assert_eq!(names(&directory), ["list.csv"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_closes_the_pipe_ends_it_quietly() {
    let bench = bench().await;
    for id in 0..40 {
        let text = json!("x".repeat(64 * 1024));
        add(&bench, "t", &id.to_string(), &[("company_name", text)]).await;
    }
    for format in ["csv", "jsonl", "table"] {
        let mut child = growd(&bench, &["results", "--explain", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}: {err}");
        assert!(err.is_empty(), "{format}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_read_while_another_process_writes() {
    let bench = bench().await;
    add(&bench, "t", "a", &[]).await;
    let mut writer = bench.connection().await;
    let mut transaction = growd::store::begin(&mut writer).await.unwrap();
    sqlx::query("DELETE FROM results")
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(ids(&bench, &[]), ["a"], "what is committed");
    transaction.commit().await.unwrap();
    assert!(ids(&bench, &[]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_options_end_with_2() {
    let bench = bench().await;
    for options in [
        &["--force"][..],
        &["--format", "pdf"],
        &["--min-relevance", "high"],
        &["--min-relevance", "nan"],
        &["--since", "yesterday"],
        &["--output", "~/list.csv"],
    ] {
        let (out, err) = run(&bench, &[&["results"], options].concat(), 2);
        assert!(out.is_empty() && !err.is_empty(), "{options:?}: {out}{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_a_table_and_no_workbook() {
    let script = Command::new("script").arg("--version").output();
    if !script.is_ok_and(|script| script.status.success()) {
        mounts::skipped("results", "there is no `script` to make a terminal");
        return;
    }
    let bench = bench().await;
    let long = "A long description, ".repeat(20);
    let fields = [
        ("domain", json!("example.com")),
        (
            "company_name",
            json!("Ex\u{1b}[31mample\u{202e}\n".repeat(20)),
        ),
        ("company_description", json!(long)),
    ];
    add(&bench, "t", "a", &fields).await;
    let on_terminal = |options: &[&str], columns: u16| {
        let growd = growd(&bench, &[&["results"], options].concat());
        let words: Vec<_> = std::iter::once(growd.get_program())
            .chain(growd.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let command = format!("stty cols {columns} rows 10; exec {}", words.join(" "));
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .stdin(Stdio::null())
            // The command would warn of it.
            .env_remove("GROWD_REQUIRE_FAKETIME")
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        (shown.replace('\r', ""), output.status.code())
    };
    for columns in [60, 100, 200] {
        let (shown, status) = on_terminal(&[], columns);
        assert_eq!(status, Some(0), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(lines[0].contains("DOMAIN"), "{shown}");
        assert!(lines[1].contains("Ex [31mample"), "{shown}");
        for line in lines {
            let width = line.chars().count();
            assert!(
                width <= usize::from(columns),
                "{width} of {columns}: {line}"
            );
        }
    }
    let (shown, _) = on_terminal(&["--explain"], 100);
    assert_eq!(shown.matches("long").count(), 20, "wrapped: {shown}");
    for stdout in [&[][..], &["--output", "-"]] {
        let options = [&["--format", "xlsx"], stdout].concat();
        let (shown, status) = on_terminal(&options, 100);
        assert_eq!(status, Some(2), "{shown}");
        assert!(shown.contains("--output"), "{shown}");
    }
}
