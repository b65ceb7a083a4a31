//! The random steps watched by a rule that knows the distribution of such runs, but not the run.
//!
//! From 20,000 other runs it knows how long runs took that looked the same: about the same age, results, time since the
//! last step and number of steps. It takes the gap that costs least for each second of the run, if a poll costs `price` seconds of
//! delay: the least `(price + expected delay) / expected time until the end or the next poll`. That looks one poll ahead and
//! sorts what it has seen into bins, so it is close to the best possible, and not an exact bound.

use crate::pollers::{Fixed, Growd, POLLING, Poller, watch_all};
use crate::runs::{Draws, Kind, Watched};
use growd::core::observation::Observation;
use std::collections::HashMap;
use std::rc::Rc;

const KIND: Kind = Kind::Steps;
const KNOWN_RUNS: u32 = 20_000;
const RUNS: u32 = 3_000;
const SEED: u64 = 2_026;

/// Seconds between two samples of a known run.
const SAMPLE: f64 = 5.0;

/// The fewest samples that say something.
const FEWEST: usize = 100;

/// The age, results, time since the last step as a share of the age, and number of steps, each as a bin.
type Seen = [u8; 4];

/// The remaining times of the known runs that looked the same, sorted.
pub struct Known(HashMap<Seen, Vec<f64>>);

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small and not negative"
)]
fn bins(age: f64, results: f64, since_step: f64, steps: u8) -> [Seen; 3] {
    let fine = (age.max(1.0).ln() * 4.0) as u8;
    let share = since_step / age.max(1.0);
    let since = (share * 12.0).min(11.0) as u8;
    let size = (results / 8.0).ceil() as u8;
    // From the finest to the coarsest; the last figure tells them apart.
    [
        [fine, size, since, steps.min(8)],
        [fine, size / 3, since, 100],
        [fine / 2, size / 4, 0, 101],
    ]
}

impl Known {
    pub fn learn() -> Self {
        let (mut draws, mut known) = (Draws::new(SEED + 1), HashMap::new());
        for _ in 0..KNOWN_RUNS {
            let mut run = KIND.draw(&mut draws);
            let (mut looks, mut age) = (Looks::default(), SAMPLE * draws.uniform());
            while age < run.seconds() {
                let [fine, middle, coarse] = looks.add(&run.seen(age), age);
                for seen in [fine, middle, coarse] {
                    let rest: &mut Vec<f64> = known.entry(seen).or_default();
                    rest.push(run.seconds() - age);
                }
                age += SAMPLE;
            }
        }
        for rest in known.values_mut() {
            rest.sort_by(f64::total_cmp);
        }
        Self(known)
    }

    #[allow(clippy::cast_precision_loss, reason = "a count")]
    fn gap(&self, seen: [Seen; 3], price: f64) -> f64 {
        let enough = |seen| self.0.get(seen).filter(|rest| rest.len() >= FEWEST);
        let Some(rest) = seen.iter().find_map(enough) else {
            return POLLING.min_interval.as_secs_f64();
        };
        let (mut ended, mut sum, mut best) = (0, 0.0, (f64::INFINITY, 5.0));
        for gap in 5..=60 {
            let gap = f64::from(gap);
            while ended < rest.len() && rest[ended] <= gap {
                sum += rest[ended];
                ended += 1;
            }
            let (all, before) = (rest.len() as f64, ended as f64);
            let delay = (gap * before - sum) / all;
            let time = (sum + gap * (all - before)) / all;
            let cost = (price + delay) / time;
            if cost < best.0 {
                best = (cost, gap);
            }
        }
        best.1
    }
}

/// What was seen of a run.
#[derive(Default)]
struct Looks {
    results: i64,
    step_at: f64,
    steps: u8,
}

#[allow(clippy::cast_precision_loss, reason = "a small count")]
impl Looks {
    fn add(&mut self, seen: &Observation, age: f64) -> [Seen; 3] {
        if seen.results > self.results {
            self.results = seen.results;
            self.step_at = age;
            self.steps = self.steps.saturating_add(1);
        }
        bins(age, seen.results as f64, age - self.step_at, self.steps)
    }
}

struct Oracle {
    known: Rc<Known>,
    price: f64,
    looks: Looks,
}

impl Poller for Oracle {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        now + self.known.gap(self.looks.add(seen, now), self.price)
    }
}

pub fn print() {
    println!(
        "\n## {}: a rule that knows the distribution, {RUNS} runs, shares of a poll every 10 s\n",
        KIND.name()
    );
    println!("| rule | requests | mean delay |");
    println!("| --- | --- | --- |");
    let known = Rc::new(Known::learn());
    let ten = watch_all(KIND, RUNS, SEED, || Fixed(10.0));
    let row = |name: &str, polls: f64, delay: f64| {
        println!(
            "| {name} | {:.2} | {:.2} |",
            polls / ten.polls(),
            delay / ten.delay()
        );
    };
    for price in [0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0] {
        let sum = watch_all(KIND, RUNS, SEED, || Oracle {
            known: Rc::clone(&known),
            price,
            looks: Looks::default(),
        });
        let name = format!("knows the distribution, a poll worth {price} s");
        row(&name, sum.polls(), sum.delay());
    }
    let growd = watch_all(KIND, RUNS, SEED, Growd::new);
    row("growd", growd.polls(), growd.delay());
}
