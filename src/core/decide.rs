//! The rule: decides a task's next step from its target, the newest poll, the ledger and the account.
//!
//! It is level-triggered: neither the reason for the poll nor earlier decisions matter. Each arm of [`decide`] is a row of
//! the tables of states in the documentation, in order of precedence.

use super::gate::Request;
use super::observation::{Observation, Status};
use super::paid_request::RequestState;
use super::policy::Growth;
use super::progress::State;
use super::resume::{RESUME_MAX, Resume};
use super::spending::{Account, Wait, may_spend};
use super::task::Wanted;
use jiff::Timestamp;
use std::time::Duration;

/// The ledger's view of a task, after the newest poll has been evaluated.
#[derive(Debug, Clone, Copy)]
pub struct LedgerView<'a> {
    /// The resume whose outcome is open, and when it is settled at the latest.
    pub open: Option<(&'a Resume, Timestamp)>,
    /// The resume that was refused, if the refusal is neither forgiven nor lifted.
    pub refusal: Option<&'a Resume>,
    /// When to poll a refused task once more, if that is still ahead: the polls before may have been stale.
    pub recheck_at: Option<Timestamp>,
    /// Accepted resumes in a row that brought nothing.
    pub stalled: i64,
    /// The requested and brought results of concluded resumes.
    pub waste: Waste,
    /// Earliest time of the next resume, after resumes in a row that were lost or rejected for no documented reason.
    pub held_until: Option<Timestamp>,
    /// The poll is [too old](fresh_for) to spend money on: the task may have changed since.
    pub stale: bool,
}

/// The results of concluded resumes since the task was added, retried, or its target raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waste {
    /// The sum of the requested results.
    pub requested: i64,
    /// The sum of the results that came.
    pub brought: i64,
}

impl Waste {
    /// Returns how many results may be requested without exceeding `growth.max_waste` if none of them come. `None` means no
    /// limit, because nothing was wasted so far.
    #[must_use]
    pub fn left(self, growth: &Growth) -> Option<i64> {
        let wasted = self.requested.saturating_sub(self.brought);
        (wasted > 0).then(|| growth.max_waste.saturating_sub(wasted))
    }

    /// Whether too little is left for a resume. Less than a tenth of `growth.max_waste` counts as nothing, unless no more is
    /// needed; otherwise many small resumes would use up the remainder.
    fn is_used_up(self, wanted: &Wanted, seen: &Observation, growth: &Growth) -> bool {
        let least = amount(wanted, seen, growth, Self::default(), None)
            .map_or(1, |amount| amount.min((growth.max_waste / 10).max(1)));
        self.left(growth).is_some_and(|left| left < least)
    }
}

/// The longest age of a poll, from its start, that a resume is based on, unless the poll itself took long.
pub const FRESH: Duration = Duration::from_secs(10);

/// Returns the longest age of a poll, from its start, that a resume is based on: [`FRESH`], or twice the time that it took if
/// that is longer. Otherwise a service that takes longer than [`FRESH`] to answer would never get a resume.
#[must_use]
pub fn fresh_for(took: Duration) -> Duration {
    FRESH.max(took.saturating_mul(2))
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Resume now, for this many new results.
    Resume(i64),
    /// The service is at work: poll again by its progress.
    Pace,
    /// A resume is open: poll again soon, until this time at the latest.
    Settle(Timestamp),
    /// Poll again at this time.
    At(Timestamp),
    /// A limit is used up: poll again when it has room, which is expected at this time.
    Limit(Timestamp),
    /// Ask for the account's credits, and then poll and decide again.
    AskCredits,
    /// Poll again as soon as anything may be begun.
    Due,
    /// Poll no more.
    Stop,
}

/// A task's state, the reason, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The state.
    pub state: State,
    /// The reason, as text for the operator.
    pub reason: String,
    /// The next step.
    pub next: Next,
}

/// Decides the next step of a task that was just polled.
#[must_use]
pub fn decide(
    wanted: &Wanted,
    seen: &Observation,
    ledger: &LedgerView<'_>,
    account: &Account<'_>,
    growth: &Growth,
) -> Decision {
    let goal = Goal::of(wanted, seen, growth);
    let (state, reason, next) = match (&seen.status, goal, ledger.open) {
        // The run ends with `done`, whatever the counters say.
        (Status::Created | Status::InProgress | Status::Unknown(_), _, _) => {
            let (state, reason) = at_work(wanted, seen, ledger.refusal.is_some(), growth);
            (state, reason, Next::Pace)
        }

        (Status::Failed, Goal::Target, _) => (
            State::Reached,
            format!(
                "{}; the service then said failed",
                goal.reason(wanted, seen, growth)
            ),
            Next::Stop,
        ),
        (Status::Failed, _, _) => (
            State::Failed,
            format!(
                "the service says failed, at {} of {} results",
                seen.results, wanted.target
            ),
            Next::Stop,
        ),

        // Done, but the outcome of the last resume is open: nothing ends, and no resume is sent.
        (Status::Done, Goal::Target, Some((_, until))) => (
            State::Reached,
            goal.reason(wanted, seen, growth),
            Next::Settle(until),
        ),
        (Status::Done, _, Some((resume, until))) => (
            State::Growing,
            waiting_for(resume, seen),
            Next::Settle(until),
        ),

        (Status::Done, Goal::Target, None) => (
            State::Reached,
            goal.reason(wanted, seen, growth),
            Next::Stop,
        ),
        (Status::Done, _, None) if seen.is_exhausted => {
            (State::Exhausted, exhausted(wanted, seen), Next::Stop)
        }
        (Status::Done, Goal::Cap, None) => {
            (State::Capped, goal.reason(wanted, seen, growth), Next::Stop)
        }
        (Status::Done, Goal::None, None) if ledger.refusal.is_some() => (
            State::Refused,
            refused(ledger),
            ledger.recheck_at.map_or(Next::Stop, Next::At),
        ),
        (Status::Done, Goal::None, None) if ledger.stalled >= growth.max_stalled => (
            State::Stalled,
            format!(
                "{} accepted resumes in a row brought nothing",
                ledger.stalled
            ),
            Next::Stop,
        ),
        (Status::Done, Goal::None, None) if ledger.waste.is_used_up(wanted, seen, growth) => {
            (State::Stalled, wasted(ledger.waste, growth), Next::Stop)
        }
        (Status::Done, Goal::None, None) if wanted.is_superseded => (
            State::Reached,
            format!(
                "{} results; the search continues with a later part",
                seen.results
            ),
            Next::Stop,
        ),
        (Status::Done, Goal::None, None)
            if let Some(budget) = wanted.budget.filter(|budget| budget.left() == 0) =>
        {
            (
                State::Stalled,
                format!(
                    "{}, at {} of {} results",
                    budget.used_up(),
                    seen.results,
                    wanted.target
                ),
                Next::Stop,
            )
        }
        (Status::Done, Goal::None, None) => resume(wanted, seen, ledger, account, growth),
    };
    Decision {
        state,
        reason,
        next,
    }
}

/// Returns the state and the reason of a task that the service is at work on. `is_refused`: its last resume was refused.
#[must_use]
pub fn at_work(
    wanted: &Wanted,
    seen: &Observation,
    is_refused: bool,
    growth: &Growth,
) -> (State, String) {
    let goal = Goal::of(wanted, seen, growth);
    match goal {
        Goal::Target => (State::Reached, goal.reason(wanted, seen, growth)),
        _ if is_refused && seen.is_exhausted => (State::Exhausted, exhausted(wanted, seen)),
        Goal::Cap => (State::Capped, goal.reason(wanted, seen, growth)),
        Goal::None => (State::Growing, running(seen)),
    }
}

/// Returns how many new results to request; `None` if a limit leaves nothing.
///
/// The result is in `1..=250`, and at most what is missing to the target and to the cap, the task's and the general chunk,
/// and what is left of the budget, of the limits and of `growth.max_waste`.
#[must_use]
pub fn amount(
    wanted: &Wanted,
    seen: &Observation,
    growth: &Growth,
    waste: Waste,
    limit_left: Option<i64>,
) -> Option<i64> {
    let amount = (wanted.target.saturating_sub(seen.results))
        .min(wanted.chunk.unwrap_or(RESUME_MAX))
        .min(growth.chunk)
        .min(RESUME_MAX)
        .min(growth.task_cap.saturating_sub(seen.results))
        .min(wanted.budget.map_or(RESUME_MAX, |budget| budget.left()))
        .min(waste.left(growth).unwrap_or(RESUME_MAX))
        .min(limit_left.unwrap_or(RESUME_MAX));
    (amount >= 1).then_some(amount)
}

fn resume(
    wanted: &Wanted,
    seen: &Observation,
    ledger: &LedgerView<'_>,
    account: &Account<'_>,
    growth: &Growth,
) -> (State, String, Next) {
    let wait = |why: String, next| (State::Growing, why, next);
    if wanted.paused {
        return wait("paused".to_owned(), Next::Due);
    }
    if ledger.stale {
        let why = "a resume is due; polling again, since the last poll is too old to go by";
        return wait(why.to_owned(), Next::Due);
    }
    let left = match may_spend(Request::Resume, ledger.held_until, account, growth) {
        Ok(left) => left,
        Err(Wait { reason, next }) => return wait(reason, next),
    };
    match amount(wanted, seen, growth, ledger.waste, left) {
        Some(n) => (
            State::Growing,
            format!(
                "asked for {n} more, at {} of {} results",
                seen.results, wanted.target
            ),
            Next::Resume(n),
        ),
        // The arms of `decide` leave at least one.
        None => wait("nothing is left to ask for".to_owned(), Next::Pace),
    }
}

/// Which goal the results have reached; the target takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Target,
    Cap,
    None,
}

impl Goal {
    fn of(wanted: &Wanted, seen: &Observation, growth: &Growth) -> Self {
        if seen.results >= wanted.target {
            Self::Target
        } else if seen.results >= growth.task_cap {
            Self::Cap
        } else {
            Self::None
        }
    }

    fn reason(self, wanted: &Wanted, seen: &Observation, growth: &Growth) -> String {
        let (results, target) = (seen.results, wanted.target);
        match self {
            Self::Target => format!("{results} of {target} results"),
            Self::Cap => format!(
                "{results} of {target} results: the service's cap on a task is {}",
                growth.task_cap
            ),
            Self::None => String::new(),
        }
    }
}

fn running(seen: &Observation) -> String {
    match (&seen.status, seen.is_exhausted) {
        (Status::Unknown(word), _) => {
            format!("the service says {word:?}, which is taken as still at work")
        }
        (_, true) => "the pool is empty; the service is evaluating the rest".to_owned(),
        (_, false) => "the service is at work".to_owned(),
    }
}

fn exhausted(wanted: &Wanted, seen: &Observation) -> String {
    let (results, target) = (seen.results, wanted.target);
    format!("the service has no more, at {results} of {target} results")
}

fn waiting_for(resume: &Resume, seen: &Observation) -> String {
    let brought = seen.results.saturating_sub(resume.baseline_results).max(0);
    match (resume.request.state, resume.effect_at) {
        (RequestState::Accepted, Some(_)) => format!(
            "a resume for {} brought {brought} so far; done may be premature, waiting until nothing changes any more",
            resume.request.requested
        ),
        (RequestState::Accepted, None) => "a resume arrived; waiting for what it brings".to_owned(),
        _ => "a resume was not answered: looking whether it arrived".to_owned(),
    }
}

fn wasted(waste: Waste, growth: &Growth) -> String {
    format!(
        "accepted resumes asked for {} results and brought {}: growth.max_waste ({}) leaves no room for another",
        waste.requested, waste.brought, growth.max_waste
    )
}

fn refused(ledger: &LedgerView<'_>) -> String {
    ledger
        .refusal
        .and_then(|resume| resume.request.detail.clone())
        .unwrap_or_else(|| "the service refused a resume".to_owned())
}
