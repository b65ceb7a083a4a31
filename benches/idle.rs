//! Cost of the daemon while nothing is due: processor time, and disk writes.
//!
//! `cargo bench --bench idle` takes a minute and a half.

mod common;

use common::{Place, Standin, runtime};
use std::time::Duration;

const TASKS: u32 = 10_000;
const SPAN: Duration = Duration::from_mins(1);

fn main() {
    runtime().block_on(async {
        let standin = Standin::start(&["--speed", "0"]);
        let place = Place::new();
        // All tasks have ended but one, which is due tomorrow.
        place.fill(TASKS, 1).await;
        place
            .execute(
                "UPDATE progress SET next_poll_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+20 hours')
                  WHERE state = 'growing'",
            )
            .await;
        place.configure(&standin.url, &["gate.probe_interval = \"1d\""]);
        let daemon = place.run();
        tokio::time::sleep(Duration::from_secs(15)).await;
        let (cpu, (bytes, calls)) = (daemon.cpu_seconds(), daemon.written());
        let switches = daemon.status_kib("\nvoluntary_ctxt_switches:");
        tokio::time::sleep(SPAN).await;
        let (cpu, now) = (daemon.cpu_seconds() - cpu, daemon.written());
        println!("\n## Nothing due, {TASKS} tasks, {} s\n", SPAN.as_secs());
        println!("| what | |");
        println!("| --- | --- |");
        println!("| of one core | {:.3} % |", 100.0 * cpu / SPAN.as_secs_f64());
        println!("| written to the disk | {} KiB |", (now.0 - bytes) / 1024);
        println!("| calls that write (those that wake a thread among them) | {} |", now.1 - calls);
        println!(
            "| times that its first thread woke | {} |",
            daemon.status_kib("\nvoluntary_ctxt_switches:") - switches
        );
        println!("| heartbeats | {} |", SPAN.as_secs() / 10);
        println!("| polls | {} |", standin.polls().await);
    });
}
