//! The endpoints of the API as a function of state and request, without I/O.

mod create;
mod fields;
pub(crate) mod response;

use axum::http::StatusCode;
use serde_json::{Value, json};

pub(crate) use self::create::colleague_creates;
use self::{
    fields::Fields,
    response::{ApiResponse, ValidationError},
};
use crate::{
    endpoint::{Endpoint, Route},
    options::{Excess, RefusalBody},
    state::State,
    world::{Now, Recorded, Refusal},
};

/// The parts of a request that the endpoints use.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub route: Route,
    pub query: String,
    pub token: Option<String>,
    pub body: Vec<u8>,
}

/// Executes a request and returns the response.
pub(crate) fn handle(state: &mut State, request: &ApiRequest) -> ApiResponse {
    let now = state.clock.now();
    dispatch(state, request, now).unwrap_or_else(|error| error)
}

fn dispatch(state: &mut State, request: &ApiRequest, now: Now) -> Result<ApiResponse, ApiResponse> {
    let Route {
        endpoint,
        task,
        allow,
    } = &request.route;
    match endpoint {
        Endpoint::Unknown => {
            return Err(ApiResponse::error(StatusCode::NOT_FOUND, "Not Found"));
        }
        Endpoint::WrongMethod => {
            let error = ApiResponse::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            return Err(error.with_header("Allow", *allow));
        }
        Endpoint::Healthcheck => return Ok(ApiResponse::ok(json!({ "status": "ok" }))),
        _ => authorize(state, request.token.as_deref())?,
    }
    // No task has an empty id.
    let id = task.as_deref().unwrap_or_default();
    let semantics = &state.settings.semantics;
    match endpoint {
        Endpoint::Create => create::create(state, now, &request.body),
        Endpoint::List => {
            let limits = (semantics.list_default_limit, semantics.list_limit);
            let page = page(&request.query, limits, semantics.excess_of_list())?;
            let past = state.clock.before(now, semantics.list_lag());
            let list = state.world.list(now, past, page, semantics);
            Ok(ApiResponse::ok(list))
        }
        Endpoint::Get => {
            let task = state.world.poll(now, id, semantics);
            task.map(ApiResponse::ok).ok_or_else(task_not_found)
        }
        Endpoint::Results => {
            let limits = (semantics.results_default_limit, semantics.results_limit);
            let page = page(&request.query, limits, semantics.limit_excess)?;
            let past = state.clock.before(now, semantics.results_lag());
            let task = state.world.results(now, past, id, page, semantics);
            task.map(ApiResponse::ok).ok_or_else(task_not_found)
        }
        Endpoint::Resume => resume(state, now, id, &request.body),
        _ => {
            let credits = state.settings.credits;
            let left = state.world.credits_left(now, semantics, credits);
            Ok(ApiResponse::ok(match endpoint {
                Endpoint::Billing => json!({ "plan": "simulated", "available_credits": left }),
                _ => json!({
                    "user_id": "simulated-user",
                    "email": "user@simulator.example",
                    "organization_id": "simulated-organization",
                    "organization_name": "Simulated",
                    "available_credits": left,
                }),
            }))
        }
    }
}

fn authorize(state: &State, token: Option<&str>) -> Result<(), ApiResponse> {
    let detail = match (token, &state.settings.accepted_token) {
        (None | Some(""), _) => "Not authenticated",
        (Some(token), Some(accepted)) if token != accepted => "Invalid authentication credentials",
        _ => return Ok(()),
    };
    let error = ApiResponse::error(StatusCode::UNAUTHORIZED, detail);
    Err(error.with_header("WWW-Authenticate", "Bearer"))
}

/// Reads offset and limit; `limits` are the default and the largest limit.
fn page(query: &str, limits: (u32, u32), excess: Excess) -> Result<(usize, usize), ApiResponse> {
    let (default, max) = limits;
    let mut fields = Fields::of_query(query);
    let offset = fields.integer("offset", 0, 0, u32::MAX);
    let accepted = match excess {
        Excess::Refused => max,
        Excess::Clamped => u32::MAX,
    };
    let limit = fields.integer("limit", default, 1, accepted).min(max);
    fields.finish().map_err(ApiResponse::invalid)?;
    Ok((offset as usize, limit as usize))
}

fn resume(state: &mut State, now: Now, id: &str, body: &[u8]) -> Result<ApiResponse, ApiResponse> {
    let mut fields = Fields::of_body(body).map_err(ApiResponse::invalid)?;
    let requested = fields.integer("desired_new_results", 25, 0, 250);
    fields.finish().map_err(ApiResponse::invalid)?;
    let semantics = &state.settings.semantics;
    let credits = state.settings.credits;
    match state.world.resume(now, id, requested, semantics, credits) {
        Ok(resumed) => {
            let recorded = Some(Recorded::Resume(resumed.seq));
            Ok(ApiResponse::ok(resumed.task).recorded_as(recorded))
        }
        Err((refusal, seq)) => {
            let recorded = seq.map(Recorded::Resume);
            Err(refused(refusal, semantics.refusal_body).recorded_as(recorded))
        }
    }
}

fn refused(refusal: Refusal, form: RefusalBody) -> ApiResponse {
    let (error, message) = match refusal {
        Refusal::NotFound => return task_not_found(),
        Refusal::NoCredits => return no_credits(),
        Refusal::OverCap { cap, room } => (
            "task_cap_reached",
            format!("Task is limited to {cap} results, {room} more can be requested"),
        ),
        Refusal::Running => (
            "task_in_progress",
            "Task is still in progress and cannot be resumed".to_owned(),
        ),
        Refusal::Exhausted => (
            "task_exhausted",
            "Task is exhausted and cannot be resumed".to_owned(),
        ),
    };
    bad_request((error, message), "desired_new_results", form)
}

/// Returns a 400 with an error and its message; `field` is the one that is refused.
fn bad_request((error, message): (&str, String), field: &str, form: RefusalBody) -> ApiResponse {
    let detail = match form {
        RefusalBody::String => json!(message),
        RefusalBody::Object => json!({ "error": error, "message": message }),
        RefusalBody::List => {
            let location = [json!("body"), json!(field)];
            let error = ValidationError::new(error, &location, message, Value::Null);
            let mut response = ApiResponse::invalid(vec![error]);
            response.status = StatusCode::BAD_REQUEST;
            return response;
        }
    };
    ApiResponse::error(StatusCode::BAD_REQUEST, detail)
}

fn task_not_found() -> ApiResponse {
    ApiResponse::error(StatusCode::NOT_FOUND, "Task not found")
}

fn no_credits() -> ApiResponse {
    let detail = json!({
        "error": "insufficient_credits",
        "message": "No credits are left on this account",
    });
    ApiResponse::error(StatusCode::PAYMENT_REQUIRED, detail)
}
