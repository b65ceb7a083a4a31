//! The companies that searches find: made up, under a reserved top-level domain, always the same.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    dice::{Draws, mix},
    semantics::Scores,
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
const THIRD: [&str; 20] = [
    "Analytics",
    "Automation",
    "Bikes",
    "Dynamics",
    "Energy",
    "Foods",
    "Freight",
    "Health",
    "Industries",
    "Instruments",
    "Labs",
    "Logistics",
    "Materials",
    "Networks",
    "Robotics",
    "Sensors",
    "Software",
    "Supply",
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
/// Country, state or province, and city.
const PLACES: [[&str; 3]; 8] = [
    ["Norway", "Vestland", "Bergen"],
    ["Portugal", "Porto District", "Porto"],
    ["Canada", "Québec", "Montréal"],
    ["Austria", "Styria", "Graz"],
    ["Chile", "Valparaíso", "Viña del Mar"],
    ["Japan", "Osaka", "Sakai"],
    ["Kenya", "Nakuru County", "Naivasha"],
    ["New Zealand", "Otago", "Dunedin"],
];
const SIZES: [&str; 7] = [
    "1-10",
    "11-50",
    "51-200",
    "201-500",
    "501-1000",
    "1001-5000",
    "5001-10000",
];

/// All names there are before they repeat with a number.
pub(super) const NAMES: u64 = (FIRST.len() * SECOND.len() * THIRD.len()) as u64;

/// One company of the universe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Company {
    pub world: u64,
    pub number: u64,
}

impl Company {
    pub fn name(self) -> String {
        let at = usize::try_from(self.number % NAMES).expect("there are a few thousand names");
        let (first, rest) = (at % FIRST.len(), at / FIRST.len());
        let (second, third) = (rest % SECOND.len(), rest / SECOND.len());
        let name = format!("{}{} {}", FIRST[first], SECOND[second], THIRD[third]);
        match self.number / NAMES {
            0 => name,
            again => format!("{name} {}", again + 1),
        }
    }

    /// The registrable domain.
    pub fn domain(self) -> String {
        let mut domain = self.name().replace(' ', "-");
        domain.make_ascii_lowercase();
        domain + ".example"
    }

    /// What is known about it, whichever search finds it.
    fn facts(self) -> Map<String, Value> {
        let mut draws = Draws::new(self.world, self.number);
        let (name, domain) = (self.name(), self.domain());
        let website = match draws.below(4) {
            0 => domain,
            1 => format!("https://www.{domain}/"),
            2 => format!("https://{domain}/en?ref=search"),
            _ => format!("https://{domain}"),
        };
        let offer = draws.one_of(&OFFERS);
        let [country, state, city] = draws.one_of(&PLACES);
        let description = format!("{name} {offer}.");
        let full = format!(
            "{name} is a fictional company in {city}. It {offer}, \"end to end\",\nfor customers in {country} and beyond."
        );
        let profile = draws.uuid();
        let founded = 1985 + draws.below(39);
        let size = draws.one_of(&SIZES);
        // How many in a hundred lack each of these.
        let mut known = |value: Value, lacking: usize| {
            if draws.below(100) < lacking {
                Value::Null
            } else {
                value
            }
        };
        Map::from_iter([
            ("company_name".to_owned(), json!(name)),
            (
                "company_description".to_owned(),
                known(json!(description), 3),
            ),
            (
                "company_full_description".to_owned(),
                known(json!(full), 10),
            ),
            ("company_website".to_owned(), known(json!(website), 2)),
            ("company_profile_id".to_owned(), known(json!(profile), 10)),
            ("founding_year".to_owned(), known(json!(founded), 12)),
            ("employee_count".to_owned(), known(json!(size), 12)),
            ("hq_country".to_owned(), known(json!(country), 3)),
            ("hq_state_province".to_owned(), known(json!(state), 25)),
            ("hq_city".to_owned(), known(json!(city), 8)),
        ])
    }
}

/// The results that a search has with this many of them, best first: each by its number.
///
/// Of every hundred, `undelivered` are left out.
pub(super) fn ranked(task: &Task, results: u32, undelivered: u32) -> Vec<u32> {
    let first = task.withdrawn;
    let delivered = |nth: &u32| {
        undelivered == 0 || mix(task.seed, u64::from(*nth)) % 100 >= u64::from(undelivered)
    };
    let mut ranked: Vec<(u32, u32)> = (first..first.saturating_add(results))
        .filter(delivered)
        .map(|nth| (task.order.market.relevance(task.order.company(nth)), nth))
        .collect();
    // Equals stay in the order in which they were found.
    ranked.sort_unstable_by_key(|(relevance, nth)| (std::cmp::Reverse(*relevance), *nth));
    ranked.into_iter().map(|(_, nth)| nth).collect()
}

/// Result number `nth` of a search, as the service shows it.
pub(super) fn result(task: &Task, nth: u32, found: Timestamp, scores: Scores) -> Value {
    let company = task.order.company(nth);
    let mut draws = Draws::new(task.seed, company.number);
    let sources = &task.brief.data_sources;
    let source = (!sources.is_empty()).then(|| draws.one_of(sources));
    let mut result = company.facts();
    result.insert("id".to_owned(), json!(draws.uuid()));
    result.insert("task_id".to_owned(), json!(task.id));
    let relevance = task.order.market.relevance(company);
    result.insert("relevance".to_owned(), json!(f64::from(relevance) / 10.0));
    result.insert("source".to_owned(), json!(source));
    result.insert("created_at".to_owned(), json!(format!("{found:.6}")));
    let graded = graded(task, &company, &mut draws, scores);
    result.insert("scores".to_owned(), graded);
    Value::Object(result)
}

/// A grade for each criterion; at least three in four of them are 4 or 5, for only those fit.
fn graded(task: &Task, company: &Company, draws: &mut Draws, scores: Scores) -> Value {
    let keys: Vec<&str> = task.brief.keys().collect();
    let poor = draws.below(keys.len() / 4 + 1);
    let grades = keys.iter().enumerate().map(|(nth, key)| {
        let grade = if nth < poor {
            1 + draws.below(3)
        } else {
            4 + draws.below(2)
        };
        let score = match scores {
            Scores::Number => json!(grade),
            Scores::Graded => json!({
                "grade": grade,
                "explanation": format!("{}, as its website says.", if grade > 3 { "Clearly so" } else { "In part" }),
                "sources": [format!("https://{}/about", company.domain())],
            }),
        };
        ((*key).to_owned(), score)
    });
    Value::Object(grades.collect())
}
