//! The output of commands with many tasks: at most one screen, unless `--all` is given.

use crate::support::Bench;
use crate::support::program::{growd, output, write_config};

const MANY: &str = "INSERT INTO tasks (task_id, target)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 400)
    SELECT printf('task-%03d', n), 100 FROM numbers";

async fn bench() -> Bench {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench.execute(MANY).await;
    bench
        .execute("UPDATE progress SET state = 'reached', num_results = 100, next_poll_at = NULL")
        .await;
    bench
}

fn run(bench: &Bench, arguments: &[&str]) -> (String, String) {
    let output = output(bench, arguments);
    assert!(output.status.success(), "{arguments:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn tasks_in(text: &str) -> usize {
    text.lines()
        .filter(|line| line.starts_with("task-"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_one_screen_of_many_tasks_and_all_of_them_with_all() {
    let bench = bench().await;
    bench
        .execute("UPDATE progress SET state = 'refused', reason = 'no' WHERE task_id = 'task-399'")
        .await;
    bench
        .execute(
            "UPDATE progress SET state = 'growing' WHERE task_id BETWEEN 'task-100' AND 'task-199'",
        )
        .await;
    let (shown, notice) = run(&bench, &["status"]);
    assert!(
        shown.contains("100 growing") && shown.contains("299 reached"),
        "{shown}"
    );
    let first = shown
        .lines()
        .find(|line| line.starts_with("task-"))
        .unwrap();
    assert!(
        first.starts_with("task-399"),
        "what needs attention comes first: {shown}"
    );
    assert!(tasks_in(&shown) <= 40, "{shown}");
    assert!(
        notice.contains("30 of 400 tasks are shown") && notice.contains("--all"),
        "{notice}"
    );
    assert_eq!(tasks_in(&run(&bench, &["status", "--all"]).0), 400);
    assert_eq!(
        tasks_in(&run(&bench, &["status", "--state", "growing"]).0),
        100
    );
    bench
        .execute("UPDATE tasks SET paused = 1 WHERE task_id < 'task-003'")
        .await;
    assert_eq!(
        tasks_in(&run(&bench, &["status", "--state", "paused"]).0),
        2
    );
    let all: serde_json::Value =
        serde_json::from_str(&run(&bench, &["status", "--json"]).0).unwrap();
    assert_eq!(all["tasks"].as_array().unwrap().len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_follows_the_growing_ones_of_many_tasks_until_all_have_ended() {
    let bench = bench().await;
    bench
        .execute(
            "UPDATE progress SET state = 'growing', num_results = 7 WHERE task_id = 'task-200'",
        )
        .await;
    let mut watch = growd(&bench, &["watch"]);
    let watch = watch
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The output shows the growing task, or that it has ended, whichever comes first.
    bench
        .execute(
            "UPDATE progress SET state = 'reached', num_results = 100 WHERE task_id = 'task-200'",
        )
        .await;
    let output = watch.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("all 400 tasks have ended\n"), "{text}");
    assert!(tasks_in(&text) <= 2, "{text}");
}
