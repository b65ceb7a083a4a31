//! What growd's rule is compared with.

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

/// The rest by the overall rate, or by the recent one where that is faster.
#[derive(Default)]
struct Simple {
    previous: Option<(f64, f64)>,
}

impl Simple {
    fn rest(&mut self, seen: &Observation, now: f64) -> Option<f64> {
        let results = count(seen.results);
        let recent = self
            .previous
            .map_or(0.0, |(at, before)| (results - before) / (now - at));
        self.previous = Some((now, results));
        let rate = recent.max(results / now);
        (rate > 0.0).then(|| count(seen.desired - seen.results) / rate)
    }
}

/// growd's first rule: 0.55 of the rest, a rest of up to 10 s at one go, a quarter of the age where nothing is known.
#[derive(Default)]
pub struct FirstSketch(Simple);

impl Poller for FirstSketch {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        now + bounded(match self.0.rest(seen, now) {
            Some(rest) if rest <= 10.0 => rest * 1.05,
            Some(rest) => rest * 0.55,
            None => now * 0.25,
        })
    }
}

/// Half of the rest by the same estimate, and nothing else.
#[derive(Default)]
pub struct HalfOfRest(Simple);

impl Poller for HalfOfRest {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        let gap = self.0.rest(seen, now).map_or(now, |rest| rest * 0.5);
        now + bounded(gap)
    }
}

/// The square root rule for an end that may come at any moment, about once in the rest by the same estimate.
///
/// With a hazard of `1 / rest`, a look that costs as much as `look` seconds of delay, and a delay of half of the gap on
/// average, the cost of a second is `look / gap + gap / (2 rest)`, which is least at `gap = sqrt(2 look rest)`.
pub struct SquareRoot {
    simple: Simple,
    look: f64,
}

impl SquareRoot {
    pub fn new(look: f64) -> Self {
        Self {
            simple: Simple::default(),
            look,
        }
    }
}

impl Poller for SquareRoot {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        let rest = self.simple.rest(seen, now).unwrap_or(now);
        now + bounded((2.0 * self.look * rest).sqrt())
    }
}

/// Knows when the run ends: `max_interval`, and then that moment. Nothing can do with fewer looks.
pub struct Oracle(pub f64);

impl Poller for Oracle {
    fn next(&mut self, _: &Observation, now: f64) -> f64 {
        (now + POLLING.max_interval.as_secs_f64()).min(self.0.max(now + 5.0))
    }
}

/// Knows when the last result but one comes, and from then on looks each `min_interval`: what the last result's time
/// costs where nothing foretells it.
pub struct ButOne(pub f64);

impl Poller for ButOne {
    fn next(&mut self, _: &Observation, now: f64) -> f64 {
        (now + 60.0).min(self.0.max(now + 5.0))
    }
}
