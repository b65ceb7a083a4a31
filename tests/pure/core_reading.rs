//! A reading against a small model of the service's list of results, which changes between pages.

use crate::cases;
use growd::core::doubt::{DOUBTS_MAX, Doubt, Doubts, Kind, REPEATS_MAX, SHIFTS_MAX, Verdict};
use growd::core::policy::Retry;
use growd::core::reading::{
    Circumstances, DELAY_MAX, Expected, NextPage, NextReading, PAGES_MAX, ROWS_MAX, Reading,
    Setback, is_same_kind,
};
use growd::core::results::{ResultRow, ResultsPage};
use growd::core::{Observation, Status, after, since};
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
    /// The first row of each page comes a second time in the place of the last one.
    repeats: bool,
    /// The list is put in another order before each page, as if all were as relevant.
    is_unordered: bool,
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
            repeats: false,
            is_unordered: false,
        }
    }

    fn num_results(&self) -> i64 {
        i64::try_from(self.rows.len() + self.undelivered).expect("a count")
    }

    /// The page at an offset, with at most `limit` rows.
    fn page(&self, offset: u64, limit: usize) -> ResultsPage {
        let offset = usize::try_from(offset).expect("an offset");
        let rows: Vec<u32> = self.rows.iter().skip(offset).take(limit).copied().collect();
        let mut kept: Vec<u32> = rows.clone();
        kept.retain(|row| *row >= self.left_out);
        let left_out = rows.len() - kept.len();
        let repeated = usize::from(self.repeats && kept.len() > 1);
        kept.truncate(kept.len() - repeated);
        ResultsPage {
            left_out: (left_out > 0).then(|| format!("{left_out} rows")),
            repeated,
            ..page(
                self.status.clone(),
                self.num_results(),
                kept.iter().map(ToString::to_string),
                rows.len(),
            )
        }
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
        repeated: 0,
        left_out: None,
    }
}

/// Whether a reading ended with this doubt.
fn is_in_doubt(end: &NextPage, expected: Kind) -> bool {
    matches!(end, NextPage::Doubtful(Doubt { kind, .. }) if *kind == expected)
}

/// Reads a list to the end of the reading. After page `n`, change `n` happens; page `n` has at most `limits[n]` rows. The lists
/// are repeated. Returns the outcome and the kept ids in order.
fn read(
    model: &mut Model,
    limits: &[usize],
    changes: &[Change],
    expected: Expected,
) -> (NextPage, Vec<String>) {
    read_on(Reading::default(), model, limits, changes, expected)
}

fn read_on(
    mut reading: Reading,
    model: &mut Model,
    limits: &[usize],
    changes: &[Change],
    expected: Expected,
) -> (NextPage, Vec<String>) {
    let mut ids = Vec::new();
    for n in 0.. {
        let page = model.page(reading.offset(), limits[n % limits.len()]);
        ids.extend(page.rows.iter().map(|row| row.result_id.clone()));
        match reading.read(&page, expected) {
            NextPage::Read => {}
            end => return (end, ids),
        }
        model.change(changes.get(n).unwrap_or(&Change::Nothing));
        if model.is_unordered {
            model.change(&Change::Reorder(n as u64 + 1));
        }
    }
    unreachable!("a reading ends")
}

fn model() -> impl Strategy<Value = Model> {
    (0_u32..300).prop_map(Model::of)
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
                (end, _) if is_in_doubt(&end, Kind::Shifted) => shifted.set(shifted.get() + 1),
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
        assert!(is_in_doubt(&end, Kind::Shifted), "{end:?}");
    });
}

#[test]
fn fewer_results_than_are_counted_are_not_complete() {
    for_each(
        &(model(), limits(), 1_usize..50),
        |(mut model, limits, undelivered)| {
            model.undelivered = undelivered;
            let (end, _) = read(&mut model, &limits, &[], OLD);
            assert!(is_in_doubt(&end, Kind::Short), "{end:?}");
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
        read(&mut Model::of(40), &[15], &[], expected).0
    };
    assert_eq!(read_of(41, true), NextPage::NotYet);
    let NextPage::Doubtful(doubt) = read_of(41, false) else {
        panic!("it is complete");
    };
    assert_eq!((doubt.kind, doubt.rows), (Kind::Short, 40));
    assert_eq!(doubt.why, "the results show 40 of 41");
    assert_eq!(read_of(40, true), NextPage::Complete(40));
    assert_eq!(read_of(39, true), NextPage::Complete(40));
}

#[test]
fn a_reading_with_rows_that_cannot_be_kept_or_come_twice_on_a_page_is_not_complete() {
    for_each(&(model(), limits(), 1_u32..20), |(mut model, limits, n)| {
        let results = model.rows.len();
        model.left_out = n;
        let (end, _) = read(&mut model, &limits, &[], OLD);
        assert_eq!(is_in_doubt(&end, Kind::LeftOut), results > 0, "{end:?}");
        model.left_out = 0;
        model.repeats = true;
        let (end, _) = read(&mut model, &limits, &[], OLD);
        let can_repeat = results > 1 && limits.iter().any(|limit| *limit > 1);
        if !can_repeat {
            assert_eq!(end, NextPage::Complete(results as u64));
        } else if limits[0] > 1 {
            assert!(is_in_doubt(&end, Kind::Shifted), "{end:?}");
        }
    });
}

#[test]
fn a_reading_ends_whatever_the_service_returns() {
    let mut reading = Reading::default();
    // The same rows again and again.
    let same = page(Status::Done, i64::MAX, ["a".to_owned()], 1);
    assert_eq!(reading.read(&same, OLD), NextPage::Read);
    assert!(is_in_doubt(&reading.read(&same, OLD), Kind::Shifted));

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
    assert!(is_in_doubt(&end, Kind::Shifted), "{end:?}");
    assert_eq!(u64::from(count) * 1_000, ROWS_MAX);
    let (end, count) = pages(1);
    assert!(is_in_doubt(&end, Kind::Shifted), "{end:?}");
    assert_eq!(count, PAGES_MAX);

    // Rows that cannot be kept.
    let mut reading = Reading::default();
    let left_out = page(Status::Done, i64::MAX, [], 1_000_000);
    assert!(is_in_doubt(&reading.read(&left_out, OLD), Kind::Shifted));

    // The same page for ever, and the reading goes on.
    let mut reading = Reading::new(true);
    let end = loop {
        match reading.read(&same, OLD) {
            NextPage::Read => {}
            end => break end,
        }
    };
    let NextPage::Doubtful(doubt) = end else {
        panic!("{end:?}");
    };
    assert_eq!((doubt.rows, doubt.is_whole), (1, true));
    assert_eq!(reading.offset(), u64::from(PAGES_MAX));

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

const SETTLE: Duration = Duration::from_mins(1);

fn at(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-11-24T02:22:00Z".parse().expect("a time");
    after(start, Duration::from_secs(seconds))
}

/// A task that has stopped.
const STOPPED: Circumstances = Circumstances {
    failures: 0,
    was_running: false,
    is_running: false,
    live: Duration::from_mins(10),
    at_least: Duration::ZERO,
};

const RUNNING: Circumstances = Circumstances {
    was_running: true,
    is_running: true,
    ..STOPPED
};

fn next(setback: Setback, circumstances: Circumstances) -> (NextReading, Duration) {
    let now = at(0);
    let next = setback.next_reading(&circumstances, SETTLE, now, &RETRY, 1.0);
    let delay = since(now, next.at);
    (next, delay)
}

/// Reads a list again and again as the daemon does, until it is accepted. Returns how many readings that took, how long, the last
/// doubt, and what became of it.
fn repeat(
    model: &mut Model,
    limit: usize,
    limit_max: usize,
    expected: Expected,
) -> (u32, Duration, Option<Doubt>, Verdict) {
    let mut doubts: Option<Doubts> = None;
    let (mut now, mut failures) = (at(0), 0);
    for readings in 1..100 {
        let reading = Reading::new(doubts.as_ref().is_some_and(Doubts::reads_on));
        let asked = doubts
            .as_ref()
            .and_then(|doubts| doubts.limit(model.num_results()));
        let limit = asked.map_or(limit, |asked| asked as usize).min(limit_max);
        let (end, _) = read_on(reading, model, &[limit], &[], expected);
        let doubt = match end {
            NextPage::Complete(_) => {
                let verdict = Verdict::Accepted { marks_gone: true };
                return (readings, since(at(0), now), None, verdict);
            }
            NextPage::Doubtful(doubt) => doubt,
            other => panic!("{other:?}"),
        };
        let with = Doubts::with(doubts.take(), &doubt, "1 2 3 4", now);
        let verdict = with.verdict(&doubt, SETTLE, now);
        if verdict != Verdict::Repeated {
            return (readings, since(at(0), now), Some(doubt), verdict);
        }
        let circumstances = Circumstances {
            failures,
            ..STOPPED
        };
        let next =
            Setback::Doubtful(doubt, with).next_reading(&circumstances, SETTLE, now, &RETRY, 0.0);
        (now, failures, doubts) = (next.at, next.failures, next.doubts);
    }
    panic!("it is read for ever");
}

#[test]
fn a_list_that_stays_short_is_accepted_when_it_was_the_same_three_times_over_a_settling_time() {
    let accepted = Verdict::Accepted { marks_gone: true };
    let undelivered = Model {
        undelivered: 10,
        ..Model::of(90)
    };
    let older = Expected {
        results: 100,
        is_recent: false,
    };
    for (mut model, expected) in [(undelivered, OLD), (Model::of(90), older)] {
        let (readings, took, doubt, verdict) = repeat(&mut model, 40, 100, expected);
        assert_eq!((readings, verdict), (DOUBTS_MAX, accepted));
        assert!((SETTLE..2 * SETTLE).contains(&took), "{took:?}");
        let doubt = doubt.expect("a doubt");
        assert_eq!(
            (doubt.why.as_str(), doubt.rows),
            ("the results show 90 of 100", 90)
        );
    }
}

#[test]
fn a_short_list_that_is_another_one_each_time_is_accepted_in_the_end_and_marks_nothing_gone() {
    let mut doubts = None;
    for times in 1..=REPEATS_MAX {
        let mut model = Model::of(100);
        model.rows.remove(times as usize);
        model.undelivered = 1;
        let (end, _) = read(&mut model, &[40], &[], OLD);
        let NextPage::Doubtful(doubt) = end else {
            panic!("{end:?}");
        };
        let now = at(u64::from(times) * 60);
        let with = Doubts::with(doubts.take(), &doubt, "1 2 3 4", now);
        let expected = if times < REPEATS_MAX {
            Verdict::Repeated
        } else {
            Verdict::Accepted { marks_gone: false }
        };
        assert_eq!(with.verdict(&doubt, SETTLE, now), expected, "{times}");
        // At other counters it is another list.
        let other = Doubts::with(Some(with.clone()), &doubt, "2 2 3 4", now);
        assert_eq!((other.times, other.list_times), (1, 1));
        doubts = Some(with);
    }
}

#[test]
fn the_same_short_list_three_times_within_less_than_a_settling_time_proves_nothing() {
    let mut model = Model {
        undelivered: 10,
        ..Model::of(90)
    };
    let mut doubts = None;
    for (seconds, expected) in [
        (0, Verdict::Repeated),
        (10, Verdict::Repeated),
        (59, Verdict::Repeated),
        (60, Verdict::Accepted { marks_gone: true }),
    ] {
        let NextPage::Doubtful(doubt) = read(&mut model, &[100], &[], OLD).0 else {
            panic!("it is complete");
        };
        let with = Doubts::with(doubts.take(), &doubt, "1 2 3 4", at(seconds));
        assert_eq!(
            with.verdict(&doubt, SETTLE, at(seconds)),
            expected,
            "{seconds}"
        );
        doubts = Some(with);
    }
    // The clock went back: the time begins anew.
    let NextPage::Doubtful(doubt) = read(&mut model, &[100], &[], OLD).0 else {
        panic!("it is complete");
    };
    let before = Doubts {
        list_times: 2,
        list_since: at(1000),
        ..doubts.expect("doubts")
    };
    let with = Doubts::with(Some(before), &doubt, "1 2 3 4", at(500));
    assert_eq!(with.list_since, at(500));
}

#[test]
fn rows_that_can_never_be_kept_are_accepted_the_third_time_and_mark_nothing_gone() {
    let mut model = Model {
        left_out: 3,
        ..Model::of(50)
    };
    let (readings, _, doubt, verdict) = repeat(&mut model, 20, 100, OLD);
    assert_eq!(readings, DOUBTS_MAX);
    assert_eq!(verdict, Verdict::Accepted { marks_gone: false });
    let doubt = doubt.expect("a doubt");
    assert_eq!((doubt.kind, doubt.rows), (Kind::LeftOut, 47));
}

#[test]
fn an_id_twice_on_each_page_is_accepted_in_the_end_and_marks_nothing_gone() {
    let mut model = Model {
        repeats: true,
        ..Model::of(50)
    };
    let (readings, _, doubt, verdict) = repeat(&mut model, 20, 20, OLD);
    assert_eq!(readings, REPEATS_MAX);
    assert_eq!(verdict, Verdict::Accepted { marks_gone: false });
    // It has read on to the last page.
    assert_eq!(doubt.expect("a doubt").rows, 50 - 3);
}

#[test]
fn results_without_an_order_are_read_as_one_page_after_three_shifts() {
    let unordered = Model {
        is_unordered: true,
        ..Model::of(250)
    };
    let (readings, _, doubt, _) = repeat(&mut unordered.clone(), 20, 1000, OLD);
    assert_eq!((readings, doubt), (SHIFTS_MAX + 1, None));
    // The service shortens each page.
    let (readings, _, doubt, verdict) = repeat(&mut unordered.clone(), 20, 50, OLD);
    assert_eq!(readings, REPEATS_MAX);
    assert_eq!(verdict, Verdict::Accepted { marks_gone: false });
    let doubt = doubt.expect("a doubt");
    assert!(doubt.is_whole && doubt.rows > 100, "{doubt:?}");
}

fn shifted(times: u32) -> Setback {
    let doubt = Doubt {
        kind: Kind::Shifted,
        why: "why".to_owned(),
        rows: 7,
        is_whole: false,
        list: 1,
    };
    let mut doubts = None;
    for _ in 0..times {
        doubts = Some(Doubts::with(doubts, &doubt, "1 2 3 4", at(0)));
    }
    Setback::Doubtful(doubt, doubts.expect("a time"))
}

#[test]
fn a_failed_reading_is_an_error_and_backs_off() {
    let failed = |failures, at_least| {
        let circumstances = Circumstances {
            failures,
            at_least,
            ..STOPPED
        };
        next(Setback::Failed("503: busy".to_owned()), circumstances)
    };
    for (failures, seconds) in [(0, 2), (1, 4), (2, 8), (20, 300), (i64::MAX, 300), (-7, 2)] {
        let (next, delay) = failed(failures, Duration::ZERO);
        assert_eq!(delay, Duration::from_secs(seconds), "{failures}");
        assert_eq!(next.failures, failures.max(0).saturating_add(1));
        assert_eq!(next.error.as_deref(), Some("503: busy"));
    }
    let hour = Duration::from_hours(1);
    assert_eq!(failed(0, hour).1, hour);
    // What is later than that in the database is from before the clock went back.
    assert_eq!(failed(0, 40 * hour).1, DELAY_MAX);
}

#[test]
fn shifted_pages_are_an_error_only_if_they_shift_again_and_again() {
    for times in 1..6 {
        let failures = i64::from(times) - 1;
        let circumstances = Circumstances {
            failures,
            ..STOPPED
        };
        let (next, _) = next(shifted(times), circumstances);
        assert_eq!(next.failures, failures + 1);
        assert_eq!(next.error.is_some(), times >= SHIFTS_MAX, "{times}");
        assert_eq!(next.doubts.expect("doubts").times, times);
    }
    // Those of a running task always shift.
    let failures = 7;
    let (running, delay) = next(
        shifted(4),
        Circumstances {
            failures,
            ..RUNNING
        },
    );
    assert_eq!((running.failures, running.error), (7, None));
    assert_eq!(running.doubts, None);
    assert_eq!(delay, Duration::from_mins(10));
}

#[test]
fn a_task_that_stops_while_it_is_read_is_due_at_once() {
    let stopped = Circumstances {
        is_running: false,
        at_least: Duration::from_secs(7),
        ..RUNNING
    };
    for setback in [shifted(1), Setback::Passing] {
        let (next, delay) = next(setback, stopped);
        assert_eq!((delay, next.failures), (Duration::ZERO, 0));
        assert_eq!((next.error, next.doubts), (None, None));
    }
    // An error is one all the same, and `results.live` is of running tasks only.
    let (_, delay) = next(Setback::Failed("503".to_owned()), stopped);
    assert_eq!(delay, Duration::from_secs(7));
}

#[test]
fn a_refusal_of_the_account_is_no_failure_of_the_task() {
    let circumstances = Circumstances {
        at_least: Duration::from_secs(7),
        ..STOPPED
    };
    let (passing, delay) = next(Setback::Passing, circumstances);
    assert_eq!((passing.failures, passing.error), (0, None));
    assert_eq!(delay, Duration::from_secs(7));
}

#[test]
fn errors_are_of_one_kind_whatever_their_numbers_and_details() {
    let kinds = [
        &["503: busy", "503: request 8f3a-77 failed"][..],
        &["500: busy", "500"],
        &["the results show 90 of 100", "the results show 91 of 100"],
        &["3 of 25 rows; first: no id", "4 of 25 rows; first: no id"],
        &["not stored: disk", "not stored: lock"],
        &["not connected: refused"],
        &[""],
    ];
    for (kind, errors) in kinds.iter().enumerate() {
        for (other_kind, others) in kinds.iter().enumerate() {
            for (error, other) in errors.iter().zip(others.iter().rev()) {
                let is_same = is_same_kind(error, other);
                assert_eq!(is_same, kind == other_kind, "{error:?} {other:?}");
            }
        }
    }
}
