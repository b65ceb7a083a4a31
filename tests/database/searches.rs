//! `searches` as operators write it by SQL: what is refused, and what an edit does to the tasks.

use crate::support::Bench;
use growd::core::search::step::NewPart;
use growd::store::search_progress::add_part;
use sqlx::AssertSqlSafe;

async fn run(bench: &Bench, sql: &str) -> Result<(), String> {
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut bench.connection().await)
        .await;
    outcome.map(|_| ()).map_err(|error| error.to_string())
}

async fn done(bench: &Bench, sql: &str) {
    run(bench, sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn search(name: &str, query: &str, target: &str) -> String {
    format!("INSERT INTO searches (search, query, target) VALUES ({name}, {query}, {target})")
}

fn with(column: &str, value: &str) -> String {
    format!("INSERT INTO searches (search, query, target, {column}) VALUES ('a', 'q', 5, {value})")
}

fn criteria(fields: &str) -> String {
    with("criteria", &format!("'[{{{fields}}}]'"))
}

#[tokio::test]
async fn invalid_searches_are_refused_with_the_reason() {
    let bench = Bench::new().await;
    let fine = r#""name": "n", "criterion": "long enough""#;
    let long = format!("'[{}]'", vec!["\"x\""; 1001].join(","));
    for (bad, why) in [
        (search("''", "'q'", "5"), "search_is_a_name"),
        (search("'a b'", "'q'", "5"), "search_is_a_name"),
        (search("'é'", "'q'", "5"), "search_is_a_name"),
        (
            search("printf('%.101c', 'x')", "'q'", "5"),
            "search_is_a_name",
        ),
        (search("NULL", "'q'", "5"), "NOT NULL"),
        (search("'a'", "' ' || char(10)", "5"), "query_is_not_blank"),
        (search("'a'", "'q' || char(0)", "5"), "query_is_not_blank"),
        (search("'a'", "NULL", "5"), "NOT NULL"),
        (search("'a'", "'q'", "0"), "target_is_at_least_1"),
        (search("'a'", "'q'", "'x'"), "cannot store TEXT"),
        (with("chunk", "251"), "chunk_is_1_to_250"),
        (with("budget", "0"), "budget_is_at_least_1"),
        (with("paused", "2"), "paused_is_0_or_1"),
        (with("retry", "-1"), "retry_is_a_count"),
        (with("criteria", "'['"), "criteria is not valid JSON"),
        (with("criteria", "'{}'"), "criteria must be a JSON array"),
        (with("criteria", "'[]'"), "criteria must not be empty"),
        (
            with("criteria", "'[1,2,3,4,5,6,7,8,9,10,11]'"),
            "criteria has too many entries",
        ),
        (
            with("criteria", "'[\"x\"]'"),
            "criteria entry 1 must be an object",
        ),
        (criteria(r#""key": "k""#), "criteria entry 1: name must be"),
        (
            criteria(&format!(r#""key": "a b", {fine}"#)),
            "criteria entry 1: key must be",
        ),
        (
            criteria(r#""key": "k", "name": "n", "criterion": "short""#),
            "criterion must be a text of 10 to 500",
        ),
        (
            criteria(r#""key": "k", "name": "n", "criterion": "          ""#),
            "criterion must be a text of 10 to 500",
        ),
        (
            criteria(r#""key": "k", "name": "  ", "criterion": "long enough""#),
            "name must be a text of 1 to 100",
        ),
        (
            criteria(&format!(r#""key": "k", "weight": 1, {fine}"#)),
            "unknown key weight",
        ),
        (
            criteria(&format!(r#""key": "k", {fine}}}, {{"key": "k", {fine}"#)),
            "occurs more than once",
        ),
        (
            with("data_sources", "'[\" \"]'"),
            "data_sources entry 1 must be a text",
        ),
        (
            with("data_sources", "'\"maps\"'"),
            "data_sources must be a JSON array",
        ),
        (
            with("exclude_domains", "'[\"a.example\", 7]'"),
            "exclude_domains entry 2 must be a text",
        ),
        (
            with("exclude_domains", &long),
            "exclude_domains has too many entries",
        ),
    ] {
        let error = run(&bench, &bad).await.expect_err(&bad);
        assert!(error.contains(why), "{bad}: {error}");
    }
    for table in ["searches", "search_progress", "events"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let left: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut bench.connection().await)
            .await
            .unwrap();
        assert_eq!(left, 0, "a refused statement leaves nothing in {table}");
    }
    done(&bench, &criteria(&format!(r#""key": "k", {fine}"#))).await;
    let error = run(&bench, "UPDATE searches SET criteria = '7'")
        .await
        .unwrap_err();
    assert!(error.contains("criteria must be a JSON array"), "{error}");
    let error = run(&bench, "UPDATE searches SET search = 'b'")
        .await
        .unwrap_err();
    assert!(error.contains("search cannot be changed"), "{error}");
}

#[tokio::test]
async fn the_query_cannot_change_once_a_task_was_asked_for() {
    let bench = Bench::new().await;
    let create = "INSERT INTO creates (search, part, desired, body, state, sent_at)
                  VALUES ('a', 1, 9, '{}', 'rejected', '2026-11-24T02:22:00.123Z')";
    let change = "UPDATE searches SET query = query || '.'";
    done(&bench, &search("'a'", "'q'", "5")).await;
    done(&bench, change).await;
    done(&bench, create).await;
    for sql in [change, "UPDATE searches SET data_sources = '[\"maps\"]'"] {
        let error = run(&bench, sql).await.expect_err(sql);
        assert!(error.contains("start another search"), "{error}");
    }
    done(
        &bench,
        "UPDATE searches SET target = 9, chunk = 5, budget = 7, note = 'n', query = query",
    )
    .await;
    // Another search of the same name has not begun.
    done(&bench, "DELETE FROM searches").await;
    done(&bench, &search("'a'", "'q'", "5")).await;
    done(&bench, change).await;
    done(
        &bench,
        "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1)",
    )
    .await;
    run(&bench, change).await.expect_err("it has a task");
}

#[tokio::test]
async fn a_part_stays_in_its_search_and_follows_its_pauses() {
    let bench = Bench::new().await;
    done(&bench, &search("'a'", "'q'", "5")).await;
    for (bad, why) in [
        (
            "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'b', 1)",
            "there is no search",
        ),
        (
            "INSERT INTO tasks (task_id, target, search) VALUES ('t', 5, 'a')",
            "part_is_of_a_search",
        ),
        (
            "INSERT INTO tasks (task_id, target, part) VALUES ('t', 5, 1)",
            "part_is_of_a_search",
        ),
        (
            "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 0)",
            "part_is_at_least_1",
        ),
        (
            "INSERT INTO tasks (task_id, target, budget) VALUES ('t', 5, 0)",
            "budget_is_at_least_1",
        ),
    ] {
        let error = run(&bench, bad).await.expect_err(bad);
        assert!(error.contains(why), "{bad}: {error}");
    }
    done(&bench, "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1), ('u', 5, 'a', 2)").await;
    done(&bench, "UPDATE searches SET paused = 1, chunk = 7").await;
    let rows = "SELECT group_concat(paused || coalesce(chunk, '-'), ' ') FROM tasks";
    assert_eq!(bench.value::<String>(rows).await, "17 17");
    for (bad, why) in [
        ("UPDATE tasks SET paused = 0", "search that is paused"),
        (
            "UPDATE tasks SET search = NULL, part = NULL",
            "stays so until the search is removed",
        ),
        (
            "UPDATE tasks SET part = 3 WHERE task_id = 't'",
            "stays so until the search is removed",
        ),
        ("DELETE FROM tasks", "remove the search first"),
        (
            "INSERT INTO tasks (task_id, target, search, part) VALUES ('v', 5, 'a', 2)",
            "UNIQUE",
        ),
    ] {
        let error = run(&bench, bad).await.expect_err(bad);
        assert!(error.contains(why), "{bad}: {error}");
    }
    done(&bench, "UPDATE searches SET paused = 0").await;
    assert_eq!(bench.value::<String>(rows).await, "07 07");
    done(&bench, "UPDATE tasks SET paused = 1 WHERE task_id = 't'").await;
    done(&bench, "UPDATE tasks SET paused = 0 WHERE task_id = 't'").await;

    done(&bench, "DELETE FROM searches").await;
    let rows = "SELECT group_concat(paused || coalesce(search, '-') || coalesce(part, '-'), ' ') FROM tasks";
    assert_eq!(bench.value::<String>(rows).await, "1-- 1--");
    done(&bench, "UPDATE tasks SET paused = 0").await;
    done(&bench, "DELETE FROM tasks").await;
}

#[tokio::test]
async fn a_retry_takes_a_search_out_of_five_states_and_no_other() {
    for &state in growd::core::State::ALL {
        let bench = Bench::new().await;
        done(&bench, &search("'a'", "'q'", "5")).await;
        done(&bench, "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1), ('u', 5, 'a', 2)").await;
        done(
            &bench,
            &format!(
                "UPDATE progress SET state = 'stalled'; UPDATE search_progress SET state = '{state}', parts = 2, next_at = NULL"
            ),
        )
        .await;
        done(&bench, "UPDATE searches SET retry = retry + 1").await;
        let after = "SELECT p.state || ' ' || p.forgiven_part || ' ' || (p.next_at IS NOT NULL) || ' ' || t.retry || u.retry
                       FROM search_progress p, tasks t, tasks u WHERE t.task_id = 't' AND u.task_id = 'u'";
        let after = bench.value::<String>(after).await;
        let expected = if state.is_retriable() {
            "growing 2 1 01".to_owned()
        } else {
            format!("{state} 0 0 00")
        };
        assert_eq!(after, expected);
    }
}

#[tokio::test]
async fn a_raised_budget_makes_the_newest_stalled_task_due() {
    let bench = Bench::new().await;
    done(&bench, &with("budget", "9")).await;
    done(&bench, "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1), ('u', 5, 'a', 2)").await;
    done(
        &bench,
        "UPDATE progress SET state = 'stalled', next_poll_at = NULL, queue = 'regular'",
    )
    .await;
    done(&bench, "UPDATE searches SET budget = 20").await;
    let due = "SELECT group_concat(task_id) FROM progress WHERE next_poll_at IS NOT NULL AND queue = 'new'";
    assert_eq!(bench.value::<String>(due).await, "u");
}

#[tokio::test]
async fn a_task_that_comes_into_a_paused_search_is_paused() {
    let bench = Bench::new().await;
    done(
        &bench,
        "INSERT INTO searches (search, query, target, paused, chunk) VALUES ('a', 'q', 5, 1, 30);
         INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1);
         INSERT INTO tasks (task_id, target, chunk) VALUES ('u', 5, 9), ('v', 5, NULL), ('w', 5, 9);
         UPDATE tasks SET search = 'a', part = 2 WHERE task_id = 'u';
         UPDATE tasks SET search = 'a', part = 3, target = 7 WHERE task_id = 'v';",
    )
    .await;
    let part = NewPart {
        task: "w".parse().unwrap(),
        part: 4,
        target: 8,
    };
    add_part(&mut bench.connection().await, "a", &part)
        .await
        .unwrap();
    let rows = "SELECT group_concat(t.task_id || ' ' || paused || ' ' || t.chunk || ' ' || (p.next_poll_at IS NULL), ', ')
                  FROM tasks t JOIN progress p USING (task_id)";
    let rows = bench.value::<String>(rows).await;
    assert_eq!(rows, "t 1 30 1, u 1 9 1, v 1 30 1, w 1 30 1");
}

#[tokio::test]
async fn a_search_that_has_begun_is_not_replaced_nor_is_a_part_that_was_created() {
    let bench = Bench::new().await;
    let replace =
        "INSERT OR REPLACE INTO searches (search, query, target) VALUES ('a', 'other', 9)";
    done(&bench, &search("'a'", "'q'", "5")).await;
    done(&bench, replace).await;
    done(
        &bench,
        "INSERT INTO creates (search, part, desired, body, state, task_id, sent_at)
         VALUES ('a', 1, 9, '{}', 'accepted', 't', '2026-11-24T02:22:00.123Z')",
    )
    .await;
    let error = run(&bench, replace).await.unwrap_err();
    assert!(error.contains("cannot be replaced"), "{error}");
    done(
        &bench,
        "INSERT INTO tasks (task_id, target, search, part) VALUES ('t', 5, 'a', 1), ('adopted', 5, 'a', 2)",
    )
    .await;
    for bad in [
        "INSERT OR REPLACE INTO tasks (task_id, target) VALUES ('t', 7)",
        "REPLACE INTO tasks (task_id, target, search, part) VALUES ('t', 7, 'b', 1)",
    ] {
        done(
            &bench,
            "INSERT OR IGNORE INTO searches (search, query, target) VALUES ('b', 'q', 5)",
        )
        .await;
        let error = run(&bench, bad).await.expect_err(bad);
        assert!(error.contains("created as a part of a search"), "{error}");
    }
    // What changes nothing of that is accepted.
    for fine in [
        "INSERT INTO searches (search, query, target) VALUES ('a', 'third', 5) ON CONFLICT DO UPDATE SET target = 6",
        "INSERT OR IGNORE INTO searches (search, query, target) VALUES ('a', 'third', 5)",
        "INSERT INTO tasks (task_id, target) VALUES ('t', 7) ON CONFLICT DO UPDATE SET target = excluded.target",
        "INSERT OR IGNORE INTO tasks (task_id, target) VALUES ('t', 7), ('adopted', 7)",
    ] {
        done(&bench, fine).await;
    }
    let left = "SELECT query || ' ' || s.target || ' ' || t.target || ' ' || t.part
                  FROM searches s JOIN tasks t USING (search) WHERE task_id = 't'";
    assert_eq!(bench.value::<String>(left).await, "other 6 7 1");
    // Of a search that was removed, nothing is kept together.
    done(&bench, "DELETE FROM searches").await;
    done(
        &bench,
        "REPLACE INTO tasks (task_id, target) VALUES ('t', 7)",
    )
    .await;
    done(&bench, replace).await;
}
