//! When to poll a task again: a running one by its progress, a failing one by exponential backoff.

mod estimate;

pub use estimate::{Estimate, Memory};

use super::after;
use super::observation::Observation;
use super::policy::{Polling, Retry};
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use estimate::{Counters, ERROR, estimate};
use jiff::Timestamp;
use std::time::Duration;

/// Growth of the delay from one failure to the next.
const MULTIPLIER: f64 = 2.0;

/// The constants that turn an estimate into a gap between two polls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// How many standard deviations of its error a poll comes before the estimated end.
    pub caution: f64,
    /// Up to this many `min_interval`s of remaining time, the next poll comes after the estimated end, not before it.
    pub last_stretch: f64,
    /// The factor on the remaining time then: a poll just before the end costs another `min_interval`.
    pub overshoot: f64,
    /// The longest gap as a multiple of the run's age: the rate of a young run may not last.
    pub times_age: f64,
    /// The shortest gap as a share of the time without progress: a run that hangs may hang for long.
    pub share_of_stall: f64,
}

/// The constants in use. `cargo bench --bench pace` compares others.
pub const RULE: Rule = Rule {
    caution: 2.0,
    last_stretch: 3.0,
    overshoot: 1.1,
    times_age: 2.5,
    share_of_stall: 0.05,
};

/// What is known of a run when a poll has just been answered.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// When it began, as far as growd saw.
    pub started_at: Timestamp,
    /// `num_results` when it began.
    pub results_at_start: i64,
    /// `num_results` at which it is expected to end.
    pub goal: i64,
    /// What the previous poll of this run returned; `None` at its first poll.
    pub memory: Option<&'a Memory>,
}

/// When to poll again, and what that poll needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paced {
    /// The time of the next poll.
    pub at: Timestamp,
    /// What the next poll needs.
    pub memory: Memory,
}

/// Returns when to poll a running task again.
///
/// The remaining time is estimated from the progress, together with the error of the estimate ([`Estimate`]). A poll
/// before the end costs one more request; a poll after it costs the delay. So the next poll comes before the end is
/// likely: [`Rule::caution`] standard deviations before the estimate. Each poll leaves a shorter remaining time, and with
/// it a smaller error in seconds, so few polls are needed. A short remaining time is waited out in one gap, because the
/// poll after an early one cannot come before `min_interval`. `docs/performance.md` derives and measures this.
///
/// The result is between `min_interval` and `max_interval` after `now`. It has no jitter: each task has its own rhythm, so
/// polls do not come together.
#[must_use]
pub fn next_poll(run: &Run<'_>, seen: &Observation, now: Timestamp, polling: &Polling) -> Paced {
    RULE.next_poll(run, seen, now, polling)
}

impl Rule {
    /// Does what [`next_poll`] does, with these constants.
    #[must_use]
    pub fn next_poll(
        &self,
        run: &Run<'_>,
        seen: &Observation,
        now: Timestamp,
        polling: &Polling,
    ) -> Paced {
        let seen = Counters::of(run, seen, now);
        let min_interval = polling.min_interval.as_secs_f64();
        let (estimate, memory) = estimate(run.memory, &seen, min_interval);
        let stall = (memory.age - memory.progressed_at).max(0.0);
        // A first poll has no last stretch: the mean rate of the whole run says too little about its end.
        let stretch_unit = run.memory.map_or(0.0, |_| min_interval);
        let gap = self
            .gap(estimate, &seen, stretch_unit)
            .max(stall * self.share_of_stall);
        // Invalid values in the database could make it NaN.
        let gap = if gap.is_nan() { min_interval } else { gap };
        let bounded = gap.clamp(min_interval, polling.max_interval.as_secs_f64());
        Paced {
            at: after(now, Duration::from_secs_f64(bounded)),
            memory,
        }
    }

    fn gap(&self, estimate: Option<Estimate>, seen: &Counters, min_interval: f64) -> f64 {
        let longest = seen.age * self.times_age;
        match estimate {
            None => longest,
            Some(end) if self.is_last_stretch(end, min_interval) => {
                self.gap_before(end, min_interval)
            }
            Some(end) => self.gap_before(end, min_interval).min(longest),
        }
    }

    /// Returns the gap in seconds for an estimate, before the bounds of [`next_poll`] are applied.
    #[must_use]
    pub fn gap_before(&self, estimate: Estimate, min_interval: f64) -> f64 {
        let Estimate { remaining, error } = estimate;
        if self.is_last_stretch(estimate, min_interval) {
            // A remaining time that may be much shorter is not waited out in full.
            remaining * self.overshoot * (ERROR - error).min(0.0).exp()
        } else {
            remaining * (-self.caution * error).exp()
        }
    }

    fn is_last_stretch(&self, estimate: Estimate, min_interval: f64) -> bool {
        estimate.remaining <= self.last_stretch * min_interval
    }
}

/// Returns the delay after the `failures`-th failure in a row (1 is the first): from `initial`, doubling, to `max`.
///
/// `jitter` in `0.0..1.0` is drawn by the caller. The delay lies between half of the interval and all of it, so that tasks
/// that failed together are not retried together.
#[must_use]
pub fn retry_delay(failures: i64, retry: &Retry, jitter: f64) -> Duration {
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
    // 2^64 times any delay exceeds any maximum.
    for _ in 0..failures.clamp(1, 64) {
        interval = schedule.next_backoff().unwrap_or(retry.max);
    }
    interval
        .min(retry.max)
        .mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}
