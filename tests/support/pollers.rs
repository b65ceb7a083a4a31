//! Pollers that watch runs in virtual time: growd's rule, and a fixed interval.

#![allow(dead_code, reason = "each user takes a part of it")]

use super::runs::{Draws, Kind, Watched};
use growd::core::gate::Admission;
use growd::core::observation::Observation;
use growd::core::pace::{Memory, RULE, Rule, Run};
use growd::core::policy::Polling;
use growd::core::spending::{Account, Allowance, Credits};
use growd::core::{after, since};
use jiff::Timestamp;
use std::time::Duration;

/// The default intervals.
pub const POLLING: Polling = Polling {
    min_interval: Duration::from_secs(5),
    max_interval: Duration::from_mins(1),
    quiet_after: Duration::from_hours(6),
    list_page: 100,
};

/// Seconds from the creation of a task to its first poll.
pub const FIRST_POLL: f64 = 0.2;

/// Polls one run: returns the time of the next poll, in seconds since the run's start.
pub trait Poller {
    fn next(&mut self, seen: &Observation, now: f64) -> f64;
}

/// growd's rule, or the same with other constants.
pub struct Growd {
    rule: Rule,
    memory: Option<Memory>,
}

impl Growd {
    pub fn new() -> Self {
        Self::with(RULE)
    }

    pub fn with(rule: Rule) -> Self {
        Self { rule, memory: None }
    }
}

impl Poller for Growd {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        let run = Run {
            started_at: start(),
            results_at_start: 0,
            goal: seen.desired,
            memory: self.memory.as_ref(),
        };
        let paced = self.rule.next_poll(&run, seen, at(now), &POLLING);
        self.memory = Some(paced.memory);
        since(start(), paced.at).as_secs_f64()
    }
}

/// growd's rule, which loses its memory at every `every`th poll.
pub struct Forgetful {
    growd: Growd,
    every: u32,
    polls: u32,
}

impl Forgetful {
    pub fn new(every: u32) -> Self {
        Self {
            growd: Growd::new(),
            every,
            polls: 0,
        }
    }
}

impl Poller for Forgetful {
    fn next(&mut self, seen: &Observation, now: f64) -> f64 {
        self.polls += 1;
        if self.polls.is_multiple_of(self.every) {
            self.growd.memory = None;
        }
        self.growd.next(seen, now)
    }
}

/// Polls at a fixed interval in seconds.
pub struct Fixed(pub f64);

impl Poller for Fixed {
    fn next(&mut self, _: &Observation, now: f64) -> f64 {
        now + self.0
    }
}

pub fn start() -> Timestamp {
    "2026-11-24T02:22:00Z".parse().expect("a time")
}

/// Returns an account that admits everything.
pub fn account(now: Timestamp) -> Account<'static> {
    Account {
        admission: Admission::Free,
        gate_reason: "",
        allowance: Allowance::UNLIMITED,
        credits: Credits::Off,
        reachable_since: start(),
        draining: false,
        now,
        next_id: 1,
    }
}

pub fn at(seconds: f64) -> Timestamp {
    after(start(), Duration::from_secs_f64(seconds))
}

/// The cost of one run.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Polls, with the one that shows `done`.
    pub polls: f64,
    /// Seconds from `done` to that poll.
    pub delay: f64,
}

/// Watches a run to its end.
pub fn watch(run: &mut dyn Watched, poller: &mut dyn Poller) -> Outcome {
    let (mut now, mut polls) = (FIRST_POLL, 1.0);
    loop {
        let seen = run.seen(now);
        if !seen.status.is_running() {
            let delay = now - run.seconds();
            return Outcome { polls, delay };
        }
        now = poller.next(&seen, now);
        polls += 1.0;
    }
}

/// Polls and delays of many runs.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    polls: f64,
    delays: Vec<f64>,
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand runs"
)]
impl Sum {
    pub fn add(&mut self, outcome: Outcome) {
        self.polls += outcome.polls;
        self.delays.push(outcome.delay);
    }

    /// Mean number of polls of a run.
    pub fn polls(&self) -> f64 {
        self.polls / self.delays.len() as f64
    }

    /// Mean delay, in seconds.
    pub fn delay(&self) -> f64 {
        self.delays.iter().sum::<f64>() / self.delays.len() as f64
    }

    /// The 95th percentile of the delay, in seconds.
    pub fn delay_95(&self) -> f64 {
        let mut sorted = self.delays.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) * 95 / 100]
    }
}

/// Watches `runs` runs of one kind, drawn from a seed, each with a new poller.
pub fn watch_all<P: Poller>(kind: Kind, runs: u32, seed: u64, poller: impl Fn() -> P) -> Sum {
    let (mut draws, mut sum) = (Draws::new(seed), Sum::default());
    for _ in 0..runs {
        sum.add(watch(&mut kind.draw(&mut draws), &mut poller()));
    }
    sum
}
