//! The least product of requests and delay if nothing but its age says when a run ends.
//!
//! A page that is read every `gap` seconds, and shows runs that end at `rate` a second, costs `1 / gap` requests and
//! `rate * gap / 2` seconds of delay in each second. With the best gap for each page, the product of both sums is
//! `(sum of sqrt(rate))² / 2` (Cauchy and Schwarz): no rule that ignores the counters can be below it.

use super::{Then, World};

/// Runs begin with a median of 6 minutes and a sigma of 0.8 (`Draws::duration`).
const MEDIAN: f64 = 360.0;
const SIGMA: f64 = 0.8;

/// Tasks of one page.
const PAGE: f64 = 100.0;

/// Requests and seconds of delay of a run if it is polled every 10 s.
const FIXED: (f64, f64) = (50.1, 5.0);

/// Returns the least share of requests with which the mean delay can have this share, both of a poll every 10 s. Each end
/// takes a poll of its task as well.
#[allow(clippy::cast_precision_loss, reason = "a small number")]
pub fn least_requests(world: &World, delay: f64) -> f64 {
    let searches = world.searches as f64;
    let begins = searches / (MEDIAN * (SIGMA * SIGMA / 2.0).exp());
    let product = match world.then {
        Then::NewTask => {
            let pages = (searches / PAGE * 200.0).ceil().max(200.0) as usize;
            let ended = |page: usize| share_ended(page as f64 * PAGE / begins);
            let rates = (0..pages).map(|page| begins * (ended(page + 1) - ended(page)));
            rates.map(f64::sqrt).sum::<f64>().powi(2) / 2.0 / begins.powi(2)
        }
        Then::NextRun => (searches / PAGE).max(1.0) / begins / 2.0,
        Then::Nothing => {
            let roots: f64 = (0..20_000)
                .map(|second| {
                    let second = f64::from(second);
                    (share_ended(second + 1.0) - share_ended(second)).sqrt()
                })
                .sum();
            roots.powi(2) / searches.min(PAGE) / 2.0
        }
    };
    (1.0 + product / (delay * FIXED.1)) / FIXED.0
}

/// The share of runs that have ended at this age.
fn share_ended(age: f64) -> f64 {
    let z = (age.max(1e-9) / MEDIAN).ln() / SIGMA;
    // The logistic approximation of the normal distribution, with an error below 0.0002.
    1.0 / (1.0 + (-0.070_565_992 * z.powi(3) - 1.597_6 * z).exp())
}
