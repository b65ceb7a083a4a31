//! Many searches at once, in virtual time: the plan of requests, the steps and the pace as the daemon composes them, on a
//! model of the service's list.

mod bound;
mod model;
mod tables;

pub use tables::print;

use crate::pollers::{at, start};
use crate::runs::Kind;
use growd::core::policy::Policy;
use growd::core::since;
use jiff::Timestamp;
use model::Model;

/// What follows a search that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the searches begin together.
    Nothing,
    /// A new search; the old one stays in the list.
    NewTask,
    /// The next run of the same task, as after a resume.
    NextRun,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest task first.
    Newest,
    /// The oldest task first.
    Oldest,
    /// Any order, which stays.
    Random,
    /// Another order for each page.
    Shuffled,
}

/// The searches, and the service's list.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Searches at once.
    pub searches: usize,
    /// What follows a search that ends.
    pub then: Then,
    /// The order of the list.
    pub order: Order,
    /// Tasks of strangers for each own task at the beginning.
    pub strangers: usize,
    /// Searches to watch to their end; where searches follow each other, those that end after the warm-up.
    pub ends: usize,
    /// Seconds after which requests and delays count where searches follow each other.
    pub warm_up: f64,
    /// The end of the simulation, in seconds, if not all searches have ended before.
    pub until: f64,
    /// How far the list is behind, in seconds.
    pub lag: f64,
    /// Factor on the durations of the runs.
    pub times: f64,
    /// The searches are added over this time, in seconds.
    pub spread: f64,
}

/// One search, the newest tasks first.
pub const PLAIN: World = World {
    searches: 1,
    then: Then::NewTask,
    order: Order::Newest,
    strangers: 0,
    ends: 1_000,
    warm_up: 600.0,
    until: f64::INFINITY,
    lag: 0.0,
    times: 1.0,
    spread: 0.0,
};

/// What the searches cost.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Pages read.
    pub pages: f64,
    /// Polls of single tasks.
    pub alone: f64,
    /// Requests of a poller that looks at each search every 10 s.
    pub fixed: f64,
    /// Seconds from the end of each run to the poll that shows it.
    pub delays: Vec<f64>,
    /// The longest time in which a running task was not seen, in seconds.
    pub unseen: f64,
    /// The time in which this was counted, in seconds.
    pub seconds: f64,
}

#[allow(clippy::cast_precision_loss, reason = "a count")]
impl Outcome {
    /// Returns requests as a share of those of the fixed poller.
    pub fn requests(&self) -> f64 {
        (self.pages + self.alone) / self.fixed
    }

    /// Returns the mean delay as a share of that of the fixed poller.
    pub fn delay(&self) -> f64 {
        self.delays.iter().sum::<f64>() / self.delays.len() as f64 / 5.0
    }

    /// Returns the longest delay in seconds.
    pub fn longest(&self) -> f64 {
        self.delays.iter().copied().fold(0.0, f64::max)
    }

    /// Adds those of other searches.
    pub fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.alone += other.alone;
        self.fixed += other.fixed;
        self.delays.extend(&other.delays);
        self.unseen = self.unseen.max(other.unseen);
        self.seconds += other.seconds;
    }
}

/// Watches searches of one kind, as many requests a second as the policy's default allows (10).
pub fn simulate(world: World, kind: Kind, policy: &Policy, seed: u64) -> Outcome {
    let mut model = Model::new(world, kind, policy, seed);
    let (mut now, mut slot, mut pages_first) = (0.2, 0.0_f64, false);
    let mut counted_from = (world.then != Then::Nothing).then_some(world.warm_up);
    while now < world.until && !(counted_from.is_none() && model.is_over()) {
        if counted_from.is_some_and(|from| now > from) {
            counted_from = None;
            model.forget(now);
        }
        let mut next = f64::INFINITY;
        loop {
            if now + 1e-9 < slot {
                next = slot;
                break;
            }
            pages_first = !pages_first;
            let sent = if pages_first {
                model.reads_page(now) || model.polls(now)
            } else {
                model.polls(now) || model.reads_page(now)
            };
            if !sent {
                break;
            }
            slot = slot.max(now) + 0.1;
        }
        next = next.min(model.next_due(now));
        if next.is_infinite() {
            break;
        }
        now = if next <= now { now + 0.05 } else { next + 1e-6 };
    }
    model.outcome(now)
}

fn seconds(time: Timestamp) -> f64 {
    since(start(), time).as_secs_f64()
}

/// Returns the default policy, without the cap on one task.
pub fn policy() -> Policy {
    growd::config::Settings::from_toml("a bench", "growth.task_cap = 1000000")
        .expect("valid settings")
        .policy
}
