//! Answers in the shape that `FastAPI` gives them.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiResponse {
    pub status: StatusCode,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// The resume that this answers, by its number in the ledger.
    pub resume: Option<u64>,
}

impl ApiResponse {
    pub fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            resume: None,
        }
    }

    pub fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    pub fn error(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self::new(status, json!({ "detail": detail.into() }))
    }

    pub fn not_found() -> Self {
        Self::error(StatusCode::NOT_FOUND, "Not Found")
    }

    pub fn invalid(errors: Vec<ValidationError>) -> Self {
        let errors = errors.into_iter().map(|error| error.0);
        Self::error(
            StatusCode::UNPROCESSABLE_ENTITY,
            Value::Array(errors.collect()),
        )
    }

    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn for_resume(mut self, seq: Option<u64>) -> Self {
        self.resume = seq;
        self
    }
}

/// One entry of the list that a 422 carries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidationError(Value);

impl ValidationError {
    pub fn new(kind: &str, place: &[Value], message: impl Into<String>, input: Value) -> Self {
        let mut error = json!({ "type": kind, "loc": place, "msg": message.into() });
        error["input"] = input;
        Self(error)
    }

    pub fn with_context(mut self, context: Value) -> Self {
        self.0["ctx"] = context;
        self
    }
}
