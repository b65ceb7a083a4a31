//! What the writer stores of readings: rows, what is gone, delays, and what the database refuses.

use crate::support::Bench;
use growd::core::doubt::{DOUBTS_MAX, Doubt, Kind, REPEATS_MAX};
use growd::core::gate::Gate;
use growd::core::reading::{DELAY_MAX, Setback};
use growd::core::results::ResultRow;
use growd::core::{TaskId, after};
use growd::daemon::supervision::health::Health;
use growd::daemon::writer::{Maintenance, ReadingOutcome, ResultsAnswer, StartedWriter, Writer};
use growd::store::results::{self, CompleteReading, Cursor};
use growd::store::time;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

struct Store {
    bench: Bench,
    writer: Writer,
    id: TaskId,
    /// The writer takes a closed channel for a stop.
    _drain: watch::Sender<bool>,
}

fn row(result_id: &str) -> ResultRow {
    ResultRow {
        result_id: result_id.to_owned(),
        company_name: Some(format!("{result_id} Ltd")),
        relevance: Some(0.5),
        founding_year: Some(1999),
        scores: Some(r#"{"a":{"grade":4}}"#.to_owned()),
        ..ResultRow::default()
    }
}

fn at(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-11-24T02:22:00Z".parse().unwrap();
    after(start, Duration::from_secs(seconds))
}

impl Store {
    /// A writer, and a task that is `done`.
    async fn new() -> Self {
        let mut bench = Bench::new().await;
        // Readings follow one another at once.
        bench.settings.policy.growth.settle = Duration::ZERO;
        let id: TaskId = "t".parse().unwrap();
        bench.want(&id, 100, None).await;
        bench
            .execute(
                "UPDATE progress SET state = 'reached', status = 'done', num_results = 3, num_results_evaluated = 4,
                        num_results_enriched = 5, num_results_discovered = 6, next_poll_at = NULL",
            )
            .await;
        let (drain, draining) = watch::channel(false);
        let StartedWriter { writer, .. } = Writer::start(
            bench.connection().await,
            Gate::open(Timestamp::now()),
            bench.settings.policy,
            draining,
            Health::of(&bench.settings.database),
            Arc::default(),
        );
        Self {
            bench,
            writer,
            id,
            _drain: drain,
        }
    }

    fn answer(&self, began: u64, rows: Vec<ResultRow>, outcome: ReadingOutcome) -> ResultsAnswer {
        ResultsAnswer {
            id: self.id.clone(),
            started_at: Timestamp::now(),
            failure: None,
            reading_began_at: at(began),
            rows,
            was_running: false,
            live: Duration::ZERO,
            outcome,
        }
    }

    fn complete(began: u64, rows: u64) -> ReadingOutcome {
        ReadingOutcome::Complete(CompleteReading {
            began_at: at(began),
            rows,
            counters: "3 4 5 6".to_owned(),
            marks_gone: true,
            error: None,
        })
    }

    /// A reading that is not trusted, and shows this list.
    fn doubtful(kind: Kind, list: u64) -> ReadingOutcome {
        let doubt = Doubt {
            kind,
            why: "why".to_owned(),
            rows: 1,
            is_whole: true,
            list,
        };
        let ReadingOutcome::Complete(reading) = Self::complete(2, 1) else {
            unreachable!("a complete reading");
        };
        ReadingOutcome::Doubtful(doubt, reading)
    }

    /// Returns the ids that a condition holds for.
    async fn ids(&self, condition: &str) -> String {
        let sql = format!(
            "SELECT coalesce(group_concat(result_id, ' ' ORDER BY result_id), '') FROM results WHERE {condition}"
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.bench.connection().await)
            .await
            .unwrap()
    }

    async fn is_unread(&self) -> bool {
        let now = after(Timestamp::now(), Duration::from_hours(1));
        let mut connection = self.bench.connection().await;
        let found = results::unread(&mut connection, &Cursor::default(), now, 10).await;
        !found.unwrap().tasks.is_empty()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_keeps_when_it_was_first_seen_and_comes_back_when_it_is_shown_again() {
    let store = Store::new().await;
    let seen = async |began, rows: &[&str]| {
        let rows: Vec<_> = rows.iter().map(|id| row(id)).collect();
        let outcome = Store::complete(began, rows.len() as u64);
        let stored = store
            .writer
            .store_results(store.answer(began, rows, outcome));
        stored.await.unwrap();
    };
    seen(1, &["a", "b", "c"]).await;
    assert_eq!(store.ids("gone_at IS NULL").await, "a b c");
    assert!(!store.is_unread().await);
    seen(2, &["a", "c"]).await;
    assert_eq!(store.ids("gone_at IS NOT NULL").await, "b");
    let (first, second) = (time::to_text(at(1)), time::to_text(at(2)));
    let condition = format!("first_seen_at = '{first}' AND seen_at = '{second}'");
    assert_eq!(store.ids(&condition).await, "a c");
    seen(3, &["a", "b", "d"]).await;
    assert_eq!(store.ids("gone_at IS NULL").await, "a b d");
    let condition = format!("first_seen_at = '{first}' AND gone_at IS NULL");
    assert_eq!(store.ids(&condition).await, "a b");

    // A clock that went back between two readings hides nothing.
    seen(0, &["a"]).await;
    assert_eq!(store.ids("gone_at IS NULL").await, "a");
    let names = "company_name = result_id || ' Ltd' AND relevance = 0.5 AND founding_year = 1999
                 AND scores ->> '$.a.grade' = 4 AND domain IS NULL";
    assert_eq!(store.ids(names).await, "a b c d");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_complete_reading_shows_what_is_gone() {
    let store = Store::new().await;
    let rows = vec![row("a"), row("b")];
    let first = store.answer(1, rows, Store::complete(1, 2));
    store.writer.store_results(first).await.unwrap();
    for outcome in [
        ReadingOutcome::Continues,
        Store::doubtful(Kind::Shifted, 1),
        Store::doubtful(Kind::Short, 1),
        Store::doubtful(Kind::LeftOut, 1),
        ReadingOutcome::Postponed(Setback::Failed("why".to_owned()), Duration::ZERO),
        ReadingOutcome::Postponed(Setback::Passing, Duration::ZERO),
    ] {
        let answer = store.answer(2, vec![row("c")], outcome);
        store.writer.store_results(answer).await.unwrap();
        assert_eq!(store.ids("gone_at IS NULL").await, "a b c");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_change_during_a_reading_leave_the_task_unread() {
    let store = Store::new().await;
    store
        .bench
        .execute("UPDATE progress SET num_results_discovered = 7")
        .await;
    let answer = store.answer(1, vec![row("a")], Store::complete(1, 1));
    store.writer.store_results(answer).await.unwrap();
    assert!(store.is_unread().await);
    store
        .bench
        .execute("UPDATE progress SET num_results_discovered = 6")
        .await;
    assert!(!store.is_unread().await);
    // Each of the four counts.
    for sql in [
        "UPDATE progress SET num_results = 9",
        "UPDATE progress SET num_results = 3, num_results_evaluated = 9",
        "UPDATE progress SET num_results_evaluated = 4, num_results_enriched = 9",
    ] {
        store.bench.execute(sql).await;
        assert!(store.is_unread().await, "{sql}");
    }
    // A running task is not among those that have stopped.
    store
        .bench
        .execute("UPDATE progress SET status = 'in_progress'")
        .await;
    assert!(!store.is_unread().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_the_database_refuses_is_rolled_back_and_recorded() {
    let store = Store::new().await;
    let broken = ResultRow {
        scores: Some("no JSON".to_owned()),
        ..row("b")
    };
    let answer = store.answer(1, vec![row("a"), broken], Store::complete(1, 2));
    let error = store.writer.store_results(answer).await.unwrap_err();
    assert!(error.to_string().contains("scores_is_json"), "{error}");
    assert_eq!(store.ids("TRUE").await, "");
    let recorded: String = store
        .bench
        .value("SELECT detail ->> 'error' FROM events WHERE kind = 'results_error'")
        .await;
    assert!(recorded.contains("scores_is_json"), "{recorded}");
    let failures: i64 = store
        .bench
        .value("SELECT results_failures FROM progress WHERE results_next_at <> '' AND results_read IS NULL")
        .await;
    assert_eq!(failures, 1);
    assert!(store.is_unread().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_arrives_after_its_task_was_removed_is_not_stored() {
    let store = Store::new().await;
    let first = store.answer(1, vec![row("a")], Store::complete(1, 1));
    store.writer.store_results(first).await.unwrap();
    // What `growd remove --results` deletes.
    store
        .bench
        .execute("DELETE FROM tasks; DELETE FROM results")
        .await;
    for outcome in [
        ReadingOutcome::Continues,
        Store::complete(2, 1),
        Store::doubtful(Kind::Short, 1),
        ReadingOutcome::Postponed(Setback::Failed("why".to_owned()), Duration::ZERO),
    ] {
        let answer = store.answer(2, vec![row("a")], outcome);
        store.writer.store_results(answer).await.unwrap();
    }
    assert_eq!(store.ids("TRUE").await, "");
    let others: i64 = store
        .bench
        .value("SELECT (SELECT count(*) FROM progress) + (SELECT count(*) FROM events WHERE kind = 'results_error')")
        .await;
    assert_eq!(others, 0);
}

/// Stores readings that are not trusted, at most 20, until the results are accepted. Returns how many it took.
async fn until_accepted(store: &Store, kind: Kind, list: impl Fn(u32) -> u64) -> u32 {
    for readings in 1..20 {
        let outcome = Store::doubtful(kind, list(readings));
        let answer = store.answer(2, vec![row("a")], outcome);
        store.writer.store_results(answer).await.unwrap();
        if !store.is_unread().await {
            return readings;
        }
    }
    panic!("never accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_accepted_in_doubt_mark_rows_gone_only_if_the_list_was_the_same() {
    for (kind, is_same, expected, gone) in [
        (Kind::Short, true, DOUBTS_MAX, "b"),
        (Kind::Short, false, REPEATS_MAX, ""),
        (Kind::LeftOut, true, DOUBTS_MAX, ""),
        (Kind::Shifted, true, REPEATS_MAX, ""),
    ] {
        let store = Store::new().await;
        let rows = vec![row("a"), row("b")];
        let first = store.answer(1, rows, ReadingOutcome::Continues);
        store.writer.store_results(first).await.unwrap();
        let list = |n: u32| if is_same { 7 } else { n.into() };
        assert_eq!(
            until_accepted(&store, kind, list).await,
            expected,
            "{kind:?}"
        );
        assert_eq!(store.ids("gone_at IS NOT NULL").await, gone, "{kind:?}");
        let accepted: i64 = store
            .bench
            .value(
                "SELECT count(*) FROM progress WHERE results_read = 1 AND results_counters = '3 4 5 6' AND results_error = 'why'
                    AND results_failures = 0 AND results_doubts IS NULL",
            )
            .await;
        assert_eq!(accepted, 1, "{kind:?}");
        // Recorded once, and cleared by a reading that is complete.
        let events: i64 = store
            .bench
            .value("SELECT count(*) FROM events WHERE kind = 'results_error'")
            .await;
        assert_eq!(events, 1, "{kind:?}");
        let whole = store.answer(3, vec![row("a")], Store::complete(3, 1));
        store.writer.store_results(whole).await.unwrap();
        let errors: i64 = store
            .bench
            .value("SELECT count(*) FROM progress WHERE results_error IS NOT NULL")
            .await;
        assert_eq!(errors, 0, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_in_doubt_are_counted_over_a_restart_and_from_the_beginning_at_other_counters() {
    let store = Store::new().await;
    let doubtful = || store.answer(2, vec![row("a")], Store::doubtful(Kind::Short, 7));
    store.writer.store_results(doubtful()).await.unwrap();
    let now = after(Timestamp::now(), Duration::from_hours(1));
    let mut connection = store.bench.connection().await;
    let found = results::unread(&mut connection, &Cursor::default(), now, 10).await;
    let doubts = found.unwrap().tasks[0].doubts.clone().expect("doubts");
    assert_eq!((doubts.times, doubts.list), (1, Some(7)));
    for sql in [
        "UPDATE progress SET results_doubts = 'no JSON'",
        "UPDATE progress SET results_doubts = '{}'",
        "UPDATE progress SET results_doubts = CAST(x'ff' AS TEXT)",
    ] {
        store.bench.execute(sql).await;
        let found = results::unread(&mut connection, &Cursor::default(), now, 10).await;
        assert_eq!(found.unwrap().tasks[0].doubts, None, "{sql}");
    }
    store.writer.store_results(doubtful()).await.unwrap();
    store
        .bench
        .execute("UPDATE progress SET num_results = 9")
        .await;
    let found = results::unread(&mut connection, &Cursor::default(), now, 10).await;
    assert_eq!(found.unwrap().tasks[0].doubts, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_task_runs_counts_when_the_delay_is_stored() {
    let store = Store::new().await;
    let live = Duration::from_hours(2);
    let postpone = async |was_running| {
        let outcome = ReadingOutcome::Postponed(Setback::Passing, Duration::ZERO);
        let answer = ResultsAnswer {
            was_running,
            live,
            ..store.answer(2, vec![row("a")], outcome)
        };
        store.writer.store_results(answer).await.unwrap();
        let seconds: i64 = store
            .bench
            .value("SELECT unixepoch(results_next_at) - unixepoch('now') FROM progress")
            .await;
        seconds
    };
    // It has stopped meanwhile.
    assert!(postpone(true).await <= 0);
    store
        .bench
        .execute("UPDATE progress SET status = 'in_progress'")
        .await;
    assert!(postpone(true).await > 7_000);
    assert!(postpone(false).await > 7_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn running_tasks_are_found_in_whatever_state_they_are() {
    let store = Store::new().await;
    let mut connection = store.bench.connection().await;
    sqlx::raw_sql(
        "INSERT INTO tasks (task_id, target) VALUES
             ('capped', 9), ('done', 9), ('exhausted', 9), ('growing', 9), ('missing', 9), ('reached', 9), ('empty', 9), ('later', 9),
             ('too-late', 9);
         UPDATE progress SET state = task_id WHERE task_id IN ('capped', 'exhausted', 'growing', 'missing', 'reached');
         UPDATE progress SET status = iif(task_id IN ('t', 'done'), 'done', 'in_progress'), num_results = task_id <> 'empty',
                num_results_evaluated = 4, num_results_enriched = 5, num_results_discovered = 6",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    // 24 h is the longest `Retry-After`. What is later is from before the clock went back.
    for (id, delay) in [
        ("later", DELAY_MAX),
        ("too-late", DELAY_MAX + Duration::from_secs(1)),
    ] {
        sqlx::query("UPDATE progress SET results_next_at = ? WHERE task_id = ?")
            .bind(time::to_text(after(at(0), delay)))
            .bind(id)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    for limit in 1..8 {
        let mut found = Vec::new();
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let part = results::running(&mut connection, &from, at(0), at(0), limit)
                .await
                .unwrap();
            found.extend(part.tasks.into_iter().map(|task| task.id.to_string()));
            cursor = part.cursor;
        }
        let expected = ["capped", "exhausted", "growing", "reached", "too-late"];
        assert_eq!(found, expected, "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_delay_outlasts_the_clock_checks() {
    let store = Store::new().await;
    let outcome = ReadingOutcome::Postponed(Setback::Failed("503".to_owned()), DELAY_MAX);
    let answer = store.answer(2, Vec::new(), outcome);
    store.writer.store_results(answer).await.unwrap();
    for maintenance in [
        Maintenance::Heartbeat,
        Maintenance::Reschedule,
        Maintenance::ClockWentBack(Duration::from_millis(1)),
    ] {
        store.writer.maintain(maintenance.clone()).await.unwrap();
        assert!(!store.is_unread().await, "{maintenance:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_ends_when_the_clock_goes_back_or_the_task_stops_again() {
    let store = Store::new().await;
    let postponed = "UPDATE progress SET results_next_at = '2999-01-01T00:00:00.000Z'";
    store.bench.execute(postponed).await;
    assert!(!store.is_unread().await);
    let back = Maintenance::ClockWentBack(Duration::from_hours(1));
    store.writer.maintain(back).await.unwrap();
    assert!(store.is_unread().await);

    store.bench.execute(postponed).await;
    store.writer.maintain(Maintenance::Heartbeat).await.unwrap();
    assert!(store.is_unread().await);

    store.bench.execute(postponed).await;
    store
        .bench
        .execute("UPDATE progress SET status = 'in_progress'")
        .await;
    store
        .bench
        .execute("UPDATE progress SET status = 'done'")
        .await;
    assert!(store.is_unread().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_each_task_that_can_be_read_once() {
    let store = Store::new().await;
    let mut connection = store.bench.connection().await;
    sqlx::raw_sql(
        "INSERT INTO tasks (task_id, target, paused) VALUES
             ('u1', 9, 0), ('u2', 9, 0), ('u3', 9, 0), ('paused', 9, 1), ('missing', 9, 0), ('open', 9, 0), ('later', 9, 0),
             ('read', 9, 0), ('new', 9, 0);
         UPDATE progress SET state = 'reached', status = 'done', num_results = 3, num_results_evaluated = 4,
                num_results_enriched = 5, num_results_discovered = 6 WHERE task_id <> 'new';
         UPDATE progress SET state = 'missing' WHERE task_id = 'missing';
         UPDATE progress SET results_next_at = '2026-11-24T02:22:00.000Z' WHERE task_id IN ('u1', 'u2');
         UPDATE progress SET results_next_at = '2026-11-24T02:22:00.001Z' WHERE task_id = 'later';
         UPDATE progress SET results_counters = '3 4 5 6' WHERE task_id = 'read';
         INSERT INTO progress (task_id, status, num_results) VALUES ('orphan', 'done', 3);
         INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, sent_at)
         VALUES ('open', 5, 3, 3, 'intended', '2026-11-24T02:22:00.000Z')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for limit in 1..8 {
        let mut found = Vec::new();
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let part = results::unread(&mut connection, &from, at(0), limit)
                .await
                .unwrap();
            found.extend(part.tasks.into_iter().map(|task| task.id.to_string()));
            cursor = part.cursor;
        }
        assert_eq!(found, ["t", "u3", "u1", "u2"], "{limit}");
    }
    let next = results::next_unread(&mut connection, at(0)).await.unwrap();
    assert_eq!(next, "2026-11-24T02:22:00.001Z".parse().ok());
}
