//! Poll cycles a second (a poll, a decision and a durable record), against a bare loop that only fetches and parses:
//! one with a thread for each core, as `#[tokio::main]` makes it, and one with a single thread, as growd has for its
//! requests.
//!
//! Then, the cost of a page of the service's list, and of results.
//!
//! `cargo bench --bench throughput` takes several minutes. With `-- still`, `-- move`, `-- pages` or `-- results` it runs one part. The stand-in is a process of its own. The daemon and the loops alternate, so that other load on the
//! machine affects all of them.

#[path = "../common/mod.rs"]
mod common;
mod pages;
mod results;

use common::{Place, Standin, TOKEN, cpu_seconds, median, name, runtime};
use serde::Deserialize;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Tasks in the database, all of them running and due.
const TASKS: u32 = 100_000;

/// Length of one measurement, and the number of rounds.
const SPAN: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

/// Requests in flight.
const CONCURRENCIES: [usize; 2] = [16, 64];

fn main() {
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    let hold = has("--hold");
    runtime().block_on(async {
        if hold {
            return for_a_profile().await;
        }
        let parts = ["pages", "results", "still", "move"];
        let is_wanted = |part: &str| has(part) || !parts.iter().any(|part| has(part));
        if is_wanted("pages") {
            pages::print().await;
        }
        if is_wanted("results") {
            results::print().await;
        }
        if !["still", "move"].into_iter().any(is_wanted) {
            return;
        }
        println!("\n## Poll cycles a second, {TASKS} tasks, all due\n");
        println!(
            "| counters | requests in flight | bare loop | growd | ratio, median of {ROUNDS} | all \
             | µs of processor time a cycle, loop + stand-in | growd + stand-in \
             | loop on one thread | ratio to that |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        let kinds = [("still", "stand still", "0"), ("move", "move", "1")];
        for (word, counters, speed) in kinds {
            if !is_wanted(word) {
                continue;
            }
            let standin = Standin::start(&["--speed", speed]);
            standin.add_running(TASKS).await;
            for concurrency in CONCURRENCIES {
                compare(&standin, counters, concurrency).await;
            }
        }
    });
}

/// Runs only the daemon for half a minute, for a profiler.
async fn for_a_profile() {
    let standin = Standin::start(&["--speed", "0"]);
    standin.add_running(TASKS).await;
    let place = Place::new();
    configure(&place, &standin, 16).await;
    let running = place.run();
    println!("growd is process {}", running.0.id());
    for _ in 0..6 {
        let before = standin.polls().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        println!("{} polls a second", (standin.polls().await - before) / 5);
    }
}

async fn configure(place: &Place, standin: &Standin, concurrency: usize) {
    place.fill(TASKS, TASKS).await;
    let in_flight = format!("limits.concurrency = {concurrency}");
    place.configure(
        &standin.url,
        &[
            &in_flight,
            "limits.requests_per_second = 0",
            "polling.min_interval = \"1s\"",
            "polling.max_interval = \"5s\"",
            "polling.list_page = 0",
            "growth.settle = \"60s\"",
        ],
    );
}

async fn compare(standin: &Standin, counters: &str, concurrency: usize) {
    let place = Place::new();
    configure(&place, standin, concurrency).await;
    let (mut bare, mut grown, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut narrow, mut narrow_ratios) = (Vec::new(), Vec::new());
    let mut costs = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let one = bare_loop(standin, concurrency).await;
        let single = on_one_thread(standin, concurrency);
        let other = daemon(standin, &place).await;
        bare.push(one.rate);
        grown.push(other.rate);
        ratios.push(other.rate / one.rate);
        narrow.push(single.rate);
        narrow_ratios.push(other.rate / single.rate);
        for (sum, cost) in
            costs
                .iter_mut()
                .zip([one.client, one.service, other.client, other.service])
        {
            sum.push(cost);
        }
    }
    let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    println!(
        "| {counters} | {concurrency} | {:.0} | {:.0} | {:.2} | {} | {:.0} + {:.0} | {:.0} + {:.0} \
         | {:.0} | {:.2} |",
        median(&mut bare),
        median(&mut grown),
        median(&mut ratios),
        all.join(" "),
        median(&mut costs[0]),
        median(&mut costs[1]),
        median(&mut costs[2]),
        median(&mut costs[3]),
        median(&mut narrow),
        median(&mut narrow_ratios)
    );
}

/// The fields that the loop reads of an answer: the same as growd.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only parsed")]
struct Parsed {
    id: String,
    status: String,
    desired_num_results: i64,
    num_results: i64,
    is_exhausted: Option<bool>,
    num_results_discovered: Option<i64>,
    num_results_enriched: Option<i64>,
    num_results_evaluated: Option<i64>,
    query: Option<String>,
}

/// Fetches and parses, with the client settings of growd.
async fn bare_loop(standin: &Standin, concurrency: usize) -> Measurement {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static DONE: AtomicU32 = AtomicU32::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    let url = standin.url.as_str();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .tcp_nodelay(true)
        .no_proxy()
        .build()
        .expect("a client");
    STOP.store(false, Ordering::Relaxed);
    let workers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (client, url) = (client.clone(), url.to_owned());
            tokio::spawn(async move {
                while !STOP.load(Ordering::Relaxed) {
                    let n = NEXT.fetch_add(1, Ordering::Relaxed) % TASKS;
                    let answer = client
                        .get(format!("{url}/v1/discovery_tasks/{}", name(n)))
                        .header("accept", "application/json")
                        .bearer_auth(TOKEN)
                        .send()
                        .await;
                    // A request on a connection that the stand-in has just closed does not count.
                    let Ok(answer) = answer else { continue };
                    let body = answer.bytes().await.expect("a body");
                    black_box(serde_json::from_slice::<Parsed>(&body).expect("a task"));
                    DONE.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (begin, before) = (Instant::now(), DONE.load(Ordering::Relaxed));
    let (own, its) = (cpu_seconds("self"), standin.process.cpu_seconds());
    tokio::time::sleep(SPAN).await;
    let done = f64::from(DONE.load(Ordering::Relaxed) - before);
    let measurement = Measurement {
        rate: done / begin.elapsed().as_secs_f64(),
        client: (cpu_seconds("self") - own) * 1e6 / done,
        service: (standin.process.cpu_seconds() - its) * 1e6 / done,
    };
    STOP.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("a worker");
    }
    measurement
}

/// Runs [`bare_loop`] on a single thread.
fn on_one_thread(standin: &Standin, concurrency: usize) -> Measurement {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(bare_loop(standin, concurrency))
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("no panic"))
}

/// Runs the daemon, and counts durable cycles.
async fn daemon(standin: &Standin, place: &Place) -> Measurement {
    const POLLS: &str = "SELECT sum(polls) FROM progress";
    let running = place.run();
    let before = standin.polls().await;
    standin.has_answered(before + 1_000).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Counted in the database: only durable cycles count.
    let before = place.number(POLLS).await;
    let (begin, own, its) = (
        Instant::now(),
        running.cpu_seconds(),
        standin.process.cpu_seconds(),
    );
    tokio::time::sleep(SPAN).await;
    let seconds = begin.elapsed().as_secs_f64();
    let (own, its) = (
        running.cpu_seconds() - own,
        standin.process.cpu_seconds() - its,
    );
    let after = place.number(POLLS).await;
    running.stop();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let polls = (after - before) as f64;
    Measurement {
        rate: polls / seconds,
        client: own * 1e6 / polls,
        service: its * 1e6 / polls,
    }
}

/// The result of one measurement.
struct Measurement {
    /// Cycles a second.
    rate: f64,
    /// Processor time a cycle, in microseconds: of the loop or the daemon, and of the stand-in.
    client: f64,
    service: f64,
}
