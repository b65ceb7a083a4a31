//! How SQLite goes about each statement of the program: no table is looked through, and no queue is sorted.

use growd::store::{self, Mode, statements};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// Statements that may look at every task, and what of: they are a person's, who asked for all of them, or read nothing
/// but an index of the states, seldom.
const MAY_SCAN: [(&str, &str); 11] = [
    ("overview::ROWS_ADDED", "SCAN t"),
    ("overview::ROWS", "SCAN t"),
    (
        "overview::ROWS_PAUSED",
        "SCAN tasks USING INDEX tasks_paused",
    ),
    ("tasks::UNPAUSE_ALL", "SCAN tasks USING INDEX tasks_paused"),
    (
        "overview::COUNTS",
        "SCAN progress USING COVERING INDEX progress_state",
    ),
    ("overview::COUNTS", "SCAN t USING INDEX tasks_paused"),
    // `growd check` reads every row.
    ("values::FIND", "SCAN tasks"),
    ("values::FIND", "SCAN resumes"),
    ("values::FIND", "SCAN progress"),
    ("values::FIND", "SCAN daemon"),
    ("values::FIND_OF_TASK", "SCAN daemon"),
];

/// Statements that may sort: what they sort is a few rows, or was asked for by a person.
const MAY_SORT: [&str; 3] = ["overview::ROWS_ADDED", "overview::COUNTS", "overview::SHOW"];

/// Is it no table of the database that is looked through, but rows that were bound, or that the statement has made?
fn is_no_table(step: &str) -> bool {
    const NAMES: [&str; 5] = ["wanted", "json_each", "named", "paused", "e"];
    let of = step.trim_start_matches("SCAN ");
    let name = of.split(' ').next().unwrap_or_default();
    NAMES.contains(&name) || name.starts_with("(subquery-") || of.contains("CONSTANT ROW")
}

async fn plan(connection: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get("detail")).collect()
}

async fn database() -> (SqliteConnection, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("growd.db");
    (store::open(&path, Mode::Write).await.unwrap(), dir)
}

#[tokio::test]
async fn no_statement_looks_through_a_table_or_sorts_a_queue() {
    let (mut connection, _dir) = database().await;
    let mut wrong = Vec::new();
    for (name, sql) in statements::all() {
        for step in plan(&mut connection, sql).await {
            let may = |(of, what): &(&str, &str)| *of == name && step.starts_with(what);
            let scans =
                step.starts_with("SCAN") && !is_no_table(&step) && !MAY_SCAN.iter().any(may);
            let sorts = step.contains("TEMP B-TREE") && !MAY_SORT.contains(&name);
            if scans || sorts {
                wrong.push(format!("{name}: {step}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_is_due_is_read_from_its_index_in_its_order() {
    let (mut connection, _dir) = database().await;
    for (name, sql) in statements::all() {
        if name.starts_with("progress::DUE") {
            let plan = plan(&mut connection, sql).await;
            let first = "SEARCH progress USING INDEX progress_queue (queue=? AND next_poll_at<?)";
            let first = plan[0].replace("COVERING ", "") == first;
            assert!(first, "{name}: {plan:#?}");
        }
    }
}

/// The files that hold statements of the daemon or the commands, and not only of opening a database.
const FILES: [(&str, &str); 9] = [
    ("reschedule", include_str!("../src/store/reschedule.rs")),
    ("progress", include_str!("../src/store/progress.rs")),
    ("load", include_str!("../src/store/load.rs")),
    ("ledger", include_str!("../src/store/ledger.rs")),
    ("history", include_str!("../src/store/history.rs")),
    ("daemon", include_str!("../src/store/daemon.rs")),
    ("tasks", include_str!("../src/store/tasks.rs")),
    ("overview", include_str!("../src/store/overview.rs")),
    ("save", include_str!("../src/store/save.rs")),
];

#[test]
fn no_statement_is_run_that_is_not_among_those_looked_at() {
    let all = statements::all();
    for (module, text) in FILES {
        for call in ["sqlx::query(", "sqlx::query_as(", "sqlx::query_scalar("] {
            for (at, _) in text.match_indices(call) {
                let argument = text[at + call.len()..].trim_start();
                let statement = argument.strip_prefix("AssertSqlSafe(").unwrap_or(argument);
                let name: String = statement
                    .chars()
                    .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                    .collect();
                let is_known = all
                    .iter()
                    .any(|(known, _)| *known == format!("{module}::{name}"));
                // `sql` is one of two, both known.
                let is_chosen = argument.starts_with("sql)");
                assert!(
                    is_known || is_chosen,
                    "{module}: {call}{}",
                    &argument[..60.min(argument.len())]
                );
            }
        }
        for (at, _) in text.match_indices("const ") {
            let (name, rest) = text[at + 6..].split_once(':').unwrap();
            if rest.trim_start().starts_with("&str") {
                let name = format!("{module}::{name}");
                assert!(all.iter().any(|(known, _)| *known == name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_in_no_queue_is_found_without_a_look_at_what_is_under_way() {
    let (mut connection, _dir) = database().await;
    let all = statements::all();
    let (_, sql) = all
        .iter()
        .find(|(name, _)| *name == "reschedule::WAKE_UNSCHEDULED")
        .unwrap();
    let plan = plan(&mut connection, sql).await;
    assert!(
        plan[0].starts_with("SEARCH progress USING INDEX progress_idle (state=?)"),
        "{plan:?}"
    );
}
