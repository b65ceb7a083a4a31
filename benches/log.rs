//! Pages that a resume writes to the write-ahead log, by table and index. A reader pins the log, so that no page is
//! written back meanwhile.
//!
//! `cargo bench --bench log` takes about a minute and a half.

mod common;

use common::{Place, Standin, runtime};
use growd::store::{self, Mode, wal};
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const TASKS: u32 = 300;

/// Bytes of a log before its first frame, and of a frame before its page.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

fn main() {
    runtime().block_on(async {
        println!("\n## Pages written to the log for each resume\n");
        for (rate, seconds) in [(0, 10), (10, 40)] {
            measure(rate, Duration::from_secs(seconds)).await;
        }
    });
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    let value = sqlx::query_scalar(sql).fetch_one(connection).await;
    value.expect(sql)
}

/// Resumes tasks continuously, at this many requests a second (0: no limit), and reads the log.
async fn measure(rate: u32, span: Duration) {
    let count = TASKS.to_string();
    let flags = ["--speed", "20000", "--rate", "6000", "--pool", "5000"];
    let standin = Standin::start(
        &[
            &flags[..],
            &[
                "--fit-rate",
                "0.5",
                "--list-limit",
                &count,
                "--tasks",
                &count,
            ],
        ]
        .concat(),
    );
    let place = Place::new();
    place.fill(10_000, 0).await;
    for task in standin
        .authorized(&format!("{}/v1/discovery_tasks?limit={TASKS}", standin.url))
        .await
        .as_array()
        .expect("a list of tasks")
    {
        let id = task["id"].as_str().expect("an id");
        place
            .execute(&format!(
                "INSERT INTO tasks (task_id, target, chunk) VALUES ('{id}', 100000, 5)"
            ))
            .await;
    }
    place.configure(
        &standin.url,
        &[
            &format!("limits.requests_per_second = {rate}"),
            "growth.task_cap = 100000",
            "polling.min_interval = \"10ms\"",
            "polling.max_interval = \"100ms\"",
        ],
    );
    let daemon = place.run();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let open = async || store::open(&place.database(), Mode::Read).await;
    let mut reader = open().await.expect("a reader");
    place.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    sqlx::query("BEGIN")
        .execute(&mut reader)
        .await
        .expect("begins");
    let before = number(&mut reader, "SELECT count(*) FROM resumes").await;
    tokio::time::sleep(span).await;
    let mut now = open().await.expect("a reader");
    let resumes = number(&mut now, "SELECT count(*) FROM resumes").await - before;
    let log = std::fs::read(wal::beside(&place.database(), "-wal")).expect("a log");
    let owners: HashMap<i64, String> = sqlx::query_as("SELECT pageno, name FROM dbstat")
        .fetch_all(&mut now)
        .await
        .expect("the pages")
        .into_iter()
        .collect();
    daemon.stop();
    print(rate, resumes, &log, &owners);
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand")]
fn print(rate: u32, resumes: i64, log: &[u8], owners: &HashMap<i64, String>) {
    let word = |at: usize| -> u32 {
        let bytes = log[at..at + 4].try_into().expect("four bytes");
        u32::from_be_bytes(bytes)
    };
    let page = usize::try_from(word(8)).expect("a size");
    let (mut pages, mut commits) = (BTreeMap::<&str, u32>::new(), 0);
    let frames = (HEADER..log.len()).step_by(FRAME_HEADER + page);
    // Frames of an older log have other salts.
    for at in frames.take_while(|at| log[at + 8..at + 16] == log[16..24]) {
        let owner = owners.get(&word(at).into());
        *pages.entry(owner.map_or("free", |name| name)).or_default() += 1;
        commits += u32::from(word(at + 4) > 0);
    }
    let total: u32 = pages.values().sum();
    let each = |count: u32| f64::from(count) / resumes as f64;
    println!(
        "{rate} requests a second (0: no limit): {resumes} resumes, {:.2} transactions and {:.1} pages each, {:.0} KB\n",
        each(commits),
        each(total),
        each(total) * (FRAME_HEADER + page) as f64 / 1000.0
    );
    let mut pages: Vec<_> = pages.into_iter().collect();
    pages.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("| table or index | pages for each resume |\n| --- | --- |");
    for (name, count) in pages {
        println!("| `{name}` | {:.2} |", each(count));
    }
    println!();
}
