//! What is kept of the results of each task: all of them, once each, as the service has them.

use crate::support::{Bench, plenty};
use growd::core::TaskId;
use growd_simulator::{Excess, FailAt, Falls, Options, Scenario};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn every_result_of_every_task_is_kept_once() {
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    bench.settings.policy.growth.chunk = 40;
    let grown = bench.grow(&plenty(), 230).await;
    let already = bench.grow(&plenty(), 10).await;
    let mut dry = plenty();
    dry.pool = Some(90);
    let exhausted = bench.grow(&dry, 200).await;
    let mut failing = plenty();
    failing.fail_at = Some(FailAt::Results(40));
    let failed = bench.grow(&failing, 100).await;
    let empty = bench.grow(&Scenario::exhausted(0), 100).await;
    bench.start();
    bench.until_all_ended().await;
    bench.until_all_read().await;
    for id in [&grown, &already, &exhausted, &failed, &empty] {
        bench.assert_kept(id).await;
    }
    assert_eq!(bench.kept(&grown).await.len(), 230);
    assert_eq!(bench.kept(&already).await.len(), 25);
    let gone: i64 = bench
        .value("SELECT count(*) FROM results WHERE gone_at IS NOT NULL")
        .await;
    assert_eq!(gone, 0);
    let errors: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'results_error'")
        .await;
    assert_eq!(errors, 0);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

/// Returns the number of requests for results of this task, and of all.
fn requests(bench: &Bench, id: &TaskId) -> (usize, u64) {
    let log = bench.service.requests();
    let of_task = log
        .last
        .iter()
        .filter(|request| request.kind == "results" && request.path.contains(&format!("/{id}/")));
    (of_task.count(), bench.result_requests())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_resumed_at_once_is_read_at_its_end_only() {
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    bench.settings.policy.growth.chunk = 40;
    bench.settings.policy.growth.settle = Duration::from_secs(20);
    let id = bench.grow(&plenty(), 230).await;
    bench.start();
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    assert_eq!(bench.state(&id).await, "reached");
    let read: i64 = bench.value("SELECT results_read FROM progress").await;
    assert_eq!(read, 230);
    bench.stop().await;
    // Three pages, and the two with which the test compares and finds the end.
    assert_eq!(requests(&bench, &id).0, 3 + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_the_daily_limit_is_read_meanwhile() {
    let mut bench = Bench::new().await;
    bench.keep_results(10);
    bench.settings.policy.growth.daily_limit = 10;
    let id = bench.grow(&plenty(), 230).await;
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE queue = 'limit' AND results_read = 35")
        .await;
    assert_eq!(bench.state(&id).await, "growing");
    bench.assert_kept(&id).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_no_longer_there_is_marked_as_gone_and_kept() {
    let mut bench = Bench::new().await;
    bench.keep_results(7);
    let id = bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until_all_read().await;
    let before = bench.kept(&id).await;
    let first_seen: String = bench.value("SELECT max(first_seen_at) FROM results").await;

    // The next run takes results away as it ends.
    bench.service.settings(|settings| {
        settings.semantics.falls = Falls::WhenDone;
        settings.semantics.falls_by = 9;
    });
    bench.want(&id, 100, None).await;
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE num_results > 60 AND state <> 'growing'")
        .await;
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    let after = bench.kept(&id).await;
    let gone: Vec<String> =
        sqlx::query_scalar("SELECT result_id FROM results WHERE gone_at >= seen_at")
            .fetch_all(&mut bench.connection().await)
            .await
            .unwrap();
    assert!(!gone.is_empty());
    for id in &gone {
        assert!(before.contains_key(id) && !after.contains_key(id), "{id}");
    }
    // What stayed was first seen by the first reading.
    let kept: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM results WHERE gone_at IS NULL AND first_seen_at <= ? AND seen_at > first_seen_at",
    )
    .bind(&first_seen)
    .fetch_one(&mut bench.connection().await)
    .await
    .unwrap();
    assert_eq!(usize::try_from(kept).unwrap(), before.len() - gone.len());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_shortens_its_pages_is_read_to_the_end() {
    let mut bench = Bench::new().await;
    bench.service.settings(|settings| {
        settings.semantics.results_limit = 7;
        settings.semantics.results_default_limit = 7;
        settings.semantics.limit_excess = Excess::Clamped;
    });
    bench.keep_results(1_000);
    let id = bench.grow(&Scenario::done(100), 100).await;
    bench.start();
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    assert_eq!(bench.kept(&id).await.len(), 100);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_too_large_for_the_service_is_halved_once_for_all_tasks() {
    let mut bench = Bench::new().await;
    bench.service.settings(|settings| {
        settings.semantics.results_limit = 30;
        settings.semantics.results_default_limit = 30;
        settings.semantics.limit_excess = Excess::Refused;
    });
    // One reading at a time.
    bench.settings.limits.concurrency = 4;
    bench.keep_results(100);
    for _ in 0..5 {
        bench.grow(&Scenario::done(60), 60).await;
    }
    bench.start();
    bench.until_all_read().await;
    let kept: i64 = bench.value("SELECT count(*) FROM results").await;
    assert_eq!(kept, 5 * 60);
    // 100, 50, 25.
    assert_eq!(bench.service.requests().by_status.get(&422), Some(&2));
    assert_eq!(bench.result_requests(), 2 + 5 * 3);
    let errors: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'results_error'")
        .await;
    assert_eq!(errors, 0);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_counted_and_never_shown_do_not_keep_a_reading_from_its_end() {
    let mut bench = Bench::new().await;
    bench
        .service
        .settings(|settings| settings.semantics.undelivered_percent = 30);
    bench.keep_results(100);
    let id = bench.grow(&Scenario::done(100), 100).await;
    bench.start();
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    let kept = bench.kept(&id).await.len();
    assert!((40..100).contains(&kept), "{kept}");
    // Not before the counter has stood for `growth.settle`, and then once.
    let requests = bench.result_requests();
    bench.execute("UPDATE tasks SET note = 'changed'").await;
    bench
        .until("SELECT results_failures = 0 FROM progress")
        .await;
    assert_eq!(bench.result_requests(), requests);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_live_results_a_running_task_is_read_too() {
    let mut options = Options::default();
    options.settings.speed = 100.0;
    let mut bench = Bench::with(options).await;
    bench.keep_results(10);
    bench.settings.results.live = Duration::from_millis(100);
    let slow = Scenario {
        rate_per_minute: Some(60.0),
        ..plenty()
    };
    let id = bench.grow(&slow, 250).await;
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE status = 'in_progress' AND (SELECT count(*) FROM results) > 30")
        .await;
    bench.until_all_ended().await;
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    // Pages of a running task that shift are no error.
    let errors: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'results_error'")
        .await;
    assert_eq!(errors, 0);
    bench.stop().await;
}
