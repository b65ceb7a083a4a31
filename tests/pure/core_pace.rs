//! When to look again: the bounds, the delays after errors, and what the pace gains over a fixed interval.

use crate::cases::for_each;
use crate::pollers::{Fixed, Forgetful, Growd, POLLING, Poller, at, start, watch_all};
use crate::runs::Kind;
use crate::standin;
use growd::core::observation::{Observation, Status};
use growd::core::pace::{MARKS, Mark, Memory, Run, next_poll, retry_delay};
use growd::core::policy::{Polling, Retry};
use growd::core::{after, since};
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

/// What the database could hold of an earlier look, nonsense included.
fn memory() -> impl Strategy<Value = Memory> {
    let number = || prop_oneof![0.0..1e4_f64, -1e4..1e4_f64, prop::num::f64::NORMAL];
    let mark = (number(), number()).prop_map(|(age, count)| Mark { age, count });
    let marks = prop::collection::vec(mark, MARKS);
    (prop::array::uniform8(number()), marks).prop_map(|([a, b, c, d, e, f, g, h], marks)| Memory {
        age: a,
        results: b,
        position: c,
        rate: d,
        recent_results: e,
        recent_seconds: f,
        evaluated: g,
        came_at: h,
        marks: marks.try_into().expect("so many"),
    })
}

fn whatever() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..=500, any::<i64>()]
}

/// Whatever the counters, the clock and the database say, even nonsense: a running task is looked at neither more
/// often than every `min_interval` nor less often than every `max_interval`.
#[test]
fn the_next_look_is_never_outside_the_polling_bounds() {
    let case = (
        prop::array::uniform6(whatever()),
        any::<bool>(),
        -1e5..1e5_f64,
        prop::option::of(memory()),
        prop_oneof![Just((5, 60)), Just((1, 1)), Just((60, 86_400))],
    );
    for_each(2_000, &case, |(numbers, dry, began, memory, (min, max))| {
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
        };
        let seen = Observation {
            is_exhausted: dry,
            discovered,
            enriched,
            evaluated,
            ..at_work(goal, results)
        };
        let next = next_poll(&run, &seen, now, &polling).at;
        prop_assert!(next >= after(now, polling.min_interval));
        prop_assert!(next <= after(now, polling.max_interval));
        Ok(())
    });
}

/// Looks that come at any times and show any counters, rising or falling, with the clock going anywhere: whatever one
/// look leaves to the next, it stays finite, and so does what is made of it.
#[test]
fn what_a_look_remembers_stays_finite_whatever_the_looks_show() {
    let looks = prop::collection::vec((-500.0..5e3_f64, 0_i64..=300), 1..40);
    for_each(300, &looks, |looks| {
        let mut memory: Option<Memory> = None;
        for (seconds, results) in looks {
            let run = Run {
                started_at: at(500.0),
                results_at_start: 0,
                goal: 100,
                memory: memory.as_ref(),
            };
            let now = at(500.0 + seconds);
            let paced = next_poll(&run, &at_work(100, results), now, &POLLING);
            let kept = paced.memory;
            let numbers = [
                kept.age,
                kept.results,
                kept.position,
                kept.rate,
                kept.recent_results,
                kept.recent_seconds,
                kept.evaluated,
                kept.came_at,
            ];
            let marks = kept.marks.iter().flat_map(|mark| [&mark.age, &mark.count]);
            let mut all = numbers.iter().chain(marks);
            prop_assert!(all.all(|number| number.is_finite()), "{kept:?}");
            memory = Some(kept);
        }
        Ok(())
    });
}

/// Of two runs of the same age that are seen for the first time, the one that got further is looked at no later.
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

/// The delay doubles to its maximum; the jitter takes away half of it at most, and never turns two failures
/// into a shorter wait than one.
#[test]
fn the_retry_delay_is_between_half_and_all_of_its_interval_and_never_falls() {
    let case = (1_u64..=60, 0_u64..=600, any::<i64>(), 1_i64..=80, 0.0..=1.0);
    for_each(500, &case, |(initial, more, any, failures, spread)| {
        let retry = Retry {
            initial: Duration::from_secs(initial),
            max: Duration::from_secs(initial + more),
        };
        let exponent = i32::try_from(failures - 1).expect("small").min(40);
        let exact = retry.initial.as_secs_f64() * 2_f64.powi(exponent);
        let interval = exact.min(retry.max.as_secs_f64());
        let delay = retry_delay(failures, &retry, spread).as_secs_f64();
        prop_assert!(delay >= interval * 0.5 - 1e-6, "{delay} of {interval}");
        prop_assert!(delay <= interval + 1e-6, "{delay} of {interval}");
        let next = retry_delay(failures + 1, &retry, spread);
        prop_assert!(next.as_secs_f64() >= delay - 1e-6);
        prop_assert!(retry_delay(any, &retry, spread) <= retry.max);
        Ok(())
    });
}

/// The wait after an error is written down once, as people read it.
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

/// A wish that is met while the service still says that it is at work: the end is near.
#[test]
fn a_run_that_has_met_its_goal_is_looked_at_soon() {
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
    let mut dry = at_work(100, 40);
    (dry.discovered, dry.enriched, dry.evaluated) = (80, 80, 80);
    assert_eq!(next(&dry), at(360.0));
    // Nothing is left to evaluate: no more results can come.
    dry.is_exhausted = true;
    assert_eq!(next(&dry), at(305.0));
}

/// A run that hangs is looked at ever less often, however near to its end it stood.
#[test]
fn a_run_that_hangs_is_looked_at_ever_less_often() {
    for results in [0, 3, 50, 99, 100] {
        let mut memory: Option<Memory> = None;
        let (mut now, mut gap, mut looks) = (0.0_f64, 0.0, 0);
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
            looks += 1;
        }
        assert!(gap >= 60.0, "{results} results: still every {gap} s");
        assert!(looks < 200, "{results} results: {looks} looks in an hour");
    }
}

/// Looks and mean delay at 500 runs of a kind, as shares of those of a look every 10 s, which is what the vendor's
/// tool does.
fn against_fixed<P: Poller>(kind: Kind, seed: u64, poller: impl Fn() -> P) -> (f64, f64) {
    let paced = watch_all(kind, 500, seed, poller);
    let fixed = watch_all(kind, 500, seed, || Fixed(10.0));
    (paced.looks() / fixed.looks(), paced.delay() / fixed.delay())
}

fn assert_gains(kinds: &[Kind], seeds: &[u64], most_looks: f64, most_delay: f64) {
    for kind in kinds {
        for seed in seeds {
            let (looks, delay) = against_fixed(*kind, *seed, Growd::new);
            println!(
                "{}, seed {seed}: {looks:.2} of the looks, {delay:.2} of the delay",
                kind.name()
            );
            assert!(
                looks <= most_looks && delay <= most_delay,
                "{}, seed {seed}: {looks:.2} of the looks of a fixed 10 s, {delay:.2} of its mean delay",
                kind.name()
            );
        }
    }
}

/// Seed 7 is among those that the constants were chosen with; the others were never used for that.
const SEEDS: [u64; 4] = [7, 2_026, 31_337, 8_675_309];

/// What the pace is for.
#[test]
fn on_each_shape_a_third_of_the_looks_notice_the_end_in_half_the_time() {
    assert_gains(&Kind::FOUR, &SEEDS, 0.33, 0.50);
}

/// The same without knowing the shape: exponents, beginnings, and the places and lengths of stalls drawn for each run.
#[test]
fn so_they_do_where_the_shape_of_each_run_is_drawn_anew() {
    assert_gains(&Kind::VARIED, &SEEDS, 0.35, 0.55);
}

/// A run that slows down to a standstill before its end: its last result alone can take a tenth of its time.
#[test]
fn so_they_do_where_a_run_slows_down_to_a_standstill() {
    assert_gains(&[Kind::Fading], &SEEDS, 0.36, 0.55);
}

/// The same on the stand-in's own model of a run, whose four counters differ.
#[test]
fn so_they_do_on_the_stand_ins_own_model_of_a_run() {
    for (name, shape, plenty) in standin::KINDS {
        let (looks, delay) = standin::shares(shape, plenty, 250, Growd::new);
        println!("{name}: {looks:.2} of the looks, {delay:.2} of the delay");
        // Where the pool runs out, the end is only as sure as the last candidates' fit.
        let most = if plenty { 0.60 } else { 0.75 };
        assert!(
            looks <= 0.36 && delay <= most,
            "{name}: {looks:.2}, {delay:.2}"
        );
    }
}

/// What cannot be foreseen is noticed later, or costs more looks; never as late as with a look every 60 s, whose mean
/// delay is six times that of 10 s, and never for half of the looks.
#[test]
fn where_the_end_cannot_be_foreseen_it_is_no_worse_than_this() {
    assert_gains(&[Kind::Changing], &SEEDS, 0.35, 0.55);
    assert_gains(&[Kind::Random], &SEEDS, 0.33, 0.75);
    assert_gains(&[Kind::Clumps], &SEEDS, 0.33, 1.0);
    assert_gains(&[Kind::Short], &SEEDS, 0.30, 4.0);
}

/// An upgrade, or a hand in the database, can take away what was remembered; a restart does not. Were it lost at every
/// fifth look, the pace would still be worth having.
#[test]
fn a_memory_that_is_lost_now_and_then_costs_little() {
    for kind in Kind::FOUR.into_iter().chain(Kind::VARIED) {
        let (looks, delay) = against_fixed(kind, 2_026, || Forgetful::new(5));
        println!(
            "{}: {looks:.2} of the looks, {delay:.2} of the delay",
            kind.name()
        );
        assert!(
            looks <= 0.38 && delay <= 0.85,
            "{}: {looks:.2}, {delay:.2}",
            kind.name()
        );
    }
}
