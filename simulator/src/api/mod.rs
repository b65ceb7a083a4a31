//! The endpoints of the API, as a function of the request and the state: no sockets, no waiting.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

pub(crate) mod fields;
pub(crate) mod response;
use crate::{
    api::{
        fields::Fields,
        response::{Answer, Mistake},
    },
    endpoint::{Endpoint, Route},
    options::scenario::Scenario,
    options::semantics::{Excess, RefusalBody},
    state::State,
    world::{
        Now, Refusal,
        domains::{self, MOST_EXCLUDED},
        task_input::{Brief, SOURCES},
    },
};

/// The parts of a request that the endpoints look at.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub route: Route,
    pub query: String,
    pub token: Option<String>,
    pub body: Vec<u8>,
}

/// Does what is asked and says what to answer.
pub(crate) fn answer(state: &mut State, asked: &Asked) -> Answer {
    let now = state.clock.now();
    respond(state, asked, now).unwrap_or_else(|refused| refused)
}

fn respond(state: &mut State, asked: &Asked, now: Now) -> Result<Answer, Answer> {
    let id = asked.route.task.as_deref();
    match asked.route.endpoint {
        Endpoint::Unknown => return Err(Answer::not_found()),
        Endpoint::WrongMethod => {
            return Err(
                Answer::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
                    .with_header("Allow", asked.route.allow),
            );
        }
        Endpoint::Healthcheck => return Ok(Answer::ok(json!({ "status": "ok" }))),
        _ => authorize(state, asked.token.as_deref())?,
    }
    let semantics = &state.settings.semantics;
    match asked.route.endpoint {
        Endpoint::Create => create(state, now, &asked.body),
        Endpoint::List => {
            let page = page(
                &asked.query,
                (semantics.list_default_limit, semantics.list_limit),
                semantics.limit_excess,
            )?;
            Ok(Answer::ok(state.world.list(now, page, semantics)))
        }
        Endpoint::Get => {
            let task = id.and_then(|id| state.world.look(now, id, semantics));
            task.map(Answer::ok).ok_or_else(no_task)
        }
        Endpoint::Results => {
            let limits = (semantics.results_default_limit, semantics.results_limit);
            let page = page(&asked.query, limits, semantics.limit_excess)?;
            let task = id.and_then(|id| state.world.results(now, id, page, semantics));
            task.map(Answer::ok).ok_or_else(no_task)
        }
        Endpoint::Resume => resume(state, now, id.unwrap_or_default(), &asked.body),
        _ => {
            let left = state
                .world
                .credits_left(now, semantics, state.settings.credits);
            Ok(Answer::ok(match asked.route.endpoint {
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

fn authorize(state: &State, token: Option<&str>) -> Result<(), Answer> {
    let refuse = |detail: &str| {
        let answer = Answer::error(StatusCode::UNAUTHORIZED, detail);
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
fn page(query: &str, limits: (u32, u32), excess: Excess) -> Result<(usize, usize), Answer> {
    let (usual, most) = limits;
    let mut fields = Fields::of_query(query);
    let offset = fields.integer("offset", 0, 0, u32::MAX);
    let allowed = match excess {
        Excess::Refused => most,
        Excess::Clamped => u32::MAX,
    };
    let limit = fields.integer("limit", usual, 1, allowed).min(most);
    fields.finish().map_err(Answer::invalid)?;
    Ok((offset as usize, limit as usize))
}

fn create(state: &mut State, now: Now, body: &[u8]) -> Result<Answer, Answer> {
    let (desired, mut brief, earlier) = created(body)?;
    let semantics = &state.settings.semantics;
    let credits = state.settings.credits;
    if credits.is_some() && state.world.credits_left(now, semantics, credits) == 0 {
        return Err(no_credits());
    }
    for id in &earlier {
        let domains = state.world.domains(now, id, semantics).ok_or_else(|| {
            let detail = format!("exclude_task_ids: {id} is not a task that is done");
            Answer::error(StatusCode::BAD_REQUEST, detail)
        })?;
        let all = domains::exclude(&mut brief.exclude_domains, domains);
        if !all && semantics.exclusions_excess == Excess::Refused {
            let detail = format!("At most {MOST_EXCLUDED} domains can be excluded in total");
            return Err(Answer::error(StatusCode::BAD_REQUEST, detail));
        }
    }
    let scenario = Scenario {
        desired_num_results: Some(desired),
        ..state.fresh.clone()
    };
    state
        .world
        .add(now, &scenario, Some(brief), semantics)
        .ok()
        .and_then(|id| state.world.look(now, &id, semantics))
        .map(Answer::ok)
        .ok_or_else(|| Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
}

/// Reads what a task is to be created with: its size, its brief and the tasks to exclude.
fn created(body: &[u8]) -> Result<(u32, Brief, Vec<String>), Answer> {
    let mut fields = Fields::of_body(body).map_err(Answer::invalid)?;
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
    let domains = fields.list("exclude_domains", MOST_EXCLUDED, |item| {
        item.as_str().and_then(domains::registrable)
    });
    let earlier = fields.texts("exclude_task_ids", 100, &[]);
    fields.finish().map_err(Answer::invalid)?;
    let mut exclude_domains = Vec::new();
    domains::exclude(&mut exclude_domains, domains.unwrap_or_default());
    let brief = Brief {
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

fn resume(state: &mut State, now: Now, id: &str, body: &[u8]) -> Result<Answer, Answer> {
    let mut fields = Fields::of_body(body).map_err(Answer::invalid)?;
    let requested = fields.integer("desired_new_results", 25, 0, 250);
    fields.finish().map_err(Answer::invalid)?;
    let semantics = &state.settings.semantics;
    let credits = state.settings.credits;
    match state.world.resume(now, id, requested, semantics, credits) {
        Ok(resumed) => Ok(Answer::ok(resumed.task).for_resume(Some(resumed.seq))),
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

fn refused(refusal: Refusal, form: RefusalBody) -> Answer {
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
            let mistake = Mistake::new(error, &place, message, Value::Null);
            let mut answer = Answer::invalid(vec![mistake]);
            answer.status = StatusCode::BAD_REQUEST;
            return answer;
        }
    };
    Answer::error(StatusCode::BAD_REQUEST, detail)
}

fn no_task() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "Task not found")
}

fn no_credits() -> Answer {
    let detail = json!({
        "error": "insufficient_credits",
        "message": "No credits are left on this account",
    });
    Answer::error(StatusCode::PAYMENT_REQUIRED, detail)
}
