//! Reading a page of a task's results: each row by itself, and each field of a row by itself.

use super::error;
use super::wire::{parse_borrowed, read_clean_task, whole, without_mark};
use crate::core::domain::registrable;
use crate::core::results::{FIELD_MAX, ResultRow, ResultsPage};
use crate::core::task_id;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The most rows of a page.
const ROWS_MAX: usize = 10_000;

/// The longest id of a result, in bytes.
const ID_MAX: usize = 200;

/// The longest text inside `scores` and `extra`, in bytes.
const INNER_TEXT_MAX: usize = 16 * 1024;

/// The deepest nesting inside `scores` and `extra`. SQLite reads JSON down to 1,000 levels.
const DEPTH_MAX: usize = 128;

/// The member of `extra` that names the fields of the row that are cut, or left out, because they are too long, nested too
/// deeply, or unreadable.
const CLIPPED: &str = "growd:clipped";

/// The most names in [`CLIPPED`].
const CLIPPED_NAMES_MAX: usize = 20;

/// The longest name in [`CLIPPED`], in bytes.
const CLIPPED_NAME_MAX: usize = 50;

/// The room for [`CLIPPED`] in `extra`, in bytes. A control character takes six.
const CLIPPED_MAX: usize = CLIPPED_NAMES_MAX * (6 * CLIPPED_NAME_MAX + 3) + 20;

/// Reads a page of a task's results from the body of an answer. The task is read exactly as
/// [`read_task`](super::read_task) does.
///
/// A row is left out, and counted, if it is no object, has no usable id (a text of 1 to 200 bytes without control characters, or a
/// number), or belongs to another task. Of rows with the same id the first is kept, and the others are counted as repeated.
/// Nothing else costs a row: see [`ResultRow`] for fields of an undocumented type. `scores` and `extra` are at most [`FIELD_MAX`] bytes long; for that their longest
/// members are left out. The member `growd:clipped` of `extra` is the list of the fields that are not kept as they came.
///
/// # Errors
///
/// A description if the body is not such a task with an array `results`, or has over 10,000 rows. It can quote the body at
/// length.
pub fn read_results(body: &[u8], expected_id: &str) -> Result<ResultsPage, String> {
    read_clean_results(body, expected_id, |text| text)
}

/// Reads a page as [`read_results`] does, and applies `clean` to each text before it is cut to length.
///
/// # Errors
///
/// Those of [`read_results`].
pub(super) fn read_clean_results(
    body: &[u8],
    expected_id: &str,
    clean: impl Fn(String) -> String,
) -> Result<ResultsPage, String> {
    let seen = read_clean_task(body, expected_id, &clean)?;
    // One broken character of a text costs no more than itself.
    let text = String::from_utf8_lossy(without_mark(body));
    let mut changed = Vec::new();
    let Body {
        results: RawRows(raw_rows),
    } = parse_borrowed(text.as_bytes(), &mut changed).map_err(|error| error.to_string())?;
    let len = raw_rows.len();
    let (mut rows, mut ids, mut first_reason) = (Vec::with_capacity(len), HashSet::new(), None);
    let mut repeated = 0;
    for raw_row in raw_rows {
        match read_row(raw_row, expected_id, &clean) {
            Ok(row) if ids.insert(row.result_id.clone()) => rows.push(row),
            Ok(_) => repeated += 1,
            Err(reason) => {
                first_reason.get_or_insert(reason);
            }
        }
    }
    let left_out = first_reason.map(|reason| {
        let reason = error::clip(&clean(reason));
        let left_out = len - rows.len() - repeated;
        format!("{left_out} of {len} rows; first: {reason}")
    });
    Ok(ResultsPage {
        seen,
        rows,
        len,
        repeated,
        left_out,
    })
}

/// The part of the answer besides the task.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    results: RawRows<'a>,
}

/// At most [`ROWS_MAX`] values.
struct RawRows<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for RawRows<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Rows;

        impl<'de> Visitor<'de> for Rows {
            type Value = RawRows<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of results")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<RawRows<'de>, A::Error> {
                let mut raw_rows = Vec::new();
                while let Some(row) = rows.next_element()? {
                    if raw_rows.len() == ROWS_MAX {
                        return Err(de::Error::custom(format_args!(
                            "there are over {ROWS_MAX} results"
                        )));
                    }
                    raw_rows.push(row);
                }
                Ok(RawRows(raw_rows))
            }
        }

        from.deserialize_seq(Rows)
    }
}

/// Reads one row.
///
/// # Errors
///
/// The reason why it is left out. It can quote the row at length.
fn read_row(
    row: &RawValue,
    expected_id: &str,
    clean: &impl Fn(String) -> String,
) -> Result<ResultRow, String> {
    if !row.get().starts_with('{') {
        return Err("it is no object".to_owned());
    }
    let mut fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(row.get()).map_err(|error| error.to_string())?;
    let id = fields.remove("id").and_then(text_or_number).map(clean);
    let is_usable =
        |id: &String| (1..=ID_MAX).contains(&id.len()) && !id.contains(char::is_control);
    let result_id = id.filter(is_usable).ok_or("it has no usable id")?;
    let task_id = fields.remove("task_id").and_then(text_or_number);
    if task_id.is_some_and(|id| !task_id::is_same(&id, expected_id)) {
        return Err("it belongs to another task".to_owned());
    }
    let mut fields = Fields {
        rest: fields,
        clean,
        clipped: Vec::new(),
    };
    let company_website = fields.text("company_website");
    Ok(ResultRow {
        result_id,
        company_name: fields.text("company_name"),
        domain: company_website.as_deref().and_then(registrable),
        company_website,
        company_description: fields.text("company_description"),
        company_full_description: fields.text("company_full_description"),
        relevance: fields.number("relevance", Number::as_f64),
        source: fields.text("source"),
        founding_year: fields.number("founding_year", |number| {
            let from_float = || number.as_f64().and_then(whole);
            number.as_i64().or_else(from_float)
        }),
        employee_count: fields.text("employee_count"),
        hq_country: fields.text("hq_country"),
        hq_state_province: fields.text("hq_state_province"),
        hq_city: fields.text("hq_city"),
        company_profile_id: fields.text("company_profile_id"),
        scores: fields.scores(),
        created_at: fields.text("created_at"),
        extra: fields.extra(),
    })
}

/// Returns a string, or a number as it is written.
fn text_or_number(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(value.get()).ok(),
        Some(b'-' | b'0'..=b'9') => Some(value.get().to_owned()),
        _ => None,
    }
}

/// The fields of a row that are not read yet.
struct Fields<'a, C> {
    rest: BTreeMap<String, &'a RawValue>,
    clean: &'a C,
    /// The names of the fields that are not kept as they came.
    clipped: Vec<String>,
}

impl<C: Fn(String) -> String> Fields<'_, C> {
    /// Takes the field `name` if it has the type `T`.
    fn take<T: de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = serde_json::from_str(self.rest.get(name)?.get()).ok()?;
        self.rest.remove(name);
        Some(value)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let text = self.take(name)?;
        let (text, is_clipped) = self.clip(text, FIELD_MAX);
        if is_clipped {
            self.clipped.push(name.to_owned());
        }
        Some(text)
    }

    fn number<T>(&mut self, name: &str, read: impl Fn(&Number) -> Option<T>) -> Option<T> {
        let number: Number = serde_json::from_str(self.rest.get(name)?.get()).ok()?;
        let number = read(&number)?;
        self.rest.remove(name);
        Some(number)
    }

    /// Takes `scores`, each member by itself: one that cannot be read costs no other.
    fn scores(&mut self) -> Option<String> {
        const NAME: &str = "scores";
        let scores: BTreeMap<String, &RawValue> =
            serde_json::from_str(self.rest.get(NAME)?.get()).ok()?;
        self.rest.remove(NAME);
        let mut is_clipped = false;
        let members = scores.into_iter().filter_map(|(key, value)| {
            let (key, is_key_clipped) = self.clip_key(key);
            let Ok(value) = serde_json::from_str(value.get()) else {
                is_clipped = true;
                return None;
            };
            // The braces around the members are the first level.
            let (value, is_value_clipped) = self.clip_value(value, 2);
            is_clipped |= is_key_clipped || is_value_clipped;
            Some((key, value))
        });
        let members: Map<String, Value> = members.collect();
        let (json, left_out) = object(members, FIELD_MAX);
        if is_clipped || !left_out.is_empty() {
            self.clipped.push(NAME.to_owned());
        }
        Some(json)
    }

    /// Returns the fields that were not taken, except those that are null.
    fn extra(mut self) -> Option<String> {
        // The name is growd's own.
        self.rest.remove(CLIPPED);
        let mut extra = Map::new();
        for (name, value) in std::mem::take(&mut self.rest) {
            let (name, is_name_clipped) = self.clip_key(name);
            let Ok(value) = serde_json::from_str(value.get()) else {
                self.clipped.push(name);
                continue;
            };
            let (value, is_value_clipped) = self.clip_value(value, 1);
            if is_name_clipped || is_value_clipped {
                self.clipped.push(name.clone());
            }
            if !value.is_null() {
                extra.insert(name, value);
            }
        }
        let (mut json, left_out) = object(extra, FIELD_MAX - CLIPPED_MAX);
        self.clipped.extend(left_out);
        if !self.clipped.is_empty() {
            let names = self.clipped.iter().take(CLIPPED_NAMES_MAX);
            let names: Vec<&str> = names
                .map(|name| &name[..name.floor_char_boundary(CLIPPED_NAME_MAX)])
                .collect();
            let comma = if json == "{}" { "" } else { "," };
            json.truncate(json.len() - 1);
            json += &[
                comma,
                "\"",
                CLIPPED,
                "\":",
                &Value::from(names).to_string(),
                "}",
            ]
            .concat();
        }
        (json != "{}").then_some(json)
    }

    /// Returns a text of at most `max` bytes without NUL, which SQLite's functions take for the end of a text, and whether it was longer.
    fn clip(&self, text: String, max: usize) -> (String, bool) {
        let mut text = (self.clean)(text);
        if text.contains('\0') {
            text = text.replace('\0', "\u{fffd}");
        }
        let is_longer = text.len() > max;
        text.truncate(text.floor_char_boundary(max));
        (text, is_longer)
    }

    /// Clips the name of a member. Changes the name by which `serde_json` marks raw JSON: it could not read such an object again.
    fn clip_key(&self, key: String) -> (String, bool) {
        match key.strip_prefix('$') {
            Some(rest @ "serde_json::private::RawValue") => (rest.to_owned(), true),
            _ => self.clip(key, INNER_TEXT_MAX),
        }
    }

    /// Clips all texts in a value that is `depth` levels below the column's, and returns whether anything was cut.
    fn clip_value(&self, value: Value, depth: usize) -> (Value, bool) {
        let mut is_clipped = false;
        let mut clipped = |(value, is_longer)| {
            is_clipped |= is_longer;
            value
        };
        let value = match value {
            Value::Array(_) | Value::Object(_) if depth == DEPTH_MAX => {
                clipped((Value::Null, true))
            }
            Value::String(text) => {
                let (text, is_longer) = self.clip(text, INNER_TEXT_MAX);
                clipped((Value::String(text), is_longer))
            }
            Value::Array(values) => {
                let values = values.into_iter();
                Value::Array(
                    values
                        .map(|value| clipped(self.clip_value(value, depth + 1)))
                        .collect(),
                )
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(key, value)| {
                    let (key, is_longer) = self.clip_key(key);
                    let (value, is_value_clipped) = self.clip_value(value, depth + 1);
                    (key, clipped((value, is_longer || is_value_clipped)))
                });
                Value::Object(members.collect())
            }
            other => other,
        };
        (value, is_clipped)
    }
}

/// Writes a JSON object of at most `max` bytes. Leaves out the longest members if it would be longer, and returns their names.
fn object(members: Map<String, Value>, max: usize) -> (String, Vec<String>) {
    let members = members.into_iter();
    let mut members: Vec<(String, String)> = members
        .map(|(name, value)| {
            let json = format!("{}:{value}", Value::from(name.as_str()));
            (name, json)
        })
        .collect();
    let mut len = 2 + members
        .iter()
        .map(|(_, json)| json.len() + 1)
        .sum::<usize>();
    let mut left_out = Vec::new();
    if len > max {
        members.sort_by_key(|(_, json)| json.len());
        while len > max
            && let Some((name, json)) = members.pop()
        {
            len -= json.len() + 1;
            left_out.push(name);
        }
        members.sort();
    }
    let members: Vec<String> = members.into_iter().map(|(_, json)| json).collect();
    (format!("{{{}}}", members.join(",")), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_cannot_be_read_costs_no_other_score() {
        let row = r#"{"id": "r", "scores": {"z": 18446744073709551615, "b": 1e400, "c": "\ud800", "a": {"grade": 4}}}"#;
        let row: Box<RawValue> = serde_json::from_str(row).unwrap();
        let row = read_row(&row, "t", &|text| text).unwrap();
        let scores = r#"{"a":{"grade":4},"z":18446744073709551615}"#;
        assert_eq!(row.scores.as_deref(), Some(scores));
        let extra = r#"{"growd:clipped":["scores"]}"#;
        assert_eq!(row.extra.as_deref(), Some(extra));
    }
}
