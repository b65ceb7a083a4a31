//! What can go wrong with a request.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};

/// One way in which a request goes wrong.
///
/// In JSON it is an object such as `{"kind": "status", "code": 503}`, or just a name
/// ([`Fault::named`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    remote = "Self"
)]
pub enum Fault {
    /// Answered with another status or another body, from the service or from a proxy before it.
    Status {
        /// 200 to 599; a 2xx only with a body, without one it would be no fault.
        code: u16,
        /// Such as `Retry-After` or `Content-Type`; the latter is JSON if not given.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; a `detail` that suits the status if neither this nor `text` is given.
        #[serde(default)]
        body: Option<Value>,
        /// The body as it is to be sent, which need not be JSON.
        #[serde(default)]
        text: Option<String>,
        /// Whether the request takes effect all the same.
        #[serde(default)]
        takes_effect: bool,
    },
    /// The connection is closed with no answer, and nothing happened.
    LostBefore,
    /// The request takes effect, and the connection is closed with no answer.
    LostAfter,
    /// As `lost_before` or `lost_after`, with a TCP RST.
    Reset {
        /// Whether the request takes effect.
        #[serde(default)]
        takes_effect: bool,
    },
    /// Nothing for a while, and then the connection is closed with nothing done.
    Hang {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// The request takes effect at once, and is answered only after a while.
    HangAfter {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Everything as it should be, but later.
    Delay {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// The connection is closed at once with no answer, and the request takes effect later on.
    Late {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Takes effect; the answer is a page of HTML.
    NotJson,
    /// Takes effect; the answer breaks off half way.
    Truncated,
    /// Takes effect; the answer lacks fields.
    MissingFields,
    /// Takes effect; the answer has text for numbers and numbers for text.
    WrongTypes,
    /// Takes effect; the answer has whole numbers as text: `"25"`.
    QuotedNumbers,
    /// Takes effect; the answer has whole numbers with a point: `25.0`.
    FloatNumbers,
    /// Takes effect; the answer has 0 and 1 for false and true.
    NumericFlags,
    /// Takes effect; the answer's texts contain control characters that are not escaped.
    RawControls,
    /// Takes effect; the answer begins with a byte order mark.
    ByteOrderMark,
    /// As it should be, but just before a colleague has asked for more results of the same task.
    ColleagueFirst {
        /// How many; also more than the cap leaves, as with any resume.
        new: u32,
    },
    /// Takes effect; the answer is very long.
    Huge {
        /// Length of the body.
        bytes: u64,
    },
    /// Takes effect; the answer's body trickles in.
    SlowBody {
        /// Milliseconds of real time for each byte.
        ms_per_byte: u64,
    },
    /// Answered with a redirect; nothing happened.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        location: String,
    },
    /// Takes effect; the answer is about another task.
    WrongId,
    /// Takes effect; the answer has no body.
    Empty,
}

/// The names of all kinds but statuses, with usual values.
const KINDS: [&str; 23] = [
    "lost_before",
    "lost_after",
    "reset",
    "reset_after",
    "hang",
    "hang_after",
    "delay",
    "late",
    "not_json",
    "truncated",
    "missing_fields",
    "wrong_types",
    "huge",
    "slow_body",
    "redirect",
    "wrong_id",
    "empty",
    "quoted_numbers",
    "float_numbers",
    "numeric_flags",
    "raw_controls",
    "byte_order_mark",
    COLLEAGUE,
];

/// The one kind that is no fault of the network.
const COLLEAGUE: &str = "colleague_first";

/// What `detail.error` says where the account cannot pay, by the vendor's client.
const UNPAID: [&str; 3] = ["plan_required", "payment_failed", "insufficient_credits"];

/// What a proxy says for itself.
pub(crate) const PAGE: &str = "<!doctype html><title>Simulated</title><p>This is not JSON.";

impl Fault {
    /// The fault of that name, with usual values: one of the kinds, `"reset_after"`, or a status.
    ///
    /// A status is a code from 300 to 599 (`"503"`; 429 says to come back after 1 s), with
    /// `page_` before it where it comes with a page of HTML (then also `"page_200"`), with a
    /// reason after it where the account cannot pay (`"403_plan_required"`), and with `_after` at
    /// its end where the request takes effect all the same (`"504_after"`).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lost_before" => Self::LostBefore,
            "lost_after" => Self::LostAfter,
            "reset" => Self::Reset {
                takes_effect: false,
            },
            "reset_after" => Self::Reset { takes_effect: true },
            "hang" => Self::Hang { ms: 1_000 },
            "hang_after" => Self::HangAfter { ms: 1_000 },
            "delay" => Self::Delay { ms: 250 },
            "late" => Self::Late { ms: 250 },
            "not_json" => Self::NotJson,
            "truncated" => Self::Truncated,
            "missing_fields" => Self::MissingFields,
            "wrong_types" => Self::WrongTypes,
            "huge" => Self::Huge { bytes: 2 << 20 },
            "slow_body" => Self::SlowBody { ms_per_byte: 2 },
            "redirect" => Self::Redirect {
                status: 307,
                location: "/v1/moved".to_owned(),
            },
            "wrong_id" => Self::WrongId,
            "empty" => Self::Empty,
            "quoted_numbers" => Self::QuotedNumbers,
            "float_numbers" => Self::FloatNumbers,
            "numeric_flags" => Self::NumericFlags,
            "raw_controls" => Self::RawControls,
            "byte_order_mark" => Self::ByteOrderMark,
            COLLEAGUE => Self::ColleagueFirst { new: 25 },
            status => return Self::named_status(status),
        })
    }

    fn named_status(name: &str) -> Option<Self> {
        let (name, takes_effect) = match name.strip_suffix("_after") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (name, page) = match name.strip_prefix("page_") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (code, reason) = match name.split_once('_') {
            Some((code, reason)) if UNPAID.contains(&reason) && !page => (code, Some(reason)),
            Some(_) => return None,
            None => (name, None),
        };
        let mut fault = Self::status(code.parse().ok()?);
        if let Self::Status {
            headers,
            body,
            text,
            takes_effect: takes,
            ..
        } = &mut fault
        {
            *takes = takes_effect;
            *body = reason.map(|reason| {
                let message = "The plan or the credits of this account do not allow that";
                json!({ "detail": { "error": reason, "message": message } })
            });
            if page {
                headers.insert("Content-Type".to_owned(), "text/html".to_owned());
                *text = Some(PAGE.to_owned());
            }
        }
        fault.check().ok()?;
        Some(fault)
    }

    /// A plain status; a 429 asks to come back after a second.
    #[must_use]
    pub fn status(code: u16) -> Self {
        let mut headers = BTreeMap::new();
        if code == 429 {
            headers.insert("Retry-After".to_owned(), "1".to_owned());
        }
        Self::Status {
            code,
            headers,
            body: None,
            text: None,
            takes_effect: false,
        }
    }

    /// The name by which [`Fault::named`] knows it, whatever its numbers.
    #[must_use]
    pub fn name(&self) -> String {
        let after = |name: &str, takes_effect: bool| {
            let end = if takes_effect { "_after" } else { "" };
            format!("{name}{end}")
        };
        let name = match self {
            Self::Status {
                code,
                body,
                text,
                takes_effect,
                ..
            } => {
                let page = if text.is_some() { "page_" } else { "" };
                let reason = body
                    .as_ref()
                    .and_then(|body| body["detail"]["error"].as_str());
                let reason = reason.filter(|reason| UNPAID.contains(reason));
                let reason = reason
                    .map(|reason| format!("_{reason}"))
                    .unwrap_or_default();
                return after(&format!("{page}{code}{reason}"), *takes_effect);
            }
            Self::Reset { takes_effect } => return after("reset", *takes_effect),
            Self::LostBefore => "lost_before",
            Self::LostAfter => "lost_after",
            Self::Hang { .. } => "hang",
            Self::HangAfter { .. } => "hang_after",
            Self::Delay { .. } => "delay",
            Self::Late { .. } => "late",
            Self::NotJson => "not_json",
            Self::Truncated => "truncated",
            Self::MissingFields => "missing_fields",
            Self::WrongTypes => "wrong_types",
            Self::Huge { .. } => "huge",
            Self::SlowBody { .. } => "slow_body",
            Self::Redirect { .. } => "redirect",
            Self::WrongId => "wrong_id",
            Self::Empty => "empty",
            Self::QuotedNumbers => "quoted_numbers",
            Self::FloatNumbers => "float_numbers",
            Self::NumericFlags => "numeric_flags",
            Self::RawControls => "raw_controls",
            Self::ByteOrderMark => "byte_order_mark",
            Self::ColleagueFirst { .. } => COLLEAGUE,
        };
        name.to_owned()
    }

    /// Whether the request does what it asks for, sooner or later.
    #[must_use]
    pub fn takes_effect(&self) -> bool {
        match self {
            Self::Status { takes_effect, .. } | Self::Reset { takes_effect } => *takes_effect,
            Self::LostBefore | Self::Hang { .. } | Self::Redirect { .. } => false,
            _ => true,
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Status {
                code,
                headers,
                body,
                text,
                ..
            } => {
                if !(200..=599).contains(code) {
                    return Err(format!("fault.code: {code} is not between 200 and 599"));
                }
                if *code < 300 && body.is_none() && text.is_none() {
                    return Err(format!(
                        "fault.code: {code} is a fault only with a body or text"
                    ));
                }
                if body.is_some() && text.is_some() {
                    return Err("fault.text: there is a body already".to_owned());
                }
                for (name, value) in headers {
                    let good = axum::http::HeaderName::from_str(name).is_ok()
                        && axum::http::HeaderValue::from_str(value).is_ok();
                    if !good {
                        return Err(format!("fault.headers: {name:?} is no header"));
                    }
                }
                Ok(())
            }
            Self::Redirect { status, location } => {
                if !(300..=399).contains(status) {
                    return Err(format!("fault.status: {status} is not between 300 and 399"));
                }
                if axum::http::HeaderValue::from_str(location).is_err() {
                    return Err(format!("fault.location: {location:?} is no header's value"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What stands in the way of a search: the faults that a client has to live through.
    pub(crate) fn of_a_bad_network() -> Vec<Self> {
        let statuses = ["408", "500", "503", "502", "504_after"];
        KINDS
            .iter()
            .filter(|name| **name != COLLEAGUE)
            .chain(&statuses)
            .filter_map(|name| Self::named(name))
            .collect()
    }

    /// The answers that are about the account.
    pub(crate) fn of_the_account() -> Vec<Self> {
        [401, 402, 403, 429].map(Self::status).to_vec()
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::named(name).ok_or_else(|| {
            format!(
                "no fault is named {name:?}; there are {}, and any status from 300 to 599, also \
                 with a page of HTML (page_503) or with {} (403_{}), and with _after where it \
                 takes effect all the same",
                KINDS.join(", "),
                UNPAID.join(", "),
                UNPAID[0]
            )
        })
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Through a `Value`, for then an error names the field and not just "no variant".
        let fault = match Value::deserialize(from)? {
            Value::String(name) => name.parse(),
            // The derived function, which `remote` made an inherent one.
            value => Self::deserialize(value).map_err(|error| error.to_string()),
        };
        let fault = fault.map_err(D::Error::custom)?;
        fault.check().map_err(D::Error::custom)?;
        Ok(fault)
    }
}
