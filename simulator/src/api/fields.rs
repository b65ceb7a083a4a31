//! Reads the fields of a body or a query, and collects all errors as the service would.

use serde_json::{Map, Value, json};

use crate::api::response::ValidationError;

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Fields {
    place: &'static str,
    values: Map<String, Value>,
    errors: Vec<ValidationError>,
}

impl Fields {
    /// The body of a request, which must be a JSON object.
    pub fn of_body(body: &[u8]) -> Result<Self, Vec<ValidationError>> {
        if body.is_empty() {
            let place = [json!("body")];
            let error = ValidationError::new("missing", &place, "Field required", Value::Null);
            return Err(vec![error]);
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self {
                place: "body",
                values: fields,
                errors: Vec::new(),
            }),
            Ok(other) => Err(vec![ValidationError::new(
                "model_attributes_type",
                &[json!("body")],
                "Input should be a valid dictionary or object to extract fields from",
                other,
            )]),
            Err(error) => Err(vec![
                ValidationError::new(
                    "json_invalid",
                    &[json!("body"), json!(error.column())],
                    "JSON decode error",
                    json!({}),
                )
                .with_context(json!({ "error": error.to_string() })),
            ]),
        }
    }

    /// The query of a request; the last of several values of one name counts.
    pub fn of_query(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Self {
            place: "query",
            values: pairs
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect(),
            errors: Vec::new(),
        }
    }

    /// A whole number within these bounds.
    pub fn integer(&mut self, name: &str, default: u32, least: u32, most: u32) -> u32 {
        let Some(input) = self.values.get(name).cloned() else {
            return default;
        };
        let Some(value) = whole(&input) else {
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
        if value < i128::from(least) {
            let message = format!("Input should be greater than or equal to {least}");
            self.bound(
                "greater_than_equal",
                name,
                message,
                input,
                json!({ "ge": least }),
            );
            return default;
        }
        if value > i128::from(most) {
            let message = format!("Input should be less than or equal to {most}");
            self.bound(
                "less_than_equal",
                name,
                message,
                input,
                json!({ "le": most }),
            );
            return default;
        }
        u32::try_from(value).unwrap_or(default)
    }

    /// Text of at least one character that is no space.
    pub fn text(&mut self, name: &str) -> String {
        match self.values.get(name).cloned() {
            None => {
                let input = Value::Object(self.values.clone());
                self.error("missing", name, "Field required", input);
            }
            Some(Value::String(text)) if !text.trim().is_empty() => return text,
            Some(input @ Value::String(_)) => {
                let message = "String should have at least 1 character".to_owned();
                self.bound(
                    "string_too_short",
                    name,
                    message,
                    input,
                    json!({ "min_length": 1 }),
                );
            }
            Some(input) => {
                self.error("string_type", name, "Input should be a valid string", input);
            }
        }
        String::new()
    }

    /// A truth value.
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

    /// A list of texts, at most `most` of them, each one of `allowed` if any are given.
    pub fn texts(&mut self, name: &str, most: usize, allowed: &[&str]) -> Vec<String> {
        let texts = self.list(name, most, |item| {
            let text = item.as_str()?;
            (allowed.is_empty() || allowed.contains(&text)).then(|| text.to_owned())
        });
        texts.unwrap_or_default()
    }

    /// A list, at most `most` long, of what `read` takes.
    pub fn list<T>(
        &mut self,
        name: &str,
        most: usize,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = match self.values.get(name).cloned() {
            None | Some(Value::Null) => return None,
            Some(Value::Array(items)) => items,
            Some(input) => {
                self.error("list_type", name, "Input should be a valid list", input);
                return None;
            }
        };
        if items.len() > most {
            let message = format!("List should have at most {most} items after validation");
            let context = json!({ "max_length": most, "actual_length": items.len() });
            self.bound("too_long", name, message, items.into(), context);
            return None;
        }
        let mut taken = Vec::with_capacity(items.len());
        for (nth, item) in items.into_iter().enumerate() {
            match read(&item) {
                Some(item) => taken.push(item),
                None => self.errors.push(ValidationError::new(
                    "value_error",
                    &[json!(self.place), json!(name), json!(nth)],
                    "Input is not one of the permitted values",
                    item,
                )),
            }
        }
        Some(taken)
    }

    /// Notes what is wrong with a field beyond its form.
    pub fn refuse(&mut self, name: &str, message: &str) {
        let input = self.values.get(name).cloned().unwrap_or_default();
        self.error("value_error", name, message, input);
    }

    /// All errors found, if there are any.
    pub fn finish(self) -> Result<(), Vec<ValidationError>> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }

    fn error(&mut self, kind: &str, name: &str, message: &str, input: Value) {
        let place = [json!(self.place), json!(name)];
        self.errors
            .push(ValidationError::new(kind, &place, message, input));
    }

    fn bound(&mut self, kind: &str, name: &str, message: String, input: Value, context: Value) {
        let place = [json!(self.place), json!(name)];
        let error = ValidationError::new(kind, &place, message, input);
        self.errors.push(error.with_context(context));
    }
}

/// Whole numbers as the service reads them: also `25.0` and `"25"`.
fn whole(input: &Value) -> Option<i128> {
    match input {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i128().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            // The formatting of a whole f64 has no exponent and no point.
            format!("{number:.0}").parse().ok()
        }),
        _ => None,
    }
}
