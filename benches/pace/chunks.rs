//! A search that needs eight runs one after the other: growd's time from creation to target, compared with the
//! service's.
//!
//! The vendor's tool needs a shell loop of two commands: `poll`, which polls at once and then every 10 s until the task
//! is done, and `resume`, which asks for the next chunk. The model gives it every advantage: starting a command takes
//! no time, and nothing fails. Each request takes `REQUEST` for both. The poll that shows a run done is followed by its
//! resume at once, and the next run begins when that is answered.

use crate::pollers::{Fixed, Growd, Poller, watch};
use crate::runs::{Draws, Kind, Watched};

/// Seconds for one request and its answer.
const REQUEST: f64 = 0.2;

const CHUNKS: u32 = 8;
const SEARCHES: u32 = 1_000;

pub fn print() {
    println!(
        "\n## {CHUNKS} chunks of 25 results and about 3 minutes each, {SEARCHES} searches of each kind\n"
    );
    println!(
        "| runs | the service's own time | growd | ratio | `poll` every 10 s and `resume` | ratio |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for kind in Kind::FOUR.into_iter().chain(Kind::VARIED) {
        let growd = grow(kind, || Box::new(Growd::new()));
        let vendor = grow(kind, || Box::new(Fixed(10.0)));
        println!(
            "| {} | {:.0} s | {:.0} s | {:.4} | {:.0} s | {:.4} |",
            kind.name(),
            growd.0,
            growd.1,
            growd.1 / growd.0,
            vendor.1,
            vendor.1 / vendor.0,
        );
    }
}

/// Returns the service's own time and the time from creation to target, as means over the searches.
fn grow(kind: Kind, poller: impl Fn() -> Box<dyn Poller>) -> (f64, f64) {
    let mut draws = Draws::new(2_026);
    let (mut service, mut all) = (0.0, 0.0);
    for _ in 0..SEARCHES {
        for chunk in 0..CHUNKS {
            let seconds = 180.0 * (0.2 * draws.normal()).exp();
            let mut run = kind.course(&mut draws, seconds, 25);
            let delay = watch(&mut run, poller().as_mut()).delay;
            service += run.seconds();
            // The poll, and a resume after each run but the last.
            all += run.seconds() + delay + REQUEST;
            if chunk + 1 < CHUNKS {
                all += REQUEST;
            }
        }
    }
    (service / f64::from(SEARCHES), all / f64::from(SEARCHES))
}
