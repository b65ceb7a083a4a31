//! Each fault of the simulator, as clients see it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use growd_simulator::{
    Chaos, Fault, Odds, On, Options, Rule, Scenario, Simulator, WhileRunning, start,
};
use reqwest::{Client, Error, Response, redirect::Policy};
use serde_json::{Value, json};

const TASK: &str = "11111111-1111-4111-8111-111111111111";

struct Api {
    simulator: Simulator,
    client: Client,
}

async fn api() -> Api {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut options = Options::default();
    options.settings.speed = 0.0;
    options.tasks.push(Scenario::done(40).with_id(TASK));
    let client = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never());
    Api {
        simulator: start(options).await.unwrap(),
        client: client.build().unwrap(),
    }
}

impl Api {
    fn url(&self) -> String {
        format!("{}/v1/discovery_tasks/{TASK}", self.simulator.url())
    }

    async fn get(&self) -> Result<Response, Error> {
        self.client.get(self.url()).bearer_auth("any").send().await
    }

    fn resume(&self) -> reqwest::RequestBuilder {
        let url = format!("{}/resume", self.url());
        let body = json!({ "desired_new_results": 10 });
        self.client.post(url).bearer_auth("any").json(&body)
    }

    /// Sends a resume that meets this fault.
    async fn resume_with(&self, fault: Fault) -> Result<Response, Error> {
        self.simulator.script(Rule::once(On::Resume, fault));
        self.resume().send().await
    }

    /// Returns how many resumes took effect.
    fn effects(&self) -> usize {
        let ledger = self.simulator.ledger();
        ledger.iter().filter(|entry| entry.took_effect).count()
    }
}

/// The error with all its sources, down to the socket.
fn causes(error: &dyn std::error::Error) -> String {
    let source = error.source().map(causes).unwrap_or_default();
    format!("{error}: {source}")
}

fn named(name: &str) -> Fault {
    Fault::named(name).unwrap()
}

#[tokio::test]
async fn lost_requests_get_no_response_and_only_some_take_effect() {
    for (name, effects, words) in [
        (
            "lost_before",
            0,
            "connection closed before message completed",
        ),
        (
            "lost_after",
            1,
            "connection closed before message completed",
        ),
        ("reset", 0, "reset by peer"),
        ("reset_after", 1, "reset by peer"),
    ] {
        let api = api().await;
        let error = api.resume_with(named(name)).await.unwrap_err();
        let causes = causes(&error);
        assert!(causes.contains(words), "{name}: {causes}");
        assert_eq!(api.effects(), effects, "{name}");
        let ledger = api.simulator.ledger();
        assert!(ledger.iter().all(|entry| entry.answered_status.is_none()));
        assert!(api.simulator.requests().by_status.is_empty(), "{name}");
        assert_eq!(
            api.get().await.unwrap().status(),
            200,
            "the next request succeeds"
        );
    }
}

#[tokio::test]
async fn reused_connections_are_lost_too() {
    let api = api().await;
    for _ in 0..5 {
        api.get().await.unwrap().bytes().await.unwrap();
        api.resume_with(Fault::LostAfter).await.unwrap_err();
    }
    assert_eq!(api.effects(), 5, "no request was sent twice");
}

#[tokio::test]
async fn a_late_request_takes_effect_after_its_connection_is_closed() {
    let api = api().await;
    api.resume_with(Fault::Late { ms: 50 }).await.unwrap_err();
    while api.effects() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(api.simulator.ledger()[0].answered_status, None);
}

#[tokio::test]
async fn hanging_requests_exceed_the_timeout_of_a_client() {
    for (fault, effects) in [
        (Fault::Hang { ms: 60_000 }, 0),
        (Fault::HangAfter { ms: 60_000 }, 1),
        (Fault::Delay { ms: 60_000 }, 0),
    ] {
        let api = api().await;
        let name = fault.name();
        api.simulator.script(Rule::once(On::Any, fault));
        let timeout = Duration::from_millis(400);
        let error = api.resume().timeout(timeout).send().await.unwrap_err();
        assert!(error.is_timeout(), "{name}: {error:?}");
        // The server notices that the client has disconnected, and ends the request.
        while api.simulator.requests().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(api.effects(), effects, "{name}");
    }
}

#[tokio::test]
async fn short_delays_end_with_or_without_a_response() {
    let api = api().await;
    let started = Instant::now();
    for fault in [Fault::HangAfter { ms: 30 }, Fault::Delay { ms: 30 }] {
        assert_eq!(api.resume_with(fault).await.unwrap().status(), 200);
    }
    api.resume_with(Fault::Hang { ms: 30 }).await.unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(90));
    assert_eq!(api.effects(), 2);
}

#[tokio::test]
async fn a_status_has_headers_and_a_detail_and_can_take_effect() {
    let api = api().await;
    let response = api.resume_with(Fault::status(429)).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");

    let response = api.resume_with(Fault::status(402)).await.unwrap();
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["detail"]["error"], "insufficient_credits");

    let response = api.resume_with(named("redirect")).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], "/v1/moved");

    let fault = json!({
        "kind": "status", "code": 503, "headers": { "Retry-After": "7" }, "body": { "odd": true },
    });
    let fault = serde_json::from_value(fault).unwrap();
    let response = api.resume_with(fault).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "odd": true }));
    assert_eq!(api.effects(), 0);

    let response = api.resume_with(named("504_after")).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(api.effects(), 1);
    assert_eq!(api.simulator.ledger()[0].answered_status, Some(504));
}

#[tokio::test]
async fn any_status_can_have_any_body_and_content_type() {
    let api = api().await;
    let with = |fault: Value| api.resume_with(serde_json::from_value(fault).unwrap());
    for (code, kind, text) in [
        (200, "text/html", "<!doctype html><p>Log in first"),
        (
            403,
            "text/html; charset=utf-8",
            "<!doctype html><p>Forbidden",
        ),
        (404, "text/plain", "no such page"),
        (303, "application/json", "{\"detail\":"),
    ] {
        let fault = json!({
            "kind": "status", "code": code, "headers": { "content-type": kind }, "text": text,
        });
        let response = with(fault).await.unwrap();
        assert_eq!(response.status(), code);
        assert_eq!(response.headers().get_all("content-type").iter().count(), 1);
        assert_eq!(response.headers()["content-type"], kind);
        assert_eq!(response.text().await.unwrap(), text);
    }
    let paused = json!({ "kind": "status", "code": 200, "body": { "status": "paused" } });
    let response = with(paused).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "status": "paused" }));
    assert_eq!(api.effects(), 0);
    for (fault, wrong) in [
        (json!({ "kind": "status", "code": 200 }), "only with a body"),
        (
            json!({ "kind": "status", "code": 101, "text": "" }),
            "200 and 599",
        ),
        (
            json!({ "kind": "status", "code": 500, "text": "", "body": 1 }),
            "a body already",
        ),
    ] {
        let refused = serde_json::from_value::<Fault>(fault).unwrap_err();
        assert!(refused.to_string().contains(wrong), "{refused}");
    }
}

#[tokio::test]
async fn statuses_have_names_also_with_a_page_or_a_reason() {
    let api = api().await;
    for (name, code, page, reason, effects) in [
        ("303", 303, false, None, 0),
        ("303_after", 303, false, None, 1),
        ("409", 409, false, None, 0),
        ("409_after", 409, false, None, 1),
        ("403", 403, false, None, 0),
        ("403_plan_required", 403, false, Some("plan_required"), 0),
        ("402_payment_failed", 402, false, Some("payment_failed"), 0),
        ("page_200", 200, true, None, 0),
        ("page_403", 403, true, None, 0),
        ("page_404", 404, true, None, 0),
        ("page_502_after", 502, true, None, 1),
    ] {
        assert_eq!(named(name).name(), name);
        let before = api.effects();
        let response = api.resume_with(named(name)).await.unwrap();
        assert_eq!(response.status(), code, "{name}");
        assert_eq!(
            response.headers()["content-type"] == "text/html",
            page,
            "{name}"
        );
        let body = response.text().await.unwrap();
        let body: Option<Value> = serde_json::from_str(&body).ok();
        assert_eq!(body.is_none(), page, "{name}");
        let said = body
            .as_ref()
            .and_then(|body| body["detail"]["error"].as_str());
        assert_eq!(said, reason, "{name}");
        assert_eq!(api.effects() - before, effects, "{name}");
    }
    for name in [
        "200",
        "299",
        "600",
        "page_600",
        "403_no_reason",
        "page_403_plan_required",
    ] {
        assert_eq!(Fault::named(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_fault_can_be_for_one_task_only() {
    let api = api().await;
    let other = api.simulator.add_task(&Scenario::done(10));
    let rule = Rule::always(On::Get, named("403")).of_task(&other);
    api.simulator.script(rule);
    let url = format!("{}/v1/discovery_tasks/{other}", api.simulator.url());
    let refused = api.client.get(url).bearer_auth("any").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(api.get().await.unwrap().status(), 200);
}

#[tokio::test]
async fn values_can_have_undocumented_forms() {
    let api = api().await;
    let get = async |name: &str| {
        api.simulator.script(Rule::once(On::Get, named(name)));
        let response = api.get().await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(
            response.headers()["content-type"],
            "application/json",
            "{name}"
        );
        response.bytes().await.unwrap()
    };
    let plain: Value = api.get().await.unwrap().json().await.unwrap();
    assert_eq!(plain["num_results"].as_u64(), Some(40));
    let field = async |name: &str, field: &str| -> Value {
        serde_json::from_slice::<Value>(&get(name).await).unwrap()[field].clone()
    };
    assert_eq!(field("quoted_numbers", "num_results").await, json!("40"));
    let float = get("float_numbers").await;
    let float = String::from_utf8(float.to_vec()).unwrap();
    assert!(float.contains(r#""num_results":40.0"#), "{float}");
    assert_eq!(field("numeric_flags", "is_exhausted").await, json!(0));
    assert_eq!(field("numeric_flags", "num_results").await, json!(40));

    let raw = get("raw_controls").await;
    assert!(serde_json::from_slice::<Value>(&raw).is_err());
    let controls = |byte: &u8| *byte < 0x20;
    assert!([b'\n', b'\t', 1].iter().all(|byte| raw.contains(byte)));
    let rest: Vec<u8> = raw.iter().copied().filter(|byte| !controls(byte)).collect();
    assert_eq!(serde_json::from_slice::<Value>(&rest).unwrap(), plain);

    let marked = get("byte_order_mark").await;
    assert_eq!(marked[..3], [0xef, 0xbb, 0xbf]);
    assert_eq!(
        serde_json::from_slice::<Value>(&marked[3..]).unwrap(),
        plain
    );
}

#[tokio::test]
async fn another_client_resumes_first_and_the_service_then_refuses_a_running_task() {
    let api = api().await;
    api.simulator.settings(|settings| {
        settings.semantics.resume_while_running = WhileRunning::Refused;
    });
    let response = api.resume_with(named("colleague_first")).await.unwrap();
    assert_eq!(response.status(), 400);
    let error: Value = response.json().await.unwrap();
    assert!(
        error["detail"].as_str().unwrap().contains("in progress"),
        "{error}"
    );
    let ledger = api.simulator.ledger();
    assert_eq!(ledger.len(), 2);
    assert!(ledger[0].by_colleague && ledger[0].took_effect && ledger[0].requested == 25);
    assert!(!ledger[1].by_colleague && !ledger[1].took_effect);
    // It works with a poll too, which then shows work that this client did not request.
    let api = self::api().await;
    let fault = Fault::ColleagueFirst { new: 10 };
    api.simulator.script(Rule::once(On::Get, fault));
    let task: Value = api.get().await.unwrap().json().await.unwrap();
    assert_eq!(task["status"], "in_progress");
    assert_eq!(task["desired_num_results"], 50);
}

#[tokio::test]
async fn corrupted_responses_are_200_and_take_effect() {
    let api = api().await;
    let names = [
        "not_json",
        "empty",
        "truncated",
        "missing_fields",
        "wrong_types",
        "wrong_id",
    ];
    for (before, name) in names.into_iter().enumerate() {
        let response = api.resume_with(named(name)).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(api.effects(), before + 1, "{name}");
        let body = response.bytes().await.ok();
        let task = body.as_ref().map(|body| serde_json::from_slice(body).ok());
        let task: Option<Option<Value>> = task;
        match (name, task) {
            ("truncated", None) | ("not_json" | "empty", Some(None)) => {}
            ("missing_fields", Some(Some(task))) => {
                assert!(task.get("status").is_none() && task.get("query").is_some());
            }
            ("wrong_types", Some(Some(task))) => {
                assert!(task["num_results"].is_string() && task["status"].is_number());
            }
            ("wrong_id", Some(Some(task))) => {
                assert_ne!(task["id"], TASK);
                assert!(task["status"].is_string());
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
}

#[tokio::test]
async fn a_huge_response_has_the_configured_length() {
    let api = api().await;
    let bytes = (1 << 20) + 17;
    let response = api.resume_with(Fault::Huge { bytes }).await.unwrap();
    let body = response.bytes().await.unwrap();
    assert_eq!(body.len() as u64, bytes);
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
}

#[tokio::test]
async fn a_slow_body_is_sent_byte_by_byte() {
    let api = api().await;
    let started = Instant::now();
    let fault = Fault::SlowBody { ms_per_byte: 1 };
    let response = api.resume_with(fault).await.unwrap();
    let body = response.bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
    assert!(started.elapsed() >= Duration::from_millis(body.len() as u64));
}

#[tokio::test]
async fn the_script_skips_repeats_and_selects_by_task() {
    let api = api().await;
    let script = |rule| api.simulator.script(rule);
    script(Rule::always(On::Any, Fault::status(500)).of_task("another"));
    script(Rule::once(On::Get, Fault::status(502)).after(1).times(2));
    script(Rule::once(On::Get, Fault::status(503)));
    script(Rule::once(On::Resume, Fault::status(504)));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(api.get().await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [503, 502, 502, 200]);
    assert_eq!(api.resume().send().await.unwrap().status(), 504);
    assert_eq!(api.simulator.pending_script().len(), 1);
    api.simulator.clear_script();
    assert_eq!(api.simulator.pending_script(), []);
}

#[tokio::test]
async fn odds_apply_to_a_share_of_their_requests() {
    let api = api().await;
    let odds = Odds {
        on: On::Get,
        fault: Fault::status(503),
        probability: 0.3,
    };
    api.simulator
        .settings(|settings| settings.odds = vec![odds]);
    let mut faults = 0;
    for _ in 0..300 {
        if api.get().await.unwrap().status() == 503 {
            faults += 1;
        }
    }
    assert!((50..130).contains(&faults), "{faults} of 300");
    assert_eq!(api.resume().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn chaos_contains_all_kinds_and_is_the_same_for_the_same_seed() {
    async fn faults() -> Vec<Option<String>> {
        let api = api().await;
        api.simulator
            .settings(|settings| settings.chaos = Chaos::at(1.0));
        let mut received = 0;
        while received < 150 {
            // The fault is selected when the request is received: no need to wait for the response.
            let mut request = Box::pin(api.get());
            while api.simulator.requests().total == received {
                let turn = Duration::from_millis(1);
                let _ = tokio::time::timeout(turn, &mut request).await;
            }
            received = api.simulator.requests().total;
        }
        let requests = api.simulator.requests();
        requests
            .last
            .into_iter()
            .map(|request| request.fault)
            .collect()
    }
    let (one, other) = tokio::join!(faults(), faults());
    assert_eq!(one[..150], other[..150]);
    let kinds: BTreeSet<_> = one.iter().flatten().map(String::as_str).collect();
    assert!(kinds.len() > 15, "{kinds:?}");
    assert!(!kinds.contains("401"), "{kinds:?}");
}

#[tokio::test]
async fn the_peak_concurrency_is_recorded() {
    let api = api().await;
    let delay = Fault::Delay { ms: 100 };
    api.simulator.script(Rule::always(On::Get, delay));
    let answers = futures_util::future::join_all((0..6).map(|_| api.get())).await;
    assert!(answers.iter().all(Result::is_ok));
    let requests = api.simulator.requests();
    assert!((2..=6).contains(&requests.peak_concurrency));
    assert_eq!(requests.total, 6);
}
