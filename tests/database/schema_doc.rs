//! docs/schema.md matches the schema: columns, triggers, states, queries and refusals.

use growd::store::{self, Mode};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

const DOC: &str = include_str!("../../docs/schema.md");

/// The section of the queries over companies.
pub const COMPANIES: &str = "Queries over companies";

/// The id in the document's examples.
const EXAMPLE: &str = "0d0f4a1c-8f7e-4d0b-9a55-3f6f0f6f2b10";

/// A database like one in use: a task in every state, resumes in every state, errors, a closed gate.
const ROWS: &str = "
    INSERT INTO tasks (task_id, target) VALUES
        ('0d0f4a1c-8f7e-4d0b-9a55-3f6f0f6f2b10', 200), ('waits', 100), ('exhausted', 100), ('capped', 300),
        ('refused', 100), ('stalled', 100), ('failed', 100), ('missing', 100), ('reached', 50), ('new', 50);
    UPDATE progress
       SET state = 'growing', reason = 'the service is at work', status = 'in_progress', num_results = 60
     WHERE task_id = '0d0f4a1c-8f7e-4d0b-9a55-3f6f0f6f2b10';
    UPDATE progress
       SET state = 'growing', reason = 'a resume is due; the account is refused: insufficient_credits',
           status = 'done', num_results = 25, failures = 2, last_error = 'poll: 503',
           next_poll_at = '2026-01-01T00:00:00.000Z'
     WHERE task_id = 'waits';
    UPDATE progress SET state = task_id, reason = 'as it says', next_poll_at = NULL, num_results = 40
     WHERE task_id IN ('exhausted', 'capped', 'refused', 'stalled', 'failed', 'missing', 'reached');
    INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, http_status, sent_at, brought)
    VALUES ('waits', 50, 25, 0, 'accepted', 200, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 hours'), 25),
           ('waits', 50, 50, 25, 'rejected', 402, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour'), NULL),
           ('waits', 50, 50, 25, 'unsent', NULL, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour'), NULL),
           ('refused', 50, 50, 25, 'lost', NULL, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour'), NULL),
           ('refused', 50, 50, 25, 'intended', NULL, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), NULL);
    INSERT INTO samples
    VALUES ('0d0f4a1c-8f7e-4d0b-9a55-3f6f0f6f2b10', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 hours'), 100, 9, 8, 7, 20),
           ('0d0f4a1c-8f7e-4d0b-9a55-3f6f0f6f2b10', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour'), 100, 90, 80, 70, 60);
    INSERT INTO searches (search, query, target) VALUES ('freight-saas', 'SaaS for freight forwarders', 600);
    UPDATE tasks SET search = 'freight-saas', part = 1 WHERE task_id = 'reached';
    UPDATE search_progress SET state = 'stalled', reason = 'as it says', results = 40, parts = 1, requested = 50;
    INSERT INTO creates (search, part, desired, body, state, task_id, sent_at)
    VALUES ('freight-saas', 1, 50, '{}', 'accepted', 'reached', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 hours')),
           ('freight-saas', 2, 250, '{}', 'intended', NULL, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
    UPDATE daemon SET gate = 'payment_required', gate_reason = 'insufficient_credits',
                      gate_until = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+5 minutes');
";

struct Database {
    connection: SqliteConnection,
    _dir: TempDir,
}

impl Database {
    async fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let connection = store::open(&dir.path().join("growd.db"), Mode::Write)
            .await
            .unwrap();
        Self {
            connection,
            _dir: dir,
        }
    }

    async fn in_use() -> Self {
        let mut database = Self::empty().await;
        database.run(ROWS).await.unwrap();
        database
    }

    /// Runs statements; returns the rows of all of them.
    async fn run(&mut self, sql: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut self.connection)
            .await
    }

    /// Runs statements that must succeed.
    async fn execute(&mut self, sql: &str) {
        self.run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}\n{error}"));
    }

    /// Returns the text that a query selects; `-` for null.
    async fn text(&mut self, sql: &str) -> String {
        let rows = self.run(sql).await.unwrap();
        assert_eq!(rows.len(), 1, "{sql}");
        let value: Option<String> = rows[0].get(0);
        value.unwrap_or_else(|| "-".to_owned())
    }

    /// Whether a condition holds for the only row of `progress`.
    async fn progress(&mut self, condition: &str) -> bool {
        self.text(&format!(
            "SELECT CAST(count(*) AS TEXT) FROM progress WHERE {condition}"
        ))
        .await
            == "1"
    }

    async fn kinds(&mut self) -> String {
        self.text("SELECT group_concat(kind, ' ' ORDER BY id) FROM events")
            .await
    }
}

/// Returns the fenced SQL blocks of the document, each with the nearest `##` and `###` heading before it.
pub fn fences() -> Vec<(&'static str, &'static str, String)> {
    let (mut section, mut heading, mut sql) = ("", "", None::<String>);
    let mut found = Vec::new();
    for line in DOC.lines() {
        match (&mut sql, line) {
            (None, "```sql") => sql = Some(String::new()),
            (Some(text), "```") => {
                found.push((section, heading, std::mem::take(text)));
                sql = None;
            }
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, line) => {
                if let Some(title) = line.strip_prefix("## ") {
                    (section, heading) = (title, "");
                } else if let Some(title) = line.strip_prefix("### ") {
                    heading = title;
                }
            }
        }
    }
    assert_eq!(sql, None, "a fence is not closed");
    found
}

/// Returns the first cell of each table row in a section, by `###` heading.
fn first_cells(section: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut inside, mut heading) = (false, String::new());
    for line in DOC.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            inside = title == section;
        } else if let Some(title) = line.strip_prefix("### ") {
            title.trim_matches('`').clone_into(&mut heading);
        } else if let Some(row) = line.strip_prefix("| `").filter(|_| inside) {
            let cell = row.split('|').next().unwrap();
            tables.entry(heading.clone()).or_default().extend(
                cell.split(", ")
                    .map(|name| name.trim().trim_matches('`').to_owned()),
            );
        }
    }
    tables
}

#[tokio::test]
async fn every_statement_runs_and_every_query_finds_something() {
    let mut queries = 0;
    let mut headings = BTreeSet::new();
    for (section, heading, sql) in fences() {
        if section == COMPANIES {
            // `company_queries` runs them, with results.
            continue;
        }
        let mut database = Database::in_use().await;
        let newest_event = "SELECT CAST(max(id) AS TEXT) FROM events";
        let before = database.text(newest_event).await;
        let outcome = database.run(&sql).await;
        let rows = outcome.unwrap_or_else(|error| panic!("{heading}\n{sql}\n{error}"));
        if section == "Queries" {
            assert!(!rows.is_empty(), "{heading} finds nothing\n{sql}");
            queries += 1;
            headings.insert(heading);
        } else {
            let after = database.text(newest_event).await;
            assert_ne!(after, before, "changes nothing:\n{sql}");
        }
    }
    assert!(queries >= 10);
    assert_eq!(headings.len(), queries, "a heading for each query");
}

#[tokio::test]
async fn a_closed_gate_shows_in_the_query_for_it() {
    let (_, _, sql) = fences()
        .into_iter()
        .find(|(_, heading, _)| heading.contains("wait for the account"))
        .unwrap();
    let mut database = Database::in_use().await;
    let waiting: Vec<String> = database
        .run(&sql)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get("task_id"))
        .collect();
    assert_eq!(waiting, ["waits"]);
    database
        .execute("UPDATE daemon SET gate = 'unauthorized'")
        .await;
    assert_eq!(database.run(&sql).await.unwrap().len(), 3);
}

#[tokio::test]
async fn every_table_column_trigger_and_state_is_named_and_nothing_else_is() {
    let mut database = Database::empty().await;
    let columns = database
        .run(
            "SELECT m.name AS owner, p.name AS name, p.\"notnull\" AS not_null, m.type = 'view' AS is_view
               FROM sqlite_schema m, pragma_table_info(m.name) p
              WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '_sqlx%'",
        )
        .await
        .unwrap();
    let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &columns {
        let (owner, name): (String, String) = (row.get("owner"), row.get("name"));
        if !row.get::<bool, _>("is_view") {
            // An INTEGER PRIMARY KEY is never null, whatever the pragma says.
            let null = if row.get::<bool, _>("not_null") || name == "id" {
                "no"
            } else {
                "yes"
            };
            let line = format!("| `{name}` | {null} |");
            let after = &DOC[DOC.find(&format!("### `{owner}`\n")).unwrap()..];
            let section = after.split("\n##").next().unwrap();
            assert!(section.contains(&line), "{owner}: {line}");
        }
        real.entry(owner).or_default().insert(name);
    }
    assert_eq!(first_cells("Tables"), real);

    let triggers: BTreeSet<String> = database
        .run("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let flat =
        |section| -> BTreeSet<String> { first_cells(section).into_values().flatten().collect() };
    assert_eq!(flat("What the triggers decide"), triggers);
    let states = growd::core::State::ALL
        .iter()
        .map(|state| state.as_str().to_owned());
    assert_eq!(flat("States of a task"), states.collect());
    assert_eq!(flat("States of a search"), flat("States of a task"));
    for state in flat("States of a resume") {
        assert!(growd::core::paid_request::RequestState::parse(&state).is_some());
    }
    assert_eq!(flat("States of a resume").len(), 5);
    for gate in flat("The gate") {
        assert!(growd::core::gate::Kind::parse(&gate).is_some());
    }
    assert_eq!(flat("The gate").len(), 5);
}

#[tokio::test]
async fn invalid_values_are_refused_at_the_insert() {
    let resume = "INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, sent_at)";
    let task = |id: &str, values: &str| {
        format!("INSERT INTO tasks (task_id, target, chunk, paused) VALUES ({id}, {values})")
    };
    let fine = "10, NULL, 0";
    let mut database = Database::empty().await;
    database.execute(&task("'kept'", fine)).await;
    for (bad, why) in [
        (task("''", fine), "task_id_is_an_id"),
        (task("'  '", fine), "task_id_is_an_id"),
        (task("'.'", fine), "task_id_is_an_id"),
        (task("'..'", fine), "task_id_is_an_id"),
        (task("'a' || char(0)", fine), "task_id_is_an_id"),
        (task("'a' || char(0) || 'b'", fine), "task_id_is_an_id"),
        (task("'a' || char(10) || 'b'", fine), "task_id_is_an_id"),
        (task("char(127)", fine), "task_id_is_an_id"),
        (task("printf('%.201c', 'x')", fine), "task_id_is_an_id"),
        // 101 characters of two bytes each.
        (task("printf('%.101c', 'é')", fine), "task_id_is_an_id"),
        (task("'a/b?c é'", fine), "/ does not belong"),
        (task("'é'", fine), "U+00E9 does not belong"),
        (
            task("'0F0F1C1E111142228333-4444555566AB'", fine),
            "0f0f1c1e-1111-4222-8333-4444555566ab",
        ),
        (task("NULL", fine), "NOT NULL"),
        (task("x'00ff'", fine), "cannot store BLOB"),
        (task("'kept'", fine), "UNIQUE"),
        (task("'a'", "0, NULL, 0"), "target_is_at_least_1"),
        (task("'a'", "-1, NULL, 0"), "target_is_at_least_1"),
        (task("'a'", "'x', NULL, 0"), "cannot store TEXT"),
        (task("'a'", "1.5, NULL, 0"), "cannot store REAL"),
        (task("'a'", "NULL, NULL, 0"), "NOT NULL"),
        (task("'a'", "10, 0, 0"), "chunk_is_1_to_250"),
        (task("'a'", "10, 251, 0"), "chunk_is_1_to_250"),
        (task("'a'", "10, NULL, 2"), "paused_is_0_or_1"),
        (task("'a'", "10, NULL, -1"), "paused_is_0_or_1"),
        (
            "INSERT INTO tasks (task_id, target, retry) VALUES ('a', 1, -1)".to_owned(),
            "retry_is_a_count",
        ),
        (
            "UPDATE tasks SET target = 0".to_owned(),
            "target_is_at_least_1",
        ),
        (
            "UPDATE tasks SET task_id = 'renamed'".to_owned(),
            "task_id cannot be changed",
        ),
        (
            format!("{resume} VALUES ('kept', 251, 0, 0, 'accepted', '')"),
            "requested_is_1_to_250",
        ),
        (
            format!("{resume} VALUES ('kept', 0, 0, 0, 'accepted', '')"),
            "requested_is_1_to_250",
        ),
        (
            format!("{resume} VALUES ('kept', 1, 0, 0, 'asked', '')"),
            "resume_state_is_known",
        ),
        (
            format!(
                "{resume} VALUES ('kept', 1, 0, 0, 'intended', ''), ('kept', 1, 0, 0, 'intended', '')"
            ),
            "UNIQUE",
        ),
        (
            "UPDATE progress SET state = 'done'".to_owned(),
            "state_is_known",
        ),
        (
            "UPDATE progress SET is_exhausted = 2".to_owned(),
            "is_exhausted",
        ),
        ("UPDATE daemon SET gate = 'shut'".to_owned(), "gate"),
        ("INSERT INTO daemon (id) VALUES (2)".to_owned(), "id = 1"),
        (
            "INSERT INTO events (kind, detail) VALUES ('x', 'no JSON')".to_owned(),
            "json_valid",
        ),
    ] {
        let error = database.run(&bad).await.expect_err(&bad).to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
    for good in [
        task("printf('%.200c', 'x')", fine),
        task("'a-b_c.d~E'", fine),
        task("'0f0f1c1e-1111-4222-8333-4444555566aa'", fine),
        task("'1'", "1, 1, 1"),
        task("'250'", "9223372036854775807, 250, 0"),
    ] {
        database.execute(&good).await;
    }
    let resumes = database
        .text("SELECT CAST(count(*) AS TEXT) FROM resumes")
        .await;
    assert_eq!(resumes, "0", "a refused statement leaves nothing");
}

const DUE_NOW: &str = "abs(julianday('now') - julianday(next_poll_at)) * 86400.0 < 60";

#[tokio::test]
async fn an_insert_alone_makes_a_task_due_unless_it_is_paused() {
    let mut database = Database::empty().await;
    database
        .execute("INSERT INTO tasks (task_id, target) VALUES ('a', 5)")
        .await;
    assert!(
        database
            .progress(&format!("state = 'pending' AND {DUE_NOW}"))
            .await
    );
    assert_eq!(database.kinds().await, "added");

    database
        .execute("INSERT INTO tasks (task_id, target, paused) VALUES ('b', 5, 1)")
        .await;
    assert!(
        database
            .progress("task_id = 'b' AND next_poll_at IS NULL")
            .await
    );
}

#[tokio::test]
async fn replacing_a_row_keeps_what_was_learnt() {
    let mut database = Database::empty().await;
    database
        .execute("INSERT INTO tasks (task_id, target, note) VALUES ('a', 5, 'x')")
        .await;
    database
        .execute("UPDATE progress SET state = 'reached', polls = 9, next_poll_at = NULL")
        .await;
    database
        .execute("INSERT INTO samples VALUES ('a', '2026-01-01T00:00:00.000Z', 1, 1, 1, 1, 1)")
        .await;
    database
        .execute("INSERT OR REPLACE INTO tasks (task_id, target) VALUES ('a', 50)")
        .await;
    assert!(
        database
            .progress(&format!("state = 'reached' AND polls = 9 AND {DUE_NOW}"))
            .await
    );
    assert_eq!(database.text("SELECT note FROM tasks").await, "-");
    assert_eq!(
        database
            .text("SELECT CAST(count(*) AS TEXT) FROM samples")
            .await,
        "1"
    );
}

#[tokio::test]
async fn a_change_makes_a_task_due_and_a_pause_takes_it_out() {
    let mut database = Database::empty().await;
    database
        .execute("INSERT INTO tasks (task_id, target) VALUES ('a', 5)")
        .await;
    let idle = "UPDATE progress SET next_poll_at = NULL";
    for change in ["target = 50", "chunk = 10", "chunk = NULL"] {
        database.execute(idle).await;
        database
            .execute(&format!("UPDATE tasks SET {change}"))
            .await;
        assert!(database.progress(DUE_NOW).await, "{change}");
    }
    database.execute(idle).await;
    for no_change in ["note = 'seen'", "target = 50"] {
        database
            .execute(&format!("UPDATE tasks SET {no_change}"))
            .await;
        assert!(
            database.progress("next_poll_at IS NULL").await,
            "{no_change}"
        );
    }
    database
        .execute("UPDATE tasks SET updated_at = '2026-01-01T00:00:00.000Z'")
        .await;
    database.execute("UPDATE tasks SET note = 'touched'").await;
    assert_ne!(
        database.text("SELECT updated_at FROM tasks").await,
        "2026-01-01T00:00:00.000Z"
    );

    database.execute("UPDATE tasks SET target = 60").await;
    database.execute("UPDATE tasks SET paused = 1").await;
    assert!(database.progress("next_poll_at IS NULL").await);
    assert_eq!(database.text("SELECT state FROM overview").await, "paused");
    database.execute("UPDATE tasks SET target = 70").await;
    assert!(
        database.progress("next_poll_at IS NULL").await,
        "still paused"
    );
    database.execute("UPDATE tasks SET paused = 0").await;
    assert!(database.progress(DUE_NOW).await);
    assert_eq!(
        database.kinds().await,
        "added changed changed changed changed paused changed unpaused"
    );
}

#[tokio::test]
async fn a_retry_takes_a_task_out_of_five_states_and_no_other() {
    for &state in growd::core::State::ALL {
        let mut database = Database::empty().await;
        database
            .execute("INSERT INTO tasks (task_id, target) VALUES ('a', 5)")
            .await;
        database
            .execute(
                "INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, state, http_status, sent_at)
                 VALUES ('a', 1, 0, 0, 'rejected', 400, '2026-01-01T00:00:00.000Z')",
            )
            .await;
        database
            .execute(&format!(
                "UPDATE progress SET state = '{state}', failures = 3, last_error = 'x', stalled = 2, next_poll_at = NULL"
            ))
            .await;
        database.execute("UPDATE tasks SET retry = retry + 1").await;
        let begun_anew = database
            .progress(&format!(
                "state = 'pending' AND failures = 0 AND last_error IS NULL AND stalled = 0 AND forgiven = 1 AND {DUE_NOW}"
            ))
            .await;
        assert_eq!(begun_anew, state.is_retriable(), "{state}");
        if !begun_anew {
            let untouched = format!(
                "state = '{state}' AND stalled = 2 AND forgiven = 0 AND next_poll_at IS NULL"
            );
            assert!(database.progress(&untouched).await, "{state}");
        }
        assert_eq!(database.kinds().await, "added retried");
    }
}

#[tokio::test]
async fn a_retry_of_a_paused_task_asks_for_nothing_yet() {
    let mut database = Database::empty().await;
    database
        .execute("INSERT INTO tasks (task_id, target, paused) VALUES ('a', 5, 1)")
        .await;
    database
        .execute("UPDATE progress SET state = 'failed'")
        .await;
    database.execute("UPDATE tasks SET retry = retry + 1").await;
    assert!(
        database
            .progress("state = 'pending' AND next_poll_at IS NULL")
            .await
    );
}

#[tokio::test]
async fn a_removal_keeps_the_ledger_and_the_events() {
    let mut database = Database::in_use().await;
    database
        .execute(&format!(
            "DELETE FROM tasks WHERE task_id IN ('waits', '{EXAMPLE}')"
        ))
        .await;
    for (sql, left) in [
        ("SELECT count(*) FROM progress WHERE task_id = 'waits'", 0),
        ("SELECT count(*) FROM samples", 0),
        ("SELECT count(*) FROM resumes WHERE task_id = 'waits'", 3),
        (
            "SELECT count(*) FROM events WHERE task_id = 'waits' AND kind = 'added'",
            1,
        ),
        ("SELECT count(*) FROM events WHERE kind = 'removed'", 2),
    ] {
        let count: i64 = database.run(sql).await.unwrap()[0].get(0);
        assert_eq!(count, left, "{sql}");
    }
    // Added again, the task is polled, and its earlier refusal is forgiven.
    database
        .execute("INSERT INTO tasks (task_id, target) VALUES ('waits', 5)")
        .await;
    assert!(
        database
            .progress("task_id = 'waits' AND state = 'pending' AND forgiven = 3")
            .await
    );
    database.connection.close().await.unwrap();
}
