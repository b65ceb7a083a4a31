//! What the service can answer other than what was asked for: one variant for each row of the answer table.

use jiff::Timestamp;

/// `Retry-After`, in either of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds from now.
    Seconds(u64),
    /// Not before then.
    At(Timestamp),
}

/// Why a request brought no task. Each variant is something that growd reacts to differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 400 or 422: the service understood, and won't.
    #[error("{status}: {detail}")]
    Refused {
        /// 400 or 422.
        status: u16,
        /// The service's words.
        detail: String,
    },
    /// 401 or 403: the token is not accepted.
    #[error("{status}: {detail}")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// The service's words.
        detail: String,
    },
    /// 402: the account has to pay first.
    #[error("402: {detail}")]
    PaymentRequired {
        /// The service's `detail.error`, or all it said.
        detail: String,
    },
    /// 404: no such task.
    #[error("404: {detail}")]
    NotFound {
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
    /// Any other 4xx, or a 3xx, which is never followed: answered, and nothing done.
    #[error("{status}: {detail}")]
    Unexpected {
        /// The status code.
        status: u16,
        /// The service's words, or where it points.
        detail: String,
    },
    /// 408, 5xx, a timeout, a broken connection: the request may or may not have arrived.
    #[error("{detail}")]
    Unanswered {
        /// The status code, where there was one.
        status: Option<u16>,
        /// What happened.
        detail: String,
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
            | Self::Unexpected { status, .. }
            | Self::NotUnderstood { status, .. } => Some(*status),
            Self::PaymentRequired { .. } => Some(402),
            Self::NotFound { .. } => Some(404),
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
            | Self::PaymentRequired { detail }
            | Self::NotFound { detail }
            | Self::RateLimited { detail, .. }
            | Self::Unexpected { detail, .. }
            | Self::Unanswered { detail, .. }
            | Self::NotUnderstood { detail, .. }
            | Self::NotConnected { detail }
            | Self::Withheld { detail } => detail,
        }
    }

    /// The same failure in other words.
    #[must_use]
    pub fn map_detail(mut self, map: impl FnOnce(String) -> String) -> Self {
        let (Self::Refused { detail, .. }
        | Self::Unauthorized { detail, .. }
        | Self::PaymentRequired { detail }
        | Self::NotFound { detail }
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
