//! The configuration's layers: the environment over the file, merged, and read key by key.

use super::environment::{self, PREFIX, SEPARATOR};
use super::error::{ConfigError, Origin, Problem, ProblemKind};
use super::keys::{self, Key};
use super::value_types::{TomlType, ValueType};
use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Words that make a key look like a secret: messages do not show its value.
const SECRETS: [&str; 6] = ["token", "secret", "password", "bearer", "api_key", "apikey"];

/// File and environment, merged. Collects the problems of all keys that are read.
pub(super) struct Layers {
    merged: HashMap<String, Value>,
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl Layers {
    /// Merges `variables` over `file`; records unknown keys as problems.
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
        layers.reject_unknown();
        Ok(layers)
    }

    /// Returns the value of a key, or its default. Returns `None` if it has neither; records an invalid value as a
    /// problem and returns `None`.
    pub(super) fn read<T: ValueType>(&mut self, key: &Key<T>) -> Option<T::Value> {
        let Some(value) = self.merged.get(key.name) else {
            return key.value_type.parse(key.default?);
        };
        let from_environment = value.origin().is_some();
        let text = match (&value.kind, T::TOML_TYPE) {
            (ValueKind::String(text), TomlType::String) => Some(text.clone()),
            (ValueKind::String(text), _) if from_environment => Some(text.trim().to_owned()),
            (ValueKind::I64(number), TomlType::Integer | TomlType::Float) => {
                Some(number.to_string())
            }
            (ValueKind::Boolean(flag), TomlType::Boolean) => Some(flag.to_string()),
            (ValueKind::Float(number), TomlType::Float) => Some(number.to_string()),
            _ => None,
        };
        if let Some(parsed) = text.and_then(|text| key.value_type.parse(&text)) {
            return Some(parsed);
        }
        let kind = ProblemKind::InvalidValue {
            value: for_message(value),
            allowed: key.value_type.allowed(),
            default: key.default,
        };
        self.record(key.name, key.name, kind);
        None
    }

    /// Reads two keys, and requires that the first is not above the second.
    pub(super) fn read_ordered<T: ValueType<Value: PartialOrd>>(
        &mut self,
        low: &Key<T>,
        high: &Key<T>,
    ) -> Option<(T::Value, T::Value)> {
        let (low_value, high_value) = (self.read(low), self.read(high));
        let (low_value, high_value) = (low_value?, high_value?);
        if low_value <= high_value {
            return Some((low_value, high_value));
        }
        let kind = ProblemKind::AboveMaximum {
            value: self.shown(low),
            other: high.name,
            limit: self.shown(high),
        };
        self.record(low.name, high.name, kind);
        None
    }

    /// Reads two keys, and requires that the first is above the second; `why` says what goes wrong otherwise.
    pub(super) fn read_above<T: ValueType<Value: PartialOrd>>(
        &mut self,
        high: &Key<T>,
        low: &Key<T>,
        why: &'static str,
    ) -> Option<(T::Value, T::Value)> {
        let (high_value, low_value) = (self.read(high), self.read(low));
        let (high_value, low_value) = (high_value?, low_value?);
        if high_value > low_value {
            return Some((high_value, low_value));
        }
        let kind = ProblemKind::NotAbove {
            value: self.shown(high),
            other: low.name,
            limit: self.shown(low),
            why,
        };
        self.record(high.name, low.name, kind);
        None
    }

    /// Records a problem with `key`. Its origin is that of `other`, the key that it conflicts with, if `key` is not set.
    fn record(&mut self, key: &str, other: &str, kind: ProblemKind) {
        let set = if self.merged.contains_key(key) {
            key
        } else {
            other
        };
        self.problems.push(Problem {
            origin: self.origin(set),
            key: key.to_owned(),
            kind,
        });
    }

    /// Returns the recorded problems.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Returns whether no problem was recorded.
    pub(super) fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    fn shown<T>(&self, key: &Key<T>) -> String {
        match self.merged.get(key.name) {
            Some(value) => for_message(value),
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

    /// Flattens nested tables to full names. A known key that holds a table keeps it, as a value of the wrong type.
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

    fn reject_unknown(&mut self) {
        let mut unknown: Vec<String> = self
            .merged
            .keys()
            .filter(|name| !keys::NAMES.contains(&name.as_str()))
            .cloned()
            .collect();
        unknown.sort_unstable();
        for name in unknown {
            let kind = if looks_secret(&name) {
                ProblemKind::Secret
            } else {
                ProblemKind::UnknownKey {
                    value: self.merged.get(&name).map(for_message).unwrap_or_default(),
                    nearest: nearest(&name),
                }
            };
            self.record(&name, &name, kind);
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

/// Returns the known key that is most similar to `name`, by its section and by its last part.
fn nearest(name: &str) -> String {
    let similarity = strsim::normalized_damerau_levenshtein;
    let split = |name: &str| match name.split_once('.') {
        Some((section, key)) => (section.to_lowercase(), key.to_lowercase()),
        None => (name.to_lowercase(), name.to_lowercase()),
    };
    let (section, key) = split(name);
    let score = |known: &str| {
        let (known_section, known_key) = split(known);
        similarity(&known_section, &section).mul_add(0.8, similarity(&known_key, &key))
    };
    // Several sections can have a key of this name.
    let is_named = |known: &&str| !name.contains('.') && split(known).1 == key;
    let named: Vec<&str> = keys::NAMES.iter().copied().filter(is_named).collect();
    if !named.is_empty() {
        return named.join(" or ");
    }
    let all = keys::NAMES.iter();
    let nearest = all.max_by(|a, b| score(a).total_cmp(&score(b)));
    nearest.copied().unwrap_or_default().to_owned()
}

/// Formats a value for a message: on one line, shortened, and without the parts of a URL that may hold a password.
fn for_message(value: &Value) -> String {
    const CHARS_MAX: usize = 100;
    match &value.kind {
        ValueKind::String(text) if text.contains("://") && text.contains(['@', '?', '#']) => {
            "a URL with a user name, a query or a fragment".to_owned()
        }
        ValueKind::String(text) if text.chars().count() > CHARS_MAX => {
            format!("{:?}…", text.chars().take(CHARS_MAX).collect::<String>())
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the message of the TOML parser without the line that it quotes, which may hold a secret.
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
    fn the_nearest_key_is_found_by_its_full_name_or_by_its_last_part() {
        assert_eq!(nearest("growth.chunck"), "growth.chunk");
        assert_eq!(nearest("chunk"), "growth.chunk");
        assert_eq!(nearest("keep"), "results.keep or history.keep");
        assert_eq!(nearest("polling.chunk"), "growth.chunk");
        assert_eq!(nearest("api.url"), "api.base_url");
        assert_eq!(nearest("log.lvl"), "log.level");
        assert_eq!(nearest("polling.interval_max"), "polling.max_interval");
        assert!(nearest("apii.x").starts_with("api."));
        assert!(nearest("growth").starts_with("growth."));
    }
}
