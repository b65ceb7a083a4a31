//! The view `companies`, and the queries over companies of docs/schema.md: each gives the right answer.

use crate::schema_doc::{COMPANIES, fences};
use growd::store::{self, Mode};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};
use std::collections::BTreeSet;
use tempfile::TempDir;

/// Results of three searches, of which `c` was removed. Alpha and Gamma were found by two of them.
const RESULTS: &str = r#"
    INSERT INTO tasks (task_id, target, note) VALUES ('a', 100, 'freight'), ('b', 100, NULL);
    CREATE TEMP TABLE ages (name TEXT, at TEXT);
    INSERT INTO ages VALUES ('old', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-40 days')),
                            ('middle', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-20 days')),
                            ('new', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 days'));
    CREATE TEMP TABLE found (task_id, result_id, company_name, domain, relevance, country, employees, age, first, scores);
    INSERT INTO found VALUES
        ('a', 'a1', 'Alpha', 'alpha.example', 90.0, 'Norway', '11-50', 4, 'old', '{"fit": {"grade": 5}, "size": {"grade": 4}}'),
        ('a', 'a2', 'Beta', 'beta.example', 80.0, 'Chile', '1-10', 1, 'new', '{"fit": {"grade": 4}, "size": {"grade": 2}}'),
        ('a', 'a3', 'Gamma', NULL, 70.0, NULL, NULL, NULL, 'middle', '{"fit": {"grade": 3}, "size": {"grade": null}}'),
        ('a', 'a4', 'Epsilon', 'epsilon.example', 99.0, 'Chile', '1-10', 1, 'old', '{"fit": {"grade": 1}}'),
        ('b', 'b1', 'Alpha AS', 'alpha.example', 95.0, 'Norway', '1,001-5,000', 4, 'new', '{"fit": 4}'),
        ('b', 'b2', 'Gamma', NULL, 60.0, 'Japan', NULL, NULL, 'new', NULL),
        ('b', 'b3', 'Delta', 'delta.example', 85.0, 'Norway', '51-200', 30, 'old', '{"fit": "good"}'),
        ('b', 'b4', 'Zeta', 'zeta.example', NULL, 'Chile', '11-50', 0, 'new', '{"fit": 5}'),
        ('b', 'b5', 'Delta again', 'delta.example', 50.0, 'Norway', '51-200', 30, 'old', '{"fit": 2}'),
        ('c', 'c1', NULL, NULL, 20.0, NULL, NULL, NULL, 'old', '{}'),
        ('c', 'c2', NULL, NULL, 10.0, NULL, NULL, NULL, 'old', '{}');
    INSERT INTO results (task_id, result_id, company_name, company_website, domain, relevance, hq_country, employee_count,
                         founding_year, scores, first_seen_at, seen_at, gone_at)
    SELECT task_id, result_id, company_name, 'https://' || domain, domain, relevance, country, employees,
           CAST(strftime('%Y', 'now') AS INTEGER) - age, scores, ages.at, ages.at,
           iif(result_id = 'a4', '2026-01-02T00:00:00.000Z', NULL)
      FROM found JOIN ages ON ages.name = found.first;
"#;

/// The answer of each query of the document: a line for each row, with `|` between values, `-` for null, and `Y-1` for a year
/// ago.
const ANSWERS: [(&str, &[&str]); 12] = [
    (
        "Which companies are new this week?",
        &["Beta|beta.example|Chile|80", "Zeta|zeta.example|Chile|-"],
    ),
    (
        "Which companies were found by several searches?",
        &["Alpha AS|alpha.example|2|95", "Gamma|-|2|70"],
    ),
    (
        "How many companies are in each country?",
        &["unknown|3|33.3", "Chile|2|80", "Norway|2|90"],
    ),
    (
        "How many companies are there of each size?",
        &[
            "unknown|3",
            "1-10|1",
            "11-50|1",
            "51-200|1",
            "1,001-5,000|1",
        ],
    ),
    (
        "Which are the three best companies of each search?",
        &[
            "b|1|Alpha AS|alpha.example|95",
            "b|2|Delta|delta.example|85",
            "b|3|Gamma|-|60",
            "c|1|-|-|20",
            "c|2|-|-|10",
            "freight|1|Alpha|alpha.example|90",
            "freight|2|Beta|beta.example|80",
            "freight|3|Gamma|-|70",
        ],
    ),
    (
        "Which companies are not in last week's list?",
        &[
            "Beta|beta.example|80",
            "Gamma|-|70",
            "-|-|20",
            "-|-|10",
            "Zeta|zeta.example|-",
        ],
    ),
    (
        "Which companies have no website of their own?",
        &["Gamma|-|-|70", "-|-|-|20", "-|-|-|10"],
    ),
    (
        "Which small companies are at most five years old?",
        &["Zeta|zeta.example|Y-0|11-50", "Beta|beta.example|Y-1|1-10"],
    ),
    (
        "What is the mean grade of each criterion?",
        &["a|fit|3|4", "a|size|3|3", "b|fit|3|3.67"],
    ),
    (
        "Which companies meet every criterion?",
        &[
            "a|Alpha|alpha.example|90",
            "b|Alpha AS|alpha.example|95",
            "b|Zeta|zeta.example|-",
        ],
    ),
    ("How much do two searches overlap?", &["a|b|1"]),
    (
        "Which companies does the service show no more?",
        &["2026-01-02T00:00:00.000Z|a|Epsilon|epsilon.example"],
    ),
];

async fn database() -> (SqliteConnection, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("growd.db");
    let mut connection = store::open(&path, Mode::Write).await.unwrap();
    run(&mut connection, RESULTS).await;
    (connection, dir)
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Vec<SqliteRow> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

/// Returns the rows of a query as `ANSWERS` has them.
async fn lines(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let year = run(connection, "SELECT CAST(strftime('%Y', 'now') AS INTEGER)").await;
    let year: i64 = year[0].get(0);
    let value = |row: &SqliteRow, nth: usize| {
        let raw = row.try_get_raw(nth).unwrap();
        if raw.is_null() {
            return "-".to_owned();
        }
        let kind = raw.type_info().name().to_owned();
        match kind.as_str() {
            "INTEGER" if row.column(nth).name() == "founding_year" => {
                format!("Y-{}", year - row.get::<i64, _>(nth))
            }
            "INTEGER" => row.get::<i64, _>(nth).to_string(),
            "REAL" => row.get::<f64, _>(nth).to_string(),
            _ => row.get(nth),
        }
    };
    let rows = run(connection, sql).await;
    let line = |row: &SqliteRow| {
        let values: Vec<String> = (0..row.len()).map(|nth| value(row, nth)).collect();
        values.join("|")
    };
    rows.iter().map(line).collect()
}

#[tokio::test]
async fn each_query_of_the_document_gives_the_right_answer() {
    let (mut connection, _dir) = database().await;
    let queries: Vec<_> = fences()
        .into_iter()
        .filter(|(section, _, _)| *section == COMPANIES)
        .collect();
    let headings: BTreeSet<_> = queries.iter().map(|(_, heading, _)| *heading).collect();
    let answered: BTreeSet<_> = ANSWERS.iter().map(|(heading, _)| *heading).collect();
    assert_eq!(headings, answered);
    assert_eq!(queries.len(), ANSWERS.len(), "one query for each heading");
    for (_, heading, sql) in queries {
        let (_, expected) = ANSWERS.iter().find(|(of, _)| *of == heading).unwrap();
        assert_eq!(lines(&mut connection, &sql).await, *expected, "{heading}");
    }
}

#[tokio::test]
async fn a_company_is_its_best_result_over_all_tasks() {
    let (mut connection, _dir) = database().await;
    let columns = "company_name, domain, company_website, hq_country, employee_count, founding_year, relevance, tasks,
                   (SELECT name FROM ages WHERE at = first_seen_at)";
    let all = format!("SELECT {columns} FROM companies ORDER BY relevance DESC");
    let expected = [
        "Alpha AS|alpha.example|https://alpha.example|Norway|1,001-5,000|Y-4|95|2|old",
        "Delta|delta.example|https://delta.example|Norway|51-200|Y-30|85|1|old",
        "Beta|beta.example|https://beta.example|Chile|1-10|Y-1|80|1|new",
        "Gamma|-|-|-|-|-|70|2|middle",
        "-|-|-|-|-|-|20|1|old",
        "-|-|-|-|-|-|10|1|old",
        "Zeta|zeta.example|https://zeta.example|Chile|11-50|Y-0|-|1|new",
    ];
    assert_eq!(lines(&mut connection, &all).await, expected);

    // A domain and a name that are the same text are two companies.
    run(
        &mut connection,
        "UPDATE results SET gone_at = 'x' WHERE result_id = 'b1';
         UPDATE results SET company_name = 'alpha.example', domain = NULL WHERE result_id = 'c1'",
    )
    .await;
    let alpha = "SELECT company_name, domain, tasks FROM companies
                  WHERE 'alpha.example' IN (domain, company_name) ORDER BY tasks, domain";
    let expected = ["alpha.example|-|1", "Alpha|alpha.example|1"];
    assert_eq!(lines(&mut connection, alpha).await, expected);
}

#[tokio::test]
async fn the_view_reads_an_index_and_not_the_texts_of_the_results() {
    let (mut connection, _dir) = database().await;
    for query in ["SELECT * FROM companies", "SELECT count(*) FROM companies"] {
        let plan = run(&mut connection, &format!("EXPLAIN QUERY PLAN {query}")).await;
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let of_table: Vec<_> = steps
            .iter()
            .filter(|step| step.contains(" results"))
            .collect();
        assert_eq!(of_table.len(), 2, "{steps:#?}");
        for step in of_table {
            let index = "SCAN results USING COVERING INDEX results_by_company";
            assert_eq!(step, index, "{query}");
        }
    }
}
