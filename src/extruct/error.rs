//! Classifies failed requests by what growd does about them.

use super::retry_after::retry_after;
use super::wire::{BYTE_ORDER_MARK, read_json};
use crate::core::Failure;
use crate::core::failure::PAYMENT_ERRORS;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use serde_json::Value;
use std::error::Error;
use url::Url;

/// The longest detail that is kept, in characters.
const DETAIL_MAX: usize = 500;

/// The kind of request that was answered. The meaning of some status codes depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// `GET /v1/discovery_tasks/{id}`.
    Poll,
    /// `POST /v1/discovery_tasks/{id}/resume`.
    Resume,
    /// `POST /v1/discovery_tasks`.
    Create,
    /// `GET /v1/user`.
    User,
    /// `GET /v1/discovery_tasks`.
    List,
    /// `GET /v1/discovery_tasks/{id}/results`.
    Results,
}

/// Classifies an answer other than 2xx. The detail is of any length: see [`clip`].
pub(super) fn from_answer(
    request: Request,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Failure {
    let code = status.as_u16();
    let body = String::from_utf8_lossy(body);
    let json = read_json::<Value>(body.as_bytes()).ok();
    // The service is a FastAPI application, whose errors have this field. Other bodies come from a proxy.
    let own = json
        .as_ref()
        .and_then(|json| json.as_object()?.get("detail"));
    let detail = if status.is_redirection() {
        redirect(headers)
    } else {
        detail(status, headers, &body, json.as_ref())
    };
    let unanswered = |detail: &str, retry_after| Failure::Unanswered {
        status: Some(code),
        detail: format!("{code}: {detail}"),
        retry_after,
    };
    match (code, request) {
        (401, _) => Failure::Unauthorized {
            status: code,
            detail,
        },
        (402..=404 | 410, _) | (422, Request::Poll) if own.is_none() => unanswered(&detail, None),
        (400, _)
        | (
            422,
            Request::Resume
            | Request::Create
            | Request::User
            | Request::List
            | Request::Results,
        )
        // There is nothing to be found: the service, or the account, has no searches.
        | (404 | 410, Request::Create) => {
            Failure::Refused {
                status: code,
                detail,
            }
        }
        (403, _) if !own.is_some_and(asks_for_payment) => Failure::Forbidden { detail },
        (402 | 403, _) => Failure::PaymentRequired {
            status: code,
            detail,
        },
        (404 | 410 | 422, _) => Failure::NotFound {
            status: code,
            detail,
        },
        (429, _) => Failure::RateLimited {
            detail,
            retry_after: retry_after(headers),
        },
        (503, _) => unanswered(&detail, retry_after(headers)),
        // A 303 says that the request was processed. A resume answered 409 may have taken effect. A 1xx does not end an
        // answer: if nothing follows it, the answer never came.
        (100..=199 | 303 | 408 | 409 | 500.., _) => unanswered(&detail, None),
        _ => Failure::Unexpected {
            status: code,
            detail,
        },
    }
}

/// Whether a `detail` is one of [`PAYMENT_ERRORS`], as its `error` or as a plain string.
fn asks_for_payment(detail: &Value) -> bool {
    let error = detail.as_str().or_else(|| detail.get("error")?.as_str());
    error.is_some_and(|error| PAYMENT_ERRORS.contains(&error))
}

/// Classifies a request without a complete answer. The detail is of any length: see [`clip`].
pub(super) fn from_transport(error: reqwest::Error) -> Failure {
    // `is_connect` is true only if nothing was written. It is false for a total timeout while connecting, which then counts
    // as unanswered: the safe side.
    let connecting = error.is_connect();
    let timeout = error.is_timeout();
    // The URL is known from the configuration.
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

/// Returns FastAPI's `detail`, which is a string, an object or a list, or else the body.
fn detail(status: StatusCode, headers: &HeaderMap, body: &str, json: Option<&Value>) -> String {
    let text = match json {
        Some(json) if json.is_object() => match json.get("detail") {
            Some(detail) => message(detail),
            None => json.to_string(),
        },
        Some(json) => message(json),
        None if is_html(headers, body.as_bytes()) => HTML.to_owned(),
        None => body.to_owned(),
    };
    if text.trim().is_empty() {
        status
            .canonical_reason()
            .unwrap_or("no explanation")
            .to_owned()
    } else if begins_as_html(text.as_bytes()) {
        HTML.to_owned()
    } else {
        text
    }
}

/// Replaces the source of a page in texts for people.
const HTML: &str = "an HTML page";

/// Describes a 2xx body that the reader rejected with `error`.
pub(super) fn not_json(headers: &HeaderMap, body: &[u8], error: String) -> String {
    if is_html(headers, body) {
        format!("{HTML}, not JSON")
    } else {
        error
    }
}

/// Whether a body is an HTML page, by its first characters or by `Content-Type`.
fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_declared_html = || {
        let content_type = headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], HeaderValue::as_bytes);
        begins_with(content_type, "text/html") || begins_with(content_type, "application/xhtml+xml")
    };
    // A wrong `Content-Type` does not make JSON a page.
    let is_text = !matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['));
    begins_as_html(body) || (is_text && is_declared_html())
}

fn begins_as_html(body: &[u8]) -> bool {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let body = body.trim_ascii_start();
    begins_with(body, "<!doctype html") || begins_with(body, "<html")
}

/// Whether a text begins with a word, ignoring ASCII case.
fn begins_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

fn message(detail: &Value) -> String {
    match detail {
        Value::String(text) => text.clone(),
        Value::Object(object) => ["error", "message", "msg"]
            .iter()
            .find_map(|key| object.get(*key)?.as_str())
            .map_or_else(|| detail.to_string(), str::to_owned),
        Value::Array(items) => items.iter().map(message).collect::<Vec<_>>().join("; "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Makes a text one line of bounded length, fit for a terminal and a log. Redact it before: a token that is cut in half is
/// not found.
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
    let location = headers.get(LOCATION).and_then(|url| url.to_str().ok());
    // The rest of the URL may echo the request.
    let url = location.and_then(|location| Url::parse(location).ok());
    match url.as_ref().and_then(Url::host_str) {
        Some(host) => format!("a redirect to {host}, which is not followed"),
        None => "a redirect, which is not followed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Request::{Create, List, Poll, Results, Resume, User};
    use super::*;
    use crate::core::RetryAfter;
    use reqwest::header::{HeaderName, RETRY_AFTER};

    /// A body in the form of the service.
    const OWN: &str = r#"{"detail":"its words"}"#;

    /// Bodies that only a proxy sends.
    const FOREIGN: [&str; 6] = [
        "",
        "<html>no</html>",
        "no",
        "[]",
        r#"{"error":"plan_required"}"#,
        r#""detail""#,
    ];

    const ALL: [Request; 6] = [Poll, Resume, Create, User, List, Results];

    fn answer(request: Request, code: u16, body: &str) -> Failure {
        let status = StatusCode::from_u16(code).unwrap();
        from_answer(request, status, &HeaderMap::new(), body.as_bytes())
    }

    /// The variant's name, and the status it holds.
    fn row(failure: &Failure) -> (String, Option<u16>) {
        let name = format!("{failure:?}");
        let name = name.split(' ').next().unwrap_or_default();
        (name.to_owned(), failure.status())
    }

    fn assert_rows(codes: &[u16], requests: &[Request], bodies: &[&str], variant: &str) {
        for &code in codes {
            for &request in requests {
                for body in bodies {
                    let row = row(&answer(request, code, body));
                    let expected = (variant.to_owned(), Some(code));
                    assert_eq!(row, expected, "{code} to {request:?}: {body}");
                }
            }
        }
    }

    fn headers(of: &[(HeaderName, &str)]) -> HeaderMap {
        let of = of.iter().cloned();
        of.map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn every_status_falls_into_its_row_of_the_table() {
        let any = [&FOREIGN[..], &[OWN]].concat();
        assert_rows(&[400], &ALL, &any, "Refused");
        let but_polls = [Resume, Create, User, List, Results];
        assert_rows(&[422], &but_polls, &any, "Refused");
        assert_rows(&[422], &[Poll], &[OWN], "NotFound");
        assert_rows(&[401], &ALL, &any, "Unauthorized");
        assert_rows(&[402], &ALL, &[OWN], "PaymentRequired");
        assert_rows(&[403], &ALL, &[OWN], "Forbidden");
        let but_creates = [Poll, Resume, User, List, Results];
        assert_rows(&[404, 410], &but_creates, &[OWN], "NotFound");
        assert_rows(&[404, 410], &[Create], &[OWN], "Refused");
        assert_rows(&[402, 403, 404, 410], &ALL, &FOREIGN, "Unanswered");
        assert_rows(&[422], &[Poll], &FOREIGN, "Unanswered");
        assert_rows(&[429], &ALL, &any, "RateLimited");
        let unanswered = [101, 303, 408, 409, 500, 502, 503, 504, 599];
        assert_rows(&unanswered, &ALL, &any, "Unanswered");
        let unexpected = [300, 301, 302, 304, 307, 308, 405, 406, 407, 411, 418, 451];
        assert_rows(&unexpected, &ALL, &any, "Unexpected");
    }

    #[test]
    fn a_detail_that_is_not_utf_8_is_still_the_services_own() {
        let body = b"{\"detail\":\"caf\xe9\"}";
        let none = HeaderMap::new();
        let failure = from_answer(Poll, StatusCode::NOT_FOUND, &none, body);
        assert_eq!(failure.to_string(), "404: caf\u{fffd}");
        assert!(matches!(failure, Failure::NotFound { .. }), "{failure:?}");
    }

    #[test]
    fn a_403_about_payment_is_a_402() {
        for error in PAYMENT_ERRORS {
            for body in [
                format!(r#"{{"detail":{{"error":"{error}"}}}}"#),
                format!(r#"{{"detail":"{error}"}}"#),
            ] {
                for request in ALL {
                    let failure = answer(request, 403, &body);
                    let expected = ("PaymentRequired".to_owned(), Some(403));
                    assert_eq!(row(&failure), expected, "{body}");
                    assert_eq!(failure.detail(), error);
                }
            }
        }
        let others = [
            r#"{"detail":{"error":"not_yours"}}"#,
            r#"{"detail":{"message":"plan_required"}}"#,
            r#"{"detail":["plan_required"]}"#,
            r#"{"detail":null}"#,
        ];
        assert_rows(&[403], &ALL, &others, "Forbidden");
    }

    #[test]
    fn the_message_is_found_in_each_form_of_detail() {
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
            ("\u{feff}{\"detail\":\"two\nlines\"}", "two lines"),
            ("<p>\nno\u{7}</p>", "<p> no </p>"),
            ("", "Bad Request"),
        ] {
            let failure = answer(Poll, 400, body);
            assert_eq!(clip(failure.detail()), expected, "{body}");
        }
        let long = answer(Poll, 400, &"x".repeat(10_000));
        assert_eq!(clip(long.detail()).chars().count(), DETAIL_MAX + 1);
    }

    #[test]
    fn the_source_of_an_html_page_is_not_repeated() {
        let called = |name| headers(&[(CONTENT_TYPE, name)]);
        let none = HeaderMap::new();
        let html = called("text/html; charset=utf-8");
        for (headers, body) in [
            (&none, "<!doctype html><title>502</title>"),
            (&none, "\u{feff}\n <!DOCTYPE HTML PUBLIC>"),
            (&none, "<HTML><body>no"),
            (&html, "<!-- a comment --><p>no"),
            (&called("Text/HTML"), "Bad gateway"),
            (&called("application/xhtml+xml"), "<?xml version='1.0'?>"),
            (&none, r#"{"detail":"<html>no</html>"}"#),
        ] {
            for request in ALL {
                let status = StatusCode::BAD_GATEWAY;
                let failure = from_answer(request, status, headers, body.as_bytes());
                assert_eq!(failure.to_string(), "502: an HTML page", "{body}");
            }
        }
        let read = |headers, body: &str| not_json(headers, body.as_bytes(), "why".to_owned());
        assert_eq!(read(&none, "<html>"), "an HTML page, not JSON");
        assert_eq!(read(&html, "It works!"), "an HTML page, not JSON");
        for (headers, body) in [(&html, ""), (&html, "{}"), (&none, "<p>"), (&none, "html")] {
            assert_eq!(read(headers, body), "why", "{body}");
        }
    }

    #[test]
    fn a_503_can_say_when_to_come_back() {
        let headers = headers(&[(RETRY_AFTER, "7")]);
        let read = |code| {
            let status = StatusCode::from_u16(code).unwrap();
            match from_answer(Poll, status, &headers, b"") {
                Failure::Unanswered { retry_after, .. } => retry_after,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(read(503), Some(RetryAfter::Seconds(7)));
        assert_eq!(read(502), None);
    }
}
