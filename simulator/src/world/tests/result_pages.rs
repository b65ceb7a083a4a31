//! The switches of pages of results: their order and their age, and rows that come and go.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fixture, LONG, at, number};
use crate::options::{Falls, ResultsOrder};

/// The ids of the rows of a page, in order.
fn ids(page: &Value) -> Vec<String> {
    let rows = page["results"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A page of results at a moment that shows the task at an earlier one.
fn past_page(fixture: &mut Fixture, now: u64, past: u64, page: (usize, usize)) -> Value {
    let semantics = fixture.semantics.clone();
    let page = fixture
        .world
        .results(at(now), at(past), "t", page, &semantics);
    page.unwrap()
}

#[test]
fn shuffled_results_are_in_a_new_order_at_each_request() {
    let mut fixture = Fixture::done(|semantics| semantics.results_order = ResultsOrder::Shuffled);
    let first = fixture.page(0, 0, 1_000);
    let second = fixture.page(0, 0, 1_000);
    assert_ne!(ids(&first), ids(&second));
    let set = |page| ids(page).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(&first).len(), 100);
    assert_eq!(set(&first), set(&second));
    assert_eq!(number(&first, "num_results"), 100);
    // So pages of one reading overlap, and lack rows.
    let pages = [0, 50].map(|offset| fixture.page(0, offset, 50));
    let read: BTreeSet<String> = pages.iter().flat_map(ids).collect();
    assert!(read.len() < 100, "{}", read.len());
    fixture.semantics.results_order = ResultsOrder::Relevance;
    assert_eq!(
        ids(&fixture.page(0, 0, 1_000)),
        ids(&fixture.page(0, 0, 1_000))
    );
}

#[test]
fn results_that_lag_show_the_task_as_it_was_while_a_poll_does_not() {
    let mut fixture = Fixture::done(|semantics| semantics.results_lag_ms = 600_000);
    let before = fixture.page(1_000, 0, 1_000);
    fixture.resume(1_000, 60).unwrap();
    assert_eq!(fixture.poll(LONG)["num_results"], 160);

    let stale = past_page(&mut fixture, 1_100, 500, (0, 1_000));
    assert_eq!(stale, before, "also the status and the counters are old");
    let during = past_page(&mut fixture, LONG, 1_010, (0, 1_000));
    assert_eq!(during["status"], "in_progress");
    assert!((101..160).contains(&number(&during, "num_results")));
    let late = past_page(&mut fixture, LONG, LONG - 600, (0, 1_000));
    assert_eq!((&late["status"], ids(&late).len()), (&"done".into(), 160));
    assert_eq!(number(&late, "num_results"), 160);
}

#[test]
fn rows_go_away_and_come_with_and_without_a_change_of_the_number() {
    let mut fixture = Fixture::done(|semantics| {
        semantics.falls = Falls::AtLooks;
        semantics.falls_by = 5;
    });
    let pages = [0, 1, 2].map(|_| fixture.page(0, 0, 1_000));
    let totals = pages.each_ref().map(|page| number(page, "num_results"));
    assert_eq!(totals, [100, 100, 95], "the third request lacks rows");
    let [first, _, third] = pages.each_ref().map(ids);
    assert_eq!(third.len(), 95);
    assert!(third.iter().all(|id| first.contains(id)));

    let mut fixture = Fixture::done(|_| {});
    let all = ids(&fixture.page(0, 0, 1_000));
    fixture.semantics.undelivered_percent = 20;
    let page = fixture.page(0, 0, 1_000);
    assert_eq!(number(&page, "num_results"), 100, "the number is the same");
    let some = ids(&page);
    assert!((60..95).contains(&some.len()), "{}", some.len());
    fixture.semantics.undelivered_percent = 0;
    assert_eq!(ids(&fixture.page(0, 0, 1_000)), all, "they come back");
}
