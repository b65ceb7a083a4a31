//! The options of the simulator: those of its start, and those that can change while it runs.

mod flags;
mod scenario;
mod semantics;
mod settings;

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, Command};

pub(crate) use self::scenario::MAX_CANDIDATES;
pub use self::{
    flags::Flags,
    scenario::{FailAt, Scenario, Shape},
    semantics::{
        CapCounts, Creates, Desired, Excess, Exclusions, Falls, ListOrder, ListShows, RefusalBody,
        ResultsOrder, Scores, Semantics, WhileRunning,
    },
    settings::Settings,
};

/// How to start the simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The address to listen on; port 0 selects a free port.
    pub listen: SocketAddr,
    /// The seed of everything random.
    pub seed: u64,
    /// The settings that can change while the simulator runs.
    pub settings: Settings,
    /// The tasks to start with.
    pub tasks: Vec<Scenario>,
    /// The scenario of tasks that clients create. The request sets their query and size.
    pub created: Scenario,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            seed: 1,
            settings: Settings::default(),
            tasks: Vec::new(),
            created: Scenario::default(),
        }
    }
}

/// Returns the options of a command line without flags, so that each default is defined once, at its flag.
fn without_flags<T: Args>() -> T {
    let command = T::augment_args(Command::new("defaults"));
    let matches = command.try_get_matches_from(["defaults"]);
    let options = matches.and_then(|matches| T::from_arg_matches(&matches));
    options.expect("every flag has a default value")
}
