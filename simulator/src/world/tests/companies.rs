//! Which companies several tasks of one query find: exclusions, aliases, and companies without a website.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use serde_json::Value;

use super::{Client, LONG};
use crate::{options::Exclusions, world::domains};

/// The name and the domain of a result.
type Row = (String, Option<String>);

impl Client {
    /// Returns name and domain of each result, by the id of the result.
    fn rows(&mut self, second: u64, id: &str) -> BTreeMap<String, Row> {
        let page = self.page(second, id);
        let rows = page["results"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let row = |row: &Value| {
            let website = text(&row["company_website"]);
            let domain = website.and_then(|website| domains::registrable(&website));
            let name = text(&row["company_name"]).unwrap();
            (text(&row["id"]).unwrap(), (name, domain))
        };
        let by_id: BTreeMap<_, _> = rows.map(row).collect();
        assert_eq!(by_id.len(), page["results"].as_array().unwrap().len());
        by_id
    }
}

/// The different values, without missing ones.
fn distinct<T: Ord>(values: impl IntoIterator<Item = Option<T>>) -> BTreeSet<T> {
    values.into_iter().flatten().collect()
}

proptest! {
    #[test]
    fn exclusions_exclude_exactly_the_companies_with_a_website_of_these_domains(
        market in 1..200u32, aliases in 0..=50u32, without_website in 0..=100u32,
        every in 1..5usize, strange in any::<bool>(),
    ) {
        let mut client = Client::new(market);
        client.semantics.aliases_percent = aliases;
        client.semantics.without_website_percent = without_website;
        let first = client.create(0, "q", 250, Vec::new());
        let whole: Vec<Row> = client.rows(LONG, &first).into_values().collect();
        prop_assert_eq!(whole.len(), market as usize, "the whole market");
        let domains = distinct(whole.iter().map(|row| row.1.clone()));
        let mut excluded: Vec<String> = domains.into_iter().step_by(every).collect();
        excluded.extend(strange.then(|| "stranger.example".to_owned()));
        let second = client.create(LONG, "q", 250, excluded.clone());
        let mut found: Vec<Row> = client.rows(2 * LONG, &second).into_values().collect();
        let is_excluded = |row: &Row| row.1.as_ref().is_some_and(|one| excluded.contains(one));
        let mut expected = whole;
        expected.retain(|row| !is_excluded(row));
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn companies_occur_under_several_names_and_websites_within_and_between_tasks() {
    let mut client = Client::new(600);
    let plain = client.create(0, "q", 250, Vec::new());
    let rows = client.rows(LONG, &plain);
    assert_eq!(distinct(rows.values().map(|row| row.1.as_ref())).len(), 250);
    assert_eq!(distinct(rows.values().map(|row| Some(&row.0))).len(), 250);

    client.semantics.aliases_percent = 20;
    let mut excluded = Vec::new();
    let (mut names, mut domains): (HashSet<String>, HashSet<String>) = Default::default();
    let mut again = [0, 0];
    for part in 0..2 {
        let now = part * LONG;
        let id = client.create(now, "q", 250, excluded.clone());
        let rows = client.rows(now + LONG, &id);
        assert_eq!(rows.len(), 250);
        let own_names = distinct(rows.values().map(|row| Some(row.0.clone())));
        let own_domains = distinct(rows.values().map(|row| row.1.clone()));
        assert!((200..250).contains(&own_names.len()), "within the task");
        assert!((200..250).contains(&own_domains.len()), "within the task");
        again[0] += own_names
            .intersection(&names.iter().cloned().collect())
            .count();
        again[1] += own_domains
            .intersection(&domains.iter().cloned().collect())
            .count();
        names.extend(own_names);
        domains.extend(own_domains);
        excluded.extend(client.domains(now + LONG, &id).unwrap());
    }
    assert!(again[0] > 0, "a known company with another website");
    assert_eq!(again[1], 0, "excluded domains do not come back");
}

#[test]
fn a_company_without_a_website_is_found_by_each_task() {
    let mut client = Client::new(100);
    client.semantics.without_website_percent = 10;
    let first = client.create(0, "q", 250, Vec::new());
    let found = client.rows(LONG, &first);
    let excluded = client.domains(LONG, &first).unwrap();
    let nameless = found.values().filter(|row| row.1.is_none());
    let expected: BTreeSet<Row> = nameless.cloned().collect();
    assert!((2..30).contains(&expected.len()), "{}", expected.len());
    assert_eq!(excluded.len(), 100 - expected.len());
    for part in 1..3 {
        let now = part * LONG;
        let id = client.create(now, "q", 250, excluded.clone());
        let found = client.rows(now + LONG, &id).into_values().collect();
        assert_eq!(expected, found);
    }
}

#[test]
fn exclusions_can_be_ignored_although_the_task_shows_them() {
    for (exclusions, shared) in [(Exclusions::Applied, 0), (Exclusions::Ignored, 100)] {
        let mut client = Client::new(100);
        client.semantics.exclusions = exclusions;
        let first = client.create(0, "q", 250, Vec::new());
        let excluded = client.domains(LONG, &first).unwrap();
        let second = client.create(LONG, "q", 250, excluded.clone());
        let found = client.found(2 * LONG, &second);
        let first = client.found(2 * LONG, &first);
        assert_eq!(found.intersection(&first).count(), shared);
        let shown = client.page(2 * LONG, &second)["exclude_domains"].clone();
        assert_eq!(shown, Value::from(excluded));
    }
}
