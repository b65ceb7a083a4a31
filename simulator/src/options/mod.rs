//! What the stand-in is started with, and what can be changed while it runs.

pub(crate) mod flags;
pub(crate) mod scenario;
pub(crate) mod semantics;
pub(crate) mod settings;

use std::net::{Ipv4Addr, SocketAddr};

use crate::options::{scenario::Scenario, settings::Settings};

/// How to start the stand-in.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// From which everything follows that is left to chance.
    pub seed: u64,
    /// What can also be changed later on.
    pub settings: Settings,
    /// The searches to start with.
    pub tasks: Vec<Scenario>,
    /// What searches are like that clients create; their own query and size come on top.
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
