//! When to look again: the bounds, the delays after errors, and what the pace gains over a fixed interval.

#[path = "support/cases.rs"]
mod cases;

use cases::for_each;
use growd::core::model::{Observation, Polling, Retry, Status};
use growd::core::pace::{Run, next_look, retry_delay};
use growd::core::{after, since};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

const POLLING: Polling = Polling {
    min_interval: Duration::from_secs(5),
    max_interval: Duration::from_mins(1),
};

fn start() -> Timestamp {
    "2026-11-24T02:22:00Z".parse().expect("a time")
}

fn at(seconds: f64) -> Timestamp {
    after(start(), Duration::from_secs_f64(seconds))
}

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

/// Whatever the counters and the clock say, even nonsense: a running task is looked at neither more often
/// than every `min_interval` nor less often than every `max_interval`.
#[test]
fn the_next_look_is_never_outside_the_polling_bounds() {
    let number = prop_oneof![0_i64..=500, any::<i64>()];
    let time = -1e5..1e5_f64;
    let case = (
        prop::array::uniform4(number),
        time.clone(),
        prop::option::of(time),
        prop_oneof![Just((5, 60)), Just((1, 1)), Just((60, 86_400))],
    );
    for_each(500, &case, |(numbers, began, previous, (min, max))| {
        let now = at(2e5);
        let time = |seconds: f64| at(2e5 + seconds);
        let [goal, results, at_start, before] = numbers;
        let run = Run {
            started_at: time(began),
            results_at_start: at_start,
            goal,
            previous: previous.map(|seconds| (time(seconds), before)),
        };
        let polling = Polling {
            min_interval: Duration::from_secs(min),
            max_interval: Duration::from_secs(max),
        };
        let next = next_look(&run, &at_work(goal, results), now, &polling);
        prop_assert!(next >= after(now, polling.min_interval));
        prop_assert!(next <= after(now, polling.max_interval));
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
    let run = Run {
        started_at: at(0.0),
        results_at_start: 0,
        goal: 100,
        previous: None,
    };
    let next = next_look(&run, &at_work(100, 100), at(300.0), &POLLING);
    assert_eq!(next, at(305.0));
}

/// Numbers that look drawn, the same everywhere: a linear congruence (Knuth's MMIX).
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).expect("32 bits")) / f64::from(u32::MAX)
    }

    /// Standard normal: twelve uniform draws.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The share of its results that a run has after a share of its time.
type Shape = fn(f64) -> f64;

const STEADY: Shape = |x| x;
const FRONT_LOADED: Shape = |x| x.powf(0.65);
const BACK_LOADED: Shape = |x| x.powf(1.5);
const STALLING: Shape = |x| {
    if x < 0.3 {
        x * 4.0 / 3.0
    } else if x < 0.6 {
        0.4
    } else {
        0.4 + (x - 0.6) * 1.5
    }
};

/// Looks at a run that takes so many seconds until one finds it done: how many, and how late.
fn watch(seconds: f64, goal: i64, shape: Shape) -> (f64, f64) {
    let (mut now, mut previous, mut looks) = (0.2, None, 1.0);
    while now < seconds {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let results = (shape(now / seconds) * goal as f64) as i64;
        let run = Run {
            started_at: start(),
            results_at_start: 0,
            goal,
            previous,
        };
        let next = next_look(&run, &at_work(goal, results), at(now), &POLLING);
        previous = Some((at(now), results));
        now = since(start(), next).as_secs_f64();
        looks += 1.0;
    }
    (looks, now - seconds)
}

fn watch_at_fixed_interval(seconds: f64, interval: f64) -> (f64, f64) {
    let looks = ((seconds - 0.2) / interval).ceil();
    (looks + 1.0, 0.2 + looks * interval - seconds)
}

/// What the pace is for: less than half of the looks of a poller that looks every 10 s, as the vendor's own
/// tool does, and yet `done` is noticed in less than two thirds of the time.
#[test]
fn the_pace_needs_fewer_looks_than_a_fixed_interval_and_notices_the_end_sooner() {
    for (name, shape) in [
        ("steady", STEADY),
        ("front-loaded", FRONT_LOADED),
        ("back-loaded", BACK_LOADED),
        ("stalling", STALLING),
    ] {
        let mut draws = Draws(7);
        let (mut looks, mut delay, mut fixed_looks, mut fixed_delay) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..400 {
            let seconds = 300.0 * (0.7 * draws.normal()).exp();
            let goal = 25 + i64::try_from(draws.0 >> 33).expect("31 bits") % 226;
            let (l, d) = watch(seconds, goal, shape);
            let (fixed_l, fixed_d) = watch_at_fixed_interval(seconds, 10.0);
            looks += l;
            delay += d;
            fixed_looks += fixed_l;
            fixed_delay += fixed_d;
        }
        let (looks, delay) = (looks / fixed_looks, delay / fixed_delay);
        println!("{name}: {looks:.2} of the looks, {delay:.2} of the delay");
        assert!(
            looks <= 0.35 && delay <= 0.55,
            "{name}: {looks:.2} of the looks of a fixed 10 s, {delay:.2} of its mean delay"
        );
    }
}
