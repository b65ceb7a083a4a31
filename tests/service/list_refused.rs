//! A list that is refused, broken or slow: polls of single tasks go on as without it.

use crate::support::list::Listed;
use futures_util::{StreamExt, stream};
use growd_simulator::{Fault, On, Rule};
use serde_json::json;
use std::time::Duration;

/// The number of services that run side by side.
const AT_ONCE: usize = 4;

/// The case that the client gives up.
const TIMEOUT: &str = "timeout";

/// What follows from an answer to a request for the list.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// The list is left alone for 10 minutes, and an event says so.
    Unusable,
    /// It is left alone for some seconds.
    LeftAlone,
    /// The gate closes, as for a poll, until a probe opens it.
    Gate(&'static str),
}

fn fault(json: serde_json::Value) -> Fault {
    serde_json::from_value(json).unwrap()
}

fn named(name: &str) -> Fault {
    Fault::named(name).unwrap()
}

fn cases() -> Vec<(&'static str, Fault, Then)> {
    let too_many = json!({"kind": "status", "code": 429, "headers": {"Retry-After": "1"}});
    vec![
        ("404", named("404"), Then::Unusable),
        ("405", named("405"), Then::Unusable),
        ("400", named("400"), Then::Unusable),
        ("page_404", named("page_404"), Then::Unusable),
        ("redirect", named("redirect"), Then::Unusable),
        (
            "truncated JSON",
            fault(json!({"kind": "status", "code": 200, "text": "[{\"id\": \"a"})),
            Then::Unusable,
        ),
        ("not JSON", named("not_json"), Then::Unusable),
        (
            "over 16 MiB",
            Fault::Huge { bytes: 17 << 20 },
            Then::Unusable,
        ),
        ("500", named("500"), Then::LeftAlone),
        ("503", named("503"), Then::LeftAlone),
        ("cut short", named("truncated"), Then::LeftAlone),
        ("reset", named("reset"), Then::LeftAlone),
        (TIMEOUT, Fault::Hang { ms: 60_000 }, Then::LeftAlone),
        ("429", fault(too_many), Then::Gate("rate_limited")),
        // `GET /v1/user` shows that this concerns the list alone.
        ("401", named("401"), Then::Unusable),
        ("403", named("403"), Then::Unusable),
        ("402", named("402"), Then::Unusable),
    ]
}

/// Each page meets `fault`.
async fn grows((name, fault, then): (&'static str, Fault, Then)) {
    let mut listed = Listed::new(|_| {}).await;
    // A machine under load takes seconds for 17 MiB.
    let seconds = if name == TIMEOUT { 3 } else { 60 };
    listed.bench.settings.api.timeout = Duration::from_secs(seconds);
    listed.bench.service.script(Rule::always(On::List, fault));
    listed.bench.start();
    listed.until_all_ended().await;
    listed.bench.stop().await;
    listed.collect();
    let figures = listed.figures().await;
    println!("{name}: {figures:?}");
    listed.assert_all_reached(name).await;
    let unusable: i64 = listed
        .bench
        .value("SELECT count(*) FROM events WHERE kind = 'list_unusable'")
        .await;
    assert_eq!(unusable, i64::from(then == Then::Unusable), "{name}");
    let kinds: Option<String> = listed
        .bench
        .value("SELECT group_concat(DISTINCT detail ->> 'to') FROM events WHERE kind = 'gate' AND detail ->> 'to' <> 'open'")
        .await;
    let expected = match then {
        Then::Gate(kind) => Some(kind),
        _ => None,
    };
    assert_eq!(kinds.as_deref(), expected, "{name}");
    match then {
        Then::Unusable => assert_eq!(figures.pages, 1, "{name}"),
        Then::LeftAlone => assert!(figures.pages <= 3, "{name}: {figures:?}"),
        Then::Gate(_) => {}
    }
    // No page delays a poll: until the first end, each task is polled as without the list.
    assert_eq!(figures.shown, figures.polls, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_or_broken_list_ends_no_task_and_is_left_alone() {
    stream::iter(cases())
        .map(|case| tokio::spawn(grows(case)))
        .buffer_unordered(AT_ONCE)
        .for_each(async |done| done.unwrap())
        .await;
}

/// The account is refused while pages are read. The gate closes, and opens again once a poll is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_account_on_a_page_closes_the_gate_for_a_while() {
    let mut listed = Listed::new(|_| {}).await;
    for on in [On::List, On::User] {
        listed.bench.service.script(Rule::always(on, named("401")));
    }
    listed.bench.start();
    listed.until_all_ended().await;
    listed.bench.stop().await;
    listed.collect();
    listed.assert_all_reached("401").await;
    // Polls are answered, so the list is left alone.
    assert_eq!(listed.count("list"), 1);
    let kinds: String = listed
        .bench
        .value("SELECT group_concat(detail ->> 'to') FROM events WHERE kind = 'gate'")
        .await;
    assert_eq!(kinds, "unauthorized,open");
}
