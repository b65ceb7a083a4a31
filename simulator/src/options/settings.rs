//! Everything about the stand-in that can be changed while it runs.

use serde::{Deserialize, Serialize};

use crate::{
    faults::{
        fault::Fault,
        rules::{Chaos, Odds},
    },
    options::semantics::Semantics,
};

/// The switches, as `PATCH /_simulator/settings` and [`crate::Simulator::settings`] set them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Virtual seconds in a real one. At 0 only `advance` moves time.
    pub speed: f64,
    /// The one token that is accepted; any if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_token: Option<String>,
    /// Credits of the account. Where they are set they run out, and asking for more is answered
    /// 402; else the account has plenty.
    pub credits: Option<u64>,
    /// What is not known about the real service.
    pub semantics: Semantics,
    /// Faults that strike by chance, each with a probability of its own.
    pub odds: Vec<Odds>,
    /// A mix of all kinds of faults.
    pub chaos: Chaos,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            speed: 1.0,
            accepted_token: None,
            credits: None,
            semantics: Semantics::default(),
            odds: Vec::new(),
            chaos: Chaos::default(),
        }
    }
}

impl Settings {
    /// Says which value makes no sense, and what would.
    ///
    /// # Errors
    ///
    /// Returns the name of the field with what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if !self.speed.is_finite() || self.speed < 0.0 {
            return Err(format!("speed: {} is not a number from 0 up", self.speed));
        }
        self.semantics.check()?;
        if self.accepted_token.as_deref() == Some("") {
            return Err("accepted_token: must not be empty; null accepts any token".to_owned());
        }
        let odds = self.odds.iter().map(|odds| ("odds", odds.probability));
        let chaos = ("chaos", self.chaos.probability);
        for (name, probability) in odds.chain([chaos]) {
            if !(0.0..=1.0).contains(&probability) {
                return Err(format!(
                    "{name}.probability: {probability} is not between 0 and 1"
                ));
            }
        }
        for fault in self.odds.iter().map(|odds| &odds.fault) {
            fault.check()?;
        }
        self.chaos.kinds.iter().flatten().try_for_each(Fault::check)
    }
}
