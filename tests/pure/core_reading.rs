//! A reading against a small model of the service's list of results, which changes between pages.

use crate::cases;
use growd::core::policy::Retry;
use growd::core::reading::{
    Expected, NextPage, NextReading, PAGES_MAX, ROWS_MAX, Reading, SHIFTS_MAX, Setback,
};
use growd::core::results::{ResultRow, ResultsPage};
use growd::core::{Observation, Status, since};
use jiff::Timestamp;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

/// The list of a task's results, as the service has it.
#[derive(Debug, Clone)]
struct Model {
    status: Status,
    /// The results in their order. Those below `left_out` have no usable id.
    rows: Vec<u32>,
    left_out: u32,
    /// What `num_results` counts beyond the rows.
    undelivered: usize,
}

/// What happens to the list between two pages.
#[derive(Debug, Clone)]
enum Change {
    Nothing,
    /// The results are put in another order, by this seed.
    Reorder(u64),
    /// A result appears at a place.
    Grow(usize),
    /// The result at a place disappears.
    Shrink(usize),
    Status(&'static str),
}

fn for_each<S: Strategy>(strategy: &S, test: impl Fn(S::Value)) {
    cases::for_each(500, strategy, |case| {
        test(case);
        Ok(())
    });
}

const OLD: Expected = Expected {
    results: 0,
    is_recent: false,
};

impl Model {
    fn of(results: u32) -> Self {
        Self {
            status: Status::Done,
            rows: (0..results).collect(),
            left_out: 0,
            undelivered: 0,
        }
    }

    fn num_results(&self) -> i64 {
        i64::try_from(self.rows.len() + self.undelivered).expect("a count")
    }

    /// The page at an offset, with at most `limit` rows.
    fn page(&self, offset: u64, limit: usize) -> ResultsPage {
        let offset = usize::try_from(offset).expect("an offset");
        let rows: Vec<u32> = self.rows.iter().skip(offset).take(limit).copied().collect();
        let kept = rows.iter().filter(|row| **row >= self.left_out);
        page(
            self.status.clone(),
            self.num_results(),
            kept.map(ToString::to_string),
            rows.len(),
        )
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Nothing => {}
            Change::Reorder(seed) => {
                let mut state = *seed;
                self.rows.sort_by_cached_key(|row| {
                    state = (state ^ u64::from(*row))
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        .rotate_left(29);
                    state
                });
            }
            Change::Grow(at) => {
                let new = self.rows.iter().max().map_or(0, |most| most + 1);
                self.rows.insert(at % (self.rows.len() + 1), new);
            }
            Change::Shrink(at) => {
                if !self.rows.is_empty() {
                    self.rows.remove(at % self.rows.len());
                }
            }
            Change::Status(word) => self.status = Status::parse(word),
        }
    }

    /// The ids of the rows that can be kept.
    fn ids(&self) -> BTreeSet<String> {
        let kept = self.rows.iter().filter(|row| **row >= self.left_out);
        kept.map(ToString::to_string).collect()
    }
}

fn page(
    status: Status,
    results: i64,
    ids: impl IntoIterator<Item = String>,
    len: usize,
) -> ResultsPage {
    ResultsPage {
        seen: Observation {
            status,
            is_exhausted: false,
            desired: 250,
            discovered: 0,
            enriched: 0,
            evaluated: 0,
            results,
            query: None,
        },
        rows: ids
            .into_iter()
            .map(|result_id| ResultRow {
                result_id,
                ..ResultRow::default()
            })
            .collect(),
        len,
        left_out: None,
    }
}

/// Reads a list to the end of the reading. After page `n`, change `n` happens; page `n` has at most `limits[n]` rows. The lists
/// are repeated. Returns the outcome and the kept ids in order.
fn read(
    model: &mut Model,
    limits: &[usize],
    changes: &[Change],
    expected: Expected,
) -> (NextPage, Vec<String>) {
    let mut reading = Reading::default();
    let mut ids = Vec::new();
    for n in 0.. {
        let page = model.page(reading.offset(), limits[n % limits.len()]);
        ids.extend(page.rows.iter().map(|row| row.result_id.clone()));
        match reading.read(&page, expected) {
            NextPage::Read => {}
            end => return (end, ids),
        }
        model.change(changes.get(n).unwrap_or(&Change::Nothing));
    }
    unreachable!("a reading ends")
}

fn model() -> impl Strategy<Value = Model> {
    (0_u32..300, 0_u32..20).prop_map(|(results, left_out)| Model {
        left_out,
        ..Model::of(results)
    })
}

/// What the service makes of the limit: any number of rows, page for page.
fn limits() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1_usize..10, 1_usize..200], 1..6)
}

#[test]
fn a_complete_reading_of_an_unchanging_list_has_every_row_exactly_once() {
    for_each(&(model(), limits()), |(mut model, limits)| {
        let (end, ids) = read(&mut model, &limits, &[], OLD);
        assert_eq!(end, NextPage::Complete(model.ids().len() as u64));
        assert_eq!(ids.len(), model.ids().len());
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), model.ids());
    });
}

#[test]
fn a_reorder_that_loses_a_row_is_noticed() {
    let changes = prop::collection::vec(
        prop_oneof![
            Just(Change::Nothing),
            any::<u64>().prop_map(Change::Reorder)
        ],
        0..8,
    );
    let (completed, shifted) = (Cell::new(0), Cell::new(0));
    for_each(
        &(0_u32..300, limits(), changes),
        |(results, limits, changes)| {
            let mut model = Model::of(results);
            match read(&mut model, &limits, &changes, OLD) {
                (NextPage::Complete(rows), ids) => {
                    completed.set(completed.get() + 1);
                    assert_eq!(rows, u64::from(results));
                    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), model.ids());
                }
                (NextPage::Shifted(_), _) => shifted.set(shifted.get() + 1),
                (other, _) => panic!("{other:?}"),
            }
        },
    );
    assert!(
        completed.get() > 10 && shifted.get() > 10,
        "{completed:?} {shifted:?}"
    );
}

#[test]
fn a_change_of_the_number_or_of_the_status_is_noticed() {
    let change = prop_oneof![
        any::<usize>().prop_map(Change::Grow),
        any::<usize>().prop_map(Change::Shrink),
        Just(Change::Status("in_progress")),
        Just(Change::Status("failed")),
    ];
    let case = (2_usize..300, change, any::<prop::sample::Index>());
    for_each(&case, |(results, change, at)| {
        let mut model = Model::of(u32::try_from(results).expect("a number"));
        // With a row on each page, the change comes before the last page.
        let mut changes = vec![Change::Nothing; at.index(results - 1)];
        changes.push(change);
        let (end, _) = read(&mut model, &[1], &changes, OLD);
        assert!(matches!(end, NextPage::Shifted(_)), "{end:?}");
    });
}

#[test]
fn results_that_are_counted_and_not_shown_end_a_reading_once_the_counter_has_settled() {
    for_each(
        &(model(), limits(), 1_usize..50),
        |(mut model, limits, undelivered)| {
            model.undelivered = undelivered;
            let kept = model.ids().len() as u64;
            let (end, _) = read(&mut model, &limits, &[], OLD);
            assert_eq!(end, NextPage::Complete(kept));
            let recent = Expected {
                results: model.num_results(),
                is_recent: true,
            };
            assert_eq!(read(&mut model, &limits, &[], recent).0, NextPage::NotYet);
        },
    );
}

#[test]
fn pages_from_before_the_newest_poll_are_not_taken_for_all() {
    let read_of = |results, is_recent| {
        let expected = Expected { results, is_recent };
        read(&mut Model::of(40), &[100], &[], expected).0
    };
    assert_eq!(read_of(41, true), NextPage::NotYet);
    assert_eq!(read_of(41, false), NextPage::Complete(40));
    assert_eq!(read_of(40, true), NextPage::Complete(40));
    assert_eq!(read_of(39, true), NextPage::Complete(40));
}

#[test]
fn a_reading_ends_whatever_the_service_returns() {
    let mut reading = Reading::default();
    // The same rows again and again.
    let same = page(Status::Done, i64::MAX, ["a".to_owned()], 1);
    assert_eq!(reading.read(&same, OLD), NextPage::Read);
    assert!(matches!(reading.read(&same, OLD), NextPage::Shifted(_)));

    // Other rows for ever.
    let pages = |rows: usize| {
        let mut reading = Reading::default();
        let mut pages = 0_u32;
        loop {
            pages += 1;
            let ids = (0..rows).map(|n| format!("{pages} {n}"));
            let page = page(Status::Done, i64::MAX, ids, rows);
            match reading.read(&page, OLD) {
                NextPage::Read => {}
                end => return (end, pages),
            }
        }
    };
    let (end, count) = pages(1_000);
    assert!(matches!(end, NextPage::Shifted(_)), "{end:?}");
    assert_eq!(u64::from(count) * 1_000, ROWS_MAX);
    let (end, count) = pages(1);
    assert!(matches!(end, NextPage::Shifted(_)), "{end:?}");
    assert_eq!(count, PAGES_MAX);

    // Rows that cannot be kept.
    let mut reading = Reading::default();
    let left_out = page(Status::Done, i64::MAX, [], 1_000_000);
    assert!(matches!(reading.read(&left_out, OLD), NextPage::Shifted(_)));

    // A number of results below zero, and rows beyond the number.
    let negative = page(Status::Done, -1, [], 0);
    assert_eq!(
        Reading::default().read(&negative, OLD),
        NextPage::Complete(0)
    );
    let more = page(Status::Done, 1, ["a".to_owned(), "b".to_owned()], 2);
    assert_eq!(Reading::default().read(&more, OLD), NextPage::Complete(2));
}

const RETRY: Retry = Retry {
    initial: Duration::from_secs(2),
    max: Duration::from_mins(5),
};

fn next(
    setback: Setback,
    failures: i64,
    is_running: bool,
    at_least: Duration,
) -> (NextReading, Duration) {
    let now: Timestamp = "2026-11-24T02:22:00Z".parse().expect("a time");
    let next = setback.next_reading(failures, is_running, at_least, now, &RETRY, 1.0);
    let delay = since(now, next.at);
    (next, delay)
}

#[test]
fn a_failed_reading_is_an_error_and_backs_off() {
    for (failures, seconds) in [(0, 2), (1, 4), (2, 8), (20, 300), (i64::MAX, 300), (-7, 2)] {
        let failed = Setback::Failed("503: busy".to_owned());
        let (next, delay) = next(failed, failures, false, Duration::ZERO);
        assert_eq!(delay, Duration::from_secs(seconds), "{failures}");
        assert_eq!(next.failures, failures.max(0).saturating_add(1));
        assert_eq!(next.error.as_deref(), Some("503: busy"));
    }
    let hour = Duration::from_hours(1);
    let (_, delay) = next(Setback::Failed("503".to_owned()), 0, false, hour);
    assert_eq!(delay, hour);
}

#[test]
fn shifted_pages_are_an_error_only_if_they_shift_again_and_again() {
    for failures in 0..5 {
        let (next, _) = next(Setback::Shifted("why"), failures, false, Duration::ZERO);
        assert_eq!(next.failures, failures + 1);
        assert_eq!(
            next.error.is_some(),
            failures + 1 >= SHIFTS_MAX,
            "{failures}"
        );
    }
    // Those of a running task always shift.
    let (running, delay) = next(Setback::Shifted("why"), 7, true, Duration::from_mins(10));
    assert_eq!((running.failures, running.error), (7, None));
    assert_eq!(delay, Duration::from_mins(10));
}

#[test]
fn a_refusal_of_the_account_is_no_failure_of_the_task() {
    let (passing, delay) = next(Setback::Passing, 0, false, Duration::from_secs(7));
    assert_eq!((passing.failures, passing.error), (0, None));
    assert_eq!(delay, Duration::from_secs(7));
}
