//! The rule: from what is wanted, what was seen and what the ledger says to the one next step.
//!
//! It is level-triggered: it does not matter why a task was looked at, or what was decided before. Each arm
//! below is a row of the tables of states in the documentation, and their order is their precedence.

use super::gate::Admission;
use super::observation::{Observation, Status};
use super::policy::Growth;
use super::progress::State;
use super::resume::{RESUME_MAX, Resume, ResumeState};
use super::task::Wanted;
use jiff::Timestamp;
use std::time::Duration;

/// What the ledger says about a task, once the newest look has settled what it can.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// The resume whose outcome is still open, and when it is to be settled at the latest.
    pub open: Option<(&'a Resume, Timestamp)>,
    /// The resume that was refused, not forgiven and not lifted since.
    pub refusal: Option<&'a Resume>,
    /// When to poll a refused task once more, where that is still ahead: the polls that it was judged by may be stale.
    pub recheck_at: Option<Timestamp>,
    /// Accepted resumes in a row that brought nothing.
    pub stalled: i64,
    /// What concluded resumes asked for and brought.
    pub waste: Waste,
    /// Resumes in a row were taken for lost, or rejected for no documented reason: nothing is asked before then.
    pub held_until: Option<Timestamp>,
    /// The poll is [too old](fresh_for) to spend money on: the task may have changed since.
    pub stale: bool,
}

/// What concluded resumes asked for and brought since the task was added, retried, or its target raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waste {
    /// The sum of what they asked for.
    pub requested: i64,
    /// The sum of what they brought.
    pub brought: i64,
}

impl Waste {
    /// How many results may still be asked for without going beyond `growth.max_waste`, should none of them be brought.
    /// None: no limit, since nothing was wasted so far.
    #[must_use]
    pub fn left(self, growth: &Growth) -> Option<i64> {
        let wasted = self.requested.saturating_sub(self.brought);
        (wasted > 0).then(|| growth.max_waste.saturating_sub(wasted))
    }

    /// Is too little left for a resume? Less than a tenth of `growth.max_waste` counts as nothing, unless no more is wanted:
    /// otherwise the rest would be asked for in many small resumes.
    fn is_used_up(self, wanted: &Wanted, seen: &Observation, growth: &Growth) -> bool {
        let least = amount(wanted, seen, growth, Self::default(), None)
            .map_or(1, |amount| amount.min((growth.max_waste / 10).max(1)));
        self.left(growth).is_some_and(|left| left < least)
    }
}

/// What the account allows just now.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Does the gate let a resume through?
    pub resumes: Admission,
    /// Why not, where it does not.
    pub gate_reason: &'a str,
    /// What is left of `growth.daily_limit`; none: no limit.
    pub daily_left: Option<i64>,
    /// When some of the daily limit comes free again.
    pub daily_frees_at: Option<Timestamp>,
    /// When the last outage ended, as far as the gate knows.
    pub reachable_since: Timestamp,
    /// The daemon is stopping: nothing new is begun.
    pub draining: bool,
    /// The time.
    pub now: Timestamp,
    /// The id of the next row of the ledger.
    pub next_resume_id: i64,
}

/// For how long, counted from its beginning, a poll is good enough to spend money on, unless it took long itself.
pub const FRESH: Duration = Duration::from_secs(10);

/// For how long a poll is good enough to spend money on, counted from its beginning: [`FRESH`], or twice the time that it
/// took where that is longer. Otherwise a service that takes longer than [`FRESH`] to answer would never get a resume.
#[must_use]
pub fn fresh_for(took: Duration) -> Duration {
    FRESH.max(took.saturating_mul(2))
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for so many new results, now.
    Resume(i64),
    /// The service is at work: look again at the pace of its progress.
    Pace,
    /// A resume is open: look again soon, at the longest until then.
    Settle(Timestamp),
    /// Look again then.
    At(Timestamp),
    /// Nothing is left of the daily limit: look again once it has room, which is expected then.
    Limit(Timestamp),
    /// Look again as soon as anything may be begun.
    Due,
    /// Nothing more to see.
    Stop,
}

/// The state a task is in, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The state.
    pub state: State,
    /// Why, for people; none where the state says it all.
    pub reason: String,
    /// What to do.
    pub next: Next,
}

/// Decides about one task that was just seen.
#[must_use]
pub fn decide(
    wanted: &Wanted,
    seen: &Observation,
    ledger: &Ledger<'_>,
    account: &Account<'_>,
    growth: &Growth,
) -> Decision {
    let met = Met::of(wanted, seen, growth);
    let (state, reason, next) = match (&seen.status, met, ledger.open) {
        // The service is at work. Whatever the counters say, the last word is `done`'s.
        (Status::Created | Status::InProgress | Status::Unknown(_), Met::Target, _) => {
            (State::Reached, met.reason(wanted, seen, growth), Next::Pace)
        }
        (Status::Created | Status::InProgress | Status::Unknown(_), _, _)
            if ledger.refusal.is_some() && seen.is_exhausted =>
        {
            (State::Exhausted, exhausted(wanted, seen), Next::Pace)
        }
        (Status::Created | Status::InProgress | Status::Unknown(_), Met::Cap, _) => {
            (State::Capped, met.reason(wanted, seen, growth), Next::Pace)
        }
        (Status::Created | Status::InProgress | Status::Unknown(_), Met::Neither, _) => {
            (State::Growing, at_work(seen), Next::Pace)
        }

        (Status::Failed, Met::Target, _) => (
            State::Reached,
            format!(
                "{}; the service then said failed",
                met.reason(wanted, seen, growth)
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

        // Done, but what the last resume did is not known yet: nothing ends, and nothing is asked.
        (Status::Done, Met::Target, Some((_, until))) => (
            State::Reached,
            met.reason(wanted, seen, growth),
            Next::Settle(until),
        ),
        (Status::Done, _, Some((resume, until))) => (
            State::Growing,
            waiting_for(resume, seen),
            Next::Settle(until),
        ),

        (Status::Done, Met::Target, None) => {
            (State::Reached, met.reason(wanted, seen, growth), Next::Stop)
        }
        (Status::Done, _, None) if seen.is_exhausted => {
            (State::Exhausted, exhausted(wanted, seen), Next::Stop)
        }
        (Status::Done, Met::Cap, None) => {
            (State::Capped, met.reason(wanted, seen, growth), Next::Stop)
        }
        (Status::Done, Met::Neither, None) if ledger.refusal.is_some() => (
            State::Refused,
            refused(ledger),
            ledger.recheck_at.map_or(Next::Stop, Next::At),
        ),
        (Status::Done, Met::Neither, None) if ledger.stalled >= growth.max_stalled => (
            State::Stalled,
            format!(
                "{} accepted resumes in a row brought nothing",
                ledger.stalled
            ),
            Next::Stop,
        ),
        (Status::Done, Met::Neither, None) if ledger.waste.is_used_up(wanted, seen, growth) => {
            (State::Stalled, wasted(ledger.waste, growth), Next::Stop)
        }
        (Status::Done, Met::Neither, None) => resume(wanted, seen, ledger, account, growth),
    };
    Decision {
        state,
        reason,
        next,
    }
}

/// How many new results to ask for; none where the daily limit leaves nothing.
///
/// The result is in `1..=250`, and never more than what is missing to the target and to the cap, the task's
/// and the general chunk, and what is left of the daily limit and of `growth.max_waste`.
#[must_use]
pub fn amount(
    wanted: &Wanted,
    seen: &Observation,
    growth: &Growth,
    waste: Waste,
    daily_left: Option<i64>,
) -> Option<i64> {
    let amount = (wanted.target.saturating_sub(seen.results))
        .min(wanted.chunk.unwrap_or(RESUME_MAX))
        .min(growth.chunk)
        .min(RESUME_MAX)
        .min(growth.task_cap.saturating_sub(seen.results))
        .min(waste.left(growth).unwrap_or(RESUME_MAX))
        .min(daily_left.unwrap_or(RESUME_MAX));
    (amount >= 1).then_some(amount)
}

fn resume(
    wanted: &Wanted,
    seen: &Observation,
    ledger: &Ledger<'_>,
    account: &Account<'_>,
    growth: &Growth,
) -> (State, String, Next) {
    let waits = |why: String, next| (State::Growing, why, next);
    if wanted.paused {
        return waits("paused".to_owned(), Next::Due);
    }
    if account.draining {
        return waits(
            "a resume is due; the daemon is stopping".to_owned(),
            Next::Due,
        );
    }
    if let Some(until) = ledger.held_until {
        let why = "a resume is due; the last ones did not arrive as far as can be seen: waiting longer each time";
        return waits(why.to_owned(), Next::At(until));
    }
    if ledger.stale {
        let why = "a resume is due; polling again, since the last poll is too old to go by";
        return waits(why.to_owned(), Next::Due);
    }
    if let Admission::Wait(until) = account.resumes {
        let why = format!(
            "a resume is due; the account is refused: {}",
            account.gate_reason
        );
        return waits(why, Next::At(until));
    }
    match (
        amount(wanted, seen, growth, ledger.waste, account.daily_left),
        account.daily_frees_at,
    ) {
        (Some(n), _) => (
            State::Growing,
            format!(
                "asked for {n} more, at {} of {} results",
                seen.results, wanted.target
            ),
            Next::Resume(n),
        ),
        // Only the daily limit can leave nothing here: the target, the cap and the waste limit are ahead.
        (None, Some(frees_at)) => waits(daily_limit(growth), Next::Limit(frees_at)),
        (None, None) => waits(daily_limit(growth), Next::Pace),
    }
}

/// What the counters have met, the target first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Target,
    Cap,
    Neither,
}

impl Met {
    fn of(wanted: &Wanted, seen: &Observation, growth: &Growth) -> Self {
        if seen.results >= wanted.target {
            Self::Target
        } else if seen.results >= growth.task_cap {
            Self::Cap
        } else {
            Self::Neither
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
            Self::Neither => String::new(),
        }
    }
}

fn at_work(seen: &Observation) -> String {
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
    match (resume.state, resume.effect_at) {
        (ResumeState::Accepted, Some(_)) => format!(
            "a resume for {} brought {brought} so far; done may be premature, waiting until nothing changes any more",
            resume.requested
        ),
        (ResumeState::Accepted, None) => "a resume arrived; waiting for what it brings".to_owned(),
        _ => "a resume was not answered: looking whether it arrived".to_owned(),
    }
}

fn wasted(waste: Waste, growth: &Growth) -> String {
    format!(
        "accepted resumes asked for {} results and brought {}: growth.max_waste ({}) leaves no room for another",
        waste.requested, waste.brought, growth.max_waste
    )
}

fn refused(ledger: &Ledger<'_>) -> String {
    ledger
        .refusal
        .and_then(|resume| resume.detail.clone())
        .unwrap_or_else(|| "the service refused a resume".to_owned())
}

fn daily_limit(growth: &Growth) -> String {
    format!(
        "a resume is due; growth.daily_limit ({}) is used up for now",
        growth.daily_limit
    )
}
