//! Invalid values by plain SQL: the schema refuses them; the daemon reports those that pass, repairs what it can, and
//! goes on with the other tasks.

use crate::support::program::{Daemon, output, write_config};
use crate::support::{Bench, duplicates, plenty};
use growd_simulator::{Fault, On, Rule};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .map(|_| ())
}

async fn execute(bench: &Bench, sql: &str) {
    run(&mut bench.connection().await, sql).await.expect(sql);
}

/// Returns all rows that a statement could have changed, as one text.
async fn contents(connection: &mut SqliteConnection) -> String {
    sqlx::query_scalar(
        "SELECT (SELECT json_group_array(json_array(task_id, target, chunk, paused, note, retry, created_at, updated_at))
                   FROM tasks)
             || (SELECT json_group_array(json_array(task_id, state, next_poll_at, polls, stalled, forgiven)) FROM progress)
             || (SELECT json_group_array(json_array(id, task_id, state, sent_at)) FROM resumes)
             || (SELECT json_group_array(json_array(id, kind, detail)) FROM events)
             || (SELECT json_group_array(json_array(id, pid, gate)) FROM daemon)",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

type Refused = (String, &'static str);

/// Invalid values of each column of `tasks`, in every kind of statement.
fn bad_values() -> Vec<Refused> {
    let mut statements = Vec::new();
    let values = [
        ("target", "0", "target_is_at_least_1"),
        ("target", "-9223372036854775808", "target_is_at_least_1"),
        ("target", "9223372036854775808", "REAL"),
        ("target", "'many'", "TEXT"),
        ("target", "1.5", "REAL"),
        ("target", "x'01'", "BLOB"),
        ("target", "NULL", "NOT NULL"),
        ("chunk", "0", "chunk_is_1_to_250"),
        ("chunk", "251", "chunk_is_1_to_250"),
        ("chunk", "-1", "chunk_is_1_to_250"),
        ("chunk", "'all'", "TEXT"),
        ("paused", "2", "paused_is_0_or_1"),
        ("paused", "'yes'", "TEXT"),
        ("paused", "NULL", "NOT NULL"),
        ("retry", "-1", "retry_is_a_count"),
        ("retry", "NULL", "NOT NULL"),
        ("note", "x'ff'", "BLOB"),
        ("created_at", "NULL", "NOT NULL"),
        ("updated_at", "NULL", "NOT NULL"),
    ];
    for (column, value, why) in values {
        let columns = match column {
            "target" => String::from("task_id, target"),
            _ => format!("task_id, target, {column}"),
        };
        let row = |id: &str| match column {
            "target" => format!("'{id}', {value}"),
            _ => format!("'{id}', 10, {value}"),
        };
        // REPLACE turns a NULL into the column's default, if it has one.
        let has_default = matches!(column, "paused" | "retry" | "created_at" | "updated_at");
        let verbs: &[&str] = if has_default && value == "NULL" {
            &["INSERT", "INSERT OR ABORT", "INSERT OR ROLLBACK"]
        } else {
            &[
                "INSERT",
                "INSERT OR ABORT",
                "INSERT OR ROLLBACK",
                "INSERT OR REPLACE",
                "REPLACE",
            ]
        };
        for (verb, id) in verbs
            .iter()
            .flat_map(|verb| [(verb, "new"), (verb, "kept")])
        {
            if id == "kept" && !verb.contains("REPLACE") {
                continue;
            }
            statements.push((
                format!("{verb} INTO tasks ({columns}) VALUES ({})", row(id)),
                why,
            ));
        }
        statements.push((format!("UPDATE tasks SET {column} = {value}"), why));
        statements.push((
            format!("UPDATE tasks SET {column} = {value} WHERE task_id = 'kept'"),
            why,
        ));
        // One bad row makes the whole statement fail.
        statements.push((
            format!(
                "INSERT INTO tasks ({columns}) SELECT 'good', 10{} UNION ALL SELECT {}",
                if column == "target" {
                    String::new()
                } else {
                    format!(", (SELECT {column} FROM tasks WHERE task_id = 'kept')")
                },
                row("bad")
            ),
            why,
        ));
    }
    statements
}

/// Invalid ids, in every kind of statement.
fn bad_ids() -> Vec<Refused> {
    let mut statements = Vec::new();
    for id in [
        "''",
        "'   '",
        "'.'",
        "'..'",
        "char(0)",
        "'a' || char(0)",
        "'a' || char(13)",
        "char(127)",
        "printf('%.201c', 'x')",
        "printf('%.10000c', 'x')",
        "x'61'",
    ] {
        for verb in ["INSERT", "REPLACE", "INSERT OR REPLACE"] {
            let why = if id.starts_with("x'") {
                "BLOB"
            } else {
                "task_id_is_an_id"
            };
            statements.push((
                format!("{verb} INTO tasks (task_id, target) VALUES ({id}, 10)"),
                why,
            ));
        }
        statements.push((
            format!("UPDATE tasks SET task_id = {id} WHERE task_id = 'kept'"),
            "",
        ));
    }
    statements
}

/// Invalid rows of the daemon's own tables.
fn bad_rows() -> Vec<Refused> {
    let mut statements = Vec::new();
    let resume = "INTO resumes (task_id, requested, baseline_desired, baseline_results, state, sent_at) VALUES";
    for (statement, why) in [
        (
            format!("INSERT {resume} ('kept', 5, 10, 10, 'intended', '2026-01-02T00:00:00.000Z')"),
            "UNIQUE",
        ),
        (
            format!(
                "INSERT {resume} ('other', 5, 0, 0, 'intended', ''), ('other', 5, 0, 0, 'intended', '')"
            ),
            "UNIQUE",
        ),
        (
            format!("INSERT {resume} ('kept', 0, 0, 0, 'lost', '')"),
            "requested_is_1_to_250",
        ),
        (
            format!("INSERT {resume} ('kept', 251, 0, 0, 'lost', '')"),
            "requested_is_1_to_250",
        ),
        (
            format!("INSERT {resume} ('kept', 5, 0, 0, 'asked', '')"),
            "resume_state_is_known",
        ),
        (
            format!("INSERT {resume} ('kept', 5, 0, 0, 'lost', NULL)"),
            "NOT NULL",
        ),
        (
            "UPDATE resumes SET state = 'maybe'".to_owned(),
            "resume_state_is_known",
        ),
        (
            "UPDATE resumes SET requested = 1000".to_owned(),
            "requested_is_1_to_250",
        ),
        (
            "INSERT INTO progress (task_id) VALUES ('kept')".to_owned(),
            "UNIQUE",
        ),
        (
            "UPDATE progress SET state = 'done'".to_owned(),
            "state_is_known",
        ),
        ("UPDATE progress SET polls = 'many'".to_owned(), "TEXT"),
        ("UPDATE progress SET polls = NULL".to_owned(), "NOT NULL"),
        ("UPDATE progress SET is_exhausted = 'no'".to_owned(), "TEXT"),
        ("UPDATE daemon SET gate = 'ajar'".to_owned(), "gate"),
        ("UPDATE daemon SET id = 2".to_owned(), "id = 1"),
        ("INSERT INTO daemon (id) VALUES (NULL)".to_owned(), ""),
        ("UPDATE events SET detail = '{'".to_owned(), "json_valid"),
        (
            "INSERT INTO events (kind, detail) VALUES (NULL, '{}')".to_owned(),
            "NOT NULL",
        ),
        (
            "INSERT INTO samples (task_id, at) VALUES ('kept', '')".to_owned(),
            "NOT NULL",
        ),
    ] {
        statements.push((statement, why));
    }
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_values_are_refused_in_every_kind_of_statement_and_change_nothing() {
    let bench = Bench::new().await;
    let mut connection = bench.connection().await;
    run(
        &mut connection,
        "INSERT INTO tasks (task_id, target, chunk, note) VALUES ('kept', 10, 5, 'n'), ('other', 10, NULL, NULL);
         INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, sent_at)
         VALUES ('kept', 5, 10, 10, 'intended', '2026-01-01T00:00:00.000Z')",
    )
    .await
    .unwrap();
    let before = contents(&mut connection).await;
    let statements = [bad_values(), bad_ids(), bad_rows()].concat();
    assert!(statements.len() > 180, "{}", statements.len());
    for (sql, why) in statements {
        let refusal = run(&mut connection, &sql)
            .await
            .expect_err(&sql)
            .to_string();
        assert!(refusal.contains(why), "{sql}: {refusal}");
        assert_eq!(contents(&mut connection).await, before, "{sql}");
    }
}

/// An edit by hand while the daemon runs; it concerns `victim`, one of four tasks.
struct Edit {
    sql: &'static str,
    /// Text that the log must contain; empty for none.
    logged: &'static str,
    /// Whether the victim reaches its end by itself.
    recovers: bool,
}

const EDITS: [Edit; 15] = [
    // Not a time; sorts after all times.
    Edit {
        sql: "UPDATE progress SET next_poll_at = 'tomorrow' WHERE task_id = 'victim'",
        logged: "scheduled too far ahead",
        recovers: true,
    },
    Edit {
        sql: "UPDATE progress SET next_poll_at = '9999-12-31T23:59:59.999Z' WHERE task_id = 'victim'",
        logged: "scheduled too far ahead",
        recovers: true,
    },
    // Not scheduled.
    Edit {
        sql: "UPDATE progress SET next_poll_at = NULL WHERE task_id = 'victim'",
        logged: "1 tasks had no next poll",
        recovers: true,
    },
    // Not a time; sorts before all times.
    Edit {
        sql: "UPDATE progress SET next_poll_at = '' WHERE task_id = 'victim'",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "UPDATE progress SET polled_at = 'never', changed_at = '?', run_started_at = 'now' WHERE task_id = 'victim'",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "UPDATE progress SET status = 'odd', num_results = -5, desired_num_results = NULL, polls = -1 WHERE task_id = 'victim'",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "UPDATE progress SET state = 'exhausted', reason = 'by hand' WHERE task_id = 'victim'",
        logged: "",
        recovers: true,
    },
    // An end that is set by hand lasts until an operator retries the task.
    Edit {
        sql: "UPDATE progress SET state = 'stalled', next_poll_at = NULL WHERE task_id = 'victim'",
        logged: "",
        recovers: false,
    },
    Edit {
        sql: "DELETE FROM progress WHERE task_id = 'victim'",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "INSERT INTO progress (task_id, next_poll_at) VALUES ('unknown-task', '2020-01-01T00:00:00.000Z'), ('..', '2020-01-01T00:00:00.000Z')",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "DELETE FROM daemon",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "UPDATE daemon SET gate = 'unauthorized', gate_reason = 'by hand', gate_until = 'x', pid = -1, heartbeat_at = 'x', started_at = 'x'",
        logged: "",
        recovers: true,
    },
    // A resume without a readable time may have cost credits: an operator has to decide.
    Edit {
        sql: "INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, sent_at) VALUES ('victim', 5, 25, 25, 'intended', 'once')",
        logged: "is 'once', which is not a time",
        recovers: false,
    },
    Edit {
        sql: "DELETE FROM resumes",
        logged: "",
        recovers: true,
    },
    Edit {
        sql: "DELETE FROM tasks WHERE task_id = 'victim'; DELETE FROM events; DELETE FROM samples",
        logged: "",
        recovers: false,
    },
];

/// Four tasks. The first poll of one fails and is repeated only after an hour: no request is in flight during the edit.
async fn victim_and_others() -> Bench {
    let bench = Bench::new().await;
    let hour = r#""1h""#;
    write_config(
        &bench,
        &[
            ("growth.daily_limit", "100000"),
            // A poll that fails is repeated after an hour: none may fail because the machine is busy.
            ("api.timeout", r#""30s""#),
            ("retry.initial", hour),
            ("retry.max", hour),
        ],
    );
    let ids = ["victim", "a", "b", "c"];
    for id in ids {
        bench.service.add_task(&plenty().with_id(id));
    }
    bench
        .service
        .script(Rule::once(On::Get, Fault::status(503)).of_task("victim"));
    for id in ids {
        bench.want(&id.parse().unwrap(), 60, None).await;
    }
    bench
}

async fn survives(edit: &Edit) {
    let bench = victim_and_others().await;
    let mut daemon = Daemon::start(&bench);
    bench
        .until("SELECT failures > 0 FROM progress WHERE task_id = 'victim'")
        .await;
    bench
        .until("SELECT count(*) = 3 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
        .await;
    execute(&bench, edit.sql).await;
    if (edit.recovers || edit.logged.contains("is not a time"))
        && !edit.sql.contains("SET next_poll_at")
    {
        // Makes the task due now, not in an hour.
        let touch = "UPDATE tasks SET target = 61 WHERE task_id = 'victim'";
        execute(&bench, touch).await;
    }
    // More work for the others, after the edit.
    execute(
        &bench,
        "UPDATE tasks SET target = 100 WHERE task_id <> 'victim'",
    )
    .await;
    bench
        .until(
            "SELECT count(*) = 3 FROM progress
              WHERE task_id IN ('a', 'b', 'c') AND state = 'reached' AND num_results >= 100",
        )
        .await;
    for command in [&["status"][..], &["status", "--json"], &["show", "a"]] {
        let shown = output(&bench, command);
        assert!(
            shown.status.success(),
            "{}: {command:?}: {shown:?}",
            edit.sql
        );
    }
    // A reload checks values that the running daemon does not read again.
    daemon.signal("HUP");
    if !edit.logged.is_empty() {
        daemon.logs(edit.logged).await;
    }
    if edit.recovers {
        bench
            .until(
                "SELECT count(*) = 1 FROM progress
                  WHERE task_id = 'victim' AND state = 'reached' AND num_results >= 60",
            )
            .await;
    }
    bench
        .until(
            "SELECT count(*) = 1 FROM daemon WHERE gate = 'open' AND pid > 0 AND julianday(started_at) IS NOT NULL",
        )
        .await;
    // `check` names the values that growd has not repaired.
    let checked = output(&bench, &["check", "--offline"]);
    let status = i32::from(edit.logged.contains("is not a time"));
    assert_eq!(
        checked.status.code(),
        Some(status),
        "{}: {checked:?}",
        edit.sql
    );
    daemon.signal("TERM");
    assert_eq!(
        daemon.ended().await,
        Some(0),
        "{}: {}",
        edit.sql,
        daemon.logged()
    );
    let requests = bench.service.requests();
    for odd in ["unknown-task", "%2E%2E", "/.."] {
        assert!(
            !requests.last.iter().any(|entry| entry.path.contains(odd)),
            "{odd}"
        );
    }
    let twice = duplicates(&bench.service);
    assert!(
        twice.is_empty(),
        "{}: took effect twice: {twice:?}",
        edit.sql
    );
    // A daemon can start on the result.
    let mut daemon = Daemon::start_with(&bench, &[]);
    bench.until("SELECT pid IS NOT NULL FROM daemon").await;
    daemon.signal("TERM");
    assert_eq!(
        daemon.ended().await,
        Some(0),
        "{}: {}",
        edit.sql,
        daemon.logged()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_by_hand_to_the_daemons_own_tables_the_other_tasks_go_on() {
    use futures_util::StreamExt;
    futures_util::stream::iter(&EDITS)
        .map(|edit| tokio::spawn(survives(edit)))
        .buffer_unordered(EDITS.len())
        .for_each(|done| async { done.unwrap() })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_starts_though_a_row_of_its_own_is_missing_or_invalid() {
    for sql in [
        "DELETE FROM daemon",
        "UPDATE daemon SET gate = 'rate_limited', gate_until = 'later', heartbeat_at = 'x'",
    ] {
        let bench = Bench::new().await;
        write_config(&bench, &[]);
        bench.grow(&plenty(), 60).await;
        execute(&bench, sql).await;
        let status = output(&bench, &["status"]);
        assert!(status.status.success(), "{sql}: {status:?}");
        let mut daemon = Daemon::start(&bench);
        bench.until("SELECT state = 'reached' FROM progress").await;
        daemon.signal("TERM");
        assert_eq!(daemon.ended().await, Some(0), "{sql}: {}", daemon.logged());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intended_resume_written_by_hand_holds_back_only_its_own_task_and_only_for_the_settling_time()
 {
    let bench = Bench::new().await;
    write_config(&bench, &[("growth.settle", r#""1s""#)]);
    let held = bench.grow(&plenty(), 60).await;
    let free = bench.grow(&plenty(), 60).await;
    sqlx::query(
        "INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, best_results, state, sent_at)
         SELECT ?, 5, 1000000, 1000000, 1000000, 'intended', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    )
    .bind(held.as_str())
    .execute(&mut bench.connection().await)
    .await
    .unwrap();
    let mut daemon = Daemon::start(&bench);
    bench.until_all_ended().await;
    assert_eq!(bench.state(&free).await, "reached");
    assert_eq!(
        bench.state(&held).await,
        "reached",
        "{}",
        bench.dump().await
    );
    bench
        .until("SELECT count(*) = 1 FROM resumes WHERE state = 'lost' AND requested = 5")
        .await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0));
    bench.assert_ledgers_agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_of_an_operator_keep_their_conflict_clauses() {
    let mut bench = Bench::new().await;
    for sql in [
        "CREATE TABLE latest (task_id TEXT PRIMARY KEY, num_results INTEGER)",
        "CREATE TRIGGER latest_progress AFTER UPDATE ON progress BEGIN
             INSERT OR REPLACE INTO latest VALUES (NEW.task_id, NEW.num_results);
         END",
        "CREATE TRIGGER first_sample AFTER INSERT ON samples BEGIN
             INSERT OR IGNORE INTO latest VALUES (NEW.task_id, NEW.num_results);
         END",
    ] {
        bench.execute(sql).await;
    }
    for _ in 0..5 {
        bench.grow(&plenty(), 60).await;
    }
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;
    let followed = "SELECT count(*) FROM latest JOIN progress USING (task_id, num_results)";
    assert_eq!(bench.value::<i64>(followed).await, 5);
    bench.assert_ledgers_agree().await;
}
