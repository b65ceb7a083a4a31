//! Time from the arrival of a poll at the stand-in to the arrival of the resume that it leads to: the rest of the poll,
//! the decision, and the durable row in the ledger.
//!
//! `cargo bench --bench resume` takes about a minute.

mod common;

use common::{Place, Standin, median, runtime};
use jiff::Timestamp;
use std::time::Duration;

const TASKS: usize = 40;

fn main() {
    runtime().block_on(async {
        let count = TASKS.to_string();
        let standin = Standin::start(&["--speed", "0", "--tasks", &count, "--pool", "1000"]);
        let place = Place::new();
        place.fill(1_000, 0).await;
        place.configure(&standin.url, &["limits.requests_per_second = 0"]);
        let daemon = place.run();
        let mut times = Vec::new();
        for id in standin.ids().await {
            place
                .execute(&format!(
                    "INSERT INTO tasks (task_id, target) VALUES ('{id}', 200)"
                ))
                .await;
            times.push(standin.poll_to_resume_ms(&id).await);
        }
        daemon.stop();
        let middle = median(&mut times);
        println!(
            "\n## From a poll to the resume that it leads to, {} times\n",
            times.len()
        );
        println!("| median | 90% | most |");
        println!("| --- | --- | --- |");
        println!(
            "| {middle:.1} ms | {:.1} ms | {:.1} ms |",
            times[times.len() * 9 / 10],
            times[times.len() - 1]
        );
    });
}

impl Standin {
    /// Returns the ids of its tasks.
    async fn ids(&self) -> Vec<String> {
        let url = format!("{}/v1/discovery_tasks?limit=100", self.url);
        let answer = self.authorized(&url).await;
        let tasks = answer["items"]
            .as_array()
            .or(answer["tasks"].as_array())
            .or(answer.as_array());
        let tasks = tasks.expect("a list of tasks");
        tasks
            .iter()
            .map(|task| task["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// Waits for the resume of a task; returns the milliseconds from the arrival of the poll before it to its own.
    async fn poll_to_resume_ms(&self, id: &str) -> f64 {
        loop {
            let requests = self.get("requests").await;
            let last = requests["last"].as_array().expect("requests");
            let at = |kind: &str| {
                let of_it = last.iter().filter(|request| {
                    request["kind"] == kind
                        && request["path"]
                            .as_str()
                            .is_some_and(|path| path.contains(id))
                });
                let at = of_it
                    .map(|request| request["at"].as_str().expect("a time"))
                    .next();
                at.map(|at| at.parse::<Timestamp>().expect("a time"))
            };
            if let (Some(poll), Some(resume)) = (at("get"), at("resume")) {
                return resume.duration_since(poll).as_secs_f64() * 1_000.0;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
