//! Failed requests: one variant for each row of the answer table.

use super::since;
use jiff::Timestamp;
use std::time::Duration;

/// `Retry-After`, in either of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds from now.
    Seconds(u64),
    /// Not before then.
    At(Timestamp),
}

impl RetryAfter {
    /// Returns the wait from `now` on.
    #[must_use]
    pub fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::At(at) => since(now, at),
        }
    }
}

/// The values of `detail.error` that concern payment (source: the vendor's CLI, "billing").
pub const PAYMENT_ERRORS: [&str; 3] = ["plan_required", "payment_failed", "insufficient_credits"];

/// Why a request returned no task, no list of tasks, or no results. growd reacts differently to each variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 400, or 422 to a resume, to the list or to results: the service refuses this request.
    #[error("{status}: {detail}")]
    Refused {
        /// 400 or 422.
        status: u16,
        /// The service's explanation.
        detail: String,
    },
    /// 401: the token is not accepted. For a poll, the list or results also a 403 that `GET /v1/user` confirmed.
    #[error("{status}: {detail}")]
    Unauthorized {
        /// The status code.
        status: u16,
        /// The service's explanation.
        detail: String,
    },
    /// 403 that does not concern payment: the account, or only this task (its results) or the list, is refused.
    #[error("403: {detail}")]
    Forbidden {
        /// The service's explanation.
        detail: String,
    },
    /// 402, or 403 with a payment error (`plan_required`, `payment_failed`, `insufficient_credits`).
    #[error("{status}: {detail}")]
    PaymentRequired {
        /// 402 or 403.
        status: u16,
        /// The service's `detail.error`, or its explanation.
        detail: String,
    },
    /// 404 or 410, and 422 to a poll: the service does not know the task, or has no list or no results. For a poll, the list
    /// or results also a 403 that concerns this task or the list only, since `GET /v1/user` succeeded.
    #[error("{status}: {detail}")]
    NotFound {
        /// The status code.
        status: u16,
        /// The service's explanation.
        detail: String,
    },
    /// 401 to a request whose token has been replaced since: it says nothing about the account.
    #[error("{status}: {detail} (to a token that has been replaced since)")]
    Superseded {
        /// The status code.
        status: u16,
        /// The service's explanation.
        detail: String,
    },
    /// 429: too many requests for the account.
    #[error("429: {detail}")]
    RateLimited {
        /// The service's explanation.
        detail: String,
        /// Its `Retry-After`, if that can be read.
        retry_after: Option<RetryAfter>,
    },
    /// Any other 4xx, or a 3xx other than 303, which is never followed: the request had no effect.
    #[error("{status}: {detail}")]
    Unexpected {
        /// The status code.
        status: u16,
        /// The service's explanation, or the target of the redirect.
        detail: String,
    },
    /// 303, 408, 409, 5xx, a timeout, a broken connection, and a 402, 403, 404, 410 (to a poll also a 422) that does not
    /// come from the service (such as a proxy's page): the request may have taken effect.
    #[error("{detail}")]
    Unanswered {
        /// The status code, if there was an answer.
        status: Option<u16>,
        /// What happened.
        detail: String,
        /// The `Retry-After` of a 503.
        retry_after: Option<RetryAfter>,
    },
    /// 2xx with a body that is not a task, not a list, or no page of results: the request arrived, but its outcome is not known.
    #[error("{status}: not understood: {detail}")]
    NotUnderstood {
        /// The status code.
        status: u16,
        /// What is wrong with the body.
        detail: String,
        /// The body is longer than growd reads.
        is_too_long: bool,
    },
    /// Connection refused, DNS, TLS: nothing was sent.
    #[error("not connected: {detail}")]
    NotConnected {
        /// What happened.
        detail: String,
    },
    /// growd did not send the request.
    #[error("not sent: {detail}")]
    Withheld {
        /// Why not.
        detail: String,
    },
}

impl Failure {
    /// Returns the status code, if there was an answer.
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

    /// Returns the explanation without the status code.
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

    /// Whether this refusal of a poll or the list can concern the account, or only this task or the list. `GET /v1/user` then
    /// shows which.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }

    /// Resolves an [ambiguous](Self::is_ambiguous) refusal of a poll or the list by the answer to `GET /v1/user`.
    #[must_use]
    pub fn explained_by<T>(self, user: Result<T, Self>) -> Self {
        let status = self.status().unwrap_or(403);
        match user {
            // The account is accepted, so the refusal concerns this task, or the list.
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

    /// Returns the same failure with another explanation.
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
