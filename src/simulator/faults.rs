//! What can go wrong with a request.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

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
    /// Answered with another status.
    Status {
        /// 400 to 599; a 2xx would be no fault.
        code: u16,
        /// Such as `Retry-After`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; a `detail` that suits the status if not given.
        #[serde(default)]
        body: Option<Value>,
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

/// The names of all faults that need no number, with what they stand for by default.
const NAMES: [&str; 20] = [
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
    "408",
    "500",
    "503",
];

impl Fault {
    /// The fault of that name, with usual values: a status code (`"503"`; 429 says to come back
    /// after 1 s), a status code that takes effect all the same (`"504_after"`), `"reset_after"`,
    /// or one of the kinds.
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
            code => {
                let (code, takes_effect) = match code.strip_suffix("_after") {
                    Some(code) => (code, true),
                    None => (code, false),
                };
                let mut fault = Self::status(code.parse().ok()?);
                if let Self::Status {
                    takes_effect: takes,
                    ..
                } = &mut fault
                {
                    *takes = takes_effect;
                }
                fault.check().ok()?;
                fault
            }
        })
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
                code, takes_effect, ..
            } => return after(&code.to_string(), *takes_effect),
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

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Status { code, headers, .. } => {
                if !(400..=599).contains(code) {
                    return Err(format!("fault.code: {code} is not between 400 and 599"));
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
    pub(super) fn of_a_bad_network() -> Vec<Self> {
        let more = ["502", "504_after"];
        NAMES
            .iter()
            .chain(&more)
            .filter_map(|name| Self::named(name))
            .collect()
    }

    /// The answers that are about the account.
    pub(super) fn of_the_account() -> Vec<Self> {
        [401, 402, 403, 429].map(Self::status).to_vec()
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::named(name).ok_or_else(|| {
            format!(
                "no fault is named {name:?}; there are {}, and any status from 400 to 599, \
                 with _after where it takes effect all the same",
                NAMES[..17].join(", ")
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
