//! Does a fault to a request and its answer.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    api::{ApiRequest, response::ApiResponse},
    faults::fault::{Fault, PAGE},
    server::{
        connection::ConnectionHandle,
        corrupt::{corrupted, with_raw_controls},
        exchange::Exchange,
    },
};

/// Answers (or fails to answer) `api_request` in the way that `fault` says.
pub(crate) async fn inject(
    fault: Fault,
    exchange: Exchange,
    api_request: ApiRequest,
    connection: &ConnectionHandle,
) -> Response {
    let answer = match &fault {
        Fault::Delay { ms } => {
            sleep(Duration::from_millis(*ms)).await;
            exchange.execute(&api_request)
        }
        Fault::ColleagueFirst { new } => {
            if let Some(task) = &api_request.route.task {
                exchange.colleague_resumes(task, *new);
            }
            exchange.execute(&api_request)
        }
        Fault::Hang { ms } => {
            sleep(Duration::from_millis(*ms)).await;
            return close_unanswered(connection);
        }
        Fault::Late { ms } => {
            let wait = Duration::from_millis(*ms);
            // On its own, for the connection's end would end this request with it.
            tokio::spawn(async move {
                sleep(wait).await;
                exchange.execute(&api_request);
            });
            return close_unanswered(connection);
        }
        fault if fault.takes_effect() => exchange.execute(&api_request),
        // What is not done has no answer of its own; this one is replaced below.
        _ => ApiResponse::ok(Value::Null),
    };
    match fault {
        Fault::LostBefore | Fault::LostAfter => close_unanswered(connection),
        Fault::Reset { .. } => {
            connection.reset();
            never_sent()
        }
        Fault::HangAfter { ms } => {
            sleep(Duration::from_millis(ms)).await;
            exchange.respond(&answer)
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
            let mut replaced = ApiResponse::new(status, body).for_resume(answer.resume);
            replaced.headers.extend(headers);
            match text {
                Some(text) => exchange.respond_with_body(&replaced, text),
                None => exchange.respond(&replaced),
            }
        }
        Fault::Redirect { status, location } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
            let answer = ApiResponse::new(status, Value::Null).with_header("Location", location);
            exchange.respond(&answer)
        }
        fault @ (Fault::MissingFields
        | Fault::WrongTypes
        | Fault::WrongId
        | Fault::QuotedNumbers
        | Fault::FloatNumbers
        | Fault::NumericFlags) => exchange.respond(&corrupted(&fault, answer)),
        Fault::RawControls => {
            let text = with_raw_controls(answer.body.clone());
            exchange.respond_with_body(&answer, text)
        }
        Fault::ByteOrderMark => {
            let text = format!("\u{feff}{}", answer.body);
            exchange.respond_with_body(&answer, text)
        }
        Fault::NotJson => bare(&exchange, &answer, "text/html", Body::from(PAGE)),
        Fault::Empty => bare(&exchange, &answer, "application/json", Body::empty()),
        Fault::Huge { bytes } => bare(&exchange, &answer, "application/json", huge(bytes)),
        Fault::Truncated => truncated(&exchange, &answer),
        Fault::SlowBody { ms_per_byte } => {
            let body = slow(answer.body.to_string(), Duration::from_millis(ms_per_byte));
            bare(&exchange, &answer, "application/json", body)
        }
        Fault::Delay { .. }
        | Fault::Hang { .. }
        | Fault::Late { .. }
        | Fault::ColleagueFirst { .. } => exchange.respond(&answer),
    }
}

/// Closes the connection.
fn close_unanswered(connection: &ConnectionHandle) -> Response {
    connection.close();
    never_sent()
}

/// What a handler returns whose connection is cut: it has to return something.
fn never_sent() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// The answer's status with another body.
fn bare(exchange: &Exchange, answer: &ApiResponse, kind: &'static str, body: Body) -> Response {
    exchange.record(answer.status, answer.resume);
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Promises the whole body and sends half of it.
fn truncated(exchange: &Exchange, answer: &ApiResponse) -> Response {
    let whole = answer.body.to_string();
    let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
    let body = stream::unfold(Some(half), |half| async move {
        let Some(half) = half else {
            // An end that comes at once would take what is not flushed yet with it.
            tokio::task::yield_now().await;
            return None;
        };
        Some((Ok::<_, Infallible>(half), None))
    });
    let body = Body::from_stream(body);
    let mut response = bare(exchange, answer, "application/json", body);
    let length = HeaderValue::from(whole.len());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response
}

/// Valid JSON of this length: what makes it wrong is its size alone.
fn huge(bytes: u64) -> Body {
    const PIECE: u64 = 64 << 10;
    let body = stream::unfold(Some(bytes.max(2)), move |left| async move {
        let left = left?;
        let start = left == bytes.max(2);
        let size = left.min(PIECE);
        let mut piece = vec![b' '; usize::try_from(size).unwrap_or(0)];
        if start {
            piece[0] = b'{';
        }
        let left = left - size;
        if left == 0 {
            let end = piece.len() - 1;
            piece[end] = b'}';
        }
        Some((
            Ok::<_, Infallible>(Bytes::from(piece)),
            (left > 0).then_some(left),
        ))
    });
    Body::from_stream(body)
}

/// A byte at a time.
fn slow(text: String, pause: Duration) -> Body {
    let body = stream::unfold(text.into_bytes().into_iter(), move |mut left| async move {
        let byte = left.next()?;
        sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::copy_from_slice(&[byte])), left))
    });
    Body::from_stream(body)
}

/// What a status says for itself; a 402 names its reason in the documented place.
fn detail(status: StatusCode) -> Value {
    let words = status.canonical_reason().unwrap_or("Simulated");
    match status {
        StatusCode::PAYMENT_REQUIRED => json!({
            "error": "insufficient_credits",
            "message": "No credits are left on this account",
        }),
        _ => json!(words),
    }
}
