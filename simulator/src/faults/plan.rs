//! The fault plan: selects the fault of a request, by the script or at random.

use rand::{RngExt as _, rngs::StdRng};

use crate::{
    endpoint::Endpoint,
    faults::{
        fault::Fault,
        rules::{Chaos, Odds, Rule},
    },
    random::seeded_rng,
};

/// The script, and the random source for requests that the script does not cover.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    pub script: Vec<Rule>,
    rng: StdRng,
}

impl FaultPlan {
    pub fn new(seed: u64) -> Self {
        Self {
            script: Vec::new(),
            // No task has this number.
            rng: seeded_rng(seed, u64::MAX),
        }
    }

    /// Returns the fault of this request, if any.
    pub fn pick(
        &mut self,
        endpoint: Endpoint,
        task: Option<&str>,
        odds: &[Odds],
        chaos: &Chaos,
    ) -> Option<Fault> {
        self.scripted(endpoint, task)
            .or_else(|| self.random(endpoint, odds, chaos))
    }

    fn scripted(&mut self, endpoint: Endpoint, task: Option<&str>) -> Option<Fault> {
        let index = self.script.iter_mut().position(|rule| {
            let matches = rule.on.covers(endpoint)
                && rule.fault.is_possible_at(endpoint)
                && (rule.task.is_none() || rule.task.as_deref() == task)
                && rule.times != Some(0);
            if matches && rule.skip > 0 {
                rule.skip -= 1;
                return false;
            }
            matches
        })?;
        let rule = &mut self.script[index];
        let fault = rule.fault.clone();
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                self.script.remove(index);
            }
        }
        Some(fault)
    }

    fn random(&mut self, endpoint: Endpoint, odds: &[Odds], chaos: &Chaos) -> Option<Fault> {
        for odds in odds
            .iter()
            .filter(|odds| odds.on.covers(endpoint) && odds.fault.is_possible_at(endpoint))
        {
            if self.rng.random_bool(odds.probability) {
                return Some(odds.fault.clone());
            }
        }
        if chaos.probability == 0.0 || !self.rng.random_bool(chaos.probability) {
            return None;
        }
        let mut mix = chaos.mix();
        mix.retain(|fault| fault.is_possible_at(endpoint));
        (!mix.is_empty()).then(|| mix.swap_remove(self.rng.random_range(0..mix.len())))
    }
}
