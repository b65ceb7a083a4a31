//! Jumps of the clock while the program runs: no resume is paid for twice, every limit holds, and no wait grows with
//! the jump.
//!
//! libfaketime (Debian: `faketime`) changes the program's wall clock, and not the monotonic one. If it is not
//! installed, these tests report that they are skipped; with `GROWD_REQUIRE_FAKETIME=1` they fail.

use crate::support::program::{Daemon, write_config};
use crate::support::{Bench, TIMEOUT, mounts, plenty};
use growd_simulator::{Fault, On, Options, Rule, Scenario};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A daemon whose clock can be set.
struct Faked {
    bench: Bench,
    daemon: Daemon,
}

/// Searches the library directories of the usual distributions.
fn library() -> Option<PathBuf> {
    let mut found = Vec::new();
    for root in ["/usr/lib", "/usr/lib64", "/usr/local/lib"] {
        let inner = std::fs::read_dir(root).into_iter().flatten().flatten();
        let dirs = inner.map(|entry| entry.path()).chain([root.into()]);
        for dir in dirs {
            found.push(dir.join("faketime/libfaketimeMT.so.1"));
            found.push(dir.join("libfaketimeMT.so.1"));
        }
    }
    found.into_iter().find(|path| path.exists())
}

impl Faked {
    /// Starts a daemon on `bench`; none if the clock cannot be faked.
    fn start(bench: Bench, name: &str) -> Option<Self> {
        let Some(library) = library() else {
            let why = "there is no libfaketimeMT.so.1: install the package faketime";
            let required = std::env::var_os("GROWD_REQUIRE_FAKETIME").is_some_and(|it| it == "1");
            assert!(!required, "{why}");
            mounts::skipped(name, why);
            return None;
        };
        let file = bench.dir.path().join("clock");
        set(&file, 0);
        let daemon = Daemon::start_with(
            &bench,
            &[
                ("LD_PRELOAD", library.to_str().unwrap()),
                ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
                ("FAKETIME_NO_CACHE", "1"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                ("FAKETIME_DISABLE_SHM", "1"),
                ("NO_FAKE_STAT", "1"),
            ],
        );
        Some(Self { bench, daemon })
    }

    /// Sets the daemon's clock this many seconds ahead of the real one.
    fn set(&self, seconds: i64) {
        set(&self.bench.dir.path().join("clock"), seconds);
    }

    /// Returns how many resumes the service received.
    fn resumes(&self) -> u64 {
        let requests = self.bench.service.requests();
        requests.by_kind.get("resume").copied().unwrap_or(0)
    }

    async fn until_resumes(&self, count: u64) {
        let begin = Instant::now();
        while self.resumes() < count {
            assert!(begin.elapsed() < TIMEOUT, "{}", self.daemon.logged());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn ends(mut self) {
        self.daemon.signal("TERM");
        let status = self.daemon.ended().await;
        assert_eq!(status, Some(0), "{}", self.daemon.logged());
        self.bench.assert_ledgers_agree().await;
    }
}

fn set(file: &Path, seconds: i64) {
    // The rename makes the change atomic.
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

const HOUR: i64 = 3_600;

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_resume_is_not_given_up_early_because_the_clock_leapt_ahead() {
    let bench = Bench::new().await;
    write_config(&bench, &[("growth.settle", r#""5s""#)]);
    for _ in 0..3 {
        bench.grow(&plenty(), 60).await;
    }
    // Each connection breaks at once, and each resume takes effect 2.5 s later.
    bench
        .service
        .script(Rule::once(On::Resume, Fault::Late { ms: 2_500 }).times(3));
    let name = "an_unanswered_resume_is_not_given_up_early_because_the_clock_leapt_ahead";
    let Some(faked) = Faked::start(bench, name) else {
        return;
    };
    faked.until_resumes(3).await;
    faked.set(HOUR);
    faked.daemon.logs("the clock leapt ahead").await;
    faked.bench.until_all_ended().await;
    let lost: i64 = faked
        .bench
        .value("SELECT count(*) FROM resumes WHERE state = 'lost'")
        .await;
    assert_eq!(lost, 0, "{}", faked.daemon.logged());
    let ahead: i64 = faked
        .bench
        .value("SELECT count(*) FROM progress WHERE polled_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+50 minutes')")
        .await;
    assert_eq!(ahead, 3, "the clock was faked");
    faked.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_that_never_arrived_is_asked_again_after_the_settling_time_and_not_after_the_leap()
{
    // After a leap, growd waits for up to ten settling times.
    let settle = Duration::from_millis(1_500);
    let bench = Bench::new().await;
    write_config(&bench, &[("growth.settle", r#""1500ms""#)]);
    bench.grow(&plenty(), 60).await;
    bench
        .service
        .script(Rule::once(On::Resume, Fault::LostBefore));
    let name =
        "a_resume_that_never_arrived_is_asked_again_after_the_settling_time_and_not_after_the_leap";
    let Some(faked) = Faked::start(bench, name) else {
        return;
    };
    faked.until_resumes(1).await;
    let sent = Instant::now();
    faked.set(HOUR);
    faked.until_resumes(2).await;
    let after = sent.elapsed();
    assert!(after > settle * 7 / 8, "asked again after {after:?}");
    faked.bench.until_all_ended().await;
    faked.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_under_way_while_the_clock_goes_back_settles_nothing() {
    let mut options = Options::default();
    options.settings.speed = 1_000.0;
    // Polls show a resume only 3 s later, and take 0.5 s themselves.
    options.settings.semantics.visibility_delay_ms = 3_000;
    let bench = Bench::with(options).await;
    write_config(&bench, &[("growth.settle", r#""6s""#)]);
    for _ in 0..3 {
        bench.grow(&plenty(), 60).await;
    }
    bench
        .service
        .script(Rule::always(On::Get, Fault::Delay { ms: 500 }));
    let name = "a_poll_that_is_under_way_while_the_clock_goes_back_settles_nothing";
    let Some(faked) = Faked::start(bench, name) else {
        return;
    };
    faked.until_resumes(3).await;
    let requests = || faked.bench.service.requests();
    let before = requests().by_kind["get"];
    let begin = Instant::now();
    while requests().by_kind["get"] == before {
        assert!(begin.elapsed() < TIMEOUT, "{}", faked.daemon.logged());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    faked.set(-HOUR);
    faked.daemon.logs("the clock went back").await;
    faked.bench.until_all_ended().await;
    let resumes: i64 = faked.bench.value("SELECT count(*) FROM resumes").await;
    assert_eq!(resumes, 3, "{}", faked.bench.dump().await);
    let reached: i64 = faked
        .bench
        .value("SELECT count(*) FROM progress WHERE state = 'reached' AND num_results = 60")
        .await;
    assert_eq!(reached, 3, "{}", faked.bench.dump().await);
    faked.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_limit_holds_while_the_clock_leaps_ahead_and_back() {
    let bench = Bench::new().await;
    write_config(&bench, &[("growth.daily_limit", "100")]);
    for _ in 0..4 {
        let id = bench.service.add_task(&plenty()).parse().unwrap();
        bench.want(&id, 200, Some(20)).await;
    }
    let name = "the_daily_limit_holds_while_the_clock_leaps_ahead_and_back";
    let Some(faked) = Faked::start(bench, name) else {
        return;
    };
    for (count, seconds, logged) in [
        (1, HOUR, "leapt ahead"),
        (3, 0, "went back"),
        (4, -HOUR, "went back"),
    ] {
        faked.until_resumes(count).await;
        let before = faked.daemon.logged().matches(logged).count();
        faked.set(seconds);
        let begin = Instant::now();
        while faked.daemon.logged().matches(logged).count() == before {
            assert!(begin.elapsed() < TIMEOUT, "{}", faked.daemon.logged());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let waiting = "SELECT count(*) = 4 FROM progress WHERE state = 'growing' AND status = 'done'
                      AND reason LIKE '%daily%' AND next_poll_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+20 hours')";
    faked.bench.until(waiting).await;
    let asked: i64 = faked
        .bench
        .value("SELECT sum(requested) FROM resumes WHERE state IN ('intended', 'accepted', 'lost')")
        .await;
    assert_eq!(asked, 100, "{}", faked.bench.dump().await);
    faked.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_follow_a_clock_that_goes_back() {
    let bench = Bench::new().await;
    // The next probe of the gate is far away, and so is the next poll of a held task.
    write_config(
        &bench,
        &[
            ("gate.probe_interval", r#""3s""#),
            ("retry.max", r#""2h""#),
            ("retry.initial", r#""3s""#),
        ],
    );
    // One running task, one that failed, and one that is held by the gate.
    let slow = Scenario {
        rate_per_minute: Some(30.0),
        ..plenty()
    };
    bench.grow(&slow, 45).await;
    let failing = bench.grow(&plenty(), 60).await;
    bench
        .service
        .script(Rule::once(On::Get, Fault::status(503)).of_task(failing.as_str()));
    bench
        .service
        .script(Rule::once(On::Resume, Fault::status(402)));
    let name = "schedules_follow_a_clock_that_goes_back";
    let Some(faked) = Faked::start(bench, name) else {
        return;
    };
    faked
        .bench
        .until("SELECT gate = 'payment_required' FROM daemon")
        .await;
    faked.set(-HOUR);
    let back = Instant::now();
    faked.daemon.logs("the clock went back").await;
    faked.bench.until("SELECT gate = 'open' FROM daemon").await;
    faked.bench.until_all_ended().await;
    let took = back.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}");
    faked.ends().await;
}
