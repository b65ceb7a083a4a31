//! The real program, killed with SIGKILL at random moments, sends no resume twice.
//!
//! `GROWD_KILL_TASKS` and `GROWD_KILLS` make the test larger, `GROWD_KILL_SPEED` makes the service slower. The figures
//! are printed.

use crate::support::{Bench, from_env};
use growd_simulator::{Chaos, Options, Scenario};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn config(bench: &Bench) -> PathBuf {
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
    let config = config(&bench);
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
