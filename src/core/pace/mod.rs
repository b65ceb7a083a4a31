//! When to look again: at a running task by its progress, at a failing one by exponential backoff.

mod bend;
mod estimate;

pub use bend::{MARKS, Mark, Marks};
pub use estimate::{Estimate, Memory};

use super::after;
use super::observation::Observation;
use super::policy::{Polling, Retry};
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use estimate::{ERROR, Sight, estimate};
use jiff::Timestamp;
use std::time::Duration;

/// Growth of the delay from one failure to the next.
const MULTIPLIER: f64 = 2.0;

/// The constants of the pace: how an estimate becomes a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// How far below the estimate a look stays, in standard deviations of the estimate's error.
    pub caution: f64,
    /// A rest of no more than so many times `min_interval` is waited out at one go.
    pub last_stretch: f64,
    /// Times how much: a look that comes just too soon costs another `min_interval`.
    pub overshoot: f64,
    /// No gap is longer than this many times the run's age: what was seen of a young run may not last.
    pub times_age: f64,
    /// No gap is shorter than this share of the time in which nothing came: what hangs may hang for long.
    pub share_of_stall: f64,
}

/// The rule that growd goes by; `docs/performance.md` says what other constants would do.
pub const RULE: Rule = Rule {
    caution: 2.0,
    last_stretch: 2.0,
    overshoot: 1.06,
    times_age: 2.0,
    share_of_stall: 0.05,
};

/// What is known of a run when a look has just been answered.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// When it began, as far as growd saw.
    pub started_at: Timestamp,
    /// `num_results` when it began.
    pub results_at_start: i64,
    /// `num_results` at which it is expected to end.
    pub goal: i64,
    /// What the look before this one left; none at the first look at a run.
    pub memory: Option<&'a Memory>,
}

/// When to look again, and what to remember until then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paced {
    /// The next look.
    pub at: Timestamp,
    /// What the next look needs.
    pub memory: Memory,
}

/// When to look again at a running task that was just seen.
///
/// The rest of the run is estimated from its progress, with the error that the estimate is likely to have
/// ([`Estimate`]). A look costs a request, and a `done` that is noticed late costs the time that it waits. A look
/// that comes before the end is one more request, and a look that comes after it is late by the difference: so the
/// next look comes where the end is just not likely yet, [`Rule::caution`] standard deviations of the error before the
/// estimate. Each look leaves a shorter rest and, with it, a smaller error in seconds, so few looks come close. A short
/// rest is waited out, for half of it would be wasted: the look after it could not come sooner than `min_interval`.
/// `docs/performance.md` derives this and compares it.
///
/// The result is never sooner than `min_interval` and never later than `max_interval` from `now`. There is no
/// jitter: the service sees no herd, since every task has a rhythm of its own.
#[must_use]
pub fn next_poll(run: &Run<'_>, seen: &Observation, now: Timestamp, polling: &Polling) -> Paced {
    RULE.next_poll(run, seen, now, polling)
}
impl Rule {
    /// [`next_poll`] with these constants.
    #[must_use]
    pub fn next_poll(
        &self,
        run: &Run<'_>,
        seen: &Observation,
        now: Timestamp,
        polling: &Polling,
    ) -> Paced {
        let sight = Sight::of(run, seen, now);
        let shortest = polling.min_interval.as_secs_f64();
        let (estimate, memory) = estimate(run.memory, &sight, shortest);
        let stall = (memory.age - memory.came_at).max(0.0);
        let gap = self
            .gap(estimate, &sight, shortest)
            .max(stall * self.share_of_stall);
        // Nonsense in the database could make it no number at all.
        let gap = if gap.is_nan() { shortest } else { gap };
        let bounded = gap.clamp(shortest, polling.max_interval.as_secs_f64());
        Paced {
            at: after(now, Duration::from_secs_f64(bounded)),
            memory,
        }
    }

    fn gap(&self, estimate: Option<Estimate>, sight: &Sight, shortest: f64) -> f64 {
        let young = sight.age * self.times_age;
        match estimate {
            None => young,
            Some(end) if end.rest <= self.last_stretch * shortest => self.gap_before(end, shortest),
            Some(end) => self.gap_before(end, shortest).min(young),
        }
    }

    /// The gap before an end that is estimated so, not yet held between the bounds.
    #[must_use]
    pub fn gap_before(&self, estimate: Estimate, shortest: f64) -> f64 {
        let Estimate { rest, error } = estimate;
        if rest <= self.last_stretch * shortest {
            // What may well be less than it seems is not waited out whole.
            rest * self.overshoot * (ERROR - error).min(0.0).exp()
        } else {
            rest * (-self.caution * error).exp()
        }
    }
}

/// The delay after the `failures`-th failure in a row (1 is the first): from `initial`, doubling, to `max`.
///
/// `spread` in `0.0..1.0` is the jitter, which the caller draws: the delay lies between half of the interval
/// and all of it, so that tasks that failed together do not come back together.
#[must_use]
pub fn retry_delay(failures: i64, retry: &Retry, spread: f64) -> Duration {
    let mut schedule = ExponentialBackoff {
        current_interval: retry.initial,
        initial_interval: retry.initial,
        randomization_factor: 0.0,
        multiplier: MULTIPLIER,
        max_interval: retry.max,
        // The default gives up after 15 minutes; growd never does.
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut interval = retry.initial;
    // 2^64 times any delay is past any maximum.
    for _ in 0..failures.clamp(1, 64) {
        interval = schedule.next_backoff().unwrap_or(retry.max);
    }
    interval
        .min(retry.max)
        .mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
}
