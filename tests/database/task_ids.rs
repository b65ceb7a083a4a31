//! One task of the service is one task of growd, in whatever form its id is written. Other text is refused; ids that an
//! earlier version accepted stay.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, plenty};
use growd_simulator::Scenario;
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::process::Command;

const UUID: &str = "0f0f1c1e-1111-4222-8333-4444555566aa";

/// Other forms of the same UUID.
fn forms() -> Vec<String> {
    let upper = UUID.to_uppercase();
    let digits = UUID.replace('-', "");
    vec![
        upper.clone(),
        digits.clone(),
        format!("{{{UUID}}}"),
        format!("{{{upper}}}"),
        format!("urn:uuid:{UUID}"),
        format!("URN:UUID:{}", digits.to_uppercase()),
        "0f0f1c1e11114222-8333-4444555566aa".to_owned(),
        format!(" {UUID}\t"),
    ]
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
}

#[track_caller]
fn run(bench: &Bench, arguments: &[&str], status: i32) -> String {
    let output = output(bench, arguments);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    said.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_named_in_many_forms_is_one_task_and_paid_once() {
    let bench = bench().await;
    bench.service.add_task(&plenty().with_id(UUID));
    let links = [
        format!(
            "https://app.extruct.ai/tasks/{}?tab=x#y",
            UUID.to_uppercase()
        ),
        format!("{}/v1/discovery_tasks/{UUID}", bench.service.url()),
    ];
    let forms = [forms(), links.to_vec()].concat();
    for form in &forms {
        let said = run(&bench, &["add", form, "--target", "60"], 0);
        assert!(
            said.contains(&format!("d {UUID} (target 60)")),
            "{form}: {said}"
        );
    }
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    for form in &forms {
        assert!(run(&bench, &["show", form, "--json"], 0).contains(UUID));
        let said = run(&bench, &["pause", form], 0);
        assert!(said.starts_with(&format!("{UUID}: ")), "{said}");
        run(&bench, &["unpause", form], 0);
        run(&bench, &["retry", form], 0);
    }
    bench.until_all_ended().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let asked: i64 = bench.value("SELECT sum(requested) FROM resumes").await;
    assert_eq!(asked, 35);
    bench.assert_ledgers_agree().await;
    run(&bench, &["remove", &forms[0]], 0);
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_names_the_first_character_that_does_not_belong() {
    let bench = bench().await;
    let dashes = UUID.replace('-', "\u{2013}");
    for (id, named) in [
        (format!("\"{UUID}\""), "'\"' does not belong"),
        (format!("{UUID},"), "',' does not belong"),
        (format!("{UUID}\u{200b}"), "U+200B"),
        (dashes, "U+2013"),
        ("a b".to_owned(), "U+0020"),
        ("../user".to_owned(), "'/' does not belong"),
        ("a?x=1#y".to_owned(), "'?' does not belong"),
        ("task_id,target".to_owned(), "',' does not belong"),
        (
            format!("https://evil.example/tasks/{UUID}"),
            "the host evil.example: give a link to app.extruct.ai or 127.0.0.1",
        ),
    ] {
        let said = run(&bench, &["add", &id, "--target", "5"], 2);
        assert!(said.contains(named), "{id}: {said}");
    }
    assert!(!bench.settings.database.exists());
}

/// Inserts an id by plain SQL.
async fn insert(bench: &Bench, verb: &str, id: &str) -> Result<(), String> {
    let sql = format!("{verb} INTO tasks (task_id, target) VALUES (?, 5)");
    sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .execute(&mut bench.connection().await)
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
}

const VERBS: [&str; 5] = [
    "INSERT",
    "INSERT OR IGNORE",
    "INSERT OR REPLACE",
    "INSERT OR FAIL",
    "REPLACE",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_of_another_form_is_refused_with_the_canonical_one() {
    let bench = bench().await;
    for verb in VERBS {
        for form in forms() {
            let refusal = insert(&bench, verb, &form).await.unwrap_err();
            assert!(refusal.contains(UUID), "{verb} {form}: {refusal}");
        }
        for (id, named) in [
            ("a b", "U+0020"),
            ("../user", "/ does not belong"),
            ("a?x=1#y", "? does not belong"),
            ("a\u{200b}", "U+200B"),
            ("0f0f\u{2013}1c1e", "U+2013"),
            ("'a'", "' does not belong"),
            ("a,", ", does not belong"),
            ("\u{1f980}", "U+1F980"),
            ("a\0b", "U+0000"),
        ] {
            let refusal = insert(&bench, verb, id).await.unwrap_err();
            assert!(refusal.contains(named), "{verb} {id:?}: {refusal}");
        }
    }
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM tasks").await, 0);
    for good in [UUID, "a", "A.b_c~d-E", "...", &"x".repeat(200)] {
        insert(&bench, "INSERT", good).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite3_shell_shows_the_canonical_form_too() {
    let bench = bench().await;
    // A dropped connection closes later, and would still hold its lock.
    bench.connection().await.close().await.unwrap();
    let shell = |sql: &str| {
        let mut shell = Command::new("sqlite3");
        shell.arg(&bench.settings.database).arg(sql).output()
    };
    if shell("SELECT 1").is_err() {
        println!("skipped: there is no sqlite3");
        return;
    }
    let insert = |id: &str| {
        let sql = format!("INSERT INTO tasks (task_id, target) VALUES ('{id}', 5)");
        let output = shell(&sql).unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let refusal = insert(&UUID.to_uppercase());
    assert!(refusal.contains(UUID), "{refusal}");
    let refusal = insert("a\u{200b}b");
    assert!(refusal.contains("U+200B"), "{refusal}");
    assert_eq!(insert(UUID), "");
}

const OLD_UPPER: &str = "0F0F1C1E-1111-4222-8333-4444555566AA";

/// A database of an earlier schema, with rows that the current one refuses.
async fn old_database(bench: &Bench) {
    let before = bench.dir.path().join("migrations");
    std::fs::create_dir(&before).unwrap();
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for file in std::fs::read_dir(all).unwrap() {
        let file = file.unwrap();
        if *file.file_name() < *"20261126200000" {
            std::fs::copy(file.path(), before.join(file.file_name())).unwrap();
        }
    }
    let mut connection = SqliteConnectOptions::new()
        .filename(&bench.settings.database)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    let migrator = Migrator::new(before).await.unwrap();
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    sqlx::raw_sql(
        "INSERT INTO tasks (task_id, target) VALUES
             ('0F0F1C1E-1111-4222-8333-4444555566AA', 25), ('a b', 25), ('../user', 25),
             ('{B0B01C1E-1111-4222-8333-4444555566AA}', 25), ('b0b01c1e-1111-4222-8333-4444555566aa', 25)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_earlier_version_stay_are_polled_and_can_be_named() {
    let bench = bench().await;
    old_database(&bench).await;
    let old = [
        OLD_UPPER,
        "a b",
        "../user",
        "{B0B01C1E-1111-4222-8333-4444555566AA}",
        "b0b01c1e-1111-4222-8333-4444555566aa",
    ];
    for id in old {
        bench.service.add_task(&Scenario::done(25).with_id(id));
    }
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT count(*) = 5 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
        .await;
    for id in old {
        for command in ["show", "pause", "unpause", "retry"] {
            let said = run(&bench, &[command, id], 0);
            assert!(said.contains(id), "{command} {id}: {said}");
        }
        let said = run(&bench, &["add", id, "--target", "20"], 0);
        let changed = format!("changed {id} (target 20)\n");
        assert!(said.starts_with(&changed), "{said}");
    }
    // The same UUID in any form names the existing row and adds no second one.
    for form in forms().iter().map(String::as_str).chain([UUID]) {
        assert!(
            run(&bench, &["show", form, "--json"], 0).contains(OLD_UPPER),
            "{form}"
        );
        let said = run(&bench, &["add", form, "--target", "20"], 0);
        let unchanged = format!("unchanged {OLD_UPPER} (target 20)\n");
        assert!(said.starts_with(&unchanged), "{form}: {said}");
        if form != OLD_UPPER {
            let refusal = insert(&bench, "INSERT OR REPLACE", form).await;
            assert!(refusal.unwrap_err().contains(UUID), "{form}");
        }
    }
    // If there are two, an id names the canonical one, unless it is exactly the other.
    let said = run(&bench, &["pause", "B0B01C1E111142228333-4444555566AA"], 0);
    assert_eq!(said, "b0b01c1e-1111-4222-8333-4444555566aa: paused\n");
    for id in old {
        let upsert = format!(
            "INSERT INTO tasks (task_id, target) VALUES ('{id}', 21)
                 ON CONFLICT (task_id) DO UPDATE SET target = excluded.target"
        );
        let mut connection = bench.connection().await;
        sqlx::raw_sql(AssertSqlSafe(upsert))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    assert_eq!(
        bench.value::<i64>("SELECT sum(target) FROM tasks").await,
        105
    );
    for id in old {
        run(&bench, &["remove", id], 0);
    }
    assert_eq!(bench.value::<i64>("SELECT count(*) FROM tasks").await, 0);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
}
