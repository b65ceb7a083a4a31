//! All that the server knows, behind one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) mod clock;
pub(crate) mod request_log;

use crate::{
    faults::plan::FaultPlan, options::scenario::Scenario, options::settings::Settings,
    state::clock::Clock, state::request_log::RequestLog, world::World, world::ledger::RunEntry,
};

/// The world, its clock and its switches.
#[derive(Debug)]
pub(crate) struct State {
    pub clock: Clock,
    pub settings: Settings,
    pub world: World,
    pub fault_plan: FaultPlan,
    pub requests: RequestLog,
    /// What searches are like that clients create.
    pub created: Scenario,
}

/// The state as handlers share it. The lock is never held while one waits.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

impl Shared {
    pub fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    /// A panic while it was held leaves nothing half done that a stand-in would need to hide.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a search at the present moment.
    pub fn add(&mut self, scenario: &Scenario) -> Result<String, String> {
        let now = self.clock.now();
        self.world
            .add(now, scenario, None, &self.settings.semantics)
    }

    /// The task as a GET would show it.
    pub fn inspect(&mut self, id: &str) -> Option<serde_json::Value> {
        let now = self.clock.now();
        self.world.inspect(now, id, &self.settings.semantics)
    }

    /// Every run that is over.
    pub fn runs(&mut self) -> Vec<RunEntry> {
        let now = self.clock.now();
        self.world.runs(now, &self.settings.semantics)
    }

    /// Changes settings, unless the new ones make no sense.
    pub fn set(&mut self, settings: Settings) -> Result<(), String> {
        settings.check()?;
        if settings.speed.to_bits() != self.settings.speed.to_bits() {
            self.clock.set_speed(settings.speed);
        }
        self.settings = settings;
        Ok(())
    }
}
