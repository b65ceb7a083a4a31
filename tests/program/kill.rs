//! The real program, killed with SIGKILL at random moments, sends no resume and no create twice.
//!
//! `GROWD_KILL_TASKS` and `GROWD_KILLS` make the test of tasks larger, `GROWD_KILL_SPEED` makes the service slower.
//! `GROWD_KILL_SEARCHES`, `GROWD_KILL_TARGET`, `GROWD_KILL_CAP`, `GROWD_KILLS` and `GROWD_KILL_WAIT` (seconds) do the same for
//! searches. The figures are printed.

use crate::support::searches::searching;
use crate::support::{Bench, from_env};
use growd_simulator::{Chaos, Fault, Options, Scenario};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn config(bench: &Bench, task_cap: u32) -> PathBuf {
    let path = bench.dir.path().join("growd.toml");
    let text = format!(
        r#"
[api]
base_url = "{}"
token_file = "{}"
timeout = "400ms"
[database]
path = "{}"
[growth]
settle = "3s"
task_cap = {task_cap}
[polling]
min_interval = "10ms"
max_interval = "100ms"
[limits]
requests_per_second = 0
[retry]
initial = "10ms"
max = "200ms"
[gate]
probe_interval = "100ms"
[log]
level = "warn"
"#,
        bench.service.url(),
        bench.dir.path().join("token").display(),
        bench.settings.database.display(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn run(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_growd"))
        .args(["run", "--config"])
        .arg(config)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_pays_for_nothing_twice_and_ends_what_it_began() {
    let tasks: usize = from_env("GROWD_KILL_TASKS", 24);
    let kills: usize = from_env("GROWD_KILLS", 10);
    let share: f64 = from_env("GROWD_CHAOS_SHARE", 0.1);
    let mut options = Options::default();
    options.settings.speed = from_env("GROWD_KILL_SPEED", 100.0);
    options.settings.chaos = Chaos::at(share);
    let bench = Bench::with(options).await;
    for _ in 0..tasks {
        let mut scenario = Scenario::done(20);
        scenario.pool = Some(5_000);
        scenario.fit_rate = Some(0.5);
        scenario.rate_per_minute = Some(600.0);
        let id = bench.service.add_task(&scenario).parse().unwrap();
        bench.want(&id, 120, Some(20)).await;
    }
    let config = config(&bench, 250);
    let mut random = StdRng::seed_from_u64(7);
    let mut at_work = 0;
    for _ in 0..kills {
        let mut child = run(&config);
        tokio::time::sleep(Duration::from_millis(random.random_range(50..700))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let open: i64 = bench
            .value("SELECT EXISTS (SELECT 1 FROM progress WHERE state IN ('pending', 'growing'))")
            .await;
        at_work += open;
    }
    println!("killed {kills} times, {at_work} of them before all had ended");
    let mut child = run(&config);
    bench.until_all_ended().await;
    let stopped = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(stopped.success());
    assert!(
        child.wait().unwrap().success(),
        "SIGTERM ends it with status 0"
    );

    bench.print_figures().await;
    bench.assert_ledgers_agree().await;
    let reached: i64 = bench
        .value("SELECT count(*) FROM progress WHERE state = 'reached'")
        .await;
    assert_eq!(
        usize::try_from(reached).unwrap(),
        tasks,
        "{}",
        bench.dump().await
    );
}

/// Faults of the network and the server, without one that names another task: a create that is answered with a task that does
/// not exist cannot be told from one that was.
const FAULTS: [&str; 25] = [
    "lost_before",
    "lost_after",
    "reset",
    "reset_after",
    "hang",
    "hang_after",
    "delay",
    "late",
    "not_json",
    "truncated",
    "missing_fields",
    "wrong_types",
    "empty",
    "slow_body",
    "redirect",
    "quoted_numbers",
    "float_numbers",
    "numeric_flags",
    "raw_controls",
    "byte_order_mark",
    "408",
    "500",
    "503",
    "502",
    "504_after",
];

/// Returns the sum of a query over the database.
async fn count(bench: &Bench, sql: &'static str) -> i64 {
    bench.value(sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_creates_each_part_of_a_search_once() {
    let searches: usize = from_env("GROWD_KILL_SEARCHES", 3);
    let target: i64 = from_env("GROWD_KILL_TARGET", 70);
    let cap: u32 = from_env("GROWD_KILL_CAP", 30);
    let kills: usize = from_env("GROWD_KILLS", 8);
    let wait: u64 = from_env("GROWD_KILL_WAIT", 60);
    let bench = searching(|options| {
        options.settings.speed = from_env("GROWD_KILL_SPEED", 200.0);
        options.settings.semantics.cap = cap;
        options.settings.chaos = Chaos {
            kinds: Some(
                FAULTS
                    .iter()
                    .filter_map(|name| Fault::named(name))
                    .collect(),
            ),
            ..Chaos::at(from_env("GROWD_CHAOS_SHARE", 0.25))
        };
    })
    .await;
    for number in 0..searches {
        let query = format!("query {number}");
        bench.search(&format!("s{number}"), &query, target).await;
    }
    let begin = Instant::now();
    let config = config(&bench, cap);
    let mut random = StdRng::seed_from_u64(11);
    let mut at_work = 0;
    for _ in 0..kills {
        let mut child = run(&config);
        tokio::time::sleep(Duration::from_millis(random.random_range(50..700))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        at_work += count(
            &bench,
            "SELECT EXISTS (SELECT 1 FROM search_progress WHERE state IN ('pending', 'growing'))",
        )
        .await;
    }
    println!("killed {kills} times, {at_work} of them before all had ended");
    let mut child = run(&config);
    bench
        .until_searches_end_within(Duration::from_secs(wait))
        .await;
    println!("ended after {:?}", begin.elapsed());
    let stopped = Command::new("kill").arg(child.id().to_string()).status();
    assert!(stopped.unwrap().success());
    assert!(
        child.wait().unwrap().success(),
        "SIGTERM ends it with status 0"
    );

    bench.print_figures().await;
    let states: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM creates GROUP BY 1 ORDER BY 1")
            .fetch_all(&mut bench.connection().await)
            .await
            .unwrap();
    println!(
        "creates {states:?}, in effect {}",
        bench.creates_in_effect().len()
    );
    let companies = count(&bench, "SELECT sum(results) FROM search_progress").await;
    let requests = bench.service.requests().total;
    println!("{companies} companies, {requests} requests");
    bench.assert_creates_agree().await;
    bench.assert_ledgers_agree().await;
    for number in 0..searches {
        bench
            .assert_reached(&format!("s{number}"), "after the kills")
            .await;
    }
    let repeated = count(
        &bench,
        "SELECT count(*) FROM (SELECT 1 FROM results AS r JOIN tasks AS t ON t.task_id = r.task_id
          WHERE r.domain IS NOT NULL AND r.gone_at IS NULL GROUP BY t.search, r.domain HAVING count(*) > 1)",
    )
    .await;
    assert_eq!(repeated, 0, "companies of a search that two parts found");
}
