//! When to poll a task again: a running one by its progress, a failing one by exponential backoff.

use super::observation::Observation;
use super::policy::{Polling, Retry};
use super::{after, since};
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use jiff::Timestamp;
use std::time::Duration;

/// Growth of the delay from one failure to the next.
const MULTIPLIER: f64 = 2.0;

/// The constants of the rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The gap as a share of the estimated remaining time.
    pub share_of_rest: f64,
    /// The longest gap as a multiple of the run's age: the rate of a young run may not last.
    pub times_age: f64,
    /// The price of a poll, in seconds of delay, for a run whose counter moves in jumps.
    pub price: f64,
    /// The shortest gap as a share of the time without a new result: a run that hangs may hang for long.
    pub share_of_stall: f64,
}

/// The constants in use. `cargo bench --bench pace` compares others.
pub const RULE: Rule = Rule {
    share_of_rest: 0.5,
    times_age: 2.5,
    price: 1.25,
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

/// What one poll of a run passes to the next.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// The run's age at the poll, in seconds.
    pub age: f64,
    /// The results since the run began.
    pub results: f64,
    /// The run's age, in seconds, at the newest poll that showed a new result.
    pub progressed_at: f64,
    /// Whether the counter moves in jumps: it once stood still although results were expected.
    pub jumps: bool,
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
/// The remaining time is the missing results divided by the mean rate of the run, or by the rate since the last poll,
/// whichever is higher. The next poll comes after half of it. Where the counter moves in jumps, this says little; then no
/// gap is longer than the best one for an end that may come at any time. `docs/performance.md` measures this.
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
        let before = run.memory.copied().unwrap_or_default();
        let age = since(run.started_at, now).as_secs_f64();
        let results = count(seen.results, run.results_at_start).max(0.0);
        // If the clock went back, this interval says nothing.
        let seconds = (age - before.age).max(0.0);
        let is_stalled = results <= before.results;
        let mean = per_second(results, age);
        let memory = Memory {
            age,
            results,
            progressed_at: if is_stalled {
                before.progressed_at.min(age)
            } else {
                age
            },
            jumps: before.jumps || (is_stalled && mean * seconds > 1.0),
        };
        let rate = mean.max(per_second(results - before.results, seconds));
        let goal = count(run.goal, run.results_at_start)
            .min(count(seen.results, run.results_at_start) + still_to_come(seen));
        // On average the run is half of a result further than its counter.
        let rest = (goal - results - 0.5).max(0.0) / rate;
        let longest = if memory.jumps {
            (2.0 * self.price * age).sqrt()
        } else {
            self.times_age * age
        };
        // Without a result the rest is infinite or not a number; `min` then returns the other.
        let gap = (self.share_of_rest * rest).min(longest);
        let stall = (age - memory.progressed_at).max(0.0);
        // Invalid values in the database could make it NaN; `max` then returns the other.
        let gap = gap
            .max(self.share_of_stall * stall)
            .max(polling.min_interval.as_secs_f64())
            .min(polling.max_interval.as_secs_f64());
        Paced {
            at: after(now, Duration::from_secs_f64(gap)),
            memory,
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an estimate; counts are far below 2^52"
)]
fn count(number: i64, at_start: i64) -> f64 {
    number.saturating_sub(at_start) as f64
}

/// Returns how many results can still come: unlimited, unless the pool is empty. Then it is the candidates not yet
/// evaluated, multiplied by the share of results among those evaluated.
fn still_to_come(seen: &Observation) -> f64 {
    if !seen.is_exhausted || seen.results <= 0 || seen.evaluated < seen.results {
        return f64::INFINITY;
    }
    let waiting = count(seen.discovered, seen.evaluated).max(0.0);
    waiting * (count(seen.results, 0) / count(seen.evaluated, 0))
}

fn per_second(results: f64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        results / seconds
    } else {
        0.0
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
