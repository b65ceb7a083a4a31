//! Responses in the form of `FastAPI`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::Recorded;

/// A response before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiResponse {
    pub status: StatusCode,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// The resume or create that this answers.
    pub recorded: Option<Recorded>,
}

impl ApiResponse {
    pub fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            recorded: None,
        }
    }

    pub fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    pub fn error(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self::new(status, json!({ "detail": detail.into() }))
    }

    pub fn invalid(errors: Vec<ValidationError>) -> Self {
        let errors: Vec<Value> = errors.into_iter().map(|error| error.0).collect();
        Self::error(StatusCode::UNPROCESSABLE_ENTITY, errors)
    }

    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn recorded_as(mut self, recorded: Option<Recorded>) -> Self {
        self.recorded = recorded;
        self
    }
}

/// One entry of the list in a 422.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidationError(Value);

impl ValidationError {
    pub fn new(kind: &str, location: &[Value], message: impl Into<String>, input: Value) -> Self {
        let mut error = json!({ "type": kind, "loc": location, "msg": message.into() });
        error["input"] = input;
        Self(error)
    }

    pub fn set_context(&mut self, context: Value) {
        self.0["ctx"] = context;
    }
}
