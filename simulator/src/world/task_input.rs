//! The input of a task: the query, and what restricts it.

use serde_json::{Value, json};

use crate::random::{derive_seed, splitmix64};

/// The data sources of the service.
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

/// Criteria to infer besides the match with the query: key, name and criterion.
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

/// The input with which a task was created; every response repeats it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskInput {
    pub query: String,
    pub auto_data_sources: bool,
    pub data_sources: Vec<String>,
    /// A list of objects. If it is empty, the service infers it.
    pub criteria: Vec<Value>,
    /// Registrable domains.
    pub exclude_domains: Vec<String>,
}

impl TaskInput {
    /// Returns an input with a query and nothing else.
    pub fn from_query(query: &str) -> Self {
        Self {
            query: query.to_owned(),
            auto_data_sources: true,
            data_sources: Vec::new(),
            criteria: Vec::new(),
            exclude_domains: Vec::new(),
        }
    }

    /// Infers missing criteria and data sources from the query.
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

    /// Returns the keys of the criteria.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.criteria
            .iter()
            .filter_map(|criterion| criterion["key"].as_str())
    }
}

/// Returns a query for a task without one.
pub(crate) fn random_query(seed: u64) -> &'static str {
    QUERIES[at_random(seed, 0, QUERIES.len())]
}

/// Returns two to five criteria.
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

/// Returns a number below `len`.
fn at_random(seed: u64, index: u64, len: usize) -> usize {
    usize::try_from(splitmix64(seed, index) % len as u64).expect("it is below a usize")
}
