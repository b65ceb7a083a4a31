//! The HTTP side: takes requests in, lets faults happen to them, hands answers out.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State as Extract},
    http::{StatusCode, header},
    response::Response,
};
use jiff::Timestamp;

use super::{
    answer::Answer,
    api::{self, Asked},
    control, deliver,
    faults::Fault,
    line::Cutter,
    log::RequestEntry,
    state::Shared,
};

/// Longest body that is taken.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// The API and the control path.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    control::routes().fallback(serve).with_state(shared)
}

async fn serve(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let route = api::route(&parts.method, parts.uri.path());
    let token = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    let (visit, fault) = {
        let state = &mut *shared.lock();
        let fault = state
            .fate
            .pick(&state.settings, route.endpoint, route.task.as_deref());
        let seq = state.requests.begin(RequestEntry {
            seq: 0,
            at: Timestamp::now(),
            kind: route.endpoint.name().to_owned(),
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            token: token.as_ref().is_some_and(|token| !token.is_empty()),
            status: None,
            fault: fault.as_ref().map(Fault::name),
        });
        let shared = Arc::clone(&shared);
        (Visit { shared, seq }, fault)
    };
    // A client that breaks off while it still sends is no longer there to be answered.
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        let answer = Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large");
        return visit.hand_out(&answer);
    };
    let asked = Asked {
        route,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        token,
        body: body.into(),
    };
    match fault {
        None => {
            let answer = visit.act(&asked);
            visit.hand_out(&answer)
        }
        Some(fault) => deliver::strike(fault, visit, asked, &cutter).await,
    }
}

/// One request on its way through; it counts as in flight until this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    shared: Arc<Shared>,
    seq: u64,
}

impl Visit {
    /// Lets the request take effect.
    pub fn act(&self, asked: &Asked) -> Answer {
        api::answer(&mut self.shared.lock(), asked)
    }

    /// Notes that the answer goes out with this status.
    pub fn note(&self, status: StatusCode, resume: Option<u64>) {
        let mut state = self.shared.lock();
        state.requests.answered(self.seq, status.as_u16());
        if let Some(seq) = resume {
            state.world.answered(seq, status.as_u16());
        }
    }

    /// Lets somebody else ask for `new` more results of this task.
    pub fn colleague_resumes(&self, task: &str, new: u32) {
        let state = &mut *self.shared.lock();
        let now = state.clock.now();
        let semantics = &state.settings.semantics;
        state.world.colleague_resumes(now, task, new, semantics);
    }

    /// Sends the answer as it is.
    pub fn hand_out(self, answer: &Answer) -> Response {
        let body = answer.body.to_string();
        self.hand_out_as(answer, body)
    }

    /// Sends the answer with this text as its body.
    pub fn hand_out_as(self, answer: &Answer, body: String) -> Response {
        self.note(answer.status, answer.resume);
        let mut response = Response::builder().status(answer.status);
        let typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if !answer.headers.iter().any(typed) {
            response = response.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        response
            .body(Body::from(body))
            .expect("names and values of headers were checked when they came in")
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shared.lock().requests.end();
    }
}
