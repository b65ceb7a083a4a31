//! The simulator's list of tasks, as clients see it: limits, age, wrong pages and the log of requests.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use growd_simulator::{
    Chaos, Excess, Fault, Odds, On, Options, Rule, Scenario, Semantics, Simulator, start,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

const TASKS: u64 = 12;

struct Api {
    simulator: Simulator,
    client: Client,
}

/// A simulator with [`TASKS`] tasks that are done with 40 results. Virtual time is stopped.
async fn api(change: impl FnOnce(&mut Semantics)) -> Api {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut options = Options::default();
    options.settings.speed = 0.0;
    change(&mut options.settings.semantics);
    let task = |nth| Scenario::done(40).with_id(format!("t{nth}"));
    options.tasks = (0..TASKS).map(task).collect();
    Api {
        simulator: start(options).await.unwrap(),
        client: Client::new(),
    }
}

impl Api {
    async fn get(&self, path: &str) -> Response {
        let url = format!("{}/v1/discovery_tasks{path}", self.simulator.url());
        let request = self.client.get(url).bearer_auth("any");
        request.send().await.unwrap()
    }

    async fn list(&self) -> Value {
        self.get("?limit=100").await.json().await.unwrap()
    }

    async fn list_with(&self, fault: &str) -> Value {
        self.simulator.script(Rule::once(On::List, named(fault)));
        self.list().await
    }
}

fn named(name: &str) -> Fault {
    Fault::named(name).unwrap()
}

fn entries(list: &Value) -> &[Value] {
    list.as_array().unwrap()
}

#[tokio::test]
async fn a_limit_above_the_largest_is_refused_or_clamped_for_the_list_alone() {
    let api = api(|semantics| semantics.list_limit = 5).await;
    let response = api.get("?limit=6").await;
    assert_eq!(response.status(), 422, "as the service's framework does");
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["detail"][0]["loc"], json!(["query", "limit"]));
    assert_eq!(error["detail"][0]["ctx"], json!({ "le": 5 }));
    for (of_list, of_all, status) in [
        (Some(Excess::Clamped), Excess::Refused, 200),
        (Some(Excess::Refused), Excess::Clamped, 422),
        (None, Excess::Clamped, 200),
    ] {
        api.simulator.settings(|settings| {
            settings.semantics.list_excess = of_list;
            settings.semantics.limit_excess = of_all;
        });
        let response = api.get("?limit=1000").await;
        assert_eq!(response.status(), status);
        if status == 200 {
            let list: Value = response.json().await.unwrap();
            assert_eq!(entries(&list).len(), 5);
        }
        let results = api.get("/t0/results?limit=1000").await.status();
        assert_eq!(results == 200, of_all == Excess::Clamped);
    }
}

#[tokio::test]
async fn strangers_are_listed_with_ids_that_no_poll_finds() {
    let api = api(|semantics| semantics.strangers = 60).await;
    let mut ids = BTreeSet::new();
    let mut own = 0;
    for offset in [0, 40] {
        let page = api.get(&format!("?offset={offset}&limit=40")).await;
        let page: Value = page.json().await.unwrap();
        for task in entries(&page) {
            let id = task["id"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()));
            own += u64::from(id.starts_with('t'));
            let expected = if id.starts_with('t') { 200 } else { 404 };
            assert_eq!(api.get(&format!("/{id}")).await.status(), expected);
        }
    }
    assert_eq!((ids.len(), own), (72, TASKS));
}

#[tokio::test]
async fn a_list_that_lags_lacks_new_tasks_until_they_are_old_enough() {
    let api = api(|semantics| semantics.list_lag_ms = 3_600_000).await;
    assert_eq!(api.list().await, json!([]));
    assert_eq!(api.get("/t0").await.status(), 200);
    api.simulator
        .settings(|settings| settings.semantics.list_lag_ms = 1);
    let begin = Instant::now();
    while entries(&api.list().await).len() < 12 {
        assert!(
            begin.elapsed() < Duration::from_mins(1),
            "new tasks stay absent"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_fault_of_the_list_changes_an_otherwise_right_page() {
    let api = api(|_| {}).await;
    let right = api.list().await;
    assert_eq!(entries(&right).len(), 12);
    let all = |list: &Value, field: &str| -> BTreeSet<String> {
        let tasks = entries(list).iter();
        tasks.map(|task| task[field].to_string()).collect()
    };
    for (fault, field, value) in [
        ("list_all_done", "status", "\"done\""),
        ("list_all_running", "status", "\"in_progress\""),
        ("list_all_failed", "status", "\"failed\""),
        ("list_full", "status", "\"done\""),
        ("list_full", "num_results", "250"),
        ("list_full", "desired_num_results", "250"),
        ("list_full", "is_exhausted", "true"),
        ("list_fallen", "num_results", "20"),
        ("list_risen", "num_results", "80"),
        ("list_risen", "desired_num_results", "40"),
    ] {
        let list = api.list_with(fault).await;
        assert_eq!(all(&list, field), [value.to_owned()].into(), "{fault}");
        assert_eq!(all(&list, "id"), all(&right, "id"), "{fault}");
    }
    let twice = api.list_with("list_twice").await;
    for (pair, task) in entries(&twice).chunks(2).zip(entries(&right)) {
        assert_eq!(&pair[0], task);
        assert_eq!(pair[1]["id"], task["id"]);
        assert_eq!(pair[1]["num_results"], 50);
    }
    assert_eq!(entries(&twice).len(), 24);
    let others = api.list_with("list_others").await;
    assert!(all(&others, "id").is_disjoint(&all(&right, "id")));
    assert_eq!(all(&others, "id").len(), 12);
    assert_eq!(api.list_with("list_others").await, others);
    assert_eq!(api.list_with("list_empty").await, json!([]));
    let object = api.list_with("list_object").await;
    assert_eq!(object, json!({ "items": right }));

    let mut bad = BTreeSet::new();
    for _ in 0..100 {
        let list = api.list_with("list_bad_entry").await;
        let pairs = entries(&list).iter().zip(entries(&right)).enumerate();
        let mut wrong = pairs.filter(|(_, (listed, task))| listed != task);
        let (nth, (listed, _)) = wrong.next().unwrap();
        assert!(wrong.next().is_none(), "one entry only");
        bad.insert((nth, listed.to_string().len()));
    }
    let places: BTreeSet<usize> = bad.iter().map(|(nth, _)| *nth).collect();
    assert!(places.len() > 6 && bad.len() > 30);

    let log = api.simulator.requests();
    assert_eq!(log.by_fault["list_bad_entry"], 100);
    assert_eq!(api.list().await, right);
}

#[tokio::test]
async fn faults_of_the_list_apply_to_no_other_request() {
    let api = api(|_| {}).await;
    let fault = named("list_empty");
    let odds = Odds {
        on: On::Any,
        fault: fault.clone(),
        probability: 1.0,
    };
    let chaos = Chaos {
        kinds: Some(vec![fault.clone()]),
        ..Chaos::at(1.0)
    };
    let right = api.get("/t0").await.text().await.unwrap();
    let check = async |name| {
        assert_eq!(api.get("/t0").await.text().await.unwrap(), right, "{name}");
        assert_eq!(api.list().await, json!([]), "{name}");
    };
    api.simulator.script(Rule::always(On::Any, fault));
    check("script").await;
    api.simulator.clear_script();
    api.simulator.settings(|settings| settings.odds.push(odds));
    check("odds").await;
    api.simulator.settings(|settings| {
        settings.odds.clear();
        settings.chaos = chaos;
    });
    check("chaos").await;
    assert_eq!(api.simulator.requests().by_fault["list_empty"], 3);
}

#[tokio::test]
#[should_panic(expected = "list_empty is only for the list")]
async fn a_fault_of_the_list_is_refused_for_other_requests() {
    let api = api(|_| {}).await;
    api.simulator
        .script(Rule::once(On::Resume, named("list_empty")));
}

#[tokio::test]
async fn the_other_faults_apply_to_the_list_too() {
    let api = api(|_| {}).await;
    let right = api.list().await;
    let get = async |fault| {
        api.simulator.script(Rule::once(On::List, fault));
        api.get("?limit=100").await
    };
    for (name, status) in [("503", 503), ("429", 429), ("404", 404), ("page_403", 403)] {
        assert_eq!(get(named(name)).await.status(), status);
    }
    for fault in [
        Fault::Delay { ms: 1 },
        Fault::HangAfter { ms: 1 },
        Fault::SlowBody { ms_per_byte: 0 },
    ] {
        let name = fault.name();
        let list: Value = get(fault).await.json().await.unwrap();
        assert_eq!(list, right, "{name}");
    }
    assert!(get(named("truncated")).await.bytes().await.is_err());
    let huge = get(Fault::Huge { bytes: 20 << 20 }).await;
    assert_eq!(huge.bytes().await.unwrap().len(), 20 << 20);
    for name in ["not_json", "empty"] {
        assert!(get(named(name)).await.json::<Value>().await.is_err());
    }
    let first = async |name| get(named(name)).await.json::<Value>().await.unwrap()[0].clone();
    assert!(first("missing_fields").await.get("id").is_none());
    assert!(first("wrong_types").await["num_results"].is_string());
    assert_eq!(first("quoted_numbers").await["num_results"], "40");
    api.simulator
        .script(Rule::once(On::List, named("lost_after")));
    let url = format!("{}/v1/discovery_tasks", api.simulator.url());
    let lost = api.client.get(url).bearer_auth("any").send().await;
    assert!(lost.is_err());
}

#[tokio::test]
async fn the_log_has_each_request_for_the_list() {
    let api = api(|_| {}).await;
    for query in ["", "?limit=7&offset=3", "?offset=x&limit=200"] {
        api.get(query).await;
    }
    api.get("/t0").await;
    api.simulator.script(Rule::once(On::List, named("503")));
    api.get("?offset=5&offset=6").await;
    let log = api.simulator.requests();
    assert_eq!(log.by_kind["list"], 4);
    let seen = log.lists.iter();
    let seen = seen.map(|list| (list.seq, list.offset, list.limit, list.status));
    let expected = [
        (1, None, None, Some(200)),
        (2, Some(3), Some(7), Some(200)),
        (3, None, Some(200), Some(422)),
        (5, Some(6), None, Some(503)),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    let times = log.lists.iter().map(|list| list.at);
    assert!(times.clone().is_sorted());
    assert!(log.lists[0].at.duration_until(log.lists[3].at) < jiff::SignedDuration::from_secs(60));
    let last = log.last.iter().find(|entry| entry.seq == 2).unwrap();
    assert_eq!(last.at, log.lists[1].at);
}
