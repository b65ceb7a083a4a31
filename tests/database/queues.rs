//! The queues of due tasks in the database: which task is in which, and which ones wait for the daily limit.

use crate::support::Bench;
use growd::core::policy::Growth;
use growd::store::progress;
use growd_simulator::Scenario;
use jiff::Timestamp;
use std::time::Duration;

fn plenty() -> Scenario {
    Scenario {
        pool: Some(1_000),
        fit_rate: Some(1.0),
        ..Scenario::done(25)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_limit_frees_up_only_the_tasks_that_it_covers_are_polled() {
    let daily = when_it_frees_up(|growth| growth.daily_limit = 35);
    let monthly = when_it_frees_up(|growth| growth.monthly_limit = 35);
    tokio::join!(daily, monthly);
}

async fn when_it_frees_up(limit: fn(&mut Growth)) {
    let mut bench = Bench::new().await;
    limit(&mut bench.settings.policy.growth);
    for _ in 0..12 {
        bench.grow(&plenty(), 60).await;
    }
    bench.start();
    bench
        .until("SELECT count(*) = 11 FROM progress WHERE queue = 'limit'")
        .await;
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL")
        .await;
    for served in 2..=3_i64 {
        // Moves the ledger out of the window.
        bench
            .execute("UPDATE resumes SET sent_at = '2020-01-01T00:00:00.000Z'")
            .await;
        let sql = match served {
            2 => {
                "SELECT count(*) = 2 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL"
            }
            _ => {
                "SELECT count(*) = 3 FROM progress WHERE state = 'reached' AND next_poll_at IS NULL"
            }
        };
        bench.until(sql).await;
        let waiting: i64 = bench
            .value("SELECT count(*) FROM progress WHERE queue = 'limit' AND polls = 1")
            .await;
        assert_eq!(waiting, 12 - served, "{}", bench.dump().await);
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_changed_is_new_until_it_is_polled() {
    let mut bench = Bench::new().await;
    let id = bench.grow(&Scenario::done(100), 50).await;
    let is_new = "SELECT queue = 'new' AND next_poll_at IS NOT NULL FROM progress";
    assert_eq!(bench.value::<i64>(is_new).await, 1);
    bench.start();
    bench
        .until("SELECT queue = 'regular' AND state = 'reached' FROM progress")
        .await;
    bench.stop().await;
    for change in [
        "UPDATE tasks SET target = 60",
        "UPDATE tasks SET chunk = 7",
        "UPDATE tasks SET paused = 1",
        "UPDATE tasks SET paused = 0",
    ] {
        bench.execute("UPDATE progress SET queue = 'regular'").await;
        bench.execute(change).await;
        let queue: String = bench.value("SELECT queue FROM progress").await;
        assert_eq!(queue, "new", "{change}");
    }
    assert_eq!(bench.state(&id).await, "reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_that_is_deleted_begins_anew_where_its_task_is_there_and_only_there() {
    let bench = Bench::new().await;
    let id = bench.grow(&plenty(), 60).await;
    bench
        .execute("UPDATE progress SET state = 'growing', polls = 9")
        .await;
    bench.execute("DELETE FROM progress").await;
    assert_eq!(bench.state(&id).await, "pending");
    let is_due = "SELECT queue = 'new' AND polls = 0 AND next_poll_at IS NOT NULL FROM progress";
    assert_eq!(bench.value::<i64>(is_due).await, 1);
    let restored = "SELECT count(*) FROM events WHERE kind = 'restored'";
    assert_eq!(bench.value::<i64>(restored).await, 1);
    bench.execute("UPDATE tasks SET paused = 1").await;
    bench.execute("DELETE FROM progress").await;
    let rests = "SELECT next_poll_at IS NULL FROM progress";
    assert_eq!(bench.value::<i64>(rests).await, 1);
    bench.execute("DELETE FROM tasks").await;
    let left = "SELECT count(*) FROM progress";
    assert_eq!(bench.value::<i64>(left).await, 0);
    bench
        .execute("INSERT INTO progress (task_id) VALUES ('no-such-task')")
        .await;
    bench.execute("DELETE FROM progress").await;
    assert_eq!(bench.value::<i64>(left).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_the_limit_is_not_held_by_a_poll_in_the_future() {
    let bench = Bench::new().await;
    let mut connection = bench.connection().await;
    let rows = [
        ("long-ago", Some("2026-11-24T11:00:00.000Z"), true),
        ("just-now", Some("2026-11-24T11:59:59.000Z"), false),
        ("next-month", Some("2026-12-24T12:00:00.000Z"), true),
        ("never", None, true),
        ("no-time", Some("yesterday"), true),
    ];
    for (id, polled_at, _) in rows {
        for sql in [
            "INSERT INTO tasks (task_id, target) VALUES (?1, 100)",
            "UPDATE progress SET queue = 'limit', polled_alone_at = ?2 WHERE task_id = ?1",
        ] {
            let query = sqlx::query(sql).bind(id).bind(polled_at);
            query.execute(&mut connection).await.unwrap();
        }
    }
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let before = now - Duration::from_secs(5);
    let held = progress::waiting_for_limit(&mut connection, before, now, 9).await;
    let mut held: Vec<String> = held
        .unwrap()
        .tasks
        .iter()
        .map(|task| task.id.to_string())
        .collect();
    held.sort();
    let mut expected: Vec<_> = rows
        .iter()
        .filter(|(.., is_held)| *is_held)
        .map(|(id, ..)| (*id).to_owned())
        .collect();
    expected.sort();
    assert_eq!(held, expected);
}
