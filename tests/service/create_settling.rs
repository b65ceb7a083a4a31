//! How the list settles an unanswered create: found, or lost; and that nothing is created twice meanwhile.

use crate::support::Bench;
use crate::support::searches::{QUERY, searching};
use futures_util::{StreamExt, stream};
use growd_simulator::{Excess, Fault, ListOrder, ListShows, On, Rule};
use std::time::Duration;

/// The number of services that run side by side.
const AT_ONCE: usize = 4;

fn named(name: &str) -> Fault {
    Fault::named(name).expect(name)
}

/// How the list is.
#[derive(Debug, Clone, Default)]
struct Listing {
    order: ListOrder,
    /// Tasks of colleagues. With them the list has several pages.
    strangers: u32,
    /// What happens to a page of more than 10.
    excess: Option<Excess>,
    shows: ListShows,
    create_delay_ms: u64,
    list_delay_ms: u64,
    list_lag_ms: u64,
}

fn lists() -> Vec<Listing> {
    let orders = [
        ListOrder::Newest,
        ListOrder::Oldest,
        ListOrder::Random,
        ListOrder::Shuffled,
    ];
    let paged = |order| Listing {
        order,
        strangers: 35,
        excess: Some(Excess::Clamped),
        ..Listing::default()
    };
    let mut lists: Vec<Listing> = orders.into_iter().map(paged).collect();
    let late = 700;
    lists.extend([
        // It refuses pages of 100.
        Listing {
            excess: Some(Excess::Refused),
            ..paged(ListOrder::Oldest)
        },
        Listing {
            shows: ListShows::Progress,
            ..Listing::default()
        },
        Listing {
            create_delay_ms: late,
            ..paged(ListOrder::Newest)
        },
        Listing {
            list_delay_ms: late,
            ..paged(ListOrder::Oldest)
        },
        Listing {
            list_lag_ms: late,
            ..Listing::default()
        },
    ]);
    lists
}

async fn bench(list: &Listing) -> Bench {
    let mut bench = searching(|options| {
        let semantics = &mut options.settings.semantics;
        semantics.list_order = list.order;
        semantics.strangers = list.strangers;
        semantics.list_excess = list.excess;
        if list.excess.is_some() {
            semantics.list_limit = 10;
            semantics.list_default_limit = 10;
        }
        semantics.list_shows = list.shows;
        semantics.create_delay_ms = list.create_delay_ms;
        semantics.list_delay_ms = list.list_delay_ms;
        semantics.list_lag_ms = list.list_lag_ms;
    })
    .await;
    bench.settings.policy.growth.settle = Duration::from_secs(4);
    bench
}

/// Both creates of a search take effect without an answer: the second excludes what the first found.
async fn found_in(list: Listing) {
    let when = format!("{list:?}");
    let mut bench = bench(&list).await;
    let twice = Rule {
        times: Some(2),
        ..Rule::once(On::Create, Fault::LostAfter)
    };
    bench.service.script(twice);
    bench.search("s", QUERY, 300).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("s", &when).await;
    bench.assert_creates_agree().await;
    assert_eq!(
        bench.create_states().await,
        ["accepted", "accepted"],
        "{when}"
    );
    let found = bench.search_events("s", "create_found").await;
    let alone: Vec<_> = found.iter().map(|found| &found["candidates"]).collect();
    assert_eq!(alone, [1, 1], "{when}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_took_effect_is_found_in_whatever_order_and_delay_the_list_has() {
    stream::iter(lists())
        .map(|list| tokio::spawn(found_in(list)))
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_never_arrived_is_asked_again_later_each_time() {
    let settle = Duration::from_millis(500);
    let mut bench = bench(&Listing::default()).await;
    bench.settings.policy.growth.settle = settle;
    let thrice = Rule {
        times: Some(3),
        ..Rule::once(On::Create, Fault::LostBefore)
    };
    bench.service.script(thrice);
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("s", "lost three times").await;
    bench.assert_creates_agree().await;
    let creates = bench.creates().await;
    let states: Vec<&str> = creates.iter().map(|create| create.state.as_str()).collect();
    assert_eq!(states, ["lost", "lost", "lost", "accepted"]);
    for (lost, factor) in creates.windows(2).zip([1.0, 2.0, 4.0]) {
        let [lost, next] = lost else { panic!() };
        let settle = settle.as_secs_f64();
        assert!(lost.resolved() - lost.sent() >= settle, "{lost:?}");
        let passed = next.sent() - lost.sent();
        assert!(passed >= factor * settle, "{passed} s: {lost:?} {next:?}");
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_searches_with_one_query_each_find_a_task_of_their_own() {
    let mut bench = bench(&Listing::default()).await;
    let twice = Rule {
        times: Some(2),
        ..Rule::once(On::Create, Fault::LostAfter)
    };
    bench.service.script(twice);
    bench.search("a", QUERY, 40).await;
    bench.search("b", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("a", "both arrived").await;
    bench.assert_reached("b", "both arrived").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.create_states().await, ["accepted", "accepted"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_searches_with_one_query_the_one_whose_create_was_lost_creates_again() {
    let mut bench = bench(&Listing::default()).await;
    bench.settings.policy.growth.settle = Duration::from_secs(1);
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        bench.service.script(Rule::once(On::Create, fault));
    }
    bench.search("a", QUERY, 40).await;
    bench.search("b", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("a", "one arrived").await;
    bench.assert_reached("b", "one arrived").await;
    bench.assert_creates_agree().await;
    let mut states = bench.create_states().await;
    assert_eq!(states.len(), 3, "{states:?}");
    assert_eq!(states.pop().as_deref(), Some("accepted"));
    states.sort();
    assert_eq!(states, ["accepted", "lost"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_a_create_in_flight_may_have_made_is_taken_for_no_other() {
    let mut bench = bench(&Listing::default()).await;
    bench.settings.policy.growth.settle = Duration::from_millis(500);
    bench.settings.api.timeout = Duration::from_secs(30);
    // The first takes effect at once and is answered late. The second never arrives.
    bench
        .service
        .script(Rule::once(On::Create, Fault::HangAfter { ms: 3_000 }));
    bench
        .service
        .script(Rule::once(On::Create, Fault::LostBefore));
    bench.search("a", QUERY, 40).await;
    bench.start();
    bench
        .until_service("the first create takes effect", |bench| {
            bench.creates_in_effect().len() == 1
        })
        .await;
    bench.search("b", QUERY, 40).await;
    bench.until_searches_end().await;
    bench.assert_reached("a", "answered late").await;
    bench.assert_reached("b", "never arrived").await;
    bench.assert_creates_agree().await;
    let creates = bench.creates().await.into_iter();
    let states: Vec<_> = creates
        .map(|create| (create.search, create.state))
        .collect();
    let expected = [("a", "accepted"), ("b", "lost"), ("b", "accepted")];
    assert_eq!(states, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(bench.search_events("a", "create_found").await.len(), 0);
    bench.stop().await;
}

/// Meanwhile the list is answered so. Returns how the create ended.
async fn while_the_list_is(fault: Fault, times: Option<u32>, create: Fault) -> Vec<String> {
    let when = format!("{fault:?}, {create:?}");
    let mut bench = bench(&Listing::default()).await;
    bench.settings.policy.growth.settle = Duration::from_secs(1);
    bench.service.script(Rule::once(On::Create, create));
    bench.service.script(Rule {
        times,
        ..Rule::once(On::List, fault)
    });
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("s", &when).await;
    bench.assert_creates_agree().await;
    let states = bench.create_states().await;
    bench.stop().await;
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_for_a_while_settles_nothing_until_it_can() {
    let mut cases = Vec::new();
    // After a 404 the next reading is ten minutes away.
    for name in [
        "500",
        "503",
        "reset",
        "not_json",
        "truncated",
        "list_object",
        "401",
        "403",
    ] {
        cases.push((named(name), Some(4)));
    }
    cases.push((named("429"), Some(1)));
    stream::iter(cases)
        .map(|(fault, times)| {
            tokio::spawn(async move {
                for (create, expected) in [
                    (Fault::LostAfter, vec!["accepted"]),
                    (Fault::LostBefore, vec!["lost", "accepted"]),
                ] {
                    let when = format!("{fault:?}, {create:?}");
                    let states = while_the_list_is(fault.clone(), times, create).await;
                    assert_eq!(states, expected, "{when}");
                }
            })
        })
        .buffer_unordered(AT_ONCE)
        .for_each(|done| async { done.unwrap() })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_an_unreadable_entry_settles_a_create_in_the_end() {
    for (create, expected) in [
        (Fault::LostAfter, vec!["accepted"]),
        (Fault::LostBefore, vec!["lost", "accepted"]),
    ] {
        let states = while_the_list_is(Fault::ListBadEntry, None, create).await;
        assert_eq!(states, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_tasks_is_no_proof_before_the_settling_time_is_over() {
    // The first page is empty for less than the settling time.
    let states = while_the_list_is(named("list_empty"), Some(3), Fault::LostAfter).await;
    assert_eq!(states, ["accepted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_for_an_open_create_is_a_probe_of_a_closed_gate() {
    let mut bench = bench(&Listing::default()).await;
    // The second create is the probe of the gate that the first one closed. Its outcome is not known, and nothing else is to
    // be asked.
    for fault in [named("401"), Fault::LostAfter] {
        bench.service.script(Rule::once(On::Create, fault));
    }
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench.until_searches_end().await;
    bench.assert_reached("s", "the gate was closed").await;
    bench.assert_creates_agree().await;
    assert_eq!(bench.create_states().await, ["rejected", "accepted"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_tasks_that_a_create_can_have_made_the_oldest_is_taken_and_their_number_recorded()
 {
    let mut bench = bench(&Listing::default()).await;
    bench
        .service
        .script(Rule::once(On::Create, Fault::LostAfter));
    bench.service.script(Rule::always(On::List, named("500")));
    bench.search("s", QUERY, 40).await;
    bench.start();
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'create_unanswered'")
        .await;
    // Colleagues do the same.
    let body = serde_json::json!({"query": QUERY, "desired_num_results": 40});
    let url = format!("{}/v1/discovery_tasks", bench.service.url());
    for _ in 0..2 {
        let request = reqwest::Client::new().post(&url).bearer_auth("any");
        let created = request.json(&body).send().await.expect("an answer");
        assert_eq!(created.status(), 200);
    }
    bench.service.clear_script();
    bench.until_searches_end().await;
    let found = bench.search_events("s", "create_found").await;
    assert_eq!(found[0]["candidates"], 3, "{found:?}");
    // The oldest is growd's own.
    let own = bench.service.creates()[0].task_id.clone();
    assert_eq!(bench.creates().await[0].task_id, own);
    bench.assert_reached("s", "the oldest was taken").await;
    bench.stop().await;
}
