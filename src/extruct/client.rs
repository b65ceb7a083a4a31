//! The HTTP client: one pool of connections, one token, and every limit that an answer is held to.

use super::error::{self, Request};
use super::retry_after::answered_at;
use super::wire::{self, User};
use super::{creates, input, list, network, results, transport};
use crate::config::Api;
use crate::core::list::ListPage;
use crate::core::results::ResultsPage;
use crate::core::search::list_reading::ListedPage;
use crate::core::{Failure, Observation, TaskId};
use crate::token::{Token, TokenError};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, redirect, retry};
use serde_json::{Value, json};
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

/// Asks caches for a current answer.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The longest body of an error that is read, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Timeout for the body of an error.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The length of the shortest possible token, in bytes.
const TOKEN_MIN: usize = 8;

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
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}"));
        let request = self.http.get(url).header(CACHE_CONTROL, NO_CACHE);
        self.task(Request::Poll, request, id).await
    }

    /// Reads what a task was created with: `GET /v1/discovery_tasks/{id}`.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer. A body that [`read_input`](super::read_input) rejects, or that contains the token, is
    /// [`Failure::NotUnderstood`].
    pub async fn input(&self, id: &TaskId) -> Result<input::TaskInput, Failure> {
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}"));
        let request = self.http.get(url).header(CACHE_CONTROL, NO_CACHE);
        let answer = self.send(Request::Poll, request).await;
        let input = answer.and_then(|answer| {
            let input = input::read_input(&answer.body, id.as_str());
            let input = input.map_err(|error| answer.not_understood(error))?;
            // A text with the token is not stored, and without it would be another search.
            let text = json!(input).to_string();
            if self.redact(text.clone()) != text {
                return Err(answer.not_understood("it contains the token".to_owned()));
            }
            Ok(input)
        });
        input.map_err(|failure| self.sanitized(failure))
    }

    /// Reads a page of the list of tasks: `GET /v1/discovery_tasks`. Leaves out entries that cannot be read, and ids that occur
    /// more than once. The page can have more entries than `limit`: the service decides.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer. A body that is not a JSON array, is over 16 MiB or has over 10,000 entries is
    /// [`Failure::NotUnderstood`].
    pub async fn list(&self, offset: u64, limit: u32) -> Result<ListPage, Failure> {
        let mut url = self.url(format_args!("discovery_tasks"));
        url.set_query(Some(&format!("offset={offset}&limit={limit}")));
        let request = self.http.get(url).header(CACHE_CONTROL, NO_CACHE);
        let answer = self.send(Request::List, request).await;
        let page = answer.and_then(|answer| {
            let page = list::read_clean_list(&answer.body, |text| self.redact(text));
            page.map_err(|error| answer.not_understood(error))
        });
        page.map_err(|failure| self.sanitized(failure))
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
        let mut url = self.url(format_args!("discovery_tasks/{segment}/results"));
        url.set_query(Some(&format!("offset={offset}&limit={limit}")));
        let request = self.http.get(url).header(CACHE_CONTROL, NO_CACHE);
        let answer = self.send(Request::Results, request).await;
        let page = answer.and_then(|answer| {
            let clean = |text| self.redact(text);
            let page = results::read_clean_results(&answer.body, id.as_str(), clean);
            page.map_err(|error| answer.not_understood(error))
        });
        page.map_err(|failure| self.sanitized(failure))
    }

    /// Asks for more results: `POST /v1/discovery_tasks/{id}/resume`. Sent at most once, on a new connection.
    pub async fn resume(&self, id: &TaskId, desired_new_results: i64) -> TaskAnswer {
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}/resume"));
        let body = json!({"desired_new_results": desired_new_results});
        let request = self.fresh.post(url).json(&body);
        self.task(Request::Resume, request, id).await
    }

    /// Creates a task: `POST /v1/discovery_tasks`. Sent at most once, on a new connection. Returns the status code, where there
    /// was an answer, and the new task.
    pub async fn create(&self, body: &Value) -> (Option<u16>, Result<TaskId, Failure>) {
        let url = self.url(format_args!("discovery_tasks"));
        match self
            .send(Request::Create, self.fresh.post(url).json(body))
            .await
        {
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
        let mut url = self.url(format_args!("discovery_tasks"));
        url.set_query(Some(&format!("offset={offset}&limit={limit}")));
        let request = self.http.get(url).header(CACHE_CONTROL, NO_CACHE);
        let answer = self.send(Request::List, request).await;
        let page = answer.and_then(|answer| {
            let by_service =
                answered_at(&answer.headers).and_then(|at| Timestamp::try_from(at).ok());
            let skew = by_service.map(|at| at.duration_since(Timestamp::now()));
            let page = creates::read_listed(&answer.body);
            page.map(|page| (page, skew))
                .map_err(|error| answer.not_understood(error))
        });
        page.map_err(|failure| self.sanitized(failure))
    }

    /// Fetches the account of the token: `GET /v1/user`.
    ///
    /// # Errors
    ///
    /// The [`Failure`] of the answer.
    pub async fn user(&self) -> Result<User, Failure> {
        let request = self.http.get(self.url(format_args!("user")));
        let answer = self.send(Request::User, request).await;
        let user = answer.and_then(|answer| {
            let user = wire::read_user(&answer.body);
            user.map_err(|error| answer.not_understood(error.to_string()))
        });
        match user {
            Ok(user) => Ok(User {
                email: user.email.map(|email| error::clip(&self.redact(email))),
                ..user
            }),
            Err(failure) => Err(self.sanitized(failure)),
        }
    }

    /// Returns the URL of a path below `/v1/`.
    fn url(&self, below: fmt::Arguments<'_>) -> Url {
        let mut url = self.api.base_url.clone();
        url.set_path(&format!("{}/v1/{below}", self.prefix));
        url
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

    /// Replaces the token in a text of the service, which may echo it: these texts are logged and stored. A token that is
    /// too short to be real is not replaced, since it may occur in any text.
    fn redact(&self, text: String) -> String {
        let token = self.token.expose().as_bytes();
        // Ignores case: a host name, for instance, arrives in lower case.
        let is_token = |part: &[u8]| part.eq_ignore_ascii_case(token);
        if token.len() < TOKEN_MIN || !text.as_bytes().windows(token.len()).any(is_token) {
            return text;
        }
        let token = self.token.expose().to_ascii_lowercase();
        let lower = text.to_ascii_lowercase();
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for (begin, found) in lower.match_indices(&token) {
            clean.push_str(&text[end..begin]);
            clean.push_str("[redacted]");
            end = begin + found.len();
        }
        clean.push_str(&text[end..]);
        clean
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
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > max {
            break;
        }
    }
    Ok(body)
}
