//! One HTTP exchange: a request that was received, until it is answered or dropped.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};

use crate::{
    api::{self, ApiRequest, response::ApiResponse},
    state::Shared,
};

/// One request on its way through; it counts as in flight until this is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub shared: Arc<Shared>,
    pub seq: u64,
}

impl Exchange {
    /// Lets the request take effect.
    pub fn execute(&self, api_request: &ApiRequest) -> ApiResponse {
        api::answer(&mut self.shared.lock(), api_request)
    }

    /// Notes that the answer goes out with this status.
    pub fn record(&self, status: StatusCode, resume: Option<u64>) {
        let mut state = self.shared.lock();
        state.requests.answered(self.seq, status.as_u16());
        if let Some(seq) = resume {
            state.world.record_status(seq, status.as_u16());
        }
    }

    /// Lets somebody else ask for `new` more results of this task.
    pub fn colleague_resumes(&self, task: &str, new: u32) {
        let state = &mut *self.shared.lock();
        let now = state.clock.now();
        let semantics = &state.settings.semantics;
        state.world.colleague_resumes(now, task, new, semantics);
    }

    /// Sends the answer as it is.
    pub fn respond(self, answer: &ApiResponse) -> Response {
        let body = answer.body.to_string();
        self.respond_with_body(answer, body)
    }

    /// Sends the answer with this text as its body.
    pub fn respond_with_body(self, answer: &ApiResponse, body: String) -> Response {
        self.record(answer.status, answer.resume);
        let mut response = Response::builder().status(answer.status);
        let typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if !answer.headers.iter().any(typed) {
            response = response.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        response
            .body(Body::from(body))
            .expect("names and values of headers were checked when they came in")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shared.lock().requests.end();
    }
}
