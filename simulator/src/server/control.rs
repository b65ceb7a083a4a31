//! The control endpoints under `/_simulator`: they change and show the state of the simulator.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State as Extract,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    faults::Rule,
    options::{Scenario, Settings},
    state::Shared,
};

const ENDPOINTS: [&str; 10] = [
    "GET /_simulator: this overview",
    "PATCH /_simulator/settings: changes the given settings; null restores a default",
    "POST /_simulator/tasks: adds a task, e.g. {\"results\": 40, \"pool\": 300, \"fit_rate\": 0.5}",
    "GET /_simulator/ledger: each resume that reached the world",
    "GET /_simulator/creates: each create that reached the world",
    "GET /_simulator/requests: counts, and the last 1,000 requests",
    "GET /_simulator/script: the pending faults",
    "POST /_simulator/script: appends faults, e.g. {\"on\": \"resume\", \"fault\": \"lost_after\"}",
    "DELETE /_simulator/script: removes the pending faults",
    "POST /_simulator/advance: moves virtual time forward, e.g. {\"seconds\": 60}",
];

/// Returns the routes. Other paths under `/_simulator` get the 404 of the API.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_simulator", get(overview))
        .route("/_simulator/settings", patch(settings))
        .route("/_simulator/tasks", post(add_task))
        .route("/_simulator/ledger", get(ledger))
        .route("/_simulator/creates", get(creates))
        .route("/_simulator/requests", get(requests))
        .route(
            "/_simulator/script",
            get(script).post(extend_script).delete(clear_script),
        )
        .route("/_simulator/advance", post(advance))
}

type State = Extract<Arc<Shared>>;
type Answer = Result<Json<Value>, ControlError>;

/// The error of a control request.
struct ControlError(StatusCode, String);

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "detail": self.1 }))).into_response()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "map_err passes it by value")]
fn invalid(error: impl ToString) -> ControlError {
    ControlError(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ControlError(StatusCode::BAD_REQUEST, format!("not JSON: {error}")))?;
    serde_json::from_value(value).map_err(invalid)
}

async fn overview(Extract(shared): State) -> Json<Value> {
    let state = shared.lock();
    let now = state.clock.now();
    Json(json!({
        "endpoints": ENDPOINTS,
        "settings": redacted(&state.settings),
        "virtual_time": state.world.timestamp(now.time).to_string(),
        "virtual_seconds": now.time.as_secs_f64(),
        "tasks": state.world.len(),
        "script": state.fault_plan.script,
    }))
}

/// The settings without the token.
fn redacted(settings: &Settings) -> Value {
    let mut value = json!(settings);
    let token = settings.accepted_token.as_ref().map(|_| "[redacted]");
    value["accepted_token"] = json!(token);
    value
}

async fn settings(Extract(shared): State, body: Bytes) -> Answer {
    let change: Value = parse(&body)?;
    if !change.is_object() {
        return Err(invalid("settings: must be an object"));
    }
    let mut state = shared.lock();
    let mut settings = json!(state.settings);
    merge(&mut settings, change);
    let settings: Settings = serde_json::from_value(settings).map_err(invalid)?;
    state.set(settings).map_err(invalid)?;
    Ok(Json(redacted(&state.settings)))
}

/// JSON merge patch (RFC 7396).
fn merge(into: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        *into = change;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    if let Value::Object(fields) = into {
        for (name, value) in change {
            if value.is_null() {
                fields.remove(&name);
            } else {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

async fn add_task(Extract(shared): State, body: Bytes) -> Result<Response, ControlError> {
    let scenario: Scenario = parse(&body)?;
    let state = &mut *shared.lock();
    let now = state.clock.now();
    let semantics = &state.settings.semantics;
    let id = state
        .world
        .add(now, &scenario, None, semantics)
        .map_err(invalid)?;
    let task = state.world.poll(now, &id, semantics);
    Ok((StatusCode::CREATED, Json(json!(task))).into_response())
}

async fn ledger(Extract(shared): State) -> Json<Value> {
    Json(json!(shared.lock().world.ledger()))
}

async fn creates(Extract(shared): State) -> Json<Value> {
    Json(json!(shared.lock().world.creates()))
}

async fn requests(Extract(shared): State) -> Json<Value> {
    Json(json!(shared.lock().requests))
}

async fn script(Extract(shared): State) -> Json<Value> {
    Json(json!(shared.lock().fault_plan.script))
}

async fn extend_script(Extract(shared): State, body: Bytes) -> Answer {
    let rules = match parse(&body)? {
        value @ Value::Array(_) => serde_json::from_value(value),
        value => serde_json::from_value::<Rule>(value).map(|rule| vec![rule]),
    };
    let rules: Vec<Rule> = rules.map_err(invalid)?;
    rules.iter().try_for_each(Rule::check).map_err(invalid)?;
    let mut state = shared.lock();
    state.fault_plan.script.extend(rules);
    Ok(Json(json!(state.fault_plan.script)))
}

async fn clear_script(Extract(shared): State) -> Json<Value> {
    let mut state = shared.lock();
    state.fault_plan.script.clear();
    Json(json!(state.fault_plan.script))
}

async fn advance(Extract(shared): State, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Advance {
        seconds: f64,
    }
    let Advance { seconds } = parse(&body)?;
    let by = Duration::try_from_secs_f64(seconds)
        .map_err(|error| invalid(format!("seconds: {error}")))?;
    let mut state = shared.lock();
    state.clock.advance(by);
    let now = state.clock.now();
    Ok(Json(json!({
        "virtual_time": state.world.timestamp(now.time).to_string(),
        "virtual_seconds": now.time.as_secs_f64(),
    })))
}
