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
    api::{Asked, response::Answer},
    faults::fault::{Fault, PAGE},
    server::{
        connection::Cutter,
        corrupt::{spoilt, with_raw_controls},
        exchange::Visit,
    },
};

/// Answers (or fails to answer) `asked` in the way that `fault` says.
pub(crate) async fn strike(fault: Fault, visit: Visit, asked: Asked, line: &Cutter) -> Response {
    let answer = match &fault {
        Fault::Delay { ms } => {
            sleep(Duration::from_millis(*ms)).await;
            visit.act(&asked)
        }
        Fault::ColleagueFirst { new } => {
            if let Some(task) = &asked.route.task {
                visit.colleague_resumes(task, *new);
            }
            visit.act(&asked)
        }
        Fault::Hang { ms } => {
            sleep(Duration::from_millis(*ms)).await;
            return lost(line);
        }
        Fault::Late { ms } => {
            let wait = Duration::from_millis(*ms);
            // On its own, for the connection's end would end this request with it.
            tokio::spawn(async move {
                sleep(wait).await;
                visit.act(&asked);
            });
            return lost(line);
        }
        fault if fault.takes_effect() => visit.act(&asked),
        // What is not done has no answer of its own; this one is replaced below.
        _ => Answer::ok(Value::Null),
    };
    match fault {
        Fault::LostBefore | Fault::LostAfter => lost(line),
        Fault::Reset { .. } => {
            line.reset();
            never_sent()
        }
        Fault::HangAfter { ms } => {
            sleep(Duration::from_millis(ms)).await;
            visit.hand_out(&answer)
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
            let mut replaced = Answer::new(status, body).for_resume(answer.resume);
            replaced.headers.extend(headers);
            match text {
                Some(text) => visit.hand_out_as(&replaced, text),
                None => visit.hand_out(&replaced),
            }
        }
        Fault::Redirect { status, location } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
            let answer = Answer::new(status, Value::Null).with_header("Location", location);
            visit.hand_out(&answer)
        }
        fault @ (Fault::MissingFields
        | Fault::WrongTypes
        | Fault::WrongId
        | Fault::QuotedNumbers
        | Fault::FloatNumbers
        | Fault::NumericFlags) => visit.hand_out(&spoilt(&fault, answer)),
        Fault::RawControls => {
            let text = with_raw_controls(answer.body.clone());
            visit.hand_out_as(&answer, text)
        }
        Fault::ByteOrderMark => {
            let text = format!("\u{feff}{}", answer.body);
            visit.hand_out_as(&answer, text)
        }
        Fault::NotJson => bare(&visit, &answer, "text/html", Body::from(PAGE)),
        Fault::Empty => bare(&visit, &answer, "application/json", Body::empty()),
        Fault::Huge { bytes } => bare(&visit, &answer, "application/json", huge(bytes)),
        Fault::Truncated => truncated(&visit, &answer),
        Fault::SlowBody { ms_per_byte } => {
            let body = slow(answer.body.to_string(), Duration::from_millis(ms_per_byte));
            bare(&visit, &answer, "application/json", body)
        }
        Fault::Delay { .. }
        | Fault::Hang { .. }
        | Fault::Late { .. }
        | Fault::ColleagueFirst { .. } => visit.hand_out(&answer),
    }
}

/// Closes the connection.
fn lost(line: &Cutter) -> Response {
    line.cut();
    never_sent()
}

/// What a handler returns whose connection is cut: it has to return something.
fn never_sent() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// The answer's status with another body.
fn bare(visit: &Visit, answer: &Answer, kind: &'static str, body: Body) -> Response {
    visit.note(answer.status, answer.resume);
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Promises the whole body and sends half of it.
fn truncated(visit: &Visit, answer: &Answer) -> Response {
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
    let mut response = bare(visit, answer, "application/json", body);
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
