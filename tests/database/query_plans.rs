//! The query plan of each statement: none scans a table, none sorts a queue.

use growd::store::{self, Mode, statements};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// Statements that may scan, and the table: an operator asked for all rows, or they seldom read a small index.
const MAY_SCAN: [(&str, &str); 31] = [
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
    (
        "readings::COUNTS",
        "SCAN progress USING COVERING INDEX progress_read",
    ),
    (
        "readings::COMPANIES",
        "SCAN results USING COVERING INDEX results_by_company",
    ),
    // Only the demo runs it.
    (
        "readings::IS_UNREAD",
        "SCAN progress USING INDEX progress_unread",
    ),
    // `growd check` reads every row.
    ("values::FIND", "SCAN tasks"),
    ("values::FIND", "SCAN resumes"),
    ("values::FIND", "SCAN progress"),
    ("values::FIND", "SCAN daemon"),
    ("values::FIND_OF_TASK", "SCAN daemon"),
    // `growd results` without a task prints every row.
    (
        "companies::CHOOSE",
        "SCAN r USING COVERING INDEX results_by_company",
    ),
    (
        "companies::CHOOSE",
        "SCAN r USING COVERING INDEX results_gone",
    ),
    ("companies::ROWS", "SCAN chosen"),
    ("companies::ROWS_WITH_REST", "SCAN chosen"),
    ("companies::SCORES", "SCAN chosen"),
    // They end at the first row; without one, `growd results` has nothing else to do.
    ("companies::ANY", "SCAN results"),
    ("companies::ANY_READ", "SCAN progress"),
    // There are few searches, each with many tasks at the service.
    ("search_progress::ANY_GROWS", "SCAN search_progress"),
    ("search_progress::WAKE", "SCAN search_progress"),
    ("search_progress::WAKE_TOO_LATE", "SCAN search_progress"),
    // The index has the creates in flight only, one for each search at most.
    (
        "creates::OPEN_ALIKE",
        "SCAN other USING INDEX creates_one_intended",
    ),
    ("searches::NAMES", "SCAN searches"),
    ("searches::edit::IN_STATE", "SCAN search_progress"),
    ("searches::edit::PAUSED", "SCAN searches"),
    ("searches::overview::ROWS", "SCAN s"),
    ("searches::overview::COUNTS", "SCAN s"),
    ("searches::overview::STOPPED", "SCAN s"),
];

/// Statements that may sort: a few rows, or rows that an operator asked for.
const MAY_SORT: [&str; 7] = [
    "overview::ROWS_ADDED",
    "overview::COUNTS",
    "overview::SHOW",
    "companies::CHOOSE",
    "readings::COMPANIES",
    "searches::overview::COUNTS",
    "searches::overview::SHOW",
];

/// Returns whether a step scans bound rows or the result of a subquery, and not a table of the database.
fn is_no_table(step: &str) -> bool {
    const NAMES: [&str; 9] = [
        "wanted",
        "json_each",
        "named",
        "new",
        "paused",
        "e",
        "best",
        "counted",
        "part",
    ];
    let of = step.trim_start_matches("SCAN ");
    let name = of.split(' ').next().unwrap_or_default();
    NAMES.contains(&name)
        || name.starts_with("(subquery-")
        || of.contains("CONSTANT ROW")
        || of.contains("-ROW VALUES CLAUSE")
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
    let mut connection = store::open(&path, Mode::Write).await.unwrap();
    // A temporary table that other statements read.
    let all = statements::all();
    let (_, sql) = all
        .iter()
        .find(|(name, _)| *name == "companies::CREATE")
        .unwrap();
    sqlx::query(*sql).execute(&mut connection).await.unwrap();
    (connection, dir)
}

#[tokio::test]
async fn no_statement_scans_a_table_or_sorts_a_queue() {
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
async fn due_tasks_are_read_from_their_index_in_its_order() {
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

/// The files with statements of the daemon and the commands.
const FILES: [(&str, &str); 18] = [
    ("reschedule", include_str!("../../src/store/reschedule.rs")),
    ("progress", include_str!("../../src/store/progress.rs")),
    ("bounds", include_str!("../../src/store/bounds.rs")),
    ("load", include_str!("../../src/store/load.rs")),
    ("ledger", include_str!("../../src/store/ledger.rs")),
    ("history", include_str!("../../src/store/history.rs")),
    ("daemon", include_str!("../../src/store/daemon.rs")),
    ("tasks", include_str!("../../src/store/tasks.rs")),
    ("overview", include_str!("../../src/store/overview.rs")),
    ("readings", include_str!("../../src/store/readings.rs")),
    ("results", include_str!("../../src/store/results.rs")),
    ("save", include_str!("../../src/store/save.rs")),
    ("companies", include_str!("../../src/store/companies.rs")),
    ("creates", include_str!("../../src/store/creates.rs")),
    (
        "search_progress",
        include_str!("../../src/store/search_progress.rs"),
    ),
    ("searches", include_str!("../../src/store/searches/mod.rs")),
    (
        "searches::edit",
        include_str!("../../src/store/searches/edit.rs"),
    ),
    (
        "searches::overview",
        include_str!("../../src/store/searches/overview.rs"),
    ),
];

#[test]
fn every_statement_that_is_run_is_checked() {
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
                // `sql` is one of two known statements.
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
            // The name is an argument of a macro; the call of the statement is checked above.
            let is_in_macro = name.starts_with('$');
            if rest.trim_start().starts_with("&str") && !is_in_macro {
                let name = format!("{module}::{name}");
                assert!(all.iter().any(|(known, _)| *known == name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn unscheduled_tasks_are_found_by_their_index() {
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

#[tokio::test]
async fn unread_tasks_are_read_from_their_index_in_its_order() {
    let (mut connection, _dir) = database().await;
    for (name, sql) in statements::all() {
        let first = match name {
            "results::UNREAD" => {
                "SEARCH progress USING INDEX progress_unread ((results_next_at,task_id)>(?,?) AND results_next_at<?)"
            }
            "results::RUNNING" => "SEARCH progress USING INDEX progress_running (task_id>?)",
            "readings::UNREADABLE"
            | "results::NEXT_UNREAD"
            | "results::READ_POSTPONED_TOO_LONG" => {
                "SEARCH progress USING INDEX progress_unread (results_next_at>?)"
            }
            _ => continue,
        };
        let plan = plan(&mut connection, sql).await;
        assert!(plan.iter().any(|step| step == first), "{name}: {plan:#?}");
    }
}

/// The ledgers can be long. Only what was sent within the window is read, from the index alone.
#[tokio::test]
async fn what_counts_towards_a_limit_is_read_from_the_indexes_by_time() {
    let (mut connection, _dir) = database().await;
    let all = statements::all();
    let (_, sql) = all
        .iter()
        .find(|(name, _)| *name == "ledger::ASKED_WITHIN")
        .unwrap();
    let plan = plan(&mut connection, sql).await;
    for (table, index) in [
        ("resumes", "resumes_by_time"),
        ("creates", "creates_by_time"),
    ] {
        let step = format!("SEARCH {table} USING COVERING INDEX {index} (sent_at>?)");
        assert!(plan.contains(&step), "{plan:#?}");
    }
}
