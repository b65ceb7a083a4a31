//! `growd results`: the companies of a database that is filled by SQL.

mod files;
mod filters;
mod formats;
mod hostile;

use crate::support::Bench;
use crate::support::program::{output, write_config};
use serde_json::Value;
use sqlx::AssertSqlSafe;

const AT: &str = "2026-11-24T02:22:00.123Z";

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench
        .execute("INSERT INTO tasks (task_id, target) VALUES ('t', 100), ('u', 100)")
        .await;
    bench
}

/// Stores a result; `fields` are its other columns.
async fn add(bench: &Bench, task: &str, id: &str, fields: &[(&str, Value)]) {
    let default = ["task_id", "result_id", "first_seen_at", "seen_at"];
    let given = |name: &str| fields.iter().find(|(column, _)| *column == name);
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for (column, value) in default.iter().zip([task, id, AT, AT]) {
        if given(column).is_none() {
            columns.push(*column);
            values.push(Value::from(value));
        }
    }
    for (column, value) in fields {
        columns.push(column);
        values.push(value.clone());
    }
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!(
        "INSERT INTO results ({}) VALUES ({marks})",
        columns.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = match value {
            Value::String(text) => query.bind(text),
            Value::Number(number) if number.is_i64() => query.bind(number.as_i64()),
            Value::Number(number) => query.bind(number.as_f64()),
            Value::Null => query.bind(None::<String>),
            json => query.bind(json.to_string()),
        };
    }
    query
        .execute(&mut bench.connection().await)
        .await
        .expect("a result");
}

/// Runs a command that must exit with `status`; returns its stdout and stderr.
fn run(bench: &Bench, arguments: &[&str], status: i32) -> (String, String) {
    let output = output(bench, arguments);
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}\n{out}\n{err}"
    );
    (out, err)
}

/// Parses CSV: the header, then the rows.
fn csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

/// Returns one column of CSV, without its name.
fn column(text: &str, name: &str) -> Vec<String> {
    let rows = csv(text);
    let index = rows[0].iter().position(|column| *column == name);
    let index = index.unwrap_or_else(|| panic!("no {name} in {:?}", rows[0]));
    rows[1..].iter().map(|row| row[index].clone()).collect()
}

/// Runs `growd results` with these options; returns the ids of the results, in their order.
fn ids(bench: &Bench, options: &[&str]) -> Vec<String> {
    let (out, _) = run(bench, &[&["results"], options].concat(), 0);
    column(&out, "result_id")
}
