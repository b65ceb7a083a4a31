//! Who decides that a request goes wrong: a script first, then chance.

use serde::{Deserialize, Serialize};

use crate::{endpoint::Endpoint, faults::fault::Fault};

/// The requests that a fault is meant for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Every request to the API.
    #[default]
    Any,
    /// One task.
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

/// A fault that strikes at a known request.
///
/// Each request goes through the rules in their order. A rule that it matches either counts it as
/// one to skip and lets it go on to the next rule, or strikes, and is gone after `times` strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub on: On,
    /// Only those about this task.
    #[serde(default)]
    pub task: Option<String>,
    /// How many of them to leave alone first.
    #[serde(default)]
    pub skip: u32,
    /// How many to strike; `None` (`null`) is all from then on. Once if left out.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// What happens to them.
    pub fault: Fault,
}

#[allow(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn once() -> Option<u32> {
    Some(1)
}

impl Rule {
    /// Strikes once, at the next such request.
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

    /// Strikes at each such request.
    #[must_use]
    pub fn always(on: On, fault: Fault) -> Self {
        Self {
            times: None,
            ..Self::once(on, fault)
        }
    }

    /// The same, for requests about one task only.
    #[must_use]
    pub fn of_task(mut self, task: impl Into<String>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// The same, after so many requests that go well.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// A fault that strikes by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Odds {
    /// Which requests.
    #[serde(default)]
    pub on: On,
    /// What happens to them.
    pub fault: Fault,
    /// The share of such requests, 0 to 1.
    pub probability: f64,
}

/// A mix of faults: each request meets one with this probability, all of them equally often.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// The share of all requests that meet a fault, 0 to 1.
    pub probability: f64,
    /// Whether 401, 402, 403 and 429 are in the splitmix64, which stop a client for all its tasks.
    pub account: bool,
    /// The mix; all that a bad network or a bad day brings if not given. Never in that: what
    /// ends a task for good, such as a 404.
    pub kinds: Option<Vec<Fault>>,
}

impl Chaos {
    /// The usual splitmix64, at this probability.
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
            mix.extend(Fault::of_the_account());
        }
        mix
    }
}
