//! The rules that growd's rule is compared with.

use crate::pollers::{POLLING, Poller};
use growd::core::observation::Observation;

#[allow(clippy::cast_precision_loss, reason = "small counts")]
fn count(number: i64) -> f64 {
    number as f64
}

fn bounded(gap: f64) -> f64 {
    gap.clamp(
        POLLING.min_interval.as_secs_f64(),
        POLLING.max_interval.as_secs_f64(),
    )
}

/// Estimates the remaining time by the overall rate or by the recent one, whichever is faster.
#[derive(Default)]
struct Simple {
    previous: Option<(f64, f64)>,
}

impl Simple {
    fn remaining(&mut self, seen: &Observation, now: f64) -> Option<f64> {
        let results = count(seen.results);
        let recent = self
            .previous
            .map_or(0.0, |(at, before)| (results - before) / (now - at));
        self.previous = Some((now, results));
        let rate = recent.max(results / now);
        (rate > 0.0).then(|| count(seen.desired - seen.results) / rate)
    }
}

/// growd's first rule: 0.55 of the remaining time, up to 10 s of it in one gap, and a quarter of the age while nothing
/// is known.
#[derive(Default)]
pub struct FirstSketch(Simple);

impl Poller for FirstSketch {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        now + bounded(match self.0.remaining(seen, now) {
            Some(remaining) if remaining <= 10.0 => remaining * 1.05,
            Some(remaining) => remaining * 0.55,
            None => now * 0.25,
        })
    }
}

/// Half of the remaining time by the same estimate.
#[derive(Default)]
pub struct HalfOfRemaining(Simple);

impl Poller for HalfOfRemaining {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        let gap = self
            .0
            .remaining(seen, now)
            .map_or(now, |remaining| remaining * 0.5);
        now + bounded(gap)
    }
}

/// The square root rule, for an end that may come at any moment, with a hazard of 1 / remaining time.
///
/// A poll costs as much as `price` seconds of delay, and the mean delay is half of the gap. So the cost of a second is
/// `price / gap + gap / (2 remaining)`, which is least at `gap = sqrt(2 price remaining)`.
pub struct SquareRoot {
    simple: Simple,
    price: f64,
}

impl SquareRoot {
    pub fn new(price: f64) -> Self {
        Self {
            simple: Simple::default(),
            price,
        }
    }
}

impl Poller for SquareRoot {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        let remaining = self.simple.remaining(seen, now).unwrap_or(now);
        now + bounded((2.0 * self.price * remaining).sqrt())
    }
}

/// Knows when the run ends: polls every `max_interval`, and then at the end. No rule needs fewer polls.
pub struct Oracle(pub f64);

impl Poller for Oracle {
    fn next(&mut self, _: &Observation, now: f64) -> f64 {
        (now + POLLING.max_interval.as_secs_f64()).min(self.0.max(now + 5.0))
    }
}

/// Knows when the second to last result comes, and polls every `min_interval` from then on: the cost of a last result
/// whose time is not known.
pub struct SecondToLast(pub f64);

impl Poller for SecondToLast {
    fn next(&mut self, _: &Observation, now: f64) -> f64 {
        (now + 60.0).min(self.0.max(now + 5.0))
    }
}
