//! The tables of many searches at once.

use super::bound::least_requests;
use super::{Order, Outcome, PLAIN, Then, World, policy, simulate};
use crate::runs::Kind;
use growd::core::policy::Policy;

const SEED: u64 = 2_026;
const SIZES: [usize; 6] = [1, 5, 10, 30, 100, 1_000];
const THREE: [Kind; 3] = [Kind::Steady, Kind::AnyFrontLoaded, Kind::Steps];
const WORLDS: [(&str, Then); 3] = [
    ("a new task after each that ends", Then::NewTask),
    (
        "the next run of the same task after each that ends",
        Then::NextRun,
    ),
    ("all begin at once, none follows", Then::Nothing),
];

/// Prints them, or with `--only NAME` those of one name: `new`, `next`, `together`, `orders`, `lags`, `ten-thousand`.
pub fn print() {
    let policy = policy();
    let only = std::env::args()
        .skip_while(|argument| argument != "--only")
        .nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    for ((name, then), short) in WORLDS.into_iter().zip(["new", "next", "together"]) {
        if wanted(short) {
            by_shape(name, then, &policy);
        }
    }
    if wanted("orders") {
        orders(&policy);
    }
    if wanted("lags") {
        lags(&policy);
    }
    if wanted("ten-thousand") {
        ten_thousand(&policy);
    }
}

/// Simulates the world as often as it takes to watch about a thousand searches.
fn repeated(world: World, kind: Kind, policy: &Policy) -> Outcome {
    let mut sum = Outcome::default();
    let times = if world.then == Then::Nothing {
        1_000_usize.div_ceil(world.searches)
    } else {
        1
    };
    for seed in 0..times as u64 {
        sum.add(&simulate(world, kind, policy, SEED + seed));
    }
    sum
}

fn share(outcome: &Outcome) -> String {
    format!("{:.3} / {:.2}", outcome.requests(), outcome.delay())
}

fn heading(title: &str, first: &str, columns: &[String]) {
    println!("\n## {title}\n\n| {first} | {} |", columns.join(" | "));
    println!("| --- |{}", " --- |".repeat(columns.len()));
}

fn row(name: &str, cells: &[String]) {
    println!("| {name} | {} |", cells.join(" | "));
}

#[allow(clippy::cast_precision_loss, reason = "a count")]
fn by_shape(name: &str, then: Then, policy: &Policy) {
    let sizes: Vec<String> = SIZES.iter().map(|size| format!("{size} at once")).collect();
    let title =
        format!("Many searches, {name}: requests / mean delay as shares of a poll every 10 s");
    heading(&title, "runs", &sizes);
    let worlds = SIZES.map(|searches| World {
        searches,
        then,
        ends: if then == Then::Nothing {
            searches
        } else {
            1_000
        },
        ..PLAIN
    });
    let mut sums = vec![Outcome::default(); SIZES.len()];
    for kind in Kind::all() {
        let mut cells = Vec::new();
        for (world, sum) in worlds.iter().zip(&mut sums) {
            // A thousand take long; three shapes tell enough.
            if world.searches >= 1_000 && !THREE.contains(&kind) {
                cells.push("-".to_owned());
                continue;
            }
            let outcome = repeated(*world, kind, policy);
            cells.push(share(&outcome));
            sum.add(&outcome);
        }
        row(kind.name(), &cells);
    }
    row("mean", &sums.iter().map(share).collect::<Vec<_>>());
    let rate = |sum: &Outcome| {
        format!(
            "{:.2} + {:.2}",
            sum.pages / sum.seconds,
            sum.alone / sum.seconds
        )
    };
    row(
        "pages + polls a second",
        &sums.iter().map(rate).collect::<Vec<_>>(),
    );
    let bounds: Vec<String> = (worlds.iter().zip(&sums))
        .map(|(world, sum)| {
            let at = |delay| least_requests(world, delay);
            format!(
                "{:.3} at this delay, {:.3} at 0.60",
                at(sum.delay()),
                at(0.6)
            )
        })
        .collect();
    row("least requests if only the age is known", &bounds);
}

fn orders(policy: &Policy) {
    let names = THREE.map(|kind| kind.name().to_owned());
    for searches in [30, 100] {
        let title = format!(
            "The order of the list, and strangers' tasks, {searches} searches, each followed by a new one"
        );
        heading(&title, "list", &names);
        for order in [Order::Newest, Order::Oldest, Order::Random, Order::Shuffled] {
            for strangers in [0, 1, 10] {
                let world = World {
                    searches,
                    order,
                    strangers,
                    ..PLAIN
                };
                let cells = THREE.map(|kind| share(&simulate(world, kind, policy, SEED)));
                row(
                    &format!("{order:?}, {strangers} strangers for each"),
                    &cells,
                );
            }
        }
    }
}

fn lags(policy: &Policy) {
    let names = THREE.map(|kind| kind.name().to_owned());
    heading(
        "A list that lags, 100 searches, each followed by its next run",
        "lag",
        &names,
    );
    for lag in [0.0, 2.0, 10.0, 60.0] {
        let world = World {
            searches: 100,
            then: Then::NextRun,
            lag,
            ..PLAIN
        };
        let cells = THREE.map(|kind| share(&simulate(world, kind, policy, SEED)));
        row(&format!("{lag} s"), &cells);
    }
}

/// At the default 10 requests a second. The first poll of each task alone takes 1,000 s.
fn ten_thousand(policy: &Policy) {
    let columns = [
        "longest unseen",
        "longest delay",
        "pages + polls a second",
        "requests / delay",
        "ends",
    ];
    let title = "10,000 searches at once, each followed by its next run, a median of one hour each";
    heading(title, "runs", &columns.map(str::to_owned));
    for kind in [Kind::Steady, Kind::Steps] {
        let world = World {
            searches: 10_000,
            then: Then::NextRun,
            ends: 10_000,
            times: 10.0,
            warm_up: 2_400.0,
            until: 5_400.0,
            spread: 600.0,
            ..PLAIN
        };
        let outcome = simulate(world, kind, policy, SEED);
        let cells = [
            format!("{:.0} s", outcome.unseen),
            format!("{:.0} s", outcome.longest()),
            format!(
                "{:.2} + {:.2}",
                outcome.pages / outcome.seconds,
                outcome.alone / outcome.seconds
            ),
            share(&outcome),
            outcome.delays.len().to_string(),
        ];
        row(kind.name(), &cells);
    }
}
