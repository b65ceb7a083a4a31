//! Many tasks with every fault of the service at once: all end, and no resume takes effect twice.
//!
//! `GROWD_CHAOS_TASKS` and `GROWD_CHAOS_SHARE` make the test larger. The figures are printed.

use crate::support::{Bench, from_env};
use growd_simulator::{Chaos, FailAt, Options, Scenario};

fn scenario(n: usize) -> Scenario {
    let mut scenario = Scenario::done(20);
    scenario.pool = Some(5_000);
    scenario.fit_rate = Some(0.5);
    scenario.rate_per_minute = Some(6_000.0);
    match n % 8 {
        5 => scenario.pool = Some(100),
        6 => scenario.fail_at = Some(FailAt::Results(35)),
        _ => {}
    }
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_fault_at_once_all_searches_end_and_nothing_is_paid_for_twice() {
    let tasks: usize = from_env("GROWD_CHAOS_TASKS", 24);
    let share: f64 = from_env("GROWD_CHAOS_SHARE", 0.1);
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.chaos = Chaos::at(share);
    options.settings.chaos.account = true;
    let mut bench = Bench::with(options).await;
    bench.settings.api.timeout = std::time::Duration::from_millis(400);
    bench.settings.policy.growth.settle = std::time::Duration::from_secs(3);
    for n in 0..tasks {
        let target = if n % 8 == 7 { 300 } else { 60 };
        let id = bench.service.add_task(&scenario(n)).parse().unwrap();
        bench.want(&id, target, Some(25)).await;
    }
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;

    let states: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM progress GROUP BY 1 ORDER BY 1")
            .fetch_all(&mut bench.connection().await)
            .await
            .unwrap();
    bench.print_figures().await;
    bench.assert_ledgers_agree().await;
    for (state, count) in states {
        let expected = match state.as_str() {
            "reached" => (0..tasks).filter(|n| n % 8 < 5).count(),
            "exhausted" => (0..tasks).filter(|n| n % 8 == 5).count(),
            "failed" => (0..tasks).filter(|n| n % 8 == 6).count(),
            "capped" => (0..tasks).filter(|n| n % 8 == 7).count(),
            other => panic!("{count} in {other}: {}", bench.dump().await),
        };
        assert_eq!(
            usize::try_from(count).unwrap(),
            expected,
            "{state}\n{}",
            bench.dump().await
        );
    }
}
