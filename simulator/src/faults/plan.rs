//! The fault plan: which fault a request meets, by the script or at random.

use rand::{RngExt as _, rngs::StdRng};

use crate::{
    endpoint::Endpoint,
    faults::{
        fault::Fault,
        rules::{Chaos, Odds, Rule},
    },
    random::seeded_rng,
};

/// The script, and the dice for all that is not in it.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    pub script: Vec<Rule>,
    rng: StdRng,
}

impl FaultPlan {
    pub fn new(seed: u64) -> Self {
        Self {
            script: Vec::new(),
            // A place that no task's number reaches.
            rng: seeded_rng(seed, u64::MAX),
        }
    }

    /// What goes wrong with this request, if anything.
    pub fn pick(
        &mut self,
        endpoint: Endpoint,
        task: Option<&str>,
        odds: &[Odds],
        chaos: &Chaos,
    ) -> Option<Fault> {
        self.scripted(endpoint, task)
            .or_else(|| self.drawn(endpoint, odds, chaos))
    }

    fn scripted(&mut self, endpoint: Endpoint, task: Option<&str>) -> Option<Fault> {
        let striking = self.script.iter_mut().position(|rule| {
            let meant = rule.on.covers(endpoint)
                && (rule.task.is_none() || rule.task.as_deref() == task)
                && rule.times != Some(0);
            if meant && rule.skip > 0 {
                rule.skip -= 1;
                return false;
            }
            meant
        })?;
        let rule = &mut self.script[striking];
        let fault = rule.fault.clone();
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                self.script.remove(striking);
            }
        }
        Some(fault)
    }

    fn drawn(&mut self, endpoint: Endpoint, odds: &[Odds], chaos: &Chaos) -> Option<Fault> {
        for odds in odds.iter().filter(|odds| odds.on.covers(endpoint)) {
            if self.rng.random_bool(odds.probability) {
                return Some(odds.fault.clone());
            }
        }
        if chaos.probability == 0.0 || !self.rng.random_bool(chaos.probability) {
            return None;
        }
        let mut mix = chaos.mix();
        (!mix.is_empty()).then(|| mix.swap_remove(self.rng.random_range(0..mix.len())))
    }
}
