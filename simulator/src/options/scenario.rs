//! What a simulated search is asked to be: its candidates, its pace and where it starts.

use serde::{Deserialize, Serialize};

/// Keeps every sum of candidates far from overflow.
pub(crate) const MAX_CANDIDATES: u32 = 10_000_000;

/// A search to put into the stand-in.
///
/// What is left at `None` is drawn from the stand-in's seed, so that a plain
/// `Scenario::default()` is a plausible search that nobody has looked at yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The task's id; a seeded UUID if not given. Any text goes, so that odd ids can be tried.
    pub id: Option<String>,
    /// What is searched for.
    pub query: Option<String>,
    /// How many results the search is to find; 100, or `results` where those are given.
    pub desired_num_results: Option<u32>,
    /// Start as a search that is over already, with this many results. `None` starts a fresh one.
    ///
    /// Together with a `fail_at` that these results reach, the search starts as `failed`.
    pub results: Option<u32>,
    /// How many candidates there are to be discovered; as many as the companies of the query's
    /// market take if not given.
    pub pool: Option<u32>,
    /// The share of evaluated candidates that fit, 0 to 1; 0.3 to 0.8 by the seed.
    pub fit_rate: Option<f64>,
    /// Candidates discovered in a minute of virtual time; 100.
    pub rate_per_minute: Option<f64>,
    /// Candidates that wait before each of the two later stages; 15.
    ///
    /// A large one makes a search that is exhausted but `in_progress` for long.
    pub backlog: Option<u32>,
    /// Where the search turns `failed`; never if not given. A resume of it takes it past that.
    pub fail_at: Option<FailAt>,
    /// How the work of a run is spread over its time.
    pub shape: Shape,
}

impl Scenario {
    /// A search that is done with `results` results and has plenty more to give.
    #[must_use]
    pub fn done(results: u32) -> Self {
        Self {
            results: Some(results),
            ..Self::default()
        }
    }

    /// A search that is done with `results` results and has no candidate left.
    #[must_use]
    pub fn exhausted(results: u32) -> Self {
        Self {
            results: Some(results),
            pool: Some(results),
            fit_rate: Some(1.0),
            ..Self::default()
        }
    }

    /// The same search under an id of one's own.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl Scenario {
    /// Says which field makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name}: {value} is not between 0 and 1"))
            }
        };
        let at_most = |name: &str, value: Option<u32>, most: u32| match value {
            Some(value) if value > most => Err(format!("{name}: {value} is more than {most}")),
            _ => Ok(()),
        };
        share("fit_rate", self.fit_rate.unwrap_or(0.5))?;
        if let Some(FailAt::Fraction(fraction)) = self.fail_at {
            share("fail_at.fraction", fraction)?;
        }
        at_most("pool", self.pool, MAX_CANDIDATES)?;
        at_most("results", self.results, 1_000_000)?;
        at_most("desired_num_results", self.desired_num_results, 1_000_000)?;
        at_most("backlog", self.backlog, 1_000_000)?;
        match self.rate_per_minute {
            Some(rate) if !rate.is_finite() || rate <= 0.0 => {
                Err(format!("rate_per_minute: {rate} is not a number above 0"))
            }
            _ if self.id.as_ref().is_some_and(String::is_empty) => {
                Err("id: an empty id cannot be asked for".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The point at which a search fails.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailAt {
    /// With this many results.
    Results(u32),
    /// With this share (0 to 1) of the desired results.
    Fraction(f64),
}

/// How the work of one run is spread over the time it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The same pace throughout.
    #[default]
    Steady,
    /// Fast first, slower and slower then.
    FrontLoaded,
    /// Slow first, faster and faster then.
    BackLoaded,
    /// Half of the work in the first third, then nothing for a third, then the rest.
    Stalling,
}

impl Shape {
    /// The share of the work that is done after `elapsed` (0 to 1) of the run's time.
    pub(crate) fn share(self, elapsed: f64) -> f64 {
        let x = elapsed.clamp(0.0, 1.0);
        match self {
            Self::Steady => x,
            Self::FrontLoaded => 1.0 - (1.0 - x) * (1.0 - x),
            Self::BackLoaded => x * x,
            Self::Stalling if x < 1.0 / 3.0 => x * 1.5,
            Self::Stalling if x < 2.0 / 3.0 => 0.5,
            Self::Stalling => 1.0 - (1.0 - x) * 1.5,
        }
    }
}
