//! Searches that span several tasks, grown by the daemon against the stand-in.

use crate::support::Bench;
use growd_simulator::Options;
use std::collections::HashSet;

const QUERY: &str = "vertical SaaS companies serving freight forwarding";

async fn bench(market: u32) -> Bench {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    options.settings.semantics.market = Some(market);
    let mut bench = Bench::with(options).await;
    bench.keep_results(100);
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_grows_over_three_tasks_to_its_target() {
    let mut bench = bench(3_000).await;
    bench.search("freight", QUERY, 600).await;
    bench.start();
    bench.until_searches_end().await;
    let (state, reason, results) = bench.search_state("freight").await;
    assert_eq!(state, "reached", "{reason}");
    assert!(results >= 600, "{results}");
    bench.assert_creates_agree().await;
    let creates = bench.creates_in_effect();
    assert_eq!(creates.len(), 3);
    assert_eq!(creates[0].desired, 250);
    assert_eq!(creates[2].exclude_task_ids.len(), 2);
    let asked: i64 = bench.value("SELECT requested FROM search_progress").await;
    let found: i64 = bench.value("SELECT count(*) FROM results").await;
    assert!(
        asked <= 600 + (found - results),
        "{asked} for {results} of {found}"
    );
    let domains: Option<String> = bench
        .value("SELECT group_concat(domain, ' ') FROM results WHERE domain IS NOT NULL")
        .await;
    let domains = domains.unwrap_or_default();
    let domains: Vec<&str> = domains.split(' ').collect();
    let different: HashSet<&str> = domains.iter().copied().collect();
    assert_eq!(different.len(), domains.len(), "exclusions work");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_is_too_small_exhausts_the_search() {
    let mut bench = bench(300).await;
    bench.search("freight", QUERY, 600).await;
    bench.start();
    bench.until_searches_end().await;
    let (state, reason, results) = bench.search_state("freight").await;
    assert_eq!(state, "exhausted", "{reason}");
    assert!((290..=300).contains(&results), "{results}");
    bench.assert_creates_agree().await;
    bench.stop().await;
}
