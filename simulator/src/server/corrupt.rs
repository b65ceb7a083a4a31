//! Bodies that differ from the documented ones.

use serde_json::{Value, json};

use crate::{api::response::ApiResponse, faults::fault::Fault};

/// The same answer with other fields or other values.
pub(crate) fn corrupted(fault: &Fault, answer: ApiResponse) -> ApiResponse {
    match fault {
        Fault::MissingFields => each_object(answer, |object| {
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
        Fault::WrongTypes => each_object(answer, |object| {
            for (_, value) in object.iter_mut() {
                *value = match value {
                    Value::String(_) => json!(7),
                    Value::Number(_) => json!("many"),
                    Value::Bool(_) => json!("perhaps"),
                    _ => json!({ "unexpected": true }),
                };
            }
        }),
        Fault::WrongId => each_object(answer, |object| {
            object.insert(
                "id".to_owned(),
                json!("00000000-0000-4000-8000-000000000000"),
            );
        }),
        Fault::QuotedNumbers => each_value(answer, &|value| {
            if value.is_i64() || value.is_u64() {
                *value = json!(value.to_string());
            }
        }),
        Fault::FloatNumbers => each_value(answer, &|value| {
            if let (true, Some(number)) = (value.is_i64() || value.is_u64(), value.as_f64()) {
                *value = json!(number);
            }
        }),
        Fault::NumericFlags => each_value(answer, &|value| {
            if let Some(flag) = value.as_bool() {
                *value = json!(u8::from(flag));
            }
        }),
        _ => answer,
    }
}

/// Changes the object, or each object of the list, that an answer is.
fn each_object(
    mut answer: ApiResponse,
    change: impl Fn(&mut serde_json::Map<String, Value>),
) -> ApiResponse {
    match &mut answer.body {
        Value::Object(object) => change(object),
        Value::Array(items) => items
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(change),
        _ => {}
    }
    answer
}

/// Changes each value within an answer that is no list and no object.
fn each_value(mut answer: ApiResponse, change: &impl Fn(&mut Value)) -> ApiResponse {
    fn walk(value: &mut Value, change: &impl Fn(&mut Value)) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, change)),
            value => change(value),
        }
    }
    walk(&mut answer.body, change);
    answer
}

/// JSON but for control characters within its prose, which stand there as they are.
pub(crate) fn with_raw_controls(body: Value) -> String {
    const PROSE: [&str; 6] = [
        "query",
        "criterion",
        "company_description",
        "explanation",
        "message",
        "email",
    ];
    // For private use: it is not escaped, and nothing else here contains it.
    const MARK: char = '\u{e000}';
    fn walk(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match field {
                        Value::String(text) if PROSE.contains(&name.as_str()) => text.push(MARK),
                        field => walk(field),
                    }
                }
            }
            _ => {}
        }
    }
    let mut body = body;
    walk(&mut body);
    body.to_string().replace(MARK, "\n\t\u{1}")
}
