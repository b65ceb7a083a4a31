//! The list of tasks.

use std::collections::BTreeSet;

use super::{Client, at};
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
