//! Creation of tasks, results and the list in the simulator, as clients see them.

use std::{collections::HashSet, time::Duration};

use growd_simulator::{Excess, Options, Scenario, Semantics, Simulator, start};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const TASKS: &str = "/v1/discovery_tasks";

struct Api {
    simulator: Simulator,
    client: Client,
}

/// Virtual time is stopped except where a test advances it.
async fn api(change: impl FnOnce(&mut Semantics)) -> Api {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut options = Options::default();
    options.settings.speed = 0.0;
    options.settings.semantics.market = Some(2_000);
    options.settings.semantics.without_website_percent = 0;
    change(&mut options.settings.semantics);
    Api {
        simulator: start(options).await.unwrap(),
        client: Client::new(),
    }
}

impl Api {
    async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.simulator.url());
        let request = self.client.request(method, url).bearer_auth("any");
        let response = request.json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, Value::Null).await
    }

    /// Creates a task and returns it, or status and detail of the error.
    async fn create(&self, body: Value) -> Result<Value, (StatusCode, Value)> {
        let (status, answer) = self.send(Method::POST, TASKS, body).await;
        if status == 200 {
            Ok(answer)
        } else {
            Err((status, answer["detail"].clone()))
        }
    }

    /// Creates a task, lets it finish, and returns its id.
    async fn finished(&self, body: Value) -> String {
        let task = self.create(body).await.unwrap();
        self.simulator.advance(Duration::from_hours(24));
        task["id"].as_str().unwrap().to_owned()
    }

    /// Reads all results of a task, page by page until one is empty.
    async fn results(&self, id: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let path = format!("{TASKS}/{id}/results?offset={}&limit=100", all.len());
            let (status, page) = self.get(&path).await;
            assert_eq!(status, 200, "{page}");
            assert_eq!(page["id"], id, "a page contains the task");
            let rows = page["results"].as_array().unwrap();
            if rows.is_empty() {
                return all;
            }
            all.extend(rows.iter().cloned());
        }
    }

    async fn names(&self, id: &str) -> HashSet<String> {
        let rows = self.results(id).await.into_iter();
        rows.map(|row| row["company_name"].to_string()).collect()
    }
}

#[tokio::test]
async fn a_task_that_excludes_others_finds_other_companies() {
    let api = api(|_| {}).await;
    let search = json!({ "query": "cargo bikes", "desired_num_results": 250 });
    let first = api.finished(search.clone()).await;
    let found = api.names(&first).await;
    assert_eq!(found.len(), 250);
    let again = api.finished(search.clone()).await;
    let shared = api.names(&again).await.intersection(&found).count();
    assert!(shared > 220, "{shared}");

    let mut body = search.clone();
    body["exclude_task_ids"] = json!([first]);
    body["exclude_domains"] = json!(["https://www.rival.example/x", "rival.example"]);
    let second = api.create(body).await.unwrap();
    let excluded = second["exclude_domains"].as_array().unwrap().clone();
    assert_eq!(excluded.len(), 251);
    assert_eq!(excluded[0], "rival.example");
    api.simulator.advance(Duration::from_hours(24));
    let second = second["id"].as_str().unwrap();
    let further = api.names(second).await;
    assert_eq!(further.len(), 250);
    assert!(further.is_disjoint(&found));

    // The exclusions are fixed at the creation: both tasks can find what the first one finds later.
    let path = format!("{TASKS}/{first}/resume");
    api.simulator
        .settings(|settings| settings.semantics.cap = 500);
    let (status, _) = api
        .send(Method::POST, &path, json!({ "desired_new_results": 250 }))
        .await;
    assert_eq!(status, 200);
    api.simulator.advance(Duration::from_hours(24));
    let (_, unchanged) = api.get(&format!("{TASKS}/{second}")).await;
    assert_eq!(unchanged["exclude_domains"], Value::from(excluded));
    assert!(!api.names(&first).await.is_disjoint(&further));
}

#[tokio::test]
async fn a_chain_of_tasks_finds_the_whole_market() {
    let api = api(|semantics| semantics.market = Some(600)).await;
    let mut parts = Vec::new();
    let mut all = HashSet::new();
    for (results, exhausted) in [(250, false), (250, false), (100, true), (0, true)] {
        let body = json!({ "query": "q", "desired_num_results": 250, "exclude_task_ids": parts });
        let id = api.finished(body).await;
        let (_, task) = api.get(&format!("{TASKS}/{id}")).await;
        assert_eq!(task["num_results"], results);
        assert_eq!(task["is_exhausted"], exhausted);
        assert_eq!(task["status"], "done");
        all.extend(api.names(&id).await);
        parts.push(id);
    }
    assert_eq!(all.len(), 600);
}

#[tokio::test]
async fn only_tasks_that_are_done_can_be_excluded_and_at_most_1000_domains() {
    let api = api(|_| {}).await;
    let search = json!({ "query": "q", "desired_num_results": 250 });
    let mut parts = Vec::new();
    for _ in 0..5 {
        let mut body = search.clone();
        body["exclude_task_ids"] = json!(parts);
        parts.push(api.finished(body).await);
    }
    let mut body = search.clone();
    body["exclude_task_ids"] = json!(parts);
    let clamped = api.create(body.clone()).await.unwrap();
    assert_eq!(clamped["exclude_domains"].as_array().unwrap().len(), 1_000);
    api.simulator
        .settings(|settings| settings.semantics.exclusions_excess = Excess::Refused);
    let (status, detail) = api.create(body).await.unwrap_err();
    assert_eq!(status, 400);
    assert!(detail.as_str().unwrap().contains("1000"), "{detail}");

    let running = clamped["id"].as_str().unwrap();
    for id in [running, "00000000-0000-4000-8000-000000000000"] {
        let mut body = search.clone();
        body["exclude_task_ids"] = json!([id]);
        let (status, detail) = api.create(body).await.unwrap_err();
        assert_eq!(status, 400);
        assert!(detail.as_str().unwrap().contains(id), "{detail}");
    }
    let mut body = search;
    body["exclude_task_ids"] = json!(vec![&parts[0]; 101]);
    let (status, detail) = api.create(body).await.unwrap_err();
    assert_eq!(
        (status.as_u16(), &detail[0]["type"]),
        (422, &json!("too_long"))
    );
}

#[tokio::test]
async fn an_invalid_creation_is_refused() {
    let api = api(|_| {}).await;
    let criterion =
        |key: &str, name: &str, text: &str| json!({ "key": key, "name": name, "criterion": text });
    let good = criterion("ships_goods", "Ships goods", "The company ships goods.");
    for (field, value) in [
        ("query", Value::Null),
        ("desired_num_results", json!(0)),
        ("desired_num_results", json!(251)),
        ("auto_data_sources", json!("perhaps")),
        ("auto_data_sources", json!(false)),
        ("data_sources", json!(["elsewhere"])),
        (
            "criteria",
            json!([criterion("two words", "n", "long enough")]),
        ),
        ("criteria", json!([criterion("key", "", "long enough")])),
        ("criteria", json!([criterion("key", "n", "too short")])),
        ("criteria", json!([criterion("key", "n", &"x".repeat(501))])),
        ("criteria", json!([good, good])),
        ("criteria", json!(vec![&good; 6])),
        ("exclude_domains", json!(["no domain"])),
        ("exclude_domains", json!([1])),
        ("exclude_task_ids", json!("one")),
    ] {
        let mut body = json!({ "query": "q" });
        body[field] = value.clone();
        let (status, detail) = api.create(body).await.unwrap_err();
        assert_eq!(status, 422, "{field} {value}");
        let place = &detail[0]["loc"][1];
        let named = place == field || (field == "auto_data_sources" && place == "data_sources");
        assert!(named, "{field} {value}: {detail}");
    }
    let body = json!({
        "query": "q", "auto_data_sources": false, "data_sources": ["maps"], "criteria": [good],
    });
    let task = api.create(body).await.unwrap();
    assert_eq!(task["auto_data_sources"], false);
    assert_eq!(task["data_sources"], json!(["maps"]));
    assert_eq!(task["criteria"], json!([good]));
    assert_eq!(task["desired_num_results"], 100, "the default");
    assert_eq!(task["exclude_domains"], json!([]));
    let inferred = api.create(json!({ "query": "q" })).await.unwrap();
    assert!((2..=5).contains(&inferred["criteria"].as_array().unwrap().len()));
    assert_eq!(inferred["auto_data_sources"], true);
    assert!(!inferred["data_sources"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn pages_have_a_default_and_a_largest_limit_beyond_which_they_are_refused_or_clamped() {
    let api = api(|_| {}).await;
    for _ in 0..150 {
        api.simulator.add_task(&Scenario::done(150));
    }
    let id = api.simulator.add_task(&Scenario::done(150));
    let results = format!("{TASKS}/{id}/results");
    let rows = async |path: String| {
        let (status, page) = api.get(&path).await;
        let rows = page.as_array().or(page["results"].as_array());
        rows.map_or_else(|| usize::from(status.as_u16()), Vec::len)
    };
    for (path, usual) in [(TASKS, 20), (results.as_str(), 50)] {
        assert_eq!(rows(path.to_owned()).await, usual);
        assert_eq!(rows(format!("{path}?limit=100")).await, 100);
        assert_eq!(rows(format!("{path}?limit=101")).await, 422);
        assert_eq!(rows(format!("{path}?limit=0")).await, 422);
        assert_eq!(
            rows(format!("{path}?offset=145&limit=100")).await,
            if usual == 20 { 6 } else { 5 }
        );
        assert_eq!(rows(format!("{path}?offset=1000&limit=100")).await, 0);
    }
    api.simulator.settings(|settings| {
        settings.semantics.limit_excess = Excess::Clamped;
        settings.semantics.list_limit = 30;
        settings.semantics.results_limit = 40;
    });
    for (path, usual, most) in [(TASKS, 20, 30), (results.as_str(), 40, 40)] {
        assert_eq!(rows(path.to_owned()).await, usual);
        assert_eq!(rows(format!("{path}?limit=1000")).await, most);
        assert_eq!(rows(format!("{path}?limit=0")).await, 422);
    }
}

#[tokio::test]
async fn pages_are_contiguous_best_first_and_the_same_until_the_task_runs() {
    let api = api(|_| {}).await;
    let id = api
        .finished(json!({ "query": "q", "desired_num_results": 230 }))
        .await;
    let all = api.results(&id).await;
    assert_eq!(all.len(), 230);
    let relevance = |row: &Value| row["relevance"].as_f64().unwrap();
    assert!(all.is_sorted_by(|a, b| relevance(a) >= relevance(b)));
    assert_eq!(api.results(&id).await, all);
    let ids: HashSet<String> = all.iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), 230);
    // A run can add a more relevant result at any position: rows stay, pages shift.
    let path = format!("{TASKS}/{id}/resume");
    api.send(Method::POST, &path, json!({ "desired_new_results": 20 }))
        .await;
    api.simulator.advance(Duration::from_hours(24));
    let more = api.results(&id).await;
    assert_eq!(more.len(), 250);
    assert!(all.iter().all(|row| more.contains(row)));
    assert_ne!(more[..230], all[..]);
}

#[tokio::test]
async fn a_seed_determines_every_company() {
    let read = async |seed| {
        let options = Options {
            seed,
            ..Options::default()
        };
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let api = Api {
            simulator: start(options).await.unwrap(),
            client: Client::new(),
        };
        let scenario = Scenario {
            query: Some("q".to_owned()),
            ..Scenario::done(50)
        };
        let id = api.simulator.add_task(&scenario);
        let mut rows = api.results(&id).await;
        for row in &mut rows {
            // It depends on the time of the start.
            row.as_object_mut().unwrap().remove("created_at");
        }
        rows
    };
    let first = read(7).await;
    assert_eq!(first, read(7).await);
    assert_ne!(first, read(8).await);
}
