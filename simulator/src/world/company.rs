//! The fictional companies that tasks find. Their domains are in a reserved top-level domain.

use serde_json::{Value, json};

use crate::random::HashRng;

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

/// The number of names before they repeat with a number.
pub(crate) const NAME_COUNT: u64 = (FIRST.len() * SECOND.len() * THIRD.len()) as u64;

/// One company, identified by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Company {
    pub world: u64,
    pub number: u64,
}

impl Company {
    pub fn name(self) -> String {
        let at = usize::try_from(self.number % NAME_COUNT).expect("there are a few thousand names");
        let (first, rest) = (at % FIRST.len(), at / FIRST.len());
        let (second, third) = (rest % SECOND.len(), rest / SECOND.len());
        let name = format!("{}{} {}", FIRST[first], SECOND[second], THIRD[third]);
        match self.number / NAME_COUNT {
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

    /// Returns its fields as an object; they are the same in every task.
    pub fn profile(self) -> Value {
        let mut rng = HashRng::new(self.world, self.number);
        let (name, domain) = (self.name(), self.domain());
        let website = match rng.below(4) {
            0 => domain,
            1 => format!("https://www.{domain}/"),
            2 => format!("https://{domain}/en?ref=search"),
            _ => format!("https://{domain}"),
        };
        let offer = rng.choose(&OFFERS);
        let [country, state, city] = rng.choose(&PLACES);
        let description = format!("{name} {offer}.");
        let full = format!(
            "{name} is a fictional company in {city}. It {offer}, \"end to end\",\nfor customers in {country} and beyond."
        );
        let profile = rng.uuid();
        let founded = 1985 + rng.below(39);
        let size = rng.choose(&SIZES);
        // `lacking` is the share of companies without the value, in percent.
        let mut known = |value: Value, lacking: usize| {
            if rng.below(100) < lacking {
                Value::Null
            } else {
                value
            }
        };
        json!({
            "company_name": name,
            "company_description": known(json!(description), 3),
            "company_full_description": known(json!(full), 10),
            "company_website": known(json!(website), 2),
            "company_profile_id": known(json!(profile), 10),
            "founding_year": known(json!(founded), 12),
            "employee_count": known(json!(size), 12),
            "hq_country": known(json!(country), 3),
            "hq_state_province": known(json!(state), 25),
            "hq_city": known(json!(city), 8),
        })
    }
}
