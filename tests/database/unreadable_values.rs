//! Values that growd cannot read, written by hand: each is reported with its row and the statement that corrects it,
//! and stops only its own task.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, plenty};
use growd::store::{self, Mode, values};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;

/// Returns the statement that a message names as the remedy.
fn remedy(message: &str) -> &str {
    let (_, remedy) = message
        .split_once("for example with: ")
        .unwrap_or_else(|| panic!("no remedy: {message}"));
    remedy.lines().next().unwrap()
}

async fn run(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_without_a_readable_time_stops_its_own_task_which_says_what_to_do() {
    let bench = Bench::new().await;
    write_config(
        &bench,
        &[
            ("growth.daily_limit", "100000"),
            ("growth.settle", r#""1s""#),
        ],
    );
    let held = bench.grow(&plenty(), 60).await;
    for _ in 0..3 {
        bench.grow(&plenty(), 60).await;
    }
    // Sorts before all times, and is not UTF-8. The sum for the daily limit reads it too.
    sqlx::query(
        "INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, best_results, state, sent_at)
         VALUES (?, 5, 1000000, 1000000, 1000000, 'intended', CAST(x'31ff' AS TEXT))",
    )
    .bind(held.as_str())
    .execute(&mut bench.connection().await)
    .await
    .unwrap();
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT count(*) = 3 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
        .await;
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE last_error IS NOT NULL")
        .await;

    let words = [
        "resumes.sent_at where id = 1 is x'31ff', which is not a time",
        "UPDATE resumes SET sent_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = 1",
    ];
    let status = output(&bench, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let tasks = status["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["task_id"] == held.as_str());
    let said = [
        daemon.logged(),
        task.unwrap()["last_error"].to_string(),
        String::from_utf8(output(&bench, &["show", held.as_str()]).stdout).unwrap(),
        bench
            .value("SELECT detail FROM events WHERE kind = 'not_stored'")
            .await,
    ];
    for said in &said {
        for word in words {
            assert!(said.contains(word), "no {word:?} in: {said}");
        }
    }
    let errors: Vec<_> = said[0]
        .lines()
        .filter(|line| line.contains("ERROR"))
        .collect();
    assert!(!errors.is_empty());
    for line in errors {
        let is_debug = line.contains("PollAnswer {") || line.ends_with(['}', ')', ']']);
        assert!(!is_debug || line.ends_with(words[1]), "{line}");
    }
    let checked = output(&bench, &["check", "--offline"]);
    assert_eq!(checked.status.code(), Some(1));
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains(words[0]), "{checked}");

    run(&mut bench.connection().await, remedy(&checked)).await;
    let checked = output(&bench, &["check", "--offline"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    // The daemon retries it a minute after the error, or at its start.
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    assert_eq!(bench.state(&held).await, "reached");
    let left: i64 = bench
        .value("SELECT count(*) FROM progress WHERE last_error IS NOT NULL")
        .await;
    assert_eq!(left, 0);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    bench.assert_ledgers_agree().await;
}

/// Rows of one task, with a value in each column that growd reads.
const ROWS: &str = "
    INSERT INTO tasks (task_id, target) VALUES ('one', 5), ('two', 5);
    INSERT INTO resumes (id, task_id, requested, baseline_desired, baseline_results, state, http_status, sent_at,
                         resolved_at, shown_at)
    VALUES (1, 'one', 5, 0, 0, 'accepted', 200, '2026-11-24T02:22:00.123Z', '2026-11-24T02:22:00.123Z',
            '2026-11-24T02:22:01.000Z'),
           (2, 'one', 5, 0, 0, 'accepted', 200, '2026-11-24T02:22:00Z', NULL, NULL);
    UPDATE progress SET polled_at = '2026-11-24T02:22:00.123Z', changed_at = '2026-11-24T02:22:00Z',
                        run_started_at = NULL, num_results = 25 WHERE task_id = 'one';
    UPDATE daemon SET gate_reason = 'größer', version = '0.1.0', started_at = '2026-11-24T02:22:00.123Z';
    PRAGMA ignore_check_constraints = ON;
";

#[tokio::test]
async fn each_value_that_cannot_be_read_is_found_and_its_remedy_corrects_it() {
    const WORDS: [(&str, &str); 14] = [
        ("resumes", "state"),
        ("resumes", "http_status"),
        ("resumes", "sent_at"),
        ("resumes", "resolved_at"),
        ("resumes", "shown_at"),
        ("progress", "state"),
        ("progress", "polled_at"),
        ("progress", "polled_alone_at"),
        ("daemon", "requests"),
        ("progress", "next_poll_at"),
        ("progress", "num_results"),
        ("daemon", "gate"),
        ("daemon", "gate_reason"),
        ("daemon", "heartbeat_at"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("growd.db");
    let mut connection = store::open(&path, Mode::Write).await.unwrap();
    run(&mut connection, ROWS).await;
    let find = async |connection: &mut SqliteConnection| {
        let found = values::unreadable(connection, None, 20).await.unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        found
    };
    assert_eq!(find(&mut connection).await, Vec::<String>::new());
    for (table, column) in WORDS {
        let key = if table == "progress" {
            "task_id = 'one'"
        } else {
            "id = 1"
        };
        let values: &[&str] = match column {
            "http_status" => &["70000", "-1"],
            "num_results" | "requests" => &["-5"],
            "gate_reason" => &["CAST(x'ff' AS TEXT)"],
            _ => &[
                "'it''s no good'",
                "''",
                "CAST(x'ff' AS TEXT)",
                "'2026-02-30T00:00:00.000Z'",
            ],
        };
        for value in values {
            run(
                &mut connection,
                &format!("UPDATE {table} SET {column} = {value} WHERE {key}"),
            )
            .await;
            let found = find(&mut connection).await;
            assert_eq!(found.len(), 1, "{table}.{column} {value}: {found:?}");
            let start = format!("{table}.{column} where {key} is ");
            assert!(found[0].starts_with(&start), "{}", found[0]);
            run(&mut connection, remedy(&found[0])).await;
            assert_eq!(find(&mut connection).await, Vec::<String>::new());
        }
    }
    // growd polls for the effect of the newest resume only.
    for (id, state) in [(1, "lost"), (2, "intended")] {
        run(
            &mut connection,
            &format!("UPDATE resumes SET state = 'x' WHERE id = {id}"),
        )
        .await;
        let found = find(&mut connection).await;
        run(&mut connection, remedy(&found[0])).await;
        let is: String = sqlx::query_scalar("SELECT state FROM resumes WHERE id = ?")
            .bind(id)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(is, state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_the_first_twenty_and_an_id_that_is_not_utf8() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
        .execute_as_before("INSERT INTO tasks (task_id, target) VALUES (CAST(x'61ff' AS TEXT), 5)")
        .await;
    let mut connection = bench.connection().await;
    run(
        &mut connection,
        "PRAGMA ignore_check_constraints = ON;
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 30)
         INSERT INTO tasks (task_id, target) SELECT 't' || n, 5 FROM n;
         UPDATE progress SET polled_at = 'never', changed_at = 'never';",
    )
    .await;
    let checked = output(&bench, &["check", "--offline"]);
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8(checked.stdout).unwrap();
    let of_the_id = "DELETE FROM tasks WHERE CAST(task_id AS BLOB) = x'61ff'";
    assert!(said.contains(of_the_id), "{said}");
    let named: BTreeSet<_> = said
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert_eq!(named.len(), 20, "{said}");
    assert!(said.contains("there may be more"), "{said}");
}
