//! Edits and reloads while results are read: what is paused gets no request, what was read stays.

use crate::support::{Bench, TIMEOUT};
use growd::core::TaskId;
use growd::daemon::supervision::signals::Signal;
use growd_simulator::{Fault, On, Rule, Scenario};
use std::time::{Duration, Instant};

/// Starts a service with this many tasks of 60 results, which are what was wanted.
async fn full(tasks: usize) -> (Bench, Vec<TaskId>) {
    let mut bench = Bench::new().await;
    bench.keep_results(10);
    let mut ids = Vec::new();
    for _ in 0..tasks {
        ids.push(bench.grow(&Scenario::done(60), 60).await);
    }
    (bench, ids)
}

fn requests(bench: &Bench, id: &TaskId) -> usize {
    let log = bench.service.requests();
    let part = format!("/{id}/");
    let of_task = |request: &&growd_simulator::RequestEntry| {
        request.kind == "results" && request.path.contains(&part)
    };
    log.last.iter().filter(of_task).count()
}

async fn set_paused(bench: &Bench, id: &TaskId, paused: bool) {
    sqlx::query("UPDATE tasks SET paused = ? WHERE task_id = ?")
        .bind(paused)
        .bind(id.as_str())
        .execute(&mut bench.connection().await)
        .await
        .unwrap();
}

/// Lets each page of results take a while, and waits until some of a task were read, but not all.
async fn until_in_the_middle(bench: &mut Bench) {
    bench
        .service
        .script(Rule::always(On::Results, Fault::Delay { ms: 100 }));
    bench.start();
    bench
        .until("SELECT count(*) BETWEEN 10 AND 40 FROM results")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_task_is_not_read_until_it_is_unpaused() {
    let (mut bench, ids) = full(3).await;
    bench.settings.results.keep = false;
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;
    assert_eq!(bench.result_requests(), 0);

    set_paused(&bench, &ids[0], true).await;
    bench.settings.results.keep = true;
    bench.start();
    bench.until_all_read().await;
    assert_eq!(requests(&bench, &ids[0]), 0);
    for id in &ids[1..] {
        bench.assert_kept(id).await;
    }
    set_paused(&bench, &ids[0], false).await;
    bench.until_all_read().await;
    bench.assert_kept(&ids[0]).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_paused_in_the_middle_of_its_reading_gets_no_further_request() {
    let (mut bench, ids) = full(1).await;
    until_in_the_middle(&mut bench).await;
    set_paused(&bench, &ids[0], true).await;
    // One may be on its way.
    let paused_at = requests(&bench, &ids[0]);
    let other = bench.grow(&Scenario::done(60), 60).await;
    bench.until_all_read().await;
    bench.assert_kept(&other).await;
    assert!(requests(&bench, &ids[0]) <= paused_at + 1);
    assert!(bench.kept(&ids[0]).await.len() < 60);

    set_paused(&bench, &ids[0], false).await;
    bench.until_all_read().await;
    bench.assert_kept(&ids[0]).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_of_a_removed_task_stays_and_it_is_read_no_further() {
    let (mut bench, ids) = full(1).await;
    until_in_the_middle(&mut bench).await;
    bench.execute("DELETE FROM tasks").await;
    let other = bench.grow(&Scenario::done(60), 60).await;
    bench.until_all_read().await;
    bench.assert_kept(&other).await;
    let kept = bench.kept(&ids[0]).await.len();
    assert!((10..60).contains(&kept), "{kept}");
    let rows: i64 = bench.value("SELECT count(*) FROM progress").await;
    assert_eq!(rows, 1);
    bench.stop().await;

    // Added again, it is read again.
    bench.want(&ids[0], 60, None).await;
    bench.start();
    bench.until_all_read().await;
    bench.assert_kept(&ids[0]).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_turns_results_on_reads_those_of_tasks_that_had_ended() {
    let (mut bench, ids) = full(4).await;
    bench.settings.results.keep = false;
    bench.start_with_reload(|settings| settings.results.keep = true);
    bench.until_all_ended().await;
    assert_eq!(bench.result_requests(), 0);
    bench.signal(Signal::Reload).await;
    bench.until_all_read().await;
    for id in &ids {
        bench.assert_kept(id).await;
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_turns_results_off_ends_the_readings() {
    let (mut bench, ids) = full(1).await;
    bench
        .service
        .script(Rule::always(On::Results, Fault::Delay { ms: 100 }));
    bench.start_with_reload(|settings| settings.results.keep = false);
    bench
        .until("SELECT count(*) BETWEEN 10 AND 40 FROM results")
        .await;
    bench.signal(Signal::Reload).await;
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'reloaded'")
        .await;
    let reloaded_at = requests(&bench, &ids[0]);
    let other = bench.grow(&Scenario::done(60), 60).await;
    bench.until_all_ended().await;
    assert!(requests(&bench, &ids[0]) <= reloaded_at + 1);
    assert_eq!(requests(&bench, &other), 0);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_aborted_again_and_again_reads_all_in_the_end() {
    let (mut bench, ids) = full(6).await;
    for aborts in 1_u64..8 {
        let before = bench.result_requests();
        bench.start();
        let begin = Instant::now();
        while bench.result_requests() < before + aborts && begin.elapsed() < TIMEOUT {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.abort().await;
    }
    bench.start();
    bench.until_all_read().await;
    for id in &ids {
        bench.assert_kept(id).await;
    }
    let gone: i64 = bench
        .value("SELECT count(*) FROM results WHERE gone_at IS NOT NULL")
        .await;
    assert_eq!(gone, 0);
    bench.stop().await;
}
