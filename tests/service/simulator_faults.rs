//! Each fault of the stand-in, as a client meets it.

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

struct Lab {
    simulator: Simulator,
    client: Client,
}

async fn lab() -> Lab {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut options = Options::default();
    options.settings.speed = 0.0;
    options.tasks.push(Scenario::done(40).with_id(TASK));
    let client = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never());
    Lab {
        simulator: start(options).await.unwrap(),
        client: client.build().unwrap(),
    }
}

impl Lab {
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

    /// One resume that meets this fault.
    async fn resume_with(&self, fault: Fault) -> Result<Response, Error> {
        self.simulator.script(Rule::once(On::Resume, fault));
        self.resume().send().await
    }

    /// How many resumes took effect.
    fn effects(&self) -> usize {
        let ledger = self.simulator.ledger();
        ledger.iter().filter(|entry| entry.took_effect).count()
    }
}

/// All that went wrong, down to the socket.
fn causes(error: &dyn std::error::Error) -> String {
    let source = error.source().map(causes).unwrap_or_default();
    format!("{error}: {source}")
}

fn named(name: &str) -> Fault {
    Fault::named(name).unwrap()
}

#[tokio::test]
async fn lost_requests_get_no_answer_at_all_and_only_some_take_effect() {
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
        let lab = lab().await;
        let error = lab.resume_with(named(name)).await.unwrap_err();
        let causes = causes(&error);
        assert!(causes.contains(words), "{name}: {causes}");
        assert_eq!(lab.effects(), effects, "{name}");
        let ledger = lab.simulator.ledger();
        assert!(ledger.iter().all(|entry| entry.answered_status.is_none()));
        assert!(lab.simulator.requests().by_status.is_empty(), "{name}");
        assert_eq!(lab.get().await.unwrap().status(), 200, "the next goes well");
    }
}

#[tokio::test]
async fn connections_that_were_used_before_are_lost_as_well() {
    let lab = lab().await;
    for _ in 0..5 {
        lab.get().await.unwrap().bytes().await.unwrap();
        lab.resume_with(Fault::LostAfter).await.unwrap_err();
    }
    assert_eq!(lab.effects(), 5, "and nothing was sent twice");
}

#[tokio::test]
async fn a_late_request_takes_effect_after_its_connection_is_gone() {
    let lab = lab().await;
    lab.resume_with(Fault::Late { ms: 50 }).await.unwrap_err();
    while lab.effects() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(lab.simulator.ledger()[0].answered_status, None);
}

#[tokio::test]
async fn hanging_requests_outlast_the_patience_of_a_client() {
    for (fault, effects) in [
        (Fault::Hang { ms: 60_000 }, 0),
        (Fault::HangAfter { ms: 60_000 }, 1),
        (Fault::Delay { ms: 60_000 }, 0),
    ] {
        let lab = lab().await;
        let name = fault.name();
        lab.simulator.script(Rule::once(On::Any, fault));
        let patience = Duration::from_millis(400);
        let error = lab.resume().timeout(patience).send().await.unwrap_err();
        assert!(error.is_timeout(), "{name}: {error:?}");
        // The server hears that the client has gone, and gives up as well.
        while lab.simulator.requests().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(lab.effects(), effects, "{name}");
    }
}

#[tokio::test]
async fn short_waits_end_in_an_answer_or_none() {
    let lab = lab().await;
    let started = Instant::now();
    for fault in [Fault::HangAfter { ms: 30 }, Fault::Delay { ms: 30 }] {
        assert_eq!(lab.resume_with(fault).await.unwrap().status(), 200);
    }
    lab.resume_with(Fault::Hang { ms: 30 }).await.unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(90));
    assert_eq!(lab.effects(), 2);
}

#[tokio::test]
async fn a_status_comes_with_headers_and_a_detail_and_can_take_effect() {
    let lab = lab().await;
    let response = lab.resume_with(Fault::status(429)).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");

    let response = lab.resume_with(Fault::status(402)).await.unwrap();
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["detail"]["error"], "insufficient_credits");

    let response = lab.resume_with(named("redirect")).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], "/v1/moved");

    let fault = json!({
        "kind": "status", "code": 503, "headers": { "Retry-After": "7" }, "body": { "odd": true },
    });
    let fault = serde_json::from_value(fault).unwrap();
    let response = lab.resume_with(fault).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "odd": true }));
    assert_eq!(lab.effects(), 0);

    let response = lab.resume_with(named("504_after")).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(lab.effects(), 1);
    assert_eq!(lab.simulator.ledger()[0].answered_status, Some(504));
}

#[tokio::test]
async fn any_status_comes_with_any_body_and_content_type() {
    let lab = lab().await;
    let with = |fault: Value| lab.resume_with(serde_json::from_value(fault).unwrap());
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
    assert_eq!(lab.effects(), 0);
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
    let lab = lab().await;
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
        let before = lab.effects();
        let response = lab.resume_with(named(name)).await.unwrap();
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
        assert_eq!(lab.effects() - before, effects, "{name}");
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
    let lab = lab().await;
    let other = lab.simulator.add_task(&Scenario::done(10));
    let rule = Rule::always(On::Get, named("403")).of_task(&other);
    lab.simulator.script(rule);
    let url = format!("{}/v1/discovery_tasks/{other}", lab.simulator.url());
    let refused = lab.client.get(url).bearer_auth("any").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(lab.get().await.unwrap().status(), 200);
}

#[tokio::test]
async fn values_are_written_in_other_ways_than_documented() {
    let lab = lab().await;
    let get = async |name: &str| {
        lab.simulator.script(Rule::once(On::Get, named(name)));
        let response = lab.get().await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(
            response.headers()["content-type"],
            "application/json",
            "{name}"
        );
        response.bytes().await.unwrap()
    };
    let plain: Value = lab.get().await.unwrap().json().await.unwrap();
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
async fn a_colleague_asks_just_before_and_the_service_then_says_that_the_task_runs() {
    let lab = lab().await;
    lab.simulator.settings(|settings| {
        settings.semantics.resume_while_running = WhileRunning::Refused;
    });
    let response = lab.resume_with(named("colleague_first")).await.unwrap();
    assert_eq!(response.status(), 400);
    let error: Value = response.json().await.unwrap();
    assert!(
        error["detail"].as_str().unwrap().contains("in progress"),
        "{error}"
    );
    let ledger = lab.simulator.ledger();
    assert_eq!(ledger.len(), 2);
    assert!(ledger[0].by_colleague && ledger[0].took_effect && ledger[0].requested == 25);
    assert!(!ledger[1].by_colleague && !ledger[1].took_effect);
    // It also goes with a poll, which then shows the work that this client never asked for.
    let lab = self::lab().await;
    let fault = Fault::ColleagueFirst { new: 10 };
    lab.simulator.script(Rule::once(On::Get, fault));
    let task: Value = lab.get().await.unwrap().json().await.unwrap();
    assert_eq!(task["status"], "in_progress");
    assert_eq!(task["desired_num_results"], 50);
}

#[tokio::test]
async fn spoilt_answers_are_200_and_take_effect() {
    let lab = lab().await;
    let names = [
        "not_json",
        "empty",
        "truncated",
        "missing_fields",
        "wrong_types",
        "wrong_id",
    ];
    for (before, name) in names.into_iter().enumerate() {
        let response = lab.resume_with(named(name)).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(lab.effects(), before + 1, "{name}");
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
async fn a_huge_answer_is_as_long_as_it_is_said_to_be() {
    let lab = lab().await;
    let bytes = (1 << 20) + 17;
    let response = lab.resume_with(Fault::Huge { bytes }).await.unwrap();
    let body = response.bytes().await.unwrap();
    assert_eq!(body.len() as u64, bytes);
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
}

#[tokio::test]
async fn a_slow_body_trickles_in() {
    let lab = lab().await;
    let started = Instant::now();
    let fault = Fault::SlowBody { ms_per_byte: 1 };
    let response = lab.resume_with(fault).await.unwrap();
    let body = response.bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
    assert!(started.elapsed() >= Duration::from_millis(body.len() as u64));
}

#[tokio::test]
async fn the_script_skips_and_repeats_and_keeps_to_its_task() {
    let lab = lab().await;
    let script = |rule| lab.simulator.script(rule);
    script(Rule::always(On::Any, Fault::status(500)).of_task("another"));
    script(Rule::once(On::Get, Fault::status(502)).after(1).times(2));
    script(Rule::once(On::Get, Fault::status(503)));
    script(Rule::once(On::Resume, Fault::status(504)));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(lab.get().await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [503, 502, 502, 200]);
    assert_eq!(lab.resume().send().await.unwrap().status(), 504);
    assert_eq!(lab.simulator.pending_script().len(), 1);
    lab.simulator.clear_script();
    assert_eq!(lab.simulator.pending_script(), []);
}

#[tokio::test]
async fn odds_strike_a_share_of_the_requests_they_are_for() {
    let lab = lab().await;
    let odds = Odds {
        on: On::Get,
        fault: Fault::status(503),
        probability: 0.3,
    };
    lab.simulator
        .settings(|settings| settings.odds = vec![odds]);
    let mut struck = 0;
    for _ in 0..300 {
        if lab.get().await.unwrap().status() == 503 {
            struck += 1;
        }
    }
    assert!((50..130).contains(&struck), "{struck} of 300");
    assert_eq!(lab.resume().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn chaos_brings_all_kinds_and_the_same_again_for_the_same_seed() {
    async fn faults() -> Vec<Option<String>> {
        let lab = lab().await;
        lab.simulator
            .settings(|settings| settings.chaos = Chaos::at(1.0));
        let mut come_in = 0;
        while come_in < 150 {
            // What a request meets is drawn as it comes in: no need to wait for its end.
            let mut request = Box::pin(lab.get());
            while lab.simulator.requests().total == come_in {
                let turn = Duration::from_millis(1);
                let _ = tokio::time::timeout(turn, &mut request).await;
            }
            come_in = lab.simulator.requests().total;
        }
        let requests = lab.simulator.requests();
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
async fn the_most_requests_at_one_time_are_remembered() {
    let lab = lab().await;
    let delay = Fault::Delay { ms: 100 };
    lab.simulator.script(Rule::always(On::Get, delay));
    let answers = futures_util::future::join_all((0..6).map(|_| lab.get())).await;
    assert!(answers.iter().all(Result::is_ok));
    let requests = lab.simulator.requests();
    assert!((2..=6).contains(&requests.peak_concurrency));
    assert_eq!(requests.total, 6);
}
