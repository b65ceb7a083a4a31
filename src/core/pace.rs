//! When to look again: at a running task by its progress, at a failing one by exponential backoff.

use super::model::{Observation, Polling, Retry};
use super::{after, since};
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use jiff::Timestamp;
use std::time::Duration;

/// Growth of the delay from one failure to the next.
const MULTIPLIER: f64 = 2.0;

/// The share of the expected rest after which to look again.
const SHARE_OF_REST: f64 = 0.55;

/// A rest of no more than so many times `min_interval` is waited out at one go.
const LAST_STRETCH: f64 = 2.0;

/// By how much: a look that comes just too soon costs another `min_interval`.
const OVERSHOOT: f64 = 1.05;

/// Where nothing is known of the rate: look again after this share of the run's age.
const SHARE_OF_AGE: f64 = 0.25;

/// What is known of a run when a look has just been answered.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// When it began, as far as growd saw.
    pub started_at: Timestamp,
    /// `num_results` when it began.
    pub results_at_start: i64,
    /// `num_results` at which it is expected to end.
    pub goal: i64,
    /// The look before this one: when, and its `num_results`.
    pub previous: Option<(Timestamp, i64)>,
}

/// When to look again at a running task that was just seen.
///
/// The rest of the run is estimated from the faster of its overall and its recent rate, and the next look
/// comes after about half of it: each look halves what is left, so few looks come close to the end, and an
/// estimate that was too long does little harm. A short rest is waited out, for half of it would be wasted. The
/// result is never sooner than `min_interval` and never later than `max_interval` from `now`. There is no
/// jitter: the service sees no herd, since every task has a rhythm of its own.
#[must_use]
pub fn next_look(run: &Run, seen: &Observation, now: Timestamp, polling: &Polling) -> Timestamp {
    let age = since(run.started_at, now);
    let last_stretch = polling.min_interval.as_secs_f64() * LAST_STRETCH;
    let gap = match expected_rest(run, seen, now) {
        Some(rest) if rest <= last_stretch => rest * OVERSHOOT,
        Some(rest) => rest * SHARE_OF_REST,
        None => age.as_secs_f64() * SHARE_OF_AGE,
    };
    let bounded = gap.clamp(
        polling.min_interval.as_secs_f64(),
        polling.max_interval.as_secs_f64(),
    );
    after(now, Duration::from_secs_f64(bounded))
}

/// The seconds until the run is expected to end, where its progress tells.
#[must_use]
pub fn expected_rest(run: &Run, seen: &Observation, now: Timestamp) -> Option<f64> {
    let missing = run.goal.saturating_sub(seen.results);
    if missing <= 0 {
        return Some(0.0);
    }
    let overall = rate(run.started_at, run.results_at_start, now, seen.results);
    let recent = run
        .previous
        .map_or(0.0, |(at, results)| rate(at, results, now, seen.results));
    let rate = overall.max(recent);
    #[allow(
        clippy::cast_precision_loss,
        reason = "an estimate; counts are far below 2^52"
    )]
    (rate > 0.0).then(|| missing as f64 / rate)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an estimate; counts are far below 2^52"
)]
fn rate(from: Timestamp, before: i64, now: Timestamp, results: i64) -> f64 {
    let seconds = since(from, now).as_secs_f64();
    let gained = results.saturating_sub(before).max(0);
    if seconds > 0.0 {
        gained as f64 / seconds
    } else {
        0.0
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
