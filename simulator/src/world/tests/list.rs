//! The list of tasks.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Client, LONG, at, number};
use crate::options::{ListOrder, ListShows, Semantics};

#[test]
fn the_list_has_an_order_and_can_omit_fields() {
    let mut client = Client::new(100);
    let ids: Vec<String> = (0..20)
        .map(|_| client.create(0, "q", 10, Vec::new()))
        .collect();
    let mut listed = |change: &dyn Fn(&mut Semantics)| -> Vec<String> {
        change(&mut client.semantics);
        let list = client.world.list(at(0), at(0), (0, 100), &client.semantics);
        let tasks = list.as_array().unwrap().iter();
        tasks
            .map(|task| task["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(listed(&|_| {}), newest);
    assert_eq!(
        listed(&|semantics| semantics.list_order = ListOrder::Oldest),
        ids
    );
    let random = listed(&|semantics| semantics.list_order = ListOrder::Random);
    assert!(random != ids && random != newest);
    assert_eq!(listed(&|_| {}), random, "the same each time");
    let shuffled = listed(&|semantics| semantics.list_order = ListOrder::Shuffled);
    assert_ne!(listed(&|_| {}), shuffled, "a new one each time");
    let all: BTreeSet<String> = shuffled.into_iter().collect();
    assert_eq!(all.len(), 20);

    let list = client.world.list(at(0), at(0), (0, 1), &client.semantics);
    assert!(list[0].get("criteria").is_some());
    client.semantics.list_shows = ListShows::Progress;
    let list = client.world.list(at(0), at(0), (0, 1), &client.semantics);
    assert!(list[0].get("criteria").is_none() && list[0].get("exclude_domains").is_none());
    assert!(list[0]["num_results"].is_u64() && list[0]["query"].is_string());
}

#[test]
fn the_list_can_be_served_from_a_cache() {
    let mut client = Client::new(1_000);
    client.create(0, "q", 100, Vec::new());
    for (held, shown) in [(0, [2, 2]), (10_000, [1, 2])] {
        let mut client = Client {
            world: client.world.clone(),
            semantics: Semantics {
                list_delay_ms: held,
                ..client.semantics.clone()
            },
        };
        let list = |client: &mut Client, second| {
            client
                .world
                .list(at(second), at(second), (0, 10), &client.semantics)
        };
        let first = list(&mut client, 0);
        client.create(5, "q", 100, Vec::new());
        let counts = [9, 10].map(|second| list(&mut client, second).as_array().unwrap().len());
        assert_eq!(counts, shown, "{held}");
        let moved = list(&mut client, 11)[1]["num_results_discovered"].as_u64();
        assert!(moved > Some(0) && first[0]["num_results_discovered"] == 0);
    }
}

fn ids(list: &Value) -> Vec<String> {
    let tasks = list.as_array().unwrap().iter();
    tasks
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A world with this many own tasks, one a minute from minute 1 on, and this many strangers.
fn with_strangers(own: u64, strangers: u32) -> (Client, Vec<String>) {
    let mut client = Client::new(1_000);
    client.semantics.strangers = strangers;
    let create = |nth| client.create(60 * (nth + 1), "q", 10, Vec::new());
    let own = (0..own).map(create).collect();
    (client, own)
}

const ORDERS: [ListOrder; 4] = [
    ListOrder::Newest,
    ListOrder::Oldest,
    ListOrder::Random,
    ListOrder::Shuffled,
];

#[test]
fn strangers_are_spread_among_own_tasks_in_each_order() {
    for (own, strangers) in [(0, 30), (1, 1), (3, 500), (100, 100), (200, 3)] {
        let (mut client, own) = with_strangers(own, strangers);
        let len = own.len() + strangers as usize;
        let end = at(60 * 1_000);
        let all: Vec<BTreeSet<String>> = ORDERS
            .map(|order| {
                client.semantics.list_order = order;
                let list = client.world.list(end, end, (0, 10_000), &client.semantics);
                assert_eq!(list.as_array().unwrap().len(), len, "{order:?}");
                let seen = ids(&list);
                if order != ListOrder::Shuffled {
                    let pages = (0..len).step_by(7).flat_map(|offset| {
                        ids(&client.world.list(end, end, (offset, 7), &client.semantics))
                    });
                    assert_eq!(pages.collect::<Vec<_>>(), seen, "{order:?}");
                }
                let times = list.as_array().unwrap().iter();
                let times = times.map(|task| task["created_at"].as_str().unwrap().to_owned());
                let times: Vec<String> = times.collect();
                match order {
                    ListOrder::Newest => assert!(times.is_sorted_by(|a, b| a >= b)),
                    ListOrder::Oldest => assert!(times.is_sorted()),
                    _ => {}
                }
                seen.into_iter().collect()
            })
            .into();
        assert!(all.iter().all(|ids| *ids == all[0] && ids.len() == len));
        assert!(own.iter().all(|id| all[0].contains(id)));
    }
}

#[test]
fn strangers_are_before_between_and_after_own_tasks_and_all_keep_their_places() {
    let (mut client, own) = with_strangers(50, 500);
    client.semantics.list_order = ListOrder::Oldest;
    let list = |client: &mut Client, second, page| {
        client
            .world
            .list(at(second), at(second), page, &client.semantics)
    };
    let first = ids(&list(&mut client, 4_000, (0, 1_000)));
    let places: Vec<usize> = own
        .iter()
        .map(|id| first.iter().position(|listed| listed == id).unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(places[0] >= 50, "a tenth of the strangers is older");
    let between = places.windows(2).map(|pair| pair[1] - pair[0] - 1);
    assert!(between.clone().max() < Some(20), "evenly");
    assert!(between.clone().filter(|strangers| *strangers > 0).count() > 40);

    let new = client.create(5_000, "q", 10, Vec::new());
    let second = ids(&list(&mut client, 5_000, (0, 1_000)));
    assert_eq!(second[..550], first);
    assert_eq!(second[550..], [new]);
    client.semantics.list_order = ListOrder::Random;
    let before = ids(&list(&mut client, 5_000, (0, 1_000)));
    let new = client.create(5_001, "q", 10, Vec::new());
    let mut after = ids(&list(&mut client, 5_001, (0, 1_000)));
    after.retain(|id| *id != new);
    assert_eq!(after, before);
}

#[test]
fn strangers_have_states_of_their_own_some_move_and_none_can_be_polled() {
    let (mut client, own) = with_strangers(10, 300);
    let list = |client: &mut Client, second| {
        let now = at(second);
        let list = client.world.list(now, now, (0, 1_000), &client.semantics);
        list.as_array().unwrap().clone()
    };
    let (first, later) = (list(&mut client, 660), list(&mut client, 1_260));
    let count = |status: &str| first.iter().filter(|task| task["status"] == status).count();
    assert!(count("done") > 150 && count("in_progress") > 10 && count("failed") > 5);
    let moved = first.iter().zip(&later).filter(|(before, after)| {
        assert_eq!(before["id"], after["id"]);
        let names = [
            "num_results_discovered",
            "num_results_evaluated",
            "num_results",
        ];
        let counts = |task| names.map(|name| number(task, name));
        assert!(counts(before) <= counts(after));
        assert!(counts(after).is_sorted_by(|a, b| a >= b));
        counts(before) != counts(after)
    });
    assert!(moved.count() > 15);
    for task in first {
        let id = task["id"].as_str().unwrap();
        let polled = client.world.poll(at(1_260), id, &client.semantics);
        assert_eq!(polled.is_some(), own.iter().any(|own| own == id));
        assert!(task["criteria"].is_array());
    }
}

#[test]
fn a_page_of_a_long_list_is_cheap() {
    let (mut client, _) = with_strangers(2_000, 1_000_000);
    let now = at(60 * 2_001);
    for order in ORDERS {
        client.semantics.list_order = order;
        // The first page in a random order sorts all entries once.
        client.world.list(now, now, (0, 100), &client.semantics);
        let started = Instant::now();
        for offset in (0..1_000_000).step_by(50_000) {
            let list = client
                .world
                .list(now, now, (offset, 100), &client.semantics);
            assert_eq!(list.as_array().unwrap().len(), 100);
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{order:?}");
    }
}

/// Returns the list as it is `lag` seconds late.
fn lagging(client: &mut Client, second: u64, lag: u64) -> Vec<Value> {
    client.semantics.list_lag_ms = lag * 1_000;
    let past = at(second.saturating_sub(lag));
    let list = client
        .world
        .list(at(second), past, (0, 10), &client.semantics);
    list.as_array().unwrap().clone()
}

#[test]
fn a_list_that_lags_shows_each_task_exactly_as_it_was() {
    for order in [ListOrder::Oldest, ListOrder::Random] {
        let mut client = Client::new(1_000);
        client.semantics.list_order = order;
        client.semantics.list_lag_ms = 30_000;
        let id = client.create(0, "q", 20, Vec::new());
        let polled = |client: &mut Client, second| {
            let task = client.world.poll(at(second), &id, &client.semantics);
            task.unwrap()
        };
        let mut truth = Vec::new();
        for second in 0..400_u64 {
            if second == 150 || second == 155 {
                let semantics = &client.semantics;
                let resumed = client.world.resume(at(second), &id, 20, semantics, None);
                assert!(resumed.is_ok());
            }
            truth.push(polled(&mut client, second));
            let list = lagging(&mut client, second, 30);
            match second.checked_sub(30) {
                None => assert_eq!(list, [] as [Value; 0]),
                Some(past) => {
                    let past = usize::try_from(past).unwrap();
                    assert_eq!(list, [truth[past].clone()], "{second}");
                }
            }
        }
        let done = |task: &&Value| task["status"] == "done";
        assert!((50..350).contains(&truth.iter().filter(done).count()));
    }
}

#[test]
fn a_lag_can_begin_and_end_at_any_time_and_covers_new_tasks_and_the_cache() {
    let mut client = Client::new(1_000);
    let id = client.create(0, "q", 20, Vec::new());
    let before = client.world.poll(at(200), &id, &client.semantics).unwrap();
    assert_eq!(before["status"], "done");
    client.semantics.list_lag_ms = 30_000;
    let semantics = &client.semantics;
    let resumed = client.world.resume(at(200), &id, 20, semantics, None);
    assert!(resumed.is_ok());
    let newer = client.create(205, "q", 20, Vec::new());
    assert_eq!(lagging(&mut client, 229, 30), [before]);
    assert_eq!(lagging(&mut client, 230, 30)[0]["status"], "in_progress");
    assert_eq!(lagging(&mut client, 234, 30).len(), 1);
    assert_eq!(lagging(&mut client, 235, 30)[0]["id"], newer);
    let now = client.world.poll(at(236), &id, &client.semantics).unwrap();
    assert_eq!(lagging(&mut client, 236, 0)[1], now);

    client.semantics.list_delay_ms = 10_000;
    let held = lagging(&mut client, 240, 30);
    assert_eq!(lagging(&mut client, 249, 30), held);
    assert_ne!(lagging(&mut client, 250, 30), held);
}

#[test]
fn the_end_of_a_run_is_first_seen_by_a_poll_or_on_a_page() {
    let mut client = Client::new(1_000);
    let ids = [0, 1].map(|second| client.create(second, "q", 20, Vec::new()));
    let seen = |client: &mut Client| {
        let runs = client.world.runs(at(LONG), &client.semantics);
        let time = |at: Option<jiff::Timestamp>| at.map(jiff::Timestamp::as_second);
        let runs = runs
            .iter()
            .map(|run| (time(run.noticed_at), time(run.listed_at)));
        runs.collect::<Vec<_>>()
    };
    client.world.list(at(5), at(5), (0, 10), &client.semantics);
    client.world.poll(at(1_000), &ids[0], &client.semantics);
    assert_eq!(seen(&mut client), [(Some(1_000), None), (None, None)]);
    // The newest task is the only one on this page.
    client
        .world
        .list(at(1_100), at(1_100), (0, 1), &client.semantics);
    assert_eq!(
        seen(&mut client),
        [(Some(1_000), None), (None, Some(1_100))]
    );
    // The end of the run is not old enough for this list, and is for the next one.
    let mut client = Client::new(1_000);
    client.semantics.list_lag_ms = 30_000;
    client.create(0, "q", 20, Vec::new());
    let end = client.world.clone().runs(at(LONG), &client.semantics)[0].ended_at;
    let end = u64::try_from(end.as_second()).unwrap() + 1;
    lagging(&mut client, end + 28, 30);
    assert_eq!(seen(&mut client.clone()), [(None, None)]);
    lagging(&mut client, end + 30, 30);
    let listed = i64::try_from(end + 30).unwrap();
    assert_eq!(seen(&mut client), [(None, Some(listed))]);
}
