//! The API and the control endpoints of the simulator, as clients see them.

use std::time::Duration;

use growd_simulator::{Options, RefusalBody, Scenario, Settings, Simulator, start};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

struct Api {
    simulator: Simulator,
    client: Client,
}

/// Virtual time is stopped, so that responses do not depend on the speed of the test.
async fn api() -> Api {
    api_with(Options::default()).await
}

async fn api_with(mut options: Options) -> Api {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    options.settings.speed = 0.0;
    Api {
        simulator: start(options).await.unwrap(),
        client: Client::new(),
    }
}

impl Api {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.simulator.url());
        self.client.request(method, url).bearer_auth("any")
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap())
}

/// A task whose every candidate matches.
fn plenty() -> Scenario {
    Scenario {
        pool: Some(1_000),
        fit_rate: Some(1.0),
        ..Scenario::done(40)
    }
}

#[tokio::test]
async fn a_task_is_created_runs_and_is_resumed() {
    let api = api().await;
    let body = json!({
        "query": "makers of cargo bikes",
        "desired_num_results": 20,
        "criteria": [{ "key": "bikes", "name": "Bikes", "criterion": "Makes cargo bikes." }],
    });
    let (status, task) = api.post("/v1/discovery_tasks", body).await;
    assert_eq!(status, 200, "{task}");
    assert_eq!(task["status"], "created");
    assert_eq!(task["query"], "makers of cargo bikes");
    assert_eq!(task["criteria"][0]["key"], "bikes");
    let path = format!("/v1/discovery_tasks/{}", task["id"].as_str().unwrap());

    api.simulator.advance(Duration::from_secs(20));
    assert_eq!(api.get(&path).await.1["status"], "in_progress");
    api.simulator.advance(Duration::from_hours(1));
    let (_, task) = api.get(&path).await;
    assert_eq!(task["status"], "done");
    assert_eq!(task["num_results"], 20);

    let body = json!({ "desired_new_results": 5 });
    let (status, task) = api.post(&format!("{path}/resume"), body).await;
    assert_eq!(status, 200, "{task}");
    assert_eq!(task["desired_num_results"], 25);
    api.simulator.advance(Duration::from_hours(1));

    let (_, found) = api.get(&format!("{path}/results?offset=20&limit=10")).await;
    assert_eq!(found["num_results"], 25);
    assert_eq!(found["results"].as_array().unwrap().len(), 5);
    assert!(
        found["results"][0]["scores"]["bikes"]["grade"]
            .as_u64()
            .unwrap()
            >= 4
    );

    let ledger = api.simulator.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0].requested, 5);
    assert_eq!(ledger[0].baseline_results, 20);
    assert_eq!(ledger[0].answered_status, Some(200));
}

#[tokio::test]
async fn the_list_is_an_array_in_pages_with_the_newest_task_first() {
    let api = api().await;
    for id in ["a", "b", "c"] {
        api.simulator.add_task(&plenty().with_id(id));
    }
    let (_, page) = api.get("/v1/discovery_tasks?offset=1&limit=1").await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert_eq!(page[0]["id"], "b");
    let (status, error) = api.get("/v1/discovery_tasks?offset=-1&limit=x").await;
    assert_eq!(status, 422);
    assert_eq!(error["detail"][0]["loc"], json!(["query", "offset"]));
    assert_eq!(error["detail"][1]["type"], "int_parsing");
}

#[tokio::test]
async fn the_user_and_the_billing_show_the_credits_left() {
    let api = api().await;
    let (_, user) = api.get("/v1/user").await;
    assert!(user["email"].as_str().unwrap().contains('@'));
    assert_eq!(user["available_credits"], 10_000);
    assert_eq!(api.get("/v1/billing").await.1["available_credits"], 10_000);
    let url = format!("{}/v1/healthcheck", api.simulator.url());
    assert_eq!(api.client.get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn without_credits_resumes_are_refused_and_polls_are_not() {
    let api = api_with(Options {
        settings: Settings {
            credits: Some(0),
            ..Settings::default()
        },
        ..Options::default()
    })
    .await;
    api.simulator.add_task(&plenty().with_id("t"));
    let path = "/v1/discovery_tasks/t";
    let (status, error) = api.post(&format!("{path}/resume"), json!({})).await;
    assert_eq!(status, 402);
    assert_eq!(error["detail"]["error"], "insufficient_credits");
    assert_eq!(api.get(path).await.0, 200);
}

#[tokio::test]
async fn a_token_is_required_and_can_be_restricted_to_one() {
    let api = api().await;
    let url = format!("{}/v1/user", api.simulator.url());
    let response = api.client.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("www-authenticate"));
    let error: Value = response.json().await.unwrap();
    assert!(error["detail"].is_string());

    api.simulator
        .settings(|settings| settings.accepted_token = Some("good".to_owned()));
    assert_eq!(api.get("/v1/user").await.0, 401);
    let good = api.client.get(&url).bearer_auth("good");
    assert_eq!(answer(good).await.0, 200);
}

#[tokio::test]
async fn errors_in_a_body_are_listed_as_by_the_service() {
    const DESIRED: &str = "desired_num_results";
    let api = api().await;
    api.simulator.add_task(&plenty().with_id("t"));
    let create = "/v1/discovery_tasks";
    let resume = "/v1/discovery_tasks/t/resume";
    let too_many = vec!["x.example"; 1_001];
    let with = |field: &str, value: Value| {
        let mut body = json!({ "query": "q" });
        body[field] = value;
        body
    };
    let new = |value: Value| json!({ "desired_new_results": value });
    for (path, body, kind) in [
        (create, json!({}), "missing"),
        (create, with("query", json!(" ")), "string_too_short"),
        (create, with("query", json!(1)), "string_type"),
        (create, with(DESIRED, json!(0)), "greater_than_equal"),
        (create, with(DESIRED, json!(251)), "less_than_equal"),
        (create, with("data_sources", json!(["x"])), "value_error"),
        (create, with("criteria", json!("all")), "list_type"),
        (create, with("exclude_domains", json!(too_many)), "too_long"),
        (resume, new(json!(251)), "less_than_equal"),
        (resume, new(json!(-1)), "greater_than_equal"),
        (resume, new(json!(null)), "int_type"),
        (resume, new(json!(1.5)), "int_from_float"),
        (resume, json!([]), "model_attributes_type"),
    ] {
        let (status, error) = api.post(path, body).await;
        assert_eq!(status, 422, "{error}");
        assert_eq!(error["detail"][0]["type"], kind, "{error}");
    }
    for (body, kind) in [("{", "json_invalid"), ("", "missing")] {
        let bad = api.request(Method::POST, resume).body(body);
        let (status, error) = answer(bad).await;
        assert_eq!(status, 422);
        assert_eq!(error["detail"][0]["type"], kind);
    }
    assert_eq!(api.simulator.ledger(), []);
}

#[tokio::test]
async fn other_errors_have_the_form_of_the_service() {
    let api = api().await;
    let dry = Scenario::exhausted(30).with_id("dry");
    api.simulator.add_task(&dry);
    let path = "/v1/discovery_tasks/dry/resume";
    for form in [RefusalBody::String, RefusalBody::Object, RefusalBody::List] {
        api.simulator
            .settings(|settings| settings.semantics.refusal_body = form);
        let (status, error) = api.post(path, json!({})).await;
        assert_eq!(status, 400);
        let detail = &error["detail"];
        assert_eq!(detail.is_string(), form == RefusalBody::String);
        assert_eq!(detail.is_object(), form == RefusalBody::Object);
        assert_eq!(detail.is_array(), form == RefusalBody::List);
    }
    let refused = &api.simulator.ledger()[0];
    assert_eq!(refused.requested, 25, "the default");
    assert!(!refused.took_effect);
    assert_eq!(refused.answered_status, Some(400));

    let none = "/v1/discovery_tasks/none";
    assert_eq!(api.get(none).await.0, 404);
    let resume = api.post(&format!("{none}/resume"), json!({})).await;
    assert_eq!(resume.0, 404);
    let (status, error) = api.get("/nowhere").await;
    assert_eq!(status, 404);
    assert_eq!(error, json!({ "detail": "Not Found" }));
    let (status, error) = answer(api.request(Method::DELETE, "/v1/user")).await;
    assert_eq!(status, 405);
    assert_eq!(error, json!({ "detail": "Method Not Allowed" }));
}

#[tokio::test]
async fn unusual_ids_are_found_by_their_percent_encoded_form() {
    let api = api().await;
    let id = "a/b c%2F?ü";
    api.simulator.add_task(&plenty().with_id(id));
    let escaped = "/v1/discovery_tasks/a%2Fb%20c%252F%3F%C3%BC";
    let (status, task) = api.get(escaped).await;
    assert_eq!(status, 200);
    assert_eq!(task["id"], id);
}

#[tokio::test]
async fn the_control_endpoints_change_and_show_the_state() {
    let api = api().await;
    let scenario = json!({ "id": "t", "results": 40, "pool": 400, "fit_rate": 1.0 });
    let (status, task) = api.post("/_simulator/tasks", scenario).await;
    assert_eq!(status, 201);
    assert_eq!(task["num_results"], 40);

    let change = json!({ "accepted_token": "any", "semantics": { "cap": 60 } });
    let change_request = api.request(Method::PATCH, "/_simulator/settings");
    let (status, settings) = answer(change_request.json(&change)).await;
    assert_eq!(status, 200, "{settings}");
    assert_eq!(settings["semantics"]["cap"], 60);
    assert_eq!(
        settings["semantics"]["desired"], "rises",
        "the other settings stay"
    );
    assert_eq!(settings["accepted_token"], "[redacted]");

    let rule = json!({ "on": "get", "skip": 1, "times": 2, "fault": "503" });
    assert_eq!(api.post("/_simulator/script", rule).await.0, 200);
    let path = "/v1/discovery_tasks/t";
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(api.get(path).await.0.as_u16());
    }
    assert_eq!(seen, [200, 503, 503, 200]);

    let body = json!({ "desired_new_results": 100 });
    api.post(&format!("{path}/resume"), body).await;
    let advance = json!({ "seconds": 3600 });
    let (_, time) = api.post("/_simulator/advance", advance).await;
    assert_eq!(time["virtual_seconds"], 3600.0);
    assert_eq!(api.get(path).await.1["num_results"], 60);

    let (_, ledger) = api.get("/_simulator/ledger").await;
    assert_eq!(ledger[0]["granted"], 20);
    let (_, requests) = api.get("/_simulator/requests").await;
    assert_eq!(requests["by_kind"], json!({ "get": 5, "resume": 1 }));
    assert_eq!(requests["by_status"], json!({ "200": 4, "503": 2 }));
    assert_eq!(requests["last"][1]["fault"], "503");
    assert_eq!(requests["last"][0]["token"], true);
    assert!(!requests.to_string().contains("any"), "no token is stored");
}

#[tokio::test]
async fn each_switch_can_be_set_at_run_time_and_reset_to_its_default() {
    let api = api().await;
    let (_, overview) = api.get("/_simulator").await;
    let before = overview["settings"]["semantics"].clone();
    let change = json!({
        "yield_percent": 10, "early_done_percent": 20, "rises_after_done": 30,
        "reopens_percent": 40, "reopens_after_s": 50, "work_delay_s": 60,
        "undelivered_percent": 70, "market": 800, "exclusions_excess": "refused",
        "creates": "payment_required", "create_delay_ms": 1_000, "create_get_delay_ms": 2_000,
        "create_fails_percent": 10, "create_exhausts_percent": 90, "aliases_percent": 50,
        "without_website_percent": 0, "exclusions": "ignored",
        "scores": "number", "list_limit": 90, "list_default_limit": 9, "results_limit": 200,
        "results_default_limit": 10, "limit_excess": "clamped", "list_order": "random",
        "list_shows": "progress", "list_delay_ms": 1_000, "list_excess": "refused",
        "list_lag_ms": 1_000, "strangers": 10,
    });
    let patch = async |semantics: &Value| {
        let request = api.request(Method::PATCH, "/_simulator/settings");
        let (status, settings) = answer(request.json(&json!({ "semantics": semantics }))).await;
        assert_eq!(status, 200, "{settings}");
        settings["semantics"].clone()
    };
    let after = patch(&change).await;
    let mut back = json!({});
    for (name, value) in change.as_object().unwrap() {
        assert_eq!(&after[name], value);
        assert_ne!(before[name], *value, "{name} is no change");
        back[name] = Value::Null;
    }
    assert_eq!(patch(&back).await, before);
}

#[tokio::test]
async fn the_control_endpoints_refuse_invalid_requests() {
    let api = api().await;
    let semantics = |change: Value| json!({ "semantics": change });
    let fault = |fault: Value| json!({ "fault": fault });
    let hang = json!({ "kind": "hang", "ms": 1, "x": 1 });
    let ok = json!({ "kind": "status", "code": 200 });
    let refused = [
        ("settings", json!({ "sped": 2 }), "sped"),
        ("settings", json!({ "speed": -2 }), "speed"),
        ("settings", semantics(json!({ "desired": "x" })), "rises"),
        (
            "settings",
            semantics(json!({ "yield_percent": 101 })),
            "yield_percent",
        ),
        (
            "settings",
            semantics(json!({ "results_limit": 0 })),
            "results_limit",
        ),
        ("settings", json!([]), "object"),
        ("tasks", json!({ "pol": 2 }), "pol"),
        ("tasks", json!({ "fit_rate": 2 }), "fit_rate"),
        ("script", fault(json!("nonsense")), "lost_before"),
        ("script", fault(json!({ "kind": "hang" })), "ms"),
        ("script", fault(hang), "`x`"),
        ("script", fault(ok), "200"),
        ("script", json!({ "fault": "503", "on": "put" }), "resume"),
        (
            "script",
            json!({ "fault": "list_empty", "on": "get" }),
            "only for the list",
        ),
        ("advance", json!({ "seconds": -1 }), "seconds"),
    ];
    for (path, body, word) in refused {
        let method = if path == "settings" {
            Method::PATCH
        } else {
            Method::POST
        };
        let path = format!("/_simulator/{path}");
        let request = api.request(method, &path).json(&body);
        let (status, error) = answer(request).await;
        assert_eq!(status, 422, "{body}: {error}");
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{body}: {detail}");
    }
    let request = api.request(Method::POST, "/_simulator/script").body("{");
    assert_eq!(answer(request).await.0, 400);
    let (_, overview) = api.get("/_simulator").await;
    assert_eq!(overview["settings"]["speed"], 0.0);
    assert_eq!(overview["settings"]["accepted_token"], Value::Null);
    assert_eq!(overview["script"], json!([]));
}

#[tokio::test]
async fn shutdown_ends_idle_connections_and_requests_in_progress() {
    let api = api().await;
    let addr = api.simulator.addr();
    api.get("/v1/user").await;
    let rule = json!({ "fault": { "kind": "delay", "ms": 600_000 } });
    api.simulator.script(serde_json::from_value(rule).unwrap());
    let waiting = tokio::spawn(api.request(Method::GET, "/v1/user").send());
    while api.simulator.requests().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, api.simulator.shutdown())
        .await
        .unwrap();
    assert!(waiting.await.unwrap().is_err());
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
