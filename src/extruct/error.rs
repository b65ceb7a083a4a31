//! From what went wrong with a request to the variant that says what growd does about it.

use crate::core::{Failure, RetryAfter};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;
use std::error::Error;
use url::Url;

/// The longest text kept of what the service says, in characters.
const DETAIL_MAX: usize = 500;

/// The failure that an answer other than 2xx is. Its words are of any length: see [`clip`].
pub(super) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &str) -> Failure {
    let code = status.as_u16();
    let detail = detail(status, body);
    match code {
        400 | 422 => Failure::Refused {
            status: code,
            detail,
        },
        401 => Failure::Unauthorized {
            status: code,
            detail,
        },
        403 => Failure::Forbidden { detail },
        402 => Failure::PaymentRequired {
            status: code,
            detail,
        },
        404 => Failure::NotFound {
            status: code,
            detail,
        },
        429 => Failure::RateLimited {
            detail,
            retry_after: retry_after(headers),
        },
        300..=399 => Failure::Unexpected {
            status: code,
            detail: redirect(headers),
        },
        // A 1xx is no end of an answer; where it is the last that was heard, the answer never came.
        100..=199 | 408 | 500.. => Failure::Unanswered {
            status: Some(code),
            detail: format!("{code}: {detail}"),
            retry_after: None,
        },
        _ => Failure::Unexpected {
            status: code,
            detail,
        },
    }
}

/// The failure that a request without a whole answer is. Its words are of any length: see [`clip`].
pub(super) fn from_transport(error: reqwest::Error) -> Failure {
    // reqwest calls an error one of connecting only where nothing was written; a total timeout that strikes
    // while connecting is not called so, and counts as unanswered: the safe side.
    let connecting = error.is_connect();
    let timeout = error.is_timeout();
    // The address is known from the configuration; what matters is at the end of the chain.
    let error = error.without_url();
    let detail = if timeout && !connecting {
        "timeout".to_owned()
    } else {
        chain(&error)
    };
    if connecting {
        Failure::NotConnected { detail }
    } else {
        Failure::Unanswered {
            status: None,
            detail,
            retry_after: None,
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The service's words: FastAPI's `detail`, which is a string, an object or a list, or else the body's text.
fn detail(status: StatusCode, body: &str) -> String {
    let words = match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(mut object)) => match object.remove("detail") {
            Some(detail) => words(&detail),
            None => Value::Object(object).to_string(),
        },
        Ok(other) => words(&other),
        Err(_) => body.to_owned(),
    };
    if words.trim().is_empty() {
        status
            .canonical_reason()
            .unwrap_or("no explanation")
            .to_owned()
    } else {
        words
    }
}

fn words(detail: &Value) -> String {
    match detail {
        Value::String(text) => text.clone(),
        Value::Object(object) => ["error", "message", "msg"]
            .iter()
            .find_map(|key| object.get(*key)?.as_str())
            .map_or_else(|| detail.to_string(), str::to_owned),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// One line of bounded length, fit for a terminal and a log. What must not be told has to be struck out before:
/// half of it would not be found any more.
pub(super) fn clip(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(DETAIL_MAX + 1)
        .collect();
    let line = line.trim();
    if line.chars().count() > DETAIL_MAX {
        let mut cut: String = line.chars().take(DETAIL_MAX).collect();
        cut.push('…');
        cut
    } else {
        line.to_owned()
    }
}

fn redirect(headers: &HeaderMap) -> String {
    let location = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    // The host alone: whatever else is in there may be an echo of what was sent.
    match location
        .and_then(|location| Url::parse(location).ok())
        .and_then(|url| url.host_str().map(str::to_owned))
    {
        Some(host) => format!("a redirect to {host}, which is not followed"),
        None => "a redirect, which is not followed".to_owned(),
    }
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, section 10.2.3); none for anything else.
fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long time, which the gate bounds.
        return Some(RetryAfter::Seconds(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    // A date past all that can be reckoned with is a very long time, too; none is before 1970.
    Some(RetryAfter::At(
        Timestamp::try_from(at).unwrap_or(Timestamp::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, body: &str) -> Failure {
        from_answer(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), body)
    }

    fn limited(header: &str) -> Option<RetryAfter> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, header.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn every_status_falls_into_its_row_of_the_table() {
        use Failure as F;
        for code in [400, 422] {
            assert!(matches!(answer(code, ""), F::Refused { status, .. } if status == code));
        }
        assert!(matches!(answer(401, ""), F::Unauthorized { .. }));
        assert!(matches!(answer(403, ""), F::Forbidden { .. }));
        assert!(matches!(answer(402, ""), F::PaymentRequired { .. }));
        assert!(matches!(answer(404, ""), F::NotFound { .. }));
        assert!(matches!(
            answer(429, ""),
            F::RateLimited {
                retry_after: None,
                ..
            }
        ));
        for code in [101, 408, 500, 502, 503, 504, 599] {
            assert!(matches!(answer(code, ""), F::Unanswered { status: Some(s), .. } if s == code));
        }
        for code in [300, 301, 302, 303, 307, 308, 405, 409, 410, 418] {
            assert!(matches!(answer(code, ""), F::Unexpected { status, .. } if status == code));
        }
    }

    #[test]
    fn the_services_words_are_found_in_each_form_of_detail() {
        for (body, expected) in [
            (r#"{"detail":"is exhausted"}"#, "is exhausted"),
            (
                r#"{"detail":{"error":"insufficient_credits","x":1}}"#,
                "insufficient_credits",
            ),
            (
                r#"{"detail":[{"loc":["body"],"msg":"too big"},{"msg":"bad"}]}"#,
                "too big; bad",
            ),
            (r#"{"error":"other"}"#, r#"{"error":"other"}"#),
            ("<html>\nno\u{7}</html>", "<html> no </html>"),
            ("", "Bad Request"),
        ] {
            assert_eq!(clip(answer(400, body).detail()), expected, "{body}");
        }
        let long = answer(400, &"x".repeat(10_000));
        assert_eq!(clip(long.detail()).chars().count(), DETAIL_MAX + 1);
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_nonsense_is_none() {
        assert_eq!(limited("120"), Some(RetryAfter::Seconds(120)));
        assert_eq!(
            limited("99999999999999999999999"),
            Some(RetryAfter::Seconds(u64::MAX))
        );
        let at = "2015-10-21T07:28:00Z".parse().unwrap();
        assert_eq!(
            limited("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(RetryAfter::At(at))
        );
        assert_eq!(
            limited("Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(RetryAfter::At(Timestamp::MAX))
        );
        for nonsense in ["soon", "-5", "1.5", ""] {
            assert_eq!(limited(nonsense), None, "{nonsense}");
        }
    }
}
