//! Wrong pages of results: the daemon keeps what the service has, whatever single pages said.

use crate::support::Bench;
use growd::core::TaskId;
use growd_simulator::{Excess, Fault, On, ResultsOrder, Rule, Scenario};
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
        "results_empty",
        "results_twice",
        "results_others",
        "results_bad_row",
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

/// A daemon that has read 50 results rightly, and then reads them again while every page meets the fault, until it accepts them.
async fn read_again_with(fault: &str) -> (Bench, TaskId) {
    let mut bench = Bench::new().await;
    bench.keep_results(20);
    let id = bench.grow(&Scenario::exhausted(50), 50).await;
    bench.start();
    bench.until_all_read().await;
    bench.assert_kept(&id).await;
    let rule = Rule::always(On::Results, Fault::named(fault).unwrap());
    bench.service.script(rule);
    let unread =
        "UPDATE progress SET results_counters = NULL, changed_at = '2020-01-01T00:00:00.000Z'";
    bench.execute(unread).await;
    bench.until_all_read().await;
    (bench, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_always_wrong_are_accepted_after_a_few_readings_and_hide_no_result() {
    for (fault, requests) in [
        ("results_twice", 40),
        ("results_others", 15),
        ("results_bad_row", 15),
    ] {
        println!("{fault}");
        let (mut bench, id) = read_again_with(fault).await;
        bench.service.clear_script();
        let kept = bench.kept(&id).await;
        let found = bench.found(&id).await;
        assert!(found.keys().all(|id| kept.contains_key(id)), "{kept:?}");
        let of_fault = bench.service.requests().by_fault[fault];
        assert!(of_fault <= requests, "{of_fault}");
        let said: i64 = bench
            .value("SELECT count(*) FROM progress WHERE results_error IS NOT NULL AND results_failures = 0")
            .await;
        assert_eq!(said, 1);
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_stays_short_is_accepted_the_third_time() {
    for (fault, kept, error) in [
        ("results_empty", 0..1, "the results show 0 of 50"),
        // Each page shows half of its rows, and counts 25. A poll has shown 50.
        ("results_fallen", 10..40, "of 50"),
    ] {
        println!("{fault}");
        let (mut bench, id) = read_again_with(fault).await;
        // The others are gone.
        let left = bench.kept(&id).await.len();
        assert!(kept.contains(&left), "{left}");
        let recorded: String = bench.value("SELECT results_error FROM progress").await;
        assert!(recorded.ends_with(error), "{recorded}");
        let events: i64 = bench
            .value("SELECT count(*) FROM events WHERE kind = 'results_error'")
            .await;
        assert_eq!(events, 1);
        if fault == "results_empty" {
            assert_eq!(bench.service.requests().by_fault[fault], 3);
        }
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_without_an_order_are_read_all_the_same() {
    // The service shortens each page to this.
    for limit in [1000, 20] {
        let mut bench = Bench::new().await;
        bench.service.settings(|settings| {
            settings.semantics.results_order = ResultsOrder::Shuffled;
            settings.semantics.results_limit = limit;
            settings.semantics.limit_excess = Excess::Clamped;
        });
        bench.keep_results(20);
        let id = bench.grow(&Scenario::done(200), 200).await;
        bench.start();
        bench.until_all_read().await;
        let kept = bench.kept(&id).await.len();
        let gone: i64 = bench
            .value("SELECT count(*) FROM results WHERE gone_at IS NOT NULL")
            .await;
        assert_eq!(gone, 0);
        bench
            .service
            .settings(|settings| settings.semantics.results_order = ResultsOrder::Relevance);
        if limit == 1000 {
            bench.assert_kept(&id).await;
        } else {
            // Six readings of it, of which the last one reads on to the end.
            assert!(kept > 120, "{kept}");
            let error: String = bench.value("SELECT results_error FROM progress").await;
            assert_eq!(error, "a result came twice while the results were read");
        }
        bench.stop().await;
    }
}
