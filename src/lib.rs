//! growd grows each Extruct Deep Search task to its target size.

pub mod config;
pub mod core;
pub mod daemon;
pub mod extruct;
pub mod logging;
pub mod simulator;
pub mod store;
pub mod token;
