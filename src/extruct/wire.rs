//! Lenient reading of the service's JSON: ignores new fields, reads missing optional counters as 0, keeps unknown words,
//! and accepts a value of another type if only one meaning is possible.

use crate::core::{Observation, Status, task_id};
use serde::de::{DeserializeOwned, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A task as the service writes it (docs.extruct.ai, "Get discovery task").
#[derive(Deserialize)]
pub(super) struct WireTask {
    pub(super) id: String,
    status: String,
    desired_num_results: Count,
    num_results: Count,
    is_exhausted: Option<Flag>,
    // Older pages of the service's documentation lack some of these.
    num_results_discovered: Option<Count>,
    num_results_enriched: Option<Count>,
    num_results_evaluated: Option<Count>,
    query: Option<String>,
}

/// A whole number. Also accepts `25.0`, `"25"` and `"25.0"`.
#[derive(Clone, Copy)]
pub(super) struct Count(pub(super) i64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Count, E> {
                Ok(Count(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Count, E> {
                let count = i64::try_from(number).map(Count);
                count.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Count, E> {
                let count = whole(number).map(Count);
                count.ok_or_else(|| E::invalid_type(Unexpected::Float(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
                let number = text.parse::<Number>().ok();
                let count = number.and_then(|number| {
                    let from_float = || number.as_f64().and_then(whole);
                    number.as_i64().or_else(from_float).map(Count)
                });
                count.ok_or_else(|| E::invalid_type(Unexpected::Str(text), &self))
            }
        }

        from.deserialize_any(Whole)
    }
}

/// Returns the whole number that a double represents exactly.
pub(super) fn whole(number: f64) -> Option<i64> {
    /// `serde_json` without `float_roundtrip` may parse a larger number (from about 2^50) as a neighbouring one.
    const EXACT_MAX: f64 = 1e12;
    let is_one = number.is_sign_positive() && number.fract() == 0.0 && number <= EXACT_MAX;
    // The standard library has no checked conversion. Such a double prints as an integer.
    is_one.then(|| number.to_string().parse().ok()).flatten()
}

/// A boolean. Also accepts 0 and 1.
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Boolean;

        impl Visitor<'_> for Boolean {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean")
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Flag, E> {
                match number {
                    0 => Ok(Flag(false)),
                    1 => Ok(Flag(true)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }

        from.deserialize_any(Boolean)
    }
}

/// The account (docs.extruct.ai, "Get current user").
#[derive(Debug, Clone)]
pub struct User {
    /// The email address of the token's owner.
    pub email: Option<String>,
    /// The credits left; a match costs about one.
    pub available_credits: Option<Number>,
}

impl User {
    /// Returns the credits left, without a fraction; `None` if the service shows none.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number beyond the range becomes its end"
    )]
    pub fn whole_credits(&self) -> Option<i64> {
        let credits = self.available_credits.as_ref()?;
        let floor = || Some(credits.as_f64()?.floor() as i64);
        credits.as_i64().or_else(floor)
    }
}

/// Reads the account from the body of an answer. Treats a field of an undocumented type as missing.
///
/// # Errors
///
/// If the body is not a JSON object.
pub(super) fn read_user(body: &[u8]) -> Result<User, serde_json::Error> {
    let mut user: Map<String, Value> = read_json(body)?;
    Ok(User {
        email: match user.remove("email") {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        available_credits: match user.remove("available_credits") {
            Some(Value::Number(number)) => Some(number),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        },
    })
}

/// Parses JSON. Accepts a byte order mark, and control characters inside strings.
///
/// # Errors
///
/// Those of [`serde_json::from_slice`].
pub(super) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    parse(without_mark(body))
}

/// Parses JSON as [`read_json`] does, but accepts no byte order mark.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    parse_borrowed(text, &mut Vec::new())
}

/// Parses JSON as [`parse`] does. The value can borrow from `text`, or from `changed`, which receives a text without control
/// characters.
pub(super) fn parse_borrowed<'a, T: Deserialize<'a>>(
    text: &'a [u8],
    changed: &'a mut Vec<u8>,
) -> Result<T, serde_json::Error> {
    serde_json::from_slice(text).or_else(|error| match without_controls(text) {
        Some(text) => {
            *changed = text;
            serde_json::from_slice(changed)
        }
        None => Err(error),
    })
}

/// Returns a body without the byte order mark that it may begin with.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// U+FEFF in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Replaces each control character inside a string by a space; returns `None` if there is none. Deleting it instead could
/// turn an unknown field name or status into a known one.
fn without_controls(body: &[u8]) -> Option<Vec<u8>> {
    let mut clean = body.to_vec();
    let (mut in_string, mut escaped, mut changed) = (false, false, false);
    for byte in &mut clean {
        match *byte {
            _ if escaped => escaped = false,
            b'"' => in_string = !in_string,
            b'\\' => escaped = in_string,
            0..=0x1f if in_string => {
                *byte = b' ';
                changed = true;
            }
            _ => {}
        }
    }
    changed.then_some(clean)
}

/// Reads a task from the body of an answer. Its texts are of bounded length, and fit for a terminal.
///
/// # Errors
///
/// A description if the body is not JSON, lacks a field that decides about money, has an impossible one, or is another task.
/// It can quote the body at length.
pub fn read_task(body: &[u8], expected_id: &str) -> Result<Observation, String> {
    read_clean_task(body, expected_id, |text| text)
}

/// Reads a task as [`read_task`] does, and applies `clean` to each text before it is cut to length.
///
/// # Errors
///
/// Those of [`read_task`].
pub(super) fn read_clean_task(
    body: &[u8],
    expected_id: &str,
    clean: impl Fn(String) -> String,
) -> Result<Observation, String> {
    let task = WireTask::parse(without_mark(body))?;
    if !task_id::is_same(&task.id, expected_id) {
        return Err("it is another task than the one asked for".to_owned());
    }
    task.observation(clean)
}

impl WireTask {
    /// Parses one task, without a byte order mark.
    ///
    /// # Errors
    ///
    /// A description if the text is no JSON object with the fields of a task. It can quote the text at length.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        if let Some(b'[') = text.trim_ascii_start().first() {
            // serde would read a list of values as the fields in their order.
            return Err("a list where a task was expected".to_owned());
        }
        parse(text).map_err(|error| error.to_string())
    }

    /// Returns what the task shows. Applies `clean` to each text before it is cut to length.
    ///
    /// # Errors
    ///
    /// A description if a counter is negative.
    pub(super) fn observation(
        self,
        clean: impl Fn(String) -> String,
    ) -> Result<Observation, String> {
        let count = |name: &str, Count(value): Count| {
            if value < 0 {
                Err(format!("{name} is negative"))
            } else {
                Ok(value)
            }
        };
        let count_or_0 = |name: &str, value: Option<Count>| count(name, value.unwrap_or(Count(0)));
        Ok(Observation {
            status: match Status::parse(&self.status) {
                Status::Unknown(word) => Status::Unknown(clip(clean(word), STATUS_MAX)),
                known => known,
            },
            is_exhausted: self.is_exhausted.is_some_and(|Flag(flag)| flag),
            desired: count("desired_num_results", self.desired_num_results)?,
            discovered: count_or_0("num_results_discovered", self.num_results_discovered)?,
            enriched: count_or_0("num_results_enriched", self.num_results_enriched)?,
            evaluated: count_or_0("num_results_evaluated", self.num_results_evaluated)?,
            results: count("num_results", self.num_results)?,
            query: self.query.map(|query| clip(clean(query), QUERY_MAX)),
        })
    }
}

/// The longest unknown status that is kept, in characters.
const STATUS_MAX: usize = 64;

/// The longest query that is kept, in characters.
const QUERY_MAX: usize = 2_000;

/// Returns the first `max` characters of a text, with control characters replaced by spaces.
fn clip(text: String, max: usize) -> String {
    if text.len() <= max && !text.contains(char::is_control) {
        return text;
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_with_new_fields_and_words_and_without_the_newer_counters_is_read() {
        let body = r#"{"id":"a","status":"paused_by_vendor","query":"q","desired_num_results":100,
            "is_exhausted":false,"num_results_discovered":40,"num_results":7,"new":{"x":[1]}}"#;
        let seen = read_task(body.as_bytes(), "a").unwrap();
        assert_eq!(seen.status, Status::Unknown("paused_by_vendor".to_owned()));
        assert!(seen.status.is_running());
        assert_eq!((seen.desired, seen.results, seen.discovered), (100, 7, 40));
        assert_eq!((seen.enriched, seen.evaluated), (0, 0));
    }

    #[test]
    fn the_same_uuid_in_another_form_is_the_same_task() {
        const ID: &str = "0f0f1c1e-1111-4222-8333-4444555566aa";
        let answer = |id: &str| {
            format!(r#"{{"id":"{id}","status":"done","desired_num_results":1,"num_results":1}}"#)
        };
        for form in [
            &ID.to_uppercase(),
            &ID.replace('-', ""),
            &format!("urn:uuid:{ID}"),
        ] {
            assert!(read_task(answer(form).as_bytes(), ID).is_ok(), "{form}");
            assert!(read_task(answer(ID).as_bytes(), form).is_ok(), "{form}");
        }
        let other = ID.replace("aa", "ab");
        assert!(read_task(answer(&other).as_bytes(), ID).is_err());
        assert!(read_task(answer("A").as_bytes(), "a").is_err());
    }

    #[test]
    fn the_fields_that_decide_about_money_must_be_present_and_possible() {
        let whole = r#"{"id":"a","status":"done","desired_num_results":1,"num_results":1}"#;
        assert!(read_task(whole.as_bytes(), "a").is_ok());
        for broken in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            r#"{"id":"a","status":"done","desired_num_results":1}"#,
            r#"{"id":"a","desired_num_results":1,"num_results":1}"#,
            r#"{"status":"done","desired_num_results":1,"num_results":1}"#,
            r#"{"id":"b","status":"done","desired_num_results":1,"num_results":1}"#,
            r#"{"id":"a","status":7,"desired_num_results":1,"num_results":1}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":""}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":"abc"}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":"1.5"}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":"-1"}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":"NaN"}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":1.5}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":-1.0}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":9007199254740993.0}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":"9223372036854775808"}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":1,"is_exhausted":2}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":1,"is_exhausted":"perhaps"}"#,
            // Deleting the control character would make this the missing field.
            "{\"id\":\"a\",\"status\":\"done\",\"desired_num_results\":1,\"num_\nresults\":1}",
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":-1}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":NaN}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":99999999999999999999}"#,
            "\u{feff}{}",
        ] {
            assert!(read_task(broken.as_bytes(), "a").is_err(), "{broken}");
        }
        assert!(read_task(b"{\"id\":\"\xff\"}", "a").is_err());
    }

    #[test]
    fn a_value_with_only_one_meaning_is_read_whatever_its_type() {
        for (number, exhausted, expected) in [
            ("25", "true", (25, true)),
            ("25.0", "1", (25, true)),
            ("2.5e1", "0", (25, false)),
            (r#""25""#, "false", (25, false)),
            (r#""25.0""#, "null", (25, false)),
            ("0.0", "1", (0, true)),
            ("1000000000000.0", "0", (1_000_000_000_000, false)),
            (r#""9223372036854775807""#, "1", (i64::MAX, true)),
        ] {
            let body = format!(
                r#"{{"id":"a","status":"done","desired_num_results":{number},"num_results":{number},
                    "num_results_discovered":null,"num_results_enriched":{number},"is_exhausted":{exhausted}}}"#
            );
            let seen = read_task(body.as_bytes(), "a").expect(&body);
            assert_eq!((seen.results, seen.is_exhausted), expected, "{body}");
            assert_eq!((seen.desired, seen.enriched), (seen.results, seen.results));
            assert_eq!((seen.discovered, seen.evaluated), (0, 0));
            let marked = read_task(format!("\u{feff}{body}").as_bytes(), "a");
            assert_eq!(marked, Ok(seen), "with a byte order mark");
        }
    }

    #[test]
    fn control_characters_inside_strings_are_read_as_spaces() {
        let body = "{\"id\":\"a\",\n\"status\":\"done\",\t\"desired_num_results\":2,\"num_results\":1,\
            \"query\":\"one\ntwo\0 \\\"three\\\"\r\u{1b}[31m\"}";
        let seen = read_task(body.as_bytes(), "a").unwrap();
        assert_eq!(seen.query.as_deref(), Some("one two  \"three\"  [31m"));
        assert_eq!((seen.status, seen.results), (Status::Done, 1));
        // Outside strings they are errors.
        assert!(read_task(body.replace(':', ":\0").as_bytes(), "a").is_err());
    }

    #[test]
    fn an_odd_field_of_the_account_costs_only_itself() {
        let read = |body: &str| {
            let user = read_user(body.as_bytes()).expect(body);
            let credits = user.available_credits.map(|credits| credits.to_string());
            (user.email, credits)
        };
        let whole = (Some("a@b".to_owned()), Some("99.5".to_owned()));
        assert_eq!(read(r#"{"email":"a@b","available_credits":99.5}"#), whole);
        assert_eq!(read(r#"{"email":"a@b","available_credits":"99.5"}"#), whole);
        assert_eq!(
            read(r#"{"email":[7],"available_credits":"many"}"#),
            (None, None)
        );
        assert_eq!(read("{}"), (None, None));
        for no_account in ["", "<html>", "[]", "null", "7"] {
            assert!(read_user(no_account.as_bytes()).is_err(), "{no_account}");
        }
    }
}
