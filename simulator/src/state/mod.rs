//! The state that all requests share, behind one lock.

mod clock;
mod request_log;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub(crate) use self::clock::Clock;
pub use self::request_log::{PageRequest, RequestEntry, RequestLog};
use crate::{
    faults::FaultPlan,
    options::{Scenario, Settings},
    world::{RunEntry, World},
};

/// The world, its clock and its settings.
#[derive(Debug)]
pub(crate) struct State {
    pub clock: Clock,
    pub settings: Settings,
    pub world: World,
    pub fault_plan: FaultPlan,
    pub requests: RequestLog,
    /// The scenario of tasks that clients create.
    pub created: Scenario,
}

/// The state as handlers share it. No handler holds the lock across an `await`.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

impl Shared {
    pub fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a task now.
    pub fn add(&mut self, scenario: &Scenario) -> Result<String, String> {
        let now = self.clock.now();
        self.world
            .add(now, scenario, None, &self.settings.semantics)
    }

    /// Returns the task as a GET would show it.
    pub fn inspect(&mut self, id: &str) -> Option<Value> {
        let now = self.clock.now();
        self.world.inspect(now, id, &self.settings.semantics)
    }

    /// Returns every finished run.
    pub fn runs(&mut self) -> Vec<RunEntry> {
        let now = self.clock.now();
        self.world.runs(now, &self.settings.semantics)
    }

    /// Replaces the settings if the new ones are valid.
    pub fn set(&mut self, settings: Settings) -> Result<(), String> {
        settings.check()?;
        if settings.speed.to_bits() != self.settings.speed.to_bits() {
            self.clock.set_speed(settings.speed);
        }
        self.settings = settings;
        Ok(())
    }
}
