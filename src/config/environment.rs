//! The environment variables of the configuration: their names, their values, and warnings about unknown ones.

use super::keys;
use crate::crash;
use std::collections::HashMap;
use std::ffi::OsString;

/// The environment variable that names the configuration file if `--config` is not given.
pub const FILE_VARIABLE: &str = "GROWD_CONFIG";

/// The prefix of the variables that override a key. With a single underscore it would match `GROWD_CONFIG` too.
pub(super) const PREFIX: &str = "GROWD";

/// The separator between the prefix, the section and the key.
pub(super) const SEPARATOR: &str = "__";

/// The environment variable that can hold the token.
const TOKEN: &str = "EXTRUCT_API_TOKEN";

/// Returns the name of the variable that overrides `key`.
pub(super) fn variable(key: &str) -> String {
    format!(
        "{PREFIX}{SEPARATOR}{}",
        key.to_uppercase().replace('.', SEPARATOR)
    )
}

/// Returns the variables that override keys. Bytes that are not UTF-8 become replacement characters.
pub(super) fn overrides(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> HashMap<String, String> {
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| is_override(name))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

fn is_override(name: &str) -> bool {
    name.to_uppercase()
        .starts_with(&format!("{PREFIX}{SEPARATOR}"))
}

/// Returns a warning for each environment variable that looks like one of growd's but has no effect.
#[must_use]
pub fn warnings() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    unknown(names)
}

fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut warnings: Vec<String> = names
        .filter(|name| {
            name.to_uppercase().starts_with("GROWD_")
                && !is_override(name)
                && name != FILE_VARIABLE
                && !crash::VARIABLES.contains(&name.as_str())
        })
        .map(|name| {
            let nearest = nearest(&name);
            format!("the environment variable {name} is unknown and has no effect; did you mean {nearest}?")
        })
        .collect();
    warnings.sort_unstable();
    warnings
}

/// Returns the known variable that is most similar to `name`.
fn nearest(name: &str) -> String {
    let name = name.to_lowercase();
    let name = name.trim_start_matches("growd_");
    let similarity = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
    let keys = keys::NAMES.iter().map(|key| {
        let last = key.rsplit('.').next().unwrap_or(key);
        // A match of the key without its section scores a little lower than an equal match of both.
        let score = similarity(&key.replace('.', "_")).max(similarity(last) * 0.9);
        (score, variable(key))
    });
    let others = [
        ("config", FILE_VARIABLE),
        ("api_token", TOKEN),
        ("token", TOKEN),
    ]
    .map(|(known, variable)| (similarity(known), variable.to_owned()));
    keys.chain(others)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, variable)| variable)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_reported_with_the_most_similar_known_one() {
        for (name, nearest) in [
            ("GROWD_GROWTH_CHUNK", "GROWD__GROWTH__CHUNK"),
            ("GROWD_DAILY_LIMIT", "GROWD__GROWTH__DAILY_LIMIT"),
            ("growd_growth_daily_limt", "GROWD__GROWTH__DAILY_LIMIT"),
            ("GROWD_DATABASE_PATH", "GROWD__DATABASE__PATH"),
            ("GROWD_DATABASE", "GROWD__DATABASE__PATH"),
            ("GROWD_API_TOKEN_FILE", "GROWD__API__TOKEN_FILE"),
            ("GROWD_TOKEN", "EXTRUCT_API_TOKEN"),
            ("GROWD_API_TOKEN", "EXTRUCT_API_TOKEN"),
            ("GROWD_CONFG", "GROWD_CONFIG"),
            ("growd_config", "GROWD_CONFIG"),
        ] {
            let warnings = unknown([name.to_owned()].into_iter());
            assert_eq!(warnings.len(), 1, "{name}");
            assert!(warnings[0].contains(name), "{warnings:?}");
            let end = format!("{nearest}?");
            assert!(warnings[0].ends_with(&end), "{warnings:?}");
        }
        for known in [
            "GROWD_CONFIG",
            "GROWD__GROWTH__CHUNK",
            "growd__log__level",
            "GROWDY",
            "PATH",
            "EXTRUCT_API_TOKEN",
        ] {
            assert!(
                unknown([known.to_owned()].into_iter()).is_empty(),
                "{known}"
            );
        }
    }
}
