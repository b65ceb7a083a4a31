//! Injects a fault into an exchange.

use std::{convert::Infallible, iter, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{task::yield_now, time::sleep};

use crate::{
    api::{ApiRequest, response::ApiResponse},
    endpoint::Endpoint,
    faults::{Fault, PAGE},
    server::{connection::ConnectionHandle, corrupt, exchange::Exchange},
};

const JSON: &str = "application/json";

/// Executes and answers `request`, or does not, as `fault` says.
pub(crate) async fn inject(
    fault: Fault,
    exchange: Exchange,
    request: ApiRequest,
    connection: &ConnectionHandle,
) -> Response {
    let wait = async |ms| sleep(Duration::from_millis(ms)).await;
    let response = match &fault {
        Fault::Delay { ms } => {
            wait(*ms).await;
            exchange.execute(&request)
        }
        Fault::ColleagueFirst { new } => {
            if request.route.endpoint == Endpoint::Create {
                exchange.colleague_creates(&request.body);
            } else if let Some(task) = &request.route.task {
                exchange.colleague_resumes(task, *new);
            }
            exchange.execute(&request)
        }
        Fault::Hang { ms } => {
            wait(*ms).await;
            return close(connection);
        }
        Fault::Late { ms } => {
            let delay = Duration::from_millis(*ms);
            // In a task of its own, because the end of the connection would end this one.
            tokio::spawn(async move {
                sleep(delay).await;
                exchange.execute(&request);
            });
            return close(connection);
        }
        fault if fault.takes_effect() => exchange.execute(&request),
        // Replaced below.
        _ => ApiResponse::ok(Value::Null),
    };
    match fault {
        Fault::LostBefore | Fault::LostAfter => close(connection),
        Fault::Reset { .. } => {
            connection.reset();
            unsent()
        }
        Fault::HangAfter { ms } => {
            wait(ms).await;
            exchange.respond(&response)
        }
        Fault::Status {
            code,
            headers,
            body,
            text,
            ..
        } => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = body.unwrap_or_else(|| json!({ "detail": detail(status) }));
            let mut replaced = ApiResponse::new(status, body).recorded_as(response.recorded);
            replaced.headers.extend(headers);
            match text {
                Some(text) => exchange.respond_with(&replaced, text),
                None => exchange.respond(&replaced),
            }
        }
        Fault::Redirect { status, location } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
            let redirect = ApiResponse::new(status, Value::Null).with_header("Location", location);
            exchange.respond(&redirect)
        }
        Fault::RawControls => {
            let text = corrupt::with_raw_controls(response.body.clone());
            exchange.respond_with(&response, text)
        }
        Fault::ByteOrderMark => {
            let text = format!("\u{feff}{}", response.body);
            exchange.respond_with(&response, text)
        }
        Fault::NotJson => with_body(&exchange, &response, "text/html", Body::from(PAGE)),
        Fault::Empty => with_body(&exchange, &response, JSON, Body::empty()),
        Fault::Huge { bytes } => with_body(&exchange, &response, JSON, huge(bytes)),
        Fault::Truncated => truncated(&exchange, &response),
        Fault::SlowBody { ms_per_byte } => {
            let body = slow(
                response.body.to_string(),
                Duration::from_millis(ms_per_byte),
            );
            with_body(&exchange, &response, JSON, body)
        }
        fault => {
            let corrupted = corrupt::corrupted(&fault, response, exchange.seq);
            exchange.respond(&corrupted)
        }
    }
}

/// Closes the connection.
fn close(connection: &ConnectionHandle) -> Response {
    connection.close();
    unsent()
}

/// A handler must return a response, also if its connection is closed.
fn unsent() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Returns the status of `response` with another body.
fn with_body(
    exchange: &Exchange,
    response: &ApiResponse,
    content_type: &'static str,
    body: Body,
) -> Response {
    exchange.record(response.status, response.recorded);
    let content_type = [(header::CONTENT_TYPE, content_type)];
    (response.status, content_type, body).into_response()
}

/// Declares the length of the whole body and sends half of it.
fn truncated(exchange: &Exchange, response: &ApiResponse) -> Response {
    let whole = response.body.to_string();
    let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
    let body = stream::unfold(Some(half), |half| async move {
        let Some(half) = half else {
            // Without this, the end would discard what is not flushed yet.
            yield_now().await;
            return None;
        };
        Some((Ok::<_, Infallible>(half), None))
    });
    let mut sent = with_body(exchange, response, JSON, Body::from_stream(body));
    let length = HeaderValue::from(whole.len());
    sent.headers_mut().insert(header::CONTENT_LENGTH, length);
    sent
}

/// Valid JSON of this length: braces with spaces between them.
fn huge(bytes: u64) -> Body {
    const CHUNK: u64 = 64 << 10;
    let spaces = bytes.saturating_sub(2);
    let chunks = (0..spaces.div_ceil(CHUNK)).map(move |nth| {
        let size = CHUNK.min(spaces - nth * CHUNK);
        Bytes::from(vec![b' '; usize::try_from(size).unwrap_or(0)])
    });
    let brace = |brace: &'static str| iter::once(Bytes::from(brace));
    let chunks = brace("{").chain(chunks).chain(brace("}"));
    Body::from_stream(stream::iter(chunks.map(Ok::<_, Infallible>)))
}

/// Sends a byte at a time.
fn slow(text: String, pause: Duration) -> Body {
    let body = stream::unfold(text.into_bytes().into_iter(), move |mut left| async move {
        let byte = left.next()?;
        sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::copy_from_slice(&[byte])), left))
    });
    Body::from_stream(body)
}

/// The default `detail` of a status. That of a 402 names its reason, as documented.
fn detail(status: StatusCode) -> Value {
    match status {
        StatusCode::PAYMENT_REQUIRED => json!({
            "error": "insufficient_credits",
            "message": "No credits are left on this account",
        }),
        _ => json!(status.canonical_reason().unwrap_or("Simulated")),
    }
}
