//! What a decision does to a search: the new row of `search_progress`, the ledger and the events, composed.

use super::create::Create;
use super::decide::{Decision, Next, decide};
use super::event::SearchEvent;
use super::{Part, Search, SearchProgress};
use crate::core::policy::Policy;
use crate::core::progress::State;
use crate::core::spending::Account;
use crate::core::{TaskId, after};
use jiff::Timestamp;

/// What is to be stored, and what is to be done once it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The new row of `search_progress`.
    pub progress: SearchProgress,
    /// The new `tasks.target` of the part that is the newest before this step.
    pub part_target: Option<(TaskId, i64)>,
    /// The newest row of the ledger, if it changed.
    pub create: Option<Create>,
    /// A create to write down as `intended`, and to send once that is durable.
    pub intended: Option<Create>,
    /// The task to add as a part of the search.
    pub part: Option<NewPart>,
    /// What to ask the service for, once this is stored.
    pub asks: Asks,
    /// Rows of `events`, in their order.
    pub events: Vec<SearchEvent>,
}

/// A task that a create made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// The task.
    pub task: TaskId,
    /// Its number in the search.
    pub part: i64,
    /// Its target.
    pub target: i64,
}

/// What a decision needs of the service besides a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// The list of tasks, to settle the open create.
    List,
    /// The account's credits.
    Credits,
}

impl Step {
    pub(super) fn of(search: &Search) -> Self {
        Self {
            progress: search.progress.clone(),
            part_target: None,
            create: None,
            intended: None,
            part: None,
            asks: Asks::Nothing,
            events: Vec::new(),
        }
    }

    pub(super) fn record(&mut self, event: SearchEvent) {
        self.events.push(event);
    }

    pub(super) fn enter(&mut self, state: State, reason: String, at: Timestamp) {
        let from = self.progress.state;
        if from != state {
            self.progress.changed_at = Some(at);
            self.record(SearchEvent::State {
                from,
                to: state,
                reason: Some(reason.clone()),
            });
        }
        self.progress.state = state;
        self.progress.reason = Some(reason);
    }

    /// Sets how far `part` grows.
    pub(super) fn set_target(&mut self, part: &Part, to: i64) {
        self.record(SearchEvent::PartTarget {
            part: part.number,
            task_id: part.task.to_string(),
            from: part.target,
            to,
        });
        self.part_target = Some((part.task.clone(), to));
    }

    /// Writes down what the search has now.
    fn count(&mut self, search: &Search, at: Timestamp) {
        let now = (
            search.companies(),
            i64::try_from(search.parts.len()).unwrap_or(i64::MAX),
            search.requested,
        );
        let progress = &mut self.progress;
        if now != (progress.results, progress.parts, progress.requested) {
            progress.changed_at = Some(at);
        }
        (progress.results, progress.parts, progress.requested) = now;
    }
}

/// Returns what the rule decides about a search, as a step.
#[must_use]
pub fn next_step(search: &Search, account: &Account<'_>, policy: &Policy) -> Step {
    let Decision {
        state,
        reason,
        part_target,
        next,
    } = decide(search, account, policy);
    let now = account.now;
    let mut step = Step::of(search);
    step.count(search, now);
    step.enter(state, reason, now);
    if let (Some(to), Some(part)) = (part_target, search.newest()) {
        step.set_target(part, to);
    }
    step.progress.next_at = match next {
        Next::Create(desired, exclusions) => {
            let part = search.next_part();
            let body = exclusions.body(search, desired);
            let create = Create::intended(account.next_id, desired, part, body, now);
            step.record(SearchEvent::CreateIntended {
                create: create.request.id,
                part,
                requested: desired,
            });
            step.progress.requested = step.progress.requested.saturating_add(desired);
            step.intended = Some(create);
            // If the process dies before the answer is stored, the reading of the list that settles the create is due soon.
            Some(now)
        }
        Next::ReadList => {
            step.asks = Asks::List;
            Some(after(now, policy.polling.min_interval))
        }
        Next::AskCredits => {
            step.asks = Asks::Credits;
            // Another pass may be asking already.
            Some(after(now, policy.polling.min_interval))
        }
        Next::At(at) => Some(at),
        Next::Change => None,
    };
    step
}
