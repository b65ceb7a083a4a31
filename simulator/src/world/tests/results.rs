//! The companies that tasks find, and the form of their results.

use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{Client, Fixture, LONG, World, at, changed, names};
use crate::options::{Scenario, Scores, Semantics};

/// The documented fields of a result.
const FIELDS: [&str; 16] = [
    "company_description",
    "company_full_description",
    "company_name",
    "company_profile_id",
    "company_website",
    "created_at",
    "employee_count",
    "founding_year",
    "hq_city",
    "hq_country",
    "hq_state_province",
    "id",
    "relevance",
    "scores",
    "source",
    "task_id",
];

#[test]
fn a_result_has_the_documented_fields_and_sometimes_lacks_a_value() {
    let mut client = Client::new(1_000);
    client.semantics = changed(|semantics| semantics.market = Some(1_000));
    let id = client.create(0, "q", 250, Vec::new());
    let page = client.page(LONG, &id);
    let keys = |value: &Value| -> BTreeSet<String> {
        let object = value.as_object().unwrap();
        object.keys().cloned().collect()
    };
    let criteria: BTreeSet<String> = page["criteria"]
        .as_array()
        .unwrap()
        .iter()
        .map(|criterion| criterion["key"].as_str().unwrap().to_owned())
        .collect();
    let rows = page["results"].as_array().unwrap();
    let mut lacking = HashSet::new();
    let mut ids = HashSet::new();
    for row in rows {
        let expected: BTreeSet<String> = FIELDS.map(str::to_owned).into();
        assert_eq!(keys(row), expected);
        assert!(ids.insert(row["id"].as_str().unwrap()), "ids differ");
        assert_eq!(row["task_id"], page["id"]);
        let relevance = row["relevance"].as_f64().unwrap();
        assert!((55.0..=100.0).contains(&relevance), "{row}");
        let sources = page["data_sources"].as_array().unwrap();
        assert!(sources.contains(&row["source"]), "{row}");
        let found: Timestamp = row["created_at"].as_str().unwrap().parse().unwrap();
        assert!(found > Timestamp::UNIX_EPOCH && found < Timestamp::from_second(1_000).unwrap());
        assert_eq!(keys(&row["scores"]), criteria, "{row}");
        for (key, value) in row.as_object().unwrap() {
            match key.as_str() {
                _ if value.is_null() => drop(lacking.insert(key.clone())),
                "founding_year" => assert!(value.is_u64(), "{row}"),
                "employee_count" => assert!(value.as_str().unwrap().contains('-'), "{row}"),
                "scores" | "relevance" => {}
                _ => assert!(value.is_string(), "{row}"),
            }
        }
    }
    assert!(lacking.contains("company_website") && lacking.contains("founding_year"));
    assert!(!lacking.contains("company_name"));
    let websites = rows
        .iter()
        .filter_map(|row| row["company_website"].as_str());
    let (urls, bare): (Vec<_>, Vec<_>) = websites.partition(|site| site.starts_with("https://"));
    assert!(
        !urls.is_empty() && !bare.is_empty(),
        "URLs and bare domains"
    );
}

#[test]
fn scores_can_be_graded_or_numbers() {
    let mut client = Client::new(100);
    let id = client.create(0, "q", 10, Vec::new());
    let first = |page: &Value| {
        let scores = page["results"][0]["scores"].as_object().unwrap().clone();
        scores.into_values().next().unwrap()
    };
    let graded = first(&client.page(LONG, &id));
    assert!(graded["explanation"].is_string() && graded["sources"][0].is_string());
    client.semantics.scores = Scores::Number;
    let number = first(&client.page(LONG, &id));
    assert_eq!(number, graded["grade"]);
}

#[test]
fn missing_criteria_and_sources_are_inferred() {
    let mut client = Client::new(100);
    let mut counts = BTreeSet::new();
    for nth in 0..40 {
        let query = format!("query {nth}");
        let id = client.create(0, &query, 10, Vec::new());
        let page = client.page(0, &id);
        let criteria = page["criteria"].as_array().unwrap();
        counts.insert(criteria.len());
        let keys: HashSet<_> = criteria.iter().map(|one| one["key"].to_string()).collect();
        assert_eq!(keys.len(), criteria.len());
        for criterion in criteria {
            let length = criterion["criterion"].as_str().unwrap().len();
            assert!((10..=500).contains(&length) && criterion["name"].is_string());
        }
        assert!(!page["data_sources"].as_array().unwrap().is_empty());
    }
    assert_eq!(counts, BTreeSet::from([2, 3, 4, 5]));
}

#[test]
fn tasks_with_one_query_find_the_same_companies_and_others_a_few_of_them() {
    let mut client = Client::new(1_000);
    let [one, again, other] = ["Cargo bikes", " cargo BIKES", "Heat pumps"]
        .map(|query| client.create(0, query, 250, Vec::new()));
    let same = client.found(LONG, &one);
    let shared = same.intersection(&client.found(LONG, &again)).count();
    assert!(shared > 220, "{shared} of 250");
    let rows = |page: Value| -> Vec<(Value, Value)> {
        let rows = page["results"].as_array().unwrap().iter();
        rows.map(|row| (row["company_name"].clone(), row["id"].clone()))
            .collect()
    };
    let pages = [&one, &again].map(|id| rows(client.page(LONG, id)));
    let in_place = pages[0].iter().zip(&pages[1]).filter(|(a, b)| a.0 == b.0);
    assert!(in_place.count() > 10, "in part in the same order");
    let ids: HashSet<String> = pages
        .iter()
        .flatten()
        .map(|row| row.1.to_string())
        .collect();
    assert_eq!(ids.len(), 500, "each row has an id of its own");
    let shared = same.intersection(&client.found(LONG, &other)).count();
    assert!((1..25).contains(&shared), "{shared} of 250");
}

#[test]
fn a_company_is_the_same_in_every_task() {
    let mut client = Client::new(100);
    let [one, other] = [0, 0].map(|second| client.create(second, "q", 100, Vec::new()));
    let facts = |page: Value| -> BTreeSet<String> {
        let rows = page["results"].as_array().unwrap().iter();
        rows.map(|row| {
            let mut row = row.as_object().unwrap().clone();
            row.retain(|name, _| name.starts_with("company") || name.starts_with("hq"));
            Value::from(row).to_string()
        })
        .collect()
    };
    assert_eq!(
        facts(client.page(LONG, &one)),
        facts(client.page(LONG, &other))
    );
}

#[test]
fn exclusions_exclude_until_the_market_is_empty() {
    let mut client = Client::new(250);
    let mut found: HashSet<String> = HashSet::new();
    let mut excluded = Vec::new();
    for (nth, results, exhausted) in [
        (0, 100, false),
        (1, 100, false),
        (2, 50, true),
        (3, 0, true),
    ] {
        let now = nth * LONG;
        let id = client.create(now, "q", 100, excluded.clone());
        let page = client.page(now + LONG, &id);
        assert_eq!(page["status"], "done");
        assert_eq!(page["num_results"], results, "{nth}");
        assert_eq!(page["is_exhausted"], exhausted, "{nth}");
        assert_eq!(
            page["exclude_domains"].as_array().unwrap().len(),
            excluded.len()
        );
        let new = names(&page)
            .into_iter()
            .filter(|name| found.insert(name.clone()));
        assert_eq!(new.count(), results, "no company of an earlier task");
        excluded.extend(client.domains(now + LONG, &id).unwrap());
    }
    let created = client.create(0, "q", 100, Vec::new());
    let again = client.found(5 * LONG, &created);
    assert!(
        again.is_subset(&found),
        "without exclusions they are found again"
    );
}

#[test]
fn a_resume_of_an_earlier_task_finds_companies_of_a_later_one() {
    let mut client = Client::new(1_000);
    let first = client.create(0, "q", 50, Vec::new());
    let excluded = client.domains(LONG, &first).unwrap();
    let second = client.create(LONG, "q", 50, excluded);
    let later = client.found(2 * LONG, &second);
    assert!(later.is_disjoint(&client.found(2 * LONG, &first)));
    let semantics = client.semantics.clone();
    client
        .world
        .resume(at(2 * LONG), &first, 100, &semantics, None)
        .unwrap();
    let earlier = client.found(3 * LONG, &first);
    assert!(earlier.intersection(&later).count() > 20);
}

#[test]
fn only_a_task_that_is_done_has_domains_to_exclude() {
    let mut client = Client::new(100);
    let id = client.create(0, "q", 10, Vec::new());
    assert_eq!(client.domains(1, &id), None);
    assert_eq!(client.domains(1, "none"), None);
    assert_eq!(client.domains(LONG, &id).unwrap().len(), 10);
    client.semantics.undelivered_percent = 100;
    let shown = client.domains(LONG, &id).unwrap();
    assert!(shown.is_empty(), "undelivered results are not excluded");
}

#[test]
fn the_market_of_a_query_has_300_to_1500_companies_or_as_many_as_set() {
    for (market, exhausted) in [(None, false), (Some(40), true)] {
        let semantics = changed(|semantics| semantics.market = market);
        let mut fixture = Fixture::new(semantics, Scenario::default());
        let task = fixture.poll(LONG);
        assert_eq!(task["num_results"], market.unwrap_or(100));
        assert_eq!(task["is_exhausted"], exhausted);
    }
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    let small = changed(|semantics| semantics.market = Some(40));
    let refused = world.add(at(0), &Scenario::done(41), None, &small);
    assert!(refused.unwrap_err().contains("40 companies"));
}

#[test]
fn results_are_dated_to_when_they_were_found() {
    let mut fixture = Fixture::done(|_| {});
    fixture.resume(1_000, 60).unwrap();
    let page = fixture.page(1_030, 0, 1_000);
    let mut dates: Vec<i64> = page["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            row["created_at"]
                .as_str()
                .unwrap()
                .parse::<Timestamp>()
                .unwrap()
        })
        .map(Timestamp::as_second)
        .collect();
    dates.sort_unstable();
    assert_eq!(dates[..100], [0; 100], "the initial results");
    assert!(dates[100] >= 1_000 && dates[dates.len() - 1] <= 1_030);
    // Another resume during the run changes none of these dates.
    fixture.resume(1_031, 60).unwrap();
    let later = fixture.page(LONG, 0, 1_000);
    let same = |row: &&Value| later["results"].as_array().unwrap().contains(row);
    let rows = page["results"].as_array().unwrap();
    assert_eq!(rows.iter().filter(same).count(), rows.len());
}

#[test]
fn pages_of_a_thousand_tasks_with_250_results_are_fast() {
    let semantics = Semantics::default();
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    let ids: Vec<String> = (0..1_000)
        .map(|_| {
            world
                .add(at(0), &Scenario::done(250), None, &semantics)
                .unwrap()
        })
        .collect();
    let started = Instant::now();
    for id in &ids {
        for offset in [0, 120, 240] {
            let page = world
                .results(at(0), at(0), id, (offset, 10), &semantics)
                .unwrap();
            assert_eq!(page["results"].as_array().unwrap().len(), 10);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}
