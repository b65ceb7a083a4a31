//! How long a search takes, compared with the service's own time, and how many requests it costs. Run by hand:
//!
//! ```sh
//! cargo test --release --test program search_time -- --ignored --nocapture
//! ```
//!
//! `GROWD_SPEED` is the speed of the service. The polling intervals and `growth.settle` are the defaults, divided by it.
//! `GROWD_SEARCHES` searches grow at once, for at most `GROWD_WAIT` seconds.

use crate::support::from_env;
use crate::support::program::{Daemon, write_config};
use crate::support::searches::searching;
use std::time::{Duration, Instant};

/// The number of companies of each search.
const TARGET: i64 = 600;

fn text(seconds: f64) -> String {
    let span = Duration::from_secs_f64(seconds);
    let span = Duration::from_millis(u64::try_from(span.as_millis()).unwrap());
    format!("\"{}\"", humantime::format_duration(span))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_search_takes_hardly_longer_than_the_service() {
    let speed: f64 = from_env("GROWD_SPEED", 100.0);
    let searches: usize = from_env("GROWD_SEARCHES", 1);
    let bench = searching(|options| options.settings.speed = speed).await;
    let (least, most, settle) = (text(5.0 / speed), text(60.0 / speed), text(60.0 / speed));
    write_config(
        &bench,
        &[
            ("polling.min_interval", &least),
            ("polling.max_interval", &most),
            ("growth.settle", &settle),
        ],
    );
    let mut daemon = Daemon::start(&bench);
    daemon.logs("started").await;
    let begin = Instant::now();
    for number in 0..searches {
        let query = format!("query {number}");
        bench.search(&format!("s{number}"), &query, TARGET).await;
    }
    let most = Duration::from_secs(from_env("GROWD_WAIT", 60));
    bench.until_searches_end_within(most).await;
    let took = begin.elapsed().as_secs_f64();
    let runs = bench.service.runs();
    let of_service: f64 = runs
        .iter()
        .map(|run| run.ended_at.duration_since(run.started_at).as_secs_f64())
        .sum();
    let of_service = of_service / speed;
    let noticed: Vec<String> = runs
        .iter()
        .map(|run| {
            let late = run.noticed_at.map(|at| at.duration_since(run.ended_at));
            late.map_or("-".to_owned(), |late| {
                format!("{:.0} s", late.as_secs_f64())
            })
        })
        .collect();
    let companies: i64 = bench
        .value("SELECT sum(results) FROM search_progress")
        .await;
    let requests = bench.service.requests();
    println!("{companies} companies in {took:.2} s; the service took {of_service:.2} s");
    println!(
        "ratio {:.3}; ends noticed after {noticed:?}",
        took / of_service
    );
    println!("{} requests: {:?}", requests.total, requests.by_kind);
    daemon.signal("TERM");
    daemon.ended().await;
    bench.assert_creates_agree().await;
    for number in 0..searches {
        bench
            .assert_reached(&format!("s{number}"), "no faults")
            .await;
    }
}
