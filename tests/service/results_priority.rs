//! Results have the lowest priority: no poll and no resume waits for them.

use crate::support::{Bench, plenty};
use growd_simulator::{Fault, On, Rule, Scenario};
use std::collections::HashSet;

/// Tasks whose results are to be read, and requests that this takes.
const BACKLOG: usize = 40;
const PAGE: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn polls_and_resumes_that_come_up_while_results_are_read_go_first() {
    let mut bench = Bench::new().await;
    bench.keep_results(PAGE);
    bench.settings.limits.requests_per_second = 50.0;
    for _ in 0..BACKLOG {
        bench.grow(&Scenario::done(250), 250).await;
    }
    bench.start();
    bench.until("SELECT count(*) > 20 FROM results").await;
    // The daemon sees all of them at once.
    let new: Vec<String> = (0..20).map(|_| bench.service.add_task(&plenty())).collect();
    let rows: Vec<String> = new.iter().map(|id| format!("('{id}', 50)")).collect();
    let sql = format!(
        "INSERT INTO tasks (task_id, target) VALUES {}",
        rows.join(", ")
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
    bench
        .until("SELECT count(DISTINCT task_id) = 20 FROM resumes WHERE state = 'accepted'")
        .await;
    let log = bench.service.requests().last;
    let left: i64 = bench
        .value("SELECT count(*) FROM progress WHERE status = 'done' AND results_counters IS NULL")
        .await;
    assert!(left > 0, "the backlog was read too soon to show anything");

    // From the first poll of the new tasks to the last resume, few slots went to results.
    let is_new = |path: &str| new.iter().any(|id| path.contains(id.as_str()));
    let first = log
        .iter()
        .position(|request| request.kind == "get" && is_new(&request.path))
        .unwrap();
    let mut resumed = HashSet::new();
    let last = log
        .iter()
        .position(|request| {
            request.kind == "resume" && resumed.insert(&request.path) && resumed.len() == new.len()
        })
        .unwrap();
    let between = log.range(first..=last);
    let of_results = between.filter(|request| request.kind == "results").count();
    // A slot may come free while the answers to the polls are being stored. With equal turns, half of the slots would go to results.
    assert!(of_results <= 10, "{of_results} of {}", last - first);
    bench.assert_ledgers_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_take_at_most_a_quarter_of_the_requests_in_flight() {
    let mut bench = Bench::new().await;
    bench.keep_results(PAGE);
    bench.settings.limits.concurrency = 8;
    for _ in 0..20 {
        bench.grow(&Scenario::done(30), 30).await;
    }
    // As if polled before.
    bench
        .execute(
            "UPDATE progress SET state = 'reached', status = 'done', num_results = 30, num_results_evaluated = 60,
                    num_results_enriched = 60, num_results_discovered = 60, next_poll_at = NULL",
        )
        .await;
    bench
        .service
        .script(Rule::always(On::Results, Fault::Delay { ms: 20 }));
    bench.start();
    bench.until_all_read().await;
    bench.stop().await;
    let kept: i64 = bench.value("SELECT count(*) FROM results").await;
    assert_eq!(kept, 20 * 30);
    let log = bench.service.requests();
    assert_eq!(log.by_kind.len(), 1, "{:?}", log.by_kind);
    assert_eq!(log.peak_concurrency, 2);
}
