//! Searches that span several tasks: the next step of a search from what is wanted, its parts, their results, the ledger of
//! creates, the account and the time.
//!
//! A part grows by the rule for tasks, [`core::decide`](super::decide). The rule here, [`decide::decide`], says how far the
//! newest part grows, and when the next part is created.

pub mod answered;
pub mod create;
pub mod decide;
pub mod event;
pub mod exclusions;
pub mod list_reading;
pub mod settle;
pub mod step;

use super::progress::State;
use super::{Status, TaskId};
use create::Create;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;

/// The most tasks that a create can exclude (docs.extruct.ai, "Create discovery task").
pub const EXCLUDED_TASKS_MAX: usize = 100;

/// What the operator wants of a search: a row of `searches`.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The query of each part.
    pub query: String,
    /// The number of different companies wanted, at least 1.
    pub target: i64,
    /// A JSON array of criteria; `None`: the service infers them.
    pub criteria: Option<Value>,
    /// A JSON array of data sources; `None`: the service chooses.
    pub data_sources: Option<Value>,
    /// The domains that no part may find.
    pub exclude_domains: Vec<String>,
    /// Largest resume of a part, 1..=250; `None` means `growth.chunk`.
    pub chunk: Option<i64>,
    /// The most results that may be asked for in sum; `None` means no limit.
    pub budget: Option<i64>,
    /// Whether no request is sent for it and its parts.
    pub paused: bool,
}

/// What growd stores of a search between two decisions: a row of `search_progress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchProgress {
    /// The state of its growth.
    pub state: State,
    /// The reason for the state, for the operator.
    pub reason: Option<String>,
    /// The number of different companies over all parts.
    pub results: i64,
    /// The number of parts.
    pub parts: i64,
    /// The sum of what its creates and resumes asked for.
    pub requested: i64,
    /// When to decide again; `None`: a change of a part or an edit makes it due.
    pub next_at: Option<Timestamp>,
    /// When the state or one of the numbers last changed.
    pub changed_at: Option<Timestamp>,
    /// Creates up to this id belong to an earlier search of the same name.
    pub begun_after: i64,
    /// Refusals and losses of creates up to this id no longer count.
    pub forgiven: i64,
    /// Parts up to this number no longer end the search as stalled.
    pub forgiven_part: i64,
}

/// A company that a part found, as far as companies are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// The domain, else the name, else the result itself; with a prefix that says which.
    pub key: String,
    /// The registrable domain.
    pub domain: Option<String>,
}

/// One task of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The task.
    pub task: TaskId,
    /// `tasks.part`, from 1.
    pub number: i64,
    /// `tasks.target`.
    pub target: i64,
    /// Whether the part itself is paused.
    pub paused: bool,
    /// `progress.state`.
    pub state: State,
    /// `progress.reason`.
    pub reason: Option<String>,
    /// The status that the newest poll showed.
    pub status: Option<Status>,
    /// Whether it is not polled any more, so that its state is final until something is changed.
    pub is_settled: bool,
    /// `num_results` as the newest poll showed it.
    pub results: i64,
    /// `num_results` at the last complete reading of its results; 0 if there was none.
    pub results_at_reading: i64,
    /// Whether the last complete reading of its results is of its present counters.
    pub is_read: bool,
    /// Why its results could not be read.
    pub results_error: Option<String>,
    /// What was read of it and is not gone.
    pub companies: Vec<Company>,
}

/// Everything that a decision about a search needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Its name.
    pub name: String,
    /// What the operator wants.
    pub wanted: Wanted,
    /// Its row of `search_progress`.
    pub progress: SearchProgress,
    /// Its parts, in their order.
    pub parts: Vec<Part>,
    /// The newest create, if any. Only the newest can be open.
    pub create: Option<Create>,
    /// Creates that were lost, not sent, or rejected for no documented reason, since one last arrived or since
    /// `growd search retry`.
    pub failures: u32,
    /// The sum of what its creates and the resumes of its parts asked for, or may have.
    pub requested: i64,
}

impl Search {
    /// Returns the number of different companies over all parts.
    #[must_use]
    pub fn companies(&self) -> i64 {
        let companies = self.parts.iter().flat_map(|part| &part.companies);
        let keys: HashSet<&str> = companies.map(|company| company.key.as_str()).collect();
        i64::try_from(keys.len()).unwrap_or(i64::MAX)
    }

    /// Returns how many companies are missing to the target.
    #[must_use]
    pub fn missing(&self) -> i64 {
        self.wanted.target.saturating_sub(self.companies())
    }

    /// Returns the newest part.
    #[must_use]
    pub fn newest(&self) -> Option<&Part> {
        self.parts.last()
    }

    /// Returns whether the newest part found a company that no earlier part had.
    #[must_use]
    pub fn newest_brought_any(&self) -> bool {
        let Some((newest, earlier)) = self.parts.split_last() else {
            return false;
        };
        let known: HashSet<&str> = earlier
            .iter()
            .flat_map(|part| &part.companies)
            .map(|company| company.key.as_str())
            .collect();
        let mut found = newest.companies.iter();
        found.any(|company| !known.contains(company.key.as_str()))
    }

    /// Returns what is left of the budget; `None` means no limit.
    #[must_use]
    pub fn budget_left(&self) -> Option<i64> {
        let budget = self.wanted.budget?;
        Some(budget.saturating_sub(self.requested).max(0))
    }

    /// Returns the number of the next part.
    #[must_use]
    pub fn next_part(&self) -> i64 {
        self.newest()
            .map_or(0, |part| part.number)
            .saturating_add(1)
    }
}
