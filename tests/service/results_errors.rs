//! Results that cannot be read: recorded once, tried again ever later, and never a matter of the task's growth.

use crate::support::{Bench, plenty};
use growd::core::TaskId;
use growd_simulator::{Fault, On, Rule, Scenario};
use serde_json::{Value, json};

async fn one_task() -> (Bench, TaskId) {
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    let id = bench.grow(&plenty(), 60).await;
    (bench, id)
}

/// A task that has ended, and whose results are not read yet.
async fn one_ended_task() -> (Bench, TaskId) {
    let (mut bench, id) = one_task().await;
    bench.settings.results.keep = false;
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;
    bench.settings.results.keep = true;
    (bench, id)
}

fn status(code: u16, body: &Value) -> Fault {
    let fault = json!({"kind": "status", "code": code, "body": body});
    serde_json::from_value(fault).expect("a fault")
}

async fn errors(bench: &Bench) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT detail ->> 'error' FROM events WHERE kind = 'results_error' ORDER BY id",
    )
    .fetch_all(&mut bench.connection().await)
    .await
    .expect("events")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_recorded_once_until_its_kind_changes_and_the_reading_is_repeated() {
    let (mut bench, id) = one_task().await;
    let busy = status(500, &json!({"detail": "busy"}));
    bench.service.script(Rule::always(On::Results, busy));
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE results_failures >= 4")
        .await;
    assert_eq!(bench.state(&id).await, "reached");
    let recorded: String = bench.value("SELECT results_error FROM progress").await;
    assert!(recorded.contains("busy"), "{recorded}");
    assert_eq!(errors(&bench).await, [recorded]);

    // Other words with the same status are noted, and are no event.
    let still_busy = status(500, &json!({"detail": "still busy, request 17"}));
    bench.service.clear_script();
    bench.service.script(Rule::always(On::Results, still_busy));
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE results_error LIKE '%request 17%'")
        .await;
    assert_eq!(errors(&bench).await.len(), 1);

    let other = status(400, &json!({"detail": "no"}));
    bench.service.clear_script();
    bench.service.script(Rule::always(On::Results, other));
    bench
        .until("SELECT count(*) = 2 FROM events WHERE kind = 'results_error'")
        .await;
    assert_eq!(errors(&bench).await[1], "400: no");

    bench.service.clear_script();
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    bench
        .until("SELECT results_error IS NULL AND results_failures = 0 AND last_error IS NULL AND failures = 0 FROM progress")
        .await;
    assert_eq!(errors(&bench).await.len(), 2);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_alone_are_forbidden_close_no_gate() {
    for code in [401, 402, 403, 404] {
        let (mut bench, _) = one_task().await;
        bench.settings.policy.probe_interval = std::time::Duration::from_hours(1);
        let refused = status(code, &json!({"detail": "not in this plan"}));
        bench.service.script(Rule::always(On::Results, refused));
        bench.start();
        bench
            .until("SELECT count(*) = 1 FROM progress WHERE results_failures >= 3 AND state = 'reached'")
            .await;
        let gates: i64 = bench
            .value("SELECT count(*) FROM events WHERE kind = 'gate'")
            .await;
        assert_eq!(gates, 0, "{code}");
        let recorded = errors(&bench).await;
        assert_eq!(recorded.len(), 1, "{recorded:?}");
        assert!(recorded[0].contains("not in this plan"), "{recorded:?}");
        // The account is asked for once in an interval, whatever the number of readings.
        let users = bench.service.requests().by_kind.get("user").copied();
        assert_eq!(users, (code != 404).then_some(1), "{code}");
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_account_closes_the_gate_and_is_no_error_of_the_results() {
    let (mut bench, id) = one_ended_task().await;
    let fault = status(401, &json!({"detail": "no"}));
    bench.service.script(Rule {
        times: Some(2),
        ..Rule::always(On::Any, fault)
    });
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'gate' AND detail ->> 'from' = 'open'")
        .await;
    let to: String = bench
        .value("SELECT detail ->> 'to' FROM events WHERE kind = 'gate' ORDER BY id LIMIT 1")
        .await;
    assert_eq!(to, "unauthorized");
    // No task is to be polled any more: the reading itself opens the gate again.
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    assert!(errors(&bench).await.is_empty());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_to_results_holds_back_readings_only() {
    let (mut bench, id) = one_task().await;
    let fault = json!({"kind": "status", "code": 429, "headers": {"Retry-After": "1"}});
    let fault: Fault = serde_json::from_value(fault).unwrap();
    bench.service.script(Rule::always(On::Results, fault));
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'results_error'")
        .await;
    // A task that is added now is polled and resumed.
    bench.grow(&plenty(), 60).await;
    bench
        .until("SELECT count(*) = 2 FROM progress WHERE state = 'reached'")
        .await;
    let gates: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'gate'")
        .await;
    assert_eq!(gates, 0);
    let asked = bench.service.requests().by_kind["results"];
    assert_eq!(asked, 1, "readings wait for a minute");
    assert!(!errors(&bench).await[0].is_empty(), "{id}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_do_not_fit_together_are_an_error_only_after_three_readings() {
    let (mut bench, id) = one_ended_task().await;
    bench.keep_results(25);
    // Every page is the same.
    let mut page = bench.service.task(id.as_str()).unwrap();
    let row =
        |n: usize| json!({"id": format!("r{n}"), "task_id": id.as_str(), "company_name": "A"});
    page["results"] = (0..25).map(row).collect();
    let same = status(200, &page);
    bench.service.script(Rule {
        times: Some(4),
        ..Rule::always(On::Results, same.clone())
    });
    // Two readings of two pages each.
    bench.start();
    bench.until_all_read().await;
    assert!(errors(&bench).await.is_empty());
    // What was read before is gone.
    bench.assert_kept(&id).await;
    let gone: i64 = bench
        .value("SELECT count(*) FROM results WHERE gone_at IS NOT NULL AND result_id GLOB 'r*'")
        .await;
    assert_eq!(gone, 25);

    bench
        .execute("UPDATE progress SET results_counters = NULL")
        .await;
    // Five readings. The sixth would be accepted.
    bench.service.script(Rule {
        times: Some(10),
        ..Rule::always(On::Results, same)
    });
    let before = bench.result_requests();
    bench.until_all_read().await;
    assert!(bench.result_requests() > before + 10);
    let recorded = errors(&bench).await;
    assert_eq!(
        recorded,
        ["a result came twice while the results were read"]
    );
    bench.assert_kept(&id).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_kept_costs_no_other_row_and_is_named() {
    let (mut bench, id) = one_ended_task().await;
    let mut page = bench.service.task(id.as_str()).unwrap();
    page["num_results"] = json!(3);
    page["results"] = json!([
        {"id": "a", "task_id": id.as_str(), "company_name": "A"},
        {"task_id": id.as_str(), "company_name": "without an id"},
        {"id": "c", "task_id": id.as_str(), "company_name": ["of another type"]},
    ]);
    // It is asked for twice more: the fault might pass.
    bench.service.script(Rule {
        times: Some(3),
        ..Rule::once(On::Results, status(200, &page))
    });
    bench
        .execute("UPDATE progress SET changed_at = '2020-01-01T00:00:00.000Z'")
        .await;
    bench.start();
    bench.until_all_read().await;
    assert_eq!(bench.result_requests(), 3);
    let kept: i64 = bench
        .value("SELECT count(*) FROM results WHERE result_id IN ('a', 'c')")
        .await;
    assert_eq!(kept, 2);
    let recorded: String = bench.value("SELECT results_error FROM progress").await;
    assert_eq!(errors(&bench).await, [recorded]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_the_service_refuses_for_all_tasks_are_asked_for_ever_more_rarely() {
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    bench.settings.policy.retry.initial = std::time::Duration::from_millis(1);
    bench.settings.policy.retry.max = std::time::Duration::from_hours(1);
    for _ in 0..60 {
        bench.grow(&Scenario::done(10), 10).await;
    }
    let gone = status(404, &json!({"detail": "Not Found"}));
    bench.service.script(Rule::always(On::Results, gone));
    bench.start();
    // The delays before the readings of other tasks double: 20 of them are beyond 4 s.
    bench
        .until("SELECT count(*) >= 16 FROM progress WHERE results_failures > 0")
        .await;
    bench.until_all_ended().await;
    assert!(bench.result_requests() < 40, "{}", bench.result_requests());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_cannot_be_read_for_any_task_are_asked_for_ever_more_rarely() {
    let mut bench = Bench::new().await;
    bench.keep_results(100);
    // One reading at a time.
    bench.settings.limits.concurrency = 4;
    bench.settings.policy.retry.initial = std::time::Duration::from_millis(8);
    bench.settings.policy.retry.max = std::time::Duration::from_hours(1);
    for _ in 0..20 {
        bench.grow(&Scenario::done(10), 10).await;
    }
    bench
        .service
        .script(Rule::always(On::Results, Fault::NotJson));
    let begin = std::time::Instant::now();
    bench.start();
    bench
        .until("SELECT count(*) >= 17 FROM progress WHERE results_failures > 0")
        .await;
    // The pauses before the tenth task and those after it: 8 ms, 16 ms, 32 ms, … 1024 ms. Few requests for so long, whatever the load.
    let took = begin.elapsed();
    assert!(took > std::time::Duration::from_secs(1), "{took:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_refused_for_one_task_alone_holds_for_no_other() {
    let (mut bench, id) = one_task().await;
    bench.settings.limits.concurrency = 4;
    let refused = status(422, &json!({"detail": "no"}));
    bench.service.script(Rule {
        task: Some(id.to_string()),
        ..Rule::always(On::Results, refused)
    });
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE results_failures > 0")
        .await;
    let other = bench.grow(&Scenario::done(60), 60).await;
    let sql = "SELECT count(*) = 1 FROM progress WHERE results_read = 60";
    bench.until(sql).await;
    let log = bench.service.requests();
    let path = format!("/{other}/");
    let mut of_other = log
        .last
        .iter()
        .filter(|request| request.kind == "results" && request.path.contains(&path));
    let first = of_other.next().expect("a request");
    assert!(first.path.contains("limit=100"), "{}", first.path);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_older_than_the_newest_poll_are_read_again_once_they_have_settled() {
    let (mut bench, id) = one_task().await;
    bench.settings.policy.growth.settle = std::time::Duration::from_secs(2);
    let mut old = bench.service.task(id.as_str()).unwrap();
    old["num_results"] = json!(3);
    old["results"] = json!([{"id": "old", "task_id": id.as_str(), "company_name": "A"}]);
    bench
        .service
        .script(Rule::once(On::Results, status(200, &old)));
    bench.start();
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    let waited: i64 = bench
        .value("SELECT unixepoch(results_read_at) - unixepoch(changed_at) BETWEEN 1 AND 30 FROM progress")
        .await;
    assert_eq!(waited, 1);
    assert!(errors(&bench).await.is_empty());
    bench.stop().await;
}
