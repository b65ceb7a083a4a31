//! The rule: decides a search's next step from its parts, their results, the ledger of creates and the account.
//!
//! It is level-triggered, as the rule for tasks is. `Standing` names what can be true of the newest part, and each arm of
//! [`decide`] is a row of the table of states in the documentation.

use super::exclusions::Exclusions;
use super::{Part, Search};
use crate::core::gate::Request;
use crate::core::paid_request::RequestState;
use crate::core::policy::Policy;
use crate::core::resume::RESUME_MAX;
use crate::core::spending::{Account, Wait, may_spend};
use crate::core::{State, Status, after, decide as of_task, pace, settle};
use jiff::Timestamp;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Create the next part, of so many results, with these exclusions.
    Create(i64, Exclusions),
    /// Read the list of tasks: a create is open.
    ReadList,
    /// Ask for the account's credits, and decide again.
    AskCredits,
    /// Decide again at this time.
    At(Timestamp),
    /// Nothing is due until a part, its results or the search is changed.
    Change,
}

/// A search's state, the reason, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The state.
    pub state: State,
    /// The reason, as text for the operator.
    pub reason: String,
    /// What `tasks.target` of the newest part is to be, if that changes.
    pub part_target: Option<i64>,
    /// The next step.
    pub next: Next,
}

/// What is true of the newest part of a search that has not reached its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There is no part.
    None,
    /// It is paused, and the search is not.
    Paused,
    /// The service does not know it.
    Missing,
    /// It grows, or its end is not certain.
    AtWork,
    /// It has ended, and its results are not read.
    Unread,
    /// The service has no more for this query with these exclusions.
    Exhausted,
    /// The service says failed.
    Failed,
    /// It found no company that the search did not have.
    Barren,
    /// It reached its own target, below the cap on a task.
    Open,
    /// It cannot grow any more.
    Full,
}

impl Standing {
    fn of(search: &Search, policy: &Policy) -> Self {
        let Some(part) = search.newest() else {
            return Self::None;
        };
        let is_running = part.status.as_ref().is_none_or(Status::is_running);
        let is_barren = part.number > search.progress.forgiven_part && !search.newest_brought_any();
        match part.state {
            State::Missing => Self::Missing,
            _ if part.paused => Self::Paused,
            _ if !part.state.is_end() || is_running || !part.is_settled => Self::AtWork,
            _ if !part.is_read => Self::Unread,
            State::Exhausted => Self::Exhausted,
            State::Failed => Self::Failed,
            _ if part.status == Some(Status::Failed) => Self::Failed,
            _ if is_barren => Self::Barren,
            State::Reached if part.results < policy.growth.task_cap => Self::Open,
            State::Reached
            | State::Capped
            | State::Refused
            | State::Stalled
            | State::Pending
            | State::Growing => Self::Full,
        }
    }
}

/// Decides the next step of a search.
#[must_use]
pub fn decide(search: &Search, account: &Account<'_>, policy: &Policy) -> Decision {
    let companies = search.companies();
    let target = search.wanted.target;
    let so_far = format!("{companies} of {target} companies");
    let growing = |reason: String, next| Decision {
        state: State::Growing,
        reason,
        part_target: None,
        next,
    };
    let ended = |state, reason: String| Decision {
        state,
        reason,
        part_target: None,
        next: Next::Change,
    };
    if search.wanted.paused {
        return Decision {
            state: search.progress.state,
            reason: "paused".to_owned(),
            part_target: None,
            next: Next::Change,
        };
    }
    if let Some(create) = search.create.as_ref().filter(|create| create.is_open()) {
        let part = create.part;
        let reason =
            format!("part {part} was asked for without an answer: looking for it in the list");
        return growing(reason, Next::ReadList);
    }
    if companies >= target {
        // If the target was lowered, the newest part would grow on to what it was to bring.
        let surplus = search.newest().filter(|part| part.target > part.results);
        let to = surplus.and_then(|part| part_target(search, part, policy));
        return Decision {
            part_target: to.filter(|to| surplus.is_some_and(|part| *to < part.target)),
            ..ended(State::Reached, so_far)
        };
    }
    if let Some(why) = refusal(search) {
        return ended(State::Refused, why);
    }
    if !policy.keeps_results {
        let reason = "waiting: results.keep is off, so companies cannot be told apart".to_owned();
        let state = if search.parts.is_empty() {
            State::Pending
        } else {
            State::Growing
        };
        return Decision {
            state,
            ..growing(
                reason,
                Next::At(after(account.now, policy.polling.max_interval)),
            )
        };
    }
    let standing = Standing::of(search, policy);
    let Some(part) = search.newest().filter(|_| standing != Standing::None) else {
        return create(search, account, policy, &so_far);
    };
    let number = part.number;
    let reason_of_part = part.reason.clone().unwrap_or_default();
    match standing {
        Standing::Paused => growing(format!("part {number} is paused"), Next::Change),
        Standing::Missing => ended(
            State::Missing,
            format!("part {number} is missing: {reason_of_part}"),
        ),
        Standing::AtWork => Decision {
            part_target: part_target(search, part, policy),
            ..growing(format!("part {number}: {reason_of_part}"), Next::Change)
        },
        Standing::Unread => growing(unread(part), Next::Change),
        Standing::Exhausted => ended(
            State::Exhausted,
            format!("{so_far}: the service has no more, says part {number}"),
        ),
        Standing::Failed => ended(
            State::Failed,
            format!("{so_far}: part {number} failed: {reason_of_part}"),
        ),
        Standing::Barren => ended(
            State::Stalled,
            format!("{so_far}: part {number} brought no company that the search did not have"),
        ),
        Standing::Open | Standing::Full if search.budget_left() == Some(0) => {
            ended(State::Stalled, used_up(search, &so_far))
        }
        Standing::Open => match part_target(search, part, policy) {
            Some(part_target) => Decision {
                part_target: Some(part_target),
                ..growing(format!("{so_far}: part {number} grows on"), Next::Change)
            },
            None => growing(format!("part {number}: {reason_of_part}"), Next::Change),
        },
        Standing::Full | Standing::None => create(search, account, policy, &so_far),
    }
}

/// Returns why the service, or growd, does not go on with creates.
fn refusal(search: &Search) -> Option<String> {
    let create = search.create.as_ref()?;
    if create.request.id <= search.progress.forgiven {
        return None;
    }
    if create.request.refusal {
        let words = create
            .request
            .detail
            .as_deref()
            .unwrap_or("no reason given");
        let status = create.request.http_status.unwrap_or_default();
        return Some(format!(
            "the service refused part {}: {status}: {words}",
            create.part
        ));
    }
    let task = create.task.as_ref()?;
    let is_missing = !search.parts.iter().any(|part| part.task == *task);
    (is_missing && create.request.state == RequestState::Accepted).then(|| {
        format!(
            "the service answered the create of part {} with task {task}, which is not a part of this search",
            create.part
        )
    })
}

/// Returns what the target of the newest part is to be: what it had when its results were last read, and what is missing since.
/// `None` if it is that already.
fn part_target(search: &Search, part: &Part, policy: &Policy) -> Option<i64> {
    let wanted = part.results_at_reading.saturating_add(search.missing());
    let wanted = wanted.clamp(1, policy.growth.task_cap.max(1));
    (wanted != part.target).then_some(wanted)
}

fn unread(part: &Part) -> String {
    let number = part.number;
    match &part.results_error {
        Some(error) => format!("the results of part {number} are to be read: {error}"),
        None => format!("the results of part {number} are being read"),
    }
}

fn used_up(search: &Search, so_far: &str) -> String {
    format!(
        "{so_far}: its budget ({}) is used up by {} requested results",
        search.wanted.budget.unwrap_or_default(),
        search.requested
    )
}

/// Decides whether the next part is created now.
fn create(search: &Search, account: &Account<'_>, policy: &Policy, so_far: &str) -> Decision {
    let growth = &policy.growth;
    let decision = |state, reason: String, next| Decision {
        state,
        reason,
        part_target: None,
        next,
    };
    let growing = |reason, next| decision(State::Growing, reason, next);
    if search.budget_left() == Some(0) {
        return decision(State::Stalled, used_up(search, so_far), Next::Change);
    }
    let exclusions = Exclusions::of(search);
    if let Some(excess) = exclusions.excess(growth.exclude_cap) {
        let reason = format!("{so_far}: {excess}");
        return decision(State::Capped, reason, Next::Change);
    }
    let now = account.now;
    match may_spend(
        Request::Create,
        held_until(search, policy, now),
        account,
        growth,
    ) {
        Ok(limit) => {
            let desired = (search.missing())
                .min(growth.task_cap)
                .min(RESUME_MAX)
                .min(limit.unwrap_or(RESUME_MAX))
                .min(search.budget_left().unwrap_or(RESUME_MAX))
                .max(1);
            let reason = format!(
                "{so_far}: asked for part {} of {desired}",
                search.next_part()
            );
            growing(reason, Next::Create(desired, exclusions))
        }
        Err(Wait { reason, next }) => {
            let next = match next {
                of_task::Next::At(at) | of_task::Next::Limit(at) => Next::At(at),
                of_task::Next::AskCredits => Next::AskCredits,
                of_task::Next::Due => Next::At(now),
                of_task::Next::Resume(_)
                | of_task::Next::Pace
                | of_task::Next::Settle(_)
                | of_task::Next::Stop => Next::At(after(now, policy.polling.max_interval)),
            };
            growing(format!("{so_far}: {reason}"), next)
        }
    }
}

/// Returns until when nothing is asked, because the last creates were lost, not sent, or rejected for no documented reason.
fn held_until(search: &Search, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let create = search.create.as_ref()?;
    let request = &create.request;
    if search.failures == 0 {
        return None;
    }
    let until = if request.state == RequestState::Lost {
        settle::held_until(request, search.failures, policy.growth.settle)
    } else if request.failed_by_chance() {
        // The longest delay of its jitter: the decision depends on nothing random.
        let delay = pace::retry_delay(i64::from(search.failures), &policy.retry, 1.0);
        after(request.resolved_at.unwrap_or(request.sent_at), delay)
    } else {
        return None;
    };
    (until > now).then_some(until)
}
