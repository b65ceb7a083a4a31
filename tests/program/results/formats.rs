//! Each format: columns, types and order.

use super::{AT, add, bench, column, csv, run};
use crate::support::{Bench, program::growd};
use serde_json::{Value, json};
use std::io::{Cursor, Read as _};

async fn filled() -> Bench {
    let bench = bench().await;
    add(&bench, "t", "low", &[("relevance", json!(7))]).await;
    let scores = json!({
        "size": {"grade": 4, "explanation": "It is \"small\".", "sources": ["https://a.example"]},
        "fit": 5,
    });
    let whole = [
        ("company_name", json!("Example, Inc.")),
        ("company_website", json!("https://www.example.com/")),
        ("domain", json!("example.com")),
        ("company_description", json!("Two\nlines")),
        ("company_full_description", json!("In full")),
        ("relevance", json!(99.5)),
        ("source", json!("web_search")),
        ("founding_year", json!(1999)),
        ("employee_count", json!("1-10")),
        ("hq_country", json!("Germany")),
        ("hq_state_province", json!("Bavaria")),
        ("hq_city", json!("Nürnberg")),
        ("company_profile_id", json!("p")),
        ("scores", scores),
        ("created_at", json!("2026-11-24T02:21:00Z")),
        ("extra", json!({"new": [1, null]})),
    ];
    add(&bench, "u", "high", &whole).await;
    add(&bench, "t", "none", &[]).await;
    let other = json!({"z": {"grade": "A"}});
    let middle = [("relevance", json!(50.25)), ("scores", other)];
    add(&bench, "t", "middle", &middle).await;
    let gone = [("relevance", json!(100)), ("gone_at", json!(AT))];
    add(&bench, "t", "gone", &gone).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_the_columns_of_the_contract_and_the_most_relevant_first() {
    let bench = filled().await;
    let (out, err) = run(&bench, &["results"], 0);
    assert!(err.is_empty(), "{err}");
    let rows = csv(&out);
    let company = "domain,company_name,company_website,company_description,relevance,hq_country,hq_state_province,hq_city,\
                   employee_count,founding_year,source,task_id,result_id,first_seen_at";
    let header: Vec<&str> = company
        .split(',')
        .chain(["score:fit", "score:size", "score:z"])
        .collect();
    assert_eq!(rows[0], header);
    let values = [
        "example.com",
        "Example, Inc.",
        "https://www.example.com/",
        "Two\nlines",
        "99.5",
        "Germany",
        "Bavaria",
        "Nürnberg",
        "1-10",
        "1999",
        "web_search",
        "u",
        "high",
        AT,
        "5",
        "4",
        "",
    ];
    assert_eq!(rows[1], values);
    assert_eq!(column(&out, "result_id"), ["high", "middle", "low", "none"]);
    assert_eq!(column(&out, "relevance"), ["99.5", "50.25", "7", ""]);
    assert_eq!(column(&out, "score:z"), ["", "A", "", ""]);
    // RFC 4180.
    assert!(out.starts_with(&format!("{},", &company[..6])));
    assert!(out.contains("\"Example, Inc.\",") && out.ends_with("\r\n"));
    let (out, _) = run(&bench, &["results", "t"], 0);
    assert_eq!(csv(&out)[0].last().unwrap(), "score:z");
    assert_eq!(csv(&out)[0].len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_have_columns_of_their_own() {
    let bench = filled().await;
    let (out, _) = run(&bench, &["results", "u", "--explain"], 0);
    assert_eq!(
        csv(&out)[0][14..],
        ["score:fit", "score:size", "why:fit", "why:size"]
    );
    assert_eq!(csv(&out)[1][14..], ["5", "4", "", "It is \"small\"."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_json_has_everything_with_its_type() {
    let bench = filled().await;
    let lines = |options: &[&str]| {
        let arguments = [&["results", "--format", "jsonl"], options].concat();
        let (out, _) = run(&bench, &arguments, 0);
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let mut expected = json!({
        "domain": "example.com", "company_name": "Example, Inc.", "company_website": "https://www.example.com/",
        "company_description": "Two\nlines", "company_full_description": "In full", "relevance": 99.5,
        "hq_country": "Germany", "hq_state_province": "Bavaria", "hq_city": "Nürnberg", "employee_count": "1-10",
        "founding_year": 1999, "source": "web_search", "company_profile_id": "p", "task_id": "u", "result_id": "high",
        "created_at": "2026-11-24T02:21:00Z", "first_seen_at": AT, "seen_at": AT,
        "scores": {"fit": 5, "size": 4}, "extra": {"new": [1, null]},
    });
    let all = lines(&[]);
    assert_eq!(all.len(), 4);
    assert_eq!(all[0], expected);
    assert_eq!(all[1]["scores"], json!({"z": "A"}));
    assert_eq!(all[3]["scores"], Value::Null);
    expected["scores"] = json!({
        "fit": 5,
        "size": {"grade": 4, "explanation": "It is \"small\".", "sources": ["https://a.example"]},
    });
    assert_eq!(lines(&["u", "--explain"]), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_with_line_breaks_is_one_line() {
    let bench = bench().await;
    let scores = json!("{\n  \"a\": {\r\n\"grade\": [1,\n 2]},\n\t\"b\": \"x\\n y\"\n}\n");
    let extra = json!("{\n}");
    add(&bench, "t", "a", &[("scores", scores), ("extra", extra)]).await;
    for (options, expected) in [
        (&[][..], json!({"a": [1, 2], "b": "x\n y"})),
        (
            &["--explain"],
            json!({"a": {"grade": [1, 2]}, "b": "x\n y"}),
        ),
    ] {
        let arguments = [&["results", "--format", "jsonl"], options].concat();
        let (out, _) = run(&bench, &arguments, 0);
        assert_eq!(out.lines().count(), 1, "{out}");
        let line: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(line["scores"], expected);
    }
}

/// Returns a part of a workbook.
fn part(workbook: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut text = String::new();
    let mut file = archive.by_name(name).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_has_strings_numbers_and_a_header_that_stays() {
    let bench = filled().await;
    let formula = [
        ("company_name", json!("=HYPERLINK(\"https://e.example\")")),
        ("hq_city", json!("a\0b_x0041_\u{ffff}")),
        ("company_description", json!("é".repeat(32_768))),
    ];
    add(&bench, "t", "formula", &formula).await;
    let output = growd(&bench, &["results", "--format", "xlsx", "--explain"])
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert!(err.contains("32767 characters"), "{err}");
    let sheet = part(&output.stdout, "xl/worksheets/sheet1.xml");
    let strings = part(&output.stdout, "xl/sharedStrings.xml");
    for expected in [
        "state=\"frozen\"",
        "<autoFilter ref=\"A1:T6\"/>",
        "<c r=\"E2\"><v>99.5</v></c>",
        "<c r=\"J2\"><v>1999</v></c>",
        "<c r=\"O2\"><v>5</v></c>",
        "<c r=\"P2\"><v>4</v></c>",
    ] {
        assert!(sheet.contains(expected), "{expected} in {sheet}");
    }
    assert!(
        !sheet.contains("<f>") && !sheet.contains("hyperlink"),
        "{sheet}"
    );
    for expected in [
        "<t>=HYPERLINK(\"https://e.example\")</t>",
        "<t>https://www.example.com/</t>",
        "<t>1-10</t>",
        "<t>a_x0000_b_x005F_x0041__xFFFF_</t>",
        "<t>why:size</t>",
        "<t>It is \"small\".</t>",
        &format!("<t>{}…</t>", "é".repeat(32_766)),
    ] {
        assert!(strings.contains(expected), "{expected} in {strings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_for_people() {
    let bench = filled().await;
    let (out, _) = run(&bench, &["results", "--format", "table"], 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{out}");
    assert!(lines[0].starts_with("DOMAIN"), "{out}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        words,
        [
            "example.com",
            "Example,",
            "Inc.",
            "99.5",
            "Germany",
            "1-10",
            "1999",
            "Two",
            "lines"
        ]
    );
    assert!(lines[4].starts_with("-  "), "{out}");
    let (out, _) = run(&bench, &["results", "--format", "table", "--explain"], 0);
    let at = |text: &str| {
        out.find(text)
            .unwrap_or_else(|| panic!("no {text} in {out}"))
    };
    assert!(at("Two lines") < at("fit 5: -"));
    assert!(at("fit 5: -") < at("size 4: It is \"small\"."));
    assert!(at("size 4") < at("z A: -"));
}
