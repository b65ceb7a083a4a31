//! Reads the fields of a body or a query, and collects all errors as the service does.

use serde_json::{Map, Value, json};

use crate::api::response::ValidationError;

/// The fields of an object, and the errors found so far.
#[derive(Debug)]
pub(crate) struct Fields {
    location: &'static str,
    values: Map<String, Value>,
    errors: Vec<ValidationError>,
}

impl Fields {
    fn new(location: &'static str, values: Map<String, Value>) -> Self {
        Self {
            location,
            values,
            errors: Vec::new(),
        }
    }

    /// Reads a body, which must be a JSON object.
    pub fn of_body(body: &[u8]) -> Result<Self, Vec<ValidationError>> {
        let location = [json!("body")];
        let error = |kind, message, input| ValidationError::new(kind, &location, message, input);
        if body.is_empty() {
            return Err(vec![error("missing", "Field required", Value::Null)]);
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self::new("body", values)),
            Ok(other) => Err(vec![error(
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                other,
            )]),
            Err(error) => {
                let location = [json!("body"), json!(error.column())];
                let message = "JSON decode error";
                let context = json!({ "error": error.to_string() });
                let mut invalid =
                    ValidationError::new("json_invalid", &location, message, json!({}));
                invalid.set_context(context);
                Err(vec![invalid])
            }
        }
    }

    /// Reads a query. The last of several values of one name counts.
    pub fn of_query(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let values = pairs.map(|(name, value)| (name.into_owned(), json!(value)));
        Self::new("query", values.collect())
    }

    /// Returns an integer from `min` to `max`.
    pub fn integer(&mut self, name: &str, default: u32, min: u32, max: u32) -> u32 {
        let Some(input) = self.values.get(name).cloned() else {
            return default;
        };
        let Some(value) = parse_integer(&input) else {
            let (kind, message) = match input {
                Value::String(_) => (
                    "int_parsing",
                    "Input should be a valid integer, unable to parse string as an integer",
                ),
                Value::Number(_) => (
                    "int_from_float",
                    "Input should be a valid integer, got a number with a fractional part",
                ),
                _ => ("int_type", "Input should be a valid integer"),
            };
            self.error(kind, name, message, input);
            return default;
        };
        let (kind, relation, context) = if value < i128::from(min) {
            let relation = format!("greater than or equal to {min}");
            ("greater_than_equal", relation, json!({ "ge": min }))
        } else if value > i128::from(max) {
            let relation = format!("less than or equal to {max}");
            ("less_than_equal", relation, json!({ "le": max }))
        } else {
            return u32::try_from(value).unwrap_or(default);
        };
        let message = format!("Input should be {relation}");
        self.out_of_bounds((kind, name), message, input, context);
        default
    }

    /// Returns a string with at least one character that is not a space.
    pub fn text(&mut self, name: &str) -> String {
        match self.values.get(name).cloned() {
            None => {
                let input = Value::Object(self.values.clone());
                self.error("missing", name, "Field required", input);
            }
            Some(Value::String(text)) if !text.trim().is_empty() => return text,
            Some(input @ Value::String(_)) => {
                let message = "String should have at least 1 character".to_owned();
                let context = json!({ "min_length": 1 });
                self.out_of_bounds(("string_too_short", name), message, input, context);
            }
            Some(input) => {
                self.error("string_type", name, "Input should be a valid string", input);
            }
        }
        String::new()
    }

    /// Returns a boolean.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.values.get(name).cloned() {
            None | Some(Value::Null) => default,
            Some(Value::Bool(value)) => value,
            Some(input) => {
                self.error("bool_type", name, "Input should be a valid boolean", input);
                default
            }
        }
    }

    /// Returns a list of at most `max` strings. Each must be one of `allowed`, unless that is empty.
    pub fn texts(&mut self, name: &str, max: usize, allowed: &[&str]) -> Vec<String> {
        self.list(name, max, |item| {
            let text = item.as_str()?;
            (allowed.is_empty() || allowed.contains(&text)).then(|| text.to_owned())
        })
    }

    /// Returns a list of at most `max` items that `read` accepts; empty if the field is missing.
    pub fn list<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Vec<T> {
        let items = match self.values.get(name).cloned() {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(input) => {
                self.error("list_type", name, "Input should be a valid list", input);
                return Vec::new();
            }
        };
        if items.len() > max {
            let message = format!("List should have at most {max} items after validation");
            let context = json!({ "max_length": max, "actual_length": items.len() });
            self.out_of_bounds(("too_long", name), message, items.into(), context);
            return Vec::new();
        }
        let mut accepted = Vec::with_capacity(items.len());
        for (nth, item) in items.into_iter().enumerate() {
            match read(&item) {
                Some(item) => accepted.push(item),
                None => self.errors.push(ValidationError::new(
                    "value_error",
                    &[json!(self.location), json!(name), json!(nth)],
                    "Input is not one of the permitted values",
                    item,
                )),
            }
        }
        accepted
    }

    /// Adds an error about a field's value.
    pub fn reject(&mut self, name: &str, message: &str) {
        let input = self.values.get(name).cloned().unwrap_or_default();
        self.error("value_error", name, message, input);
    }

    /// Returns all errors, if there are any.
    pub fn finish(self) -> Result<(), Vec<ValidationError>> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }

    fn error(&mut self, kind: &str, name: &str, message: impl Into<String>, input: Value) {
        let location = [json!(self.location), json!(name)];
        let error = ValidationError::new(kind, &location, message, input);
        self.errors.push(error);
    }

    /// Adds an error with the bound that the value violates.
    fn out_of_bounds(
        &mut self,
        (kind, name): (&str, &str),
        message: String,
        input: Value,
        bound: Value,
    ) {
        self.error(kind, name, message, input);
        if let Some(error) = self.errors.last_mut() {
            error.set_context(bound);
        }
    }
}

/// Parses an integer as the service does: `25.0` and `"25"` are accepted too.
fn parse_integer(input: &Value) -> Option<i128> {
    match input {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i128().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            // An integer f64 is formatted without exponent and point.
            format!("{number:.0}").parse().ok()
        }),
        _ => None,
    }
}
