//! A second daemon on one database, after the lock was removed: the first one notices, and a poll that another has
//! overtaken leads to no resume.

use crate::support::program::{Daemon, write_config};
use crate::support::{Bench, TIMEOUT, plenty};
use growd_simulator::{Fault, On, Rule};
use std::fs;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_lock_is_removed_reports_it_and_ends() {
    for replaced in [false, true] {
        let bench = Bench::new().await;
        write_config(&bench, &[]);
        let mut daemon = Daemon::start(&bench);
        daemon.logs("started").await;
        let mut lock = bench.settings.database.clone().into_os_string();
        lock.push(".lock");
        fs::remove_file(&lock).expect("the lock is there");
        if replaced {
            fs::write(&lock, "").expect("a file");
        }
        assert_eq!(daemon.ended().await, Some(1));
        let logged = daemon.logged();
        assert!(logged.contains("keeps other daemons away"), "{logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_daemon_starts_on_a_database_that_has_a_second_name() {
    let bench = Bench::new().await;
    write_config(&bench, &[]);
    bench.connection().await;
    let other = bench.dir.path().join("other.db");
    fs::hard_link(&bench.settings.database, &other).expect("a link");
    let mut daemon = Daemon::start(&bench);
    assert_eq!(daemon.ended().await, Some(1));
    let logged = daemon.logged();
    assert!(logged.contains("has 2 hard links"), "{logged}");
    fs::remove_file(&other).expect("the link is there");
    let daemon = Daemon::start(&bench);
    daemon.logs("started").await;
}

/// A poll that is stored while this daemon's is in flight stands for the other daemon.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_another_has_overtaken_leads_to_no_resume() {
    let mut bench = Bench::new().await;
    let held = Fault::Delay { ms: 1_000 };
    bench.service.script(Rule::once(On::Get, held));
    bench.grow(&plenty(), 50).await;
    bench.start();
    let begin = Instant::now();
    while bench.service.requests().in_flight == 0 {
        assert!(begin.elapsed() < TIMEOUT, "nothing was polled");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bench
        .execute("UPDATE progress SET polled_alone_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
        .await;
    bench.until_all_ended().await;
    let requests = bench.service.requests();
    let kinds: Vec<&str> = requests.last.iter().map(|r| r.kind.as_str()).collect();
    assert_eq!(kinds[..3], ["get", "get", "resume"], "{kinds:?}");
    bench.assert_ledgers_agree().await;
}
