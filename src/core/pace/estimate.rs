//! How long a run still takes, by what its looks showed, and how far off that may be.

use super::Run;
use super::bend::{Mark, Marks, bend, keep};
use crate::core::observation::Observation;
use crate::core::since;
use jiff::Timestamp;

/// The recent rate is taken over this many times the expected rest: as far back as it is to hold ahead.
const WINDOW: f64 = 1.2;

/// How near to a whole result the position is allowed to come: it lies somewhere between two.
const EDGE: f64 = 0.05;

/// The error that an estimate has in any case, as a share of the rest: rates change.
pub(super) const ERROR: f64 = 0.3;

/// The error, in results, of a number of results by which a rate is measured.
const ERROR_OF_COUNT: f64 = 0.4;

/// How much of a change of rate goes into the error: half of it, roughly, may be undone or go on.
const ERROR_OF_CHANGE: f64 = 0.4;

/// What a look that shows no new result counts for: as if the rate had changed by a factor of e.
const NOTHING_CAME: f64 = 1.0;

/// An estimate worse than this tells no more than that.
const WORST_ERROR: f64 = 0.9;

/// How many times the spread of the ends that the bends foretell goes into the error: there are more ways to slow down
/// than those that are tried.
const ERROR_OF_BEND: f64 = 2.0;

/// How many candidates the missing results take is half as uncertain as if each of them fitted by chance.
const ERROR_OF_SHARE: f64 = 0.5;

/// How long a run still takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// In seconds.
    pub rest: f64,
    /// The standard deviation of the rest's logarithm: 0.3 is about 30%.
    pub error: f64,
}

/// What one look leaves to the next about the run it saw. All of it is in seconds and results since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// The run's age at the look.
    pub age: f64,
    /// The results that it showed.
    pub results: f64,
    /// Where the run stood by its rate, in results and parts of one.
    pub position: f64,
    /// The rate it was expected to go on at.
    pub rate: f64,
    /// What came in the recent past.
    pub recent_results: f64,
    /// How long that was.
    pub recent_seconds: f64,
    /// The candidates that had been evaluated by then, or the results where those are not counted.
    pub evaluated: f64,
    /// The age at which that had last risen.
    pub came_at: f64,
    /// A few points of the run's past, for how it slows down.
    pub marks: Marks,
}

/// What one look shows of a run, in seconds and results since the run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) age: f64,
    pub(super) results: f64,
    /// How many results it is expected to end with.
    pub(super) goal: f64,
    /// The candidates evaluated, where those are counted; otherwise the results.
    pub(super) evaluated: f64,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an estimate; counts are far below 2^52"
)]
impl Sight {
    pub(super) fn of(run: &Run<'_>, seen: &Observation, now: Timestamp) -> Self {
        let since_start = |results: i64| results.saturating_sub(run.results_at_start) as f64;
        let results = since_start(seen.results).max(0.0);
        Self {
            age: since(run.started_at, now).as_secs_f64(),
            results,
            goal: since_start(run.goal).min(since_start(seen.results) + still_to_come(seen)),
            // How many were evaluated when a later run began is not known.
            evaluated: if run.results_at_start == 0 {
                results.max(seen.evaluated as f64)
            } else {
                results
            },
        }
    }
}

/// The results that can still come: any number, unless the pool is empty. Then it is those of the candidates that are
/// not evaluated yet, at the share that fitted so far.
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

/// The rest of the run, where its progress tells, and what the next look is to know of this one.
///
/// The rate is the recent one or the last one, whichever is faster: too short a rest costs a request, too long a
/// one a late look. Where the run's past says how it slows down, the end is where that leads.
pub(super) fn estimate(
    memory: Option<&Memory>,
    sight: &Sight,
    shortest: f64,
) -> (Option<Estimate>, Memory) {
    let before = memory.copied().unwrap_or_default();
    // Where the clock went back nothing is learnt from the time.
    let seconds = (sight.age - before.age).max(0.0);
    let came = sight.results > before.results;
    let (position, overdue) = position(&before, sight, seconds);
    // A stall says nothing of the rate at which the run goes on after it.
    let stalls = overdue && !came;
    let moved = (position - before.position).max(0.0);
    let mut now = Memory {
        age: sight.age,
        results: sight.results,
        position,
        rate: 0.0,
        evaluated: sight.evaluated,
        came_at: if came || sight.evaluated > before.evaluated {
            sight.age
        } else {
            before.came_at.min(sight.age)
        },
        recent_results: before.recent_results + moved,
        recent_seconds: before.recent_seconds + if stalls { 0.0 } else { seconds },
        ..before
    };
    if sight.results <= 0.0 {
        now.recent_results = 0.0;
        return (None, now);
    }
    let recent = per_second(now.recent_results, now.recent_seconds);
    let last = per_second(moved, seconds);
    let rate = recent.max(last);
    if rate <= 0.0 {
        return (None, now);
    }
    let bent = bent_rest(&mut now, sight);
    let missing = (sight.goal - position).max(0.0);
    let rest = (1.0 - bent.belief) * missing / rate + bent.belief * bent.rest;
    let change = if came && recent > 0.0 && last > 0.0 {
        (last / recent).ln()
    } else {
        NOTHING_CAME
    };
    let count = ERROR_OF_COUNT / now.recent_results.max(0.5);
    let error = ERROR
        .hypot(count)
        .hypot((1.0 - bent.belief) * ERROR_OF_CHANGE * change)
        .hypot(bent.belief * bent.error)
        .min(WORST_ERROR);
    forget(&mut now, rest, shortest);
    now.rate = per_second(missing, rest);
    (Some(Estimate { rest, error }), now)
}

/// How long the run still takes if it slows down, what the error of that is, and how far it is to be believed.
#[derive(Debug, Clone, Copy, Default)]
struct Bent {
    rest: f64,
    error: f64,
    belief: f64,
}

/// Keeps what the look shows for later, and says what the past foretells. Candidates are more than results, and whether
/// the next one fits makes no difference to them: so the past is told by candidates where they are counted.
fn bent_rest(now: &mut Memory, sight: &Sight) -> Bent {
    let latest = Mark {
        age: now.came_at,
        count: sight.evaluated + 0.5,
    };
    let missing = (sight.goal - sight.results - 0.5).max(0.0);
    let goal = latest.count + missing * sight.evaluated / sight.results;
    let bend = bend(&now.marks, latest, goal);
    if now.came_at >= now.age {
        keep(&mut now.marks, latest, goal);
    }
    bend.map_or_else(Bent::default, |bend| {
        let rest = (bend.end - now.age).max(0.0);
        let chance = (1.0 - sight.results / sight.evaluated) / missing.max(0.5);
        Bent {
            rest,
            error: (ERROR_OF_BEND * bend.spread / rest.max(1.0))
                .hypot(ERROR_OF_SHARE * chance.max(0.0).sqrt()),
            belief: bend.belief,
        }
    })
}

/// Where the run stands: the counter shows whole results, the rate since the last look tells where between two.
///
/// Over some looks this becomes far more exact than one result, which is many seconds of a long run.
///
/// Also says whether more results were expected than there are.
fn position(before: &Memory, sight: &Sight, seconds: f64) -> (f64, bool) {
    let expected = if before.rate > 0.0 {
        before.position + before.rate * seconds
    } else {
        sight.results + 0.5
    };
    let (low, high) = (sight.results + EDGE, sight.results + 1.0 - EDGE);
    (expected.clamp(low, high), expected > high)
}

/// Lets the recent past be no longer than what it is to foretell.
fn forget(now: &mut Memory, rest: f64, shortest: f64) {
    let window = (WINDOW * rest).max(2.0 * shortest);
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
