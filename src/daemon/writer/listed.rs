//! A page of the list as the writer gets it: what its request brought, and what each entry does to its task.

use crate::core::plan::{Reliance, Shown};
use crate::core::policy::Policy;
use crate::core::step::Step;
use crate::core::step::listed::{Entry, listed};
use crate::core::task::Task;
use crate::core::{Failure, Observation};
use jiff::Timestamp;
use std::sync::Arc;

/// The answer to a request for a page of the list, without its entries.
#[derive(Debug, Clone)]
pub struct PageAnswer {
    /// When the request was begun.
    pub started_at: Timestamp,
    /// When it was answered, or given up.
    pub answered_at: Timestamp,
    /// Why there is no page.
    pub failure: Option<Failure>,
    /// How far the list is relied on.
    pub reliance: Reliance,
}

/// An entry of a page of the list.
#[derive(Debug)]
pub struct ListedTask {
    /// What the list shows of the task.
    pub seen: Observation,
    /// The page.
    pub page: Arc<PageAnswer>,
}

impl ListedTask {
    /// Returns what the entry does to its task, and when it was answered; none if nothing. Also what it means for the plan of
    /// requests.
    pub(super) fn judge(
        &self,
        task: &Task,
        policy: &Policy,
        now: Timestamp,
    ) -> (Option<(Timestamp, Step)>, Shown) {
        let Self { seen, page } = self;
        let entry = Entry {
            seen,
            started_at: page.started_at.min(now),
            answered_at: page.answered_at.min(now),
            reliance: page.reliance,
        };
        let (step, shown) = listed(task, &entry, policy);
        (step.map(|step| (entry.answered_at, step)), shown)
    }
}
