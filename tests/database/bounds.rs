//! What bounds the resumes of a task: its budget, that of its search, and a later part.

use crate::support::Bench;
use growd::core::TaskId;
use growd::core::task::Wanted;
use growd::store::bounds;
use sqlx::sqlite::SqliteConnection;

const SEARCH: &str = "
    INSERT INTO searches (search, query, target, budget) VALUES ('one', 'a query', 600, 300), ('other', 'a query', 600, 300);
    INSERT INTO tasks (task_id, target, search, part) VALUES
        ('first', 250, 'one', 1), ('second', 250, 'one', 2), ('alone', 250, NULL, NULL), ('strange', 250, 'other', 1);";

async fn execute(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.expect(sql);
}

/// Returns whose budget it is, its bound and what counts towards it, and whether the task is superseded.
async fn read(connection: &mut SqliteConnection, id: &str) -> (Option<(bool, i64, i64)>, bool) {
    let mut wanted = Wanted {
        target: 250,
        chunk: None,
        paused: false,
        budget: None,
        is_superseded: false,
    };
    let id: TaskId = id.parse().unwrap();
    bounds::read(connection, &id, &mut wanted).await.unwrap();
    let budget = wanted.budget;
    (
        budget.map(|budget| (budget.is_of_search, budget.most, budget.requested)),
        wanted.is_superseded,
    )
}

#[tokio::test]
async fn all_that_was_requested_for_a_search_counts_and_nothing_else() {
    let bench = Bench::new().await;
    let mut connection = bench.connection().await;
    execute(&mut connection, SEARCH).await;
    assert_eq!(read(&mut connection, "alone").await, (None, false));
    let first = read(&mut connection, "first").await;
    assert_eq!(first, (Some((true, 300, 0)), true));
    execute(
        &mut connection,
        "INSERT INTO creates (search, part, desired, body, state, sent_at) VALUES
             ('one', 1, 1, '{}', 'accepted', '2020-01-01T00:00:00.000Z'),
             ('one', 2, 2, '{}', 'lost', '2026-11-24T00:00:00.000Z'),
             ('one', 2, 4, '{}', 'intended', '2026-11-24T00:00:00.000Z'),
             ('one', 2, 100, '{}', 'rejected', '2026-11-24T00:00:00.000Z'),
             ('one', 2, 100, '{}', 'unsent', '2026-11-24T00:00:00.000Z'),
             ('other', 1, 100, '{}', 'accepted', '2026-11-24T00:00:00.000Z');
         INSERT INTO resumes (task_id, requested, baseline_desired, baseline_results, best_results, state, sent_at) VALUES
             ('first', 8, 0, 0, 0, 'accepted', '2020-01-01T00:00:00.000Z'),
             ('first', 16, 0, 0, 0, 'lost', '2026-11-24T00:00:00.000Z'),
             ('second', 32, 0, 0, 0, 'intended', '2026-11-24T00:00:00.000Z'),
             ('second', 100, 0, 0, 0, 'rejected', '2026-11-24T00:00:00.000Z'),
             ('alone', 100, 0, 0, 0, 'accepted', '2026-11-24T00:00:00.000Z'),
             ('strange', 100, 0, 0, 0, 'accepted', '2026-11-24T00:00:00.000Z');",
    )
    .await;
    let second = read(&mut connection, "second").await;
    assert_eq!(second, (Some((true, 300, 63)), false));
    // The creates of an earlier search of that name do not count.
    execute(
        &mut connection,
        "UPDATE search_progress SET begun_after = 1 WHERE search = 'one'",
    )
    .await;
    let second = read(&mut connection, "second").await;
    assert_eq!(second, (Some((true, 300, 62)), false));
    // The tighter of two budgets counts.
    for (budget, expected) in [
        (
            "UPDATE tasks SET budget = 269 WHERE task_id = 'second'",
            (false, 269, 32),
        ),
        (
            "UPDATE tasks SET budget = 271 WHERE task_id = 'second'",
            (true, 300, 62),
        ),
        ("UPDATE searches SET budget = NULL", (false, 271, 32)),
    ] {
        execute(&mut connection, budget).await;
        let second = read(&mut connection, "second").await;
        assert_eq!(second, (Some(expected), false), "{budget}");
    }
}

#[tokio::test]
async fn a_part_is_superseded_by_a_later_part_and_by_a_create_that_may_have_made_one() {
    let bench = Bench::new().await;
    let mut connection = bench.connection().await;
    execute(&mut connection, SEARCH).await;
    assert!(read(&mut connection, "first").await.1);
    assert!(!read(&mut connection, "second").await.1);
    execute(
        &mut connection,
        "INSERT INTO creates (search, part, desired, body, state, sent_at)
         VALUES ('one', 3, 1, '{}', 'intended', '2026-11-24T00:00:00.000Z')",
    )
    .await;
    for (sql, expected) in [
        ("UPDATE creates SET state = 'intended'", true),
        // Its task is not a part of the search.
        ("UPDATE creates SET state = 'accepted'", false),
        ("UPDATE creates SET state = 'lost'", false),
        ("UPDATE creates SET state = 'rejected'", false),
        ("UPDATE creates SET state = 'unsent'", false),
        ("UPDATE creates SET state = 'accepted', part = 2", false),
        (
            "UPDATE creates SET state = 'accepted', part = 3, search = 'other'",
            false,
        ),
    ] {
        execute(&mut connection, sql).await;
        assert_eq!(read(&mut connection, "second").await.1, expected, "{sql}");
    }
}
