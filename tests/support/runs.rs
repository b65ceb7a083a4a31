//! Runs of the service in virtual time, on which the pace is measured.
//!
//! A run is a duration and a curve: the share of its results after a share of its time. Counters are whole results, and
//! all four counters are equal, which is the least information that the service gives. The stand-in's own model of a
//! run is another source: `benches/pace/standin.rs`.

#![allow(dead_code, reason = "each user takes a part of it")]

mod shapes;

use growd::core::observation::{Observation, Status};
use shapes::{
    Curve, any_steps, burst_at_end, pauses, power, share_of, staircase, stalls, steps, stretches,
    through,
};

/// The results of each run: the service's default.
pub const DESIRED: i64 = 100;

/// Pseudorandom numbers, the same on every machine: `SplitMix64`.
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

    /// The duration of a run in seconds: lognormal, with a median of 6 minutes and a sigma of 0.8.
    pub fn duration(&mut self) -> f64 {
        360.0 * (0.8 * self.normal()).exp()
    }
}

/// A run of the service, as a poller sees it.
pub trait Watched {
    /// Returns what a poll shows `at` seconds after the start. `at` never decreases.
    fn seen(&mut self, at: f64) -> Observation;
    /// Returns its duration in seconds; valid once it is done.
    fn seconds(&self) -> f64;
}

/// A run with a given curve.
pub struct Course {
    seconds: f64,
    desired: i64,
    /// The share of the results after a share of the time, both from 0 to 1.
    share: Curve,
    /// The number of results by which the counter moves at once.
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
        // Corrects for rounding just below a whole number.
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
    /// Three to seven stretches, each with its own rate, up to nine times that of another.
    Changing,
    /// Each result at a uniformly drawn time; the last one comes at the end.
    Random,
    /// Steady, but the counter moves by 2 to 10 results at once.
    Clumps,
    /// `1 - (1 - x)^p` with p of 1.2 to 2.2: slows down to a standstill at the end.
    Fading,
    /// Done with 80 to 97 of the 100, without any sign before.
    Short,
    /// Five equal steps of 20 results; the last one comes with `done`.
    FiveSteps,
    /// `1 - (1 - x)^3`: the third power of the slowdown.
    Cubic,
    /// A random step function: 1 to 30 steps of random size at random times, with pauses. In a quarter of the runs the
    /// last step has 20% to 100% of the results, and in half of them time passes between the last step and `done`.
    Steps,
    /// No result before `done`.
    AllAtEnd,
    /// A steady 5% to 70%, the rest in the last 5% of the time or less.
    BurstAtEnd,
    /// One to four stretches of work; pauses take 50% to 95% of the time.
    LongPauses,
    /// One to four steps of any size at any time before the end.
    FewSteps,
    /// 20 to 80 steps of any size in the first 70% to 100% of the time.
    ManySteps,
    /// Each run is of another kind, drawn from all.
    Mixed,
}

impl Kind {
    /// Four fixed shapes with a common goal.
    pub const FOUR: [Self; 4] = [
        Self::Steady,
        Self::FrontLoaded,
        Self::BackLoaded,
        Self::Stalling,
    ];
    /// The same four with parameters drawn for each run.
    pub const VARIED: [Self; 4] = [
        Self::AnySteady,
        Self::AnyFrontLoaded,
        Self::AnyBackLoaded,
        Self::AnyStalling,
    ];
    /// Shapes whose end is hard to estimate.
    pub const HARD: [Self; 8] = [
        Self::Changing,
        Self::Random,
        Self::Clumps,
        Self::Fading,
        Self::Short,
        Self::FiveSteps,
        Self::Cubic,
        Self::Steps,
    ];

    /// Shapes that no constant was fitted to.
    pub const UNFITTED: [Self; 6] = [
        Self::AllAtEnd,
        Self::BurstAtEnd,
        Self::LongPauses,
        Self::FewSteps,
        Self::ManySteps,
        Self::Mixed,
    ];

    /// Returns all kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        let named = Self::FOUR.into_iter().chain(Self::VARIED);
        named.chain(Self::HARD).chain(Self::UNFITTED)
    }

    /// Returns its name in tables.
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
            Self::FiveSteps => "five equal steps",
            Self::Cubic => "slowing down, third power",
            Self::Steps => "random steps",
            Self::AllAtEnd => "all at the end",
            Self::BurstAtEnd => "burst at the end",
            Self::LongPauses => "long pauses",
            Self::FewSteps => "few steps",
            Self::ManySteps => "many steps",
            Self::Mixed => "mixed",
        }
    }

    /// Draws a run of this kind.
    pub fn draw(self, draws: &mut Draws) -> Course {
        let seconds = draws.duration();
        self.course(draws, seconds, DESIRED)
    }

    /// Draws a run of this kind with a given duration and number of results.
    pub fn course(self, draws: &mut Draws, seconds: f64, desired: i64) -> Course {
        let mut step = 1;
        let share: Curve = match self {
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
            Self::FiveSteps => Box::new(|x| (x * 5.0 + 1e-9).floor() / 5.0),
            Self::Cubic => Box::new(|x| 1.0 - (1.0 - x).powi(3)),
            Self::Steps => staircase(steps(draws)),
            Self::AllAtEnd => Box::new(f64::floor),
            Self::BurstAtEnd => burst_at_end(draws),
            Self::LongPauses => pauses(draws),
            Self::FewSteps => any_steps(draws, 1, 4, 1.0),
            Self::ManySteps => {
                let until = draws.between(0.7, 1.0);
                any_steps(draws, 20, 80, until)
            }
            Self::Mixed => {
                let kinds: Vec<Self> = Self::all().filter(|kind| *kind != Self::Mixed).collect();
                let last = u32::try_from(kinds.len() - 1).expect("few");
                let any = draws.count(0, last) as usize;
                return kinds[any].course(draws, seconds, desired);
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
