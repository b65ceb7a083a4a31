//! The scenario of a simulated task: its candidates, its pace and its initial state.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// The largest number of candidates of a task; it keeps every sum of candidates far from overflow.
pub(crate) const MAX_CANDIDATES: u32 = 10_000_000;

/// A task to add to the simulator.
///
/// The seed determines each field that is `None`, so that `Scenario::default()` is a plausible new task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The task's id; by default a UUID from the seed. Any text is accepted, so that unusual ids can be tested.
    #[arg(skip)]
    pub id: Option<String>,
    /// The query.
    #[arg(skip)]
    pub query: Option<String>,
    /// The number of results to find; by default `results`, or 100 without them.
    #[arg(skip)]
    pub desired_num_results: Option<u32>,
    /// The task starts as `done` with this many results. With `None` it starts as `created`.
    ///
    /// If these results reach `fail_at`, the task starts as `failed`.
    #[arg(skip)]
    pub results: Option<u32>,
    /// Candidates that each task can discover [default: as many as the companies of its query need].
    #[arg(long, value_name = "N")]
    pub pool: Option<u32>,
    /// The share of evaluated candidates that match, 0 to 1 [default: 0.3 to 0.8, by the seed].
    #[arg(long, value_name = "P")]
    pub fit_rate: Option<f64>,
    /// Candidates discovered per simulated minute [default: 100].
    #[arg(long = "rate", value_name = "N")]
    pub rate_per_minute: Option<f64>,
    /// Candidates that wait before each of the two later stages; by default 15.
    ///
    /// With a large backlog a task is exhausted but `in_progress` for a long time.
    #[arg(skip)]
    pub backlog: Option<u32>,
    /// Where the task fails; by default never. A resume continues it past this point.
    #[arg(skip)]
    pub fail_at: Option<FailAt>,
    /// The number of results with which the task has no candidates left; by default it depends on pool and market.
    #[arg(skip)]
    pub exhausted_at: Option<u32>,
    /// How the work of a run is distributed over its time.
    #[arg(long, value_enum, default_value_t)]
    pub shape: Shape,
}

impl Scenario {
    /// Returns a task that is done with `results` results and can find more.
    #[must_use]
    pub fn done(results: u32) -> Self {
        Self {
            results: Some(results),
            ..Self::default()
        }
    }

    /// Returns a task that is done with `results` results and has no candidates left.
    #[must_use]
    pub fn exhausted(results: u32) -> Self {
        Self {
            pool: Some(results),
            fit_rate: Some(1.0),
            ..Self::done(results)
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Checks that each value is in its range; the error names the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name}: {value} is not between 0 and 1"))
            }
        };
        let at_most = |name: &str, value: Option<u32>, max: u32| match value {
            Some(value) if value > max => Err(format!("{name}: {value} is more than {max}")),
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
                Err("id: must not be empty".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The point at which a task fails.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailAt {
    /// With this many results.
    Results(u32),
    /// With this share (0 to 1) of the desired results.
    Fraction(f64),
}

/// How the work of one run is distributed over its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// At a constant pace.
    #[default]
    Steady,
    /// Fast at first, then slower and slower.
    FrontLoaded,
    /// Slow at first, then faster and faster.
    BackLoaded,
    /// Half of the work in the first third, none in the second, the rest in the last.
    Stalling,
}

impl Shape {
    /// Returns the share of the work that is done after `elapsed` (0 to 1) of the run's time.
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
