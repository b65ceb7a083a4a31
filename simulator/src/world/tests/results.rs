//! Which companies searches find, what their results look like, and the list of tasks.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{LONG, TestWorld, at, names};
use crate::{
    options::scenario::Scenario,
    options::semantics::{ListOrder, ListShows, Scores, Semantics},
    world::World,
    world::task_input::TaskInput,
};

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

/// A world in which searches are created as clients create them.
struct Searches {
    world: World,
    semantics: Semantics,
}

impl Searches {
    fn new(market: u32) -> Self {
        Self {
            world: World::new(1, Timestamp::UNIX_EPOCH),
            semantics: Semantics {
                market: Some(market),
                ..Semantics::default()
            },
        }
    }

    /// Creates a search at a time, and returns its id.
    fn create(&mut self, second: u64, query: &str, desired: u32, excluded: Vec<String>) -> String {
        let scenario = Scenario {
            desired_num_results: Some(desired),
            ..Scenario::default()
        };
        let brief = TaskInput {
            exclude_domains: excluded,
            ..TaskInput::from_query(query)
        };
        self.world
            .add(at(second), &scenario, Some(brief), &self.semantics)
            .unwrap()
    }

    fn page(&mut self, second: u64, id: &str) -> Value {
        let page = (0, 1_000);
        self.world
            .results(at(second), id, page, &self.semantics)
            .unwrap()
    }

    fn found(&mut self, second: u64, id: &str) -> HashSet<String> {
        names(&self.page(second, id)).into_iter().collect()
    }

    fn domains(&mut self, second: u64, id: &str) -> Option<Vec<String>> {
        self.world.result_domains(at(second), id, &self.semantics)
    }
}

#[test]
fn a_result_has_the_documented_fields_and_lacks_a_value_now_and_then() {
    let mut searches = Searches::new(1_000);
    let id = searches.create(0, "q", 250, Vec::new());
    let page = searches.page(LONG, &id);
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
    let mut searches = Searches::new(100);
    let id = searches.create(0, "q", 10, Vec::new());
    let first = |page: &Value| {
        let scores = page["results"][0]["scores"].as_object().unwrap().clone();
        scores.into_values().next().unwrap()
    };
    let graded = first(&searches.page(LONG, &id));
    assert!(graded["explanation"].is_string() && graded["sources"][0].is_string());
    searches.semantics.scores = Scores::Number;
    let number = first(&searches.page(LONG, &id));
    assert_eq!(number, graded["grade"]);
}

#[test]
fn criteria_and_sources_are_inferred_where_none_are_given() {
    let mut searches = Searches::new(100);
    let mut counts = BTreeSet::new();
    for nth in 0..40 {
        let query = format!("query {nth}");
        let id = searches.create(0, &query, 10, Vec::new());
        let page = searches.page(0, &id);
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
fn searches_with_one_query_find_the_same_companies_and_others_a_few_of_them() {
    let mut searches = Searches::new(1_000);
    let [one, again, other] = ["Cargo bikes", " cargo BIKES", "Heat pumps"]
        .map(|query| searches.create(0, query, 250, Vec::new()));
    let same = searches.found(LONG, &one);
    let shared = same.intersection(&searches.found(LONG, &again)).count();
    assert!(shared > 220, "{shared} of 250");
    let rows = |page: Value| -> Vec<(Value, Value)> {
        let rows = page["results"].as_array().unwrap().iter();
        rows.map(|row| (row["company_name"].clone(), row["id"].clone()))
            .collect()
    };
    let pages = [&one, &again].map(|id| rows(searches.page(LONG, id)));
    let in_place = pages[0].iter().zip(&pages[1]).filter(|(a, b)| a.0 == b.0);
    assert!(in_place.count() > 10, "in part in the same order");
    let ids: HashSet<String> = pages
        .iter()
        .flatten()
        .map(|row| row.1.to_string())
        .collect();
    assert_eq!(ids.len(), 500, "each row has an id of its own");
    let shared = same.intersection(&searches.found(LONG, &other)).count();
    assert!((1..25).contains(&shared), "{shared} of 250");
}

#[test]
fn a_company_is_the_same_whichever_search_finds_it() {
    let mut searches = Searches::new(100);
    let [one, other] = [0, 0].map(|second| searches.create(second, "q", 100, Vec::new()));
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
        facts(searches.page(LONG, &one)),
        facts(searches.page(LONG, &other))
    );
}

#[test]
fn exclusions_exclude_until_the_market_is_empty() {
    let mut searches = Searches::new(250);
    let mut found: HashSet<String> = HashSet::new();
    let mut excluded = Vec::new();
    for (nth, results, exhausted) in [
        (0, 100, false),
        (1, 100, false),
        (2, 50, true),
        (3, 0, true),
    ] {
        let now = nth * LONG;
        let id = searches.create(now, "q", 100, excluded.clone());
        let page = searches.page(now + LONG, &id);
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
        assert_eq!(new.count(), results, "no company that an earlier one found");
        excluded.extend(searches.domains(now + LONG, &id).unwrap());
    }
    let created = searches.create(0, "q", 100, Vec::new());
    let again = searches.found(5 * LONG, &created);
    assert!(
        again.is_subset(&found),
        "without exclusions they come again"
    );
}

#[test]
fn an_earlier_search_that_is_resumed_finds_what_a_later_one_found() {
    let mut searches = Searches::new(1_000);
    let first = searches.create(0, "q", 50, Vec::new());
    let excluded = searches.domains(LONG, &first).unwrap();
    let second = searches.create(LONG, "q", 50, excluded);
    let later = searches.found(2 * LONG, &second);
    assert!(later.is_disjoint(&searches.found(2 * LONG, &first)));
    let semantics = searches.semantics.clone();
    searches
        .world
        .resume(at(2 * LONG), &first, 100, &semantics, None)
        .unwrap();
    let earlier = searches.found(3 * LONG, &first);
    assert!(earlier.intersection(&later).count() > 20);
}

#[test]
fn only_a_search_that_is_done_has_domains_to_exclude() {
    let mut searches = Searches::new(100);
    let id = searches.create(0, "q", 10, Vec::new());
    assert_eq!(searches.domains(1, &id), None);
    assert_eq!(searches.domains(1, "none"), None);
    assert_eq!(searches.domains(LONG, &id).unwrap().len(), 10);
    searches.semantics.undelivered_percent = 100;
    let shown = searches.domains(LONG, &id).unwrap();
    assert!(shown.is_empty(), "what is not delivered is not excluded");
}

#[test]
fn the_market_of_a_query_has_300_to_1500_companies_or_as_many_as_set() {
    for (market, exhausted) in [(None, false), (Some(40), true)] {
        let semantics = Semantics {
            market,
            ..Semantics::default()
        };
        let mut lab = TestWorld::new(semantics, Scenario::default());
        let task = lab.poll(LONG);
        assert_eq!(task["num_results"], market.unwrap_or(100));
        assert_eq!(task["is_exhausted"], exhausted);
    }
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    let small = Semantics {
        market: Some(40),
        ..Semantics::default()
    };
    let refused = world.add(at(0), &Scenario::done(41), None, &small);
    assert!(refused.unwrap_err().contains("40 companies"));
}

#[test]
fn results_are_dated_to_when_they_were_found() {
    let mut lab = TestWorld::done(Semantics::default());
    lab.resume(1_000, 60).unwrap();
    let page = lab.page(1_030, 0, 1_000);
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
    assert_eq!(
        dates[..100],
        [0; 100],
        "those it was put into the world with"
    );
    assert!(dates[100] >= 1_000 && dates[dates.len() - 1] <= 1_030);
    // Another resume in the middle of it changes none of these dates.
    lab.resume(1_031, 60).unwrap();
    let later = lab.page(LONG, 0, 1_000);
    let same = |row: &&Value| later["results"].as_array().unwrap().contains(row);
    let rows = page["results"].as_array().unwrap();
    assert_eq!(rows.iter().filter(same).count(), rows.len());
}

#[test]
fn the_list_has_an_order_and_can_be_brief() {
    let mut searches = Searches::new(100);
    let ids: Vec<String> = (0..20)
        .map(|_| searches.create(0, "q", 10, Vec::new()))
        .collect();
    let mut listed = |change: &dyn Fn(&mut Semantics)| -> Vec<String> {
        change(&mut searches.semantics);
        let list = searches.world.list(at(0), (0, 100), &searches.semantics);
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
    assert_ne!(listed(&|_| {}), shuffled, "another one each time");
    let all: BTreeSet<String> = shuffled.into_iter().collect();
    assert_eq!(all.len(), 20);

    let list = searches.world.list(at(0), (0, 1), &searches.semantics);
    assert!(list[0].get("criteria").is_some());
    searches.semantics.list_shows = ListShows::Progress;
    let list = searches.world.list(at(0), (0, 1), &searches.semantics);
    assert!(list[0].get("criteria").is_none() && list[0].get("exclude_domains").is_none());
    assert!(list[0]["num_results"].is_u64() && list[0]["query"].is_string());
}

#[test]
fn the_list_can_stay_as_it_was_for_a_while() {
    let mut searches = Searches::new(1_000);
    searches.create(0, "q", 100, Vec::new());
    for (held, shown) in [(0, [2, 2]), (10_000, [1, 2])] {
        let mut searches = Searches {
            world: searches.world.clone(),
            semantics: Semantics {
                list_delay_ms: held,
                ..searches.semantics.clone()
            },
        };
        let list = |searches: &mut Searches, second| {
            searches
                .world
                .list(at(second), (0, 10), &searches.semantics)
        };
        let first = list(&mut searches, 0);
        searches.create(5, "q", 100, Vec::new());
        let counts = [9, 10].map(|second| list(&mut searches, second).as_array().unwrap().len());
        assert_eq!(counts, shown, "{held}");
        let moved = list(&mut searches, 11)[1]["num_results_discovered"].as_u64();
        assert!(moved > Some(0) && first[0]["num_results_discovered"] == 0);
    }
}

#[test]
fn pages_of_a_thousand_searches_of_250_results_are_made_in_a_moment() {
    let semantics = Semantics::default();
    let mut world = World::new(1, Timestamp::UNIX_EPOCH);
    let ids: Vec<String> = (0..1_000)
        .map(|_| {
            world
                .add(at(0), &Scenario::done(250), None, &semantics)
                .unwrap()
        })
        .collect();
    let started = std::time::Instant::now();
    for id in &ids {
        for offset in [0, 120, 240] {
            let page = world.results(at(0), id, (offset, 10), &semantics).unwrap();
            assert_eq!(page["results"].as_array().unwrap().len(), 10);
        }
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
}
