//! The simulator's faults of pages of results, and its log of requests for them.

use std::collections::BTreeSet;

use growd_simulator::{
    Chaos, Fault, Odds, On, Options, ResultsOrder, Rule, Scenario, Simulator, start,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

struct Api {
    simulator: Simulator,
    client: Client,
}

/// A simulator with the tasks `t` and `u`, which are done with 40 results. Virtual time is stopped.
async fn api() -> Api {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut options = Options::default();
    options.settings.speed = 0.0;
    options.tasks = ["t", "u"].map(|id| Scenario::done(40).with_id(id)).into();
    Api {
        simulator: start(options).await.unwrap(),
        client: Client::new(),
    }
}

impl Api {
    async fn send(&self, path: &str) -> reqwest::Result<Response> {
        let url = format!("{}/v1/discovery_tasks{path}", self.simulator.url());
        self.client.get(url).bearer_auth("any").send().await
    }

    async fn get(&self, path: &str) -> Value {
        self.send(path).await.unwrap().json().await.unwrap()
    }

    async fn results(&self) -> Value {
        self.get("/t/results").await
    }

    async fn results_with(&self, fault: &str) -> Value {
        self.simulator.script(Rule::once(On::Results, named(fault)));
        self.results().await
    }
}

fn named(name: &str) -> Fault {
    Fault::named(name).unwrap()
}

fn rows(page: &Value) -> &[Value] {
    page["results"].as_array().unwrap()
}

/// Returns the page without its rows.
fn task(page: &Value) -> Value {
    let mut task = page.clone();
    task.as_object_mut().unwrap().remove("results");
    task
}

fn ids(page: &Value) -> BTreeSet<String> {
    rows(page).iter().map(|row| row["id"].to_string()).collect()
}

#[tokio::test]
async fn each_fault_of_results_changes_an_otherwise_right_page() {
    let api = api().await;
    let right = api.results().await;
    assert_eq!((rows(&right).len(), ids(&right).len()), (40, 40));

    let empty = api.results_with("results_empty").await;
    assert_eq!((rows(&empty).len(), task(&empty)), (0, task(&right)));
    let fallen = api.results_with("results_fallen").await;
    assert_eq!(fallen["num_results"], 20);
    assert_eq!(rows(&fallen), &rows(&right)[..20]);
    let risen = api.results_with("results_risen").await;
    assert_eq!(risen["num_results"], 80);
    assert_eq!(rows(&risen), rows(&right));
    for counter in [
        "num_results_discovered",
        "num_results_enriched",
        "num_results_evaluated",
    ] {
        let of = |page: &Value| page[counter].as_u64().unwrap();
        assert_eq!((of(&fallen), of(&risen)), (of(&right) / 2, of(&right) * 2));
    }
    let twice = api.results_with("results_twice").await;
    assert_eq!((rows(&twice).len(), ids(&twice).len()), (40, 39));
    assert_eq!(rows(&twice)[39]["id"], rows(&twice)[0]["id"]);
    assert_eq!(rows(&twice)[..39], rows(&right)[..39]);

    let others = api.results_with("results_others").await;
    for (nth, (row, right)) in rows(&others).iter().zip(rows(&right)).enumerate() {
        assert_eq!(row["task_id"] == "t", nth % 2 == 0);
        assert_eq!(row["id"] == right["id"], nth % 2 == 0);
        assert_eq!(row["company_name"], right["company_name"]);
    }
    assert_eq!(ids(&others).len(), 40);

    let long = api.results_with("results_long_text").await;
    let texts = rows(&long)[0].as_object().unwrap();
    let long_texts = texts.values().filter_map(Value::as_str);
    assert_eq!(long_texts.filter(|text| text.len() == 200_000).count(), 11);
    assert_eq!(rows(&long)[0]["id"], rows(&right)[0]["id"]);
    assert_eq!(rows(&long)[1..], rows(&right)[1..]);
    assert_eq!(api.results().await, right);
}

#[tokio::test]
async fn one_bad_row_is_at_any_place_and_of_any_kind() {
    let api = api().await;
    let right = api.results().await;
    let mut bad = BTreeSet::new();
    for _ in 0..100 {
        let page = api.results_with("results_bad_row").await;
        assert_eq!(rows(&page).len(), 40);
        let pairs = rows(&page).iter().zip(rows(&right)).enumerate();
        let mut wrong = pairs.filter(|(_, (row, right))| row != right);
        let (nth, (row, _)) = wrong.next().unwrap();
        assert!(wrong.next().is_none(), "one row only");
        let id = row["id"].as_str();
        assert!(id.is_none_or(|id| id.is_empty() || id.len() > 200), "{row}");
        let kind = if row["task_id"] == "t" {
            format!("id {}", row["id"])
        } else {
            row.to_string()
        };
        bad.insert((kind, nth));
    }
    let kinds: BTreeSet<_> = bad.iter().map(|(kind, _)| kind).collect();
    // Without an id and with null look the same here.
    assert_eq!(kinds.len(), 10, "{kinds:#?}");
    assert!(bad.len() > 50);
}

#[tokio::test]
async fn each_field_but_the_ids_gets_a_value_of_another_type() {
    let api = api().await;
    let right = api.results().await;
    let mut odd = BTreeSet::new();
    for _ in 0..40 {
        let page = api.results_with("results_odd_fields").await;
        for (row, right) in rows(&page).iter().zip(rows(&right)) {
            let fields = row.as_object().unwrap().iter();
            let changed: Vec<_> = fields
                .filter(|(name, value)| right[*name] != **value)
                .collect();
            let [(name, value)] = changed[..] else {
                panic!("one field of each row: {changed:?}");
            };
            let is_documented = match name.as_str() {
                "relevance" => value.is_number(),
                "founding_year" => value.is_i64(),
                "scores" => value.is_object(),
                _ => value.is_string(),
            };
            assert!(!is_documented, "{name}: {value}");
            odd.insert((name.clone(), value.to_string()));
        }
    }
    let fields: BTreeSet<_> = odd.iter().map(|(name, _)| name).collect();
    assert_eq!(fields.len(), 14, "{fields:?}");
    assert_eq!(odd.len(), 11 * 6 + 3 * 5);
}

#[tokio::test]
async fn faults_of_results_apply_to_no_other_request() {
    let api = api().await;
    let fault = named("results_empty");
    let (poll, list) = (api.get("/t").await, api.get("").await);
    let check = async |name| {
        assert_eq!(api.get("/t").await, poll, "{name}");
        assert_eq!(api.get("").await, list, "{name}");
        assert_eq!(rows(&api.results().await), &[] as &[Value], "{name}");
    };
    api.simulator.script(Rule::always(On::Any, fault.clone()));
    check("script").await;
    api.simulator.clear_script();
    let odds = Odds {
        on: On::Any,
        fault: fault.clone(),
        probability: 1.0,
    };
    api.simulator.settings(|settings| settings.odds.push(odds));
    check("odds").await;
    api.simulator.settings(|settings| {
        settings.odds.clear();
        settings.chaos = Chaos {
            kinds: Some(vec![fault]),
            ..Chaos::at(1.0)
        };
    });
    check("chaos").await;
    assert_eq!(api.simulator.requests().by_fault["results_empty"], 3);
}

#[tokio::test]
#[should_panic(expected = "results_empty is only for results")]
async fn a_fault_of_results_is_refused_for_other_requests() {
    let api = api().await;
    api.simulator
        .script(Rule::once(On::List, named("results_empty")));
}

#[tokio::test]
async fn the_faults_of_all_requests_apply_to_results_of_one_task_alone() {
    let api = api().await;
    let right = api.results().await;
    let send = async |fault: Fault| {
        let rule = Rule::once(On::Results, fault).of_task("t");
        api.simulator.script(rule);
        assert_eq!(rows(&api.get("/u/results").await).len(), 40);
        assert_eq!(api.get("/t").await["num_results"], 40);
        api.send("/t/results").await
    };
    for (name, status) in [
        ("500", 500),
        ("404", 404),
        ("403", 403),
        ("422", 422),
        ("page_502", 502),
    ] {
        assert_eq!(send(named(name)).await.unwrap().status(), status);
    }
    let busy = json!({ "kind": "status", "code": 503, "headers": { "Retry-After": "7" } });
    let busy = send(serde_json::from_value(busy).unwrap()).await.unwrap();
    assert_eq!(busy.status(), 503);
    assert_eq!(busy.headers()["Retry-After"], "7");
    for name in ["lost_before", "lost_after", "reset"] {
        assert!(send(named(name)).await.is_err(), "{name}");
    }
    for fault in [
        Fault::Delay { ms: 1 },
        Fault::HangAfter { ms: 1 },
        Fault::SlowBody { ms_per_byte: 0 },
    ] {
        let name = fault.name();
        let page: Value = send(fault).await.unwrap().json().await.unwrap();
        assert_eq!(page, right, "{name}");
    }
    let broken = send(named("truncated")).await.unwrap();
    assert!(broken.bytes().await.is_err());
    for name in ["not_json", "empty"] {
        let page = send(named(name)).await.unwrap();
        assert!(page.json::<Value>().await.is_err(), "{name}");
    }
    let page = async |name| {
        let page = send(named(name)).await.unwrap();
        page.json::<Value>().await.unwrap()
    };
    assert_eq!(page("missing_fields").await.get("num_results"), None);
    assert!(!page("wrong_types").await["results"].is_array());
    assert_ne!(page("wrong_id").await["id"], "t");
    let quoted = page("quoted_numbers").await;
    assert_eq!(quoted["num_results"], "40");
    assert_eq!(rows(&quoted).len(), 40);
}

#[tokio::test]
async fn the_log_has_each_request_for_results() {
    let api = api().await;
    api.simulator
        .settings(|settings| settings.semantics.results_order = ResultsOrder::Shuffled);
    assert_ne!(api.results().await, api.results().await);
    api.get("/t").await;
    api.get("?offset=3").await;
    api.send("/u/results?offset=20&limit=10").await.unwrap();
    api.send("/none/results?offset=x&limit=1000").await.unwrap();
    api.simulator
        .script(Rule::once(On::Results, named("lost_after")));
    assert!(api.send("/u/results?limit=5").await.is_err());
    let log = api.simulator.requests();
    assert_eq!((log.by_kind["results"], log.lists.len()), (5, 1));
    assert_eq!(
        (log.lists[0].task.as_ref(), log.lists[0].offset),
        (None, Some(3))
    );
    let seen = log.results.iter();
    let seen = seen.map(|page| {
        let task = page.task.as_deref().unwrap();
        (page.seq, task, page.offset, page.limit, page.status)
    });
    let expected = [
        (1, "t", None, None, Some(200)),
        (2, "t", None, None, Some(200)),
        (5, "u", Some(20), Some(10), Some(200)),
        (6, "none", None, Some(1000), Some(422)),
        (7, "u", None, Some(5), None),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert!(log.results.iter().map(|page| page.at).is_sorted());
}
