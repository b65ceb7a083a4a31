//! The requests that concern creates: create a task, look for it in the list, and read what a task was created with.

use super::super::error::Request;
use super::super::retry_after::answered_at;
use super::super::{creates, input};
use super::{Client, Success};
use crate::core::search::list_reading::ListedPage;
use crate::core::{Failure, TaskId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

impl Client {
    /// Creates a task: `POST /v1/discovery_tasks`. Sent at most once, on a new connection. Returns the status code, where there
    /// was an answer, and the new task.
    pub async fn create(&self, body: &Value) -> (Option<u16>, Result<TaskId, Failure>) {
        let url = self.url(format_args!("discovery_tasks"));
        let request = self.fresh.post(url).json(body);
        match self.send(Request::Create, request).await {
            Ok(answer) => {
                let created = creates::read_created(&answer.body);
                let outcome = created.map_err(|error| self.sanitized(answer.not_understood(error)));
                (Some(answer.status.as_u16()), outcome)
            }
            Err(failure) => (failure.status(), Err(self.sanitized(failure))),
        }
    }

    /// Reads a page of the list of tasks as far as its tasks can be compared with creates. Returns the service's clock minus this
    /// machine's too, if the answer shows it.
    ///
    /// # Errors
    ///
    /// Those of [`list`](Self::list).
    pub async fn listed(
        &self,
        offset: usize,
        limit: u32,
    ) -> Result<(ListedPage, Option<SignedDuration>), Failure> {
        let request = self.get_page(format_args!("discovery_tasks"), offset, limit);
        let read = |_: &Self, answer: &Success| {
            let by_service =
                answered_at(&answer.headers).and_then(|at| Timestamp::try_from(at).ok());
            let skew = by_service.map(|at| at.duration_since(Timestamp::now()));
            Ok((creates::read_listed(&answer.body)?, skew))
        };
        self.fetch(Request::List, request, read).await
    }

    /// Reads what a task was created with: `GET /v1/discovery_tasks/{id}`.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer. A body that [`read_input`](crate::extruct::read_input) rejects, or that contains the token,
    /// is [`Failure::NotUnderstood`].
    pub async fn input(&self, id: &TaskId) -> Result<input::TaskInput, Failure> {
        let request = self.get_task(id);
        let id = id.clone();
        let read = move |client: &Self, answer: &Success| {
            let input = input::read_input(&answer.body, id.as_str())?;
            // A text with the token is not stored, and without it would be another search.
            let text = json!(input).to_string();
            if client.redact(text.clone()) != text {
                return Err("it contains the token".to_owned());
            }
            Ok(input)
        };
        self.fetch(Request::Poll, request, read).await
    }
}
