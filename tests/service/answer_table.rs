//! What each answer of the service leads to, with the real program, row by row.
//!
//! Each test checks the task, the ledger, the events, the gate and the number of requests while the service answers so,
//! and that growd continues by itself once the service answers normally.

use crate::support::program::{Daemon, output, write_config};
use crate::support::proxy::{Proxy, Reply, Request};
use crate::support::{Bench, TIMEOUT, plenty};
use growd::core::TaskId;
use growd_simulator::{Fault, On, RequestEntry, Rule, Scenario};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

// --- the table ---

/// What an answer to a poll leads to.
#[derive(Debug, Clone, Copy)]
enum ToPoll {
    /// An error that contains these words, and a backoff.
    BackOff(&'static str),
    /// The state `missing`, once confirmed.
    Missing,
}

/// What an answer to a resume leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ToResume {
    /// Unknown outcome: not sent again before a poll.
    Unknown,
    /// `rejected`, one poll, and then `refused`.
    Refused,
    /// `rejected`, and an error.
    Error,
}

/// A row of the table about one task.
#[derive(Debug, Clone)]
struct Row {
    fault: Fault,
    /// The same answer to a resume that has taken effect.
    after: Option<Fault>,
    poll: ToPoll,
    resume: ToResume,
    /// `http_status` in the ledger.
    status: Option<u16>,
}

/// `growth.settle`, and an `api.timeout` below it that is far longer than any answer takes.
const SETTLE: &str = r#""4s""#;
const API_TIMEOUT: &str = r#""3s""#;

/// Returns the rows about one task; `elsewhere` is another host.
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn rows(elsewhere: &str) -> Vec<Row> {
    let row = |fault, after, poll, resume, status| Row {
        fault,
        after,
        poll,
        resume,
        status,
    };
    let named = |name: &str| Fault::named(name).expect(name);
    let mut rows = Vec::new();
    // 2xx, not understood. These take effect.
    for (fault, why) in [
        (
            named("not_json"),
            "200: not understood: an HTML page, not JSON",
        ),
        (named("missing_fields"), "not understood: missing field"),
        (named("wrong_types"), "not understood: invalid type"),
        (named("wrong_id"), "not understood: it is another task"),
        (named("empty"), "not understood: EOF"),
        (
            Fault::Huge {
                bytes: (1 << 20) + 1,
            },
            "the answer is over 1048576 bytes",
        ),
    ] {
        rows.push(row(
            fault,
            None,
            ToPoll::BackOff(why),
            ToResume::Unknown,
            Some(200),
        ));
    }
    // 400, 422.
    let said = |code, detail: Value| Fault::Status {
        code,
        headers: BTreeMap::new(),
        body: Some(json!({ "detail": detail })),
        text: None,
        takes_effect: false,
    };
    rows.push(row(
        said(400, json!("its words")),
        None,
        ToPoll::BackOff("400: its words"),
        ToResume::Refused,
        Some(400),
    ));
    rows.push(row(
        said(422, json!([{"loc": ["body"], "msg": "its words"}])),
        None,
        ToPoll::Missing,
        ToResume::Refused,
        Some(422),
    ));
    // 404: polls have to confirm that the task is missing.
    rows.push(row(
        named("404"),
        None,
        ToPoll::Missing,
        ToResume::Error,
        Some(404),
    ));
    // 408, 5xx, with and without having taken effect.
    for code in [408, 500, 502, 503, 504, 599] {
        let (name, why) = match code {
            408 => ("408", "408: Request Timeout"),
            500 => ("500", "500: Internal Server Error"),
            502 => ("502", "502: Bad Gateway"),
            503 => ("503", "503: Service Unavailable"),
            504 => ("504", "504: Gateway Timeout"),
            _ => ("599", "599: "),
        };
        rows.push(row(
            named(name),
            Some(named(&format!("{name}_after"))),
            ToPoll::BackOff(why),
            ToResume::Unknown,
            Some(code),
        ));
    }
    // Timeouts.
    let ms = 20_000;
    for (fault, after) in [
        (Fault::Hang { ms }, Some(Fault::HangAfter { ms })),
        (Fault::SlowBody { ms_per_byte: 500 }, None),
    ] {
        rows.push(row(
            fault,
            after,
            ToPoll::BackOff("timeout"),
            ToResume::Unknown,
            None,
        ));
    }
    // Broken connections.
    for (fault, after) in [
        ("lost_before", Some("lost_after")),
        ("reset", Some("reset_after")),
        ("truncated", Some("late")),
    ] {
        rows.push(row(
            named(fault),
            after.map(named),
            ToPoll::BackOff("poll: error"),
            ToResume::Unknown,
            None,
        ));
    }
    // 3xx.
    for code in [301, 302, 307, 308] {
        let fault = Fault::Redirect {
            status: code,
            location: format!("{elsewhere}/v1/moved"),
        };
        let why = "a redirect to 127.0.0.1, which is not followed";
        rows.push(row(
            fault,
            None,
            ToPoll::BackOff(why),
            ToResume::Error,
            Some(code),
        ));
    }
    // 303 says that the request was processed; 409 may have taken effect.
    rows.push(row(
        Fault::Redirect {
            status: 303,
            location: format!("{elsewhere}/v1/moved"),
        },
        None,
        ToPoll::BackOff("303: a redirect to 127.0.0.1, which is not followed"),
        ToResume::Unknown,
        Some(303),
    ));
    rows.push(row(
        named("409"),
        Some(named("409_after")),
        ToPoll::BackOff("409: Conflict"),
        ToResume::Unknown,
        Some(409),
    ));
    // Any other 4xx: without effect.
    rows.push(row(
        named("405"),
        None,
        ToPoll::BackOff("405: Method Not Allowed"),
        ToResume::Error,
        Some(405),
    ));
    rows
}

fn times_out(row: &Row) -> bool {
    matches!(row.poll, ToPoll::BackOff("timeout"))
}

// --- state of a task, the ledger and the gate ---

#[derive(Debug, sqlx::FromRow)]
struct Progress {
    state: String,
    reason: Option<String>,
    polls: i64,
    failures: i64,
    last_error: Option<String>,
    next_poll_at: Option<String>,
}

async fn progress(bench: &Bench, id: &TaskId) -> Progress {
    sqlx::query_as("SELECT * FROM progress WHERE task_id = ?")
        .bind(id.as_str())
        .fetch_one(&mut bench.connection().await)
        .await
        .expect("a row")
}

#[derive(Debug, sqlx::FromRow)]
struct Resume {
    state: String,
    requested: i64,
    http_status: Option<u16>,
    detail: Option<String>,
    sent_at: String,
    resolved_at: Option<String>,
}

async fn resumes(bench: &Bench, id: &TaskId) -> Vec<Resume> {
    sqlx::query_as("SELECT * FROM resumes WHERE task_id = ? ORDER BY id")
        .bind(id.as_str())
        .fetch_all(&mut bench.connection().await)
        .await
        .expect("rows")
}

/// Returns the states of a task's resumes, oldest first.
async fn ledger(bench: &Bench, id: &TaskId) -> Vec<String> {
    let resumes = resumes(bench, id).await;
    resumes.into_iter().map(|resume| resume.state).collect()
}

/// Returns the details of a task's events of one kind.
async fn events(bench: &Bench, id: &TaskId, kind: &str) -> Vec<Value> {
    let details: Vec<String> =
        sqlx::query_scalar("SELECT detail FROM events WHERE task_id = ? AND kind = ? ORDER BY id")
            .bind(id.as_str())
            .bind(kind)
            .fetch_all(&mut bench.connection().await)
            .await
            .expect("events");
    let read = |detail: &String| serde_json::from_str(detail).expect("JSON");
    details.iter().map(read).collect()
}

#[derive(Debug, sqlx::FromRow)]
struct DaemonRow {
    gate: String,
    gate_reason: Option<String>,
    gate_until: Option<String>,
}

async fn gate(bench: &Bench) -> DaemonRow {
    sqlx::query_as("SELECT gate, gate_reason, gate_until FROM daemon")
        .fetch_one(&mut bench.connection().await)
        .await
        .expect("a row")
}

/// Returns the kinds that the gate took, from its events.
async fn gates(bench: &Bench) -> Vec<String> {
    sqlx::query_scalar("SELECT detail ->> 'to' FROM events WHERE kind = 'gate' ORDER BY id")
        .fetch_all(&mut bench.connection().await)
        .await
        .expect("events")
}

fn seconds(text: &str) -> f64 {
    let at: jiff::Timestamp = text.parse().expect("a time");
    at.as_duration().as_secs_f64()
}

fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

/// Returns the requests about a task, or all of them if `id` is empty.
fn requests(bench: &Bench, id: &str) -> Vec<RequestEntry> {
    let requests = bench.service.requests();
    assert!(requests.total <= 1_000, "{} requests", requests.total);
    let of_task = requests.last.into_iter();
    of_task.filter(|entry| entry.path.contains(id)).collect()
}

fn count(requests: &[RequestEntry], kind: &str) -> usize {
    requests.iter().filter(|entry| entry.kind == kind).count()
}

// --- benches ---

/// A task that stays `in_progress`.
fn endless() -> Scenario {
    Scenario {
        results: None,
        desired_num_results: Some(200),
        rate_per_minute: Some(0.001),
        ..plenty()
    }
}

async fn bench(keys: &[(&str, &str)]) -> Bench {
    let bench = Bench::new().await;
    let mut all = vec![
        ("api.timeout", API_TIMEOUT),
        ("growth.settle", SETTLE),
        ("retry.initial", r#""100ms""#),
        ("retry.max", r#""400ms""#),
    ];
    all.retain(|(key, _)| keys.iter().all(|(other, _)| other != key));
    all.extend(keys);
    write_config(&bench, &all);
    bench
}

/// Returns the largest number of requests of one kind that the backoff of [`bench`] allows in a time.
fn most_tries(elapsed: Duration) -> i64 {
    let (mut delay, mut at, mut tries) = (50, 0, 1);
    while at + delay <= elapsed.as_millis() {
        at += delay;
        delay = (delay * 2).min(200);
        tries += 1;
    }
    tries
}

async fn stop(mut daemon: Daemon) {
    assert!(
        daemon.child.try_wait().unwrap().is_none(),
        "it died:\n{}",
        daemon.logged()
    );
    daemon.signal("TERM");
    assert_eq!(daemon.ended().await, Some(0), "{}", daemon.logged());
}

/// A host that must not receive any request.
struct Elsewhere(std::net::TcpListener);

impl Elsewhere {
    fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    fn assert_untouched(&self) {
        let touched = self.0.accept();
        assert!(touched.is_err(), "another host was asked: {touched:?}");
    }
}

// --- polls ---

/// Each row for a poll: one task for each, and one daemon for all.
async fn polls_answered(rows: Vec<Row>, timeout: &str) {
    // Polls alone are counted here.
    let bench = bench(&[("api.timeout", timeout), ("polling.list_page", "0")]).await;
    let mut tasks = Vec::new();
    for row in rows {
        let id = bench.grow(&plenty(), 60).await;
        let rule = Rule::always(On::Get, row.fault.clone()).of_task(id.as_str());
        bench.service.script(rule);
        tasks.push((id, row));
    }
    let begin = Instant::now();
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT min(failures >= 2 OR state = 'missing') FROM progress")
        .await;
    for (id, row) in &tasks {
        let (at, when) = (progress(&bench, id).await, format!("{row:?}"));
        assert_eq!(count(&requests(&bench, id.as_str()), "resume"), 0, "{when}");
        match row.poll {
            ToPoll::BackOff(why) => {
                assert_eq!(at.state, "pending", "{when}");
                let reason = at.reason.unwrap();
                assert!(
                    reason.contains(why.trim_start_matches("poll: ")),
                    "{when}: {reason}"
                );
                let error = at.last_error.unwrap();
                assert!(error.starts_with("poll: "), "{when}: {error}");
                assert!(error.contains(why), "{when}: {error}");
                assert!(at.next_poll_at.is_some(), "{when}");
                assert_eq!(at.failures, at.polls, "{when}");
                let most = most_tries(begin.elapsed());
                assert!(at.polls <= most, "{when}: {} polls of {most}", at.polls);
                let recorded = events(&bench, id, "error").await;
                assert_eq!(recorded[0]["request"], "poll", "{when}");
                if row.status.is_some() {
                    assert_eq!(recorded.len(), 1, "{when}: recorded once: {recorded:?}");
                }
            }
            ToPoll::Missing => {
                assert_eq!(at.state, "missing", "{when}");
                assert!(at.polls >= 3, "{when}: {} polls", at.polls);
                let polls = requests(&bench, id.as_str());
                let over = polls[polls.len() - 1].at.duration_since(polls[0].at);
                assert!(over.as_secs_f64() >= 2.0, "{when}: confirmed within {over}");
                let next = seconds(at.next_poll_at.as_deref().unwrap()) - now();
                assert!((86_000.0..=86_400.0).contains(&next), "{when}: {next} s");
                let recorded = events(&bench, id, "state").await;
                assert_eq!(recorded.last().unwrap()["to"], "missing", "{when}");
            }
        }
    }
    assert_eq!(gate(&bench).await.gate, "open");
    bench.service.clear_script();
    for (id, row) in &tasks {
        if let ToPoll::Missing = row.poll {
            let again = output(&bench, &["retry", id.as_str()]);
            assert!(again.status.success(), "{again:?}");
        }
    }
    bench
        .until("SELECT min(state = 'reached') FROM progress")
        .await;
    bench.until_all_ended().await;
    for (id, row) in &tasks {
        let (at, when) = (progress(&bench, id).await, format!("{row:?}"));
        assert_eq!((at.failures, &at.last_error), (0, &None), "{when}");
        if let ToPoll::BackOff(why) = row.poll {
            let recorded = events(&bench, id, "recovered").await;
            let error = recorded[0]["last_error"].as_str().unwrap();
            assert!(error.contains(why), "{when}: {error}");
        }
    }
    bench.assert_ledgers_agree().await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_fails_backs_off_and_says_why_and_a_404_is_missing() {
    let elsewhere = Elsewhere::new();
    let (slow, quick): (Vec<_>, Vec<_>) = rows(&elsewhere.url()).into_iter().partition(times_out);
    assert!(quick.len() > 20, "{}", quick.len());
    tokio::join!(
        polls_answered(quick, API_TIMEOUT),
        polls_answered(slow, r#""1s""#)
    );
    elsewhere.assert_untouched();
}

// --- resumes ---

/// Checks the outcome of a resume that is answered as the row says; later answers are normal.
async fn check_resume(bench: &Bench, id: &TaskId, row: &Row, fault: &Fault) {
    let when = format!("{fault:?}");
    let at = progress(bench, id).await;
    let resumes = resumes(bench, id).await;
    let states: Vec<&str> = resumes.iter().map(|resume| resume.state.as_str()).collect();
    let asked = requests(bench, id.as_str());
    let first = &resumes[0];
    assert_eq!(first.http_status, row.status, "{when}");
    assert_eq!(first.requested, 35, "{when}");
    assert!(first.resolved_at.is_some(), "{when}");
    let rejected = events(bench, id, "resume_rejected").await;
    match row.resume {
        ToResume::Unknown => {
            let unanswered = events(bench, id, "resume_unanswered").await;
            assert_eq!(unanswered.len(), 1, "{when}");
            assert_eq!(
                unanswered[0]["error"].as_str(),
                first.detail.as_deref(),
                "{when}"
            );
            let recorded = events(bench, id, "recovered").await;
            let error = recorded[0]["last_error"].as_str().unwrap();
            assert!(error.starts_with("resume: "), "{when}: {error}");
            if fault.takes_effect() {
                assert_eq!(states, ["accepted"], "{when}");
                assert_eq!(count(&asked, "resume"), 1, "{when}");
            } else {
                assert_eq!(states, ["lost", "accepted"], "{when}");
                assert_eq!(events(bench, id, "resume_lost").await.len(), 1, "{when}");
                let between = asked
                    .iter()
                    .skip_while(|entry| entry.kind != "resume")
                    .skip(1)
                    .take_while(|entry| entry.kind != "resume");
                let polls = between.filter(|entry| entry.status == Some(200)).count();
                assert!(polls >= 1, "{when}: sent again with no poll between");
                let gap = seconds(&resumes[1].sent_at) - seconds(&first.sent_at);
                assert!(gap >= 2.0, "{when}: sent again after {gap} s");
            }
            assert_eq!(
                events(bench, id, "resume_accepted").await.len(),
                1,
                "{when}"
            );
            assert_eq!(at.state, "reached", "{when}");
        }
        ToResume::Error => {
            assert_eq!(states, ["rejected", "rejected", "accepted"], "{when}");
            assert_eq!(rejected.len(), 2, "{when}");
            let recorded = events(bench, id, "error").await;
            assert_eq!(recorded.len(), 1, "{when}: recorded once: {recorded:?}");
            assert_eq!(recorded[0]["request"], "resume", "{when}");
            assert_eq!(at.state, "reached", "{when}");
        }
        ToResume::Refused => {
            assert_eq!(states, ["rejected"], "{when}");
            // One poll after the refusal, and another a settling time later.
            assert_eq!(
                (count(&asked, "get"), count(&asked, "resume")),
                (3, 1),
                "{when}"
            );
            assert_eq!(rejected[0]["detail"], "its words", "{when}");
            assert_eq!(at.state, "refused", "{when}");
            assert_eq!(at.reason.as_deref(), Some("its words"), "{when}");
        }
    }
    assert_eq!(
        (at.failures, at.last_error, at.next_poll_at),
        (0, None, None),
        "{when}"
    );
}

/// Each row for a resume, with and without effect: one task for each, and one daemon for all.
async fn resumes_answered(rows: Vec<Row>, timeout: &str) {
    let bench = bench(&[
        ("api.timeout", timeout),
        ("polling.min_interval", r#""250ms""#),
        ("polling.max_interval", r#""500ms""#),
        ("retry.initial", r#""250ms""#),
    ])
    .await;
    let mut tasks = Vec::new();
    for row in rows {
        let times = if row.resume == ToResume::Error { 2 } else { 1 };
        for fault in [Some(row.fault.clone()), row.after.clone()]
            .into_iter()
            .flatten()
        {
            let id = bench.grow(&plenty(), 60).await;
            let rule = Rule::once(On::Resume, fault.clone()).times(times);
            bench.service.script(rule.of_task(id.as_str()));
            tasks.push((id, row.clone(), fault));
        }
    }
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT min(state != 'pending') FROM progress")
        .await;
    bench.until_all_ended().await;
    for (id, row, fault) in &tasks {
        check_resume(&bench, id, row, fault).await;
    }
    assert_eq!(gate(&bench).await.gate, "open");
    for (id, row, _) in &tasks {
        if row.resume == ToResume::Refused {
            let again = output(&bench, &["retry", id.as_str()]);
            assert!(again.status.success(), "{again:?}");
        }
    }
    bench
        .until("SELECT min(state = 'reached') FROM progress")
        .await;
    bench.until_all_ended().await;
    bench.assert_ledgers_agree().await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_resume_is_rejected_or_left_open_and_never_sent_again_before_a_poll() {
    let elsewhere = Elsewhere::new();
    let (slow, quick): (Vec<_>, Vec<_>) = rows(&elsewhere.url()).into_iter().partition(times_out);
    tokio::join!(
        resumes_answered(quick, API_TIMEOUT),
        resumes_answered(slow, r#""1s""#)
    );
    elsewhere.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_answered_400_by_a_task_that_then_says_it_is_exhausted_ends_as_exhausted() {
    let bench = bench(&[]).await;
    let scenario = Scenario {
        pool: Some(60),
        backlog: Some(0),
        ..plenty()
    };
    let id = bench.grow(&scenario, 60).await;
    // The last candidates may be used up between the poll and the resume.
    let fault = Fault::named("400_after").unwrap();
    bench.service.script(Rule::once(On::Resume, fault));
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT state = 'exhausted' AND next_poll_at IS NULL FROM progress")
        .await;
    assert_eq!(ledger(&bench, &id).await, ["rejected"]);
    assert_eq!(count(&requests(&bench, ""), "resume"), 1);
    stop(daemon).await;
}

// --- the account ---

/// The probe interval of the gate in these tests, in seconds and in the config.
const PROBE: f64 = 0.4;
const PROBE_INTERVAL: (&str, &str) = ("gate.probe_interval", r#""400ms""#);

/// One request at a time: the first answer closes the gate for all.
const ONE_AT_A_TIME: (&str, &str) = ("limits.concurrency", "1");

fn of_the_account(code: u16, error: &str) -> Fault {
    Fault::Status {
        code,
        headers: BTreeMap::new(),
        body: Some(json!({"detail": {"error": error, "message": "more words"}})),
        text: None,
        takes_effect: false,
    }
}

/// Checks that there was one request and then at most one probe in each interval.
fn assert_probes(requests: &[RequestEntry], when: &str) {
    for pair in requests.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at).as_secs_f64();
        assert!(
            gap >= PROBE - 0.005,
            "{when}: two requests within {gap} s: {pair:?}"
        );
    }
}

async fn until_requests(bench: &Bench, kind: &str, least: usize) {
    let begin = Instant::now();
    while count(&requests(bench, ""), kind) < least {
        assert!(begin.elapsed() < TIMEOUT, "never {least} of {kind}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Checks that the gate opens by itself, and that all tasks reach their targets.
async fn continues(bench: &Bench, closed: &str) {
    bench
        .until("SELECT min(state = 'reached') FROM progress")
        .await;
    bench.until_all_ended().await;
    let open = gate(bench).await;
    assert_eq!(open.gate, "open");
    assert_eq!((open.gate_reason, open.gate_until), (None, None));
    assert_eq!(gates(bench).await, [closed, "open"]);
    bench.assert_ledgers_agree().await;
    let failing: i64 = bench
        .value("SELECT count(*) FROM progress WHERE failures > 0 OR last_error IS NOT NULL")
        .await;
    assert_eq!(failing, 0, "{}", bench.dump().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_answered_401_402_or_403_closes_the_gate_to_all_but_one_probe_each_interval() {
    let cases = [
        (401, "invalid_token"),
        (402, "insufficient_credits"),
        (403, "not_allowed"),
    ];
    let case = async |(code, error): (u16, &str)| {
        let when = format!("a poll answered {code}");
        let bench = bench(&[ONE_AT_A_TIME, PROBE_INTERVAL]).await;
        bench
            .service
            .script(Rule::always(On::Any, of_the_account(code, error)));
        for _ in 0..3 {
            bench.grow(&plenty(), 60).await;
        }
        let daemon = Daemon::start(&bench);
        until_requests(&bench, "get", 4).await;
        let closed = gate(&bench).await;
        assert_eq!(closed.gate, "unauthorized", "{when}");
        assert_eq!(closed.gate_reason.as_deref(), Some(error), "{when}");
        assert!(closed.gate_until.is_some(), "{when}");
        let errors: i64 = bench
            .value("SELECT count(DISTINCT task_id) FROM progress WHERE last_error IS NOT NULL AND state = 'pending'
                       AND failures = 0 AND next_poll_at IS NOT NULL AND last_error LIKE 'poll: 40%'")
            .await;
        assert_eq!(
            errors,
            3,
            "{when}: each was the probe once: {}",
            bench.dump().await
        );
        assert_eq!(gates(&bench).await, ["unauthorized"], "{when}");
        let asked = requests(&bench, "");
        bench.service.clear_script();
        let polls: Vec<_> = asked
            .iter()
            .filter(|entry| entry.kind == "get")
            .cloned()
            .collect();
        assert_probes(&polls, &when);
        // A 403 can concern one task, so growd asks for the account once each time.
        let users = count(&asked, "user");
        let expected = if code == 403 { polls.len() } else { 0 };
        assert!(
            (expected.saturating_sub(1)..=expected).contains(&users),
            "{when}: {asked:?}"
        );
        assert_eq!(count(&asked, "resume"), 0, "{when}");
        continues(&bench, "unauthorized").await;
        stop(daemon).await;
    };
    tokio::join!(case(cases[0]), case(cases[1]), case(cases[2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_answered_401_is_rejected_and_closes_the_gate_to_all_but_one_probe() {
    let case = async |code: u16| {
        let when = format!("a resume answered {code}");
        let bench = bench(&[ONE_AT_A_TIME, PROBE_INTERVAL]).await;
        let fault = of_the_account(code, "revoked");
        bench.service.script(Rule::once(On::Resume, fault.clone()));
        bench.service.script(Rule::always(On::Get, fault).after(1));
        let ids = [
            bench.grow(&plenty(), 60).await,
            bench.grow(&plenty(), 60).await,
        ];
        let daemon = Daemon::start(&bench);
        until_requests(&bench, "get", 4).await;
        let closed = gate(&bench).await;
        assert_eq!(closed.gate, "unauthorized", "{when}");
        assert_eq!(closed.gate_reason.as_deref(), Some("revoked"), "{when}");
        let asked = requests(&bench, "");
        assert_eq!(count(&asked, "resume"), 1, "{when}");
        assert_eq!(asked[1].kind, "resume", "{when}");
        let first = ids
            .iter()
            .find(|id| asked[1].path.contains(id.as_str()))
            .unwrap();
        let row = &resumes(&bench, first).await[0];
        assert_eq!(
            (row.state.as_str(), row.http_status),
            ("rejected", Some(code)),
            "{when}"
        );
        assert_eq!(row.detail.as_deref(), Some("revoked"), "{when}");
        let at = progress(&bench, first).await;
        assert_eq!((at.state.as_str(), at.failures), ("growing", 0), "{when}");
        let reason = at.reason.unwrap();
        assert_eq!(
            reason, "a resume is due; the account is refused: revoked",
            "{when}"
        );
        assert_eq!(
            events(&bench, first, "resume_rejected").await.len(),
            1,
            "{when}"
        );
        bench.service.clear_script();
        assert_probes(&asked[1..], &when);
        continues(&bench, "unauthorized").await;
        assert_eq!(
            ledger(&bench, first).await,
            ["rejected", "accepted"],
            "{when}"
        );
        stop(daemon).await;
    };
    case(401).await;
}

/// A 403 to the polls of one task while the account is accepted: that task becomes `missing`, the others are not
/// affected.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_answered_403_concerns_its_task_only_where_the_account_is_accepted() {
    let bench = bench(&[ONE_AT_A_TIME, ("gate.probe_interval", r#""1h""#)]).await;
    let strange = bench.grow(&plenty(), 60).await;
    let forbidden = of_the_account(403, "not_your_task");
    let rule = Rule::always(On::Get, forbidden);
    bench.service.script(rule.of_task(strange.as_str()));
    let others = [
        bench.grow(&plenty(), 60).await,
        bench.grow(&plenty(), 60).await,
    ];
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT sum(state = 'missing') = 1 AND sum(state = 'reached') = 2 FROM progress")
        .await;
    for id in &others {
        assert_eq!(progress(&bench, id).await.state, "reached");
    }
    let at = progress(&bench, &strange).await;
    let reason = at.reason.unwrap();
    assert!(reason.contains("403: not_your_task"), "{reason}");
    let asked = requests(&bench, "");
    let polls = asked
        .iter()
        .filter(|entry| entry.kind == "get" && entry.path.contains(strange.as_str()));
    assert_eq!(count(&asked, "user"), polls.count());
    assert!(gates(&bench).await.is_empty());
    stop(daemon).await;
}

/// A 403 to the resumes of one task: the probe uses another task, which opens the gate, and the second 403 ends that
/// task.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_resumes_alone_are_answered_403_is_refused_and_holds_up_no_other() {
    let bench = bench(&[ONE_AT_A_TIME, PROBE_INTERVAL]).await;
    let strange = bench.grow(&plenty(), 60).await;
    let forbidden = of_the_account(403, "not_your_task");
    let rule = Rule::always(On::Resume, forbidden);
    bench.service.script(rule.of_task(strange.as_str()));
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT gate = 'payment_required' FROM daemon")
        .await;
    assert_eq!(
        gate(&bench).await.gate_reason.as_deref(),
        Some("not_your_task")
    );
    let others = [
        bench.grow(&plenty(), 60).await,
        bench.grow(&plenty(), 60).await,
    ];
    bench
        .until("SELECT sum(state = 'refused') = 1 AND sum(state = 'reached') = 2 FROM progress")
        .await;
    for id in &others {
        assert_eq!(ledger(&bench, id).await, ["accepted"]);
    }
    let at = progress(&bench, &strange).await;
    assert_eq!(at.reason.as_deref(), Some("not_your_task"));
    let states = ledger(&bench, &strange).await;
    assert!(states.iter().all(|state| state == "rejected"), "{states:?}");
    assert_eq!(gates(&bench).await, ["payment_required", "open"]);
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_tried_again_at_once_when_sighup_brings_a_new_one() {
    let bench = bench(&[ONE_AT_A_TIME, ("gate.probe_interval", r#""1h""#)]).await;
    let only = |settings: &mut growd_simulator::Settings| {
        settings.accepted_token = Some("the-new-token".to_owned());
    };
    bench.service.settings(only);
    bench.grow(&plenty(), 60).await;
    bench.grow(&plenty(), 60).await;
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT gate = 'unauthorized' FROM daemon")
        .await;
    let until = seconds(&gate(&bench).await.gate_until.unwrap()) - now();
    assert!((3_500.0..=3_600.0).contains(&until), "{until}");
    assert_eq!(requests(&bench, "").len(), 1);
    std::fs::write(bench.dir.path().join("token"), "the-new-token\n").unwrap();
    daemon.signal("HUP");
    continues(&bench, "unauthorized").await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_token_is_noticed_by_the_next_probe_without_a_reload() {
    let bench = bench(&[ONE_AT_A_TIME, PROBE_INTERVAL]).await;
    let only = |settings: &mut growd_simulator::Settings| {
        settings.accepted_token = Some("the-new-token".to_owned());
    };
    bench.service.settings(only);
    bench.grow(&plenty(), 60).await;
    let daemon = Daemon::start(&bench);
    until_requests(&bench, "get", 2).await;
    let check = output(&bench, &["check", "--offline"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("gate unauthorized"), "{said}");
    std::fs::write(bench.dir.path().join("token"), "the-new-token\n").unwrap();
    continues(&bench, "unauthorized").await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_task_is_reported_once_and_listed_by_status() {
    let bench = bench(&[("polling.quiet_after", r#""1s""#)]).await;
    let id = bench.grow(&endless(), 190).await;
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT count(*) = 1 FROM progress WHERE quiet_at IS NOT NULL")
        .await;
    let polls = progress(&bench, &id).await.polls;
    let status = output(&bench, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let attention = &status["attention"][0];
    assert_eq!(attention["kind"], "quiet");
    assert!(attention["text"].as_str().unwrap().contains(id.as_str()));
    until_requests(&bench, "get", usize::try_from(polls).unwrap() + 5).await;
    assert_eq!(events(&bench, &id, "quiet").await.len(), 1);
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(debug_assertions),
    ignore = "a build without debug assertions does not panic on demand"
)]
async fn a_panic_over_one_task_is_noted_there_and_stops_no_other() {
    let bench = bench(&[]).await;
    let odd = bench.grow(&plenty(), 60).await;
    let others = [
        bench.grow(&plenty(), 60).await,
        bench.grow(&plenty(), 60).await,
    ];
    let daemon = Daemon::start_with(&bench, &[("GROWD_PANIC_FOR", odd.as_str())]);
    bench
        .until("SELECT sum(state = 'reached') = 2 FROM progress")
        .await;
    for id in &others {
        assert_eq!(progress(&bench, id).await.state, "reached");
    }
    bench
        .until("SELECT sum(last_error IS NOT NULL) = 1 FROM progress")
        .await;
    let error = progress(&bench, &odd).await.last_error.unwrap();
    assert!(error.contains("a bug: a forced panic"), "{error}");
    assert_eq!(events(&bench, &odd, "not_stored").await.len(), 1);
    stop(daemon).await;
    // A daemon without the bug continues with the task.
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT sum(state = 'reached') = 3 FROM progress")
        .await;
    bench.assert_ledgers_agree().await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_answered_402_or_403_holds_resumes_but_for_one_probe_each_interval_and_polls_go_on()
 {
    let case = async |code: u16, error: &'static str| {
        let bench = bench(&[ONE_AT_A_TIME, PROBE_INTERVAL]).await;
        bench
            .service
            .script(Rule::always(On::Resume, of_the_account(code, error)));
        let running = bench.grow(&endless(), 190).await;
        let due = [
            bench.grow(&plenty(), 60).await,
            bench.grow(&plenty(), 60).await,
        ];
        let daemon = Daemon::start(&bench);
        until_requests(&bench, "resume", 2).await;
        let polls = progress(&bench, &running).await.polls;
        until_requests(&bench, "resume", 4).await;
        let more = progress(&bench, &running).await.polls - polls;
        assert!(more >= 3, "{error}: polls have to go on: {more}");
        let closed = gate(&bench).await;
        assert_eq!(closed.gate, "payment_required", "{error}");
        assert_eq!(closed.gate_reason.as_deref(), Some(error));
        assert!(closed.gate_until.is_some(), "{error}");
        assert_eq!(gates(&bench).await, ["payment_required"], "{error}");
        // Except while one of them is the probe.
        bench
            .until(
                "SELECT count(*) = 2 FROM progress JOIN daemon
                  WHERE state = 'growing' AND failures = 0 AND next_poll_at IS NOT NULL
                    AND reason = 'a resume is due; the account is refused: ' || gate_reason",
            )
            .await;
        let asked = requests(&bench, "");
        bench.service.clear_script();
        let probes: Vec<_> = asked
            .into_iter()
            .filter(|entry| entry.kind == "resume")
            .collect();
        assert_probes(&probes, error);
        let removed = output(&bench, &["remove", running.as_str()]);
        assert!(removed.status.success(), "{removed:?}");
        continues(&bench, "payment_required").await;
        for id in &due {
            let resumes = resumes(&bench, id).await;
            let (last, rejected) = resumes.split_last().unwrap();
            assert_eq!(last.state, "accepted", "{error}");
            for resume in rejected {
                assert_eq!(
                    (resume.state.as_str(), resume.http_status),
                    ("rejected", Some(code))
                );
                assert_eq!(resume.detail.as_deref(), Some(error));
            }
        }
        stop(daemon).await;
    };
    tokio::join!(
        case(402, "plan_required"),
        case(402, "payment_failed"),
        case(402, "insufficient_credits"),
        case(403, "plan_required"),
        case(403, "not_allowed"),
    );
}

// --- 429 ---

fn limited(retry_after: Option<&str>) -> Fault {
    let header = retry_after.map(|value| ("Retry-After".to_owned(), value.to_owned()));
    Fault::Status {
        code: 429,
        headers: header.into_iter().collect(),
        body: Some(json!({"detail": "slow down"})),
        text: None,
        takes_effect: false,
    }
}

fn http_date(ahead: Duration) -> String {
    httpdate::fmt_http_date(SystemTime::now() + ahead)
}

const DAY: f64 = 86_400.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_429_closes_the_gate_for_its_retry_after_if_that_is_valid() {
    let year = Duration::from_hours(365 * 24);
    // The value of `Retry-After`, and the range of seconds for which the gate then stays closed.
    let cases: [(Option<String>, f64, f64); 15] = [
        (Some("120".to_owned()), 120.0, 120.0),
        // A fraction is rounded up, and of several values the first counts.
        (Some("1.5".to_owned()), 2.0, 2.0),
        (Some("120, 60".to_owned()), 120.0, 120.0),
        // HTTP dates have whole seconds.
        (Some(http_date(Duration::from_mins(5))), 270.0, 300.0),
        // Bounded by 24 h.
        (Some("31536000".to_owned()), DAY, DAY),
        (Some("9".repeat(40)), DAY, DAY),
        (Some(http_date(year)), DAY, DAY),
        (Some("Fri, 31 Dec 9999 23:59:59 GMT".to_owned()), DAY, DAY),
        // Otherwise a backoff from 60 s, with up to a tenth of jitter.
        (Some("soon".to_owned()), 60.0, 66.0),
        (Some("-5".to_owned()), 60.0, 66.0),
        (Some("Infinity".to_owned()), 60.0, 66.0),
        (Some(String::new()), 60.0, 66.0),
        (Some("2027-01-01T00:00:00Z".to_owned()), 60.0, 66.0),
        (Some("Mon, 32 Feb 2027 25:00:00 GMT".to_owned()), 60.0, 66.0),
        (None, 60.0, 66.0),
    ];
    let bench = bench(&[ONE_AT_A_TIME]).await;
    bench.grow(&plenty(), 60).await;
    bench.grow(&plenty(), 60).await;
    for (asked, (retry_after, least, most)) in (1..).zip(cases) {
        let when = format!("Retry-After: {retry_after:?}");
        bench.service.clear_script();
        bench
            .service
            .script(Rule::always(On::Any, limited(retry_after.as_deref())));
        let before = now();
        let daemon = Daemon::start(&bench);
        until_requests(&bench, "get", asked).await;
        bench
            .until("SELECT gate = 'rate_limited' FROM daemon")
            .await;
        let (closed, after) = (gate(&bench).await, now());
        assert_eq!(closed.gate_reason.as_deref(), Some("slow down"), "{when}");
        let until = seconds(&closed.gate_until.unwrap());
        assert!(
            until >= before + least - 0.01 && until <= after + most + 0.01,
            "{when}: closed for {} to {} s",
            until - after,
            until - before
        );
        stop(daemon).await;
        assert_eq!(
            requests(&bench, "").len(),
            asked,
            "{when}: not one more request"
        );
        // Opens the gate, as its end would.
        bench
            .execute("UPDATE daemon SET gate = 'open', gate_reason = NULL, gate_until = NULL")
            .await;
    }
    bench.service.clear_script();
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT min(state = 'reached') FROM progress")
        .await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_to_a_poll_or_a_resume_is_waited_out_and_then_all_goes_on_by_itself() {
    let case = async |on: On, retry_after: String, least: f64| {
        let when = format!("{on:?}, Retry-After: {retry_after:?}");
        let bench = bench(&[ONE_AT_A_TIME]).await;
        bench
            .service
            .script(Rule::once(on, limited(Some(&retry_after))));
        bench.grow(&plenty(), 60).await;
        bench.grow(&plenty(), 60).await;
        let daemon = Daemon::start(&bench);
        bench
            .until("SELECT gate = 'rate_limited' FROM daemon")
            .await;
        let until = seconds(&gate(&bench).await.gate_until.unwrap());
        continues(&bench, "rate_limited").await;
        let asked = requests(&bench, "");
        let limited = asked.iter().position(|entry| entry.status == Some(429));
        let limited = limited.unwrap();
        let at = |index: usize| asked[index].at.as_duration().as_secs_f64();
        let gap = at(limited + 1) - at(limited);
        assert!(
            gap >= least - 0.01,
            "{when}: the next request after {gap} s"
        );
        assert!(
            at(limited + 1) >= until - 0.01,
            "{when}: before it was time"
        );
        let rejected: i64 = bench
            .value("SELECT count(*) FROM resumes WHERE state = 'rejected' AND http_status = 429")
            .await;
        assert_eq!(rejected, i64::from(on == On::Resume), "{when}");
        stop(daemon).await;
    };
    tokio::join!(
        case(On::Get, "2".to_owned(), 2.0),
        case(On::Resume, "2".to_owned(), 2.0),
        // Whole seconds, rounded down, but at least one.
        case(On::Get, http_date(Duration::from_secs(4)), 1.0),
        case(On::Resume, "0".to_owned(), 1.0),
    );
}

// --- no connection ---

/// Returns a proxy to the service, and a bench with a config that uses it.
async fn with_proxy(
    keys: &[(&str, &str)],
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (Bench, Proxy) {
    let bench = Bench::new().await;
    let proxy = Proxy::to(bench.service.addr(), answer);
    let url = proxy.url();
    let mut all = vec![
        ("api.base_url", url.as_str()),
        ("api.timeout", r#""30s""#),
        ONE_AT_A_TIME,
    ];
    all.extend(keys);
    write_config(&bench, &all);
    (bench, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_refused_connections_in_a_row_close_the_gate_but_for_one_probe_at_a_time() {
    let keys = [("retry.initial", r#""200ms""#), ("retry.max", r#""1s""#)];
    let (bench, proxy) = with_proxy(&keys, |_| Reply::Forward).await;
    for _ in 0..3 {
        bench.grow(&plenty(), 60).await;
    }
    let daemon = Daemon::start(&bench);
    bench.until("SELECT gate = 'unreachable' FROM daemon").await;
    let closed = Instant::now();
    let at_closing: i64 = bench
        .value("SELECT sum(polls) FROM progress WHERE polled_at <= (SELECT at FROM events WHERE kind = 'gate')")
        .await;
    assert!(at_closing <= 5, "{at_closing} polls before it closed");
    bench.until("SELECT sum(polls) >= 8 FROM progress").await;
    let polls: i64 = bench.value("SELECT sum(polls) FROM progress").await;
    // The waits before probes are at least 100, 200, 400, 500, 500 … ms.
    let elapsed = closed.elapsed().as_millis();
    let most = 5 + 4 + i64::try_from(elapsed / 500).unwrap();
    assert!(
        polls <= most,
        "{polls} polls of at most {most} in {elapsed} ms"
    );
    let gate = gate(&bench).await;
    let reason = gate.gate_reason.unwrap();
    assert!(reason.contains("refused"), "{reason}");
    assert!(gate.gate_until.is_some());
    let failing: i64 = bench
        .value("SELECT count(*) FROM progress WHERE failures > 0 AND state = 'pending' AND next_poll_at IS NOT NULL
                   AND last_error LIKE 'poll: not connected: %refused%'")
        .await;
    assert_eq!(failing, 3, "{}", bench.dump().await);
    let recorded: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'error'")
        .await;
    assert_eq!(recorded, 3, "once for each task");
    proxy.listen();
    continues(&bench, "unreachable").await;
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_that_finds_no_connection_is_unsent_and_asked_again_later() {
    // The first poll leads to the resume, which the proxy then refuses.
    let first = std::sync::atomic::AtomicBool::new(true);
    let keys = [("retry.initial", r#""1s""#), ("retry.max", r#""2s""#)];
    let (bench, proxy) = with_proxy(&keys, move |_| {
        if first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            Reply::ForwardAndRefuse
        } else {
            Reply::Forward
        }
    })
    .await;
    proxy.listen();
    let id = bench.grow(&plenty(), 60).await;
    let daemon = Daemon::start(&bench);
    bench
        .until("SELECT count(*) = 1 FROM resumes WHERE state = 'unsent'")
        .await;
    let row = &resumes(&bench, &id).await[0];
    assert_eq!(row.http_status, None);
    assert!(row.detail.as_ref().unwrap().contains("refused"), "{row:?}");
    let at = progress(&bench, &id).await;
    assert!(
        at.last_error
            .unwrap()
            .starts_with("resume: not connected: ")
    );
    assert_eq!((at.state.as_str(), at.failures), ("growing", 1));
    assert!(at.next_poll_at.is_some());
    assert_eq!(events(&bench, &id, "resume_unsent").await.len(), 1);
    assert_eq!(gate(&bench).await.gate, "open");
    assert!(bench.service.ledger().is_empty());
    proxy.listen();
    bench.until("SELECT state = 'reached' FROM progress").await;
    bench.until_all_ended().await;
    assert_eq!(ledger(&bench, &id).await, ["unsent", "accepted"]);
    bench.assert_ledgers_agree().await;
    stop(daemon).await;
}
