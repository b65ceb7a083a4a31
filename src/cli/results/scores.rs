//! `results.scores`: how each criterion of a task was graded, as the service wrote it.
//!
//! The service does not document the shape of a score. It was seen as `{"grade": 4, "explanation": "…", "sources": ["…"]}`.

use super::cell::Cell;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The scores of one result.
#[derive(Debug, Default)]
pub struct Scores<'a>(Object<'a>);

impl<'a> Scores<'a> {
    /// Parses a JSON object with a score for each criterion's key; none if it is no object.
    #[must_use]
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// Returns the score of a criterion.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Score<'a>> {
        self.0.get(key).map(|json| Score::of(json))
    }

    /// Returns each criterion's key with its score, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Score<'a>)> {
        self.0.iter().map(|(key, json)| (&**key, Score::of(json)))
    }
}

/// How one criterion was graded.
#[derive(Debug)]
pub struct Score<'a> {
    grade: &'a RawValue,
    explanation: Option<&'a RawValue>,
}

impl<'a> Score<'a> {
    /// Takes an object apart that has a grade; any other value is the grade itself.
    fn of(json: &'a RawValue) -> Self {
        // serde also reads a list as the fields of a struct.
        let is_object = json.get().starts_with('{');
        match serde_json::from_str(json.get()) {
            Ok(Graded {
                grade: Some(grade),
                explanation,
            }) if is_object => Self { grade, explanation },
            Ok(_) | Err(_) => Self {
                grade: json,
                explanation: None,
            },
        }
    }

    /// Returns the grade.
    #[must_use]
    pub fn grade(&self) -> Cell<'a> {
        cell(self.grade)
    }

    /// Returns the grade as JSON.
    #[must_use]
    pub fn grade_json(&self) -> &'a RawValue {
        self.grade
    }

    /// Returns the explanation.
    #[must_use]
    pub fn explanation(&self) -> Cell<'a> {
        self.explanation.map_or(Cell::Empty, cell)
    }
}

/// The known shape of a score.
#[derive(Deserialize)]
struct Graded<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    grade: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    explanation: Option<&'a RawValue>,
}

/// Reads a value that is there, also null, which is otherwise the same as a missing one.
fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

/// Returns a JSON value as a cell: numbers as numbers, strings as their text, objects, lists and booleans as compact JSON.
fn cell(json: &RawValue) -> Cell<'_> {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'n') => Cell::Empty,
        Some(b'0'..=b'9' | b'-') => Cell::Number(text.into()),
        // A string with half a surrogate pair is JSON, but no text.
        Some(b'"') => Cell::Text(serde_json::from_str(text).unwrap_or(text.into())),
        _ => Cell::Text(compact(text).into()),
    }
}

/// Removes the white space between the parts of a JSON document.
#[must_use]
pub fn compact(json: &str) -> String {
    let (mut is_in_string, mut is_escaped) = (false, false);
    json.chars()
        .filter(|c| {
            if is_in_string {
                is_in_string = is_escaped || *c != '"';
                is_escaped = !is_escaped && *c == '\\';
                return true;
            }
            is_in_string = *c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Cell<'_> {
        Cell::Number(text.into())
    }

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(text.into())
    }

    #[test]
    fn a_score_of_any_shape_has_a_grade() {
        for (json, grade, explanation) in [
            (
                r#"{"grade": 4, "explanation": "fits", "sources": ["https://a.example"]}"#,
                number("4"),
                text("fits"),
            ),
            (r#"{"grade":4.5}"#, number("4.5"), Cell::Empty),
            (
                r#"{"explanation":null,"grade":"A"}"#,
                text("A"),
                Cell::Empty,
            ),
            (
                r#"{"grade":null,"explanation":{"a": [1, "b c"]}}"#,
                Cell::Empty,
                text(r#"{"a":[1,"b c"]}"#),
            ),
            ("5", number("5"), Cell::Empty),
            ("-1e400", number("-1e400"), Cell::Empty),
            (
                "12345678901234567890",
                number("12345678901234567890"),
                Cell::Empty,
            ),
            ("null", Cell::Empty, Cell::Empty),
            ("true", text("true"), Cell::Empty),
            (r#""=1+1""#, text("=1+1"), Cell::Empty),
            (r#""\ud800""#, text(r#""\ud800""#), Cell::Empty),
            (r#"[1, " a\" b"]"#, text(r#"[1," a\" b"]"#), Cell::Empty),
            (
                r#"{"level": 3, "why": "x"}"#,
                text(r#"{"level":3,"why":"x"}"#),
                Cell::Empty,
            ),
            ("{}", text("{}"), Cell::Empty),
        ] {
            let scores = format!(r#"{{"other": 1, "key": {json}}}"#);
            let scores = Scores::parse(&scores).expect(json);
            let score = scores.get("key").expect(json);
            assert_eq!(score.grade(), grade, "{json}");
            assert_eq!(score.explanation(), explanation, "{json}");
        }
    }

    #[test]
    fn keys_are_texts_and_a_deep_value_is_no_obstacle() {
        let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
        let json = format!(r#"{{"a\"b":1,"\u00fc":2,"deep":{deep}}}"#);
        let scores = Scores::parse(&json).unwrap();
        assert_eq!(scores.get("a\"b").unwrap().grade(), number("1"));
        assert_eq!(scores.get("ü").unwrap().grade(), number("2"));
        assert_eq!(scores.get("deep").unwrap().grade(), text(&deep));
        assert!(scores.get("z").is_none());
        for json in ["", "[1]", "1", "null", "{"] {
            assert!(Scores::parse(json).is_none(), "{json}");
        }
    }

    #[test]
    fn compact_json_keeps_the_white_space_of_strings() {
        for (json, compacted) in [
            ("{ \"a b\" :\n[1,\t2 ] }", r#"{"a b":[1,2]}"#),
            (r#"["\\", " \" "]"#, r#"["\\"," \" "]"#),
            ("1.00", "1.00"),
        ] {
            assert_eq!(compact(json), compacted);
        }
    }
}
