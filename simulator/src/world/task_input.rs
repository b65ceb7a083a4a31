//! What a search was created with: the query, and all that narrows it down.

use serde_json::{Value, json};

use crate::random::{derive_seed, splitmix64};

/// The data sources that the service has.
pub(crate) const SOURCES: [&str; 4] = ["web_search", "linkedin", "maps", "extruct_db"];

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

/// What the service may infer besides that a company matches the query: key, name and criterion.
const CRITERIA: [(&str, &str, &str); 6] = [
    (
        "sells_to_businesses",
        "Sells to businesses",
        "The company sells to other businesses, not to consumers.",
    ),
    (
        "own_product",
        "Has a product of its own",
        "The company has a product of its own and does not only resell or consult.",
    ),
    (
        "is_active",
        "Is active",
        "The website or news of the last year show that the company is in business.",
    ),
    (
        "is_independent",
        "Is independent",
        "The company is not a subsidiary of a larger group.",
    ),
    (
        "names_customers",
        "Names customers",
        "The website names customers or shows case studies.",
    ),
    (
        "is_hiring",
        "Is hiring",
        "The company has open positions on its website or on job boards.",
    ),
];

/// What a search was created with and hands back unchanged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskInput {
    pub query: String,
    pub auto_data_sources: bool,
    pub data_sources: Vec<String>,
    /// A list of objects; empty: to be inferred.
    pub criteria: Vec<Value>,
    /// Registrable domains.
    pub exclude_domains: Vec<String>,
}

impl TaskInput {
    /// A query and nothing else.
    pub fn from_query(query: &str) -> Self {
        Self {
            query: query.to_owned(),
            auto_data_sources: true,
            data_sources: Vec::new(),
            criteria: Vec::new(),
            exclude_domains: Vec::new(),
        }
    }

    /// The same, with criteria and data sources inferred from the query where none were given.
    pub fn inferred(mut self, world: u64) -> Self {
        let seed = derive_seed(world, &self.query);
        if self.criteria.is_empty() {
            self.criteria = criteria(&self.query, seed);
        }
        if self.data_sources.is_empty() {
            let count = 1 + at_random(seed, 1, SOURCES.len());
            self.data_sources = SOURCES[..count].iter().map(ToString::to_string).collect();
        }
        self
    }

    /// The keys of its criteria.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.criteria
            .iter()
            .filter_map(|criterion| criterion["key"].as_str())
    }
}

/// What a search is for that was not told.
pub(crate) fn random_query(seed: u64) -> &'static str {
    QUERIES[at_random(seed, 0, QUERIES.len())]
}

/// Two to five criteria.
fn criteria(query: &str, seed: u64) -> Vec<Value> {
    let query: String = query.chars().take(400).collect();
    let matches = format!("The company matches this query: {query}");
    let matches = ("matches_query", "Matches the query", matches.as_str());
    let (first, more) = (
        at_random(seed, 2, CRITERIA.len()),
        1 + at_random(seed, 3, 4),
    );
    let others = CRITERIA.iter().cycle().skip(first).take(more).copied();
    std::iter::once(matches)
        .chain(others)
        .map(|(key, name, criterion)| json!({ "key": key, "name": name, "criterion": criterion }))
        .collect()
}

/// A number below `len`.
fn at_random(seed: u64, place: u64, len: usize) -> usize {
    usize::try_from(splitmix64(seed, place) % len as u64).expect("it is below a usize")
}
