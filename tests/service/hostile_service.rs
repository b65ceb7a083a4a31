//! Hostile answers of the service: the real program does not crash, the normal task reaches its target, the hostile one
//! backs off with a reason, no resume is sent twice, and no other host receives the token.
//!
//! The service is a bare socket. It forwards requests about the normal task to the stand-in, and answers those about
//! the hostile one with any bytes.

use crate::support::program::{Daemon, write_config};
use crate::support::proxy::{Handshake, Proxy, Reply, Request};
use crate::support::{Bench, TIMEOUT, plenty};
use futures_util::StreamExt;
use futures_util::stream;
use growd::core::TaskId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The number of cases that run side by side.
const AT_ONCE: usize = 4;

/// The id of the hostile task.
const HOSTILE: &str = "the-hostile-one";

/// The content of the token file.
const TOKEN: &str = "a-token-for-tests";

/// The limit of the daemon's peak memory, in kilobytes.
const MEMORY_MAX: u64 = 100_000;

// --- bytes ---

/// A task in the service's JSON.
fn task(status: &str, desired: i64, results: &str) -> String {
    format!(
        r#"{{"id":"{HOSTILE}","status":"{status}","is_exhausted":false,"desired_num_results":{desired},"num_results":{results}}}"#
    )
}

/// Returns an answer with a status, more headers (each with its line end) and a body.
fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: impl AsRef<[u8]>) -> Reply {
    Reply::Bytes(answer("200 OK", "", body.as_ref()))
}

fn bytes(bytes: impl AsRef<[u8]>) -> Reply {
    Reply::Bytes(bytes.as_ref().to_vec())
}

/// An answer with a task whose `num_results` is this text.
fn counted(results: &str) -> Reply {
    ok(task("done", 50, results))
}

/// An answer with this `content-length`.
fn promising(length: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

// --- the cases ---

/// The meaning of a hostile answer to a resume.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// The outcome is unknown.
    Unknown,
    /// The resume is refused.
    Refusal,
}

struct Case {
    name: &'static str,
    reply: Reply,
    /// A part of growd's error text.
    error: &'static str,
    outcome: Outcome,
    /// `api.timeout`.
    timeout: &'static str,
}

const MIB: u64 = 1 << 20;

const LONG: &str = r#""30s""#;
const SHORT: &str = r#""1s""#;

fn case(name: &'static str, reply: Reply, error: &'static str) -> Case {
    Case {
        name,
        reply,
        error,
        outcome: Outcome::Unknown,
        timeout: LONG,
    }
}

/// Answers that leave the outcome of a request unknown.
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn unknown_outcomes() -> Vec<Case> {
    let whole = task("done", 50, "25");
    let half = &whole[..whole.len() / 2];
    let no_body = "error decoding response body";
    let slow = |name, reply| Case {
        timeout: SHORT,
        ..case(name, reply, "timeout")
    };
    let flood = |head: &str, piece: &str, most| {
        Reply::Flood(head.into(), piece.repeat(65_536 / piece.len()).into(), most)
    };
    vec![
        // Bodies that are not a task.
        case("no JSON", ok("It works!"), "expected value"),
        case(
            "an HTML page",
            ok("<html>It works!</html>"),
            "not understood: an HTML page, not JSON",
        ),
        case("no body", ok(""), "EOF while parsing"),
        case("a body that breaks off", ok(half), "EOF while parsing"),
        case("a list", ok("[]"), "not understood"),
        case(
            "an error with status 200",
            ok(r#"{"detail":"no"}"#),
            "missing field",
        ),
        case("text for a number", counted("\"many\""), "invalid type"),
        case("no text for a number", counted("\"\""), "invalid type"),
        case("a fraction as text", counted("\"25.5\""), "invalid type"),
        case(
            "a long text for a number",
            counted(&format!("{:?}", "x".repeat(900_000))),
            "invalid type",
        ),
        case(
            "a number beyond i64",
            counted("9223372036854775808"),
            "invalid",
        ),
        case(
            "a number beyond u64",
            counted("99999999999999999999"),
            "invalid",
        ),
        case("NaN", counted("NaN"), "expected value"),
        case("Infinity", counted("Infinity"), "expected value"),
        case("1e400", counted("1e400"), "number out of range"),
        case("a fraction", counted("25.5"), "invalid type"),
        case(
            "a negative counter",
            counted("-1"),
            "num_results is negative",
        ),
        case(
            "the counter twice",
            counted("25,\"num_results\":26"),
            "duplicate field",
        ),
        case(
            "nesting without end",
            ok("[".repeat(500_000)),
            "not understood",
        ),
        case(
            "no UTF-8",
            ok([br#"{"id":""#.as_slice(), b"\xff\xfe\"}"].concat()),
            "not understood",
        ),
        case(
            "another task",
            ok(whole.replace(HOSTILE, "the-other-one")),
            "it is another task than the one asked for",
        ),
        case(
            "garbage said to be compressed",
            Reply::Bytes(answer(
                "200 OK",
                "content-encoding: gzip\r\n",
                b"\x1f\x8b\x08\0garbage",
            )),
            "not understood",
        ),
        case(
            "no content",
            bytes("HTTP/1.1 204 No Content\r\n\r\n"),
            "204: not understood",
        ),
        // Refusals that may not come from the service.
        case(
            "a proxy's page with 403",
            Reply::Bytes(answer("403 Forbidden", "", b"<html>Blocked</html>")),
            "403: an HTML page",
        ),
        case(
            "a proxy's page with 404",
            Reply::Bytes(answer("404 Not Found", "", b"<!DOCTYPE html>Gone")),
            "404: an HTML page",
        ),
        case(
            "a proxy that wants to be paid",
            Reply::Bytes(answer("402 Payment Required", "", b"{\"error\":\"pay\"}")),
            "402: ",
        ),
        case(
            "a redirect after the request was processed",
            Reply::Bytes(answer("303 See Other", "location: /v1/other\r\n", b"")),
            "303: a redirect, which is not followed",
        ),
        case(
            "a conflict",
            Reply::Bytes(answer("409 Conflict", "", br#"{"detail":"busy"}"#)),
            "409: busy",
        ),
        // Endless or huge bodies.
        case(
            "a body of 1 GiB",
            flood(
                "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
                " ",
                1024 * MIB,
            ),
            "the answer is over 1048576 bytes",
        ),
        case(
            "a body of 1 GiB in chunks",
            flood(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "5\r\n[[[[[\r\n",
                1024 * MIB,
            ),
            "the answer is over 1048576 bytes",
        ),
        case(
            "a failure of 1 GiB",
            flood(
                "HTTP/1.1 500 Oh\r\ncontent-length: 1073741824\r\n\r\n",
                "x",
                1024 * MIB,
            ),
            "500: xxx",
        ),
        slow(
            "a body that does not come",
            Reply::Hold(promising("100", "")),
        ),
        slow(
            "one byte a second",
            Reply::Drip(promising("100", &whole), Duration::from_secs(1)),
        ),
        slow("no answer at all", Reply::Hold(Vec::new())),
        // Wrong lengths.
        case(
            "a length that is too long",
            bytes(promising("5000", &whole)),
            no_body,
        ),
        case(
            "a length that is too short",
            bytes(promising("20", &whole)),
            "EOF while parsing",
        ),
        case(
            "a negative length",
            bytes(promising("-5", &whole)),
            "invalid content-length",
        ),
        case(
            "two lengths",
            bytes(promising("20\r\ncontent-length: 30", &whole)),
            "invalid content-length",
        ),
        case(
            "chunks of no size",
            bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
            no_body,
        ),
        // Invalid heads.
        case(
            "no HTTP",
            bytes("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
            "invalid HTTP version",
        ),
        case(
            "nothing",
            bytes(""),
            "connection closed before message completed",
        ),
        case(
            "half a status line",
            bytes("HTTP/1.1 200"),
            "connection closed before message completed",
        ),
        case(
            "a status line without end",
            flood("HTTP/1.1 200 ", "OK", 64 * MIB),
            "error sending request",
        ),
        case(
            "headers without end",
            flood("HTTP/1.1 200 OK\r\n", "x: y\r\n", 64 * MIB),
            "error sending request",
        ),
        case(
            "a header without end",
            flood("HTTP/1.1 200 OK\r\nx: ", "y", 64 * MIB),
            "error sending request",
        ),
        case(
            "a status of 999",
            bytes("HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n"),
            "999: ",
        ),
        case(
            "a switch to another protocol",
            bytes("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
            "101: ",
        ),
        slow(
            "interim answers without end",
            Reply::Drip(
                b"HTTP/1.1 100 Continue\r\n\r\n".repeat(200),
                Duration::from_millis(1),
            ),
        ),
    ]
}

/// Answers that refuse a request.
fn refusals() -> Vec<Case> {
    let redirect = |name, location: &str| Case {
        outcome: Outcome::Refusal,
        ..case(
            name,
            Reply::Bytes(answer(
                "307 Temporary Redirect",
                &format!("location: {location}\r\n"),
                b"",
            )),
            "a redirect",
        )
    };
    vec![
        redirect("a redirect within the host", "/v1/elsewhere"),
        redirect("a redirect to nowhere", "http://["),
        redirect("a redirect to another scheme", "file:///etc/passwd"),
    ]
}

// --- a bench with a hostile task ---

struct HostileBench {
    bench: Bench,
    proxy: Proxy,
    normal: TaskId,
    daemon: Daemon,
}

impl HostileBench {
    /// Starts the daemon with a normal task and a hostile one, which `reply` answers.
    async fn begin(
        timeout: &str,
        reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        // Longer than any test: a resume without a visible effect stays open.
        Self::begin_with(timeout, r#""1h""#, reply).await
    }

    async fn begin_with(
        timeout: &str,
        settle: &str,
        reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let bench = Bench::new().await;
        let proxy = Proxy::to(bench.service.addr(), move |request| {
            if request.path.contains(HOSTILE) {
                reply(request)
            } else {
                Reply::Forward
            }
        })
        .listening();
        let url = proxy.url();
        write_config(
            &bench,
            &[
                ("api.base_url", &url),
                ("api.timeout", timeout),
                ("growth.settle", settle),
                ("polling.min_interval", r#""20ms""#),
                ("retry.initial", r#""100ms""#),
                ("retry.max", r#""400ms""#),
            ],
        );
        let normal = bench.grow(&plenty(), 60).await;
        bench.want(&HOSTILE.parse().unwrap(), 60, None).await;
        let daemon = Daemon::start(&bench);
        Self {
            bench,
            proxy,
            normal,
            daemon,
        }
    }

    /// Waits until a query about the hostile task returns 1.
    async fn until(&self, name: &str, sql: &'static str) {
        let begin = Instant::now();
        let mut connection = self.bench.connection().await;
        loop {
            let holds: i64 = sqlx::query_scalar(sql)
                .bind(HOSTILE)
                .fetch_one(&mut connection)
                .await
                .expect(sql);
            if holds == 1 {
                return;
            }
            assert!(
                begin.elapsed() < TIMEOUT,
                "{name}: never true: {sql}\n{}\n{}",
                self.bench.dump().await,
                self.daemon.logged()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the text that a query about the hostile task selects.
    async fn text(&self, sql: &'static str) -> String {
        let text: Option<String> = sqlx::query_scalar(sql)
            .bind(HOSTILE)
            .fetch_one(&mut self.bench.connection().await)
            .await
            .expect(sql);
        text.unwrap_or_default()
    }

    fn resumes(&self) -> Vec<Request> {
        let mut seen = self.proxy.seen(HOSTILE);
        seen.retain(Request::is_resume);
        seen
    }

    /// Checks that the normal task reached its target and that the daemon used little memory, and stops it.
    async fn end(mut self, name: &str) {
        self.bench
            .until("SELECT count(*) = 1 FROM progress WHERE state = 'reached' AND task_id != 'the-hostile-one'")
            .await;
        assert_eq!(self.bench.state(&self.normal).await, "reached", "{name}");
        let memory = peak_memory(self.daemon.child.id());
        assert!(memory < MEMORY_MAX, "{name}: {memory} kB");
        self.daemon.signal("TERM");
        assert_eq!(
            self.daemon.ended().await,
            Some(0),
            "{name}: {}",
            self.daemon.logged()
        );
        let log = self.daemon.logged();
        assert!(!log.contains("panicked"), "{name}: {log}");
        assert!(!log.contains(&TOKEN[..6]), "{name}: {log}");
        let longest = log.lines().map(str::len).max().unwrap_or_default();
        assert!(longest < 4_000, "{name}: a line of {longest} bytes");
    }
}

/// Returns the peak memory of a process, in kilobytes.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    let peak = peak.trim().trim_end_matches(" kB");
    peak.parse().expect("a number")
}

/// Returns the largest number of requests that the backoff of [`HostileBench::begin`] allows in a time.
fn most_tries(elapsed: Duration) -> usize {
    let (mut delay, mut at, mut tries) = (50, 0, 1);
    while at + delay <= elapsed.as_millis() {
        at += delay;
        delay = (delay * 2).min(200);
        tries += 1;
    }
    tries
}

async fn each(cases: Vec<Case>, check: impl AsyncFn(Case) + Copy) {
    stream::iter(cases)
        .map(|case| check(case))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
}

// --- polls ---

async fn polled(case: Case) {
    let Case {
        name, reply, error, ..
    } = case;
    let begin = Instant::now();
    let hostile = HostileBench::begin(case.timeout, move |_| reply.clone()).await;
    hostile
        .until(name, "SELECT failures >= 2 FROM progress WHERE task_id = ?")
        .await;
    let tries = hostile.proxy.seen(HOSTILE).len();
    let most = most_tries(begin.elapsed());
    assert!(tries <= most, "{name}: {tries} polls of at most {most}");
    let next = hostile
        .text("SELECT next_poll_at FROM progress WHERE task_id = ?")
        .await;
    assert!(!next.is_empty(), "{name}: it has to be polled again");
    let said = hostile
        .text("SELECT last_error FROM progress WHERE task_id = ?")
        .await;
    assert!(
        said.starts_with("poll: ") && said.contains(error),
        "{name}: {said}"
    );
    assert!(said.len() < 2_500, "{name}: {} bytes of error", said.len());
    let state = hostile
        .text("SELECT state FROM progress WHERE task_id = ?")
        .await;
    assert_eq!(state, "pending", "{name}");
    assert!(hostile.resumes().is_empty(), "{name}");
    hostile.end(name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_answer_to_a_poll_makes_its_task_back_off_and_no_other() {
    let mut cases = unknown_outcomes();
    cases.extend(refusals());
    assert!(cases.len() > 35, "{}", cases.len());
    each(cases, polled).await;
}

// --- resumes ---

async fn resumed(case: Case) {
    let Case {
        name,
        reply,
        error,
        outcome,
        timeout,
    } = case;
    // Polls show the effect once `shown` is set. Only one poll follows a rejection within the hour, so that one has to
    // show it.
    let arrived = Arc::new(AtomicBool::new(false));
    let shown = Arc::clone(&arrived);
    let hostile = HostileBench::begin(timeout, move |request| {
        match (request.is_resume(), shown.load(Ordering::Relaxed)) {
            (true, _) => {
                shown.fetch_or(outcome == Outcome::Refusal, Ordering::Relaxed);
                reply.clone()
            }
            (false, false) => ok(task("done", 50, "25")),
            (false, true) => ok(task("done", 85, "60")),
        }
    })
    .await;
    hostile
        .until(name, "SELECT count(*) > 0 FROM events WHERE task_id = ? AND kind IN ('resume_unanswered', 'resume_rejected')")
        .await;
    let recorded = hostile
        .text("SELECT detail FROM events WHERE task_id = ? AND kind IN ('resume_unanswered', 'resume_rejected')")
        .await;
    assert!(recorded.contains(error), "{name}: {recorded}");
    if outcome == Outcome::Unknown {
        let polls = hostile.proxy.seen(HOSTILE).len();
        let begin = Instant::now();
        while hostile.proxy.seen(HOSTILE).len() < polls + 3 {
            assert!(
                begin.elapsed() < TIMEOUT,
                "{name}: growd has to poll for its effect"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(hostile.resumes().len(), 1, "{name}: sent twice");
        let state = hostile
            .text("SELECT group_concat(state) FROM resumes WHERE task_id = ?")
            .await;
        assert_eq!(state, "intended", "{name}");
    }
    arrived.store(true, Ordering::Relaxed);
    hostile
        .until(
            name,
            "SELECT state = 'reached' FROM progress WHERE task_id = ?",
        )
        .await;
    let ends = hostile
        .text("SELECT group_concat(DISTINCT state) FROM resumes WHERE task_id = ?")
        .await;
    match outcome {
        Outcome::Unknown => assert_eq!(
            (ends.as_str(), hostile.resumes().len()),
            ("accepted", 1),
            "{name}"
        ),
        // The target may be reached before the last answer arrives.
        Outcome::Refusal => assert!(ends.starts_with("rejected"), "{name}: {ends}"),
    }
    hostile.end(name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_with_a_hostile_answer_stays_open_and_is_not_sent_twice() {
    each(unknown_outcomes(), resumed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_that_is_redirected_is_rejected_and_goes_nowhere_else() {
    each(refusals(), resumed).await;
}

// --- the token ---

/// Redirects polls and resumes to another host, with each of the codes in turn. `303` comes last: it leaves the outcome
/// of the resume open, so that no other follows.
async fn redirects(codes: &'static [&'static str]) {
    let name = "redirects to another host";
    let bench = Bench::new().await;
    let other = Proxy::to(bench.service.addr(), |_| ok("{}")).listening();
    let to = other.addr();
    let (polls, resumes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let hostile = HostileBench::begin_with(r#""1400ms""#, r#""1500ms""#, move |request| {
        let count = if request.is_resume() {
            &resumes
        } else {
            &polls
        };
        let at = count.fetch_add(1, Ordering::Relaxed);
        // Every second poll succeeds, so that resumes follow.
        if !request.is_resume() && at.is_multiple_of(2) {
            return ok(task("done", 50, "25"));
        }
        let location = format!("location: http://{to}{}\r\n", request.path);
        let at = if request.is_resume() { at } else { at / 2 };
        Reply::Bytes(answer(codes[at % codes.len()], &location, b""))
    })
    .await;
    hostile
        .until(
            name,
            "SELECT count(*) FILTER (WHERE state = 'rejected') = 2 AND count(*) FILTER (WHERE state = 'intended') = 1 FROM resumes WHERE task_id = ?",
        )
        .await;
    hostile
        .until(
            name,
            "SELECT count(*) > 0 FROM events WHERE task_id = ? AND kind = 'resume_unanswered'",
        )
        .await;
    assert!(other.seen("").is_empty(), "{:?}", other.seen(""));
    let bearer = format!("authorization: Bearer {TOKEN}");
    for request in hostile.proxy.seen("") {
        let head = request.head.to_lowercase();
        assert!(head.contains(&bearer.to_lowercase()), "{}", request.head);
    }
    hostile.end(name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_reaches_no_other_host_wherever_a_redirect_points() {
    // Two tasks side by side, since the wait after each redirected resume doubles.
    tokio::join!(
        redirects(&["301 a", "302 a", "303 a"]),
        redirects(&["307 a", "308 a", "303 a"]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_a_part_of_a_token_that_is_echoed_is_kept() {
    let name = "the token at every place of an error";
    // The token may cross the point where growd cuts a long text.
    let count = AtomicUsize::new(0);
    let hostile = HostileBench::begin(LONG, move |_| {
        let at = count.fetch_add(1, Ordering::Relaxed);
        let start = "x".repeat(500 - TOKEN.len() / 2 - at % 3);
        match at % 2 {
            0 => Reply::Bytes(answer("500 Oh", "", format!("{start}{TOKEN}").as_bytes())),
            _ => counted(&format!("\"{start}{TOKEN}\"")),
        }
    })
    .await;
    hostile
        .until(name, "SELECT failures >= 4 FROM progress WHERE task_id = ?")
        .await;
    let recorded = hostile
        .text("SELECT group_concat(detail) FROM events WHERE task_id = ?")
        .await;
    assert!(recorded.contains("xxxx"), "{recorded}");
    assert!(!recorded.contains(&TOKEN[..6]), "{recorded}");
    hostile.end(name).await;
}

// --- valid answers that make no sense ---

/// Status and results that polls show: before the first resume, after it, after the second, and so on. The last pair of
/// each part repeats. Each resume is granted.
type Shown = Vec<Vec<(&'static str, i64)>>;

async fn shown(shown: Shown, state: &'static str, asked: &[i64]) {
    let name = format!("{shown:?}");
    let place = Mutex::new((0_usize, 0_usize));
    let hostile = HostileBench::begin_with(r#""400ms""#, r#""500ms""#, move |request| {
        let (resumes, polls) = &mut *place.lock().unwrap();
        if request.is_resume() {
            (*resumes, *polls) = (*resumes + 1, 0);
            return ok(task("in_progress", 85, "0"));
        }
        let shown = &shown[(*resumes).min(shown.len() - 1)];
        let (status, results) = shown[(*polls).min(shown.len() - 1)];
        *polls += 1;
        ok(task(status, 50, &results.to_string()))
    })
    .await;
    hostile
        .until(
            &name,
            "SELECT next_poll_at IS NULL FROM progress WHERE task_id = ?",
        )
        .await;
    let ended = hostile
        .text("SELECT state FROM progress WHERE task_id = ?")
        .await;
    assert_eq!(ended, state, "{name}");
    let amount = |resume: &Request| {
        let body: serde_json::Value = serde_json::from_slice(&resume.body).unwrap();
        body["desired_new_results"].as_i64().unwrap()
    };
    let amounts: Vec<i64> = hostile.resumes().iter().map(amount).collect();
    assert_eq!(amounts, asked, "{name}");
    let accepted = hostile
        .text("SELECT count(*) || '' FROM resumes WHERE task_id = ? AND state = 'accepted'")
        .await;
    assert_eq!(accepted, asked.len().to_string(), "{name}");
    hostile.end(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_fall_and_a_status_that_goes_back_are_paid_for_at_most_twice() {
    tokio::join!(
        // Counters that go down, and up again.
        shown(
            vec![
                vec![("in_progress", 50), ("in_progress", 40), ("done", 40)],
                vec![("in_progress", 30), ("done", 35)],
                vec![("in_progress", 10), ("done", 60)],
            ],
            "reached",
            &[20, 25],
        ),
        // Back from done to in_progress, and no more results.
        shown(
            vec![
                vec![("done", 25)],
                vec![
                    ("done", 25),
                    ("in_progress", 25),
                    ("created", 25),
                    ("done", 25)
                ],
            ],
            "stalled",
            &[35, 35],
        ),
        // Down and up forever: the same results again are no progress.
        shown(
            vec![
                vec![("done", 30)],
                vec![("in_progress", 1), ("done", 2)],
                vec![("in_progress", 30), ("done", 30)],
            ],
            "stalled",
            &[30, 58],
        ),
        // An unknown status ends no task, whatever the counters are.
        shown(
            vec![vec![("", 0), ("paused", 5), ("DONE", 70), ("done", 70)]],
            "reached",
            &[],
        ),
        shown(vec![vec![("done", i64::MAX)]], "reached", &[]),
        shown(
            vec![vec![("in_progress", 10), ("failed", 5)]],
            "failed",
            &[]
        ),
    );
}

// --- TLS ---

/// Returns a TLS server for 127.0.0.1 with a self-signed certificate, and that certificate.
fn certificate() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

/// A service whose connections begin with `otherwise`, first for a poll and then for a resume after a good poll; later
/// ones are normal. `error` is a part of growd's error text.
async fn connects_or(otherwise: Handshake, connect_timeout: &str, error: &str) {
    let (fitting, trusted) = certificate();
    let fits = Arc::new(AtomicBool::new(false));
    let bench = Bench::new().await;
    let (ends, shows) = (Arc::clone(&fits), Arc::clone(&fits));
    let first = AtomicBool::new(true);
    let proxy = Proxy::with_tls(
        bench.service.addr(),
        move |request| {
            // The connections fail from the first good poll on, before the resume is sent.
            if !request.is_resume() && first.swap(false, Ordering::Relaxed) {
                ends.store(false, Ordering::Relaxed);
            }
            Reply::Forward
        },
        move || {
            if shows.load(Ordering::Relaxed) {
                Handshake::With(fitting.clone())
            } else {
                otherwise.clone()
            }
        },
    )
    .listening();
    let url = proxy.url();
    write_config(
        &bench,
        &[
            ("api.base_url", &url),
            ("api.timeout", LONG),
            ("api.connect_timeout", connect_timeout),
            ("limits.concurrency", "1"),
            ("retry.initial", r#""1s""#),
            ("retry.max", r#""2s""#),
        ],
    );
    bench.grow(&plenty(), 60).await;
    let roots = bench.dir.path().join("roots.pem");
    std::fs::write(&roots, trusted).unwrap();
    let roots = roots.to_str().unwrap();
    let mut daemon = Daemon::start_with(&bench, &[("SSL_CERT_FILE", roots)]);

    bench.until("SELECT failures >= 1 FROM progress").await;
    let said: String = bench.value("SELECT last_error FROM progress").await;
    assert!(said.starts_with("poll: not connected: "), "{said}");
    assert!(said.contains(error), "{said}");
    assert!(proxy.seen("").is_empty(), "{:?}", proxy.seen(""));

    fits.store(true, Ordering::Relaxed);
    bench
        .until("SELECT count(*) = 1 FROM resumes WHERE state = 'unsent'")
        .await;
    let detail: String = bench.value("SELECT detail FROM resumes").await;
    assert!(detail.contains(error), "{detail}");
    assert!(!proxy.seen("").iter().any(Request::is_resume));
    assert!(bench.service.ledger().is_empty());

    fits.store(true, Ordering::Relaxed);
    bench.until("SELECT state = 'reached' FROM progress").await;
    bench.until_all_ended().await;
    bench.assert_ledgers_agree().await;
    let states: String = bench
        .value("SELECT group_concat(state) FROM (SELECT state FROM resumes ORDER BY id)")
        .await;
    assert_eq!(states, "unsent,accepted");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_the_right_certificate_carries_no_request_and_leaves_a_resume_unsent()
{
    let (other, _) = certificate();
    tokio::join!(
        connects_or(Handshake::With(other), LONG, "certificate"),
        connects_or(
            Handshake::Bytes(b"HTTP/1.1 200 OK\r\n\r\n"),
            LONG,
            "corrupt message"
        ),
        connects_or(Handshake::Bytes(b""), LONG, "handshake eof"),
        connects_or(Handshake::Silent, r#""2s""#, "timed out"),
    );
}
