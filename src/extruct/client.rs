//! The HTTP client: one pool of connections, one token, and every limit that an answer is held to.

mod creates;

use super::error::{self, Request};
use super::wire::{self, User};
use super::{list, network, redaction, results, transport};
use crate::config::Api;
use crate::core::list::ListPage;
use crate::core::results::ResultsPage;
use crate::core::{Failure, Observation, TaskId};
use crate::token::{Token, TokenError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, redirect, retry};
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// The longest body that is read, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// The longest page of the list, or of a task's results, that is read, in bytes.
const PAGE_BODY_MAX: usize = 16 * 1024 * 1024;

/// A longer page is parsed on another thread, so that the daemon's only one goes on with other requests meanwhile. In bytes.
const PARSED_AT_ONCE_MAX: usize = 1024 * 1024;

/// Asks caches for a current answer.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The longest body of an error that is read, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Timeout for the body of an error.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The characters to percent-encode in a path segment: all but the "unreserved" ones of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why a client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The HTTP library cannot be set up, for instance because the system's certificates cannot be read.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

/// The answer to a request for a task.
#[derive(Debug, Clone)]
pub struct TaskAnswer {
    /// The answer's status code, where there was an answer.
    pub http_status: Option<u16>,
    /// The task, or why there is none.
    pub outcome: Result<Observation, Failure>,
}

/// A 2xx answer.
struct Success {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Success {
    /// Returns the failure for a body that the reader rejects with `error`.
    fn not_understood(&self, error: String) -> Failure {
        Failure::NotUnderstood {
            status: self.status.as_u16(),
            detail: error::not_json(&self.headers, &self.body, error),
            is_too_long: false,
        }
    }
}

/// A client of the service for one account. Cloning is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct Client {
    /// Sends free requests; reuses connections.
    http: reqwest::Client,
    /// Sends paid requests, each on a new connection. A server may close an idle connection just as a request goes out
    /// on it; the client then cannot tell whether the request arrived.
    fresh: reqwest::Client,
    api: Arc<Api>,
    /// The path of `api.base_url`, without a trailing slash.
    prefix: String,
    /// The proxy of its requests, without a password.
    proxy: Option<String>,
    token: Token,
    /// Whether another token has replaced this one. Shared by all clones.
    superseded: Arc<AtomicBool>,
    /// The requests that were sent, by all clients that share it.
    requests: Arc<AtomicU64>,
}

impl Client {
    /// Sets up a client; sends nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Setup`] if TLS cannot be set up.
    pub fn new(api: &Api, token: Token) -> Result<Self, ClientError> {
        // Fails if a provider is installed already, which is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built = |builder: reqwest::ClientBuilder| {
            let client = builder.build();
            client.map_err(|error| ClientError::Setup(error.to_string()))
        };
        Ok(Self {
            http: built(builder(api))?,
            fresh: built(builder(api).pool_max_idle_per_host(0))?,
            api: Arc::new(api.clone()),
            prefix: api.base_url.path().trim_end_matches('/').to_owned(),
            proxy: network::proxy(&api.base_url),
            token,
            superseded: Arc::default(),
            requests: Arc::default(),
        })
    }

    /// Returns this client, which adds each request that it sends from now on to `requests`. A client from
    /// [`renewed`](Self::renewed) counts there too.
    #[must_use]
    pub fn counting_in(self, requests: Arc<AtomicU64>) -> Self {
        Self { requests, ..self }
    }

    /// Reads the token again, as [`Token::find`] does for the same settings. Returns a client with the new token, which
    /// shares the connections, or `None` if the token has not changed. Blocks while it reads a small file.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if there is no token, or it cannot be read.
    pub fn renewed(&self) -> Result<Option<Self>, TokenError> {
        let token = Token::find(&self.api)?;
        let is_new = token.expose() != self.token.expose();
        Ok(is_new.then(|| Self {
            token,
            superseded: Arc::default(),
            ..self.clone()
        }))
    }

    /// Marks this client and its clones as superseded by one with another token. From then on they return
    /// [`Failure::Superseded`] for a 401.
    pub fn retire(&self) {
        self.superseded.store(true, Ordering::Release);
    }

    /// Returns the proxy of its requests, without a password.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Polls a task: `GET /v1/discovery_tasks/{id}`.
    pub async fn poll(&self, id: &TaskId) -> TaskAnswer {
        self.task(Request::Poll, self.get_task(id), id).await
    }

    /// Reads a page of the list of tasks: `GET /v1/discovery_tasks`. Leaves out entries that cannot be read, and ids that occur
    /// more than once. The page can have more entries than `limit`: the service decides.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer. A body that is not a JSON array, is over 16 MiB or has over 10,000 entries is
    /// [`Failure::NotUnderstood`].
    pub async fn list(&self, offset: u64, limit: u32) -> Result<ListPage, Failure> {
        let request = self.get_page(format_args!("discovery_tasks"), offset, limit);
        let read = |client: &Self, answer: &Success| {
            list::read_clean_list(&answer.body, |text| client.redact(text))
        };
        self.fetch(Request::List, request, read).await
    }

    /// Reads a page of a task's results: `GET /v1/discovery_tasks/{id}/results`. Leaves out rows that cannot be kept. The page
    /// can have fewer or more rows than `limit`: the service decides.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer. A body that [`read_results`](super::read_results) rejects or that is over 16 MiB is
    /// [`Failure::NotUnderstood`].
    pub async fn results(
        &self,
        id: &TaskId,
        offset: u64,
        limit: u32,
    ) -> Result<ResultsPage, Failure> {
        let segment = segment(id);
        let request = self.get_page(
            format_args!("discovery_tasks/{segment}/results"),
            offset,
            limit,
        );
        let id = id.clone();
        let read = move |client: &Self, answer: &Success| {
            results::read_clean_results(&answer.body, id.as_str(), |text| client.redact(text))
        };
        self.fetch(Request::Results, request, read).await
    }

    /// Asks for more results: `POST /v1/discovery_tasks/{id}/resume`. Sent at most once, on a new connection.
    pub async fn resume(&self, id: &TaskId, desired_new_results: i64) -> TaskAnswer {
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}/resume"));
        let body = json!({"desired_new_results": desired_new_results});
        let request = self.fresh.post(url).json(&body);
        self.task(Request::Resume, request, id).await
    }

    /// Fetches the account of the token: `GET /v1/user`.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer.
    pub async fn user(&self) -> Result<User, Failure> {
        let request = self.http.get(self.url(format_args!("user")));
        let read = |client: &Self, answer: &Success| {
            let user = wire::read_user(&answer.body).map_err(|error| error.to_string())?;
            Ok(User {
                email: user.email.map(|email| error::clip(&client.redact(email))),
                ..user
            })
        };
        self.fetch(Request::User, request, read).await
    }

    /// Returns the URL of a path below `/v1/`.
    fn url(&self, below: fmt::Arguments<'_>) -> Url {
        let mut url = self.api.base_url.clone();
        url.set_path(&format!("{}/v1/{below}", self.prefix));
        url
    }

    /// Returns the request for a task.
    fn get_task(&self, id: &TaskId) -> RequestBuilder {
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}"));
        self.http.get(url).header(CACHE_CONTROL, NO_CACHE)
    }

    /// Returns the request for a page of what is at a path below `/v1/`.
    fn get_page(
        &self,
        below: fmt::Arguments<'_>,
        offset: impl fmt::Display,
        limit: u32,
    ) -> RequestBuilder {
        let mut url = self.url(below);
        url.set_query(Some(&format!("offset={offset}&limit={limit}")));
        self.http.get(url).header(CACHE_CONTROL, NO_CACHE)
    }

    /// Sends a free request, and reads the answer with `read`: a long one on another thread.
    async fn fetch<T: Send + 'static>(
        &self,
        request: Request,
        builder: RequestBuilder,
        read: impl FnOnce(&Self, &Success) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Failure> {
        let answer = self.send(request, builder).await;
        let answer = answer.map_err(|failure| self.sanitized(failure))?;
        let is_long = answer.body.len() > PARSED_AT_ONCE_MAX;
        let client = self.clone();
        let parse = move || {
            let value = read(&client, &answer);
            value.map_err(|error| client.sanitized(answer.not_understood(error)))
        };
        if !is_long {
            return parse();
        }
        match tokio::task::spawn_blocking(parse).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn task(&self, request: Request, builder: RequestBuilder, id: &TaskId) -> TaskAnswer {
        match self.send(request, builder).await {
            Ok(answer) => TaskAnswer {
                http_status: Some(answer.status.as_u16()),
                outcome: wire::read_clean_task(&answer.body, id.as_str(), |text| self.redact(text))
                    .map_err(|error| self.sanitized(answer.not_understood(error))),
            },
            Err(failure) => TaskAnswer {
                http_status: failure.status(),
                outcome: Err(self.sanitized(failure)),
            },
        }
    }

    async fn send(&self, request: Request, builder: RequestBuilder) -> Result<Success, Failure> {
        let response = builder
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .bearer_auth(self.token.expose())
            .send()
            .await
            .map_err(|error| transport::failure(error, self.proxy.as_deref()));
        if !matches!(
            response,
            Err(Failure::NotConnected { .. } | Failure::Withheld { .. })
        ) {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
        let mut response = response?;
        let status = response.status();
        if status.is_success() {
            let body_max = match request {
                Request::List | Request::Results => PAGE_BODY_MAX,
                Request::Poll | Request::Resume | Request::Create | Request::User => BODY_MAX,
            };
            return match read(&mut response, body_max).await {
                Ok(body) if body.len() <= body_max => Ok(Success {
                    status,
                    headers: std::mem::take(response.headers_mut()),
                    body,
                }),
                Ok(_) => Err(Failure::NotUnderstood {
                    status: status.as_u16(),
                    detail: format!("the answer is over {body_max} bytes"),
                    is_too_long: true,
                }),
                Err(error) => Err(transport::failure(error, self.proxy.as_deref())),
            };
        }
        // A body that takes too long, or breaks off, is read as empty. A 402, 403 or 404 then counts as unanswered.
        let body = match timeout(ERROR_BODY_TIMEOUT, read(&mut response, ERROR_BODY_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let failure = error::from_answer(request, status, response.headers(), &body);
        Err(match failure {
            Failure::Unauthorized { status, detail } if self.superseded.load(Ordering::Acquire) => {
                Failure::Superseded { status, detail }
            }
            other => other,
        })
    }

    /// Replaces the token in a text of the service.
    fn redact(&self, text: String) -> String {
        redaction::redact(text, self.token.expose())
    }

    /// Makes the detail of a failure fit to be logged: without the token, and of bounded length.
    fn sanitized(&self, failure: Failure) -> Failure {
        failure.map_detail(|detail| error::clip(&self.redact(detail)))
    }
}

/// Returns the settings that both HTTP clients share.
fn builder(api: &Api) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("growd/", env!("CARGO_PKG_VERSION")))
        .timeout(api.timeout)
        .connect_timeout(api.connect_timeout)
        // After a 307 the POST and the token would go to another address.
        .redirect(redirect::Policy::none())
        // A resume that may have arrived is never sent again.
        .retry(retry::never())
        .http1_only()
        .tcp_nodelay(true);
    if api.base_url.scheme() == "http" {
        // Plain HTTP is for loopback addresses only. A proxy would see the token.
        builder.no_proxy()
    } else {
        builder
    }
}

/// Encodes a task's id as a path segment.
fn segment(id: &TaskId) -> PercentEncode<'_> {
    utf8_percent_encode(id.as_str(), SEGMENT)
}

/// Reads a body until it ends or exceeds `max` bytes.
async fn read(response: &mut Response, max: usize) -> Result<Vec<u8>, reqwest::Error> {
    let len = response.content_length().unwrap_or_default();
    let mut body = Vec::with_capacity(usize::try_from(len).map_or(max, |len| len.min(max)));
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > max {
            break;
        }
    }
    Ok(body)
}
