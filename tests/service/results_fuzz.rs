//! For any JSON and any bytes, the reader of results does not panic, and what it keeps is within its bounds: each id once, texts of
//! bounded length, and valid JSON.

use crate::cases::for_each;
use growd::core::domain::registrable;
use growd::core::results::{FIELD_MAX, ResultRow};
use growd::extruct::{read_results, read_task};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const ID: &str = "0f6c1f0a-5d5e-4b0e-9a51-0d8f6a1f2c3b";

/// The fields of a row besides `id` and `task_id`, with those that are texts first.
const FIELDS: [&str; 14] = [
    "company_name",
    "company_website",
    "company_description",
    "company_full_description",
    "source",
    "employee_count",
    "hq_country",
    "hq_state_province",
    "hq_city",
    "company_profile_id",
    "created_at",
    "relevance",
    "founding_year",
    "scores",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => Just(Value::Null),
        8 => any::<bool>().prop_map(Value::from),
        8 => any::<i64>().prop_map(Value::from),
        8 => any::<u64>().prop_map(Value::from),
        8 => any::<f64>().prop_map(Value::from),
        8 => ".{0,20}".prop_map(Value::from),
        8 => "[\\x00-\\x1f\"\\\\]{0,5}".prop_map(Value::from),
        1 => (FIELD_MAX - 2..FIELD_MAX + 2).prop_map(|len| Value::from("x".repeat(len))),
        1 => Just(json!("é".repeat(20_000))),
        8 => Just(json!("https://www.example.com/x")),
    ];
    // The last name is one by which serde_json marks raw JSON.
    let key = prop_oneof![".{0,5}", Just("$serde_json::private::RawValue".to_owned())];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(key.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A row of any values, most with an id from a small number of ids.
fn row() -> impl Strategy<Value = Value> {
    let id = prop_oneof![
        6 => (0..6_u8).prop_map(|n| json!(format!("r{n}"))),
        1 => (0..6_u8).prop_map(|n| json!(n)),
        1 => any_json(),
    ];
    let task_id = prop_oneof![
        6 => Just(json!(ID)),
        1 => Just(json!("another")),
        1 => any_json(),
    ];
    let names = prop_oneof![select(FIELDS.to_vec()).prop_map(str::to_owned), ".{0,10}"];
    let fields = btree_map(names, any_json(), 0..10);
    prop_oneof![
        9 => (id, task_id, fields).prop_map(|(id, task_id, fields)| {
            let mut row: Map<String, Value> = fields.into_iter().collect();
            row.insert("id".to_owned(), id);
            row.insert("task_id".to_owned(), task_id);
            Value::Object(row)
        }),
        1 => any_json(),
    ]
}

fn page_of(rows: &[Value]) -> Value {
    json!({
        "id": ID, "status": "done", "desired_num_results": 50, "num_results": 7, "results": rows,
    })
}

/// What holds for a page of any bytes.
fn check(body: &[u8]) -> Result<Option<Vec<ResultRow>>, TestCaseError> {
    let Ok(page) = read_results(body, ID) else {
        return Ok(None);
    };
    let alone = read_task(body, ID);
    prop_assert_eq!(Ok(&page.seen), alone.as_ref());
    prop_assert!(read_results(body, "another").is_err());
    prop_assert_eq!(
        page.left_out.is_some(),
        page.rows.len() + page.repeated < page.len
    );
    if let Some(reason) = &page.left_out {
        prop_assert!(reason.len() < 3_000 && !reason.contains(char::is_control));
    }
    let mut ids = HashSet::new();
    for row in &page.rows {
        prop_assert!((1..=200).contains(&row.result_id.len()));
        prop_assert!(!row.result_id.contains(char::is_control));
        prop_assert!(ids.insert(&row.result_id), "twice: {}", row.result_id);
        check_row(row)?;
    }
    Ok(Some(page.rows))
}

fn texts(row: &ResultRow) -> [&Option<String>; 11] {
    [
        &row.company_name,
        &row.company_website,
        &row.company_description,
        &row.company_full_description,
        &row.source,
        &row.employee_count,
        &row.hq_country,
        &row.hq_state_province,
        &row.hq_city,
        &row.company_profile_id,
        &row.created_at,
    ]
}

fn check_row(row: &ResultRow) -> Result<(), TestCaseError> {
    for text in texts(row).into_iter().flatten() {
        prop_assert!(text.len() <= FIELD_MAX && !text.contains('\0'));
    }
    for json in [&row.scores, &row.extra].into_iter().flatten() {
        prop_assert!(json.len() <= FIELD_MAX, "{}", json.len());
        let members: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let has_nul = json.contains("\\u0000") && !json.contains("\\\\u0000");
        prop_assert!(!has_nul && !members.contains_key("task_id") && !members.contains_key("id"));
    }
    prop_assert!(row.relevance.is_none_or(f64::is_finite));
    let website = row.company_website.as_deref();
    prop_assert_eq!(&row.domain, &website.and_then(registrable));
    Ok(())
}

#[test]
fn rows_of_any_json_are_kept_within_bounds_and_each_field_is_in_one_place() {
    for_each(500, &vec(row(), 0..8), |rows| {
        let body = page_of(&rows).to_string();
        let kept = check(body.as_bytes())?.expect("a page");
        for row in kept {
            // It is the first of its id that belongs to the task.
            let is_it = |sent: &&Value| {
                let text = |value: &Value| match value {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
                let of_task = text(&sent["task_id"]).is_none_or(|id| id == ID);
                of_task && text(&sent["id"]).as_ref() == Some(&row.result_id)
            };
            let Some(sent) = rows.iter().find(is_it) else {
                // A double can be written in another form than it is read in.
                prop_assert!(row.result_id.parse::<f64>().is_ok(), "{}", row.result_id);
                continue;
            };
            let extra: Value = serde_json::from_str(row.extra.as_deref().unwrap_or("{}")).unwrap();
            let clipped = extra["growd:clipped"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for (name, text) in FIELDS.iter().zip(texts(&row)) {
                match &sent[*name] {
                    Value::String(sent) => {
                        let text = text.as_ref().expect("a text");
                        let is_cut = clipped.contains(&json!(name));
                        let sent = sent.replace('\0', "\u{fffd}");
                        prop_assert!(*text == sent || is_cut && sent.starts_with(text));
                    }
                    Value::Null => prop_assert!(text.is_none() && extra[*name].is_null()),
                    _ => {
                        prop_assert!(text.is_none());
                        prop_assert!(!extra[*name].is_null() || !clipped.is_empty(), "{}", name);
                    }
                }
            }
            let scores = &sent["scores"];
            prop_assert!(!is_plain(scores) || row.scores.is_some() == scores.is_object());
        }
        Ok(())
    });
}

/// Whether no part of a value has the name by which `serde_json` marks raw JSON: such a part is read as the JSON that
/// it contains, or not at all.
fn is_plain(value: &Value) -> bool {
    !value.to_string().contains("$serde_json::private::RawValue")
}

#[test]
fn any_json_in_place_of_the_page_or_of_its_rows_is_a_page_or_refused() {
    for_each(500, &any_json(), |value| {
        prop_assert!(check(value.to_string().as_bytes())?.is_none());
        let mut page = page_of(&[]);
        page["results"] = value.clone();
        let rows = check(page.to_string().as_bytes())?;
        prop_assert_eq!(rows.is_some(), value.is_array());
        Ok(())
    });
}

#[test]
fn bytes_that_are_changed_inserted_or_removed_never_break_the_bounds() {
    let small = json!([
        {"id": "a", "task_id": ID, "company_name": "A \"b\" \\ c\n", "relevance": 99.5, "founding_year": 1999,
         "company_website": "https://www.a.com/x", "scores": {"k": {"grade": 5, "sources": ["s"]}}, "new": [1.5e3, null, true]},
        {"id": 7, "hq_city": "München", "extra": {"\u{1}": "\u{1f600}"}},
    ]);
    let body = page_of(small.as_array().unwrap()).to_string().into_bytes();
    let edits = vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..6);
    for_each(4_000, &edits, |edits| {
        let mut body = body.clone();
        for (place, byte, kind) in edits {
            let place = place.index(body.len());
            match kind {
                0 => body[place] = byte,
                1 => body[place] ^= 1 << (byte % 8),
                2 => body.insert(place, byte),
                _ => drop(body.remove(place)),
            }
        }
        check(&body).map(drop)
    });
    // Each bit.
    for place in 0..body.len() * 8 {
        let mut body = body.clone();
        body[place / 8] ^= 1 << (place % 8);
        check(&body).unwrap_or_else(|why| panic!("bit {place}: {why}"));
    }
}

#[test]
fn pieces_that_are_moved_or_repeated_never_break_the_bounds() {
    let moves = (
        vec(row(), 1..4),
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
    );
    for_each(500, &moves, |(rows, from, length, to)| {
        let mut body = page_of(&rows).to_string().into_bytes();
        let from = from.index(body.len());
        let length = length.index(body.len() - from);
        let piece = body[from..from + length].to_vec();
        let to = to.index(body.len());
        body.splice(to..to, piece);
        check(&body).map(drop)
    });
}

#[test]
fn arbitrary_bytes_are_no_page() {
    for_each(2_000, &vec(any::<u8>(), 0..300), |body| {
        prop_assert!(read_results(&body, ID).is_err());
        Ok(())
    });
}
