//! What a task was created with: its query, criteria, data sources and exclusions.

use super::wire::read_json;
use crate::core::task_id;
use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of a criterion that a new task accepts.
const CRITERION: [&str; 3] = ["key", "name", "criterion"];

/// What a task was created with, as far as the service shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TaskInput {
    /// The query.
    pub query: Option<String>,
    /// The criteria, with the fields key, name and criterion only; the service may have inferred them. `None` if there are none.
    pub criteria: Option<Value>,
    /// The data sources that were chosen; `None` if the service chooses them.
    pub data_sources: Option<Vec<String>>,
    /// The domains that were excluded, in its order; `None` if there are none.
    pub exclude_domains: Option<Vec<String>>,
}

/// Reads what a task was created with from the body of an answer.
///
/// # Errors
///
/// A description if the body is no JSON object, is another task, or has one of these fields in a form that a new task would not
/// accept: a field that is left out would make the next task search for something else.
pub fn read_input(body: &[u8], expected_id: &str) -> Result<TaskInput, String> {
    let mut task: Map<String, Value> = read_json(body).map_err(|error| error.to_string())?;
    match task.get("id") {
        Some(Value::String(id)) if task_id::is_same(id, expected_id) => {}
        Some(Value::String(_)) => {
            return Err("it is another task than the one asked for".to_owned());
        }
        _ => return Err("it has no id".to_owned()),
    }
    let query = match task.remove("query") {
        None | Some(Value::Null) => None,
        Some(Value::String(query)) => {
            Some(query.trim().to_owned()).filter(|query| !query.is_empty())
        }
        Some(_) => return Err("its query is no text".to_owned()),
    };
    // Where it is true, or missing, the service chose the sources that it shows.
    let is_explicit = matches!(task.get("auto_data_sources"), Some(Value::Bool(false)))
        || task.get("auto_data_sources") == Some(&Value::from(0));
    let data_sources = texts(&mut task, "data_sources")?.filter(|_| is_explicit);
    Ok(TaskInput {
        query,
        criteria: criteria(task.remove("criteria"))?,
        data_sources,
        exclude_domains: texts(&mut task, "exclude_domains")?,
    })
}

/// Reads a list of texts; `None` where it is missing, null or empty.
fn texts(task: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, String> {
    let entries = match task.remove(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(format!("its {name} are no list")),
    };
    let mut texts: Vec<String> = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Value::String(text) if !text.trim().is_empty() => texts.push(text.trim().to_owned()),
            _ => return Err(format!("an entry of its {name} is no text")),
        }
    }
    Ok((!texts.is_empty()).then_some(texts))
}

/// Keeps the fields that a new task accepts.
fn criteria(value: Option<Value>) -> Result<Option<Value>, String> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(entries)) if entries.is_empty() => return Ok(None),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err("its criteria are no list".to_owned()),
    };
    let entries: Result<Vec<Value>, String> = entries
        .into_iter()
        .map(|entry| match entry {
            Value::Object(mut fields) => {
                fields.retain(|name, _| CRITERION.contains(&name.as_str()));
                Ok(Value::Object(fields))
            }
            _ => Err("an entry of its criteria is no object".to_owned()),
        })
        .collect();
    Ok(Some(Value::Array(entries?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(more: &Value) -> Result<TaskInput, String> {
        let mut task = json!({"id": "a", "status": "done"});
        let fields = more.as_object().expect("an object").clone();
        task.as_object_mut().expect("an object").extend(fields);
        read_input(task.to_string().as_bytes(), "a")
    }

    #[test]
    fn only_what_a_new_task_accepts_is_read() {
        let input = read(&json!({
            "query": " bakeries \n",
            "criteria": [{"key": "k", "name": "n", "criterion": "bakes bread daily", "weight": 1}],
            "auto_data_sources": false,
            "data_sources": ["maps"],
            "exclude_domains": ["b.example", "a.example"],
            "new": 1
        }))
        .expect("an input");
        assert_eq!(input.query.as_deref(), Some("bakeries"));
        assert_eq!(
            input.criteria,
            Some(json!([{"key": "k", "name": "n", "criterion": "bakes bread daily"}]))
        );
        assert_eq!(input.data_sources, Some(vec!["maps".to_owned()]));
        let domains = ["b.example", "a.example"].map(str::to_owned);
        assert_eq!(input.exclude_domains, Some(domains.into()));
    }

    #[test]
    fn data_sources_that_the_service_chose_are_left_out() {
        for auto in [json!(true), json!(null), json!(1)] {
            let more = json!({"auto_data_sources": auto, "data_sources": ["maps"]});
            assert_eq!(read(&more).expect("an input").data_sources, None);
        }
        let more = json!({"data_sources": ["maps"]});
        assert_eq!(read(&more).expect("an input").data_sources, None);
    }

    #[test]
    fn missing_and_empty_fields_are_none() {
        let empty =
            json!({"query": "", "criteria": [], "data_sources": [], "exclude_domains": null});
        assert_eq!(read(&empty), Ok(TaskInput::default()));
        assert_eq!(read(&json!({})), Ok(TaskInput::default()));
    }

    #[test]
    fn a_field_that_cannot_be_read_is_an_error_that_names_it() {
        for (more, named) in [
            (json!({"query": 7}), "query"),
            (json!({"criteria": {}}), "criteria"),
            (json!({"criteria": ["x"]}), "criteria"),
            (json!({"data_sources": "maps"}), "data_sources"),
            (
                json!({"exclude_domains": ["a.example", 7]}),
                "exclude_domains",
            ),
            (json!({"id": "b"}), "another task"),
            (json!({"id": 7}), "no id"),
        ] {
            let error = read(&more).expect_err(named);
            assert!(error.contains(named), "{error}");
        }
        assert!(read_input(b"[]", "a").is_err());
        assert!(read_input(b"", "a").is_err());
    }
}
