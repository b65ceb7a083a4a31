//! `daemon.requests`: the number of requests that the service has received.

use crate::support::program::{output, write_config};
use crate::support::{Bench, plenty};
use growd::daemon::supervision::signals::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_daemon_is_counted_once_across_a_reload_and_a_restart() {
    let mut bench = Bench::new().await;
    write_config(&bench, &[]);
    bench.grow(&plenty(), 60).await;
    bench.start();
    bench.until("SELECT sum(polls) > 0 FROM progress").await;
    bench.signal(Signal::Reload).await;
    bench
        .until("SELECT count(*) = 1 FROM events WHERE kind = 'reloaded'")
        .await;
    bench.until_all_ended().await;
    bench.stop().await;
    // Each poll and each resume of the ledger is one request.
    let sent = "SELECT (SELECT sum(polls) FROM progress) + (SELECT count(*) FROM resumes WHERE state <> 'unsent')";
    let counted = "SELECT requests FROM daemon";
    let first: i64 = bench.value(sent).await;
    assert!(first > 1);
    assert_eq!(bench.value::<i64>(counted).await, first);

    bench.execute("UPDATE tasks SET target = target + 20").await;
    bench.start();
    bench.until_all_ended().await;
    // Written while the daemon runs, too.
    bench.until("SELECT requests > 1 FROM daemon").await;
    bench.stop().await;
    let second: i64 = bench.value(sent).await;
    assert!(second > first);
    assert_eq!(bench.value::<i64>(counted).await, second);

    let status = output(&bench, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["daemon"]["requests"], second);
    // A command asks for itself.
    output(&bench, &["check"]);
    assert_eq!(bench.value::<i64>(counted).await, second);
}
