//! The creation of a task.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api::{bad_request, fields::Fields, no_credits, response::ApiResponse},
    options::{Creates, Semantics},
    state::State,
    world::{
        CreateRefusal, CreateRequest, Now,
        domains::{self, MAX_EXCLUDED_DOMAINS},
        task_input::{SOURCES, TaskInput},
    },
};

/// Creates a task.
pub(super) fn create(state: &mut State, now: Now, body: &[u8]) -> Result<ApiResponse, ApiResponse> {
    let request = read(body)?;
    let (semantics, credits) = (&state.settings.semantics, state.settings.credits);
    let (recorded, task) = state
        .world
        .create(now, request, &state.created, semantics, credits);
    match task {
        Ok(task) => Ok(ApiResponse::ok(task).recorded_as(Some(recorded))),
        Err(refusal) => Err(refused(refusal, semantics).recorded_as(Some(recorded))),
    }
}

/// Creates the same task as another client of the account, if the body is valid.
pub(crate) fn colleague_creates(state: &mut State, body: &[u8]) {
    let now = state.clock.now();
    if let Ok(request) = read(body) {
        let semantics = &state.settings.semantics;
        let world = &mut state.world;
        world.colleague_creates(now, request, &state.created, semantics);
    }
}

fn refused(refusal: CreateRefusal, semantics: &Semantics) -> ApiResponse {
    let mut field = "exclude_task_ids";
    let (error, message) = match refusal {
        CreateRefusal::Plan => return no_plan(semantics.creates),
        CreateRefusal::OverCap { cap } => {
            field = "desired_num_results";
            (
                "task_cap_reached",
                format!("Task is limited to {cap} results"),
            )
        }
        CreateRefusal::NoCredits => return no_credits(),
        CreateRefusal::NotDone { id } => (
            "task_not_done",
            format!("exclude_task_ids: {id} is not a task that is done"),
        ),
        CreateRefusal::TooManyExclusions => (
            "too_many_exclusions",
            format!("At most {MAX_EXCLUDED_DOMAINS} domains can be excluded in total"),
        ),
        CreateRefusal::Scenario => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return ApiResponse::error(status, "Internal Server Error");
        }
    };
    bad_request((error, message), field, semantics.refusal_body)
}

fn no_plan(creates: Creates) -> ApiResponse {
    let status = match creates {
        Creates::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
        Creates::Accepted | Creates::Forbidden => StatusCode::FORBIDDEN,
    };
    let message = "The plan of this account does not include Deep Search";
    let detail = json!({ "error": "plan_required", "message": message });
    ApiResponse::error(status, detail)
}

/// Reads the body of a create.
fn read(body: &[u8]) -> Result<CreateRequest, ApiResponse> {
    let mut fields = Fields::of_body(body).map_err(ApiResponse::invalid)?;
    let query = fields.text("query");
    let desired = fields.integer("desired_num_results", 100, 1, 250);
    let auto_data_sources = fields.flag("auto_data_sources", true);
    let data_sources = fields.texts("data_sources", SOURCES.len(), &SOURCES);
    if !auto_data_sources && data_sources.is_empty() {
        let message = "data_sources are required if auto_data_sources is false";
        fields.reject("data_sources", message);
    }
    let criteria = fields.list("criteria", 5, criterion);
    let keys = criteria.iter().map(|criterion| &criterion["key"]);
    let distinct = keys.map(Value::to_string).collect::<HashSet<_>>().len();
    if distinct < criteria.len() {
        fields.reject("criteria", "Keys of criteria must differ");
    }
    let domains = fields.list("exclude_domains", MAX_EXCLUDED_DOMAINS, |item| {
        item.as_str().and_then(domains::registrable)
    });
    let exclude_task_ids = fields.texts("exclude_task_ids", 100, &[]);
    fields.finish().map_err(ApiResponse::invalid)?;
    let mut exclude_domains = Vec::new();
    domains::exclude(&mut exclude_domains, domains);
    let input = TaskInput {
        query,
        auto_data_sources,
        data_sources,
        criteria,
        exclude_domains,
    };
    Ok(CreateRequest {
        desired,
        input,
        exclude_task_ids,
    })
}

/// Reads the three texts of a criterion and ignores its other fields.
fn criterion(item: &Value) -> Option<Value> {
    let text = |name: &str, min: usize, max: usize| {
        let text = item[name].as_str()?;
        (min..=max).contains(&text.chars().count()).then_some(text)
    };
    let key = text("key", 1, 100).filter(|key| {
        key.chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
    })?;
    let (name, criterion) = (text("name", 1, 100)?, text("criterion", 10, 500)?);
    Some(json!({ "key": key, "name": name, "criterion": criterion }))
}
