//! One HTTP exchange: a request and its response.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};

use crate::{
    api::{self, ApiRequest, response::ApiResponse},
    state::Shared,
    world::Recorded,
};

/// A received request; it counts as in flight until this is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub shared: Arc<Shared>,
    pub seq: u64,
}

impl Exchange {
    /// Executes the request and returns the response.
    pub fn execute(&self, request: &ApiRequest) -> ApiResponse {
        api::handle(&mut self.shared.lock(), request)
    }

    /// Records the status of the response, in the request log and, for a resume or create, in its ledger.
    pub fn record(&self, status: StatusCode, recorded: Option<Recorded>) {
        let mut state = self.shared.lock();
        state.requests.answered(self.seq, status.as_u16());
        if let Some(request) = recorded {
            state.world.record_status(request, status.as_u16());
        }
    }

    /// Resumes a task as another client of the account.
    pub fn colleague_resumes(&self, task: &str, new: u32) {
        let state = &mut *self.shared.lock();
        let now = state.clock.now();
        let semantics = &state.settings.semantics;
        state.world.colleague_resumes(now, task, new, semantics);
    }

    /// Creates a task as another client of the account.
    pub fn colleague_creates(&self, body: &[u8]) {
        api::colleague_creates(&mut self.shared.lock(), body);
    }

    /// Sends the response.
    pub fn respond(self, response: &ApiResponse) -> Response {
        let body = response.body.to_string();
        self.respond_with(response, body)
    }

    /// Sends the response with another body.
    pub fn respond_with(self, response: &ApiResponse, body: String) -> Response {
        self.record(response.status, response.recorded);
        let mut built = Response::builder().status(response.status);
        let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if !response.headers.iter().any(is_type) {
            built = built.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &response.headers {
            built = built.header(name, value);
        }
        built
            .body(Body::from(body))
            .expect("names and values of headers are checked when they are set")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shared.lock().requests.end();
    }
}
