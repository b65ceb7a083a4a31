//! NAME arguments: the names of searches.

use crate::cli::tasks::{StateFilter, state};
use crate::store::searches;
use clap::Args;
use sqlx::sqlite::SqliteConnection;
use std::fmt;

/// The longest name, in bytes.
const NAME_MAX: usize = 100;

/// The most similar names that an error lists.
const SIMILAR_MAX: usize = 3;

/// How similar a name must be to be listed, from 0 to 1.
const SIMILARITY_MIN: f64 = 0.5;

/// The searches that a command applies to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Selection {
    /// The name of a search
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All searches in this state, instead of NAME
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<StateFilter>,
}

/// Parses the name of a new search.
///
/// # Errors
///
/// A message that names the first character that does not belong.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > NAME_MAX {
        return Err(format!(
            "the name of a search has 1 to {NAME_MAX} characters of A-Z a-z 0-9 - . _"
        ));
    }
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || "-._".contains(*c);
    match text.chars().find(|c| !is_allowed(c)) {
        Some(character) => Err(format!(
            "{character:?} does not belong in the name of a search, which consists of A-Z a-z 0-9 - . _"
        )),
        None => Ok(text.to_owned()),
    }
}

/// Some of the named searches are not in the database.
#[derive(Debug, thiserror::Error)]
#[error("{}. `growd search list` lists all searches", .0.iter().map(Unknown::to_string).collect::<Vec<_>>().join("; "))]
pub struct UnknownSearches(Vec<Unknown>);

/// A name that no search has.
#[derive(Debug)]
struct Unknown {
    name: String,
    /// The most similar names, the most similar one first.
    similar: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no search {:?}", self.name)?;
        if !self.similar.is_empty() {
            write!(f, " (did you mean {}?)", self.similar.join(" or "))?;
        }
        Ok(())
    }
}

/// Checks that each of these searches exists; returns each of them once.
///
/// # Errors
///
/// [`UnknownSearches`] with all names that no search has; `StoreError`.
pub async fn find(
    connection: &mut SqliteConnection,
    names: &[String],
) -> anyhow::Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        if found.contains(name) {
            continue;
        }
        match searches::find(connection, name).await? {
            Some(_) => found.push(name.clone()),
            None => unknown.push(Unknown {
                name: name.clone(),
                similar: similar(name, searches::names(connection).await?),
            }),
        }
    }
    if unknown.is_empty() {
        Ok(found)
    } else {
        Err(UnknownSearches(unknown).into())
    }
}

/// Returns the names that are similar to `name`, or contain it.
fn similar(name: &str, known: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let name = name.to_lowercase();
    let score = |known: &str| {
        let known = known.to_lowercase();
        if !name.is_empty() && (known.contains(&name) || name.contains(&known)) {
            return 1.0;
        }
        strsim::normalized_damerau_levenshtein(&known, &name)
    };
    let mut scored: Vec<(f64, String)> = known
        .into_iter()
        .map(Into::into)
        .map(|known: String| (score(&known), known))
        .filter(|(score, _)| *score >= SIMILARITY_MIN)
        .collect();
    scored.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| a.cmp(b)));
    scored.truncate(SIMILAR_MAX);
    scored.into_iter().map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_consists_of_letters_digits_and_three_other_characters() {
        for text in ["a", "freight-saas", "2026.q1_B", &"x".repeat(100)] {
            assert_eq!(name(text).as_deref(), Ok(text));
        }
        for (text, named) in [
            ("a b", "' '"),
            ("a/b", "'/'"),
            ("né", "'é'"),
            ("", "1 to 100"),
            (&"x".repeat(101), "1 to 100"),
        ] {
            let error = name(text).expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_similar_ones() {
        let known = ["freight-saas", "freight-2", "bakeries"];
        assert_eq!(
            similar("frieght-saas", known),
            ["freight-saas", "freight-2"]
        );
        assert_eq!(similar("Freight", known), ["freight-2", "freight-saas"]);
        assert!(similar("zzz", known).is_empty());
        assert!(similar("", known).is_empty());
        let error = UnknownSearches(vec![Unknown {
            name: "bakery".to_owned(),
            similar: similar("bakery", known),
        }]);
        assert_eq!(
            error.to_string(),
            "there is no search \"bakery\" (did you mean bakeries?). `growd search list` lists all searches"
        );
    }
}
