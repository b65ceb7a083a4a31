//! Runs of the service in virtual time: what the pace is measured on.
//!
//! A run is a number of seconds and a curve: the share of its results that it has after a share of its time. Counters
//! are whole results, and all four counters say the same, which is the least that the service can tell. Nothing here
//! knows how growd paces itself. The stand-in's own model of a run is another source: `benches/pace/standin.rs`.

#![allow(dead_code, reason = "each user takes a part of it")]

use growd::core::observation::{Observation, Status};

/// What each run is to find: the service's default.
pub const DESIRED: i64 = 100;

/// Numbers that look drawn, the same everywhere: `SplitMix64`.
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[allow(clippy::cast_precision_loss, reason = "53 bits are what a f64 holds")]
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and not negative"
    )]
    pub fn count(&mut self, low: u32, high: u32) -> u32 {
        self.between(f64::from(low), f64::from(high) + 1.0) as u32
    }

    /// Standard normal: Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().max(f64::MIN_POSITIVE).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// How long a run takes: lognormal, with a median of 6 minutes and a sigma of 0.8.
    pub fn duration(&mut self) -> f64 {
        360.0 * (0.8 * self.normal()).exp()
    }
}

/// A run of the service, as far as a poller can tell.
pub trait Watched {
    /// What a look shows so many seconds after the start. Time only goes forward.
    fn seen(&mut self, at: f64) -> Observation;
    /// How many seconds it took; asked for once it is done.
    fn seconds(&self) -> f64;
}

/// A run by its curve.
pub struct Course {
    seconds: f64,
    desired: i64,
    /// The share of the results after a share of the time, both 0 to 1.
    share: Box<dyn Fn(f64) -> f64>,
    /// The counter moves by so many results at once.
    step: i64,
}

impl Watched for Course {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a share of 0 to 1 of a small number"
    )]
    fn seen(&mut self, at: f64) -> Observation {
        let share = (self.share)((at / self.seconds).clamp(0.0, 1.0));
        // What is a whole number but for rounding is one.
        let steps = (share * self.desired as f64 / self.step as f64 + 1e-9) as i64;
        let results = steps * self.step;
        Observation {
            status: if at < self.seconds {
                Status::InProgress
            } else {
                Status::Done
            },
            is_exhausted: false,
            desired: self.desired,
            discovered: results,
            enriched: results,
            evaluated: results,
            results,
            query: None,
        }
    }
}

/// A kind of run, from which single runs are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same pace throughout.
    Steady,
    /// `x^0.65`.
    FrontLoaded,
    /// `x^1.5`.
    BackLoaded,
    /// 40% in the first 30% of the time, nothing for the next 30%, then the rest.
    Stalling,
    /// Begins after 0 to 25% of the time; `x^0.9` to `x^1.1`.
    AnySteady,
    /// `x^0.45` to `x^0.85`.
    AnyFrontLoaded,
    /// Begins after 0 to 15%; `x^1.2` to `x^2.5`.
    AnyBackLoaded,
    /// One to three stalls anywhere, of 20 to 50% of the time together.
    AnyStalling,
    /// Three to seven stretches, the rate of each drawn anew, up to nine times that of another.
    Changing,
    /// Each result at a time of its own, drawn evenly: only the last one is sure.
    Random,
    /// Steady, but the counter moves by 2 to 10 results at once.
    Clumps,
    /// `1 - (1 - x)^p` with p of 1.2 to 2.2: ever slower, to a standstill at the end.
    Fading,
    /// Done with 80 to 97 of the 100, with nothing that foretells it.
    Short,
}

impl Kind {
    /// The four that the goals are about.
    pub const FOUR: [Self; 4] = [
        Self::Steady,
        Self::FrontLoaded,
        Self::BackLoaded,
        Self::Stalling,
    ];
    /// The same four with their parameters drawn for each run.
    pub const VARIED: [Self; 4] = [
        Self::AnySteady,
        Self::AnyFrontLoaded,
        Self::AnyBackLoaded,
        Self::AnyStalling,
    ];
    /// Those that make it hard.
    pub const HARD: [Self; 5] = [
        Self::Changing,
        Self::Random,
        Self::Clumps,
        Self::Fading,
        Self::Short,
    ];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::FrontLoaded => "front-loaded",
            Self::BackLoaded => "back-loaded",
            Self::Stalling => "stalling",
            Self::AnySteady => "steady, varied",
            Self::AnyFrontLoaded => "front-loaded, varied",
            Self::AnyBackLoaded => "back-loaded, varied",
            Self::AnyStalling => "stalling, varied",
            Self::Changing => "changing rates",
            Self::Random => "random arrivals",
            Self::Clumps => "clumps of 2 to 10",
            Self::Fading => "fading to a standstill",
            Self::Short => "ends short of the goal",
        }
    }

    /// Draws a run of this kind.
    pub fn draw(self, draws: &mut Draws) -> Course {
        let seconds = draws.duration();
        self.course(draws, seconds, DESIRED)
    }

    /// A run of this kind that takes so long and finds so much.
    pub fn course(self, draws: &mut Draws, seconds: f64, desired: i64) -> Course {
        let mut step = 1;
        let share: Box<dyn Fn(f64) -> f64> = match self {
            Self::Steady => Box::new(|x| x),
            Self::FrontLoaded => Box::new(|x| x.powf(0.65)),
            Self::BackLoaded => Box::new(|x| x.powf(1.5)),
            Self::Stalling => Box::new(through(vec![
                (0.0, 0.0),
                (0.3, 0.4),
                (0.6, 0.4),
                (1.0, 1.0),
            ])),
            Self::AnySteady => power(draws.between(0.0, 0.25), draws.between(0.9, 1.1)),
            Self::AnyFrontLoaded => power(0.0, draws.between(0.45, 0.85)),
            Self::AnyBackLoaded => power(draws.between(0.0, 0.15), draws.between(1.2, 2.5)),
            Self::AnyStalling => Box::new(through(stalls(draws))),
            Self::Changing => Box::new(through(stretches(draws))),
            Self::Random => {
                let mut times: Vec<f64> = (1..desired).map(|_| draws.uniform()).collect();
                times.sort_by(f64::total_cmp);
                Box::new(move |x| share_of(times.partition_point(|time| *time <= x), desired, x))
            }
            Self::Clumps => {
                step = i64::from(draws.count(2, 10));
                Box::new(|x| x)
            }
            Self::Fading => {
                let power = draws.between(1.2, 2.2);
                Box::new(move |x| 1.0 - (1.0 - x).powf(power))
            }
            Self::Short => {
                let end = draws.between(0.8, 0.97);
                Box::new(move |x| x * end)
            }
        };
        Course {
            seconds,
            desired,
            share,
            step,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn share_of(results: usize, desired: i64, x: f64) -> f64 {
    if x < 1.0 {
        results as f64 / desired as f64
    } else {
        1.0
    }
}

fn power(begins: f64, power: f64) -> Box<dyn Fn(f64) -> f64> {
    Box::new(move |x| ((x - begins).max(0.0) / (1.0 - begins)).powf(power))
}

/// The line through these points.
fn through(points: Vec<(f64, f64)>) -> impl Fn(f64) -> f64 {
    move |x| {
        let pair = points.windows(2).find(|pair| x < pair[1].0);
        pair.map_or(1.0, |pair| {
            let (from, to) = (pair[0], pair[1]);
            from.1 + (to.1 - from.1) * (x - from.0) / (to.0 - from.0)
        })
    }
}

fn stalls(draws: &mut Draws) -> Vec<(f64, f64)> {
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

fn stretches(draws: &mut Draws) -> Vec<(f64, f64)> {
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
