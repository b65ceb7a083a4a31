//! Whether a run slows down as it goes on, in which of two ways, and when it then ends.
//!
//! A run can be fast at first and come to a pace that it keeps (its count goes as a power of the time that has
//! passed), or it can slow down to a standstill (what is missing goes as a power of the time that is left). Both
//! look the same at first, and end far apart. In either case there is a power of the count, or of what is missing,
//! that grows, or falls, in a straight line. So lines are drawn through the same few points for each of many
//! powers, and those that pass the points as near as whole numbers can tell say where the line meets the goal.

/// The most points of a run's past that are kept.
pub const MARKS: usize = 8;

/// A point is kept each time that no more than this share is missing of what was missing at the one before.
const SPACING: f64 = 0.75;

/// Powers that are tried in each of the two ways.
const POWERS: usize = 30;

/// From one to the next: the count to the power of 1.05 to 2.5 grows evenly.
const STEP_EARLY: f64 = 0.05;

/// From one to the next: what is missing, to the power of 0.98 to 0.4, falls evenly.
const STEP_LATE: f64 = -0.02;

/// The variance of a count: it is a whole number, so somewhere within one.
const VARIANCE: f64 = 0.1;

/// A line is no line where its points, but for the three that any bend goes through, are off by more than this many
/// variances each.
const TOLERATED: f64 = 6.0;

/// How many times as likely it is that a run does not slow down as that it does by a certain one of the powers.
const STRAIGHT: f64 = 100.0;

/// One point of a run's past.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mark {
    /// The run's age in seconds.
    pub age: f64,
    /// The candidates or results since its start, taken to lie in the middle between two whole numbers; 0 where there
    /// is no point.
    pub count: f64,
}

/// The points of a run's past that are kept: the first to come, and none after there are [`MARKS`].
pub type Marks = [Mark; MARKS];

/// What the points say of how a run slows down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bend {
    /// How far that is to be believed, 0 to 1.
    pub(super) belief: f64,
    /// The run's age at its end, if it slows down.
    pub(super) end: f64,
    /// The standard deviation of that end, in seconds.
    pub(super) spread: f64,
}

/// Keeps this point, if it is far enough from the last that was kept.
pub(super) fn keep(marks: &mut Marks, mark: Mark, goal: f64) {
    let used = marks.iter().take_while(|mark| mark.count > 0.0).count();
    let far = used == 0 || goal - mark.count <= SPACING * (goal - marks[used - 1].count);
    if used < MARKS && far && mark.count < goal {
        marks[used] = mark;
    }
}

/// What the points that were kept say together with the latest one; nothing where they are too few.
pub(super) fn bend(marks: &Marks, latest: Mark, goal: f64) -> Option<Bend> {
    let mut points = [Mark::default(); MARKS + 1];
    let mut number = 0;
    // The database may hold nonsense, and a count can fall.
    let past = |at: Mark| at.count > 0.0 && at.count < latest.count && at.age < latest.age;
    for mark in marks.iter().copied().filter(|mark| past(*mark)) {
        if number == 0 || mark.age > points[number - 1].age && mark.count > points[number - 1].count
        {
            points[number] = mark;
            number += 1;
        }
    }
    points[number] = latest;
    number += 1;
    let goes_on = latest.count < goal;
    if number < 4 || !goes_on {
        return None;
    }
    let points = &points[..number];
    #[allow(clippy::cast_precision_loss, reason = "at most nine")]
    let tolerated = TOLERATED * (number - 3) as f64;
    let mut lines = [Line::default(); 2 * POWERS + 1];
    let (straight, bent) = lines.split_at_mut(1);
    let (early, late) = bent.split_at_mut(POWERS);
    draw(points, |count| count, goal, STEP_EARLY, early);
    draw(points, |count| goal - count, goal, STEP_LATE, late);
    draw(points, |count| count, goal, 0.0, straight);
    weigh(straight[0].misfit.min(tolerated), bent)
}

/// A line through the points, for one power.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// How far the points are from it, in variances of their counts.
    misfit: f64,
    /// The age at which it meets the goal.
    end: f64,
}

/// One of the points, seen through a power.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    age: f64,
    count: f64,
    /// What the count is multiplied by from one power to the next.
    step: f64,
    /// The count to the power.
    raised: f64,
    /// How exact that is.
    weight: f64,
}

/// Draws a line for each power, from `1 + step` on.
fn draw(points: &[Mark], count: impl Fn(f64) -> f64, goal: f64, step: f64, lines: &mut [Line]) {
    let mut seen = [Point::default(); MARKS + 1];
    for (point, mark) in seen.iter_mut().zip(points) {
        let count = count(mark.count);
        *point = Point {
            age: mark.age,
            count,
            step: count.powf(step),
            raised: count,
            weight: 1.0,
        };
    }
    let seen = &mut seen[..points.len()];
    let end = count(goal);
    // Nothing is missing at the goal, whatever the power.
    let goes_up = if end > 0.0 { end.powf(step) } else { 1.0 };
    let (mut power, mut raised) = (1.0, end);
    for line in lines {
        power += step;
        raised *= goes_up;
        for point in &mut *seen {
            point.raised *= point.step;
            // One count more or less is so much in the power of it.
            let one = power * point.raised / point.count;
            point.weight = 1.0 / (one * one);
        }
        *line = line_through(seen, raised);
    }
}

/// The line from which the counts are off least.
fn line_through(points: &[Point], goal: f64) -> Line {
    let (mut all, mut age, mut raised) = (0.0, 0.0, 0.0);
    for point in points {
        all += point.weight;
        age += point.weight * point.age;
        raised += point.weight * point.raised;
    }
    let (age, raised) = (age / all, raised / all);
    let (mut along, mut across, mut up) = (0.0, 0.0, 0.0);
    for point in points {
        let (x, y) = (point.age - age, point.raised - raised);
        along += point.weight * x * x;
        across += point.weight * x * y;
        up += point.weight * y * y;
    }
    let slope = across / along;
    Line {
        // Never below nothing, save by rounding.
        misfit: (up - slope * across).max(0.0) / VARIANCE,
        end: age + (goal - raised) / slope,
    }
}

/// Weighs the lines by how well they fit: the likelihood of counts that are off so far.
fn weigh(straight: f64, bent: &[Line]) -> Option<Bend> {
    let least = bent.iter().map(|line| line.misfit).fold(straight, f64::min);
    let likely = |misfit: f64| (-(misfit - least) / 2.0).exp();
    let sum = |value: &dyn Fn(&Line) -> f64| -> f64 {
        let weighed = bent.iter().map(|line| likely(line.misfit) * value(line));
        weighed.sum()
    };
    let all = sum(&|_| 1.0);
    let end = sum(&|line| line.end) / all;
    let spread = (sum(&|line| (line.end - end).powi(2)) / all).sqrt();
    let belief = all / (all + STRAIGHT * likely(straight));
    // None of them is a number where nonsense was too large, nor the end where no line fits at all.
    let whole = belief.is_finite() && end.is_finite() && spread.is_finite();
    whole.then_some(Bend {
        belief,
        end,
        spread,
    })
}

#[cfg(test)]
mod tests {
    use super::{Bend, MARKS, Mark, Marks, bend, keep};

    const SECONDS: f64 = 600.0;

    /// What a run of ten minutes and 100 results says of its end when it has so many of them, by looks every 20 s.
    fn at(results: f64, share: impl Fn(f64) -> f64) -> Option<Bend> {
        let mut marks = Marks::default();
        for look in 1..30 {
            let age = 20.0 * f64::from(look);
            let count = (100.0 * share(age / SECONDS)).floor() + 0.5;
            let latest = Mark { age, count };
            if count > results {
                return bend(&marks, latest, 100.0);
            }
            keep(&mut marks, latest, 100.0);
        }
        None
    }

    fn assert_foretold(bend: Option<Bend>, within: f64) {
        let bend = bend.expect("enough points");
        assert!(bend.belief > 0.9, "{bend:?}");
        assert!((bend.end - SECONDS).abs() < within * SECONDS, "{bend:?}");
    }

    #[test]
    fn the_end_of_a_run_that_slows_down_to_a_standstill_is_foretold() {
        for power in [1.5, 1.8, 2.0, 2.2] {
            assert_foretold(at(85.0, |x| 1.0 - (1.0 - x).powf(power)), 0.02);
        }
    }

    #[test]
    fn the_end_of_a_run_that_is_fast_at_first_is_foretold() {
        for power in [0.5, 0.6, 0.65, 0.7] {
            assert_foretold(at(85.0, |x| x.powf(power)), 0.02);
        }
    }

    #[test]
    fn a_run_that_does_not_slow_down_is_not_believed_to() {
        let stalls = |x: f64| {
            let worked = if x < 0.3 {
                x
            } else {
                (x - 0.3).clamp(0.3, 0.7)
            };
            worked / 0.7
        };
        for results in [40.0, 60.0, 80.0, 90.0] {
            for bend in [
                at(results, |x| x),
                at(results, |x| x.powf(1.5)),
                at(results, stalls),
            ] {
                let belief = bend.map_or(0.0, |bend| bend.belief);
                assert!(belief < 0.3, "{results}: {bend:?}");
            }
        }
    }

    #[test]
    fn too_few_points_say_nothing_and_nonsense_says_no_more() {
        let latest = Mark {
            age: 300.0,
            count: 50.5,
        };
        assert_eq!(bend(&Marks::default(), latest, 100.0), None);
        for (age, count) in [
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
            (-1.0, 1.0),
            (400.0, 60.0),
            (1e308, 1e308),
            (f64::INFINITY, f64::INFINITY),
        ] {
            let marks = [Mark { age, count }; MARKS];
            assert_eq!(bend(&marks, latest, 100.0), None, "{age} {count}");
        }
        let mut marks = Marks::default();
        for (nth, mark) in (1..).zip(&mut marks) {
            let count = f64::from(nth) * 1e300;
            *mark = Mark { age: count, count };
        }
        let latest = Mark {
            age: 1e302,
            count: 1e302,
        };
        assert_eq!(bend(&marks, latest, 1e303), None);
    }

    #[test]
    fn points_are_kept_while_there_is_room_and_each_is_far_from_the_last() {
        let mut marks = Marks::default();
        for count in 0..1_000 {
            let count = f64::from(count) / 10.0 + 0.1;
            keep(&mut marks, Mark { age: count, count }, 100.0);
        }
        let missing = |mark: &Mark| 100.0 - mark.count;
        assert!(marks.iter().all(|mark| mark.count > 0.0), "{marks:?}");
        for pair in marks.windows(2) {
            assert!(missing(&pair[1]) <= 0.75 * missing(&pair[0]), "{marks:?}");
        }
    }
}
