//! Creates with hostile answers, and edits of the tables of searches by hand.

use crate::support::Bench;
use crate::support::proxy::{Proxy, Reply};
use crate::support::searches::{QUERY, searching};
use growd_simulator::{Fault, On, Rule, Scenario};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The id that the next create is answered with, in place of its own.
type AnswerId = Arc<Mutex<Option<String>>>;

async fn bench() -> Bench {
    let mut bench = searching(|_| {}).await;
    bench.settings.policy.growth.settle = Duration::from_secs(1);
    bench
}

/// Puts a proxy in front of the service that answers the next create itself, with a task of this id.
fn answering(bench: &mut Bench, id: &AnswerId) -> Proxy {
    let id = id.clone();
    let proxy = Proxy::to(bench.service.addr(), move |request| {
        if !request.is_resume() || request.path.ends_with("/resume") {
            return Reply::Forward;
        }
        let Some(id) = id.lock().unwrap().take() else {
            return Reply::Forward;
        };
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let body = json!({
            "id": id, "status": "created", "query": asked["query"], "is_exhausted": false,
            "desired_num_results": asked["desired_num_results"], "num_results_discovered": 0,
            "num_results_enriched": 0, "num_results_evaluated": 0, "num_results": 0,
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Reply::Bytes((head + &body).into_bytes())
    })
    .listening();
    bench.settings.api.base_url = proxy.url().trim_matches('"').parse().unwrap();
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_answered_with_the_id_of_another_searchs_task_is_refused_and_leaves_that_alone() {
    let mut bench = bench().await;
    let id = AnswerId::default();
    let _proxy = answering(&mut bench, &id);
    bench.search("first", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    let task: String = bench.value("SELECT task_id FROM tasks").await;
    *id.lock().unwrap() = Some(task.clone());
    bench.search("second", "another query", 40).await;
    bench.until_searches_end().await;
    let (state, reason, _) = bench.search_state("second").await;
    assert_eq!(state, "refused", "{reason}");
    assert!(reason.contains(&task), "{reason}");
    bench.assert_reached("first", "it is left alone").await;
    let owner: String = bench.value("SELECT search FROM tasks").await;
    assert_eq!(owner, "first");
    bench.execute("UPDATE searches SET retry = retry + 1").await;
    bench
        .until("SELECT min(state = 'reached') FROM search_progress")
        .await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_answered_with_the_id_of_an_ordinary_task_makes_it_the_part() {
    let mut bench = bench().await;
    let id = AnswerId::default();
    let _proxy = answering(&mut bench, &id);
    let task = bench.grow(&Scenario::done(60), 60).await;
    *id.lock().unwrap() = Some(task.to_string());
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("s", "the task has enough").await;
    let parts: i64 = bench
        .value("SELECT count(*) FROM tasks WHERE search = 's' AND part = 1")
        .await;
    assert_eq!(parts, 1);
    assert_eq!(bench.received("create"), 0, "the service got none");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_another_form_and_control_characters_make_the_same_part() {
    let mut bench = bench().await;
    let id = AnswerId::default();
    let _proxy = answering(&mut bench, &id);
    let task = bench.service.add_task(&Scenario::done(60));
    *id.lock().unwrap() = Some(task.to_uppercase());
    bench.search("upper", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    let part: String = bench.value("SELECT task_id FROM tasks").await;
    assert_eq!(part, task);
    for name in ["raw_controls", "byte_order_mark", "quoted_numbers"] {
        let fault = Fault::named(name).unwrap();
        bench.service.script(Rule::once(On::Create, fault));
        bench.search(name, "a query\twith a tab", 40).await;
        bench.until_searches_end().await;
        bench.assert_reached(name, name).await;
    }
    let readings = bench.received("list");
    assert_eq!(readings, 0, "each answer was understood");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_names_another_task_for_the_created_one_ends_the_search_as_missing() {
    let mut bench = bench().await;
    bench
        .service
        .script(Rule::once(On::Create, Fault::LostAfter));
    bench
        .service
        .script(Rule::always(On::List, Fault::named("list_others").unwrap()));
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    let (state, reason, _) = bench.search_state("s").await;
    assert_eq!(state, "missing", "{reason}");
    assert_eq!(bench.received("create"), 1, "nothing is created twice");
    bench.stop().await;
}

/// Starts a search whose create takes effect, and whose answer comes after `edit`.
async fn edited_in_flight(edit: &'static str) -> Bench {
    let mut bench = bench().await;
    bench
        .service
        .script(Rule::once(On::Create, Fault::HangAfter { ms: 1_000 }));
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench
        .until_service("a create takes effect", |bench| {
            bench.creates_in_effect().len() == 1
        })
        .await;
    bench.execute(edit).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_ledger_that_is_deleted_while_its_create_is_in_flight_loses_no_task() {
    let mut bench = edited_in_flight("DELETE FROM creates").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "the row is gone").await;
    let told = bench.search_events("s", "search_not_stored").await;
    assert!(
        told[0]["error"]
            .as_str()
            .unwrap()
            .contains("deleted from the ledger"),
        "{told:?}"
    );
    // The task that was paid for is managed all the same.
    for create in bench.creates_in_effect() {
        let id = create.task_id.unwrap();
        let known: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tasks WHERE task_id = ?)")
                .bind(&id)
                .fetch_one(&mut bench.connection().await)
                .await
                .unwrap();
        assert!(known, "{id}: {}", bench.dump_searches().await);
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_progress_that_is_deleted_while_a_create_is_in_flight_changes_nothing() {
    let mut bench = edited_in_flight("DELETE FROM search_progress").await;
    bench.until_searches_end().await;
    bench.assert_reached("s", "progress was deleted").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.creates_in_effect().len(), 1);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_inserted_by_hand_while_a_create_is_in_flight_is_no_obstacle() {
    let mut bench = edited_in_flight(
        "INSERT INTO tasks (task_id, target, search, part, paused) VALUES ('by-hand', 5, 's', 1, 0)",
    )
    .await;
    bench
        .until("SELECT count(*) = 1 FROM creates WHERE state = 'accepted'")
        .await;
    bench.assert_creates_agree().await;
    let parts: Vec<(i64, bool)> =
        sqlx::query_as("SELECT part, task_id = 'by-hand' FROM tasks ORDER BY part")
            .fetch_all(&mut bench.connection().await)
            .await
            .unwrap();
    assert_eq!(parts, [(1, true), (2, false)]);
    bench.until_searches_end().await;
    bench.assert_reached("s", "the next number is free").await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_time_that_is_nonsense_or_far_ahead_is_corrected() {
    for next_at in [
        "soon",
        "",
        "9999-12-31T23:59:59.000Z",
        "2031-01-01T00:00:00",
    ] {
        let mut bench = bench().await;
        bench.search("s", QUERY, 40).await;
        sqlx::query("UPDATE search_progress SET next_at = ?")
            .bind(next_at)
            .execute(&mut bench.connection().await)
            .await
            .unwrap();
        bench.start();
        bench.until_searches_end().await;
        bench.assert_reached("s", next_at).await;
        assert_eq!(bench.creates_in_effect().len(), 1, "{next_at}");
        bench.stop().await;
    }
}
