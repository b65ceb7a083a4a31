//! The settings that can change while the simulator runs.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    faults::{
        fault::Fault,
        rules::{Chaos, Odds},
    },
    options::semantics::Semantics,
};

/// The settings that `PATCH /_simulator/settings` and [`crate::Simulator::settings`] change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Simulated seconds per real second; at 0 only POST /_simulator/advance moves time.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// The only token that is accepted [default: any].
    #[arg(long, value_name = "TOKEN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_token: Option<String>,
    /// Credits of the account; a result costs one, and without credits, creates and resumes are answered 402
    /// [default: 10000, never refused].
    #[arg(long, value_name = "N")]
    pub credits: Option<u64>,
    /// The undocumented behaviour of the service.
    #[command(flatten)]
    pub semantics: Semantics,
    /// Faults that requests meet at random, each with its own probability.
    #[arg(
        long = "fault",
        value_name = "[ON:]KIND=PROBABILITY",
        help = "Make a share of the requests meet this fault; can be repeated",
        long_help = super::flags::FAULT_HELP
    )]
    pub odds: Vec<Odds>,
    /// Faults of all kinds that requests meet at random.
    #[command(flatten)]
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
    /// Checks that each value is in its range.
    ///
    /// # Errors
    ///
    /// Names the invalid field, its value and the allowed values.
    pub fn check(&self) -> Result<(), String> {
        if !self.speed.is_finite() || self.speed < 0.0 {
            return Err(format!(
                "speed: {} is not a number of at least 0",
                self.speed
            ));
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
        let odds = self.odds.iter().map(|odds| &odds.fault);
        let chaos = self.chaos.kinds.iter().flatten();
        odds.chain(chaos).try_for_each(Fault::check)
    }
}
