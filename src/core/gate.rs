//! The account's gate: whether the service takes requests from this account at all, and who may try.
//!
//! A refusal that concerns the account, and not one task, closes the gate for every task, so that thousands
//! of tasks do not each run into it. While it is closed single *probes* go through: ordinary requests of
//! whichever task is due, so that a probe that succeeds has done useful work.

use super::failure::{Failure, RetryAfter};
use super::policy::{Policy, Retry};
use super::{after, pace};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// Failed connections in a row, over all tasks, that close the gate.
pub const UNREACHABLE_AFTER: u32 = 5;

/// The wait after a 429 that does not say how long; it doubles with each that follows.
const RATE_LIMIT_INITIAL: Duration = Duration::from_mins(1);

/// The longest such wait.
const RATE_LIMIT_MAX: Duration = Duration::from_hours(1);

/// The shortest wait after a 429, whatever it says: "at once" is what it was sent against.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// The longest wait that a `Retry-After` is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Whether and why the account is refused: `daemon.gate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Requests go through.
    Open,
    /// 401, or 403 for the whole account: no request but a probe.
    Unauthorized,
    /// 402 or 403 to a resume: no resume but a probe; polls go on.
    PaymentRequired,
    /// 429: no request until the time it named.
    RateLimited,
    /// The service can't be connected to: one probe at a time.
    Unreachable,
}

impl Kind {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unauthorized => "unauthorized",
            Self::PaymentRequired => "payment_required",
            Self::RateLimited => "rate_limited",
            Self::Unreachable => "unreachable",
        }
    }

    /// The kind that the database's word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Open,
            Self::Unauthorized,
            Self::PaymentRequired,
            Self::RateLimited,
            Self::Unreachable,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// The two requests that growd makes of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// `GET /v1/discovery_tasks/{id}`.
    Poll,
    /// `POST /v1/discovery_tasks/{id}/resume`.
    Resume,
}

impl Request {
    /// Returns its name in errors and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Resume => "resume",
        }
    }
}

/// May a request go out?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Free,
    /// Yes, but only this one.
    Probe,
    /// Not before then.
    Wait(Timestamp),
}

/// The gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Open, or why not.
    pub kind: Kind,
    /// The service's words, for people.
    pub reason: Option<String>,
    /// When the next probe may go; none while open.
    pub until: Option<Timestamp>,
    /// Since when it is as it is: an answer to an older request says nothing about it.
    since: Timestamp,
    /// Probes, or 429s, in a row that found it closed.
    strikes: i64,
    /// Failed connections in a row.
    unconnected: u32,
    /// When the last outage that this daemon saw ended: the time before proves nothing about a resume.
    pub reachable_since: Timestamp,
    /// What a 402 said, and when the next probe of it was to go, where another reason has closed the gate since:
    /// once that is over, it still has to be paid.
    owing: Option<(Option<String>, Option<Timestamp>)>,
}

impl Gate {
    /// An open gate.
    #[must_use]
    pub fn open(now: Timestamp) -> Self {
        Self {
            kind: Kind::Open,
            reason: None,
            until: None,
            since: now,
            strikes: 0,
            unconnected: 0,
            reachable_since: Timestamp::MIN,
            owing: None,
        }
    }

    /// The gate as a stopped daemon left it. What an operator may have mended meanwhile (the token, the
    /// credits, the network) is tried at once; the time that a 429 named is kept.
    #[must_use]
    pub fn restored(
        kind: Kind,
        reason: Option<String>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let until = match kind {
            Kind::Open => None,
            // The clock may have gone back meanwhile; no wait is longer than the longest.
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

    /// May a request go out now?
    #[must_use]
    pub fn admits(&self, request: Request, now: Timestamp) -> Admission {
        let free = match (self.kind, request) {
            (Kind::Open, _) | (Kind::PaymentRequired, Request::Poll) => true,
            (Kind::Unauthorized | Kind::RateLimited | Kind::Unreachable, _)
            | (Kind::PaymentRequired, Request::Resume) => false,
        };
        match self.until {
            _ if free => Admission::Free,
            Some(until) if now < until => Admission::Wait(until),
            Some(_) | None => Admission::Probe,
        }
    }

    /// May a task whose last resume was refused with 403 ask again? As a probe it leaves other tasks `grace` to go first:
    /// theirs tell whether the refusal concerns the account, or that task only.
    #[must_use]
    pub fn admits_forbidden(&self, now: Timestamp, grace: Duration) -> Admission {
        match (self.admits(Request::Resume, now), self.until) {
            (Admission::Probe | Admission::Wait(_), Some(until)) if now < after(until, grace) => {
                Admission::Wait(after(until, grace))
            }
            (admission, _) => admission,
        }
    }

    /// Notes that a probe is on its way, so that no second one goes before its answer or the next interval.
    pub fn probe_sent(&mut self, now: Timestamp, policy: &Policy) {
        if self.kind != Kind::Open {
            self.until = Some(after(now, policy.probe_interval));
        }
    }

    /// Makes the next probe due at once, as after a reload.
    pub fn probe_now(&mut self, now: Timestamp) {
        if self.until.is_some() && self.kind != Kind::RateLimited {
            self.until = Some(now);
        }
    }

    /// The clock went back by so much: what the gate counts from or waits for did too.
    pub fn clock_went_back(&mut self, by: Duration) {
        let owed = self.owing.as_mut().and_then(|(_, until)| until.as_mut());
        let counted = [
            Some(&mut self.since),
            Some(&mut self.reachable_since),
            self.until.as_mut(),
            owed,
        ];
        for at in counted.into_iter().flatten() {
            *at = at.checked_sub(by).unwrap_or(Timestamp::MIN);
        }
    }

    /// What an answer says about the account. `started_at` is when its request was begun, `spread` in
    /// `0.0..1.0` the jitter.
    pub fn learn(
        &mut self,
        request: Request,
        failure: Option<&Failure>,
        started_at: Timestamp,
        now: Timestamp,
        policy: &Policy,
        spread: f64,
    ) {
        let (kind, reachable_since) = (self.kind, self.reachable_since);
        self.judge(request, failure, started_at, now, policy, spread);
        self.reachable_since = if kind == Kind::Unreachable && self.kind != kind {
            started_at.min(now)
        } else {
            reachable_since
        };
    }

    /// Are polls held too, save for probes?
    fn holds_polls(&self) -> bool {
        !matches!(self.kind, Kind::Open | Kind::PaymentRequired)
    }

    fn judge(
        &mut self,
        request: Request,
        failure: Option<&Failure>,
        started_at: Timestamp,
        now: Timestamp,
        policy: &Policy,
        spread: f64,
    ) {
        if matches!(
            failure,
            Some(Failure::Withheld { .. } | Failure::Superseded { .. })
        ) {
            // No request was sent, or it was refused for a token that is no longer used.
            return;
        }
        if !matches!(failure, Some(Failure::NotConnected { .. })) {
            self.unconnected = 0;
        }
        let is_news = started_at >= self.since;
        if self.kind == Kind::Unauthorized && is_news {
            // A probe: unless it opens the gate, the next one is an interval away.
            self.until = Some(after(now, policy.probe_interval));
        }
        match failure {
            Some(Failure::Unauthorized { .. }) => {
                let wait = policy.probe_interval;
                self.close(Kind::Unauthorized, failure, is_news, now, wait);
            }
            // To a poll only where `GET /v1/user` was not asked.
            Some(Failure::PaymentRequired { .. } | Failure::Forbidden { .. }) => {
                let kind = match request {
                    Request::Poll => Kind::Unauthorized,
                    Request::Resume => Kind::PaymentRequired,
                };
                self.close(kind, failure, is_news, now, policy.probe_interval);
            }
            Some(Failure::RateLimited { retry_after, .. }) => {
                let strikes = self.strikes_as(Kind::RateLimited, is_news);
                let wait = rate_limit_wait(*retry_after, strikes, now, spread);
                self.close(Kind::RateLimited, failure, is_news, now, wait);
            }
            Some(Failure::NotConnected { .. }) => {
                self.not_connected(failure, is_news, now, policy, spread);
            }
            // Answers that came from the service itself, to a request it knew whom to ask for.
            None
            | Some(
                Failure::Refused { .. } | Failure::NotFound { .. } | Failure::Unexpected { .. },
            ) if is_news => self.answered(request, failure, now),
            // The service is there, whatever it thinks of the account.
            Some(Failure::Unanswered { .. } | Failure::NotUnderstood { .. }) if is_news => {
                match self.kind {
                    Kind::Unreachable | Kind::RateLimited => self.reopen(now),
                    Kind::Open | Kind::Unauthorized | Kind::PaymentRequired => {}
                }
            }
            None | Some(_) => {}
        }
    }

    fn answered(&mut self, request: Request, failure: Option<&Failure>, now: Timestamp) {
        match (self.kind, request, failure) {
            // A redirect may well lead to a login page.
            (
                Kind::Unauthorized,
                _,
                Some(Failure::Unexpected {
                    status: 300..=399, ..
                }),
            )
            | (Kind::Open, _, _)
            | (Kind::PaymentRequired, Request::Poll, _)
            // The task was turned down before anybody asked about money: that says nothing of the account.
            | (Kind::PaymentRequired, Request::Resume, Some(_)) => {}
            (
                Kind::PaymentRequired | Kind::Unauthorized | Kind::RateLimited | Kind::Unreachable,
                Request::Resume,
                None,
            ) => *self = Self::open(now),
            (Kind::Unauthorized | Kind::RateLimited | Kind::Unreachable, _, _) => self.reopen(now),
        }
    }

    /// Opens the gate, as far as nothing has to be paid.
    fn reopen(&mut self, now: Timestamp) {
        let owing = self.owing.take();
        *self = Self::open(now);
        if let Some((reason, until)) = owing {
            self.kind = Kind::PaymentRequired;
            self.reason = reason;
            self.until = until.or(Some(now));
        }
    }

    fn not_connected(
        &mut self,
        failure: Option<&Failure>,
        is_news: bool,
        now: Timestamp,
        policy: &Policy,
        spread: f64,
    ) {
        self.unconnected = self.unconnected.saturating_add(1);
        if self.kind == Kind::Unreachable || self.unconnected >= UNREACHABLE_AFTER {
            let strikes = self.strikes_as(Kind::Unreachable, is_news);
            let wait = pace::retry_delay(strikes, &policy.retry, spread);
            self.close(Kind::Unreachable, failure, is_news, now, wait);
        }
    }

    /// What the strikes come to with one more of `kind`. Requests that were under way together are one strike.
    fn strikes_as(&self, kind: Kind, is_news: bool) -> i64 {
        if self.kind == kind {
            self.strikes.saturating_add(i64::from(is_news))
        } else {
            1
        }
    }

    /// Closes the gate, or keeps it closed. What comes of a request that was begun before it was closed can
    /// hold back more, but never let through more than now.
    fn close(
        &mut self,
        kind: Kind,
        failure: Option<&Failure>,
        is_news: bool,
        now: Timestamp,
        wait: Duration,
    ) {
        let is_late = self.holds_polls() && !is_news;
        if is_late && kind != self.kind && kind != Kind::RateLimited {
            return;
        }
        let held = self.until.filter(|_| is_late);
        let owing = match self.kind {
            Kind::PaymentRequired => Some((self.reason.take(), self.until)),
            _ => self.owing.take(),
        };
        let is_same = self.kind == kind;
        *self = Self {
            kind,
            reason: failure.map(|failure| failure.detail().to_owned()),
            until: Some(after(now, wait)).max(held),
            since: if is_same && !is_news { self.since } else { now },
            strikes: self.strikes_as(kind, is_news),
            unconnected: self.unconnected,
            reachable_since: self.reachable_since,
            owing: owing.filter(|_| kind != Kind::PaymentRequired),
        };
    }
}

/// How long a 429 asks to stay away, bounded.
fn rate_limit_wait(
    retry_after: Option<RetryAfter>,
    strikes: i64,
    now: Timestamp,
    spread: f64,
) -> Duration {
    if let Some(retry_after) = retry_after {
        return retry_after
            .wait(now)
            .clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
    }
    let retry = Retry {
        initial: RATE_LIMIT_INITIAL,
        max: RATE_LIMIT_MAX,
    };
    // Never sooner than said: the jitter lengthens.
    pace::retry_delay(strikes, &retry, 1.0).mul_f64(1.0 + spread.clamp(0.0, 1.0) / 10.0)
}
