//! The HTTP client: the connection and the headers of each request, the change of a token, and the classification of
//! answers.

use growd::config::Api;
use growd::core::{Failure, RetryAfter, TaskId};
use growd::extruct::{Client, TaskAnswer};
use growd::token::{Token, TokenError};
use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1024 * 1024;

/// The id of the requested task.
const ID: &str = "0f6c1f0a-5d5e-4b0e-9a51-0d8f6a1f2c3b";

/// The body that answers a poll or a resume.
const TASK: &str = r#"{"id":"0f6c1f0a-5d5e-4b0e-9a51-0d8f6a1f2c3b","status":"done","desired_num_results":50,"num_results":50}"#;

/// A request as the service received it.
#[derive(Debug, Clone)]
struct Request {
    /// The request line and the headers, in lower case.
    head: String,
    /// The number of earlier requests on the same connection.
    before: usize,
}

impl Request {
    fn is_resume(&self) -> bool {
        self.head.starts_with("post ")
    }
}

/// A service that keeps its connections open. An empty answer closes the connection.
struct Service {
    api: Api,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Service {
    async fn start(
        token_file: &Path,
        answer: impl Fn(&Request) -> String + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), Arc::clone(&log)));
            }
        });
        let api = Api {
            base_url: url.parse().expect("a URL"),
            token_file: Some(token_file.to_owned()),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(30),
        };
        Self { api, seen }
    }

    fn client(&self) -> Client {
        let token = Token::find(&self.api).expect("a token");
        Client::new(&self.api, token).expect("a client")
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    answer: impl Fn(&Request) -> String,
    log: Arc<Mutex<Vec<Request>>>,
) {
    let mut stream = BufReader::new(stream);
    for before in 0.. {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a body");
        let request = Request { head, before };
        log.lock().unwrap().push(request.clone());
        let answer = answer(&request);
        if answer.is_empty() {
            return;
        }
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("it is read");
    }
}

fn answer(status: impl Display, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn id() -> TaskId {
    ID.parse().unwrap()
}

/// Sends a poll, a resume, and requests for the account, the list and results, and returns the failures.
async fn failures(client: &Client) -> [Failure; 5] {
    let of = |answered: TaskAnswer| answered.outcome.expect_err("a failure");
    [
        of(client.poll(&id()).await),
        of(client.resume(&id(), 5).await),
        client.user().await.expect_err("a failure"),
        client.list(0, 100).await.expect_err("a failure"),
        client.results(&id(), 0, 100).await.expect_err("a failure"),
    ]
}

fn token_file(token: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, token).unwrap();
    (dir, file)
}

#[tokio::test]
async fn a_resume_goes_out_on_a_new_connection_and_is_answered_where_used_ones_are_dropped() {
    let (_dir, file) = token_file("a-token-for-tests");
    let service = Service::start(&file, |request| match request.before {
        0 => answer(200, "", TASK),
        _ => String::new(),
    })
    .await;
    let client = service.client();
    let mut polls_dropped = 0;
    for _ in 0..20 {
        for _ in 0..3 {
            polls_dropped += i32::from(client.poll(&id()).await.outcome.is_err());
        }
        let answered = client.resume(&id(), 5).await;
        assert!(answered.outcome.is_ok(), "{:?}", answered.outcome);
    }
    assert!(
        polls_dropped > 10,
        "polls share connections: {polls_dropped}"
    );
    let seen = service.seen();
    let resumes: Vec<_> = seen.iter().filter(|request| request.is_resume()).collect();
    assert_eq!(resumes.len(), 20);
    assert!(resumes.iter().all(|resume| resume.before == 0));
}

#[tokio::test]
async fn a_poll_asks_caches_for_a_current_answer() {
    let (_dir, file) = token_file("a-token-for-tests");
    let service = Service::start(&file, |_| answer(200, "", TASK)).await;
    let client = service.client();
    client.poll(&id()).await.outcome.expect("a task");
    client.resume(&id(), 5).await.outcome.expect("a task");
    for request in service.seen() {
        let asks = request.head.contains("\r\ncache-control: no-cache\r\n");
        assert_eq!(asks, !request.is_resume(), "{}", request.head);
    }
}

#[tokio::test]
async fn a_401_to_a_token_that_was_replaced_says_nothing_of_the_account() {
    let (_dir, file) = token_file("the-old-token");
    let service = Service::start(&file, |request| {
        let code = if request.head.contains("the-old-token") {
            401
        } else {
            429
        };
        answer(code, "", "<html>")
    })
    .await;
    let client = service.client();
    for failure in failures(&client).await {
        assert!(
            matches!(failure, Failure::Unauthorized { status: 401, .. }),
            "{failure:?}"
        );
    }
    std::fs::write(&file, "the-new-token").unwrap();
    let renewed = client.renewed().unwrap().expect("another token");
    // Requests in flight hold clones.
    let clone = client.clone();
    client.retire();
    for failure in [failures(&client).await, failures(&clone).await].concat() {
        assert!(
            matches!(failure, Failure::Superseded { status: 401, .. }),
            "{failure:?}"
        );
    }
    for failure in failures(&renewed).await {
        assert!(
            matches!(failure, Failure::RateLimited { .. }),
            "{failure:?}"
        );
    }
    std::fs::write(&file, "the-old-token").unwrap();
    let again = renewed.renewed().unwrap().expect("another token");
    for failure in failures(&again).await {
        assert!(
            matches!(failure, Failure::Unauthorized { .. }),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_client_is_renewed_only_where_there_is_another_token() {
    let (dir, file) = token_file("the-old-token");
    let service = Service::start(&file, |_| answer(200, "", TASK)).await;
    let client = service.client();
    assert!(client.renewed().unwrap().is_none());
    std::fs::write(&file, " the-old-token\n").unwrap();
    assert!(client.renewed().unwrap().is_none());
    std::fs::write(&file, "the-new-token").unwrap();
    let renewed = client.renewed().unwrap().expect("another token");
    renewed.poll(&id()).await.outcome.expect("a task");
    client.poll(&id()).await.outcome.expect("a task");
    let [new, old] = &service.seen()[..] else {
        panic!("{:?}", service.seen());
    };
    assert!(new.head.contains("authorization: bearer the-new-token\r\n"));
    assert!(old.head.contains("authorization: bearer the-old-token\r\n"));
    assert!(renewed.renewed().unwrap().is_none());

    std::fs::write(&file, "two words").unwrap();
    let malformed = client.renewed().expect_err("no token");
    assert!(
        matches!(malformed, TokenError::Malformed { .. }),
        "{malformed}"
    );
    drop(dir);
    let gone = client.renewed().expect_err("no file");
    assert!(matches!(gone, TokenError::Unreadable { .. }), "{gone}");
    client
        .poll(&id())
        .await
        .outcome
        .expect("it goes on as before");
}

#[tokio::test]
async fn a_page_of_a_proxy_is_named_as_one_and_concerns_neither_the_task_nor_the_account() {
    const PAGE: &str = "<!DOCTYPE html><title>Blocked</title><p>S3CRET";
    let (_dir, file) = token_file("a-token-for-tests");
    for code in [200, 402, 403, 404, 410, 502] {
        let service = Service::start(&file, move |_| {
            answer(code, "content-type: text/html\r\n", PAGE)
        })
        .await;
        for failure in failures(&service.client()).await {
            let expected = match code {
                200 => "200: not understood: an HTML page, not JSON".to_owned(),
                code => format!("{code}: an HTML page"),
            };
            assert_eq!(failure.to_string(), expected);
            assert_eq!(failure.status(), Some(code));
            let says_nothing = matches!(
                failure,
                Failure::Unanswered { .. } | Failure::NotUnderstood { .. }
            );
            assert!(says_nothing, "{failure:?}");
        }
    }
}

#[tokio::test]
async fn the_same_status_means_another_thing_to_a_poll_than_to_a_resume() {
    let (_dir, file) = token_file("a-token-for-tests");
    let service = Service::start(&file, |_| answer(422, "", r#"{"detail":"its words"}"#)).await;
    let [poll, resume, user, list, results] = failures(&service.client()).await;
    assert!(
        matches!(poll, Failure::NotFound { status: 422, .. }),
        "{poll:?}"
    );
    assert!(
        matches!(resume, Failure::Refused { status: 422, .. }),
        "{resume:?}"
    );
    assert!(
        matches!(user, Failure::Refused { status: 422, .. }),
        "{user:?}"
    );
    assert!(
        matches!(list, Failure::Refused { status: 422, .. }),
        "{list:?}"
    );
    assert!(
        matches!(results, Failure::Refused { status: 422, .. }),
        "{results:?}"
    );
}

#[tokio::test]
async fn a_retry_after_date_counts_from_the_date_of_the_answer() {
    let (_dir, file) = token_file("a-token-for-tests");
    let headers =
        "date: Wed, 21 Oct 2015 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2015 07:28:05 GMT\r\n";
    for code in [429, 503] {
        let service = Service::start(&file, move |_| answer(code, headers, "")).await;
        for failure in failures(&service.client()).await {
            let (Failure::RateLimited { retry_after, .. }
            | Failure::Unanswered { retry_after, .. }) = failure
            else {
                panic!("{failure:?}");
            };
            assert_eq!(retry_after, Some(RetryAfter::Seconds(5)));
        }
    }
}

#[tokio::test]
async fn the_account_is_read_with_its_credits() {
    let (_dir, file) = token_file("a-token-for-tests");
    let service = Service::start(&file, |_| {
        answer(
            200,
            "",
            "\u{feff}{\"email\":\"a@b\",\"available_credits\":\"25\"}",
        )
    })
    .await;
    let user = service.client().user().await.expect("an account");
    assert_eq!(user.email.as_deref(), Some("a@b"));
    let credits = user.available_credits.expect("credits");
    assert_eq!(credits.as_i64(), Some(25));
}

// --- the list ---

#[tokio::test]
async fn a_page_of_the_list_is_asked_for_by_offset_and_limit_and_past_caches_on_a_used_connection()
{
    let (_dir, file) = token_file("a-token-for-tests");
    let service = Service::start(&file, |_| answer(200, "", &format!("[{TASK},7]"))).await;
    let client = service.client();
    let page = client.list(0, 100).await.expect("a page");
    assert_eq!(page.len, 2);
    let [entry] = &page.entries[..] else {
        panic!("{page:?}");
    };
    assert_eq!((entry.id.as_str(), entry.seen.results), (ID, 50));
    client.list(u64::MAX, 1).await.expect("a page");
    let seen = service.seen();
    for (request, query) in seen
        .iter()
        .zip(["offset=0&limit=100", "offset=18446744073709551615&limit=1"])
    {
        let line = format!("get /v1/discovery_tasks?{query} http/1.1\r\n");
        assert!(request.head.starts_with(&line), "{}", request.head);
        for header in [
            "cache-control: no-cache",
            "accept: application/json",
            "authorization: bearer a-token-for-tests",
        ] {
            let line = format!("\r\n{header}\r\n");
            assert!(request.head.contains(&line), "{}", request.head);
        }
    }
    assert_eq!(seen.last().map(|request| request.before), Some(1));
}

#[tokio::test]
async fn a_page_of_up_to_16_mib_is_read_and_a_longer_one_is_not_understood() {
    let (_dir, file) = token_file("a-token-for-tests");
    for (length, is_read) in [(2 * MIB, true), (16 * MIB, true), (16 * MIB + 1, false)] {
        let filler = " ".repeat(length - TASK.len() - 2);
        let body = format!("[{filler}{TASK}]");
        let service = Service::start(&file, move |_| answer(200, "", &body)).await;
        match service.client().list(0, 100).await {
            Ok(page) => assert!(is_read && page.entries.len() == 1, "{length}"),
            Err(failure) => {
                let expected = "200: not understood: the answer is over 16777216 bytes";
                assert_eq!(failure.to_string(), expected);
                assert!(!is_read, "{length}");
            }
        }
    }
    // The limit of a poll stays.
    let body = format!("{}{TASK}", " ".repeat(MIB));
    let service = Service::start(&file, move |_| answer(200, "", &body)).await;
    let failure = service.client().poll(&id()).await.outcome.unwrap_err();
    assert!(
        failure.to_string().contains("over 1048576 bytes"),
        "{failure}"
    );
}

#[tokio::test]
async fn each_status_of_the_list_keeps_its_code_and_a_redirect_is_not_followed() {
    let (_dir, file) = token_file("a-token-for-tests");
    let own = r#"{"detail":"its words"}"#;
    for (code, body, variant) in [
        (307, own, "Unexpected"),
        (400, own, "Refused"),
        (401, own, "Unauthorized"),
        (402, own, "PaymentRequired"),
        (403, own, "Forbidden"),
        (403, r#"{"detail":"plan_required"}"#, "PaymentRequired"),
        (404, own, "NotFound"),
        (404, "<html>", "Unanswered"),
        (405, own, "Unexpected"),
        (408, own, "Unanswered"),
        (409, own, "Unanswered"),
        (410, own, "NotFound"),
        (422, own, "Refused"),
        (422, "", "Refused"),
        (429, own, "RateLimited"),
        (500, own, "Unanswered"),
        (200, own, "NotUnderstood"),
        (204, "", "NotUnderstood"),
    ] {
        let location = "location: /v1/discovery_tasks/\r\n";
        let service = Service::start(&file, move |_| answer(code, location, body)).await;
        let failure = service.client().list(0, 100).await.unwrap_err();
        let name = format!("{failure:?}");
        assert!(name.starts_with(variant), "{code}: {failure:?}");
        assert_eq!(failure.status(), Some(code));
        assert_eq!(service.seen().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_list_that_comes_too_slowly_or_not_at_all_is_unanswered() {
    let (_dir, file) = token_file("a-token-for-tests");
    for (head, expected) in [
        ("HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n[", "timeout"),
        ("HTTP/1.1 200 X\r\n", "timeout"),
        ("", "error sending request"),
    ] {
        let mut service = Service::start(&file, move |_| head.to_owned()).await;
        service.api.timeout = Duration::from_millis(100);
        let failure = service.client().list(0, 100).await.unwrap_err();
        assert!(failure.to_string().contains(expected), "{failure}");
        assert!(
            matches!(failure, Failure::Unanswered { status: None, .. }),
            "{failure:?}"
        );
    }
    let (_dir, file) = token_file("a-token-for-tests");
    let mut service = Service::start(&file, |_| String::new()).await;
    // Nothing listens there.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    service.api.base_url = url.parse().unwrap();
    let failure = service.client().list(0, 100).await.unwrap_err();
    assert!(
        matches!(failure, Failure::NotConnected { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_token_that_the_list_echoes_is_redacted() {
    let (_dir, file) = token_file("a-token-for-tests");
    let body = TASK.replace('}', r#","query":"x A-Token-For-Tests y"}"#);
    let service = Service::start(&file, move |_| answer(200, "", &format!("[{body}]"))).await;
    let page = service.client().list(0, 100).await.expect("a page");
    let query = page.entries[0].seen.query.as_deref();
    assert_eq!(query, Some("x [redacted] y"));
}
