//! The daemon itself against the stand-in, sped up, with its intervals scaled to match. Delays come from the stand-in's
//! own record of when each run ended and when a poll first showed that.
//!
//! Real time (requests, commits, the start of the daemon before the first poll) counts as many times as the clock is
//! sped up.

use crate::runs::Draws;
use crate::support::Bench;
use growd::config::Api;
use growd::core::TaskId;
use growd::core::policy::Polling;
use growd::extruct::Client;
use growd::token::Token;
use growd_simulator::{Options, RunEntry, Scenario, Shape};
use jiff::Timestamp;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, sleep_until};

const SPEED: f64 = 30.0;
const SEARCHES: u32 = 40;
const CHUNKED: u32 = 12;

pub fn print() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::args().all(|argument| argument != "chunks") {
        searches(&runtime);
    }
    chunks(&runtime);
}

fn searches(runtime: &Runtime) {
    println!(
        "## {SEARCHES} searches at once, the stand-in {SPEED} times as fast as the real service, times as in the real one\n"
    );
    println!("| runs | poller | polls of a search | mean delay | delay of 95% |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, shape) in [
        ("steady", Shape::Steady),
        ("front-loaded", Shape::FrontLoaded),
        ("back-loaded", Shape::BackLoaded),
        ("stalling", Shape::Stalling),
    ] {
        let both = async { tokio::join!(by_growd(shape), by_fixed(shape)) };
        let (growd, ten) = runtime.block_on(both);
        row(name, "growd", growd);
        row(name, "fixed 10 s", ten);
    }
    println!();
}

fn chunks(runtime: &Runtime) {
    println!("## {CHUNKED} searches to 200 results in 8 chunks of 25, {SPEED} times as fast\n");
    println!("| poller | the service's own time | from creation to target | ratio |");
    println!("| --- | --- | --- | --- |");
    let both = async { tokio::join!(chunks_by_growd(), chunks_by_loop()) };
    let (growd, vendor) = runtime.block_on(both);
    ratio("growd", &growd);
    ratio("`poll` every 10 s and `resume`", &vendor);
}

fn options(seed: u64) -> Options {
    let mut options = Options::default();
    options.settings.speed = SPEED;
    options.seed = seed;
    options
}

async fn bench(seed: u64) -> Bench {
    let mut bench = Bench::with(options(seed)).await;
    bench.settings.policy.polling = Polling {
        min_interval: Duration::from_secs_f64(5.0 / SPEED),
        max_interval: Duration::from_secs_f64(60.0 / SPEED),
        quiet_after: Duration::from_hours(6),
        list_page: 0,
    };
    bench.settings.limits.concurrency = 64;
    bench
}

/// As in `standin.rs`, but with runs of at most 20 minutes: longer ones would take most of the time.
fn scenarios(shape: Shape) -> Vec<Scenario> {
    let mut draws = Draws::new(2_026);
    let scenario = |draws: &mut Draws| {
        let (seconds, fit) = (draws.duration().min(1_200.0), draws.between(0.3, 0.8));
        Scenario {
            desired_num_results: Some(100),
            pool: Some(1_500),
            fit_rate: Some(fit),
            rate_per_minute: Some((100.0 / fit + 30.0) / seconds * 60.0),
            shape,
            ..Scenario::default()
        }
    };
    (0..SEARCHES).map(|_| scenario(&mut draws)).collect()
}

/// Polls of a search, and the delay of each run.
type Figures = (f64, Vec<f64>);

async fn by_growd(shape: Shape) -> Figures {
    let mut bench = bench(1).await;
    for scenario in scenarios(shape) {
        bench.grow(&scenario, 100).await;
    }
    bench.start();
    bench.until_all_ended().await;
    bench.stop().await;
    figures(&bench)
}

async fn by_fixed(shape: Shape) -> Figures {
    let bench = bench(1).await;
    let client = client(&bench.settings.api);
    let ids = scenarios(shape)
        .into_iter()
        .map(|scenario| bench.service.add_task(&scenario));
    let watches: Vec<_> = ids
        .map(|id| tokio::spawn(until_done(client.clone(), id.parse().expect("an id"))))
        .collect();
    for watch in watches {
        watch.await.expect("it ends");
    }
    figures(&bench)
}

fn client(api: &Api) -> Client {
    Client::new(api, Token::find(api).expect("a token")).expect("a client")
}

/// What `poll` of the vendor's CLI does: polls at once, and then every 10 s.
async fn until_done(client: Client, id: TaskId) {
    let mut next = Instant::now();
    while client
        .poll(&id)
        .await
        .outcome
        .expect("a task")
        .status
        .is_running()
    {
        next += Duration::from_secs_f64(10.0 / SPEED);
        sleep_until(next).await;
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

fn figures(bench: &Bench) -> Figures {
    let polls = bench.service.requests().by_kind["get"];
    let delay = |run: &RunEntry| seconds(run.ended_at, run.noticed_at.expect("it was noticed"));
    let delays = bench.service.runs().iter().map(delay).collect();
    (
        f64::from(u32::try_from(polls).expect("few")) / f64::from(SEARCHES),
        delays,
    )
}

#[allow(clippy::cast_precision_loss, reason = "a small number")]
fn row(runs: &str, poller: &str, (polls, mut delays): Figures) {
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    delays.sort_by(f64::total_cmp);
    let most = delays[(delays.len() - 1) * 95 / 100];
    println!("| {runs} | {poller} | {polls:.1} | {mean:.1} s | {most:.1} s |");
}

/// 50 candidates for each 25 results, in 150 to 210 s. A multiple of 10 s would favour the loop by chance.
fn chunked() -> Vec<Scenario> {
    let mut draws = Draws::new(2_026);
    let scenario = |draws: &mut Draws| Scenario {
        desired_num_results: Some(25),
        pool: Some(5_000),
        fit_rate: Some(0.5),
        rate_per_minute: Some(50.0 * 60.0 / draws.between(150.0, 210.0)),
        ..Scenario::default()
    };
    (0..CHUNKED).map(|_| scenario(&mut draws)).collect()
}

/// The service's own time and the time from creation to target of each search.
type Times = Vec<(f64, f64)>;

async fn chunks_by_growd() -> Times {
    let mut bench = bench(2).await;
    for scenario in chunked() {
        let id = bench.service.add_task(&scenario).parse().expect("an id");
        bench.want(&id, 200, Some(25)).await;
    }
    bench.start();
    // This takes longer than the tests' `until` waits.
    let unfinished =
        "SELECT count(*) FROM progress WHERE state <> 'reached' OR next_poll_at IS NOT NULL";
    while bench.value::<i64>(unfinished).await > 0 {
        sleep(Duration::from_millis(200)).await;
    }
    bench.stop().await;
    times(&bench)
}

async fn chunks_by_loop() -> Times {
    let bench = bench(2).await;
    let client = client(&bench.settings.api);
    let grow = |id: TaskId| {
        let client = client.clone();
        async move {
            for _ in 0..7 {
                until_done(client.clone(), id.clone()).await;
                client.resume(&id, 25).await.outcome.expect("a resume");
            }
            until_done(client, id).await;
        }
    };
    let ids: Vec<String> = chunked()
        .iter()
        .map(|scenario| bench.service.add_task(scenario))
        .collect();
    let searches: Vec<_> = ids
        .into_iter()
        .map(|id| tokio::spawn(grow(id.parse().expect("an id"))))
        .collect();
    for search in searches {
        search.await.expect("it ends");
    }
    times(&bench)
}

fn times(bench: &Bench) -> Times {
    let mut ids: Vec<String> = bench
        .service
        .runs()
        .into_iter()
        .map(|run| run.task_id)
        .collect();
    ids.dedup();
    let times = |id: &String| {
        let task = bench.service.task(id).expect("the task");
        let created: Timestamp = task["created_at"]
            .as_str()
            .and_then(|at| at.parse().ok())
            .expect("a time");
        let runs: Vec<RunEntry> = bench
            .service
            .runs()
            .into_iter()
            .filter(|run| run.task_id == *id)
            .collect();
        assert_eq!(runs.len(), 8, "runs of {id}");
        let waited = seconds(created, runs[0].started_at);
        let own: f64 = runs
            .iter()
            .map(|run| seconds(run.started_at, run.ended_at))
            .sum();
        let noticed = runs[7].noticed_at.expect("it was noticed");
        (waited + own, seconds(created, noticed))
    };
    ids.iter().map(times).collect()
}

#[allow(clippy::cast_precision_loss, reason = "a small number")]
fn ratio(poller: &str, times: &Times) {
    let mean = |of: fn(&(f64, f64)) -> f64| times.iter().map(of).sum::<f64>() / times.len() as f64;
    let (own, all) = (mean(|times| times.0), mean(|times| times.1));
    println!("| {poller} | {own:.0} s | {all:.0} s | {:.4} |", all / own);
}
