//! The service's JSON, read leniently: what is new is ignored, what may be missing is 0, a new word is kept.

use crate::core::{Observation, Status, task_id};
use serde::Deserialize;

/// A task as the service writes it (docs.extruct.ai, "Get discovery task").
#[derive(Deserialize)]
struct WireTask {
    id: String,
    status: String,
    desired_num_results: i64,
    num_results: i64,
    is_exhausted: Option<bool>,
    // Older pages of the service's documentation lack some of these.
    num_results_discovered: Option<i64>,
    num_results_enriched: Option<i64>,
    num_results_evaluated: Option<i64>,
    query: Option<String>,
}

/// The account (docs.extruct.ai, "Get current user").
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Whose token it is.
    pub email: Option<String>,
    /// What is left to spend; a match costs about one.
    pub available_credits: Option<serde_json::Number>,
}

/// Reads a task from the body of an answer. Its texts are of bounded length, and fit for a terminal.
///
/// # Errors
///
/// What is wrong with it: not JSON, a field that decides about money missing or impossible, or a task other
/// than the one asked for. The words can quote the body at length.
pub fn read_task(body: &[u8], expected_id: &str) -> Result<Observation, String> {
    read_clean_task(body, expected_id, |text| text)
}

/// Reads a task as [`read_task`] does; `clean` is given each text while it is whole, before it is cut to length.
///
/// # Errors
///
/// Those of [`read_task`].
pub(super) fn read_clean_task(
    body: &[u8],
    expected_id: &str,
    clean: impl Fn(String) -> String,
) -> Result<Observation, String> {
    let task: WireTask = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !task_id::is_same(&task.id, expected_id) {
        return Err("it is another task than the one asked for".to_owned());
    }
    let count = |name: &str, value: i64| {
        if value < 0 {
            Err(format!("{name} is negative"))
        } else {
            Ok(value)
        }
    };
    Ok(Observation {
        status: match Status::parse(&task.status) {
            Status::Unknown(word) => Status::Unknown(clip(clean(word), STATUS_MAX)),
            known => known,
        },
        is_exhausted: task.is_exhausted.unwrap_or(false),
        desired: count("desired_num_results", task.desired_num_results)?,
        discovered: count(
            "num_results_discovered",
            task.num_results_discovered.unwrap_or(0),
        )?,
        enriched: count(
            "num_results_enriched",
            task.num_results_enriched.unwrap_or(0),
        )?,
        evaluated: count(
            "num_results_evaluated",
            task.num_results_evaluated.unwrap_or(0),
        )?,
        results: count("num_results", task.num_results)?,
        query: task.query.map(|query| clip(clean(query), QUERY_MAX)),
    })
}

/// The longest word for a status kept, in characters.
const STATUS_MAX: usize = 64;

/// The longest query kept, in characters.
const QUERY_MAX: usize = 2_000;

/// The first `max` characters of a text, with spaces for what would command a terminal or end a text early.
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
    fn what_decides_about_money_must_be_there_and_possible() {
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
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":"1"}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":1.5}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":-1}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":NaN}"#,
            r#"{"id":"a","status":"done","desired_num_results":1,"num_results":99999999999999999999}"#,
            "\u{feff}{}",
        ] {
            assert!(read_task(broken.as_bytes(), "a").is_err(), "{broken}");
        }
        assert!(read_task(b"{\"id\":\"\xff\"}", "a").is_err());
    }
}
