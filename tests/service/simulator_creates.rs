//! Creates in the simulator: their ledger, and each fault that they can meet.

use std::{collections::HashSet, time::Duration};

use growd_simulator::{
    CreateEntry, Creates, Fault, On, Options, RefusalBody, Rule, Scenario, Simulator, start,
};
use reqwest::{Client, Error, Method, RequestBuilder, Response, redirect::Policy};
use serde_json::{Value, json};

const TASKS: &str = "/v1/discovery_tasks";

struct Api {
    simulator: Simulator,
    client: Client,
}

/// Virtual time is stopped except where a test advances it.
async fn api(change: impl FnOnce(&mut Options)) -> Api {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut options = Options::default();
    options.settings.speed = 0.0;
    change(&mut options);
    let client = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never());
    Api {
        simulator: start(options).await.unwrap(),
        client: client.build().unwrap(),
    }
}

impl Api {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.simulator.url());
        self.client.request(method, url).bearer_auth("any")
    }

    fn create(&self, body: &Value) -> RequestBuilder {
        self.request(Method::POST, TASKS).json(body)
    }

    /// Sends a create that meets this fault.
    async fn create_with(&self, fault: Fault) -> Result<Response, Error> {
        self.simulator.script(Rule::once(On::Create, fault));
        self.create(&search()).send().await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.request(Method::GET, path).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Returns the ids in the list.
    async fn listed(&self) -> Vec<String> {
        let (_, page) = self.get(&format!("{TASKS}?limit=100")).await;
        let ids = page.as_array().unwrap().iter();
        ids.map(|task| task["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Returns the number of creates that took effect, after comparing the ledger with the list.
    async fn effects(&self) -> usize {
        let entries = self.simulator.creates();
        let created: HashSet<String> = entries.into_iter().filter_map(|e| e.task_id).collect();
        let listed = self.listed().await;
        assert_eq!(listed.len(), created.len(), "each effect counts once");
        assert_eq!(listed.into_iter().collect::<HashSet<_>>(), created);
        created.len()
    }
}

fn search() -> Value {
    json!({ "query": "cargo bikes", "desired_num_results": 50 })
}

fn named(name: &str) -> Fault {
    Fault::named(name).unwrap()
}

#[tokio::test]
async fn the_ledger_has_each_create_that_reached_the_world() {
    let api = api(|_| {}).await;
    let first: Value = api
        .create(&search())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let first = first["id"].as_str().unwrap().to_owned();
    let mut body = search();
    body["exclude_task_ids"] = json!([first]);
    body["exclude_domains"] = json!(["https://a.example/", "a.example", "b.example"]);
    let refused = api.create(&body).send().await.unwrap();
    assert_eq!(refused.status(), 400, "the first one is not done");
    api.simulator.advance(Duration::from_hours(1));
    let created: Value = api
        .create(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let invalid = api.create(&json!({})).send().await.unwrap();
    assert_eq!(invalid.status(), 422);

    let entries = api.simulator.creates();
    let expected = |entry: &CreateEntry, task: Option<String>, status| CreateEntry {
        seq: entry.seq,
        at: entry.at,
        took_effect: task.is_some(),
        task_id: task,
        query: "cargo bikes".to_owned(),
        desired: 50,
        exclude_domains: 2,
        exclude_task_ids: vec![first.clone()],
        answered_status: Some(status),
        by_colleague: false,
    };
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0].task_id.as_ref(), Some(&first));
    assert!(entries[0].exclude_task_ids.is_empty() && entries[0].exclude_domains == 0);
    assert_eq!(entries[1], expected(&entries[1], None, 400));
    let second = created["id"].as_str().unwrap().to_owned();
    assert_eq!(entries[2], expected(&entries[2], Some(second), 200));
    assert!(entries.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
    assert!(entries[1].at < entries[2].at);
    let (_, shown) = api.get("/_simulator/creates").await;
    assert_eq!(shown, json!(entries));
    assert_eq!(api.simulator.ledger(), [], "no resume");
    assert_eq!(api.simulator.requests().by_kind["create"], 4);
}

#[tokio::test]
async fn lost_creates_get_no_response_and_only_some_take_effect() {
    for (name, effects) in [
        ("lost_before", 0),
        ("lost_after", 1),
        ("reset", 0),
        ("reset_after", 1),
    ] {
        let api = api(|_| {}).await;
        api.create_with(named(name)).await.unwrap_err();
        assert_eq!(api.effects().await, effects, "{name}");
        let entries = api.simulator.creates();
        assert_eq!(entries.len(), effects, "{name}");
        assert!(entries.iter().all(|entry| entry.answered_status.is_none()));
    }
}

#[tokio::test]
async fn creates_that_hang_exceed_the_timeout_of_a_client() {
    for (fault, effects) in [
        (Fault::Hang { ms: 60_000 }, 0),
        (Fault::HangAfter { ms: 60_000 }, 1),
        (Fault::Delay { ms: 60_000 }, 0),
    ] {
        let api = api(|_| {}).await;
        let name = fault.name();
        api.simulator.script(Rule::once(On::Create, fault));
        let create = api.create(&search()).timeout(Duration::from_secs(2));
        assert!(create.send().await.unwrap_err().is_timeout(), "{name}");
        while api.simulator.requests().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(api.effects().await, effects, "{name}");
    }
}

#[tokio::test]
async fn a_late_create_takes_effect_once_after_its_connection_is_closed() {
    let api = api(|_| {}).await;
    api.create_with(Fault::Late { ms: 50 }).await.unwrap_err();
    while api.simulator.creates().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(api.effects().await, 1);
    assert_eq!(api.simulator.creates()[0].answered_status, None);
}

#[tokio::test]
async fn a_status_replaces_the_response_to_a_create_before_or_after_its_effect() {
    let api = api(|_| {}).await;
    let mut effects = 0;
    for (name, status, reason) in [
        ("500", 500, None),
        ("500_after", 500, None),
        ("504_after", 504, None),
        ("429", 429, None),
        ("402_payment_failed", 402, Some("payment_failed")),
        (
            "402_insufficient_credits",
            402,
            Some("insufficient_credits"),
        ),
        ("403_plan_required", 403, Some("plan_required")),
        ("400", 400, None),
        ("401", 401, None),
        ("404", 404, None),
        ("409", 409, None),
        ("409_after", 409, None),
        ("422", 422, None),
        ("303", 303, None),
        ("303_after", 303, None),
        ("redirect", 307, None),
    ] {
        let response = api.create_with(named(name)).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["detail"]["error"].as_str(), reason, "{name}");
        if name.ends_with("_after") {
            effects += 1;
            let entries = api.simulator.creates();
            assert_eq!(entries[effects - 1].answered_status, Some(status));
        }
        assert_eq!(api.effects().await, effects, "{name}");
    }
}

#[tokio::test]
async fn corrupted_responses_to_creates_have_taken_effect() {
    let api = api(|_| {}).await;
    let names = [
        "not_json",
        "empty",
        "truncated",
        "missing_fields",
        "wrong_types",
        "wrong_id",
        "quoted_numbers",
        "raw_controls",
        "byte_order_mark",
    ];
    for (nth, name) in names.into_iter().enumerate() {
        let response = api.create_with(named(name)).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        let body = response.text().await;
        let task = body.ok().and_then(|body| serde_json::from_str(&body).ok());
        let task: Option<Value> = task;
        assert_eq!(api.effects().await, nth + 1, "{name}");
        let entry = api.simulator.creates().pop().unwrap();
        assert_eq!(entry.answered_status, Some(200), "{name}");
        let id = task.as_ref().and_then(|task| task["id"].as_str());
        assert_eq!(
            id == entry.task_id.as_deref(),
            name == "quoted_numbers",
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_colleague_can_create_the_same_task_first() {
    let api = api(|_| {}).await;
    let response = api.create_with(named("colleague_first")).await.unwrap();
    let task: Value = response.json().await.unwrap();
    assert_eq!(api.effects().await, 2);
    let [theirs, own] = &api.simulator.creates()[..] else {
        panic!("two creates");
    };
    assert!(theirs.by_colleague && !own.by_colleague);
    assert_eq!(
        (theirs.answered_status, own.answered_status),
        (None, Some(200))
    );
    assert_eq!(task["id"].as_str(), own.task_id.as_deref());
    let read = async |entry: &CreateEntry| {
        let path = format!("{TASKS}/{}", entry.task_id.as_ref().unwrap());
        let mut task = api.get(&path).await.1;
        task.as_object_mut().unwrap().remove("id");
        task
    };
    assert_eq!(
        read(theirs).await,
        read(own).await,
        "they differ in their ids only"
    );

    // Where the own create is invalid, so is that of the colleague.
    let rule = Rule::once(On::Create, named("colleague_first"));
    api.simulator.script(rule);
    let invalid = api.create(&json!({})).send().await.unwrap();
    assert_eq!(invalid.status(), 422);
    assert_eq!(api.effects().await, 2);
}

#[tokio::test]
async fn a_fault_of_creates_leaves_resumes_alone() {
    let api = api(|options| options.tasks.push(Scenario::done(10).with_id("t"))).await;
    api.simulator.script(Rule::once(On::Create, named("503")));
    let resume = api.request(Method::POST, &format!("{TASKS}/t/resume"));
    assert_eq!(resume.json(&json!({})).send().await.unwrap().status(), 200);
    assert_eq!(api.create(&search()).send().await.unwrap().status(), 503);
    assert_eq!(api.simulator.ledger().len(), 1);
    assert_eq!(api.simulator.creates(), []);
}

#[tokio::test]
async fn fields_that_the_service_does_not_know_are_ignored() {
    let api = api(|_| {}).await;
    let mut body = search();
    body["table"] = json!({ "id": "t", "run": true });
    body["effort"] = json!({ "level": [1, 2] });
    body["limit"] = Value::Null;
    let response = api.create(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let task: Value = response.json().await.unwrap();
    assert_eq!(task["query"], "cargo bikes");
    assert_eq!(task["table_id"], Value::Null);
    assert!(task.get("effort").is_none() && task.get("limit").is_none());
    // An error names the place and the input, as FastAPI does.
    body["desired_num_results"] = json!("many");
    let refused = api.create(&body).send().await.unwrap();
    assert_eq!(refused.status(), 422);
    let error: Value = refused.json().await.unwrap();
    let first = &error["detail"][0];
    assert_eq!(first["loc"], json!(["body", "desired_num_results"]));
    assert_eq!(
        (&first["type"], &first["input"]),
        (&json!("int_parsing"), &json!("many"))
    );
    assert!(first["msg"].is_string());
    assert_eq!(api.effects().await, 1);
}

#[tokio::test]
async fn a_plan_can_refuse_creates_with_402_or_403() {
    let api = api(|_| {}).await;
    for (creates, status) in [(Creates::PaymentRequired, 402), (Creates::Forbidden, 403)] {
        api.simulator
            .settings(|settings| settings.semantics.creates = creates);
        let response = api.create(&search()).send().await.unwrap();
        assert_eq!(response.status(), status);
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["detail"]["error"], "plan_required");
        let entry = api.simulator.creates().pop().unwrap();
        assert!(!entry.took_effect && entry.task_id.is_none());
        assert_eq!(entry.answered_status, Some(status));
    }
    assert_eq!(api.effects().await, 0);
}

#[tokio::test]
async fn a_refused_create_has_each_form_of_detail() {
    let api = api(|_| {}).await;
    let mut body = search();
    body["exclude_task_ids"] = json!(["none"]);
    for form in [RefusalBody::String, RefusalBody::Object, RefusalBody::List] {
        api.simulator
            .settings(|settings| settings.semantics.refusal_body = form);
        let response = api.create(&body).send().await.unwrap();
        assert_eq!(response.status(), 400);
        let error: Value = response.json().await.unwrap();
        let detail = &error["detail"];
        assert_eq!(detail.is_string(), form == RefusalBody::String);
        assert_eq!(
            detail["error"] == "task_not_done",
            form == RefusalBody::Object
        );
        let place = json!(["body", "exclude_task_ids"]);
        assert_eq!(detail[0]["loc"] == place, form == RefusalBody::List);
    }
}

#[tokio::test]
async fn a_new_task_can_be_missing_from_the_list_and_from_polls() {
    let api = api(|options| {
        options.settings.semantics.create_delay_ms = 3_600_000;
        options.settings.semantics.create_get_delay_ms = 3_600_000;
    })
    .await;
    let response = api.create(&search()).send().await.unwrap();
    let task: Value = response.json().await.unwrap();
    let id = task["id"].as_str().unwrap();
    let path = format!("{TASKS}/{id}");
    assert_eq!(api.get(&path).await.0, 404);
    assert_eq!(api.listed().await, Vec::<String>::new());
    assert_eq!(api.simulator.task(id), Some(task.clone()), "it exists");
    api.simulator
        .settings(|settings| settings.semantics.create_get_delay_ms = 0);
    assert_eq!(api.get(&path).await, (200, task.clone()));
    assert_eq!(api.listed().await, Vec::<String>::new());
    api.simulator
        .settings(|settings| settings.semantics.create_delay_ms = 0);
    assert_eq!(api.listed().await, [id]);
}

#[tokio::test]
async fn the_user_shows_the_credits_that_results_of_created_tasks_leave() {
    let api = api(|options| {
        options.settings.credits = Some(130);
        options.tasks.push(Scenario::done(40).with_id("t"));
    })
    .await;
    let credits = async || api.get("/v1/user").await.1["available_credits"].clone();
    assert_eq!(credits().await, 130, "the initial results are free");
    api.create(&search()).send().await.unwrap();
    assert_eq!(credits().await, 130);
    api.simulator.advance(Duration::from_hours(1));
    assert_eq!(credits().await, 80);
    let resume = api.request(Method::POST, &format!("{TASKS}/t/resume"));
    let resume = resume.json(&json!({ "desired_new_results": 80 }));
    assert_eq!(resume.send().await.unwrap().status(), 200);
    api.simulator.advance(Duration::from_hours(1));
    assert_eq!(credits().await, 0);
    let refused = api.create(&search()).send().await.unwrap();
    assert_eq!(refused.status(), 402);
    let error: Value = refused.json().await.unwrap();
    assert_eq!(error["detail"]["error"], "insufficient_credits");
    assert!(!api.simulator.creates()[1].took_effect);
}
