//! Tasks that are made due early: never sooner than the shortest interval after their last poll.

use crate::support::{Bench, plenty};
use growd::daemon::supervision::signals::Signal;
use growd::store::search_progress::set_target;
use growd::store::{reschedule, time};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_woken_is_due_now_but_not_sooner_than_an_interval_after_its_last_poll() {
    let bench = Bench::new().await;
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    for a_cap_was_raised in [false, true] {
        let mut connection = bench.connection().await;
        sqlx::query("DELETE FROM tasks")
            .execute(&mut connection)
            .await
            .unwrap();
        for (id, polled_at) in [
            ("just", "2026-11-24T11:59:58.000Z"),
            ("long-ago", "2026-11-24T11:00:00.000Z"),
        ] {
            sqlx::query("INSERT INTO tasks (task_id, target) VALUES (?, 100)")
                .bind(id)
                .execute(&mut connection)
                .await
                .unwrap();
            sqlx::query(
                "UPDATE progress SET state = ?3, status = 'done', num_results = 240, polled_alone_at = ?2,
                                     queue = 'regular', next_poll_at = '2026-11-24T13:00:00.000Z' WHERE task_id = ?1",
            )
            .bind(id)
            .bind(polled_at)
            .bind(if a_cap_was_raised { "capped" } else { "growing" })
            .execute(&mut connection)
            .await
            .unwrap();
        }
        if a_cap_was_raised {
            reschedule::wake_capped(&mut connection, 250, INTERVAL, now)
                .await
                .unwrap();
        } else {
            reschedule::wake_gated(&mut connection, false, INTERVAL, now)
                .await
                .unwrap();
        }
        let due: Vec<(String, String)> =
            sqlx::query_as("SELECT task_id, next_poll_at FROM progress ORDER BY task_id")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let expected = [
            ("just".to_owned(), "2026-11-24T12:00:03.000Z".to_owned()),
            ("long-ago".to_owned(), time::to_text(now)),
        ];
        assert_eq!(due, expected, "a cap was raised: {a_cap_was_raised}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_went_back_makes_waiting_tasks_due_and_delays_none_for_more_than_a_day() {
    let bench = Bench::new().await;
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let mut connection = bench.connection().await;
    // Ids in the order of the rows.
    let rows = [
        ("a-new-one", "new", "2026-11-24T13:00:00.000Z"),
        ("at-work", "regular", "2026-11-24T13:00:00.000Z"),
        ("at-work-soon", "regular", "2026-11-24T12:00:30.000Z"),
        ("held", "limit", "2026-11-25T11:00:00.000Z"),
        ("held-for-too-long", "limit", "2026-11-25T13:00:00.000Z"),
        ("held-until-no-time", "limit", "tomorrow"),
    ];
    for (id, queue, at) in rows {
        for sql in [
            "INSERT INTO tasks (task_id, target) VALUES (?1, 100)",
            "UPDATE progress SET queue = ?2, next_poll_at = ?3 WHERE task_id = ?1",
        ] {
            let query = sqlx::query(sql).bind(id).bind(queue).bind(at);
            query.execute(&mut connection).await.unwrap();
        }
    }
    let horizon = now + Duration::from_mins(1);
    let in_a_day = now + Duration::from_hours(24);
    let count = reschedule::wake_scheduled_too_late(&mut connection, now, horizon, in_a_day).await;
    assert_eq!(count.unwrap(), 2);
    let due: Vec<String> = sqlx::query_scalar("SELECT next_poll_at FROM progress ORDER BY task_id")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let expected = [
        "2026-11-24T12:00:00.000Z",
        "2026-11-24T12:00:00.000Z",
        "2026-11-24T12:00:30.000Z",
        "2026-11-25T11:00:00.000Z",
        "2026-11-25T12:00:00.000Z",
        "2026-11-25T12:00:00.000Z",
    ];
    assert_eq!(due, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_was_taken_out_of_its_queue_by_hand_is_taken_up_by_the_next_start_and_by_a_reload()
 {
    let mut bench = Bench::new().await;
    for target in [60, 60, 61] {
        bench.grow(&plenty(), target).await;
    }
    bench
        .execute("UPDATE tasks SET paused = 1 WHERE target = 61")
        .await;
    bench
        .execute("UPDATE progress SET next_poll_at = NULL")
        .await;
    bench.start();
    let both = "SELECT count(*) = 2 FROM progress WHERE state = 'reached'";
    bench.until(both).await;
    bench
        .execute(
            "UPDATE progress SET state = 'growing', next_poll_at = NULL WHERE state = 'reached'",
        )
        .await;
    bench.signal(Signal::Reload).await;
    bench.until(both).await;
    let polls: i64 = bench
        .value("SELECT sum(polls) FROM progress JOIN tasks USING (task_id) WHERE paused")
        .await;
    assert_eq!(polls, 0, "one that is paused stays so");
    bench.stop().await;
}

#[tokio::test]
async fn a_new_target_of_a_part_keeps_the_interval_and_a_delay_after_an_error() {
    let bench = Bench::new().await;
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let mut connection = bench.connection().await;
    bench
        .execute("INSERT INTO searches (search, query, target) VALUES ('a', 'q', 5)")
        .await;
    bench
        .execute("INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1)")
        .await;
    let cases = [
        // Scheduled, last poll, failures; then when it is polled next.
        ("13:00:00", "11:59:58", 0, "12:00:03"),
        ("13:00:00", "11:00:00", 0, "12:00:00"),
        ("12:00:01", "11:59:58", 0, "12:00:01"),
        ("13:00:00", "11:59:58", 2, "13:00:00"),
        ("", "11:59:58", 0, "12:00:03"),
        ("", "11:00:00", 2, "12:00:00"),
        ("13:00:00", "", 0, "12:00:00"),
        // The clock went back.
        ("13:00:00", "15:00:00", 0, "12:00:05"),
    ];
    for (target, (scheduled, polled, failures, expected)) in (6..).zip(cases) {
        let time = |clock: &str| match clock {
            "" => "NULL".to_owned(),
            clock => format!("'2026-11-24T{clock}.000Z'"),
        };
        let row = format!(
            "UPDATE progress SET next_poll_at = {}, polled_alone_at = {}, failures = {failures}",
            time(scheduled),
            time(polled)
        );
        sqlx::query(AssertSqlSafe(row.clone()))
            .execute(&mut connection)
            .await
            .unwrap();
        let part = "t".parse().unwrap();
        set_target(&mut connection, &part, target, INTERVAL, now)
            .await
            .unwrap();
        let next = bench.value::<String>("SELECT next_poll_at FROM progress");
        assert_eq!(format!("'{}'", next.await), time(expected), "{row}");
    }
    // A paused part is not polled.
    bench.execute("UPDATE tasks SET paused = 1").await;
    let part = "t".parse().unwrap();
    set_target(&mut connection, &part, 50, INTERVAL, now)
        .await
        .unwrap();
    let paused =
        "SELECT target || ' ' || (next_poll_at IS NULL) FROM tasks JOIN progress USING (task_id)";
    assert_eq!(bench.value::<String>(paused).await, "50 1");
}
