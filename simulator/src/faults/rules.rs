//! Which requests meet a fault: by a script, or at random.

use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{endpoint::Endpoint, faults::fault::Fault};

/// The requests that a rule applies to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Every request to the API.
    #[default]
    Any,
    /// GET of one task.
    Get,
    /// The list of tasks.
    List,
    /// The results of one task.
    Results,
    /// The creation of a task.
    Create,
    /// A resume.
    Resume,
    /// The user, or the billing.
    User,
}

impl On {
    pub(crate) fn covers(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Any => true,
            Self::Get => endpoint == Endpoint::Get,
            Self::List => endpoint == Endpoint::List,
            Self::Results => endpoint == Endpoint::Results,
            Self::Create => endpoint == Endpoint::Create,
            Self::Resume => endpoint == Endpoint::Resume,
            Self::User => matches!(endpoint, Endpoint::User | Endpoint::Billing),
        }
    }
}

impl On {
    /// Checks a fault for these requests; the error names the field.
    fn check(self, fault: &Fault) -> Result<(), String> {
        fault.check()?;
        let of_list = fault.is_of_list() && !matches!(self, Self::Any | Self::List);
        let of_results = fault.is_of_results() && !matches!(self, Self::Any | Self::Results);
        let (what, on) = match (of_list, of_results) {
            (true, _) => ("the list", "list"),
            (_, true) => ("results", "results"),
            _ => return Ok(()),
        };
        let name = fault.name();
        Err(format!(
            "fault: {name} is only for {what}; use {on} or any as the requests"
        ))
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        serde_json::from_value(name.into()).map_err(|_| {
            format!(
                "unknown requests {name:?}; use get, list, results, create, resume, user or any"
            )
        })
    }
}

/// A rule of the script: a fault for known requests.
///
/// Each request passes the rules in their order. A rule that matches it either skips it, and the next rule decides, or
/// applies its fault. The rule is removed after `times` faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The requests.
    #[serde(default)]
    pub on: On,
    /// Only requests for this task.
    #[serde(default)]
    pub task: Option<String>,
    /// How many matching requests to skip first.
    #[serde(default)]
    pub skip: u32,
    /// How often the fault is applied: 1 by default, `None` (`null`) without limit.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// The fault.
    pub fault: Fault,
}

#[allow(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn once() -> Option<u32> {
    Some(1)
}

impl Rule {
    /// Returns a rule for the next such request.
    #[must_use]
    pub fn once(on: On, fault: Fault) -> Self {
        Self {
            on,
            task: None,
            skip: 0,
            times: once(),
            fault,
        }
    }

    /// Returns a rule for each such request.
    #[must_use]
    pub fn always(on: On, fault: Fault) -> Self {
        Self {
            times: None,
            ..Self::once(on, fault)
        }
    }

    /// Restricts the rule to one task.
    #[must_use]
    pub fn of_task(mut self, task: impl Into<String>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// Checks that each value is in its range; the error names the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.on.check(&self.fault)
    }

    /// Skips this many requests first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Applies the fault this many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// A fault that requests meet at random. It has the name of the setting `odds`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odds {
    /// The requests.
    #[serde(default)]
    pub on: On,
    /// The fault.
    pub fault: Fault,
    /// The share of these requests that meet it, 0 to 1.
    pub probability: f64,
}

impl Odds {
    /// Checks that the fault is valid for these requests; the error names the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.on.check(&self.fault)
    }
}

impl FromStr for Odds {
    type Err = String;

    /// Parses `[on:]kind=probability`; the kind may be a fault in JSON.
    fn from_str(text: &str) -> Result<Self, String> {
        let (what, probability) = text
            .rsplit_once('=')
            .ok_or("a probability is missing, as in lost_after=0.1")?;
        let (on, kind) = match what.split_once(':') {
            Some((on, kind)) if !on.starts_with('{') => (on, kind),
            _ => ("any", what),
        };
        let probability = probability
            .parse()
            .ok()
            .filter(|probability| (0.0..=1.0).contains(probability))
            .ok_or_else(|| format!("{probability:?} is not a number from 0 to 1"))?;
        Ok(Self {
            on: on.parse()?,
            fault: if kind.starts_with('{') {
                serde_json::from_str(kind).map_err(|error| error.to_string())?
            } else {
                kind.parse()?
            },
            probability,
        })
    }
}

/// A mix of faults, all equally likely.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// Make a share of all requests meet a fault of any kind, 0 to 1.
    #[arg(long = "chaos", value_name = "P", default_value_t = 0.0)]
    pub probability: f64,
    /// With --chaos: also 401, 402, 403 and 429, which stop a client for all its tasks.
    #[arg(long = "chaos-account")]
    pub account: bool,
    /// The mix; by default every fault of the network and the server. The default contains no fault that ends a task
    /// for good, such as a 404.
    #[arg(skip)]
    pub kinds: Option<Vec<Fault>>,
}

impl Chaos {
    /// Returns the default mix with this probability.
    #[must_use]
    pub fn at(probability: f64) -> Self {
        Self {
            probability,
            ..Self::default()
        }
    }

    pub(crate) fn mix(&self) -> Vec<Fault> {
        let kinds = self.kinds.clone();
        let mut mix = kinds.unwrap_or_else(Fault::of_a_bad_network);
        if self.account {
            mix.extend([401, 402, 403, 429].map(Fault::status));
        }
        mix
    }
}
