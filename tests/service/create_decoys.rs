//! Tasks of colleagues in the list that are nearly as an unanswered create asked: which of them is taken for its task.

use crate::support::proxy::{Proxy, Reply, Request};
use crate::support::searches::{QUERY, searching};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn criteria(text: &str) -> Value {
    json!([{ "key": "fit", "name": "Fit", "criterion": text }])
}

const CRITERION: &str = "It sells software to freight forwarders.";

/// An entry of the list, as the create of the test asks for it.
fn same(id: &str, age: SignedDuration) -> Value {
    let created_at = Timestamp::now().checked_sub(age).unwrap();
    json!({
        "id": id, "created_at": created_at.to_string(), "status": "done", "query": QUERY,
        "desired_num_results": 40, "is_exhausted": false, "num_results_discovered": 80,
        "num_results_enriched": 80, "num_results_evaluated": 80, "num_results": 40,
        "criteria": criteria(CRITERION), "exclude_domains": ["known.com"],
    })
}

/// Entries that differ from it in one respect each.
fn different() -> Vec<Value> {
    let minute = SignedDuration::from_mins(1);
    let but = |id: &str, field: &str, value: Value| {
        let mut entry = same(id, minute);
        entry[field] = value;
        entry
    };
    vec![
        but("other-query", "query", json!(format!("{QUERY} in Spain"))),
        but("fewer", "desired_num_results", json!(39)),
        but("more", "desired_num_results", json!(41)),
        but("resumed", "desired_num_results", json!(80)),
        but("other-criteria", "criteria", criteria("It is in Spain.")),
        but("no-exclusions", "exclude_domains", json!([])),
        but(
            "other-exclusions",
            "exclude_domains",
            json!(["another.com"]),
        ),
        but(
            "more-exclusions",
            "exclude_domains",
            json!(["known.com", "another.com"]),
        ),
        same("too-old", SignedDuration::from_mins(61)),
    ]
}

/// Returns the page of `list` that a request asks for.
fn page(request: &Request, list: &[Value]) -> Reply {
    let number = |name: &str| {
        let (_, rest) = request.path.split_once(&format!("{name}="))?;
        rest.split('&').next()?.parse::<usize>().ok()
    };
    let (offset, limit) = (number("offset").unwrap(), number("limit").unwrap());
    let page: Vec<&Value> = list.iter().skip(offset).take(limit).collect();
    let body = json!(page).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Reply::Bytes((head + &body).into_bytes())
}

/// The first create gets no answer and never arrives, and the list shows these tasks. Returns each create's state and task.
async fn settled_by(list: Vec<Value>) -> Vec<(String, Option<String>)> {
    let mut bench = searching(|_| {}).await;
    bench.settings.policy.growth.settle = Duration::from_secs(1);
    let is_first = Arc::new(AtomicBool::new(true));
    let proxy = Proxy::to(bench.service.addr(), move |request| {
        let is_list = request.path.starts_with("/v1/discovery_tasks?");
        if request.is_resume() && is_first.swap(false, Ordering::Relaxed) {
            return Reply::Bytes(Vec::new());
        }
        if is_list {
            return page(request, &list);
        }
        Reply::Forward
    })
    .listening();
    bench.settings.api.base_url = proxy.url().trim_matches('"').parse().unwrap();
    let sql = "INSERT INTO searches (search, query, target, criteria, exclude_domains) VALUES ('s', ?, 40, ?, ?)";
    sqlx::query(sql)
        .bind(QUERY)
        .bind(criteria(CRITERION).to_string())
        .bind(r#"["https://www.known.com/about"]"#)
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
    bench.start();
    bench
        .until("SELECT count(*) > 0 FROM creates WHERE state = 'accepted'")
        .await;
    let creates = bench.creates().await.into_iter();
    let outcome = creates.map(|create| (create.state, create.task_id));
    let outcome = outcome.collect();
    bench.stop().await;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_differs_in_any_respect_is_not_taken_for_the_one_that_was_created() {
    let outcome = settled_by(different()).await;
    let states: Vec<&str> = outcome.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, ["lost", "accepted"], "{outcome:?}");
    let (_, task) = &outcome[1];
    let is_decoy = |entry: &Value| entry["id"].as_str() == task.as_deref();
    assert!(!different().iter().any(is_decoy), "{task:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_are_the_same_the_oldest_of_the_last_hour_is_taken() {
    let mut list = different();
    list.push(same("newer", SignedDuration::from_mins(5)));
    list.push(same("oldest", SignedDuration::from_mins(59)));
    list.push(same("newest", SignedDuration::ZERO));
    // White space and the order of domains do not matter.
    list[9]["query"] = json!(format!("  {QUERY}\n"));
    let outcome = settled_by(list).await;
    let expected = ("accepted".to_owned(), Some("oldest".to_owned()));
    assert_eq!(outcome, [expected]);
}
