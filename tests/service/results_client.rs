//! `Client::results`: the request, the limits of the answer, and the stand-in's pages.

use growd::config::Api;
use growd::core::results::ResultsPage;
use growd::core::{Failure, Status, TaskId};
use growd::extruct::Client;
use growd::token::Token;
use growd_simulator::{Options, Scenario, start};
use serde_json::{Value, json};
use std::time::Duration;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOKEN: &str = "a-Token-for-tests";

const ID: &str = "0f6c1f0a-5d5e-4b0e-9a51-0d8f6a1f2c3b";

fn id() -> TaskId {
    ID.parse().unwrap()
}

fn client(base_url: &str) -> Client {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let api = Api {
        base_url: base_url.parse().unwrap(),
        token_file: Some(file),
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(30),
    };
    Client::new(&api, Token::find(&api).unwrap()).unwrap()
}

fn page_of(rows: &Value) -> Value {
    json!({
        "id": ID, "status": "done", "desired_num_results": 50, "num_results": 50, "results": rows,
    })
}

/// A service that answers every request like this.
async fn service(answer: ResponseTemplate) -> MockServer {
    let service = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(answer)
        .mount(&service)
        .await;
    service
}

async fn read(answer: ResponseTemplate) -> Result<ResultsPage, Failure> {
    let service = service(answer).await;
    client(&service.uri()).results(&id(), 0, 100).await
}

#[tokio::test]
async fn a_page_is_asked_for_by_offset_and_limit_and_past_caches() {
    let service = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/below/v1/discovery_tasks/{ID}/results")))
        .and(query_param("offset", "18446744073709551615"))
        .and(query_param("limit", "7"))
        .and(header("cache-control", "no-cache"))
        .and(header("accept", "application/json"))
        .and(header("authorization", format!("Bearer {TOKEN}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(page_of(&json!([{"id": "r"}, 7]))))
        .expect(1)
        .mount(&service)
        .await;
    let client = client(&format!("{}/below/", service.uri()));
    let page = client.results(&id(), u64::MAX, 7).await.expect("a page");
    assert_eq!((page.len, page.rows.len()), (2, 1));
    assert_eq!(page.rows[0].result_id, "r");
    assert_eq!((page.seen.status, page.seen.results), (Status::Done, 50));
    let left_out = page.left_out.expect("a reason");
    assert_eq!(left_out, "1 of 2 rows; first: it is no object");
}

#[tokio::test]
async fn a_page_of_up_to_16_mib_is_read_and_a_longer_one_is_not_understood() {
    const MAX: usize = 16 * 1024 * 1024;
    let page = page_of(&json!([{"id": "r"}])).to_string();
    for (length, is_read) in [(MAX, true), (MAX + 1, false)] {
        let body = format!("{}{page}", " ".repeat(length - page.len()));
        match read(ResponseTemplate::new(200).set_body_string(body)).await {
            Ok(page) => assert!(is_read && page.rows.len() == 1, "{length}"),
            Err(failure) => {
                let expected = "200: not understood: the answer is over 16777216 bytes";
                assert_eq!(failure.to_string(), expected);
                assert!(!is_read, "{length}");
            }
        }
    }
}

#[tokio::test]
async fn each_status_falls_into_its_class() {
    let own = r#"{"detail":"its words"}"#;
    for (code, body, class) in [
        (307, own, "Unexpected"),
        (400, own, "Refused"),
        (401, own, "Unauthorized"),
        (402, own, "PaymentRequired"),
        (402, "<html>", "Unanswered"),
        (403, own, "Forbidden"),
        (403, r#"{"detail":"plan_required"}"#, "PaymentRequired"),
        (403, "", "Unanswered"),
        (404, own, "NotFound"),
        (404, "<html>", "Unanswered"),
        (410, own, "NotFound"),
        (422, own, "Refused"),
        (422, "", "Refused"),
        (429, own, "RateLimited"),
        (500, own, "Unanswered"),
        (503, "", "Unanswered"),
        (200, "<html>", "NotUnderstood"),
        (200, own, "NotUnderstood"),
        (204, "", "NotUnderstood"),
    ] {
        let answer = ResponseTemplate::new(code).set_body_string(body);
        let failure = read(answer).await.expect_err("a failure");
        let found = format!("{failure:?}");
        assert!(found.starts_with(class), "{code} {body}: {found}");
        assert_eq!(failure.status(), Some(code), "{found}");
    }
}

#[tokio::test]
async fn the_token_is_redacted_wherever_it_occurs() {
    let row = json!({
        "id": "r",
        "company_name": format!("the {TOKEN}!"),
        "company_website": format!("https://{TOKEN}.example.com"),
        "scores": {TOKEN: {"explanation": [TOKEN]}},
        TOKEN: TOKEN.to_uppercase(),
        "new": [{"x": TOKEN}],
    });
    let other = json!({"id": TOKEN});
    let rows = json!([row, other]);
    let answer = ResponseTemplate::new(200).set_body_json(page_of(&rows));
    let page = read(answer).await.expect("a page");
    assert_eq!((page.len, page.rows.len()), (2, 2));
    assert_eq!(
        page.rows[0].company_name.as_deref(),
        Some("the [redacted]!")
    );
    assert_eq!(page.rows[0].domain, None);
    let kept = format!("{page:?}").to_lowercase();
    assert!(!kept.contains(&TOKEN.to_lowercase()), "{kept}");
    assert_eq!(kept.matches("[redacted]").count(), 8, "{kept}");

    // In an error too.
    let mut page = page_of(&json!([]));
    page["results"] = json!(TOKEN);
    let answer = ResponseTemplate::new(200).set_body_json(page);
    let failure = read(answer).await.expect_err("no list").to_string();
    assert!(failure.contains("[redacted]"), "{failure}");
    assert!(!failure.contains(TOKEN), "{failure}");
}

#[tokio::test]
async fn all_pages_of_the_stand_in_are_read_whole() {
    let mut options = Options::default();
    options.settings.speed = 0.0;
    options.tasks.push(Scenario::done(25));
    let simulator = start(options).await.unwrap();
    let client = client(&simulator.url());
    let id = client.list(0, 1).await.expect("a list").entries[0]
        .id
        .clone();
    let poll = client.poll(&id).await.outcome.expect("a task");
    let mut rows = Vec::new();
    loop {
        let offset = rows.len() as u64;
        let page = client.results(&id, offset, 10).await.expect("a page");
        assert_eq!((&page.seen, &page.left_out), (&poll, &None));
        assert_eq!(page.len, page.rows.len());
        if page.len == 0 {
            break;
        }
        rows.extend(page.rows);
    }
    assert_eq!(rows.len(), 25);
    for row in &rows {
        assert!(
            row.company_name.is_some() && row.relevance.is_some(),
            "{row:?}"
        );
        assert!(row.scores.is_some() && row.created_at.is_some(), "{row:?}");
        assert_eq!(row.domain.is_some(), row.company_website.is_some());
        assert_eq!(row.extra, None);
    }
    // The stand-in knows most websites, not all.
    assert!(rows.iter().filter(|row| row.domain.is_some()).count() > 15);
    assert!(rows.is_sorted_by(|one, next| one.relevance >= next.relevance));
}
