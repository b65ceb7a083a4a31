//! What the service can answer other than what was asked for: one variant for each row of the answer table.

use super::since;
use jiff::Timestamp;
use std::time::Duration;

/// `Retry-After`, in either of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds from now.
    Seconds(u64),
    /// Not before then.
    At(Timestamp),
}

impl RetryAfter {
    /// How long to wait from `now` on.
    #[must_use]
    pub fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::At(at) => since(now, at),
        }
    }
}

/// The words for `detail.error` of a 402 or 403 that concern payment (the vendor's own CLI, "billing").
pub const PAYMENT_ERRORS: [&str; 3] = ["plan_required", "payment_failed", "insufficient_credits"];

/// Why a request brought no task. Each variant is something that growd reacts to differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 400, or 422 to a resume: the service understood, and refuses.
    #[error("{status}: {detail}")]
    Refused {
        /// 400 or 422.
        status: u16,
        /// The service's words.
        detail: String,
    },
    /// 401: the token is not accepted. To a poll also a 403 that `GET /v1/user` confirmed.
    #[error("{status}: {detail}")]
    Unauthorized {
        /// The status code.
        status: u16,
        /// The service's words.
        detail: String,
    },
    /// 403 without a word about payment: refused for the account, or for this task only.
    #[error("403: {detail}")]
    Forbidden {
        /// The service's words.
        detail: String,
    },
    /// 402, or 403 with a payment error (`plan_required`, `payment_failed`, `insufficient_credits`).
    #[error("{status}: {detail}")]
    PaymentRequired {
        /// 402 or 403.
        status: u16,
        /// The service's `detail.error`, or all it said.
        detail: String,
    },
    /// 404 or 410, and 422 to a poll: the service itself says that there is no such task. To a poll also a 403 that
    /// concerns this task only, since `GET /v1/user` succeeded.
    #[error("{status}: {detail}")]
    NotFound {
        /// The status code.
        status: u16,
        /// The service's words.
        detail: String,
    },
    /// 401 to a request with a token that has been replaced since it was sent: it says nothing about the account.
    #[error("{status}: {detail} (to a token that has been replaced since)")]
    Superseded {
        /// The status code.
        status: u16,
        /// The service's words.
        detail: String,
    },
    /// 429: too much was asked of the account.
    #[error("429: {detail}")]
    RateLimited {
        /// The service's words.
        detail: String,
        /// When it says to come back, where it says so in a form that can be read.
        retry_after: Option<RetryAfter>,
    },
    /// Any other 4xx, or a 3xx other than 303, which is never followed: answered, and nothing done.
    #[error("{status}: {detail}")]
    Unexpected {
        /// The status code.
        status: u16,
        /// The service's words, or where it points.
        detail: String,
    },
    /// 303, 408, 409, 5xx, a timeout, a broken connection, and a 402, 403, 404, 410 (to a poll also a 422) that is not
    /// the service's own (such as a proxy's page): the request may or may not have taken effect.
    #[error("{detail}")]
    Unanswered {
        /// The status code, where there was one.
        status: Option<u16>,
        /// What happened.
        detail: String,
        /// The `Retry-After` of a 503.
        retry_after: Option<RetryAfter>,
    },
    /// 2xx with a body that is no task: it arrived, but nothing is known of the outcome.
    #[error("{status}: not understood: {detail}")]
    NotUnderstood {
        /// The status code.
        status: u16,
        /// What is wrong with the body.
        detail: String,
    },
    /// Connection refused, DNS, TLS: nothing was sent.
    #[error("not connected: {detail}")]
    NotConnected {
        /// What happened.
        detail: String,
    },
    /// growd itself did not send it: its time had passed.
    #[error("not sent: {detail}")]
    Withheld {
        /// Why not.
        detail: String,
    },
}

impl Failure {
    /// The status code, where the service answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. }
            | Self::Unauthorized { status, .. }
            | Self::PaymentRequired { status, .. }
            | Self::NotFound { status, .. }
            | Self::Superseded { status, .. }
            | Self::Unexpected { status, .. }
            | Self::NotUnderstood { status, .. } => Some(*status),
            Self::Forbidden { .. } => Some(403),
            Self::RateLimited { .. } => Some(429),
            Self::Unanswered { status, .. } => *status,
            Self::NotConnected { .. } | Self::Withheld { .. } => None,
        }
    }

    /// The service's words, or what happened, without the status code.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Refused { detail, .. }
            | Self::Unauthorized { detail, .. }
            | Self::Forbidden { detail }
            | Self::PaymentRequired { detail, .. }
            | Self::NotFound { detail, .. }
            | Self::Superseded { detail, .. }
            | Self::RateLimited { detail, .. }
            | Self::Unexpected { detail, .. }
            | Self::Unanswered { detail, .. }
            | Self::NotUnderstood { detail, .. }
            | Self::NotConnected { detail }
            | Self::Withheld { detail } => detail,
        }
    }

    /// Is it a refusal to a poll that can concern the account or this task only? `GET /v1/user` then tells which.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }

    /// What an [ambiguous](Self::is_ambiguous) refusal of a poll means, now that `GET /v1/user` was answered with `user`.
    #[must_use]
    pub fn explained_by<T>(self, user: Result<T, Self>) -> Self {
        let status = self.status().unwrap_or(403);
        match user {
            // The account is accepted: it is this task that may not be seen.
            Ok(_) => Self::NotFound {
                status,
                detail: format!("{}; the account itself is accepted", self.detail()),
            },
            Err(
                Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::PaymentRequired { .. },
            ) => Self::Unauthorized {
                status,
                detail: self.detail().to_owned(),
            },
            Err(
                other @ (Self::RateLimited { .. }
                | Self::NotConnected { .. }
                | Self::Superseded { .. }),
            ) => other,
            Err(
                other @ (Self::Refused { .. }
                | Self::NotFound { .. }
                | Self::Unexpected { .. }
                | Self::Unanswered { .. }
                | Self::NotUnderstood { .. }
                | Self::Withheld { .. }),
            ) => Self::Unanswered {
                status: Some(status),
                detail: format!("{self}; asked whose token it is: {other}"),
                retry_after: None,
            },
        }
    }

    /// The same failure in other words.
    #[must_use]
    pub fn map_detail(mut self, map: impl FnOnce(String) -> String) -> Self {
        let (Self::Refused { detail, .. }
        | Self::Unauthorized { detail, .. }
        | Self::Forbidden { detail }
        | Self::PaymentRequired { detail, .. }
        | Self::NotFound { detail, .. }
        | Self::Superseded { detail, .. }
        | Self::RateLimited { detail, .. }
        | Self::Unexpected { detail, .. }
        | Self::Unanswered { detail, .. }
        | Self::NotUnderstood { detail, .. }
        | Self::NotConnected { detail }
        | Self::Withheld { detail }) = &mut self;
        *detail = map(std::mem::take(detail));
        self
    }
}
