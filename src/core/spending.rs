//! Whether a paid request may be sent now, whichever kind it is: what the account, the limits and the credits allow.

use super::after;
use super::decide::Next;
use super::gate::{Admission, Request};
use super::policy::Growth;
use jiff::Timestamp;
use std::time::Duration;
use strum::{IntoStaticStr, VariantArray};

const DAY: Duration = Duration::from_hours(24);

/// The shortest time between two requests for the account's credits, and how long an answer holds.
pub const CREDITS_INTERVAL: Duration = Duration::from_mins(5);

/// An upper bound on the results requested within a window, over all tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum Limit {
    /// `growth.daily_limit`.
    #[strum(serialize = "growth.daily_limit")]
    Daily,
    /// `growth.monthly_limit`.
    #[strum(serialize = "growth.monthly_limit")]
    Monthly,
}

impl Limit {
    /// Every limit.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the name of its configuration key.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// Returns the time over which requests count.
    #[must_use]
    pub const fn window(self) -> Duration {
        match self {
            Self::Daily => DAY,
            Self::Monthly => DAY.saturating_mul(30),
        }
    }

    /// Returns the most results that may be requested within the window; `None` means no limit.
    #[must_use]
    pub fn of(self, growth: &Growth) -> Option<i64> {
        let limit = match self {
            Self::Daily => growth.daily_limit,
            Self::Monthly => growth.monthly_limit,
        };
        (limit > 0).then_some(limit)
    }

    /// Returns the longest time that a request can wait for a limit.
    #[must_use]
    pub fn longest_wait(growth: &Growth) -> Duration {
        let configured = Self::ALL.iter().filter(|limit| limit.of(growth).is_some());
        configured.map(|limit| limit.window()).max().unwrap_or(DAY)
    }
}

/// The window of each limit, longer than it is meant to be after the clock leapt ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    daily: Duration,
    monthly: Duration,
}

impl Windows {
    /// The windows while the clock has not leapt.
    pub const NOMINAL: Self = Self {
        daily: Limit::Daily.window(),
        monthly: Limit::Monthly.window(),
    };

    /// Returns the windows, each longer by the sum of the leaps within it, which `ahead` returns.
    #[must_use]
    pub fn lengthened(ahead: impl Fn(Limit) -> Duration) -> Self {
        let window = |limit: Limit| limit.window().saturating_add(ahead(limit));
        Self {
            daily: window(Limit::Daily),
            monthly: window(Limit::Monthly),
        }
    }

    /// Returns the window of a limit.
    #[must_use]
    pub fn of(self, limit: Limit) -> Duration {
        match limit {
            Limit::Daily => self.daily,
            Limit::Monthly => self.monthly,
        }
    }
}

/// What counts towards a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The limit.
    pub limit: Limit,
    /// The sum of what was requested, or may have been, within its window.
    pub requested: i64,
    /// When the oldest of these requests leaves the window.
    pub frees_at: Option<Timestamp>,
}

impl Used {
    /// Counts one more request, which is sent at `now`.
    pub fn add(&mut self, requested: i64, now: Timestamp) {
        self.requested = self.requested.saturating_add(requested);
        self.frees_at.get_or_insert(after(now, self.limit.window()));
    }

    /// Returns whether four fifths of a limit of `most` are used.
    #[must_use]
    pub fn is_near(&self, most: i64) -> bool {
        self.requested >= most - most / 5
    }
}

/// What the tightest limit leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many results may be requested; `None` means no limit.
    pub left: Option<i64>,
    /// When the limit next has room.
    pub frees_at: Option<Timestamp>,
    /// The limit.
    pub limit: Limit,
}

impl Allowance {
    /// No limit.
    pub const UNLIMITED: Self = Self {
        left: None,
        frees_at: None,
        limit: Limit::Daily,
    };

    /// Returns what the tightest of the configured limits leaves. Of several that are used up, the one that has room last
    /// counts.
    #[must_use]
    pub fn of(used: &[Used], growth: &Growth) -> Self {
        let limited = used.iter().filter_map(|used| {
            let limit = used.limit.of(growth)?;
            Some(Self {
                left: Some(limit.saturating_sub(used.requested).max(0)),
                frees_at: used.frees_at,
                limit: used.limit,
            })
        });
        let tightest = limited.reduce(|a, b| {
            if (b.left, a.frees_at) < (a.left, b.frees_at) {
                b
            } else {
                a
            }
        });
        tightest.unwrap_or(Self::UNLIMITED)
    }
}

/// What the account's credits allow, by `growth.reserve_credits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credits {
    /// No reserve is configured: the credits do not matter.
    Off,
    /// The service is to be asked for them first.
    Unknown,
    /// The reserve is there.
    Enough,
    /// Paid requests wait.
    Short {
        /// The credits that the service showed; none if it did not answer, or without a number.
        available: Option<i64>,
        /// When to ask for them again.
        ask_again_at: Timestamp,
    },
}

impl Credits {
    /// Returns what the credits allow. `shown`: the credits as the service last showed them, none if it did not, and when
    /// it was asked. `is_asked`: that request has not been answered yet.
    #[must_use]
    pub fn of(
        shown: Option<(Option<i64>, Timestamp)>,
        is_asked: bool,
        growth: &Growth,
        now: Timestamp,
    ) -> Self {
        if growth.reserve_credits == 0 {
            return Self::Off;
        }
        // An answer from after now is of unknown age: the clock went back.
        let is_recent = |at: Timestamp| at <= now && now < after(at, CREDITS_INTERVAL);
        match shown.filter(|(_, at)| is_recent(*at)) {
            None => Self::Unknown,
            Some(_) if is_asked => Self::Unknown,
            Some((Some(available), _)) if available >= growth.reserve_credits => Self::Enough,
            Some((available, at)) => Self::Short {
                available,
                ask_again_at: after(at, CREDITS_INTERVAL),
            },
        }
    }
}

/// A bound on what is requested for one task, or for all parts of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Whether it is the search's.
    pub is_of_search: bool,
    /// The most results that may be requested in sum.
    pub most: i64,
    /// The sum of what was requested, or may have been.
    pub requested: i64,
}

impl Budget {
    /// Returns how many results may still be requested.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.most.saturating_sub(self.requested).max(0)
    }

    /// Returns why nothing is requested any more.
    #[must_use]
    pub fn used_up(&self) -> String {
        let whose = if self.is_of_search { "search" } else { "task" };
        let Self {
            most, requested, ..
        } = self;
        format!("the {whose}'s budget of {most} is used up: {requested} results were requested")
    }
}

/// What a decision depends on besides the task or the search: the account, the time, and the next id.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Whether the gate admits the paid request.
    pub admission: Admission,
    /// The gate's reason, if it does not.
    pub gate_reason: &'a str,
    /// What the limits leave.
    pub allowance: Allowance,
    /// What the credits allow.
    pub credits: Credits,
    /// When the last outage ended, as far as the gate knows.
    pub reachable_since: Timestamp,
    /// Whether the daemon is stopping, so that nothing new is begun.
    pub draining: bool,
    /// The time.
    pub now: Timestamp,
    /// The id of the next row of the ledger.
    pub next_id: i64,
}

/// Why a paid request that is due is not sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The reason, as text for the operator.
    pub reason: String,
    /// What to do instead.
    pub next: Next,
}

/// Returns how many results a paid request may ask for at most, 1 or more; `None` means that no limit bounds it.
/// `held_until` is when the next request may be sent after some in a row that were lost or rejected for no documented
/// reason.
///
/// # Errors
///
/// [`Wait`] if nothing may be sent now.
pub fn may_spend(
    request: Request,
    held_until: Option<Timestamp>,
    account: &Account<'_>,
    growth: &Growth,
) -> Result<Option<i64>, Wait> {
    let wait = |why: String, next| {
        let request = request.as_str();
        Err(Wait {
            reason: format!("a {request} is due; {why}"),
            next,
        })
    };
    if account.draining {
        return wait("the daemon is stopping".to_owned(), Next::Due);
    }
    if let Some(until) = held_until {
        let why = "the last ones did not arrive as far as can be seen: waiting longer each time";
        return wait(why.to_owned(), Next::At(until));
    }
    if let Admission::Wait(until) = account.admission {
        let why = format!("the account is refused: {}", account.gate_reason);
        return wait(why, Next::At(until));
    }
    let Allowance {
        left,
        frees_at,
        limit,
    } = account.allowance;
    if left.is_some_and(|left| left < 1) {
        let most = limit.of(growth).unwrap_or_default();
        let why = format!("{} ({most}) is used up for now", limit.key());
        return wait(why, frees_at.map_or(Next::Pace, Next::Limit));
    }
    let reserve = growth.reserve_credits;
    match account.credits {
        Credits::Off | Credits::Enough => Ok(left),
        Credits::Unknown => wait(
            "asking for the account's credits first".to_owned(),
            Next::AskCredits,
        ),
        Credits::Short {
            available: Some(available),
            ask_again_at,
        } => {
            let why = format!(
                "the account has {available} credits, below growth.reserve_credits ({reserve})"
            );
            wait(why, Next::At(ask_again_at))
        }
        Credits::Short {
            available: None,
            ask_again_at,
        } => {
            let why = format!(
                "the account's credits are not known, as growth.reserve_credits ({reserve}) demands"
            );
            wait(why, Next::At(ask_again_at))
        }
    }
}
