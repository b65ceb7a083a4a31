//! What a search was created with: the query, and all that narrows it down.

use serde_json::{Value, json};

use super::dice::{mix, seed_of};

/// The data sources that the service has.
pub(super) const SOURCES: [&str; 4] = ["web_search", "linkedin", "maps", "extruct_db"];

/// Most domains that one search can exclude.
pub(super) const MOST_EXCLUDED: usize = 1_000;

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
pub(super) struct Brief {
    pub query: String,
    pub auto_data_sources: bool,
    pub data_sources: Vec<String>,
    /// A list of objects; empty: to be inferred.
    pub criteria: Vec<Value>,
    /// Registrable domains.
    pub exclude_domains: Vec<String>,
}

impl Brief {
    /// A query and nothing else.
    pub fn of(query: &str) -> Self {
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
        let seed = seed_of(world, &self.query);
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
pub(super) fn query(seed: u64) -> &'static str {
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
    usize::try_from(mix(seed, place) % len as u64).expect("it is below a usize")
}

/// The registrable domain of a domain or a URL, `None` if it is neither.
///
/// A rule of thumb in place of the public suffix list: the last two labels, or three where the
/// last is a country and the one before it a usual kind, as in `co.uk`.
pub(super) fn registrable(text: &str) -> Option<String> {
    const KINDS: [&str; 8] = ["ac", "co", "com", "edu", "gov", "net", "or", "org"];
    let text = text.trim().to_lowercase();
    let rest = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    let good = |label: &&str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    if labels.len() < 2 || !labels.iter().all(good) {
        return None;
    }
    let [.., kind, country] = labels[..] else {
        return None;
    };
    let count = if labels.len() > 2 && country.len() == 2 && KINDS.contains(&kind) {
        3
    } else {
        2
    };
    Some(labels[labels.len() - count..].join("."))
}

/// Adds domains that are not in the list yet; `false` where they do not all fit.
pub(super) fn exclude(list: &mut Vec<String>, more: impl IntoIterator<Item = String>) -> bool {
    let mut known: std::collections::HashSet<String> = list.iter().cloned().collect();
    for domain in more {
        if known.contains(&domain) {
            continue;
        }
        if list.len() == MOST_EXCLUDED {
            return false;
        }
        known.insert(domain.clone());
        list.push(domain);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::registrable;

    #[test]
    fn a_domain_is_reduced_to_what_is_registered() {
        for (text, domain) in [
            ("amber.example", Some("amber.example")),
            (" WWW.Amber.Example. ", Some("amber.example")),
            (
                "https://user@shop.amber.example:8443/a?b#c",
                Some("amber.example"),
            ),
            ("shop.amber.co.uk", Some("amber.co.uk")),
            ("co.uk", Some("co.uk")),
            ("amber", None),
            ("amber..example", None),
            ("two words.example", None),
            ("", None),
        ] {
            assert_eq!(registrable(text).as_deref(), domain, "{text:?}");
        }
    }
}
