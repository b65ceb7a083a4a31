//! The criteria of a search: a JSON array of objects with a key, a name and a criterion.

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::io::Read as _;
use std::path::Path;

/// The largest accepted file, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// The most criteria of a search.
const CRITERIA_MAX: usize = 10;

/// The fields of a criterion: name, length in characters, and what that means in words.
const FIELDS: [(&str, usize, usize, &str); 3] = [
    ("key", 1, 100, "1 to 100 of A-Z a-z 0-9 _"),
    ("name", 1, 100, "a text of 1 to 100 characters"),
    ("criterion", 10, 500, "a text of 10 to 500 characters"),
];

/// What a company must meet.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_field_names, reason = "the fields of the service")]
struct Criterion<'a> {
    key: &'a str,
    name: &'a str,
    criterion: &'a str,
}

/// Reads the criteria from a file, or from stdin if `path` is `-`. Returns them as a JSON array.
///
/// # Errors
///
/// An error that names each entry and field that is wrong.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        let mut stdin = std::io::stdin().lock().take(BYTES_MAX + 1);
        stdin
            .read_to_end(&mut bytes)
            .context("stdin cannot be read")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("{name} cannot be read"))?;
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("{name} cannot be read"))?;
    }
    if bytes.len() as u64 > BYTES_MAX {
        bail!("{name} is larger than {BYTES_MAX} bytes, the maximum");
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let value: Value = serde_json::from_slice(text)
        .with_context(|| format!("{name} is not a JSON array of criteria"))?;
    parse(&value).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{name}: {problem}"))
            .collect();
        anyhow::anyhow!("{}\nnothing was changed", lines.join("\n"))
    })
}

/// Checks criteria; returns them as a JSON array.
///
/// # Errors
///
/// All that is wrong with them.
pub fn parse(value: &Value) -> Result<String, Vec<String>> {
    let Value::Array(entries) = value else {
        return Err(vec![
            "it must be a JSON array of objects with key, name and criterion".to_owned(),
        ]);
    };
    let mut problems = Vec::new();
    if entries.is_empty() {
        problems.push("it has no criteria: leave it out, and the service infers them".to_owned());
    }
    if entries.len() > CRITERIA_MAX {
        problems.push(format!(
            "it has {} criteria; the most is {CRITERIA_MAX}",
            entries.len()
        ));
    }
    let mut criteria = Vec::new();
    let mut keys = HashSet::new();
    for (number, entry) in (1..).zip(entries) {
        let Value::Object(fields) = entry else {
            problems.push(format!(
                "entry {number} must be an object with key, name and criterion"
            ));
            continue;
        };
        let unknown = fields
            .keys()
            .filter(|key| FIELDS.iter().all(|(name, ..)| name != key));
        problems.extend(unknown.map(|key| {
            format!(
                "entry {number} has the unknown key {key:?}; the keys are key, name and criterion"
            )
        }));
        match FIELDS.map(|field| text(fields, field)) {
            [Ok(key), Ok(name), Ok(criterion)] => {
                if !keys.insert(key) {
                    problems.push(format!(
                        "entry {number}: another entry has the key {key:?}, too"
                    ));
                }
                criteria.push(Criterion {
                    key,
                    name,
                    criterion,
                });
            }
            fields => {
                let wrong = fields.into_iter().filter_map(Result::err);
                problems.extend(wrong.map(|wrong| format!("entry {number}: {wrong}")));
            }
        }
    }
    match serde_json::to_string(&criteria) {
        Ok(text) if problems.is_empty() => Ok(text),
        Ok(_) => Err(problems),
        Err(error) => Err(vec![error.to_string()]),
    }
}

/// Returns a field, or what is wrong with it.
fn text<'a>(
    fields: &'a Map<String, Value>,
    (name, min, max, allowed): (&str, usize, usize, &str),
) -> Result<&'a str, String> {
    let is_allowed = |text: &str| {
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (min..=max).contains(&text.chars().count())
            && !text.trim().is_empty()
            && !text.contains('\0')
            && (name != "key" || text.chars().all(is_of_key))
    };
    match fields.get(name) {
        None => Err(format!("{name} is missing: it must be {allowed}")),
        Some(Value::String(text)) if is_allowed(text) => Ok(text),
        Some(Value::String(text)) => Err(format!(
            "{name} must be {allowed}, and has {}",
            text.chars().count()
        )),
        Some(_) => Err(format!("{name} must be {allowed}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(key: &str) -> Value {
        json!({"criterion": "sells software by subscription", "name": "SaaS", "key": key})
    }

    #[test]
    fn criteria_are_written_in_one_form() {
        let text = parse(&json!([entry("saas"), entry("b_2")])).expect("criteria");
        let first =
            r#"[{"key":"saas","name":"SaaS","criterion":"sells software by subscription"},"#;
        assert!(text.starts_with(first), "{text}");
    }

    #[test]
    fn each_error_names_the_entry_and_the_field() {
        for (value, expected) in [
            (json!({}), "a JSON array"),
            (json!([]), "no criteria"),
            (json!(vec![entry("a"); 11]), "11 criteria"),
            (json!(["x"]), "entry 1 must be an object"),
            (
                json!([entry("a"), entry("a")]),
                "entry 2: another entry has the key \"a\"",
            ),
            (json!([entry("a b")]), "entry 1: key must be 1 to 100 of"),
            (
                json!([{"key": "a", "name": "n"}]),
                "entry 1: criterion is missing",
            ),
            (
                json!([{"key": "a", "name": "n", "criterion": "short"}]),
                "entry 1: criterion must be a text of 10 to 500 characters, and has 5",
            ),
            (
                json!([{"key": "a", "name": 7, "criterion": "long enough"}]),
                "entry 1: name must be a text",
            ),
            (
                json!([entry("a"), {"key": "b", "name": "n", "criterion": "long enough", "weight": 2}]),
                "entry 2 has the unknown key \"weight\"",
            ),
        ] {
            let problems = parse(&value).expect_err(expected);
            assert!(
                problems.iter().any(|problem| problem.contains(expected)),
                "{problems:?}"
            );
        }
    }
}
