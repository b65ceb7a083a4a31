//! What `status` and `show` say of the results that are kept, as text and as JSON.

use crate::support::Bench;
use crate::support::program::{output, write_config};
use serde_json::{Value, json};

/// Three tasks: `read` with three results, of which one is gone; `failing`, whose results cannot be read; and `new`.
const ROWS: &str = "
    INSERT INTO tasks (task_id, target) VALUES ('read', 10), ('failing', 10), ('new', 10);
    UPDATE progress
       SET state = 'reached', status = 'done', num_results = 10, num_results_evaluated = 12, num_results_enriched = 12,
           num_results_discovered = 12, next_poll_at = NULL
     WHERE task_id <> 'new';
    UPDATE progress
       SET results_read = 2, results_read_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-3 hours'), results_counters = '10 12 12 12'
     WHERE task_id = 'read';
    UPDATE progress
       SET results_failures = 8, results_error = '503: busy', results_next_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+4 hours')
     WHERE task_id = 'failing';
    INSERT INTO results (task_id, result_id, company_name, first_seen_at, seen_at, gone_at)
    VALUES ('read', '1', 'Alpha', 'x', 'x', NULL), ('read', '2', 'Beta', 'x', 'x', NULL), ('read', '3', 'Gamma', 'x', 'x', 'x'),
           ('failing', '1', 'Alpha', 'x', 'x', NULL);
";

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench.execute(ROWS).await;
    bench
}

fn run(bench: &Bench, arguments: &[&str]) -> String {
    let output = output(bench, arguments);
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{out}\n{err}");
    out
}

fn json_of(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_str(&run(bench, arguments)).unwrap()
}

fn has_line(text: &str, begin: &str) -> bool {
    text.lines()
        .any(|line| line.trim_start().starts_with(begin))
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_the_results_of_all_tasks_and_names_those_that_fail_for_long() {
    let bench = bench().await;
    let text = run(&bench, &["status"]);
    let read = "results read: 2 (tasks: 1, the newest 3 h ago)";
    assert!(has_line(&text, read), "{text}");
    assert!(!text.contains("needs attention"), "eight failures: {text}");
    let status = json_of(&bench, &["status", "--json"]);
    let read = &status["results"];
    assert_eq!((&read["read"], &read["tasks"]), (&json!(2), &json!(1)));
    let read_at: String = bench
        .value("SELECT results_read_at FROM progress WHERE task_id = 'read'")
        .await;
    assert_eq!(read["read_at"], read_at);

    let fail = "UPDATE progress SET results_failures = 9 WHERE task_id = 'failing'";
    bench.execute(fail).await;
    let text = run(&bench, &["status"]);
    let failing =
        "the results of failing cannot be read: 503: busy (9 times in a row, next try in 3 h";
    assert!(has_line(&text, failing), "{text}");
    let attention = json_of(&bench, &["status", "--json"])["attention"].clone();
    assert_eq!(attention[0]["kind"], "results", "{attention}");
    bench
        .execute("UPDATE tasks SET paused = 1 WHERE task_id = 'failing'")
        .await;
    let text = run(&bench, &["status"]);
    assert!(!text.contains("needs attention"), "a paused task: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_nothing_of_results_before_the_first_reading_and_that_they_are_not_kept() {
    let bench = bench().await;
    write_config(&bench, &[("results.keep", "false")]);
    let text = run(&bench, &["status"]);
    let off = "3 h ago); no more are read: results.keep is false";
    assert!(text.contains(off), "{text}");
    bench
        .execute("UPDATE progress SET results_read = NULL, results_read_at = NULL")
        .await;
    let text = run(&bench, &["status"]);
    assert!(!text.contains("results read"), "{text}");
    let read = json_of(&bench, &["status", "--json"])["results"].clone();
    assert_eq!(read, json!({ "read": 0, "tasks": 0, "read_at": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_lists_only_some_of_many_tasks_whose_results_cannot_be_read() {
    let bench = bench().await;
    bench
        .execute(
            "INSERT INTO tasks (task_id, target)
               SELECT 'failing-' || key, 10 FROM json_each('[1' || replace(printf('%.29c', 'x'), 'x', ',1') || ']');
             UPDATE progress SET status = 'done', num_results = 10, num_results_evaluated = 12, num_results_enriched = 12,
                                 num_results_discovered = 12;
             UPDATE progress SET results_error = '503', results_failures = 9, results_next_at = '2999-01-01T00:00:00.000Z'
              WHERE task_id LIKE 'failing-%'",
        )
        .await;
    let text = run(&bench, &["status"]);
    let listed = text
        .lines()
        .filter(|line| line.contains("cannot be read: 503"));
    assert_eq!(listed.count(), 20, "{text}");
    assert!(
        text.contains("the results of more tasks cannot be read: SELECT"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn show_says_how_many_results_of_a_task_are_kept_and_why_not_all() {
    let bench = bench().await;
    for (task, lines) in [
        ("read", &["kept       3 (1 of them gone), read 3 h ago"][..]),
        (
            "failing",
            &[
                "kept       1, not read completely so far",
                "unread     503: busy (8 in a row)",
            ],
        ),
        ("new", &["kept       0, not read completely so far"]),
    ] {
        let text = run(&bench, &["show", task]);
        for line in lines {
            assert!(text.lines().any(|shown| shown == *line), "{line}\n{text}");
        }
        assert_eq!(text.contains("\nunread"), task == "failing", "{text}");
    }
    bench
        .execute(
            "UPDATE progress SET results_error = 'the results show 2 of 10' WHERE task_id = 'read'",
        )
        .await;
    let text = run(&bench, &["show", "read"]);
    assert!(
        text.contains("\nin part    the results show 2 of 10\n"),
        "{text}"
    );
    bench
        .execute("UPDATE progress SET results_error = NULL WHERE task_id = 'read'")
        .await;
    let shown = json_of(&bench, &["show", "read", "--json"]);
    assert_eq!(shown["results_read"], 2);
    assert_eq!(shown["results_kept"], 3);
    assert_eq!(shown["results_gone"], 1);
    assert_eq!(shown["results_error"], Value::Null);
    assert!(shown["results_read_at"].is_string());
    // A complete reading of which some rows could not be read.
    bench
        .execute("UPDATE progress SET results_error = '1 of 3 rows' WHERE task_id = 'read'")
        .await;
    let text = run(&bench, &["show", "read"]);
    assert!(has_line(&text, "in part    1 of 3 rows"), "{text}");
    assert!(!text.contains("in a row"), "{text}");
    let shown = json_of(&bench, &["show", "failing", "--json"]);
    assert_eq!(shown["results_error"], "503: busy");
    assert_eq!(shown["results_failures"], 8);
}
