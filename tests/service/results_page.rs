//! Reading a page of results: what is kept of each row, and which rows are left out.

use growd::core::results::{FIELD_MAX, ResultRow, ResultsPage};
use growd::extruct::{read_results, read_task};
use serde_json::{Value, json};

const ID: &str = "0f6c1f0a-5d5e-4b0e-9a51-0d8f6a1f2c3b";

fn page_of(rows: &Value) -> Value {
    json!({
        "id": ID, "status": "done", "desired_num_results": 50, "num_results": 50, "results": rows,
    })
}

fn read(rows: &Value) -> ResultsPage {
    read_results(page_of(rows).to_string().as_bytes(), ID).expect("a page")
}

/// Reads a page of one row, which is kept.
fn row(row: &Value) -> ResultRow {
    let mut page = read(&json!([row]));
    assert_eq!((page.len, &page.left_out), (1, &None));
    page.rows.pop().expect("a row")
}

fn object(json: Option<&str>) -> Value {
    serde_json::from_str(json.unwrap_or("null")).expect("JSON")
}

#[test]
fn a_whole_row_is_kept_as_it_came() {
    let scores = json!({"b": {"grade": 4, "explanation": "why\n\t\u{7}", "sources": ["https://x"]}, "a": {"grade": 5}});
    let kept = row(&json!({
        "id": "r-1", "task_id": ID.to_uppercase(), "company_name": "Acme\nGmbH \u{1b}", "company_website": "https://www.Acme.example.com/x",
        "company_description": "short", "company_full_description": "", "company_profile_id": "p",
        "relevance": 99.5, "source": "maps", "scores": scores, "founding_year": 1999, "employee_count": "1-10",
        "hq_country": "DE", "hq_state_province": "BY", "hq_city": "München", "created_at": "2026-11-24T02:22:00Z",
    }));
    let text = |text: &str| Some(text.to_owned());
    let expected = ResultRow {
        result_id: "r-1".to_owned(),
        company_name: text("Acme\nGmbH \u{1b}"),
        company_website: text("https://www.Acme.example.com/x"),
        domain: text("example.com"),
        company_description: text("short"),
        company_full_description: text(""),
        relevance: Some(99.5),
        source: text("maps"),
        founding_year: Some(1999),
        employee_count: text("1-10"),
        hq_country: text("DE"),
        hq_state_province: text("BY"),
        hq_city: text("München"),
        company_profile_id: text("p"),
        scores: Some(scores.to_string()),
        created_at: text("2026-11-24T02:22:00Z"),
        extra: None,
    };
    assert_eq!(kept, expected);
}

#[test]
fn a_field_that_is_missing_or_null_is_none() {
    let names = [
        "task_id",
        "company_name",
        "company_website",
        "company_description",
        "company_full_description",
        "company_profile_id",
        "relevance",
        "source",
        "scores",
        "founding_year",
        "employee_count",
        "hq_country",
        "hq_state_province",
        "hq_city",
        "created_at",
        "new",
    ];
    let mut nulls = json!({"id": "r"});
    for name in names {
        nulls[name] = Value::Null;
    }
    let expected = ResultRow {
        result_id: "r".to_owned(),
        ..ResultRow::default()
    };
    assert_eq!(row(&nulls), expected);
    assert_eq!(row(&json!({"id": "r"})), expected);
}

#[test]
fn a_value_of_another_type_and_an_unknown_field_are_kept_in_extra() {
    let odd = json!({
        "company_name": 7, "company_website": ["a.com"], "relevance": "99", "scores": "good", "founding_year": "1999",
        "employee_count": 50, "hq_city": false, "created_at": {"x": 1.5}, "new": {"y": [null, "z"]}, "ID": "other",
    });
    let mut of_row = odd.clone();
    of_row["id"] = json!("r");
    of_row["task_id"] = json!(ID);
    of_row["hq_country"] = json!("DE");
    let kept = row(&of_row);
    assert_eq!(object(kept.extra.as_deref()), odd);
    let expected = ResultRow {
        result_id: "r".to_owned(),
        hq_country: Some("DE".to_owned()),
        extra: kept.extra.clone(),
        ..ResultRow::default()
    };
    assert_eq!(kept, expected);
    let scores = json!([1]);
    let kept = row(&json!({"id": "r", "scores": scores}));
    assert_eq!(
        (kept.scores, kept.extra.as_deref()),
        (None, Some(r#"{"scores":[1]}"#))
    );
    assert_eq!(
        row(&json!({"id": "r", "scores": {}})).scores.as_deref(),
        Some("{}")
    );
}

#[test]
fn numbers_have_one_meaning_or_are_extra() {
    let read_one = |name: &str, number: &str| {
        let rows = json!([{"id": "r", name: "the place"}]);
        let body = page_of(&rows).to_string().replace("\"the place\"", number);
        read_results(body.as_bytes(), ID)
            .expect(number)
            .rows
            .remove(0)
    };
    for (number, year) in [
        ("1999", 1999),
        ("1999.0", 1999),
        ("1.999e3", 1999),
        ("-300", -300),
        ("0", 0),
    ] {
        let kept = read_one("founding_year", number);
        assert_eq!(
            (kept.founding_year, kept.extra),
            (Some(year), None),
            "{number}"
        );
    }
    for number in [
        "1999.5",
        "\"1999\"",
        "18446744073709551615",
        "1e300",
        "true",
    ] {
        let kept = read_one("founding_year", number);
        assert!(
            kept.founding_year.is_none() && kept.extra.is_some(),
            "{number}"
        );
    }
    for (number, relevance) in [("0", 0.0), ("-1.5", -1.5), ("100", 100.0), ("1e300", 1e300)] {
        let kept = read_one("relevance", number);
        assert_eq!(
            (kept.relevance, kept.extra),
            (Some(relevance), None),
            "{number}"
        );
    }
    // Beyond a double: it cannot be kept at all.
    for name in ["relevance", "founding_year", "new"] {
        let kept = read_one(name, "1e400");
        assert!(kept.relevance.is_none() && kept.founding_year.is_none());
        assert_eq!(
            object(kept.extra.as_deref()),
            json!({"growd:clipped": [name]})
        );
    }
}

#[test]
fn of_rows_with_the_same_id_the_first_is_kept_and_the_others_are_counted() {
    let page = read(&json!([
        {"id": "a", "company_name": "A"},
        {"id": "b"},
        {"id": "a", "company_name": "twice"},
        {"id": "a"},
        0,
    ]));
    let ids: Vec<_> = page.rows.iter().map(|row| row.result_id.as_str()).collect();
    assert_eq!((ids, page.len, page.repeated), (vec!["a", "b"], 5, 2));
    assert_eq!(page.rows[0].company_name.as_deref(), Some("A"));
    let left_out = "1 of 5 rows; first: it is no object".to_owned();
    assert_eq!(page.left_out, Some(left_out));
    assert_eq!(read(&json!([{"id": "a"}, {"id": "a"}])).left_out, None);
}

#[test]
fn a_row_without_a_usable_id_or_of_another_task_is_left_out_and_counted() {
    for (bad, reason) in [
        (json!(7), "it is no object"),
        (json!(null), "it is no object"),
        (json!("r"), "it is no object"),
        (json!([{"id": "r"}]), "it is no object"),
        (json!({}), "it has no usable id"),
        (json!({"id": null}), "it has no usable id"),
        (json!({"id": ""}), "it has no usable id"),
        (json!({"id": "é".repeat(101)}), "it has no usable id"),
        (json!({"id": "a\u{85}"}), "it has no usable id"),
        (json!({"id": "a\0"}), "it has no usable id"),
        (json!({"id": {"x": 1}}), "it has no usable id"),
        (json!({"id": true}), "it has no usable id"),
        (
            json!({"id": "r", "task_id": "another"}),
            "it belongs to another task",
        ),
        (
            json!({"id": "r", "task_id": 7}),
            "it belongs to another task",
        ),
    ] {
        let page = read(&json!([{"id": "first"}, bad, 0, {"id": "last"}]));
        let ids: Vec<_> = page.rows.iter().map(|row| row.result_id.as_str()).collect();
        assert_eq!((ids, page.len), (vec!["first", "last"], 4), "{bad}");
        let left_out = format!("2 of 4 rows; first: {reason}");
        assert_eq!(page.left_out, Some(left_out), "{bad}");
    }
    for (id, expected) in [
        (json!("é".repeat(100)), "é".repeat(100)),
        (json!(" x/y "), " x/y ".to_owned()),
        (json!(7), "7".to_owned()),
        (json!(-7.5), "-7.5".to_owned()),
    ] {
        assert_eq!(row(&json!({"id": id})).result_id, expected);
    }
    // Beyond a double, as it is written.
    let body = page_of(&json!([{"id": 7}])).to_string();
    let digits = "123456789012345678901234567890";
    let page = read_results(
        body.replace("\"id\":7", &format!("\"id\":{digits}"))
            .as_bytes(),
        ID,
    )
    .unwrap();
    assert_eq!(page.rows[0].result_id, digits);
    // A value that names no task.
    row(&json!({"id": "r", "task_id": ["another"]}));
}

#[test]
fn long_texts_are_cut_between_characters_and_nul_is_replaced() {
    let long = format!("x{}", "é".repeat(FIELD_MAX));
    let kept = row(&json!({
        "id": "r", "company_name": "a\0b", "company_description": long, "new": {"k\0": ["\0", long]},
        "scores": {"s": {"explanation": long}},
    }));
    assert_eq!(kept.company_name.as_deref(), Some("a\u{fffd}b"));
    let description = kept.company_description.expect("a description");
    assert_eq!(description.len(), FIELD_MAX - 1);
    assert!(long.starts_with(&description));
    let extra = object(kept.extra.as_deref());
    assert_eq!(
        extra["growd:clipped"],
        json!(["company_description", "scores", "new"])
    );
    assert_eq!(extra["new"]["k\u{fffd}"][0], "\u{fffd}");
    let cut = extra["new"]["k\u{fffd}"][1].as_str().unwrap();
    assert!(
        long.starts_with(cut) && cut.len() == 16 * 1024 - 1,
        "{}",
        cut.len()
    );
    assert_eq!(object(kept.scores.as_deref())["s"]["explanation"], cut);
}

#[test]
fn the_longest_members_are_left_out_of_what_is_too_long_as_a_whole() {
    let text = "\u{1}".repeat(10_000);
    let members: Vec<_> = (0..9)
        .map(|n| (format!("k{n}"), json!(text[n..])))
        .collect();
    let mut of_row: serde_json::Map<String, Value> = members.clone().into_iter().collect();
    of_row.insert("id".to_owned(), json!("r"));
    of_row.insert("small".to_owned(), json!("kept"));
    of_row.insert("growd:clipped".to_owned(), json!("not the service's"));
    of_row.insert(
        "scores".to_owned(),
        Value::Object(members.into_iter().collect()),
    );
    let kept = row(&Value::Object(of_row));
    let (scores, extra) = (kept.scores.expect("scores"), kept.extra.expect("extra"));
    assert!(scores.len() <= FIELD_MAX && extra.len() <= FIELD_MAX);
    // Each takes 60,000 bytes.
    assert_eq!(object(Some(&scores)).as_object().unwrap().len(), 1);
    assert!(object(Some(&scores))["k8"].is_string());
    let extra = object(Some(&extra));
    assert_eq!(extra["small"], "kept");
    let clipped = extra["growd:clipped"].as_array().unwrap();
    assert_eq!(clipped[0], "scores");
    for name in ["k0", "k1", "k7"] {
        assert!(
            clipped.contains(&json!(name)) && extra[name].is_null(),
            "{name}"
        );
    }
    // Very many members, and very long names of members.
    let mut of_row = json!({"id": "r"});
    for n in 0..30_000 {
        of_row[format!("{n}")] = json!(n);
    }
    for n in 0..30 {
        of_row[format!("{n}{}", "\u{1}".repeat(20_000))] = json!(n);
    }
    let extra = row(&of_row).extra.expect("extra");
    assert!(
        extra.len() <= FIELD_MAX && extra.len() > FIELD_MAX / 2,
        "{}",
        extra.len()
    );
    let clipped = object(Some(&extra))["growd:clipped"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(clipped, 20);
}

#[test]
fn nesting_of_any_depth_costs_only_its_field() {
    for depth in [1, 100, 126, 127, 128, 129, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for name in ["new", "company_name", "scores"] {
                let rows = json!([{"id": "r", "hq_city": "X", name: "the place"}, {"id": "s"}]);
                let body = page_of(&rows).to_string().replace("\"the place\"", &nested);
                let page = read_results(body.as_bytes(), ID).expect(name);
                assert_eq!((page.rows.len(), page.len), (2, 2));
                assert_eq!(page.rows[0].hq_city.as_deref(), Some("X"));
                let kept = page.rows[0]
                    .extra
                    .as_deref()
                    .or(page.rows[0].scores.as_deref());
                let kept = kept.expect("it, or that it is left out");
                let is_whole = depth < 128;
                assert_eq!(kept.contains(&nested), is_whole, "{name} {depth}");
                assert_ne!(kept.contains("growd:clipped"), is_whole, "{name} {depth}");
            }
        }
    }
}

#[test]
fn the_task_is_read_as_a_poll_reads_it() {
    for (name, value) in [
        ("status", json!("new \u{7}")),
        ("status", json!(7)),
        ("num_results", json!("25.0")),
        ("num_results", json!(-1)),
        ("num_results", Value::Null),
        ("desired_num_results", json!(1.5)),
        ("is_exhausted", json!(1)),
        ("id", json!("another")),
        ("id", json!(ID.to_uppercase())),
    ] {
        let mut task = page_of(&json!([{"id": "r"}]));
        task[name] = value;
        let body = task.to_string();
        let seen = read_results(body.as_bytes(), ID).map(|page| page.seen);
        assert_eq!(seen, read_task(body.as_bytes(), ID), "{body}");
    }
}

#[test]
fn what_is_no_page_of_results_is_refused() {
    let task = page_of(&json!([]));
    assert!(read_results(task.to_string().as_bytes(), ID).is_ok());
    for results in [json!(null), json!({}), json!("[]"), json!(7), json!(true)] {
        assert!(
            read_results(page_of(&results).to_string().as_bytes(), ID).is_err(),
            "{results}"
        );
    }
    let mut without = task.clone();
    without.as_object_mut().unwrap().remove("results");
    let error = read_results(without.to_string().as_bytes(), ID).unwrap_err();
    assert!(error.contains("results"), "{error}");
    let twice = task.to_string().replacen('{', "{\"results\":[],", 1);
    for body in [
        "",
        "null",
        "[]",
        "[{\"id\":\"r\"}]",
        "<html>",
        &format!("[{task}]"),
        &twice,
    ] {
        assert!(read_results(body.as_bytes(), ID).is_err(), "{body}");
    }
    let whole = page_of(&json!([{"id": "r"}])).to_string();
    for end in 0..whole.len() {
        assert!(read_results(&whole.as_bytes()[..end], ID).is_err(), "{end}");
    }
    let most = json!(vec![0; 10_000]);
    assert_eq!(read(&most).len, 10_000);
    let over = page_of(&json!(vec![0; 10_001])).to_string();
    let error = read_results(over.as_bytes(), ID).unwrap_err();
    assert!(error.starts_with("there are over 10000 results"), "{error}");
}

#[test]
fn a_mark_control_characters_and_broken_characters_cost_no_row() {
    let body = page_of(&json!([{"id": "r", "company_name": "one two"}])).to_string();
    let read = |body: &[u8]| read_results(body, ID).expect("a page").rows.remove(0);
    let name = |body: &[u8]| read(body).company_name.expect("a name");
    assert_eq!(name(format!("\u{feff}\n{body}\r\n").as_bytes()), "one two");
    assert_eq!(
        name(body.replace("one two", "one\ntwo\0").as_bytes()),
        "one two "
    );
    let mut broken = body.into_bytes();
    let at = broken.windows(3).position(|part| part == b"one").unwrap();
    broken[at] = 0xff;
    assert_eq!(name(&broken), "\u{fffd}ne two");
    // Half of a surrogate pair costs its field, and is named.
    let body = page_of(&json!([{"id": "r", "company_name": "X", "hq_city": "Y"}])).to_string();
    let kept = read(body.replace("\"X\"", "\"\\ud83e\"").as_bytes());
    assert_eq!(
        (kept.company_name, kept.hq_city.as_deref()),
        (None, Some("Y"))
    );
    assert_eq!(
        object(kept.extra.as_deref()),
        json!({"growd:clipped": ["company_name"]})
    );
}
