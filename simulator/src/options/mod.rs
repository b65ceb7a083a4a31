//! The options of the simulator: those of its start, and those that can change while it runs.

pub(crate) mod flags;
pub(crate) mod scenario;
pub(crate) mod semantics;
pub(crate) mod settings;

use std::net::{Ipv4Addr, SocketAddr};

use self::{scenario::Scenario, settings::Settings};

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
