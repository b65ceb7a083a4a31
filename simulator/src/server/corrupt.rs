//! Corrupted responses: other fields, other types, or invalid JSON.

use serde_json::{Map, Value, json};

use crate::{
    api::response::ApiResponse,
    faults::Fault,
    server::{corrupt_list, corrupt_results},
};

/// Returns the response with the changes of this fault, or unchanged if the fault has none.
///
/// `seed` selects what is changed, where there is a choice.
pub(crate) fn corrupted(fault: &Fault, mut response: ApiResponse, seed: u64) -> ApiResponse {
    let body = &mut response.body;
    corrupt_list::corrupt(fault, body, seed);
    corrupt_results::corrupt(fault, body, seed);
    match fault {
        Fault::MissingFields => each_object(body, |object| {
            for name in [
                "id",
                "status",
                "desired_num_results",
                "num_results",
                "email",
            ] {
                object.remove(name);
            }
        }),
        Fault::WrongTypes => each_object(body, |object| {
            for (_, value) in object.iter_mut() {
                *value = match value {
                    Value::String(_) => json!(7),
                    Value::Number(_) => json!("many"),
                    Value::Bool(_) => json!("perhaps"),
                    _ => json!({ "unexpected": true }),
                };
            }
        }),
        Fault::WrongId => each_object(body, |object| {
            let id = json!("00000000-0000-4000-8000-000000000000");
            object.insert("id".to_owned(), id);
        }),
        Fault::QuotedNumbers => each_scalar(body, &|value| {
            if value.is_i64() || value.is_u64() {
                *value = json!(value.to_string());
            }
        }),
        Fault::FloatNumbers => each_scalar(body, &|value| {
            if let (true, Some(number)) = (value.is_i64() || value.is_u64(), value.as_f64()) {
                *value = json!(number);
            }
        }),
        Fault::NumericFlags => each_scalar(body, &|value| {
            if let Some(flag) = value.as_bool() {
                *value = json!(u8::from(flag));
            }
        }),
        _ => {}
    }
    response
}

/// Changes the body if it is an object, or each object if it is a list.
fn each_object(body: &mut Value, change: impl Fn(&mut Map<String, Value>)) {
    match body {
        Value::Object(object) => change(object),
        Value::Array(items) => items
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(change),
        _ => {}
    }
}

/// Changes each value that is neither a list nor an object.
fn each_scalar(value: &mut Value, change: &impl Fn(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_scalar(item, change)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| each_scalar(field, change)),
        value => change(value),
    }
}

/// Returns the JSON with unescaped control characters at the end of each of its free texts.
pub(crate) fn with_raw_controls(mut body: Value) -> String {
    const TEXTS: [&str; 6] = [
        "query",
        "criterion",
        "company_description",
        "explanation",
        "message",
        "email",
    ];
    // A character for private use: JSON does not escape it, and nothing else here contains it.
    const MARK: char = '\u{e000}';
    fn walk(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match field {
                        Value::String(text) if TEXTS.contains(&name.as_str()) => text.push(MARK),
                        field => walk(field),
                    }
                }
            }
            _ => {}
        }
    }
    walk(&mut body);
    body.to_string().replace(MARK, "\n\t\u{1}")
}
