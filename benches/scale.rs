//! A million tasks: time to the first poll, memory, commands, size of the database, and poll rate.
//!
//! `cargo bench --bench scale` takes about two minutes, most of them to fill a database with a million tasks.

mod common;

use common::{Place, Process, Standin, median, runtime};
use std::process::Stdio;
use std::time::{Duration, Instant};

const RUNNING: u32 = 1_000;
const SIZES: [u32; 2] = [1_000, 1_000_000];
const SPAN: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

fn main() {
    runtime().block_on(async {
        let standin = Standin::start(&["--speed", "0"]);
        standin.add_running(RUNNING).await;
        let mut places = Vec::new();
        for tasks in SIZES {
            let place = Place::new();
            place.fill(tasks, RUNNING).await;
            place.configure(
                &standin.url,
                &[
                    "limits.requests_per_second = 0",
                    "polling.min_interval = \"10ms\"",
                    "polling.max_interval = \"20ms\"",
                ],
            );
            places.push(place);
        }
        println!("\n## {RUNNING} running tasks among many\n");
        println!("| what | {} tasks | {} tasks |", SIZES[0], SIZES[1]);
        println!("| --- | --- | --- |");
        let mut starts = Vec::new();
        let mut rates = [Vec::new(), Vec::new()];
        let mut memory = [(0, 0), (0, 0)];
        for place in &places {
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let (process, seconds) = start(place, &standin).await;
                process.stop();
                times.push(seconds * 1_000.0);
            }
            starts.push(median(&mut times));
        }
        for _ in 0..ROUNDS {
            for (n, place) in places.iter().enumerate() {
                let (process, _) = start(place, &standin).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
                let (begin, before) = (Instant::now(), standin.polls().await);
                tokio::time::sleep(SPAN).await;
                let polls = standin.polls().await - before;
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                rates[n].push(polls as f64 / begin.elapsed().as_secs_f64());
                memory[n] = memory[n].max(process.resident_kib());
                process.stop();
            }
        }
        let ratio = median(&mut rates[1]) / median(&mut rates[0]);
        println!(
            "| start to the first poll, ms | {:.0} | {:.0} |",
            starts[0], starts[1]
        );
        println!(
            "| resident memory at work, MiB (its own; with files) | {} | {} |",
            mib(memory[0]),
            mib(memory[1])
        );
        println!(
            "| cycles a second | {:.0} | {:.0} ({ratio:.2} of it) |",
            median(&mut rates[0]),
            median(&mut rates[1])
        );
        let mut due = [0.0, 0.0];
        for (n, place) in places.iter().enumerate() {
            due[n] = place.due_query_ms().await;
        }
        println!(
            "| due query, 512 of them, ms | {:.2} | {:.2} |",
            due[0], due[1]
        );
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["status", "--state", "growing"],
        ] {
            let both: Vec<String> = places
                .iter()
                .map(|place| command(place, arguments))
                .collect();
            println!(
                "| `growd {}` | {} | {} |",
                arguments.join(" "),
                both[0],
                both[1]
            );
        }
        let bytes: Vec<u64> = places.iter().map(Place::bytes).collect();
        println!(
            "| bytes of the database a task | {} | {} |",
            bytes[0] / u64::from(SIZES[0]),
            bytes[1] / u64::from(SIZES[1])
        );
    });
}

/// Starts the daemon with all running tasks due; returns it, and the seconds to the first poll.
async fn start(place: &Place, standin: &Standin) -> (Process, f64) {
    place
        .execute(
            "UPDATE progress SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
              WHERE queue IN ('new', 'regular') AND next_poll_at IS NOT NULL",
        )
        .await;
    let before = standin.polls().await;
    let begin = Instant::now();
    let process = place.run();
    while standin.polls().await == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (process, begin.elapsed().as_secs_f64())
}

/// Returns the time that a command takes, and its peak resident memory.
fn command(place: &Place, arguments: &[&str]) -> String {
    let begin = Instant::now();
    let mut child = place
        .growd(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the process starts");
    let mut out = child.stdout.take().expect("a pipe");
    let process = Process(child);
    let mut peak = 0;
    let mut buffer = vec![0; 1 << 16];
    while std::io::Read::read(&mut out, &mut buffer).expect("output") > 0 {
        peak = peak.max(process.resident_kib().1);
    }
    format!(
        "{:.2} s, {} MiB",
        begin.elapsed().as_secs_f64(),
        peak / 1024
    )
}

fn mib((own, all): (u64, u64)) -> String {
    let of = |kib: u64| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024);
    format!("{}; {}", of(own), of(all))
}
