//! The HTTP server: receives requests, applies faults, and sends responses.

pub(crate) mod connection;
mod control;
mod corrupt;
mod corrupt_list;
mod corrupt_results;
mod exchange;
mod inject;

use std::sync::Arc;

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    response::Response,
};
use jiff::Timestamp;

use self::{connection::ConnectionHandle, exchange::Exchange};
use crate::{
    api::{ApiRequest, response::ApiResponse},
    endpoint,
    faults::Fault,
    state::{RequestEntry, Shared},
};

/// Longest accepted request body.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Returns the API and the control endpoints.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    control::routes().fallback(serve).with_state(shared)
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
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
    // This also fails if the client disconnects; then the response reaches no client.
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let message = "Request body is too large";
        return exchange.respond(&ApiResponse::error(StatusCode::PAYLOAD_TOO_LARGE, message));
    };
    let request = ApiRequest {
        route,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        token,
        body: body.into(),
    };
    match fault {
        None => {
            let response = exchange.execute(&request);
            exchange.respond(&response)
        }
        Some(fault) => inject::inject(fault, exchange, request, &connection).await,
    }
}
