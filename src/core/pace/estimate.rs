//! Estimates how long a run still takes from the counters of its polls, and how uncertain that is.

use super::Run;
use crate::core::observation::Observation;
use crate::core::since;
use jiff::Timestamp;

/// Length of the recent past, as a multiple of the estimated remaining time. The recent rate is measured over it.
const WINDOW: f64 = 1.2;

/// Smallest distance of the position from a whole result: the true position is between two.
const EDGE: f64 = 0.05;

/// The error of every estimate: rates change.
pub(super) const ERROR: f64 = 0.3;

/// The error, in results, of the number of results that a rate is measured by.
const ERROR_OF_COUNT: f64 = 0.4;

/// The share of a change of rate (in its logarithm) that counts as error: it may continue or be undone.
const ERROR_OF_CHANGE: f64 = 0.4;

/// The change of rate that a poll without a new result counts as.
const CHANGE_WITHOUT_RESULT: f64 = 1.0;

/// The upper bound of the error.
const ERROR_MAX: f64 = 0.9;

/// How long a run still takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The remaining time in seconds.
    pub remaining: f64,
    /// The standard deviation of its logarithm: 0.3 is about 30%.
    pub error: f64,
}

/// What one poll of a run passes to the next. All of it is in seconds and results since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// The run's age at the poll.
    pub age: f64,
    /// The results that the poll showed.
    pub results: f64,
    /// The estimated position between two whole results.
    pub position: f64,
    /// The rate expected from then on, in results per second.
    pub rate: f64,
    /// The results of the recent past.
    pub recent_results: f64,
    /// The length of the recent past.
    pub recent_seconds: f64,
    /// The candidates evaluated, or the results where those are not counted.
    pub evaluated: f64,
    /// The run's age at the newest poll that showed progress.
    pub progressed_at: f64,
}

/// The counters that one poll shows, in seconds and results since the run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) age: f64,
    pub(super) results: f64,
    /// The results at which the run is expected to end.
    pub(super) goal: f64,
    /// The candidates evaluated where those are counted; otherwise the results.
    pub(super) evaluated: f64,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an estimate; counts are far below 2^52"
)]
impl Counters {
    pub(super) fn of(run: &Run<'_>, seen: &Observation, now: Timestamp) -> Self {
        let since_start = |results: i64| results.saturating_sub(run.results_at_start) as f64;
        let results = since_start(seen.results).max(0.0);
        Self {
            age: since(run.started_at, now).as_secs_f64(),
            results,
            goal: since_start(run.goal).min(since_start(seen.results) + still_to_come(seen)),
            // For a later run, the number evaluated at its start is not known.
            evaluated: if run.results_at_start == 0 {
                results.max(seen.evaluated as f64)
            } else {
                results
            },
        }
    }
}

/// Returns how many results can still come: unlimited, unless the pool is empty. Then it is the candidates not yet
/// evaluated, multiplied by the share of results among those evaluated.
#[allow(
    clippy::cast_precision_loss,
    reason = "an estimate; counts are far below 2^52"
)]
fn still_to_come(seen: &Observation) -> f64 {
    if !seen.is_exhausted || seen.results <= 0 || seen.evaluated < seen.results {
        return f64::INFINITY;
    }
    let waiting = seen.discovered.saturating_sub(seen.evaluated).max(0) as f64;
    waiting * (seen.results as f64 / seen.evaluated as f64)
}

/// Estimates the remaining time, and returns what the next poll needs. The estimate is `None` while there is no progress
/// to measure.
///
/// The rate is the recent one or the one since the last poll, whichever is higher: an estimate that is too short costs a
/// request, one that is too long costs delay.
pub(super) fn estimate(
    memory: Option<&Memory>,
    seen: &Counters,
    min_interval: f64,
) -> (Option<Estimate>, Memory) {
    let before = memory.copied().unwrap_or_default();
    // If the clock went back, this interval says nothing.
    let seconds = (seen.age - before.age).max(0.0);
    let has_new_results = seen.results > before.results;
    let (position, is_overdue) = position(&before, seen, seconds);
    // A stall does not change the rate at which the run continues after it.
    let is_stalled = is_overdue && !has_new_results;
    let moved = (position - before.position).max(0.0);
    let mut now = Memory {
        age: seen.age,
        results: seen.results,
        position,
        rate: 0.0,
        recent_results: before.recent_results + moved,
        recent_seconds: before.recent_seconds + if is_stalled { 0.0 } else { seconds },
        evaluated: seen.evaluated,
        progressed_at: if has_new_results || seen.evaluated > before.evaluated {
            seen.age
        } else {
            before.progressed_at.min(seen.age)
        },
    };
    if seen.results <= 0.0 {
        now.recent_results = 0.0;
        return (None, now);
    }
    let recent = per_second(now.recent_results, now.recent_seconds);
    let last = per_second(moved, seconds);
    let rate = recent.max(last);
    if rate <= 0.0 {
        return (None, now);
    }
    let missing = (seen.goal - position).max(0.0);
    let remaining = missing / rate;
    let change = if has_new_results && recent > 0.0 && last > 0.0 {
        (last / recent).ln()
    } else {
        CHANGE_WITHOUT_RESULT
    };
    let count = ERROR_OF_COUNT / now.recent_results.max(0.5);
    let error = ERROR
        .hypot(count)
        .hypot(ERROR_OF_CHANGE * change)
        .min(ERROR_MAX);
    shorten_recent(&mut now, remaining, min_interval);
    now.rate = per_second(missing, remaining);
    (Some(Estimate { remaining, error }), now)
}

/// Estimates the position between two whole results from the position and rate at the last poll. Returns it, and whether
/// more results were expected than the counter shows.
///
/// Over several polls the position becomes far more exact than one result, which can take many seconds.
fn position(before: &Memory, seen: &Counters, seconds: f64) -> (f64, bool) {
    let expected = if before.rate > 0.0 {
        before.position + before.rate * seconds
    } else {
        seen.results + 0.5
    };
    let (low, high) = (seen.results + EDGE, seen.results + 1.0 - EDGE);
    (expected.clamp(low, high), expected > high)
}

/// Limits the recent past to a multiple of the remaining time.
fn shorten_recent(now: &mut Memory, remaining: f64, min_interval: f64) {
    let window = (WINDOW * remaining).max(2.0 * min_interval);
    if now.recent_seconds > window {
        now.recent_results *= window / now.recent_seconds;
        now.recent_seconds = window;
    }
}

fn per_second(results: f64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        results / seconds
    } else {
        0.0
    }
}
