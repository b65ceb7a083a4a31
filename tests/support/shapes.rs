//! The curves of runs: the share of the results after a share of the time, both from 0 to 1.

use super::Draws;

/// A curve.
pub(super) type Curve = Box<dyn Fn(f64) -> f64>;

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
pub(super) fn share_of(results: usize, desired: i64, x: f64) -> f64 {
    if x < 1.0 {
        results as f64 / desired as f64
    } else {
        1.0
    }
}

pub(super) fn power(begins: f64, power: f64) -> Curve {
    Box::new(move |x| ((x - begins).max(0.0) / (1.0 - begins)).powf(power))
}

/// Returns the piecewise linear function through `points`.
pub(super) fn through(points: Vec<(f64, f64)>) -> impl Fn(f64) -> f64 {
    move |x| {
        let pair = points.windows(2).find(|pair| x < pair[1].0);
        pair.map_or(1.0, |pair| {
            let (from, to) = (pair[0], pair[1]);
            from.1 + (to.1 - from.1) * (x - from.0) / (to.0 - from.0)
        })
    }
}

pub(super) fn stalls(draws: &mut Draws) -> Vec<(f64, f64)> {
    let number = draws.count(1, 3);
    let mut at: Vec<f64> = (0..number).map(|_| draws.between(0.1, 0.95)).collect();
    at.sort_by(f64::total_cmp);
    let stalled = draws.between(0.2, 0.5);
    let each = stalled / f64::from(number);
    let (mut points, mut lost) = (vec![(0.0, 0.0)], 0.0);
    for share in at {
        let begins = share * (1.0 - stalled) + lost;
        points.push((begins, share));
        points.push((begins + each, share));
        lost += each;
    }
    points.push((1.0, 1.0));
    points
}

pub(super) fn stretches(draws: &mut Draws) -> Vec<(f64, f64)> {
    let number = draws.count(3, 7);
    let rates: Vec<f64> = (0..number).map(|_| draws.between(0.2, 1.8)).collect();
    let all: f64 = rates.iter().sum();
    let (mut points, mut time, mut share) = (vec![(0.0, 0.0)], 0.0, 0.0);
    for rate in rates {
        time += 1.0 / f64::from(number);
        share += rate / all;
        points.push((time, share));
    }
    points
}

/// The times of random steps, and the share of the results after each.
pub(super) fn steps(draws: &mut Draws) -> Vec<(f64, f64)> {
    let number = draws.count(1, 30);
    let mut exponential = |scale: f64| -scale * draws.uniform().max(f64::MIN_POSITIVE).ln();
    let (mut times, mut shares) = (Vec::new(), Vec::new());
    let (mut time, mut share) = (0.0, 0.0);
    for step in 0..number {
        // Each fifth step comes after a pause.
        time += exponential(if step % 5 == 4 { 10.0 } else { 1.0 });
        share += exponential(1.0);
        times.push(time);
        shares.push(share);
    }
    let rest = exponential(1.0);
    if draws.uniform() < 0.25 {
        let before = share - shares.len().checked_sub(2).map_or(0.0, |last| shares[last]);
        let last = draws.between(0.2, 1.0);
        let scale = (1.0 - last) / (share - before).max(f64::MIN_POSITIVE);
        for share in &mut shares {
            *share *= scale;
        }
        share = 1.0;
        *shares.last_mut().expect("at least one") = share;
    }
    let end = if draws.uniform() < 0.5 {
        time + rest
    } else {
        time
    };
    let at = |(time, step): (f64, f64)| (time / end, step / share);
    times.into_iter().zip(shares).map(at).collect()
}

/// Returns the step function through `steps`: times, and the share from each on.
pub(super) fn staircase(steps: Vec<(f64, f64)>) -> Curve {
    Box::new(move |x| {
        let done = steps.partition_point(|(time, _)| *time <= x);
        done.checked_sub(1).map_or(0.0, |last| steps[last].1)
    })
}

/// Between `least` and `most` steps of any size at any time; `until` is the share of the time that has steps.
pub(super) fn any_steps(draws: &mut Draws, least: u32, most: u32, until: f64) -> Curve {
    let number = draws.count(least, most);
    let sorted = |draws: &mut Draws| {
        let mut all: Vec<f64> = (0..number).map(|_| draws.uniform()).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (times, shares) = (sorted(draws), sorted(draws));
    let times = times.into_iter().map(|time| time * until);
    staircase(times.zip(shares).chain([(1.0, 1.0)]).collect())
}

/// Steady up to a share of the results, then the rest within the last 5% of the time at most.
pub(super) fn burst_at_end(draws: &mut Draws) -> Curve {
    let (before, begins) = (draws.between(0.05, 0.7), draws.between(0.95, 1.0));
    Box::new(through(vec![(0.0, 0.0), (begins, before), (1.0, 1.0)]))
}

/// One to four stretches of work with a pause before each; the pauses take 50% to 95% of the time. In half of the runs the
/// last pause comes after all work.
pub(super) fn pauses(draws: &mut Draws) -> Curve {
    let number = draws.count(1, 4);
    let paused = draws.between(0.5, 0.95);
    let part = |draws: &mut Draws| -> Vec<f64> {
        let parts: Vec<f64> = (0..number).map(|_| draws.between(0.1, 1.0)).collect();
        let all: f64 = parts.iter().sum();
        parts.into_iter().map(|part| part / all).collect()
    };
    let (waits, works, sizes) = (part(draws), part(draws), part(draws));
    let works_first = draws.uniform() < 0.5;
    let (mut points, mut time, mut share) = (vec![(0.0, 0.0)], 0.0, 0.0);
    for nth in 0..waits.len() {
        let (wait, work) = (waits[nth] * paused, works[nth] * (1.0 - paused));
        let (first, second) = if works_first {
            (work, wait)
        } else {
            (wait, work)
        };
        let after = share + sizes[nth];
        points.push((time + first, if works_first { after } else { share }));
        points.push((time + first + second, after));
        (time, share) = (time + first + second, after);
    }
    Box::new(through(points))
}
