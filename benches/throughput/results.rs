//! Results: how long the daemon takes to read and store those of many tasks, what that costs, and what a poll waits for it.

use crate::common::{Place, Process, Standin, TIMEOUT, median, name};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Tasks that have stopped, and the results of each.
const TASKS: u32 = 1_000;
const RESULTS: u32 = 250;

/// Tasks that run, and the interval of their polls. The limit leaves half of the requests to results.
const RUNNING: u32 = 25;
const INTERVAL: Duration = Duration::from_secs(1);
const PER_SECOND: u32 = 50;

/// Length of a measurement of polls.
const SPAN: Duration = Duration::from_secs(15);

/// Prints the tables.
pub async fn print() {
    let standin = Standin::start(&["--speed", "0", "--results-limit", "1000"]);
    standin.add_done(TASKS, RESULTS).await;
    println!("\n## Results: {TASKS} tasks with {RESULTS} each\n");
    println!(
        "| page | seconds | results a second | bytes of the database a result | ms of processor time a page \
         | memory of the daemon, anonymous at most, MiB | without results |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for page in [100, 250] {
        read_all(&standin, page).await;
    }
    println!(
        "\n## Polls of {RUNNING} running tasks, each every {INTERVAL:?}, at {PER_SECOND} requests a second\n"
    );
    println!(
        "| results | requests for results | polls | ms beyond the interval: median | 99 % | most |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    standin.add_running_from(TASKS, RUNNING).await;
    for keep in [false, true, false, true] {
        polls(&standin, keep).await;
    }
}

async fn place(standin: &Standin, more: &[&str]) -> Place {
    let place = Place::new();
    place.fill(TASKS + RUNNING, 0).await;
    let first_running = name(TASKS);
    place
        .execute(&format!(
            "UPDATE progress SET num_results = {RESULTS} WHERE substr(task_id, -12) < substr('{first_running}', -12)"
        ))
        .await;
    place.configure(&standin.url, more);
    place
}

/// Reads the results of all tasks as fast as possible.
async fn read_all(standin: &Standin, page: u32) {
    const READ: &str = "SELECT count(*) FROM progress WHERE results_read IS NOT NULL";
    let page_key = format!("results.page = {page}");
    let mut without = 0;
    for keep in [false, true] {
        let keep_key = format!("results.keep = {keep}");
        let keys = [
            "limits.requests_per_second = 0",
            "polling.list_page = 0",
            page_key.as_str(),
            keep_key.as_str(),
        ];
        let place = place(standin, &keys).await;
        // Those that run have no results.
        place
            .execute(&format!(
                "DELETE FROM tasks WHERE substr(task_id, -12) >= '{TASKS:012}'"
            ))
            .await;
        let bytes = place.bytes();
        let daemon = place.run();
        if !keep {
            tokio::time::sleep(Duration::from_secs(3)).await;
            without = daemon.resident_kib().0;
            continue;
        }
        let pages = standin.answered("results").await;
        let (begin, mut most) = (Instant::now(), 0);
        while place.number(READ).await < i64::from(TASKS) {
            assert!(begin.elapsed() < TIMEOUT, "not all are read");
            most = most.max(daemon.resident_kib().0);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let cpu = daemon.cpu_seconds();
        let pages = standin.answered("results").await - pages;
        daemon.stop();
        let rows = place.number("SELECT count(*) FROM results").await;
        assert_eq!(rows, i64::from(TASKS * RESULTS));
        let rows = f64::from(TASKS * RESULTS);
        println!(
            "| {page} | {seconds:.1} | {:.0} | {:.0} | {:.2} | {:.1} | {:.1} |",
            rows / seconds,
            number(place.bytes() - bytes) / rows,
            cpu * 1e3 / number(pages),
            number(most) / 1024.0,
            number(without) / 1024.0,
        );
    }
}

/// Measures how much later than its interval each poll of a running task comes, while results are read or not.
async fn polls(standin: &Standin, keep: bool) {
    let keys = [
        format!("limits.requests_per_second = {PER_SECOND}"),
        format!("results.keep = {keep}"),
        format!("polling.min_interval = {:?}", "1s"),
        format!("polling.max_interval = {:?}", "1s"),
        "polling.list_page = 0".to_owned(),
    ];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let place = place(standin, &keys).await;
    place
        .execute(&format!(
            "UPDATE progress SET state = 'growing', status = 'created', num_results = 0, queue = 'regular',
                    next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
              WHERE substr(task_id, -12) >= '{TASKS:012}'"
        ))
        .await;
    let results = standin.answered("results").await;
    let daemon: Process = place.run();
    // Beyond the start, at which all are due at once.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (begin, begin_at) = (Instant::now(), jiff::Timestamp::now());
    let mut polls: BTreeMap<u64, (String, jiff::Timestamp)> = BTreeMap::new();
    while begin.elapsed() < SPAN {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let log = standin.get("requests").await;
        for entry in log["last"].as_array().expect("a log") {
            if entry["kind"] == "get" {
                let at = entry["at"].as_str().and_then(|at| at.parse().ok());
                let at: jiff::Timestamp = at.expect("a time");
                let path = entry["path"].as_str().expect("a path").to_owned();
                let seq = entry["seq"].as_u64().expect("a number");
                if at >= begin_at {
                    polls.insert(seq, (path, at));
                }
            }
        }
    }
    let results = standin.answered("results").await - results;
    daemon.stop();
    let mut last: BTreeMap<&str, jiff::Timestamp> = BTreeMap::new();
    let mut late = Vec::new();
    for (path, at) in polls.values() {
        if let Some(before) = last.insert(path, *at) {
            let gap = at.duration_since(before).as_secs_f64();
            late.push((gap - INTERVAL.as_secs_f64()) * 1e3);
        }
    }
    let median = median(&mut late);
    let at = |share: usize| late[(late.len() * share / 100).min(late.len() - 1)];
    println!(
        "| {} | {results} | {} | {median:.1} | {:.1} | {:.1} |",
        if keep { "read" } else { "not read" },
        late.len(),
        at(99),
        at(100),
    );
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
