//! A fault, its name and its check.

use std::{collections::BTreeMap, mem::discriminant, str::FromStr};

use axum::http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};

use crate::{endpoint::Endpoint, faults::kinds::kinds};

/// One way in which a request fails.
///
/// In JSON it is an object such as `{"kind": "status", "code": 503}`, or a name ([`Fault::named`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    remote = "Self"
)]
pub enum Fault {
    /// The response has another status or another body, from the service or from a proxy.
    Status {
        /// 200 to 599; a 2xx requires a body, because without one it is no fault.
        code: u16,
        /// Headers such as `Retry-After`. The default `Content-Type` is JSON.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; by default a `detail` that suits the status.
        #[serde(default)]
        body: Option<Value>,
        /// The body as text, which need not be JSON.
        #[serde(default)]
        text: Option<String>,
        /// Whether the request takes effect.
        #[serde(default)]
        takes_effect: bool,
    },
    /// No effect; the connection is closed without a response.
    LostBefore,
    /// Takes effect; the connection is closed without a response.
    LostAfter,
    /// As `lost_before` or `lost_after`, with a TCP RST.
    Reset {
        /// Whether the request takes effect.
        #[serde(default)]
        takes_effect: bool,
    },
    /// No effect; the connection is closed without a response after a delay.
    Hang {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Takes effect at once; the response is delayed.
    HangAfter {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Takes effect and is answered, both after a delay.
    Delay {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// The connection is closed at once without a response; the request takes effect after a delay.
    Late {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Takes effect; the response is an HTML page.
    NotJson,
    /// Takes effect; the response ends after half of its body.
    Truncated,
    /// Takes effect; the response lacks fields.
    MissingFields,
    /// Takes effect; the response has strings for numbers and numbers for strings.
    WrongTypes,
    /// Takes effect; the response has integers as strings: `"25"`.
    QuotedNumbers,
    /// Takes effect; the response has integers with a decimal point: `25.0`.
    FloatNumbers,
    /// Takes effect; the response has 0 and 1 for false and true.
    NumericFlags,
    /// Takes effect; strings of the response contain unescaped control characters.
    RawControls,
    /// Takes effect; the response starts with a byte order mark.
    ByteOrderMark,
    /// Takes effect, after another client of the account has resumed the same task, or sent the same create.
    ColleagueFirst {
        /// How many results that client requests in a resume; also more than the cap, as in any resume. A create of that
        /// client is the same in everything.
        new: u32,
    },
    /// Takes effect; the response is very long.
    Huge {
        /// Length of the body.
        bytes: u64,
    },
    /// Takes effect; the body of the response is sent slowly.
    SlowBody {
        /// Milliseconds of real time per byte.
        ms_per_byte: u64,
    },
    /// No effect; the response is a redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The new location.
        location: String,
    },
    /// Takes effect; the response is about another task.
    WrongId,
    /// Takes effect; the response has no body.
    Empty,
    /// Each task of a page of the list is `done`.
    ListAllDone,
    /// Each task of a page of the list is `in_progress`.
    ListAllRunning,
    /// Each task of a page of the list is `failed`.
    ListAllFailed,
    /// Each task of a page of the list is done, exhausted, and has 250 of 250 results.
    ListFull,
    /// The counters of a page of the list are halved.
    ListFallen,
    /// The counters of a page of the list are doubled.
    ListRisen,
    /// A page of the list has each task twice, the second time with higher counters.
    ListTwice,
    /// The ids of a page of the list are those of other tasks, always the same ones.
    ListOthers,
    /// A page of the list is empty.
    ListEmpty,
    /// One entry of a page of the list is unusable: it is no object, or lacks the id, or has a text for a counter, …
    ListBadEntry,
    /// A page of the list is `{"items": […]}`.
    ListObject,
    /// A page of results has no rows.
    ResultsEmpty,
    /// The counters of a page of results are halved, and so is the number of its rows, as if it were older.
    ResultsFallen,
    /// The counters of a page of results are doubled.
    ResultsRisen,
    /// The last row of a page of results has the id of the first one.
    ResultsTwice,
    /// Every second row of a page of results belongs to another task.
    ResultsOthers,
    /// One row of a page of results is unusable: it is no object, or has no id, or one that is no text or too long.
    ResultsBadRow,
    /// Each row of a page of results has a value of an undocumented type, each in another field.
    ResultsOddFields,
    /// Each text of the first row of a page of results has 100,000 characters.
    ResultsLongText,
}

/// Reasons in `detail.error` if the account cannot pay, from the vendor's client.
const PAYMENT_REASONS: [&str; 3] = ["plan_required", "payment_failed", "insufficient_credits"];

/// The HTML page of a proxy.
pub(crate) const PAGE: &str = "<!doctype html><title>Simulated</title><p>This is not JSON.";

impl Fault {
    /// Returns the fault with this name, with typical values: a kind such as `"reset_after"`, or a status.
    ///
    /// The name of a status is a code from 300 to 599, such as `"503"`. A prefix `page_` adds an HTML page, and then
    /// 2xx is allowed too (`"page_200"`). A payment reason can follow (`"403_plan_required"`). With `_after` at the end
    /// the request takes effect (`"504_after"`). A 429 has a `Retry-After` of 1 s.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let kind = kinds().into_iter().find(|(kind, _)| *kind == name);
        kind.map_or_else(|| Self::named_status(name), |(_, fault)| Some(fault))
    }

    fn named_status(name: &str) -> Option<Self> {
        let without_suffix = name.strip_suffix("_after");
        let name = without_suffix.unwrap_or(name);
        let without_prefix = name.strip_prefix("page_");
        let (name, page) = (without_prefix.unwrap_or(name), without_prefix.is_some());
        let (code, reason) = match name.split_once('_') {
            Some((code, reason)) if PAYMENT_REASONS.contains(&reason) && !page => {
                (code, Some(reason))
            }
            Some(_) => return None,
            None => (name, None),
        };
        let mut fault = Self::status(code.parse().ok()?);
        if let Self::Status {
            headers,
            body,
            text,
            takes_effect,
            ..
        } = &mut fault
        {
            *takes_effect = without_suffix.is_some();
            *body = reason.map(|reason| {
                let message = "The plan or the credits of this account do not allow that";
                json!({ "detail": { "error": reason, "message": message } })
            });
            if page {
                headers.insert("Content-Type".to_owned(), "text/html".to_owned());
                *text = Some(PAGE.to_owned());
            }
        }
        fault.check().is_ok().then_some(fault)
    }

    /// Returns a status without effect; a 429 has a `Retry-After` of 1 s.
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

    /// Returns the name that [`Fault::named`] knows, whatever the fault's values.
    #[must_use]
    pub fn name(&self) -> String {
        let Self::Status {
            code,
            body,
            text,
            takes_effect,
            ..
        } = self
        else {
            let same = |fault: &Self| {
                discriminant(fault) == discriminant(self)
                    && fault.takes_effect() == self.takes_effect()
            };
            let kind = kinds().into_iter().find(|(_, fault)| same(fault));
            return kind.map_or("", |(name, _)| name).to_owned();
        };
        let page = if text.is_some() { "page_" } else { "" };
        let after = if *takes_effect { "_after" } else { "" };
        let reason = body
            .as_ref()
            .and_then(|body| body["detail"]["error"].as_str());
        match reason.filter(|reason| PAYMENT_REASONS.contains(reason)) {
            Some(reason) => format!("{page}{code}_{reason}{after}"),
            None => format!("{page}{code}{after}"),
        }
    }

    /// Whether the request takes effect, at once or later.
    #[must_use]
    pub fn takes_effect(&self) -> bool {
        match self {
            Self::Status { takes_effect, .. } | Self::Reset { takes_effect } => *takes_effect,
            Self::LostBefore | Self::Hang { .. } | Self::Redirect { .. } => false,
            _ => true,
        }
    }

    /// Whether the fault changes a page of the list, and so is only for requests for the list.
    #[must_use]
    pub fn is_of_list(&self) -> bool {
        matches!(
            self,
            Self::ListAllDone
                | Self::ListAllRunning
                | Self::ListAllFailed
                | Self::ListFull
                | Self::ListFallen
                | Self::ListRisen
                | Self::ListTwice
                | Self::ListOthers
                | Self::ListEmpty
                | Self::ListBadEntry
                | Self::ListObject
        )
    }

    /// Whether the fault changes a page of results, and so is only for requests for results.
    #[must_use]
    pub fn is_of_results(&self) -> bool {
        matches!(
            self,
            Self::ResultsEmpty
                | Self::ResultsFallen
                | Self::ResultsRisen
                | Self::ResultsTwice
                | Self::ResultsOthers
                | Self::ResultsBadRow
                | Self::ResultsOddFields
                | Self::ResultsLongText
        )
    }

    /// Whether a request to this endpoint can meet the fault.
    pub(crate) fn is_possible_at(&self, endpoint: Endpoint) -> bool {
        (endpoint == Endpoint::List || !self.is_of_list())
            && (endpoint == Endpoint::Results || !self.is_of_results())
    }

    /// Checks that each value is in its range; the error names the field.
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
                let valid = |(name, value): &(&String, &String)| {
                    HeaderName::from_str(name).is_ok() && HeaderValue::from_str(value).is_ok()
                };
                match headers.iter().find(|header| !valid(header)) {
                    Some((name, _)) => {
                        Err(format!("fault.headers: {name:?} is not a valid header"))
                    }
                    None => Ok(()),
                }
            }
            Self::Redirect { status, .. } if !(300..=399).contains(status) => {
                Err(format!("fault.status: {status} is not between 300 and 399"))
            }
            Self::Redirect { location, .. } if HeaderValue::from_str(location).is_err() => Err(
                format!("fault.location: {location:?} is not a valid header value"),
            ),
            _ => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::named(name).ok_or_else(|| {
            format!(
                "unknown fault {name:?}; there are {}, and a status from 300 to 599, also with an HTML page (page_503), with \
                 a reason (403_{}), or with _after if it takes effect",
                kinds().map(|(name, _)| name).join(", "),
                PAYMENT_REASONS.join(", 403_"),
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
        // Via a `Value`: then an error names the field, and not only "no variant".
        let fault = match Value::deserialize(from)? {
            Value::String(name) => name.parse(),
            // The derived function: `remote` makes it an inherent one.
            value => Self::deserialize(value).map_err(|error| error.to_string()),
        };
        let fault = fault.map_err(D::Error::custom)?;
        fault.check().map_err(D::Error::custom)?;
        Ok(fault)
    }
}
