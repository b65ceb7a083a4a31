//! Variables that look like growd's, and have no effect.

use super::FILE_VARIABLE;
use super::keys;
use super::layers::{PREFIX, SEPARATOR};
use crate::crash;

/// The variable that can hold the token.
const TOKEN: &str = "EXTRUCT_API_TOKEN";

/// What this process's environment says that has no effect, though it seems to be meant for growd.
#[must_use]
pub fn warnings() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    unknown(names)
}

fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut warnings: Vec<String> = names
        .filter(|name| {
            let upper = name.to_uppercase();
            upper.starts_with("GROWD_")
                && !upper.starts_with(&format!("{PREFIX}{SEPARATOR}"))
                && name != FILE_VARIABLE
                && !crash::VARIABLES.contains(&name.as_str())
        })
        .map(|name| {
            let nearest = nearest(&name);
            format!("the environment variable {name} is not known, and has no effect; did you mean {nearest}?")
        })
        .collect();
    warnings.sort_unstable();
    warnings
}

/// The known variable that is most like an unknown one.
fn nearest(name: &str) -> String {
    let name = name.to_lowercase();
    let name = name.trim_start_matches("growd_");
    let like = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
    let keys = keys::NAMES.iter().map(|key| {
        let last = key.rsplit('.').next().unwrap_or(key);
        // Its last part alone is as good, unless there is a better one.
        let score = like(&key.replace('.', "_")).max(like(last) * 0.9);
        (score, variable(key))
    });
    let others = [
        ("config", FILE_VARIABLE),
        ("api_token", TOKEN),
        ("token", TOKEN),
    ]
    .map(|(known, variable)| (like(known), variable.to_owned()));
    keys.chain(others)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, variable)| variable)
        .unwrap_or_default()
}

/// The variable that overrides a key.
pub(super) fn variable(key: &str) -> String {
    format!(
        "{PREFIX}{SEPARATOR}{}",
        key.to_uppercase().replace('.', SEPARATOR)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_told_with_the_one_that_is_most_like_it() {
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
            let told = unknown([name.to_owned()].into_iter());
            assert_eq!(told.len(), 1, "{name}");
            assert!(told[0].contains(name), "{told:?}");
            assert!(told[0].ends_with(&format!("{nearest}?")), "{told:?}");
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
