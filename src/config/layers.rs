//! The layers under a config, file and environment, laid over each other and read key by key.

use super::environment;
use super::error::{ConfigError, Origin, Problem, Wrong};
use super::keys::{self, Key};
use super::kinds::{Kind, Shape};
use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The prefix of the variables that override a key. With one underscore it would take in `GROWD_CONFIG` too.
pub(super) const PREFIX: &str = "GROWD";
pub(super) const SEPARATOR: &str = "__";

/// Words that make a key look like a secret: its value is not repeated.
const SECRETS: [&str; 6] = ["token", "secret", "password", "bearer", "api_key", "apikey"];

/// File and environment, merged; collects the problems of all keys that are read from it.
pub(super) struct Layers {
    merged: HashMap<String, Value>,
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl Layers {
    /// Lays `variables` over `file`; keys that nobody knows become problems.
    pub(super) fn new(
        file: Option<(&Path, &str)>,
        variables: HashMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut builder = Config::builder();
        if let Some((_, text)) = file {
            builder = builder.add_source(File::from_str(text, FileFormat::Toml));
        }
        let environment = Environment::with_prefix(PREFIX)
            .separator(SEPARATOR)
            .source(Some(variables));
        let merged =
            builder
                .add_source(environment)
                .build()
                .map_err(|error| ConfigError::Syntax {
                    path: file.map(|(path, _)| path.to_owned()).unwrap_or_default(),
                    detail: without_excerpt(&error),
                })?;
        let mut layers = Self {
            merged: HashMap::new(),
            file: file.map(|(path, _)| path.to_owned()),
            problems: Vec::new(),
        };
        layers.flatten("", merged.cache);
        layers.refuse_unknown();
        Ok(layers)
    }

    /// The value of a key: as given, or its default; none where it has neither or what is given is a problem.
    pub(super) fn read<K: Kind>(&mut self, key: &Key<K>) -> Option<K::Value> {
        let Some(value) = self.merged.get(key.name) else {
            return key.kind.parse(key.default?);
        };
        let from_environment = value.origin().is_some();
        let text = match (&value.kind, K::SHAPE) {
            (ValueKind::String(text), Shape::Text) => Some(text.clone()),
            (ValueKind::String(text), _) if from_environment => Some(text.trim().to_owned()),
            (ValueKind::I64(number), Shape::Integer | Shape::Number) => Some(number.to_string()),
            (ValueKind::Float(number), Shape::Number) => Some(number.to_string()),
            _ => None,
        };
        if let Some(parsed) = text.and_then(|text| key.kind.parse(&text)) {
            return Some(parsed);
        }
        let what = Wrong::Value {
            value: for_people(value),
            allowed: key.kind.allowed(),
            default: key.default,
        };
        self.problem(key.name, what);
        None
    }

    /// Reads two keys of which the first must not be above the second.
    pub(super) fn read_ordered<K: Kind<Value: PartialOrd>>(
        &mut self,
        low: &Key<K>,
        high: &Key<K>,
    ) -> Option<(K::Value, K::Value)> {
        let (low_value, high_value) = (self.read(low), self.read(high));
        let (low_value, high_value) = (low_value?, high_value?);
        if low_value <= high_value {
            return Some((low_value, high_value));
        }
        let what = Wrong::ResumePermit {
            value: self.shown(low),
            other: high.name,
            limit: self.shown(high),
        };
        self.clash(low.name, high.name, what);
        None
    }

    /// Reads two keys of which the first has to be above the second, for the reason that `why` says.
    pub(super) fn read_above<K: Kind<Value: PartialOrd>>(
        &mut self,
        high: &Key<K>,
        low: &Key<K>,
        why: &'static str,
    ) -> Option<(K::Value, K::Value)> {
        let (high_value, low_value) = (self.read(high), self.read(low));
        let (high_value, low_value) = (high_value?, low_value?);
        if high_value > low_value {
            return Some((high_value, low_value));
        }
        let what = Wrong::NotAbove {
            value: self.shown(high),
            other: low.name,
            limit: self.shown(low),
            why,
        };
        self.clash(high.name, low.name, what);
        None
    }

    /// The value of `key` does not go with that of `other`: its place is where either was written.
    fn clash(&mut self, key: &str, other: &str, what: Wrong) {
        let given = if self.merged.contains_key(key) {
            key
        } else {
            other
        };
        self.problems.push(Problem {
            origin: self.origin(given),
            key: key.to_owned(),
            what,
        });
    }

    /// What was found wrong.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Has nothing been found wrong?
    pub(super) fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, key: &str, what: Wrong) {
        self.problems.push(Problem {
            origin: self.origin(key),
            key: key.to_owned(),
            what,
        });
    }

    fn shown<K>(&self, key: &Key<K>) -> String {
        match self.merged.get(key.name) {
            Some(value) => for_people(value),
            None => format!("{} by default", key.default.unwrap_or("unset")),
        }
    }

    fn origin(&self, key: &str) -> Origin {
        match (self.merged.get(key), &self.file) {
            (Some(value), Some(file)) if value.origin().is_none() => Origin::File(file.clone()),
            (Some(_), _) => Origin::Variable(environment::variable(key)),
            (None, _) => Origin::Default,
        }
    }

    /// Full names in place of nested tables. A known key that is a table stays one: a value of the wrong type.
    fn flatten(&mut self, name: &str, value: Value) {
        let is_key = keys::NAMES.contains(&name);
        match value.kind {
            ValueKind::Table(table) if !is_key && (name.is_empty() || !table.is_empty()) => {
                for (key, value) in table {
                    let inner = match name {
                        "" => key,
                        _ => format!("{name}.{key}"),
                    };
                    self.flatten(&inner, value);
                }
            }
            ValueKind::Table(_) if is_section(name) => {}
            _ => {
                self.merged.insert(name.to_owned(), value);
            }
        }
    }

    fn refuse_unknown(&mut self) {
        let mut unknown: Vec<String> = self
            .merged
            .keys()
            .filter(|name| !keys::NAMES.contains(&name.as_str()))
            .cloned()
            .collect();
        unknown.sort_unstable();
        for name in unknown {
            let what = if looks_secret(&name) {
                Wrong::Secret
            } else {
                Wrong::Unknown {
                    value: self.merged.get(&name).map(for_people).unwrap_or_default(),
                    nearest: nearest(&name),
                }
            };
            self.problem(&name, what);
        }
    }
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRETS.iter().any(|word| name.contains(word))
}

fn is_section(name: &str) -> bool {
    sections().contains(name)
}

fn sections() -> HashSet<&'static str> {
    keys::NAMES
        .iter()
        .filter_map(|name| name.split_once('.'))
        .map(|(section, _)| section)
        .collect()
}

/// The known key that is most like `name`: in its own section, where that is one or nearly one; else by its last part.
fn nearest(name: &str) -> &'static str {
    let like = strsim::normalized_damerau_levenshtein;
    let split = |name: &str| match name.split_once('.') {
        Some((section, key)) => (section.to_lowercase(), key.to_lowercase()),
        None => (name.to_lowercase(), name.to_lowercase()),
    };
    let (section, key) = split(name);
    let score = |known: &str| {
        let (known_section, known_key) = split(known);
        like(&known_section, &section).mul_add(0.8, like(&known_key, &key))
    };
    keys::NAMES
        .iter()
        .copied()
        .max_by(|a, b| score(a).total_cmp(&score(b)))
        .unwrap_or_default()
}

/// A value as a message shows it: short, on one line, and without what may be a password in an address.
fn for_people(value: &Value) -> String {
    const MOST: usize = 100;
    match &value.kind {
        ValueKind::String(text) if text.contains("://") && text.contains(['@', '?', '#']) => {
            "an address with a user name, a query or a fragment".to_owned()
        }
        ValueKind::String(text) if text.chars().count() > MOST => {
            format!("{:?}…", text.chars().take(MOST).collect::<String>())
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// What the TOML parser says, without the line that it quotes: that may hold a secret.
fn without_excerpt(error: &config::ConfigError) -> String {
    let text = match error {
        config::ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let is_excerpt = |line: &str| {
        let line = line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        line.starts_with('|')
    };
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !is_excerpt(line) && !line.trim().is_empty())
        .map(|line| line.trim_start_matches("TOML parse error "))
        .collect();
    kept.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_by_its_name_or_by_its_last_part() {
        assert_eq!(nearest("growth.chunck"), "growth.chunk");
        assert_eq!(nearest("chunk"), "growth.chunk");
        assert_eq!(nearest("polling.chunk"), "growth.chunk");
        assert_eq!(nearest("api.url"), "api.base_url");
        assert_eq!(nearest("log.lvl"), "log.level");
        assert_eq!(nearest("polling.interval_max"), "polling.max_interval");
        assert!(nearest("apii.x").starts_with("api."));
        assert!(nearest("growth").starts_with("growth."));
    }
}
