//! The account's gate: whether the service accepts requests from this account.
//!
//! A refusal of the account closes the gate for all tasks, so that they do not each run into it. While it is closed, single
//! *probes* go through: ordinary requests of a due task, so that a successful probe has done useful work.

use super::failure::{Failure, RetryAfter};
use super::policy::{Policy, Retry};
use super::{after, pace};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;
use strum::{EnumString, IntoStaticStr};

/// Failed connections in a row, over all tasks, after which the gate closes.
pub const UNREACHABLE_AFTER: u32 = 5;

/// The wait after a 429 without a usable `Retry-After`; it doubles with each further one.
const RATE_LIMIT_INITIAL: Duration = Duration::from_mins(1);

/// The upper bound of that wait.
const RATE_LIMIT_MAX: Duration = Duration::from_hours(1);

/// The lower bound of a `Retry-After`: 0 would repeat the request that was one too many.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// The upper bound of a `Retry-After`.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The state of the gate: `daemon.gate`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Requests go through.
    Open,
    /// 401, or 403 for the whole account: only probes go through.
    Unauthorized,
    /// 402 or 403 to a paid request: polls and paid probes go through.
    PaymentRequired,
    /// 429: nothing goes through before the time that it named.
    RateLimited,
    /// No connection can be made: only probes go through.
    Unreachable,
}

impl Kind {
    /// Returns the word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the kind that the database's word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// The requests for tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Request {
    /// `GET /v1/discovery_tasks/{id}`.
    Poll,
    /// `GET /v1/discovery_tasks`: polls many tasks.
    List,
    /// `GET /v1/discovery_tasks/{id}/results`. Of the lowest priority: it is a probe only if no task is
    /// to be polled.
    Results,
    /// `POST /v1/discovery_tasks/{id}/resume`.
    Resume,
    /// `POST /v1/discovery_tasks`.
    Create,
}

impl Request {
    /// Returns its name in errors and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the service charges for it.
    #[must_use]
    pub fn is_paid(self) -> bool {
        match self {
            Self::Resume | Self::Create => true,
            Self::Poll | Self::List | Self::Results => false,
        }
    }
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Free,
    /// Yes, as a probe.
    Probe,
    /// Not before then.
    Wait(Timestamp),
}

/// The account's gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its state.
    pub kind: Kind,
    /// The service's explanation.
    pub reason: Option<String>,
    /// When the next probe may be sent; `None` while open.
    pub until: Option<Timestamp>,
    /// The latest time that a 429 named since the gate was last open. Nothing is sent before it.
    limited_until: Option<Timestamp>,
    /// Since when it is in this state. An answer to an older request does not change it.
    since: Timestamp,
    /// Failed probes, or 429s, in a row.
    attempts: i64,
    /// Failed connections in a row.
    connect_failures: u32,
    /// When the last outage that this daemon saw ended. The time before proves nothing about a resume.
    pub reachable_since: Timestamp,
    /// The reason and the next probe of a 402, while the gate is closed for another reason. The account still has to pay when
    /// that is over.
    unpaid: Option<(Option<String>, Option<Timestamp>)>,
}

impl Gate {
    /// Returns an open gate.
    #[must_use]
    pub fn open(now: Timestamp) -> Self {
        Self {
            kind: Kind::Open,
            reason: None,
            until: None,
            limited_until: None,
            since: now,
            attempts: 0,
            connect_failures: 0,
            reachable_since: Timestamp::MIN,
            unpaid: None,
        }
    }

    /// Returns the gate as a stopped daemon left it. What the operator may have repaired meanwhile (token, credits, network)
    /// is probed at once; the time of a 429 is kept.
    #[must_use]
    pub fn restored(
        kind: Kind,
        reason: Option<String>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let until = match kind {
            Kind::Open => None,
            // Bounded, because the clock may have gone back meanwhile.
            Kind::RateLimited => Some(until.unwrap_or(now).min(after(now, RETRY_AFTER_MAX))),
            Kind::Unauthorized | Kind::PaymentRequired | Kind::Unreachable => Some(now),
        };
        Self {
            kind,
            reason,
            until,
            ..Self::open(now)
        }
    }

    /// Returns whether a request may be sent now.
    #[must_use]
    pub fn admits(&self, request: Request, now: Timestamp) -> Admission {
        let free = match self.kind {
            Kind::Open => true,
            Kind::PaymentRequired => !request.is_paid(),
            Kind::Unauthorized | Kind::RateLimited | Kind::Unreachable => false,
        };
        match self.until {
            _ if free => Admission::Free,
            Some(until) if now < until => Admission::Wait(until),
            Some(_) | None => Admission::Probe,
        }
    }

    /// Returns whether a task whose last resume was refused with 403 may be resumed. As a probe it comes `grace` after those of
    /// other tasks, which show whether the refusal concerns the account or this task only.
    #[must_use]
    pub fn admits_forbidden(&self, now: Timestamp, grace: Duration) -> Admission {
        match (self.admits(Request::Resume, now), self.until) {
            (Admission::Probe | Admission::Wait(_), Some(until)) if now < after(until, grace) => {
                Admission::Wait(after(until, grace))
            }
            (admission, _) => admission,
        }
    }

    /// Records a probe, so that the next one waits for its answer or for the interval.
    pub fn probe_sent(&mut self, now: Timestamp, policy: &Policy) {
        if self.kind != Kind::Open {
            self.until = Some(after(now, policy.probe_interval));
        }
    }

    /// Makes the next probe due now, except after a 429.
    pub fn probe_now(&mut self, now: Timestamp) {
        if self.until.is_some() && self.kind != Kind::RateLimited {
            self.until = Some(now).max(self.limited_until);
        }
    }

    /// Shifts all times after the clock went back by `by`.
    pub fn clock_went_back(&mut self, by: Duration) {
        let unpaid_until = self.unpaid.as_mut().and_then(|(_, until)| until.as_mut());
        let counted = [
            Some(&mut self.since),
            Some(&mut self.reachable_since),
            self.until.as_mut(),
            self.limited_until.as_mut(),
            unpaid_until,
        ];
        for at in counted.into_iter().flatten() {
            *at = at.checked_sub(by).unwrap_or(Timestamp::MIN);
        }
    }

    /// Updates the gate by an answer. `started_at` is when its request was begun; `jitter` is in `0.0..1.0`.
    pub fn learn(
        &mut self,
        request: Request,
        failure: Option<&Failure>,
        started_at: Timestamp,
        now: Timestamp,
        policy: &Policy,
        jitter: f64,
    ) {
        let (kind, reachable_since) = (self.kind, self.reachable_since);
        self.judge(request, failure, started_at, now, policy, jitter);
        self.reachable_since = if kind == Kind::Unreachable && self.kind != kind {
            started_at.min(now)
        } else {
            reachable_since
        };
    }

    /// Whether polls may be sent as probes only.
    fn blocks_polls(&self) -> bool {
        !matches!(self.kind, Kind::Open | Kind::PaymentRequired)
    }

    fn judge(
        &mut self,
        request: Request,
        failure: Option<&Failure>,
        started_at: Timestamp,
        now: Timestamp,
        policy: &Policy,
        jitter: f64,
    ) {
        if let Some(Failure::Withheld { .. } | Failure::Superseded { .. }) = failure {
            // No request was sent, or its token is no longer in use.
            return;
        }
        if !matches!(failure, Some(Failure::NotConnected { .. })) {
            self.connect_failures = 0;
        }
        let is_of_results = request == Request::Results && !self.blocks_polls();
        if is_of_results && matches!(failure, Some(Failure::RateLimited { .. })) {
            // Results may have a limit of their own. Polls and resumes do not wait for it; they meet a limit of the account themselves.
            return;
        }
        let is_current = started_at >= self.since;
        if self.kind == Kind::Unauthorized && is_current {
            // A probe: if it does not open the gate, the next one comes an interval later.
            self.until = Some(after(now, policy.probe_interval)).max(self.limited_until);
        }
        match failure {
            Some(Failure::Unauthorized { .. }) => {
                let wait = policy.probe_interval;
                self.close(Kind::Unauthorized, failure, is_current, now, wait);
            }
            // To a poll or the list only if `GET /v1/user` was not sent.
            Some(Failure::PaymentRequired { .. } | Failure::Forbidden { .. })
                if request != Request::Results =>
            {
                let kind = if request.is_paid() {
                    Kind::PaymentRequired
                } else {
                    Kind::Unauthorized
                };
                self.close(kind, failure, is_current, now, policy.probe_interval);
            }
            Some(Failure::RateLimited { retry_after, .. }) => {
                let attempts = self.attempts_as(Kind::RateLimited, is_current);
                let wait = rate_limit_wait(*retry_after, attempts, now, jitter);
                self.close(Kind::RateLimited, failure, is_current, now, wait);
            }
            Some(Failure::NotConnected { .. }) => {
                self.not_connected(failure, is_current, now, policy, jitter);
            }
            // The service answered, and accepted the token.
            None
            | Some(
                Failure::Refused { .. } | Failure::NotFound { .. } | Failure::Unexpected { .. },
            ) if is_current => self.answered(request, failure, now),
            // The service is reachable, but this says nothing about the account.
            Some(
                Failure::Unanswered { .. }
                | Failure::NotUnderstood { .. }
                | Failure::PaymentRequired { .. }
                | Failure::Forbidden { .. },
            ) if is_current => match self.kind {
                Kind::Unreachable | Kind::RateLimited => self.reopen(now),
                Kind::Open | Kind::Unauthorized | Kind::PaymentRequired => {}
            },
            None | Some(_) => {}
        }
    }

    fn answered(&mut self, request: Request, failure: Option<&Failure>, now: Timestamp) {
        match (self.kind, request, failure) {
            // A redirect may lead to a login page.
            (
                Kind::Unauthorized,
                _,
                Some(Failure::Unexpected {
                    status: 300..=399, ..
                }),
            )
            | (Kind::Open, _, _)
            | (Kind::PaymentRequired, Request::Poll | Request::List | Request::Results, _)
            // The service rejected the task before it checked the payment.
            | (Kind::PaymentRequired, Request::Resume | Request::Create, Some(_)) => {}
            (
                Kind::PaymentRequired | Kind::Unauthorized | Kind::RateLimited | Kind::Unreachable,
                Request::Resume | Request::Create,
                None,
            ) => *self = Self::open(now),
            (Kind::Unauthorized | Kind::RateLimited | Kind::Unreachable, _, _) => self.reopen(now),
        }
    }

    /// Opens the gate, unless the account still has to pay.
    fn reopen(&mut self, now: Timestamp) {
        let unpaid = self.unpaid.take();
        *self = Self::open(now);
        if let Some((reason, until)) = unpaid {
            self.kind = Kind::PaymentRequired;
            self.reason = reason;
            self.until = until.or(Some(now));
        }
    }

    fn not_connected(
        &mut self,
        failure: Option<&Failure>,
        is_current: bool,
        now: Timestamp,
        policy: &Policy,
        jitter: f64,
    ) {
        self.connect_failures = self.connect_failures.saturating_add(1);
        if self.kind == Kind::Unreachable || self.connect_failures >= UNREACHABLE_AFTER {
            let attempts = self.attempts_as(Kind::Unreachable, is_current);
            let wait = pace::retry_delay(attempts, &policy.retry, jitter);
            self.close(Kind::Unreachable, failure, is_current, now, wait);
        }
    }

    /// Counts one more attempt of `kind`. Requests in flight together count as one.
    fn attempts_as(&self, kind: Kind, is_current: bool) -> i64 {
        if self.kind == kind {
            self.attempts.saturating_add(i64::from(is_current))
        } else {
            1
        }
    }

    /// Closes the gate, or keeps it closed. An answer to a request from before it closed can only block more.
    fn close(
        &mut self,
        kind: Kind,
        failure: Option<&Failure>,
        is_current: bool,
        now: Timestamp,
        wait: Duration,
    ) {
        let is_late = self.blocks_polls() && !is_current;
        if is_late && kind != self.kind && kind != Kind::RateLimited {
            return;
        }
        let held = self.until.filter(|_| is_late);
        let unpaid = match self.kind {
            Kind::PaymentRequired => Some((self.reason.take(), self.until)),
            _ => self.unpaid.take(),
        };
        let named = Some(after(now, wait)).filter(|_| kind == Kind::RateLimited);
        let limited_until = self.limited_until.max(named);
        let is_same = self.kind == kind;
        *self = Self {
            kind,
            reason: failure.map(|failure| failure.detail().to_owned()),
            until: Some(after(now, wait)).max(held).max(limited_until),
            limited_until,
            since: if is_same && !is_current {
                self.since
            } else {
                now
            },
            attempts: self.attempts_as(kind, is_current),
            connect_failures: self.connect_failures,
            reachable_since: self.reachable_since,
            unpaid: unpaid.filter(|_| kind != Kind::PaymentRequired),
        };
    }
}

/// Returns the wait after a 429, within the bounds.
fn rate_limit_wait(
    retry_after: Option<RetryAfter>,
    attempts: i64,
    now: Timestamp,
    jitter: f64,
) -> Duration {
    if let Some(after) = retry_after {
        return after.wait(now).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
    }
    let retry = Retry {
        initial: RATE_LIMIT_INITIAL,
        max: RATE_LIMIT_MAX,
    };
    // The jitter only lengthens the wait.
    pace::retry_delay(attempts, &retry, 1.0).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0)
}
