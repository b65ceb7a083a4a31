//! Wrong pages of results: the daemon keeps what the service has, whatever single pages said.

use crate::support::Bench;
use growd::core::TaskId;
use growd_simulator::{Fault, On, Rule, Scenario};
use std::collections::BTreeSet;

/// A daemon that has read 50 results, 20 on a page; the second request and the third one met the fault.
async fn read_with(fault: &str) -> (Bench, TaskId) {
    let mut bench = Bench::new().await;
    bench.keep_results(20);
    let id = bench.grow(&Scenario::exhausted(50), 50).await;
    let rule = Rule::once(On::Results, Fault::named(fault).unwrap());
    bench.service.script(rule.after(1).times(2));
    bench.start();
    bench.until_all_read().await;
    assert_eq!(bench.service.requests().by_fault[fault], 2);
    (bench, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_pages_of_another_state_or_in_another_form_the_right_results_are_kept() {
    for fault in [
        "results_fallen",
        "results_risen",
        "wrong_id",
        "missing_fields",
        "wrong_types",
        "truncated",
        "not_json",
        "empty",
        "reset",
        "503",
    ] {
        println!("{fault}");
        let (mut bench, id) = read_with(fault).await;
        bench.assert_kept(&id).await;
        let gone: i64 = bench
            .value("SELECT count(*) FROM results WHERE gone_at IS NOT NULL")
            .await;
        assert_eq!(gone, 0);
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_and_long_fields_cost_no_row() {
    for (fault, odd) in [
        (
            "results_odd_fields",
            "SELECT count(*) FROM results WHERE extra IS NOT NULL",
        ),
        (
            "results_long_text",
            "SELECT count(*) FROM results WHERE length(CAST(company_name AS BLOB)) > 60000",
        ),
    ] {
        println!("{fault}");
        let (mut bench, id) = read_with(fault).await;
        let ids: BTreeSet<String> = bench.found(&id).await.into_keys().collect();
        let kept: BTreeSet<String> = bench.kept(&id).await.into_keys().collect();
        assert_eq!(kept, ids);
        let odd: i64 = bench.value(odd).await;
        assert!(odd > 1, "{odd} rows");
        bench.stop().await;
    }
}
