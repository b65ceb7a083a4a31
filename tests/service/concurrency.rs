//! Many requests in flight at once: the concurrency limit, a gate that closes over them, and tasks that are paused.

use crate::support::Bench;
use growd::daemon::supervision::signals::Signal;
use growd_simulator::{Fault, On, Rule, Scenario};

const TASKS: i64 = 120;

/// Tasks that stay `in_progress` and due, without a limit of requests.
async fn bench(concurrency: usize) -> Bench {
    let mut bench = Bench::new().await;
    let endless = Scenario {
        rate_per_minute: Some(0.000_001),
        ..Scenario::default()
    };
    for _ in 0..TASKS {
        bench.grow(&endless, 60).await;
    }
    bench.settings.limits.requests_per_second = 0.0;
    bench.settings.limits.concurrency = concurrency;
    bench
        .service
        .script(Rule::always(On::Get, Fault::Delay { ms: 5 }));
    bench
}

/// Waits until each task has been polled twice more: at least one of these polls began after the call.
async fn each_is_polled_again(bench: &Bench) {
    bench.execute("DROP TABLE IF EXISTS seen").await;
    bench
        .execute("CREATE TABLE seen AS SELECT task_id, polls FROM progress")
        .await;
    bench
        .until(
            "SELECT NOT EXISTS (SELECT 1 FROM progress JOIN seen USING (task_id)
                                 WHERE progress.polls <= seen.polls + 1)",
        )
        .await;
    bench.execute("DROP TABLE seen").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_less_concurrency_after_a_reload_the_limit_holds_and_each_task_is_polled() {
    let mut bench = bench(16).await;
    bench.start_with_reload(|settings| settings.limits.concurrency = 2);
    each_is_polled_again(&bench).await;
    let peak = bench.service.requests().peak_concurrency;
    assert!((3..=16).contains(&peak), "{peak}");
    bench.signal(Signal::Reload).await;
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'reloaded'")
        .await;
    // The requests from before the reload have ended once each task has been polled again.
    each_is_polled_again(&bench).await;
    for _ in 0..200 {
        let requests = bench.service.requests();
        assert!(requests.in_flight <= 2, "{}", requests.in_flight);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    each_is_polled_again(&bench).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_closes_at_high_concurrency_lets_single_probes_through_and_then_all_go_on() {
    let mut bench = bench(16).await;
    bench.start();
    each_is_polled_again(&bench).await;
    bench.service.clear_script();
    bench
        .service
        .script(Rule::always(On::Get, Fault::status(401)));
    bench
        .until("SELECT gate = 'unauthorized' FROM daemon")
        .await;
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'gate'")
        .await;
    let refused = || {
        let requests = bench.service.requests();
        requests.by_status.get(&401).copied().unwrap_or(0)
    };
    // The requests in flight when the gate closed, and one at a time since.
    bench
        .until("SELECT count(*) >= 1 FROM progress WHERE last_error LIKE '%401%'")
        .await;
    let probes = refused();
    assert!(probes <= 16 + 40, "{probes}");
    bench.service.clear_script();
    bench.until("SELECT gate = 'open' FROM daemon").await;
    each_is_polled_again(&bench).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_paused_while_many_are_due_gets_no_poll_that_is_not_under_way() {
    let mut bench = bench(4).await;
    bench.start();
    each_is_polled_again(&bench).await;
    bench.execute("UPDATE tasks SET paused = 1").await;
    bench
        .until("SELECT NOT EXISTS (SELECT 1 FROM progress WHERE next_poll_at IS NOT NULL)")
        .await;
    let mut polls = bench.service.requests().by_kind["get"];
    // Tasks that were read before are dropped within a tick, and requests in flight end.
    loop {
        tokio::time::sleep(growd::daemon::TICK * 2).await;
        let now = bench.service.requests().by_kind["get"];
        if now == polls {
            break;
        }
        assert!(now - polls < 10_000, "{}", now - polls);
        polls = now;
    }
    bench.execute("UPDATE tasks SET paused = 0").await;
    each_is_polled_again(&bench).await;
    bench.stop().await;
}
