//! The endpoints of the API, as a function of the request and the state: no sockets, no waiting.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

pub(crate) mod fields;
pub(crate) mod response;
use crate::{
    api::{
        fields::Fields,
        response::{ApiResponse, ValidationError},
    },
    endpoint::{Endpoint, Route},
    options::scenario::Scenario,
    options::semantics::{Excess, RefusalBody},
    state::State,
    world::{
        Now, Refusal,
        domains::{self, MAX_EXCLUDED_DOMAINS},
        task_input::{SOURCES, TaskInput},
    },
};

/// The parts of a request that the endpoints look at.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub route: Route,
    pub query: String,
    pub token: Option<String>,
    pub body: Vec<u8>,
}

/// Does what is request and says what to answer.
pub(crate) fn answer(state: &mut State, request: &ApiRequest) -> ApiResponse {
    let now = state.clock.now();
    respond(state, request, now).unwrap_or_else(|refused| refused)
}

fn respond(state: &mut State, request: &ApiRequest, now: Now) -> Result<ApiResponse, ApiResponse> {
    let id = request.route.task.as_deref();
    match request.route.endpoint {
        Endpoint::Unknown => return Err(ApiResponse::not_found()),
        Endpoint::WrongMethod => {
            return Err(
                ApiResponse::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
                    .with_header("Allow", request.route.allow),
            );
        }
        Endpoint::Healthcheck => return Ok(ApiResponse::ok(json!({ "status": "ok" }))),
        _ => authorize(state, request.token.as_deref())?,
    }
    let semantics = &state.settings.semantics;
    match request.route.endpoint {
        Endpoint::Create => create(state, now, &request.body),
        Endpoint::List => {
            let page = page(
                &request.query,
                (semantics.list_default_limit, semantics.list_limit),
                semantics.limit_excess,
            )?;
            Ok(ApiResponse::ok(state.world.list(now, page, semantics)))
        }
        Endpoint::Get => {
            let task = id.and_then(|id| state.world.poll(now, id, semantics));
            task.map(ApiResponse::ok).ok_or_else(no_task)
        }
        Endpoint::Results => {
            let limits = (semantics.results_default_limit, semantics.results_limit);
            let page = page(&request.query, limits, semantics.limit_excess)?;
            let task = id.and_then(|id| state.world.results(now, id, page, semantics));
            task.map(ApiResponse::ok).ok_or_else(no_task)
        }
        Endpoint::Resume => resume(state, now, id.unwrap_or_default(), &request.body),
        _ => {
            let left = state
                .world
                .credits_left(now, semantics, state.settings.credits);
            Ok(ApiResponse::ok(match request.route.endpoint {
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
    let refuse = |detail: &str| {
        let answer = ApiResponse::error(StatusCode::UNAUTHORIZED, detail);
        Err(answer.with_header("WWW-Authenticate", "Bearer"))
    };
    match (token, &state.settings.accepted_token) {
        (None | Some(""), _) => refuse("Not authenticated"),
        (Some(token), Some(accepted)) if token != accepted => {
            refuse("Invalid authentication credentials")
        }
        _ => Ok(()),
    }
}

/// Offset and limit; `limits` are the usual and the largest limit.
fn page(query: &str, limits: (u32, u32), excess: Excess) -> Result<(usize, usize), ApiResponse> {
    let (usual, most) = limits;
    let mut fields = Fields::of_query(query);
    let offset = fields.integer("offset", 0, 0, u32::MAX);
    let allowed = match excess {
        Excess::Refused => most,
        Excess::Clamped => u32::MAX,
    };
    let limit = fields.integer("limit", usual, 1, allowed).min(most);
    fields.finish().map_err(ApiResponse::invalid)?;
    Ok((offset as usize, limit as usize))
}

fn create(state: &mut State, now: Now, body: &[u8]) -> Result<ApiResponse, ApiResponse> {
    let (desired, mut brief, earlier) = created(body)?;
    let semantics = &state.settings.semantics;
    let credits = state.settings.credits;
    if credits.is_some() && state.world.credits_left(now, semantics, credits) == 0 {
        return Err(no_credits());
    }
    for id in &earlier {
        let domains = state
            .world
            .result_domains(now, id, semantics)
            .ok_or_else(|| {
                let detail = format!("exclude_task_ids: {id} is not a task that is done");
                ApiResponse::error(StatusCode::BAD_REQUEST, detail)
            })?;
        let all = domains::exclude(&mut brief.exclude_domains, domains);
        if !all && semantics.exclusions_excess == Excess::Refused {
            let detail = format!("At most {MAX_EXCLUDED_DOMAINS} domains can be excluded in total");
            return Err(ApiResponse::error(StatusCode::BAD_REQUEST, detail));
        }
    }
    let scenario = Scenario {
        desired_num_results: Some(desired),
        ..state.created.clone()
    };
    state
        .world
        .add(now, &scenario, Some(brief), semantics)
        .ok()
        .and_then(|id| state.world.poll(now, &id, semantics))
        .map(ApiResponse::ok)
        .ok_or_else(|| {
            ApiResponse::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        })
}

/// Reads what a task is to be created with: its size, its brief and the tasks to exclude.
fn created(body: &[u8]) -> Result<(u32, TaskInput, Vec<String>), ApiResponse> {
    let mut fields = Fields::of_body(body).map_err(ApiResponse::invalid)?;
    let query = fields.text("query");
    let desired = fields.integer("desired_num_results", 100, 1, 250);
    let auto_data_sources = fields.flag("auto_data_sources", true);
    let data_sources = fields.texts("data_sources", SOURCES.len(), &SOURCES);
    if !auto_data_sources && data_sources.is_empty() {
        let message = "data_sources are required where auto_data_sources is false";
        fields.refuse("data_sources", message);
    }
    let criteria = fields.list("criteria", 5, criterion).unwrap_or_default();
    let keys = criteria.iter().map(|criterion| &criterion["key"]);
    let distinct = keys.map(Value::to_string).collect::<HashSet<_>>().len();
    if distinct < criteria.len() {
        fields.refuse("criteria", "Keys of criteria must differ");
    }
    let domains = fields.list("exclude_domains", MAX_EXCLUDED_DOMAINS, |item| {
        item.as_str().and_then(domains::registrable)
    });
    let earlier = fields.texts("exclude_task_ids", 100, &[]);
    fields.finish().map_err(ApiResponse::invalid)?;
    let mut exclude_domains = Vec::new();
    domains::exclude(&mut exclude_domains, domains.unwrap_or_default());
    let brief = TaskInput {
        query,
        auto_data_sources,
        data_sources,
        criteria,
        exclude_domains,
    };
    Ok((desired, brief, earlier))
}

/// A criterion with its three texts; all else in it is dropped.
fn criterion(item: &Value) -> Option<Value> {
    let text = |name: &str, least: usize, most: usize| {
        let text = item[name].as_str()?;
        (least..=most)
            .contains(&text.chars().count())
            .then_some(text)
    };
    let key = text("key", 1, 100).filter(|key| {
        key.chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
    })?;
    let (name, criterion) = (text("name", 1, 100)?, text("criterion", 10, 500)?);
    Some(json!({ "key": key, "name": name, "criterion": criterion }))
}

fn resume(state: &mut State, now: Now, id: &str, body: &[u8]) -> Result<ApiResponse, ApiResponse> {
    let mut fields = Fields::of_body(body).map_err(ApiResponse::invalid)?;
    let requested = fields.integer("desired_new_results", 25, 0, 250);
    fields.finish().map_err(ApiResponse::invalid)?;
    let semantics = &state.settings.semantics;
    let credits = state.settings.credits;
    match state.world.resume(now, id, requested, semantics, credits) {
        Ok(resumed) => Ok(ApiResponse::ok(resumed.task).for_resume(Some(resumed.seq))),
        Err((refusal, seq)) => {
            let answer = match refusal {
                Refusal::NotFound => no_task(),
                Refusal::NoCredits => no_credits(),
                _ => refused(refusal, semantics.refusal_body),
            };
            Err(answer.for_resume(seq))
        }
    }
}

fn refused(refusal: Refusal, form: RefusalBody) -> ApiResponse {
    let (error, message) = match refusal {
        Refusal::OverCap { cap, room } => (
            "task_cap_reached",
            format!("Task is limited to {cap} results, {room} more can be requested"),
        ),
        Refusal::Running => (
            "task_in_progress",
            "Task is still in progress and cannot be resumed".to_owned(),
        ),
        _ => (
            "task_exhausted",
            "Task is exhausted and cannot be resumed".to_owned(),
        ),
    };
    let detail = match form {
        RefusalBody::String => json!(message),
        RefusalBody::Object => json!({ "error": error, "message": message }),
        RefusalBody::List => {
            let place = [json!("body"), json!("desired_new_results")];
            let error = ValidationError::new(error, &place, message, Value::Null);
            let mut answer = ApiResponse::invalid(vec![error]);
            answer.status = StatusCode::BAD_REQUEST;
            return answer;
        }
    };
    ApiResponse::error(StatusCode::BAD_REQUEST, detail)
}

fn no_task() -> ApiResponse {
    ApiResponse::error(StatusCode::NOT_FOUND, "Task not found")
}

fn no_credits() -> ApiResponse {
    let detail = json!({
        "error": "insufficient_credits",
        "message": "No credits are left on this account",
    });
    ApiResponse::error(StatusCode::PAYMENT_REQUIRED, detail)
}
