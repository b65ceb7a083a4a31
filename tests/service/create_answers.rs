//! What each answer to a create leads to, row by row: the ledger, the gate, the search, and what comes next.

use crate::support::Bench;
use crate::support::proxy::{Proxy, Reply};
use crate::support::searches::{QUERY, searching};
use futures_util::{StreamExt, stream};
use growd_simulator::{Fault, On, Rule};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The number of services that run side by side.
const AT_ONCE: usize = 6;

/// `growth.settle`: longer than any effect is late.
const SETTLE: Duration = Duration::from_secs(2);

/// What an answer to a create leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// The outcome is not known: the list is searched for the task, and nothing else is created meanwhile.
    Looks,
    /// The search is refused, with the service's words.
    Refused,
    /// The create is rejected, and asked again later.
    Again,
}

#[derive(Debug, Clone)]
struct Row {
    fault: Fault,
    then: Then,
    /// `http_status` in the ledger.
    status: Option<u16>,
    /// A part of `detail` in the ledger.
    words: &'static str,
}

fn named(name: &str) -> Fault {
    Fault::named(name).expect(name)
}

fn rows() -> Vec<Row> {
    let row = |fault, then, status, words| Row {
        fault,
        then,
        status,
        words,
    };
    let redirect = |status| Fault::Redirect {
        status,
        location: "/v1/moved".to_owned(),
    };
    let huge = Fault::Huge {
        bytes: (1 << 20) + 1,
    };
    let hang = 20_000;
    let mut rows = vec![
        row(named("not_json"), Then::Looks, Some(200), "an HTML page"),
        row(named("missing_fields"), Then::Looks, Some(200), "missing"),
        row(named("wrong_types"), Then::Looks, Some(200), "invalid type"),
        row(named("empty"), Then::Looks, Some(200), "EOF"),
        row(huge, Then::Looks, Some(200), "over 1048576 bytes"),
        row(redirect(303), Then::Looks, Some(303), "not followed"),
        row(redirect(307), Then::Again, Some(307), "not followed"),
        row(named("405"), Then::Again, Some(405), "Method Not Allowed"),
        row(named("400"), Then::Refused, Some(400), "Bad Request"),
        row(named("422"), Then::Refused, Some(422), ""),
        row(named("404"), Then::Refused, Some(404), "Not Found"),
        // A proxy's pages say nothing about the search or the account.
        row(named("page_402"), Then::Looks, Some(402), "HTML page"),
        row(named("page_403"), Then::Looks, Some(403), "HTML page"),
        row(named("page_404"), Then::Looks, Some(404), "HTML page"),
        row(Fault::Hang { ms: hang }, Then::Looks, None, "timeout"),
        row(Fault::HangAfter { ms: hang }, Then::Looks, None, "timeout"),
        row(named("late"), Then::Looks, None, ""),
        row(named("truncated"), Then::Looks, None, ""),
    ];
    for code in [408, 409, 500, 502, 503, 504] {
        for suffix in ["", "_after"] {
            let fault = named(&format!("{code}{suffix}"));
            rows.push(row(fault, Then::Looks, Some(code), ""));
        }
    }
    for fault in ["lost_before", "lost_after", "reset", "reset_after"] {
        rows.push(row(named(fault), Then::Looks, None, ""));
    }
    rows
}

async fn bench() -> Bench {
    let mut bench = searching(|_| {}).await;
    bench.settings.policy.growth.settle = SETTLE;
    bench.settings.api.timeout = Duration::from_secs(3);
    bench
}

async fn gate(bench: &Bench) -> (String, String) {
    sqlx::query_as("SELECT gate, coalesce(gate_reason, '') FROM daemon")
        .fetch_one(&mut bench.connection().await)
        .await
        .expect("a row")
}

/// The first create meets the fault. The list cannot be read at first, so that what growd does until then can be seen.
async fn first_create_answered(row: Row) {
    let when = format!("{row:?}");
    let mut bench = bench().await;
    bench
        .service
        .script(Rule::once(On::Create, row.fault.clone()));
    bench.service.script(Rule::always(On::List, named("500")));
    bench.search("s", QUERY, 40).await;
    bench.start();
    match row.then {
        Then::Looks => looks_in_the_list(&bench, &row, &when).await,
        Then::Refused => {
            bench.until_searches_end().await;
            let (state, reason, _) = bench.search_state("s").await;
            assert_eq!(state, "refused", "{when}: {reason}");
            let status = row.status.unwrap().to_string();
            assert!(reason.contains(&status), "{when}: {reason}");
            assert!(reason.contains(row.words), "{when}: {reason}");
            let due: bool = bench
                .value("SELECT next_at IS NOT NULL FROM search_progress")
                .await;
            assert!(!due, "{when}: it is not asked again");
            assert_eq!(bench.create_states().await, ["rejected"], "{when}");
            bench.execute("UPDATE searches SET retry = retry + 1").await;
            bench
                .until("SELECT state = 'reached' FROM search_progress")
                .await;
            assert_eq!(
                bench.create_states().await,
                ["rejected", "accepted"],
                "{when}"
            );
        }
        Then::Again => {
            bench.until_searches_end().await;
            assert_eq!(
                bench.create_states().await,
                ["rejected", "accepted"],
                "{when}"
            );
        }
    }
    let first = &bench.creates().await[0];
    assert_eq!(first.http_status, row.status, "{when}: {first:?}");
    bench.assert_reached("s", &when).await;
    bench.assert_creates_agree().await;
    let gates: i64 = bench
        .value("SELECT count(*) FROM events WHERE kind = 'gate'")
        .await;
    assert_eq!(gates, 0, "{when}: the gate stays open");
    bench.stop().await;
}

async fn looks_in_the_list(bench: &Bench, row: &Row, when: &str) {
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'create_unanswered'")
        .await;
    let readings = |bench: &Bench| bench.received("list") >= 3;
    bench
        .until_service("three readings of the list", readings)
        .await;
    let creates = bench.creates().await;
    let [create] = &creates[..] else {
        panic!("{when}: {creates:?}")
    };
    assert_eq!(create.state, "intended", "{when}");
    assert_eq!(create.http_status, row.status, "{when}: {create:?}");
    let detail = create.detail.clone().unwrap_or_default();
    assert!(detail.contains(row.words), "{when}: {detail}");
    let (state, reason, _) = bench.search_state("s").await;
    assert_eq!(state, "growing", "{when}");
    assert!(
        reason.contains("part 1 was asked for without an answer"),
        "{when}: {reason}"
    );
    assert_eq!(bench.received("create"), 1, "{when}");
    bench.service.clear_script();
    bench.until_searches_end().await;
    let creates = bench.creates().await;
    if row.fault.takes_effect() {
        let found = bench.search_events("s", "create_found").await;
        assert_eq!(found.len(), 1, "{when}");
        assert_eq!(bench.create_states().await, ["accepted"], "{when}");
        return;
    }
    assert_eq!(bench.create_states().await, ["lost", "accepted"], "{when}");
    let [first, second] = &creates[..] else {
        panic!("{when}: {creates:?}")
    };
    assert!(
        first.resolved() - first.sent() >= SETTLE.as_secs_f64(),
        "{when}: {first:?}"
    );
    assert!(
        second.sent() >= first.resolved(),
        "{when}: {first:?} {second:?}"
    );
    let requests = bench.service.requests();
    let last = requests
        .last
        .iter()
        .rposition(|request| request.kind == "create");
    let readings = requests.lists.iter().filter(|page| {
        page.status == Some(200)
            && page.offset == Some(0)
            && page.seq < requests.last[last.unwrap()].seq
    });
    assert!(
        readings.count() >= 2,
        "{when}: two readings before the next"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_to_a_create_leads_to_one_defined_result_and_the_search_goes_on() {
    let rows = rows();
    assert!(rows.len() > 30, "{}", rows.len());
    stream::iter(rows)
        .map(|row| tokio::spawn(first_create_answered(row)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}

/// Each create is answered so, until the gate was probed a few times.
async fn account_refused(fault: Fault, kind: &'static str, gap: f64) {
    let when = format!("{fault:?}");
    let mut bench = bench().await;
    bench
        .service
        .script(Rule::always(On::Create, fault.clone()));
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench
        .until("SELECT count(*) >= 3 FROM creates WHERE state = 'rejected'")
        .await;
    bench
        .until(
            "SELECT reason LIKE '%a create is due; the account is refused: %'
                 OR reason LIKE 'part 1 was asked for in vain (4%' FROM search_progress",
        )
        .await;
    assert_eq!(gate(&bench).await.0, kind, "{when}");
    let mut creates = bench.creates().await;
    creates.retain(|create| create.state == "rejected");
    for two in creates.windows(2) {
        let passed = two[1].sent() - two[0].resolved();
        assert!(
            passed >= gap - 0.002,
            "{when}: one probe each interval: {passed} s"
        );
    }
    assert!(creates.iter().all(|create| create.http_status.is_some()));
    bench.service.clear_script();
    bench.until_searches_end().await;
    bench.assert_reached("s", &when).await;
    bench.assert_creates_agree().await;
    assert_eq!(gate(&bench).await.0, "open", "{when}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_the_account_may_not_make_is_a_probe_at_most_once_an_interval() {
    let cases = [
        ("401", "unauthorized", 0.1),
        ("402", "payment_required", 0.1),
        ("402_insufficient_credits", "payment_required", 0.1),
        ("403_plan_required", "payment_required", 0.1),
        ("403", "payment_required", 0.1),
        ("429", "rate_limited", 1.0),
    ];
    let runs = cases.map(|(fault, kind, gap)| account_refused(named(fault), kind, gap));
    futures_util::future::join_all(runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_creates_alone_are_answered_403_is_refused_and_holds_up_no_other() {
    let mut bench = bench().await;
    let forbids = Arc::new(AtomicBool::new(true));
    let answers = forbids.clone();
    let body = json!({"detail": "this query is not for you"}).to_string();
    let proxy = Proxy::to(bench.service.addr(), move |request| {
        let is_mine = String::from_utf8_lossy(&request.body).contains("a forbidden query");
        if request.is_resume() && is_mine && answers.load(Ordering::Relaxed) {
            let length = body.len();
            let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json";
            let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
            return Reply::Bytes(answer.into_bytes());
        }
        Reply::Forward
    })
    .listening();
    bench.settings.api.base_url = proxy.url().trim_matches('"').parse().unwrap();
    bench.search("mine", "a forbidden query", 40).await;
    bench.start();
    bench
        .until("SELECT count(*) >= 1 FROM creates WHERE http_status = 403")
        .await;
    assert_eq!(
        gate(&bench).await,
        (
            "payment_required".to_owned(),
            "this query is not for you".to_owned()
        )
    );
    bench.search("other", QUERY, 40).await;
    bench.until_searches_end().await;
    bench.assert_reached("other", "the other search").await;
    let (state, reason, _) = bench.search_state("mine").await;
    assert_eq!(state, "refused", "{reason}");
    assert!(
        reason.contains("403: this query is not for you"),
        "{reason}"
    );
    let closed_again: i64 = bench
        .value(
            "SELECT count(*) FROM events WHERE kind = 'gate' AND detail ->> 'to' = 'payment_required'
                AND at >= (SELECT resolved_at FROM creates WHERE refusal = 1)",
        )
        .await;
    assert_eq!(closed_again, 0, "the refusal concerns this search only");
    // A create that was under way when the other one was accepted can have closed the gate again, until the next probe.
    bench.search("third", QUERY, 40).await;
    bench.until_searches_end().await;
    bench.assert_reached("third", "it is not held up").await;
    assert_eq!(gate(&bench).await.0, "open");
    forbids.store(false, Ordering::Relaxed);
    bench.execute("UPDATE searches SET retry = retry + 1").await;
    bench
        .until("SELECT min(state = 'reached') FROM search_progress")
        .await;
    bench.assert_creates_agree().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_finds_no_connection_is_unsent_and_asked_again_later() {
    let mut bench = bench().await;
    let proxy = Proxy::to(bench.service.addr(), |_| Reply::Forward);
    bench.settings.api.base_url = proxy.url().trim_matches('"').parse().unwrap();
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench.until("SELECT gate = 'unreachable' FROM daemon").await;
    bench
        .until("SELECT count(*) >= 7 FROM creates WHERE state = 'unsent'")
        .await;
    let creates = bench.creates().await;
    assert!(creates.iter().all(|create| create.http_status.is_none()));
    proxy.listen();
    bench.until_searches_end().await;
    bench.assert_reached("s", "connected").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.creates_in_effect().len(), 1);
    assert_eq!(bench.received("create"), 1, "the others were not sent");
    assert_eq!(bench.received("list"), 0, "nothing is to be looked for");
    bench.stop().await;
}
