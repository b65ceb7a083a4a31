//! The HTTP side: takes requests in, lets faults happen to them, hands answers out.

use std::sync::Arc;

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State as Extract},
    http::{StatusCode, header},
    response::Response,
};
use jiff::Timestamp;

pub(crate) mod connection;
pub(crate) mod control;
pub(crate) mod corrupt;
pub(crate) mod exchange;
pub(crate) mod inject;

use crate::{
    api::{ApiRequest, response::ApiResponse},
    endpoint,
    faults::fault::Fault,
    server::{connection::ConnectionHandle, exchange::Exchange},
    state::{Shared, request_log::RequestEntry},
};

/// Longest body that is taken.
pub(crate) const MAX_BODY_BYTES: usize = 4 << 20;

/// The API and the control path.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    control::routes().fallback(serve).with_state(shared)
}

async fn serve(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(handle): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let route = endpoint::route(&parts.method, parts.uri.path());
    let token = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    let (exchange, fault) = {
        let state = &mut *shared.lock();
        let fault = state.fault_plan.pick(
            route.endpoint,
            route.task.as_deref(),
            &state.settings.odds,
            &state.settings.chaos,
        );
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
        (Exchange { shared, seq }, fault)
    };
    // A client that breaks off while it still sends is no longer there to be answered.
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let answer = ApiResponse::error(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large");
        return exchange.respond(&answer);
    };
    let api_request = ApiRequest {
        route,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        token,
        body: body.into(),
    };
    match fault {
        None => {
            let answer = exchange.execute(&api_request);
            exchange.respond(&answer)
        }
        Some(fault) => inject::inject(fault, exchange, api_request, &handle).await,
    }
}
