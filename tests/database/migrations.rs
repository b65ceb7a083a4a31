//! A database of each released schema is migrated and keeps its content.

use crate::support::Bench;
use growd::core::TaskId;
use growd::store::{self, Mode, schema};
use growd_simulator::Scenario;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::path::{Path, PathBuf};

/// The migrations, oldest first.
fn migrations() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Creates a database with only these migrations.
async fn older(path: &Path, known: &[PathBuf]) -> SqliteConnection {
    let directory = tempfile::tempdir().unwrap();
    for file in known {
        std::fs::copy(file, directory.path().join(file.file_name().unwrap())).unwrap();
    }
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    let migrator = Migrator::new(directory.path()).await.unwrap();
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    connection
}

/// A task in each state that a migration treats differently, and resumes of each kind.
const CONTENT: &str = "
    INSERT INTO tasks (task_id, target) VALUES
        ('growing', 100), ('refused', 100), ('missing', 100), ('An Old Id!', 100),
        ('3F0C1D4E-9A61-4B6C-8E6F-0A2B4C6D8E01', 100);
    UPDATE progress SET state = 'growing', status = 'done', num_results = 20, desired_num_results = 40
     WHERE task_id = 'growing';
    UPDATE progress SET state = 'refused', status = 'done', num_results = 20, next_poll_at = NULL
     WHERE task_id = 'refused';
    UPDATE progress SET state = 'missing', next_poll_at = NULL WHERE task_id = 'missing';
    INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, http_status, sent_at, resolved_at,
                         shown_at, brought)
    VALUES ('growing', 20, 20, 20, 'accepted', 200, '2026-11-24T02:22:00.123Z', '2026-11-24T02:22:01.123Z',
            '2026-11-24T02:22:05.123Z', 20),
           ('growing', 60, 40, 40, 'intended', NULL, '2026-11-24T02:23:00.123Z', NULL, NULL, NULL),
           ('refused', 80, 20, 20, 'rejected', 400, '2026-11-24T02:22:00.123Z', '2026-11-24T02:22:01.123Z', NULL, NULL),
           ('refused', 80, 20, 20, 'rejected', 402, '2026-11-24T02:24:00.123Z', '2026-11-24T02:24:01.123Z', NULL, NULL);
    INSERT INTO samples VALUES ('growing', '2026-11-24T02:22:00.123Z', 20, 80, 60, 40, 20);";

async fn texts(connection: &mut SqliteConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn a_database_of_each_released_schema_is_migrated_and_keeps_what_is_in_it() {
    let migrations = migrations();
    let named = |file: &PathBuf| file.to_string_lossy().contains("refuse_other_forms_of_ids");
    let refuses_ids = migrations.iter().position(named).unwrap();
    for known in 1..=migrations.len() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("growd.db");
        let mut connection = older(&path, &migrations[..known]).await;
        // Later schemas refuse these ids.
        let content = if known > refuses_ids {
            CONTENT.replace("'An Old Id!'", "'an-id'").replace(
                "3F0C1D4E-9A61-4B6C-8E6F-0A2B4C6D8E01",
                "3f0c1d4e-9a61-4b6c-8e6f-0a2b4c6d8e01",
            )
        } else {
            CONTENT.to_owned()
        };
        sqlx::raw_sql(sqlx::AssertSqlSafe(content))
            .execute(&mut connection)
            .await
            .unwrap();
        let all = "SELECT json_array(id, task_id, requested, baseline_desired, baseline_results, state, http_status, sent_at,
                                     resolved_at, shown_at, brought) FROM resumes ORDER BY id";
        let ids = "SELECT task_id || ':' || target FROM tasks ORDER BY task_id";
        let before = (
            texts(&mut connection, all).await,
            texts(&mut connection, ids).await,
        );
        connection.close().await.unwrap();

        let mut connection = store::open(&path, Mode::Write).await.unwrap();
        let after = (
            texts(&mut connection, all).await,
            texts(&mut connection, ids).await,
        );
        assert_eq!(before, after, "from {known} migrations");
        let differences = schema::differences(&mut connection).await.unwrap();
        assert!(differences.is_empty(), "from {known}: {differences:?}");
        let found = schema::integrity(&mut connection).await.unwrap();
        assert!(found.is_empty(), "from {known}: {found:?}");
        // Every task can be changed as before, whatever its id.
        sqlx::query("UPDATE tasks SET target = target + 1")
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn tasks_that_an_earlier_version_refused_or_gave_up_follow_the_new_rules() {
    let migrations = migrations();
    let newest_before = migrations
        .iter()
        .position(|file| file.to_string_lossy().contains("count_waste_and_absence"))
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("growd.db");
    let mut connection = older(&path, &migrations[..newest_before]).await;
    sqlx::raw_sql(CONTENT)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let mut connection = store::open(&path, Mode::Write).await.unwrap();
    let refusals = texts(
        &mut connection,
        "SELECT http_status || ':' || coalesce(refusal, '-') FROM resumes WHERE task_id = 'refused' ORDER BY id",
    )
    .await;
    assert_eq!(refusals, ["400:1", "402:-"]);
    let shown = texts(
        &mut connection,
        "SELECT coalesce(effect_at, '-') FROM resumes WHERE task_id = 'growing' ORDER BY id",
    )
    .await;
    assert_eq!(shown, ["2026-11-24T02:22:05.123Z", "-"]);
    // A missing task is polled once a day.
    let missing: i64 = sqlx::query_scalar(
        "SELECT julianday(next_poll_at) - julianday('now') BETWEEN -0.01 AND 1.01 FROM progress WHERE task_id = 'missing'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(missing, 1);
    // A refused task is not.
    let refused: i64 =
        sqlx::query_scalar("SELECT next_poll_at IS NULL FROM progress WHERE task_id = 'refused'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn each_task_keeps_its_queue_and_its_place_in_it_when_turn_becomes_queue() {
    const ROWS: &str = "
        INSERT INTO tasks (task_id, target) VALUES ('new', 100), ('limit', 100), ('look', 100), ('ended', 100);
        UPDATE progress SET next_poll_at = '2026-11-24T02:22:00.123Z', num_results = length(task_id);
        UPDATE progress SET turn = task_id WHERE task_id <> 'ended';
        UPDATE progress SET turn = 'look', state = 'reached', next_poll_at = NULL WHERE task_id = 'ended';";
    let migrations = migrations();
    let renames = |file: &PathBuf| file.to_string_lossy().contains("rename_turn_to_queue");
    let introduces = |file: &PathBuf| file.to_string_lossy().contains("queue_by_turns");
    let first = migrations.iter().position(introduces).unwrap() + 1;
    let last = migrations.iter().position(renames).unwrap();
    for known in first..=last {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("growd.db");
        let mut connection = older(&path, &migrations[..known]).await;
        sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();

        let mut connection = store::open(&path, Mode::Write).await.unwrap();
        let queues = texts(
            &mut connection,
            "SELECT concat_ws(' ', task_id, queue, next_poll_at, num_results) FROM progress ORDER BY task_id",
        )
        .await;
        let expected = [
            "ended regular 5",
            "limit limit 2026-11-24T02:22:00.123Z 5",
            "look regular 2026-11-24T02:22:00.123Z 4",
            "new new 2026-11-24T02:22:00.123Z 3",
        ];
        assert_eq!(queues, expected, "from {known} migrations");
        let refused = sqlx::query("UPDATE progress SET queue = 'look'")
            .execute(&mut connection)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("queue_is_known"), "{refused}");
        // The triggers write the new column.
        sqlx::query("UPDATE tasks SET target = 200 WHERE task_id = 'ended'")
            .execute(&mut connection)
            .await
            .unwrap();
        let changed = texts(
            &mut connection,
            "SELECT queue FROM progress WHERE task_id = 'ended'",
        )
        .await;
        assert_eq!(changed, ["new"]);
    }
}

#[tokio::test]
async fn a_database_from_before_requests_were_counted_begins_at_none() {
    let migrations = migrations();
    let counts = |file: &PathBuf| file.to_string_lossy().contains("count_requests");
    let before = migrations.iter().position(counts).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("growd.db");
    let mut connection = older(&path, &migrations[..before]).await;
    sqlx::raw_sql(
        "INSERT INTO tasks (task_id, target) VALUES ('one', 100);
         UPDATE progress SET polls = 3, polled_at = '2026-11-24T02:22:00.123Z'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();

    let mut connection = store::open(&path, Mode::Write).await.unwrap();
    let kept = texts(
        &mut connection,
        "SELECT concat_ws(' ', polls, polled_at, coalesce(polled_alone_at, 'null'), requests) FROM progress, daemon",
    )
    .await;
    assert_eq!(kept, ["3 2026-11-24T02:22:00.123Z null 0"]);
    let refused = sqlx::query("UPDATE daemon SET requests = -1")
        .execute(&mut connection)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("requests_is_count"),
        "{refused}"
    );
}

#[tokio::test]
async fn progress_keeps_its_values_and_follows_the_order_in_which_tasks_were_added() {
    const ALL: &str = "SELECT json_array(task_id, state, reason, status, is_exhausted, desired_num_results,
            num_results_discovered, num_results_enriched, num_results_evaluated, num_results, query, polls, failures,
            last_error, polled_at, changed_at, next_poll_at, best_results, stalled, forgiven, run_started_at, run_results,
            pace, waste_requested, waste_brought, absences, absent_since, quiet_at, queue, polled_alone_at,
            results_read, results_read_at, results_counters, results_next_at, results_failures, results_error)
        FROM progress ORDER BY task_id";
    let migrations = migrations();
    let orders = |file: &PathBuf| file.to_string_lossy().contains("order_progress_by_age");
    let before = migrations.iter().position(orders).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("growd.db");
    let mut connection = older(&path, &migrations[..before]).await;
    sqlx::raw_sql(
        "INSERT INTO tasks (task_id, target, created_at) VALUES
             ('b', 100, '2026-11-24T02:22:00.000Z'), ('a', 100, '2026-11-24T02:23:00.000Z'),
             ('c', 100, '2026-11-24T02:21:00.000Z');
         -- A value of its own in each column of one task.
         UPDATE progress
            SET state = 'growing', reason = 'r', status = 's', is_exhausted = 0, desired_num_results = 1,
                num_results_discovered = 2, num_results_enriched = 3, num_results_evaluated = 4, num_results = 5,
                query = 'q', polls = 6, failures = 7, last_error = 'e', polled_at = 't1', changed_at = 't2',
                next_poll_at = 't3', best_results = 8, stalled = 9, forgiven = 10, run_started_at = 't4', run_results = 11,
                pace = 'p', waste_requested = 12, waste_brought = 13, absences = 14, absent_since = 't5', quiet_at = 't6',
                queue = 'limit', polled_alone_at = 't7', results_read = 15, results_read_at = 't8', results_counters = 'c',
                results_next_at = 't9', results_failures = 16, results_error = 'f'
          WHERE task_id = 'a';
         INSERT INTO progress (task_id) VALUES ('of no task');",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let values = texts(&mut connection, ALL).await;
    connection.close().await.unwrap();

    let mut connection = store::open(&path, Mode::Write).await.unwrap();
    assert_eq!(texts(&mut connection, ALL).await, values);
    let order = texts(
        &mut connection,
        "SELECT task_id FROM progress ORDER BY rowid",
    )
    .await;
    assert_eq!(order, ["of no task", "c", "b", "a"]);
    // The triggers on it are there.
    for sql in [
        "DELETE FROM progress WHERE task_id IN ('b', 'of no task')",
        "INSERT INTO progress (task_id, next_poll_at) VALUES ('of no other task', 't')",
    ] {
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
    let kept = texts(
        &mut connection,
        "SELECT concat_ws(' ', task_id, next_poll_at IS NOT NULL) FROM progress ORDER BY rowid",
    )
    .await;
    assert_eq!(kept, ["c 1", "a 1", "b 1", "of no other task 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_tasks_that_ended_before_results_were_kept_are_read() {
    let migrations = migrations();
    let keeps = |file: &PathBuf| file.to_string_lossy().contains("keep_results");
    let before = migrations.iter().position(keeps).unwrap();
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    let mut connection = older(&bench.settings.database, &migrations[..before]).await;
    let mut ids: Vec<TaskId> = Vec::new();
    for state in ["reached", "exhausted", "failed", "refused"] {
        let id = bench.service.add_task(&Scenario::exhausted(130));
        let status = if state == "failed" { "failed" } else { "done" };
        sqlx::query("INSERT INTO tasks (task_id, target) VALUES (?, 100)")
            .bind(&id)
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query(
            "UPDATE progress SET state = ?2, status = ?3, num_results = 130, num_results_evaluated = 130,
                    num_results_enriched = 130, num_results_discovered = 130, desired_num_results = 130,
                    changed_at = '2026-11-24T02:22:00.123Z', next_poll_at = NULL WHERE task_id = ?1",
        )
        .bind(&id)
        .bind(state)
        .bind(status)
        .execute(&mut connection)
        .await
        .unwrap();
        ids.push(id.parse().unwrap());
    }
    connection.close().await.unwrap();
    bench.start();
    bench.until_all_read().await;
    for id in &ids {
        assert_eq!(bench.kept(id).await.len(), 130);
        bench.assert_kept(id).await;
    }
    bench.stop().await;
    // Nothing else was asked for.
    let polls: i64 = bench.value("SELECT sum(polls) FROM progress").await;
    assert_eq!(polls, 0);
}
