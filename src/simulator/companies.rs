//! The companies that searches find: made up, under a reserved top-level domain, always the same.

use rand::{RngExt as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::{
    dice::{dice, uuid},
    task::Task,
};

const FIRST: [&str; 24] = [
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fern", "Granite", "Harbour", "Indigo",
    "Juniper", "Kestrel", "Lantern", "Maple", "North", "Opal", "Pebble", "Quartz", "River",
    "Slate", "Tidal", "Umber", "Violet", "Willow", "Zephyr",
];
const SECOND: [&str; 20] = [
    "bridge", "craft", "dock", "field", "forge", "gate", "grid", "leaf", "line", "loom", "mill",
    "path", "pilot", "point", "rise", "scope", "stack", "stone", "ware", "yard",
];
const THIRD: [&str; 10] = [
    "Analytics",
    "Freight",
    "Health",
    "Industries",
    "Labs",
    "Logistics",
    "Robotics",
    "Software",
    "Systems",
    "Works",
];
const OFFERS: [&str; 8] = [
    "plans routes for regional carriers",
    "reconciles supplier invoices",
    "schedules maintenance of production lines",
    "forecasts demand for spare parts",
    "automates quality checks in food processing",
    "manages permits for construction sites",
    "tracks refrigerated goods",
    "runs shift planning for clinics",
];
const QUERIES: [&str; 10] = [
    "Software for regional freight carriers",
    "Makers of cargo bikes in northern Europe",
    "Companies that automate food quality checks",
    "Vertical software for dental clinics",
    "Suppliers of heat pumps for old buildings",
    "Robotics for mid-sized warehouses",
    "Procurement tools for construction firms",
    "Fleet telematics for refrigerated goods",
    "Industrial sensors with predictive maintenance",
    "Scheduling software for home care",
];
const PLACES: [&str; 8] = [
    "Norway",
    "Portugal",
    "Canada",
    "Austria",
    "Chile",
    "Japan",
    "Kenya",
    "New Zealand",
];

/// All names there are before they repeat with a number.
const NAMES: u64 = (FIRST.len() * SECOND.len() * THIRD.len()) as u64;
/// Shares no factor with `NAMES`, so that stepping by it meets each name once.
const STRIDE: u64 = 1_987;

/// What a search is for that was not told.
pub(super) fn query(seed: u64) -> &'static str {
    let mut dice = dice(seed, 0);
    QUERIES[dice.random_range(0..QUERIES.len())]
}

/// The results of a search of which `results` can be seen now, best first.
pub(super) fn results(task: &Task, results: u32) -> Vec<Value> {
    let first = task.withdrawn;
    let mut found: Vec<(u32, Value)> = (first..first.saturating_add(results))
        .map(|nth| company(task, task.fit.needed_for(nth + 1).unwrap_or(nth + 1)))
        .collect();
    // Stable, so that equals stay in the order in which they were found.
    found.sort_by_key(|(relevance, _)| std::cmp::Reverse(*relevance));
    found.into_iter().map(|(_, company)| company).collect()
}

/// The candidate with this number (from 1), with its relevance in thousandths.
fn company(task: &Task, candidate: u32) -> (u32, Value) {
    let mut dice = dice(task.seed, u64::from(candidate));
    let relevance = dice.random_range(700..1_000_u32);
    let name = name(task.seed, u64::from(candidate));
    let domain = format!("{}.example", name.to_lowercase().replace(' ', "-"));
    let offer = OFFERS[dice.random_range(0..OFFERS.len())];
    let place = PLACES[dice.random_range(0..PLACES.len())];
    let company = json!({
        "id": uuid(&mut dice),
        "name": name,
        "domain": domain,
        "url": format!("https://{domain}"),
        "description": format!("{name} is a fictional company that {offer}."),
        "country": place,
        "founded_year": dice.random_range(1985..2024),
        "relevance": f64::from(relevance) / 1_000.0,
        "grades": grades(task, &mut dice),
    });
    (relevance, company)
}

fn name(seed: u64, candidate: u64) -> String {
    let step = (seed % NAMES + candidate * STRIDE) % NAMES;
    let at = usize::try_from(step).expect("there are a few thousand names");
    let (first, rest) = (at % FIRST.len(), at / FIRST.len());
    let (second, third) = (rest % SECOND.len(), rest / SECOND.len());
    let name = format!("{}{} {}", FIRST[first], SECOND[second], THIRD[third]);
    match candidate / NAMES {
        0 => name,
        again => format!("{name} {}", again + 1),
    }
}

/// A grade for each criterion; at least three in four of them are 4 or 5, for only those fit.
fn grades(task: &Task, dice: &mut StdRng) -> Value {
    let keys: Vec<&str> = task
        .brief
        .criteria
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|criterion| criterion["key"].as_str())
        .collect();
    let poor = dice.random_range(0..=keys.len() / 4);
    let grades: Map<String, Value> = keys
        .iter()
        .enumerate()
        .map(|(nth, key)| {
            let grade = if nth < poor {
                dice.random_range(1..=3)
            } else {
                dice.random_range(4..=5)
            };
            ((*key).to_owned(), json!(grade))
        })
        .collect();
    Value::Object(grades)
}
