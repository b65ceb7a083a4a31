//! The endpoints of the API, and the request paths that lead to them.

use axum::http::Method;
use percent_encoding::percent_decode_str;

/// What a request is for.
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

/// Where a request goes, and the task it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub endpoint: Endpoint,
    pub task: Option<String>,
    /// The methods that the path knows.
    pub allow: &'static str,
}

/// Finds the endpoint of a path as it stands in the request line.
pub(crate) fn route(method: &Method, path: &str) -> Route {
    use Endpoint::{Billing, Create, Get, Healthcheck, List, Results, Resume, Unknown, User};
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let id = |segment: &str| {
        let id = percent_decode_str(segment).decode_utf8();
        id.ok().map(std::borrow::Cow::into_owned)
    };
    let (get, post, task) = match segments[..] {
        ["v1", "discovery_tasks"] => (Some(List), Some(Create), None),
        ["v1", "discovery_tasks", task] if !task.is_empty() => (Some(Get), None, id(task)),
        ["v1", "discovery_tasks", task, "results"] => (Some(Results), None, id(task)),
        ["v1", "discovery_tasks", task, "resume"] => (None, Some(Resume), id(task)),
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
