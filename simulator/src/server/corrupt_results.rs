//! Wrong pages of results.

use serde_json::{Value, json};

use crate::{
    faults::Fault,
    random::{HashRng, derive_seed},
    server::corrupt_list::count,
};

/// The fields of a result that are texts, except for its ids.
const TEXTS: [&str; 11] = [
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
];

/// The other fields of a result, each with a value of its type.
const OTHERS: [&str; 3] = ["relevance", "founding_year", "scores"];

/// The length of a long text, in characters.
const LONG: usize = 100_000;

/// Changes a page as this fault says. A body that is no page of results stays as it is.
pub(crate) fn corrupt(fault: &Fault, body: &mut Value, seed: u64) {
    if !body["results"].is_array() {
        return;
    }
    match fault {
        Fault::ResultsFallen => count(body, |counter| counter / 2),
        Fault::ResultsRisen => count(body, |counter| counter * 2),
        _ => {}
    }
    let Some(rows) = body["results"].as_array_mut() else {
        return;
    };
    let mut rng = HashRng::new(seed, 0);
    match fault {
        Fault::ResultsEmpty => rows.clear(),
        Fault::ResultsFallen => rows.truncate(rows.len() / 2),
        Fault::ResultsTwice => {
            if let [first, .., last] = rows.as_mut_slice() {
                last["id"] = first["id"].clone();
            }
        }
        Fault::ResultsOthers => {
            for row in rows.iter_mut().skip(1).step_by(2) {
                for field in ["id", "task_id"] {
                    let id = row[field].as_str().unwrap_or_default();
                    row[field] = json!(HashRng::new(derive_seed(0, id), 0).uuid());
                }
            }
        }
        Fault::ResultsBadRow if !rows.is_empty() => {
            let nth = rng.below(rows.len());
            spoil(&mut rows[nth], &mut rng);
        }
        Fault::ResultsOddFields => {
            let first = rng.below(TEXTS.len() + OTHERS.len());
            for (nth, row) in rows.iter_mut().enumerate() {
                set_odd(row, first + nth, &mut rng);
            }
        }
        Fault::ResultsLongText => {
            if let Some(row) = rows.first_mut() {
                for field in TEXTS {
                    row[field] = json!("é".repeat(LONG));
                }
            }
        }
        _ => {}
    }
}

/// Makes a row unusable, in one of several ways.
fn spoil(row: &mut Value, rng: &mut HashRng) {
    let whole = [json!(7), json!(null), json!("row"), json!([]), json!({})];
    let ids = [
        json!(null),
        json!(7),
        json!(""),
        json!({ "id": "x" }),
        json!("x".repeat(201)),
    ];
    let choice = rng.below(whole.len() + ids.len() + 1);
    if let Some(value) = whole.get(choice) {
        *row = value.clone();
    } else if let Some(id) = ids.get(choice - whole.len()) {
        row["id"] = id.clone();
    } else if let Some(fields) = row.as_object_mut() {
        fields.remove("id");
    }
}

/// Gives field number `nth`, modulo the number of fields, a value of an undocumented type.
fn set_odd(row: &mut Value, nth: usize, rng: &mut HashRng) {
    let nth = nth % (TEXTS.len() + OTHERS.len());
    let mut odd = vec![json!(true), json!(["x", 1]), json!([])];
    let field = if let Some(text) = TEXTS.get(nth) {
        odd.extend([json!(7), json!(2.5), json!({ "value": "x" })]);
        text
    } else {
        let field = OTHERS[nth - TEXTS.len()];
        odd.push(json!("many"));
        odd.push(match field {
            "founding_year" => json!(1999.5),
            "relevance" => json!({ "value": 90 }),
            _ => json!(7),
        });
        field
    };
    row[field] = rng.choose(&odd).clone();
}
