//! The fictional companies that tasks find. Their domains are in a reserved top-level domain.

use serde_json::{Value, json};

use crate::random::{HashRng, splitmix64};

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

/// What aliases add to a name.
const NAME_SUFFIXES: [&str; 4] = ["Europe", "Group", "Holding", "International"];
/// What aliases add to a domain.
const DOMAIN_PREFIXES: [&str; 4] = ["get", "go", "try", "use"];

/// The number of names before they repeat with a number.
pub(crate) const NAME_COUNT: u64 = (FIRST.len() * SECOND.len() * THIRD.len()) as u64;

/// A second name or website of a company, with a random number that no other alias of its market has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alias {
    /// Another name and the same website.
    Name(u64),
    /// The same name and another website.
    Website(u64),
}

impl Alias {
    /// Returns one of the items, by the alias's number.
    fn choose<T: Copy>(number: u64, items: [T; 4]) -> T {
        items[usize::try_from(number % 4).expect("it is below 4")]
    }
}

/// One company, identified by its number, under its own name or an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Company {
    pub world: u64,
    pub number: u64,
    pub alias: Option<Alias>,
    pub has_website: bool,
}

impl Company {
    /// Returns a number that identifies company and alias.
    pub fn key(self) -> u64 {
        match self.alias {
            None => self.number,
            Some(Alias::Name(alias) | Alias::Website(alias)) => splitmix64(alias, self.number),
        }
    }

    pub fn name(self) -> String {
        let name = self.own_name();
        match self.alias {
            Some(Alias::Name(alias)) => {
                format!("{name} {}", Alias::choose(alias, NAME_SUFFIXES))
            }
            _ => name,
        }
    }

    /// The registrable domain of the website that it has or would have.
    pub fn domain(self) -> String {
        let mut domain = self.own_name().replace(' ', "-") + ".example";
        domain.make_ascii_lowercase();
        match self.alias {
            Some(Alias::Website(alias)) => {
                format!("{}-{domain}", Alias::choose(alias, DOMAIN_PREFIXES))
            }
            _ => domain,
        }
    }

    /// The registrable domain of its website, if it has one.
    pub fn website_domain(self) -> Option<String> {
        self.has_website.then(|| self.domain())
    }

    fn own_name(self) -> String {
        let at = usize::try_from(self.number % NAME_COUNT).expect("there are a few thousand names");
        let (first, rest) = (at % FIRST.len(), at / FIRST.len());
        let (second, third) = (rest % SECOND.len(), rest / SECOND.len());
        let name = format!("{}{} {}", FIRST[first], SECOND[second], THIRD[third]);
        match self.number / NAME_COUNT {
            0 => name,
            again => format!("{name} {}", again + 1),
        }
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
        let website = self.has_website.then_some(website);
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
            "company_website": website,
            "company_profile_id": known(json!(profile), 10),
            "founding_year": known(json!(founded), 12),
            "employee_count": known(json!(size), 12),
            "hq_country": known(json!(country), 3),
            "hq_state_province": known(json!(state), 25),
            "hq_city": known(json!(city), 8),
        })
    }
}
