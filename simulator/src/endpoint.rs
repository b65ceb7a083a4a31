//! The endpoints of the API, and the request paths that lead to them.

use std::borrow::Cow;

use axum::http::Method;
use percent_encoding::percent_decode_str;

/// The endpoint of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Create,
    List,
    Get,
    Results,
    Resume,
    User,
    Billing,
    Healthcheck,
    Unknown,
    WrongMethod,
}

impl Endpoint {
    /// The name in the request log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Get => "get",
            Self::Results => "results",
            Self::Resume => "resume",
            Self::User => "user",
            Self::Billing => "billing",
            Self::Healthcheck => "healthcheck",
            Self::Unknown => "unknown",
            Self::WrongMethod => "wrong_method",
        }
    }
}

/// The endpoint of a request, and the task that its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub endpoint: Endpoint,
    pub task: Option<String>,
    /// The methods of the path, as in an `Allow` header.
    pub allow: &'static str,
}

/// Returns the route of a path in its percent-encoded form.
pub(crate) fn route(method: &Method, path: &str) -> Route {
    use Endpoint::{Billing, Create, Get, Healthcheck, List, Results, Resume, Unknown, User};
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let decode = |id: &str| {
        let id = percent_decode_str(id).decode_utf8();
        id.ok().map(Cow::into_owned)
    };
    let (get, post, task) = match segments[..] {
        ["v1", "discovery_tasks"] => (Some(List), Some(Create), None),
        ["v1", "discovery_tasks", task] if !task.is_empty() => (Some(Get), None, decode(task)),
        ["v1", "discovery_tasks", task, "results"] => (Some(Results), None, decode(task)),
        ["v1", "discovery_tasks", task, "resume"] => (None, Some(Resume), decode(task)),
        ["v1", "user"] => (Some(User), None, None),
        ["v1", "billing"] => (Some(Billing), None, None),
        ["v1", "healthcheck"] => (Some(Healthcheck), None, None),
        _ => (None, None, None),
    };
    let allow = match (get, post) {
        (Some(_), Some(_)) => "GET, POST",
        (Some(_), None) => "GET",
        _ => "POST",
    };
    let endpoint = match (get, post) {
        (None, None) => Unknown,
        (Some(get), _) if method == Method::GET => get,
        (_, Some(post)) if method == Method::POST => post,
        _ => Endpoint::WrongMethod,
    };
    Route {
        endpoint,
        task,
        allow,
    }
}
