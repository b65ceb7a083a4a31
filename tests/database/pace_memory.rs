//! The memory of the pace in the database: a restart continues from it, and invalid values do no harm.

use crate::support::Bench;
use growd_simulator::Scenario;
use std::time::Duration;

/// A task whose run takes about half a minute, unless [`end_the_run`] ends it.
fn slow_task() -> Scenario {
    Scenario {
        desired_num_results: Some(100),
        pool: Some(5_000),
        fit_rate: Some(0.5),
        rate_per_minute: Some(0.4),
        ..Scenario::default()
    }
}

/// Moves the time of the service past the end of the run.
fn end_the_run(bench: &Bench) {
    bench.service.advance(Duration::from_hours(24));
}

const HAS_MEMORY: &str = "SELECT EXISTS (SELECT 1 FROM progress WHERE pace ->> 'results' > 0)";

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_run_continues_with_the_memory_of_earlier_polls() {
    let mut bench = Bench::new().await;
    bench.grow(&slow_task(), 100).await;
    bench.start();
    bench.until(HAS_MEMORY).await;
    bench.abort().await;
    let before: f64 = bench.value("SELECT pace ->> 'age' FROM progress").await;
    let began: String = bench.value("SELECT run_started_at FROM progress").await;
    bench.start();
    bench
        .until("SELECT EXISTS (SELECT 1 FROM progress WHERE polls > 0 AND pace ->> 'age' > 0)")
        .await;
    let after: f64 = bench
        .value("SELECT coalesce(pace ->> 'age', 1e9) FROM progress")
        .await;
    let still: Option<String> = bench.value("SELECT run_started_at FROM progress").await;
    assert!(after >= before, "{after} after {before}");
    assert!(still.is_none_or(|still| still == began), "another run");
    end_the_run(&bench);
    bench.until_all_ended().await;
    let kept: Option<String> = bench.value("SELECT pace FROM progress").await;
    assert_eq!(kept, None, "nothing is kept of a run that is over");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_memory_stops_nothing() {
    for nonsense in [
        "UPDATE progress SET pace = 'nonsense'",
        "UPDATE progress SET pace = json_set(pace, '$.results', 1e308, '$.came_at', -1e308)",
        "UPDATE progress SET pace = json_set(pace, '$.jumps', 'x', '$.age', 1e308)",
        "UPDATE progress SET pace = '{}'",
    ] {
        let mut bench = Bench::new().await;
        bench.grow(&slow_task(), 100).await;
        bench.start();
        bench.until(HAS_MEMORY).await;
        bench.abort().await;
        bench.execute(nonsense).await;
        bench
            .execute("CREATE TABLE before AS SELECT polls FROM progress")
            .await;
        bench.start();
        bench
            .until("SELECT progress.polls > before.polls + 2 FROM progress, before")
            .await;
        end_the_run(&bench);
        bench.until_all_ended().await;
        let polls: i64 = bench.value("SELECT polls FROM progress").await;
        assert!(polls > 2, "{nonsense}: {polls} polls");
        bench.stop().await;
    }
}
