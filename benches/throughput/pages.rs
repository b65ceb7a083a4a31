//! Pages of the service's list: growd's processor time for reading, judging and storing one.
//!
//! First this process reads one page after the other with the daemon's client and writer, which leaves out the scheduler. Then
//! the daemon reads each page as often as it finds that worth it.

use crate::common::{Place, Standin, TOKEN, cpu_seconds, median};
use growd::config::Settings;
use growd::core::gate::Gate;
use growd::core::plan::Reliance;
use growd::daemon::supervision::health::Health;
use growd::daemon::writer::{PageAnswer, StartedWriter, Writer};
use growd::extruct::Client;
use growd::store::{self, Lock, Mode};
use growd::token::Token;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Tasks in the database, all of them running.
const TASKS: u32 = 10_000;

/// Entries of a page.
const LEN: u32 = 100;

/// Length of one measurement of the daemon, and the number of rounds of all measurements.
const SPAN: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;

/// The stand-in's speeds at which counters stand still, and at which they move from one reading of a page to the next.
const STILL: &str = "0";
const MOVING: &str = "10";

/// Prints the tables.
pub async fn print() {
    println!("\n## Pages of {LEN}, {TASKS} running tasks, median of {ROUNDS}\n");
    println!(
        "| what | pages a second | ms of processor time a page | polls a page | samples a page |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let own = TASKS.to_string();
    let kinds = [
        ("counters stand still", STILL, TASKS),
        ("counters move", MOVING, TASKS),
        ("no task of growd's", STILL, 0),
    ];
    for (name, speed, tasks) in kinds {
        let strangers = if tasks == 0 { own.as_str() } else { "0" };
        let standin = Standin::start(&["--speed", speed, "--strangers", strangers]);
        standin.add_running(tasks).await;
        row(name, alone(&standin).await);
    }
    for (name, speed, tasks) in &kinds[..2] {
        let standin = Standin::start(&["--speed", speed]);
        standin.add_running(*tasks).await;
        row(&format!("the daemon, {name}"), daemon(&standin).await);
    }
}

fn row(name: &str, mut rounds: Vec<Round>) {
    let mut middle = |of: fn(&mut Round) -> &mut f64| {
        let mut values: Vec<f64> = rounds.iter_mut().map(|round| *of(round)).collect();
        median(&mut values)
    };
    println!(
        "| {name} | {:.0} | {:.2} | {:.2} | {:.0} |",
        middle(|round| &mut round.rate),
        middle(|round| &mut round.milliseconds),
        middle(|round| &mut round.polls),
        middle(|round| &mut round.samples),
    );
}

/// The result of one round.
struct Round {
    /// Pages a second.
    rate: f64,
    /// Processor time a page.
    milliseconds: f64,
    /// Polls of single tasks for each page.
    polls: f64,
    /// Samples written for each page.
    samples: f64,
}

const SAMPLES: &str = "SELECT count(*) FROM samples";

async fn place(standin: &Standin) -> Place {
    let place = Place::new();
    place.fill(TASKS, TASKS).await;
    place.configure(
        &standin.url,
        &[
            "limits.requests_per_second = 0",
            "polling.min_interval = \"1s\"",
            "polling.max_interval = \"60s\"",
            "growth.settle = \"60s\"",
        ],
    );
    place
}

/// Has the daemon read pages: each once in `min_interval`.
async fn daemon(standin: &Standin) -> Vec<Round> {
    let place = place(standin).await;
    let daemon = place.run();
    let begin = Instant::now();
    while standin.answered("list").await < u64::from(5 * TASKS / LEN) {
        assert!(begin.elapsed() < crate::common::TIMEOUT, "too few pages");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let counted = || async {
            let (pages, polls) = (standin.answered("list").await, standin.polls().await);
            (
                number(pages),
                number(polls),
                number(place.number(SAMPLES).await.unsigned_abs()),
            )
        };
        let (begin, before, cpu) = (Instant::now(), counted().await, daemon.cpu_seconds());
        tokio::time::sleep(SPAN).await;
        let cpu = daemon.cpu_seconds() - cpu;
        let (after, seconds) = (counted().await, begin.elapsed().as_secs_f64());
        let pages = after.0 - before.0;
        rounds.push(Round {
            rate: pages / seconds,
            milliseconds: cpu * 1e3 / pages,
            polls: (after.1 - before.1) / pages,
            samples: (after.2 - before.2) / pages,
        });
    }
    daemon.stop();
    rounds
}

/// Reads one page after the other in this process.
async fn alone(standin: &Standin) -> Vec<Round> {
    let place = place(standin).await;
    let url = standin.url.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(read_all(&place, &url))
    });
    thread.join().expect("no panic")
}

async fn read_all(place: &Place, url: &str) -> Vec<Round> {
    let text = format!("api.base_url = {url:?}");
    let settings = Settings::from_toml("growd.toml", &text).expect("a config");
    let token = Token::for_stand_in(TOKEN).expect("a token");
    let client = Client::new(&settings.api, token).expect("a client");
    let path = place.database();
    let lock = Lock::take(&path).await.expect("the lock");
    let connection = store::open(&path, Mode::Daemon(&lock)).await;
    let (_drain, draining) = watch::channel(false);
    let StartedWriter { writer, .. } = Writer::start(
        connection.expect("a database"),
        Gate::open(Timestamp::now()),
        settings.policy,
        draining,
        Health::of(&path),
        Arc::default(),
    );
    read_each(&client, &writer).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let samples = place.number(SAMPLES).await;
        let (begin, cpu) = (Instant::now(), cpu_seconds("self"));
        read_each(&client, &writer).await;
        let (cpu, seconds) = (cpu_seconds("self") - cpu, begin.elapsed().as_secs_f64());
        let samples = place.number(SAMPLES).await - samples;
        let pages = f64::from(TASKS / LEN);
        rounds.push(Round {
            rate: pages / seconds,
            milliseconds: cpu * 1e3 / pages,
            polls: 0.0,
            samples: number(samples.unsigned_abs()) / pages,
        });
    }
    writer.stop().await;
    rounds
}

/// Reads and stores each page once.
async fn read_each(client: &Client, writer: &Writer) {
    for offset in (0..TASKS).step_by(LEN as usize) {
        let started_at = Timestamp::now();
        let page = client.list(offset.into(), LEN).await.expect("a page");
        assert_eq!(page.len, LEN as usize);
        let answer = PageAnswer {
            started_at,
            answered_at: Timestamp::now(),
            failure: None,
            reliance: Reliance {
                lag: Duration::ZERO,
                alone_within: Duration::from_mins(10),
                still_within: Duration::from_mins(10),
            },
        };
        let stored = writer.store_page(answer, page.entries).await;
        assert_eq!(stored.expect("it is stored").len(), LEN as usize);
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
