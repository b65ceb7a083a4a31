//! The HTTP client: one pool of connections, one token, and every limit that an answer is held to.

use super::wire::{self, User};
use super::{error, network, transport};
use crate::config::Api;
use crate::core::{Failure, Observation, TaskId};
use crate::token::Token;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, redirect, retry};
use serde_json::json;
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// The most that is read of an answer, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// The most that is read of an answer that is an error, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// How long the body of an answer that is an error is waited for.
const EXPLANATION: Duration = Duration::from_secs(5);

/// No real token is shorter than this, in bytes.
const TOKEN_MIN: usize = 8;

/// What stands for itself in a segment of a path (RFC 3986, "unreserved"); all else is percent-encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The HTTP library can't be set up, such as where the system's certificates can't be read.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

/// What a request for a task brought.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The answer's status code, where there was an answer.
    pub http_status: Option<u16>,
    /// The task, or why there is none.
    pub outcome: Result<Observation, Failure>,
}

/// A client of the service for one account. Cloning is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// As configured.
    base: Url,
    /// Its path, without a slash at the end.
    prefix: String,
    /// What its requests go through.
    proxy: Option<String>,
    token: Token,
}

impl Client {
    /// Sets up a client; sends nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Setup`] where TLS can't be set up.
    pub fn new(api: &Api, token: Token) -> Result<Self, ClientError> {
        // Fails where there is one already, which is then this very one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("growd/", env!("CARGO_PKG_VERSION")))
            .timeout(api.timeout)
            .connect_timeout(api.connect_timeout)
            // A 307 would send the POST, and the token, again to wherever it points.
            .redirect(redirect::Policy::none())
            // A resume that may have arrived is never sent again.
            .retry(retry::never())
            .http1_only()
            .tcp_nodelay(true);
        if api.base_url.scheme() == "http" {
            // Loopback only: a proxy of the environment would be shown the token in the clear.
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Self {
            http,
            base: api.base_url.clone(),
            prefix: api.base_url.path().trim_end_matches('/').to_owned(),
            proxy: network::proxy(&api.base_url),
            token,
        })
    }

    /// The proxy that its requests go through, without a password.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Looks at a task: `GET /v1/discovery_tasks/{id}`.
    pub async fn look(&self, id: &TaskId) -> Answered {
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}"));
        self.task(self.http.get(url), id).await
    }

    /// Asks for more results: `POST /v1/discovery_tasks/{id}/resume`. Sent at most once.
    pub async fn resume(&self, id: &TaskId, desired_new_results: i64) -> Answered {
        let segment = segment(id);
        let url = self.url(format_args!("discovery_tasks/{segment}/resume"));
        let body = json!({"desired_new_results": desired_new_results});
        self.task(self.http.post(url).json(&body), id).await
    }

    /// Asks whose token it is: `GET /v1/user`.
    ///
    /// # Errors
    ///
    /// The row of the answer table that the answer falls into.
    pub async fn user(&self) -> Result<User, Failure> {
        let request = self.http.get(self.url(format_args!("user")));
        let answer: Result<User, _> = match self.send(request).await {
            Ok((status, body)) => {
                serde_json::from_slice(&body).map_err(|error| Failure::NotUnderstood {
                    status: status.as_u16(),
                    detail: error.to_string(),
                })
            }
            Err(failure) => Err(failure),
        };
        let told = |text: String| error::clip(&self.without_token(text));
        match answer {
            Ok(user) => Ok(User {
                email: user.email.map(told),
                ..user
            }),
            Err(failure) => Err(failure.map_detail(told)),
        }
    }

    /// The address of what the service has below `/v1/`.
    fn url(&self, below: fmt::Arguments<'_>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/v1/{below}", self.prefix));
        url
    }

    async fn task(&self, request: RequestBuilder, id: &TaskId) -> Answered {
        match self.send(request).await {
            Ok((status, body)) => Answered {
                http_status: Some(status.as_u16()),
                outcome: wire::read_clean_task(&body, id.as_str(), |text| self.without_token(text))
                    .map_err(|detail| {
                        self.told(Failure::NotUnderstood {
                            status: status.as_u16(),
                            detail,
                        })
                    }),
            },
            Err(failure) => Answered {
                http_status: failure.status(),
                outcome: Err(self.told(failure)),
            },
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut response = request
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .bearer_auth(self.token.expose())
            .send()
            .await
            .map_err(|error| transport::failure(error, self.proxy.as_deref()))?;
        let status = response.status();
        if status.is_success() {
            return match read(&mut response, BODY_MAX).await {
                Ok(body) if body.len() <= BODY_MAX => Ok((status, body)),
                Ok(_) => Err(Failure::NotUnderstood {
                    status: status.as_u16(),
                    detail: format!("the answer is over {BODY_MAX} bytes"),
                }),
                Err(error) => Err(transport::failure(error, self.proxy.as_deref())),
            };
        }
        // The status alone decides; its explanation is welcome, but not waited for in vain.
        let body = match timeout(EXPLANATION, read(&mut response, ERROR_BODY_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        Err(error::from_answer(
            status,
            response.headers(),
            &String::from_utf8_lossy(&body),
        ))
    }

    /// A text of the service's with the token struck out, should it echo that: these texts end up in errors and in
    /// the database. What is shorter than a token can be is left alone, for it would be found in any text.
    fn without_token(&self, text: String) -> String {
        let token = self.token.expose().as_bytes();
        // In any case: a host's name, say, comes in small letters.
        let is_token = |part: &[u8]| part.eq_ignore_ascii_case(token);
        if token.len() < TOKEN_MIN || !text.as_bytes().windows(token.len()).any(is_token) {
            return text;
        }
        let token = self.token.expose().to_ascii_lowercase();
        let small = text.to_ascii_lowercase();
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for (begin, found) in small.match_indices(&token) {
            clean.push_str(&text[end..begin]);
            clean.push_str("[redacted]");
            end = begin + found.len();
        }
        clean.push_str(&text[end..]);
        clean
    }

    /// A failure in words that can be told: without the token, and of bounded length.
    fn told(&self, failure: Failure) -> Failure {
        failure.map_detail(|detail| error::clip(&self.without_token(detail)))
    }
}

/// A task's id as a segment of a path.
fn segment(id: &TaskId) -> PercentEncode<'_> {
    utf8_percent_encode(id.as_str(), SEGMENT)
}

/// Reads a body until it ends or has more than `max` bytes; what is too long is cut soon after.
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
