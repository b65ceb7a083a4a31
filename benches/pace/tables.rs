//! The tables of the pace on runs with given curves.

use crate::pollers::{Fixed, Growd, Poller, Sum, watch, watch_all};
use crate::rules::{FirstSketch, HalfOfRemaining, Oracle, SecondToLast, SquareRoot};
use crate::runs::{Draws, Kind, Watched};
use growd::core::pace::{RULE, Rule};

const RUNS: u32 = 3_000;

/// The seeds of the runs. The constants were chosen with them.
const SEEDS: [u64; 4] = [2_026, 7, 31_337, 8_675_309];

pub fn print() {
    println!("## Polls and delays, {RUNS} runs of each kind\n");
    println!(
        "| runs | growd: polls | delay, mean (95%) | fixed 10 s: polls | delay | fixed 60 s: polls | delay |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for kind in Kind::all() {
        let seed = SEEDS[0];
        let growd = watch_all(kind, RUNS, seed, Growd::new);
        let (ten, sixty) = (fixed(kind, seed, 10.0), fixed(kind, seed, 60.0));
        println!(
            "| {} | {:.1} | {:.1} s ({:.0} s) | {:.1} | {:.1} s ({:.0} s) | {:.1} | {:.1} s ({:.0} s) |",
            kind.name(),
            growd.polls(),
            growd.delay(),
            growd.delay_95(),
            ten.polls(),
            ten.delay(),
            ten.delay_95(),
            sixty.polls(),
            sixty.delay(),
            sixty.delay_95(),
        );
    }
    println!("\n## As shares of a poll every 10 s: polls / mean delay\n");
    println!("| runs | seeds {SEEDS:?} | first sketch | half of the remaining time |");
    println!("| --- | --- | --- | --- |");
    for kind in Kind::all() {
        let shares: Vec<String> = SEEDS
            .iter()
            .map(|seed| share(kind, *seed, Growd::new))
            .collect();
        let sketch = share(kind, SEEDS[0], FirstSketch::default);
        let half = share(kind, SEEDS[0], HalfOfRemaining::default);
        println!(
            "| {} | {} | {sketch} | {half} |",
            kind.name(),
            shares.join(", ")
        );
    }
    pareto();
    last_result();
}

fn fixed(kind: Kind, seed: u64, interval: f64) -> Sum {
    watch_all(kind, RUNS, seed, || Fixed(interval))
}

fn share<P: Poller>(kind: Kind, seed: u64, poller: impl Fn() -> P) -> String {
    let (sum, ten) = (watch_all(kind, RUNS, seed, poller), fixed(kind, seed, 10.0));
    format!(
        "{:.2} / {:.2}",
        sum.polls() / ten.polls(),
        sum.delay() / ten.delay()
    )
}

/// Means over the first eight kinds.
fn eight(poller: &dyn Fn() -> Box<dyn Poller>) -> (f64, f64) {
    let kinds = Kind::FOUR.into_iter().chain(Kind::VARIED);
    let sums = kinds.map(|kind| watch_all(kind, RUNS, SEEDS[0], || Boxed(poller())));
    let (polls, delay) = sums.fold((0.0, 0.0), |sum, one| {
        (sum.0 + one.polls(), sum.1 + one.delay())
    });
    (polls / 8.0, delay / 8.0)
}

struct Boxed(Box<dyn Poller>);

impl Poller for Boxed {
    fn next(&mut self, seen: &growd::core::Observation, now: f64) -> f64 {
        self.0.next(seen, now)
    }
}

fn pareto() {
    println!("\n## Polls against delay, mean of the first eight kinds\n");
    println!("| rule | polls | mean delay |");
    println!("| --- | --- | --- |");
    let row = |name: String, poller: &dyn Fn() -> Box<dyn Poller>| {
        let (polls, delay) = eight(poller);
        println!("| {name} | {polls:.1} | {delay:.2} s |");
    };
    for interval in [5.0, 10.0, 15.0, 30.0, 60.0] {
        row(format!("fixed {interval} s"), &|| Box::new(Fixed(interval)));
    }
    row("half of the remaining time".to_owned(), &|| {
        Box::<HalfOfRemaining>::default()
    });
    row("first sketch".to_owned(), &|| Box::<FirstSketch>::default());
    for price in [0.1, 0.3, 1.0, 3.0] {
        row(format!("square root, a poll worth {price} s"), &|| {
            Box::new(SquareRoot::new(price))
        });
    }
    row("**growd**".to_owned(), &|| Box::new(Growd::new()));
    for share_of_rest in [0.35, 0.65] {
        row(format!("growd, {share_of_rest} of the rest"), &|| {
            Box::new(Growd::with(Rule {
                share_of_rest,
                ..RULE
            }))
        });
    }
    for times_age in [1.0, 10.0] {
        row(format!("growd, times age {times_age}"), &|| {
            Box::new(Growd::with(Rule { times_age, ..RULE }))
        });
    }
    for price in [0.5, 2.5] {
        row(format!("growd, price {price}"), &|| {
            Box::new(Growd::with(Rule { price, ..RULE }))
        });
    }
    let (mut polls, mut delay) = (0.0, 0.0);
    for kind in Kind::FOUR.into_iter().chain(Kind::VARIED) {
        let sum = knowing(kind, |seconds, _| Oracle(seconds));
        (polls, delay) = (polls + sum.polls() / 8.0, delay + sum.delay() / 8.0);
    }
    println!("| an oracle that knows the end | {polls:.1} | {delay:.2} s |");
}

/// Watches runs with pollers that know when the run ends and when its second to last result comes.
fn knowing<P: Poller>(kind: Kind, poller: impl Fn(f64, f64) -> P) -> Sum {
    let (mut draws, mut sum) = (Draws::new(SEEDS[0]), Sum::default());
    for _ in 0..RUNS {
        let mut run = kind.draw(&mut draws);
        let (mut low, mut high) = (0.0, run.seconds());
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if run.seen(middle).results >= 99 {
                high = middle;
            } else {
                low = middle;
            }
        }
        let mut poller = poller(run.seconds(), high);
        sum.add(watch(&mut run, &mut poller));
    }
    sum
}

fn last_result() {
    println!(
        "\n## The cost of a last result whose time is not known: shares of a poll every 10 s\n"
    );
    println!("| runs | knows when result 99 of 100 comes, then polls every 5 s | growd |");
    println!("| --- | --- | --- |");
    for kind in [
        Kind::Steady,
        Kind::AnyFrontLoaded,
        Kind::Random,
        Kind::Fading,
    ] {
        let (sum, ten) = (
            knowing(kind, |_, second_to_last| SecondToLast(second_to_last)),
            fixed(kind, SEEDS[0], 10.0),
        );
        let growd = share(kind, SEEDS[0], Growd::new);
        println!(
            "| {} | {:.2} / {:.2} | {growd} |",
            kind.name(),
            sum.polls() / ten.polls(),
            sum.delay() / ten.delay()
        );
    }
}
