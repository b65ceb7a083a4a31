//! The pace on the stand-in's own model of a run, in virtual time.
//!
//! All four counters move: candidates are discovered, enriched and evaluated one after the other, 15 wait before each
//! of the two later stages, and a share of 0.3 to 0.8 of them fits. No request is made: polls read the model.

use crate::pollers::{Fixed, Growd, Poller, Sum, watch};
use crate::rules::FirstSketch;
use crate::runs::{Draws, Watched};
use growd::core::Observation;
use growd::extruct::read_task;
use growd_simulator::{Options, Scenario, Shape, Simulator};
use jiff::Timestamp;
use std::time::Duration;

const RUNS: u32 = 500;
const SEED: u64 = 2_026;

/// Seconds from the creation of a search to its first work.
const LEAD: f64 = 2.0;

/// Candidates in the pipeline when the last one that is needed leaves it.
const IN_PIPELINE: f64 = 30.0;

/// The name, the shape of the runs, and whether their pool is large enough.
pub const KINDS: [(&str, Shape, bool); 5] = [
    ("steady", Shape::Steady, true),
    ("front-loaded, `1 - (1 - x)^2`", Shape::FrontLoaded, true),
    ("back-loaded, `x^2`", Shape::BackLoaded, true),
    ("stalling for a third", Shape::Stalling, true),
    (
        "the pool runs out at 50 to 98 results",
        Shape::Steady,
        false,
    ),
];

pub fn print() {
    println!(
        "\n## The stand-in's own model, {RUNS} runs of each kind: shares of a poll every 10 s\n"
    );
    println!("| runs | growd | first sketch |");
    println!("| --- | --- | --- |");
    for (name, shape, plenty) in KINDS {
        let share = |(polls, delay): (f64, f64)| format!("{polls:.2} / {delay:.2}");
        let growd = shares(shape, plenty, RUNS, Growd::new);
        let sketch = shares(shape, plenty, RUNS, FirstSketch::default);
        println!("| {name} | {} | {} |", share(growd), share(sketch));
    }
}

/// Returns polls and mean delay as shares of those of a poll every 10 s.
pub fn shares<P: Poller>(
    shape: Shape,
    plenty: bool,
    runs: u32,
    poller: impl Fn() -> P,
) -> (f64, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let sum = runtime.block_on(all(shape, plenty, runs, poller));
    let ten = runtime.block_on(all(shape, plenty, runs, || Fixed(10.0)));
    (sum.polls() / ten.polls(), sum.delay() / ten.delay())
}

async fn all<P: Poller>(shape: Shape, plenty: bool, runs: u32, poller: impl Fn() -> P) -> Sum {
    let mut options = Options::default();
    options.settings.speed = 0.0;
    options.seed = SEED;
    let service = growd_simulator::start(options)
        .await
        .expect("the stand-in starts");
    let (mut draws, mut sum) = (Draws::new(SEED), Sum::default());
    for _ in 0..runs {
        let mut run = StandIn::begin(&service, &scenario(&mut draws, shape, plenty));
        sum.add(watch(&mut run, &mut poller()));
    }
    service.shutdown().await;
    sum
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand"
)]
fn scenario(draws: &mut Draws, shape: Shape, plenty: bool) -> Scenario {
    let seconds = draws.duration();
    let fit = draws.between(0.3, 0.8);
    let needed = 100.0 / fit;
    let pool = if plenty {
        draws.between(400.0, 1_500.0)
    } else {
        needed * draws.between(0.5, 0.98)
    };
    Scenario {
        desired_num_results: Some(100),
        pool: Some(pool as u32),
        fit_rate: Some(fit),
        rate_per_minute: Some((needed.min(pool) + IN_PIPELINE) / (seconds - LEAD).max(1.0) * 60.0),
        shape,
        ..Scenario::default()
    }
}

struct StandIn<'a> {
    service: &'a Simulator,
    id: String,
    /// Seconds since the search was created.
    at: f64,
}

impl<'a> StandIn<'a> {
    fn begin(service: &'a Simulator, scenario: &Scenario) -> Self {
        let id = service.add_task(scenario);
        Self {
            service,
            id,
            at: 0.0,
        }
    }

    fn task(&self) -> serde_json::Value {
        self.service.task(&self.id).expect("the task")
    }
}

impl Watched for StandIn<'_> {
    fn seen(&mut self, at: f64) -> Observation {
        self.service.advance(Duration::from_secs_f64(at - self.at));
        self.at = at;
        read_task(self.task().to_string().as_bytes(), &self.id).expect("a task")
    }

    fn seconds(&self) -> f64 {
        let created: Timestamp = self.task()["created_at"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("a time");
        let runs = self.service.runs();
        let run = runs
            .iter()
            .rfind(|run| run.task_id == self.id)
            .expect("its run");
        run.ended_at.duration_since(created).as_secs_f64()
    }
}
