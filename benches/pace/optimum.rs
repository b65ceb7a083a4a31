//! The cheapest gap by backward induction, beside the gap of the rule.
//!
//! Each poll estimates the remaining time with a lognormal error, drawn independently. A poll costs as much as `POLL`
//! seconds of delay. The value of a remaining time is the least expected cost from there on, over all gaps between the
//! bounds.

use growd::core::pace::{Estimate, RULE};

/// The price of a poll in seconds of delay. At this price the optimum needs about as many polls as the rule.
const POLL: f64 = 0.6;

const SHORTEST: f64 = 5.0;
const LONGEST: f64 = 60.0;

/// The number of remaining times, in logarithmic steps from 0.05 s to 2,000 s.
const STEPS: usize = 200;

pub fn print() {
    println!(
        "\n## The cheapest gap / the rule's gap in seconds; a poll is worth {POLL} s of delay\n"
    );
    let times = [5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0];
    let names: Vec<String> = times
        .iter()
        .map(|remaining| format!("{remaining} s left"))
        .collect();
    println!("| error | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(times.len()));
    for error in [0.1, 0.2, 0.3, 0.4, 0.6] {
        let best = best_gaps(error);
        let cells: Vec<String> = times
            .iter()
            .map(|remaining| {
                format!(
                    "{:.0} / {:.0}",
                    read(&best, *remaining),
                    rule(*remaining, error)
                )
            })
            .collect();
        println!("| {error} | {} |", cells.join(" | "));
    }
}

fn rule(remaining: f64, error: f64) -> f64 {
    let gap = RULE.gap_before(Estimate { remaining, error }, SHORTEST);
    gap.clamp(SHORTEST, LONGEST)
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn steps(number: usize) -> impl Iterator<Item = f64> {
    (0..number).map(move |step| step as f64 / (number - 1) as f64)
}

fn remaining(step: f64) -> f64 {
    0.05 * 40_000_f64.powf(step)
}

/// Interpolates the value for a remaining time.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index, clamped"
)]
fn read(values: &[f64], at: f64) -> f64 {
    let place = (at.max(0.05) / 0.05).ln() / 40_000_f64.ln() * (STEPS - 1) as f64;
    let place = place.clamp(0.0, (STEPS - 1) as f64 - 1e-9);
    let below = place as usize;
    values[below] + (values[below + 1] - values[below]) * (place - below as f64)
}

fn best_gaps(error: f64) -> Vec<f64> {
    let mut chances: Vec<(f64, f64)> = steps(41)
        .map(|step| {
            let z = -2.5 + 5.0 * step;
            ((error * z).exp(), (-z * z / 2.0).exp())
        })
        .collect();
    let all: f64 = chances.iter().map(|(_, weight)| weight).sum();
    for chance in &mut chances {
        chance.1 /= all;
    }
    let mean = |value: &dyn Fn(f64) -> f64| -> f64 {
        chances
            .iter()
            .map(|(factor, weight)| weight * value(*factor))
            .sum()
    };
    let gaps: Vec<f64> = steps(60)
        .map(|step| SHORTEST * (LONGEST / SHORTEST).powf(step))
        .collect();
    let mut costs = vec![0.0; STEPS];
    let mut best = vec![SHORTEST; STEPS];
    for _ in 0..40 {
        let after: Vec<f64> = steps(STEPS)
            .map(|step| mean(&|factor| read(&costs, remaining(step) * factor)))
            .collect();
        costs = steps(STEPS)
            .enumerate()
            .map(|(nth, step)| {
                let cost = |gap: f64| {
                    POLL + mean(&|factor| {
                        let actual = remaining(step) * factor;
                        if actual <= gap {
                            gap - actual
                        } else {
                            read(&after, actual - gap)
                        }
                    })
                };
                let costs = gaps.iter().map(|gap| (cost(*gap), *gap));
                let (cost, gap) = costs
                    .min_by(|a, b| a.0.total_cmp(&b.0))
                    .unwrap_or((0.0, SHORTEST));
                best[nth] = gap;
                cost
            })
            .collect();
    }
    best
}
