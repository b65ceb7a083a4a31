//! The time of the next poll: its bounds, the delays after errors, and the comparison with a fixed interval.

use crate::cases::for_each;
use crate::pollers::{Fixed, Forgetful, Growd, POLLING, Poller, at, start, watch_all};
use crate::runs::Kind;
use crate::standin;
use growd::core::observation::{Observation, Status};
use growd::core::pace::{Memory, Run, next_poll, retry_delay};
use growd::core::policy::{Polling, Retry};
use growd::core::{after, since};
use growd_simulator::Shape;
use proptest::prelude::*;
use std::time::Duration;

fn at_work(desired: i64, results: i64) -> Observation {
    Observation {
        status: Status::InProgress,
        is_exhausted: false,
        desired,
        discovered: results,
        enriched: results,
        evaluated: results,
        results,
        query: None,
    }
}

/// What the database could hold of an earlier poll, invalid values included.
fn memory() -> impl Strategy<Value = Memory> {
    let number = || prop_oneof![0.0..1e4_f64, -1e4..1e4_f64, prop::num::f64::NORMAL];
    (number(), number(), number(), any::<bool>()).prop_map(
        |(age, results, progressed_at, jumps)| Memory {
            age,
            results,
            progressed_at,
            jumps,
        },
    )
}

fn any_count() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..=500, any::<i64>()]
}

/// For any counters, clock and memory, valid or not, the next poll comes between `min_interval` and `max_interval`.
#[test]
fn the_next_poll_is_never_outside_the_polling_bounds() {
    let case = (
        prop::array::uniform6(any_count()),
        any::<bool>(),
        -1e5..1e5_f64,
        prop::option::of(memory()),
        prop_oneof![Just((5, 60)), Just((1, 1)), Just((60, 86_400))],
    );
    for_each(
        2_000,
        &case,
        |(numbers, exhausted, began, memory, (min, max))| {
            let now = at(2e5);
            let [goal, results, at_start, discovered, enriched, evaluated] = numbers;
            let run = Run {
                started_at: at(2e5 + began),
                results_at_start: at_start,
                goal,
                memory: memory.as_ref(),
            };
            let polling = Polling {
                min_interval: Duration::from_secs(min),
                max_interval: Duration::from_secs(max),
                quiet_after: Duration::from_hours(6),
                list_page: 0,
            };
            let seen = Observation {
                is_exhausted: exhausted,
                discovered,
                enriched,
                evaluated,
                ..at_work(goal, results)
            };
            let next = next_poll(&run, &seen, now, &polling).at;
            prop_assert!(next >= after(now, polling.min_interval));
            prop_assert!(next <= after(now, polling.max_interval));
            Ok(())
        },
    );
}

/// The memory stays finite for polls at any times, with any counters, rising or falling, and a clock that goes back.
#[test]
fn the_memory_stays_finite_whatever_polls_show() {
    let polls = prop::collection::vec((-500.0..5e3_f64, 0_i64..=300), 1..40);
    for_each(300, &polls, |polls| {
        let mut memory: Option<Memory> = None;
        for (seconds, results) in polls {
            let run = Run {
                started_at: at(500.0),
                results_at_start: 0,
                goal: 100,
                memory: memory.as_ref(),
            };
            let now = at(500.0 + seconds);
            let paced = next_poll(&run, &at_work(100, results), now, &POLLING);
            let kept = paced.memory;
            let numbers = [kept.age, kept.results, kept.progressed_at];
            let is_finite = numbers.iter().all(|number| number.is_finite());
            prop_assert!(is_finite, "{kept:?}");
            memory = Some(kept);
        }
        Ok(())
    });
}

/// Of two runs of the same age at their first poll, the one with more results is polled again no later.
#[test]
fn more_progress_in_the_same_time_never_makes_the_first_gap_longer() {
    let case = (1.0..2e3_f64, 1_i64..=100, 0_i64..=50);
    for_each(500, &case, |(age, results, more)| {
        let run = Run {
            started_at: start(),
            results_at_start: 0,
            goal: 100,
            memory: None,
        };
        let next = |results| next_poll(&run, &at_work(100, results), at(age), &POLLING).at;
        prop_assert!(next(results + more) <= next(results));
        Ok(())
    });
}

/// The delay doubles up to its maximum. The jitter takes away at most half, so no delay is below an earlier one's
/// interval.
#[test]
fn the_retry_delay_is_between_half_and_all_of_its_interval_and_never_falls() {
    let case = (1_u64..=60, 0_u64..=600, any::<i64>(), 1_i64..=80, 0.0..=1.0);
    for_each(500, &case, |(initial, more, any, failures, jitter)| {
        let retry = Retry {
            initial: Duration::from_secs(initial),
            max: Duration::from_secs(initial + more),
        };
        let exponent = i32::try_from(failures - 1).expect("small").min(40);
        let exact = retry.initial.as_secs_f64() * 2_f64.powi(exponent);
        let interval = exact.min(retry.max.as_secs_f64());
        let delay = retry_delay(failures, &retry, jitter).as_secs_f64();
        prop_assert!(delay >= interval * 0.5 - 1e-6, "{delay} of {interval}");
        prop_assert!(delay <= interval + 1e-6, "{delay} of {interval}");
        let next = retry_delay(failures + 1, &retry, jitter);
        prop_assert!(next.as_secs_f64() >= delay - 1e-6);
        prop_assert!(retry_delay(any, &retry, jitter) <= retry.max);
        Ok(())
    });
}

#[test]
fn the_retry_delay_doubles_from_two_seconds_to_five_minutes() {
    let retry = Retry {
        initial: Duration::from_secs(2),
        max: Duration::from_mins(5),
    };
    let seconds = |failures| retry_delay(failures, &retry, 1.0).as_secs();
    let delays: Vec<u64> = (1..=10).map(seconds).collect();
    assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(seconds(0), 2);
    assert_eq!(seconds(i64::MAX), 300);
}

/// A run with all its results that is still `in_progress` ends soon.
#[test]
fn a_run_that_has_met_its_goal_is_polled_soon() {
    let next = |seen: &Observation| {
        let run = Run {
            started_at: at(0.0),
            results_at_start: 0,
            goal: 100,
            memory: None,
        };
        next_poll(&run, seen, at(300.0), &POLLING).at
    };
    assert_eq!(next(&at_work(100, 100)), at(305.0));
    let mut partial = at_work(100, 40);
    (partial.discovered, partial.enriched, partial.evaluated) = (80, 80, 80);
    assert_eq!(next(&partial), at(360.0));
    // No candidate is left to evaluate, so no more results can come.
    partial.is_exhausted = true;
    assert_eq!(next(&partial), at(305.0));
}

/// This holds at any distance from its end.
#[test]
fn a_run_that_hangs_is_polled_less_and_less_often() {
    for results in [0, 3, 50, 99, 100] {
        let mut memory: Option<Memory> = None;
        let (mut now, mut gap, mut polls) = (0.0_f64, 0.0, 0);
        while now < 3_600.0 {
            let run = Run {
                started_at: start(),
                results_at_start: 0,
                goal: 100,
                memory: memory.as_ref(),
            };
            let so_far = (now / 3.0).min(f64::from(results));
            #[allow(clippy::cast_possible_truncation, reason = "at most 100")]
            let paced = next_poll(&run, &at_work(100, so_far as i64), at(now), &POLLING);
            memory = Some(paced.memory);
            gap = since(at(now), paced.at).as_secs_f64();
            now += gap;
            polls += 1;
        }
        assert!(gap >= 60.0, "{results} results: still every {gap} s");
        assert!(polls < 200, "{results} results: {polls} polls in an hour");
    }
}

/// Polls and mean delay of 500 runs of a kind, as shares of those of a poll every 10 s, which is the interval of the
/// vendor's tool.
fn against_fixed<P: Poller>(kind: Kind, seed: u64, poller: impl Fn() -> P) -> (f64, f64) {
    let paced = watch_all(kind, 500, seed, poller);
    let fixed = watch_all(kind, 500, seed, || Fixed(10.0));
    (paced.polls() / fixed.polls(), paced.delay() / fixed.delay())
}

fn assert_shares(kinds: &[Kind], seeds: &[u64], max_polls: f64, max_delay: f64) {
    for kind in kinds {
        for seed in seeds {
            let (polls, delay) = against_fixed(*kind, *seed, Growd::new);
            println!(
                "{}, seed {seed}: {polls:.2} of the polls, {delay:.2} of the delay",
                kind.name()
            );
            assert!(
                polls <= max_polls && delay <= max_delay,
                "{}, seed {seed}: {polls:.2} of the polls of a fixed 10 s, {delay:.2} of its mean delay",
                kind.name()
            );
        }
    }
}

/// The constants of the rule were chosen with the first four; the last two were drawn afterwards.
const SEEDS: [u64; 6] = [7, 2_026, 31_337, 8_675_309, 4_242, 1_618_033];

#[test]
fn on_each_shape_two_fifths_of_the_polls_notice_the_end_in_less_than_two_thirds_of_the_time() {
    assert_shares(&Kind::FOUR, &SEEDS, 0.40, 0.60);
}

/// Exponents, beginnings, and the times and lengths of stalls are drawn for each run.
#[test]
fn on_drawn_shapes_two_fifths_of_the_polls_notice_the_end_in_less_than_two_thirds_of_the_time() {
    assert_shares(&Kind::VARIED, &SEEDS, 0.41, 0.63);
}

/// The last result alone can take a tenth of the run's time: the delay keeps its bound, at the price of more polls.
#[test]
fn the_end_of_a_run_that_slows_to_a_standstill_is_noticed_as_soon_with_more_polls() {
    assert_shares(&[Kind::Fading], &SEEDS, 0.58, 0.60);
    assert_shares(&[Kind::Cubic], &SEEDS, 0.95, 0.75);
}

/// Its four counters differ.
#[test]
fn on_the_stand_ins_model_of_a_run_the_end_is_noticed_within_these_bounds() {
    for (name, shape, plenty) in standin::KINDS {
        let (polls, delay) = standin::shares(shape, plenty, 250, Growd::new);
        println!("{name}: {polls:.2} of the polls, {delay:.2} of the delay");
        // Its front-loaded shape slows down to a standstill.
        let max_polls = if shape == Shape::FrontLoaded {
            0.62
        } else {
            0.40
        };
        // If the pool runs out, the end depends on how many of the last candidates fit.
        let max_delay = if plenty { 0.60 } else { 0.75 };
        assert!(
            polls <= max_polls && delay <= max_delay,
            "{name}: {polls:.2}, {delay:.2}"
        );
    }
}

/// An end that counters do not show in advance is noticed later, or costs more polls. The mean delay of a poll every 60
/// s is six times that of a poll every 10 s.
#[test]
fn an_end_that_cannot_be_estimated_is_noticed_within_these_bounds() {
    assert_shares(&[Kind::Changing], &SEEDS, 0.38, 0.60);
    assert_shares(&[Kind::Random], &SEEDS, 0.35, 0.63);
    assert_shares(&[Kind::Clumps], &SEEDS, 0.33, 1.30);
    assert_shares(&[Kind::Short], &SEEDS, 0.28, 3.4);
    assert_shares(&[Kind::FiveSteps], &SEEDS, 0.34, 3.6);
    assert_shares(&[Kind::Steps], &SEEDS, 0.48, 2.2);
}

/// No constant was fitted to them. `Kind::AllAtEnd` shows nothing before its end.
#[test]
fn on_shapes_that_no_constant_was_fitted_to_polls_and_delays_are_within_these_bounds() {
    assert_shares(&[Kind::AllAtEnd], &SEEDS, 0.26, 6.8);
    assert_shares(&[Kind::BurstAtEnd], &SEEDS, 0.26, 5.3);
    assert_shares(&[Kind::LongPauses], &SEEDS, 0.62, 1.35);
    assert_shares(&[Kind::FewSteps], &SEEDS, 0.41, 3.5);
    assert_shares(&[Kind::ManySteps], &SEEDS, 0.57, 1.05);
    assert_shares(&[Kind::Mixed], &SEEDS, 0.41, 1.75);
}

/// An upgrade, or an edit of the database, can remove the memory; a restart keeps it. Here it is lost at every fifth
/// poll.
#[test]
fn a_memory_that_is_lost_at_times_costs_little() {
    for kind in Kind::FOUR.into_iter().chain(Kind::VARIED) {
        let (polls, delay) = against_fixed(kind, 2_026, || Forgetful::new(5));
        println!(
            "{}: {polls:.2} of the polls, {delay:.2} of the delay",
            kind.name()
        );
        assert!(
            polls <= 0.42 && delay <= 0.85,
            "{}: {polls:.2}, {delay:.2}",
            kind.name()
        );
    }
}
