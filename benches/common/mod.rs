//! Shared by the benches that run the program: a stand-in and a daemon as processes, and a database full of tasks.

#![allow(dead_code, reason = "each bench uses a part of it")]

use growd::core::queue::Queue;
use growd::store::progress::{self, End};
use growd::store::{self, Mode};
use sqlx::sqlite::SqliteConnection;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The stand-in accepts any token.
pub const TOKEN: &str = "token-for-the-stand-in";

/// Deadline of every wait.
pub const TIMEOUT: Duration = Duration::from_mins(2);

/// A process that is killed when dropped.
pub struct Process(pub Child);

impl Process {
    /// Stops it by SIGTERM, as a service manager does, and waits until it has ended.
    pub fn stop(mut self) {
        let sent = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill is there");
        let begin = Instant::now();
        while self.0.try_wait().expect("a child").is_none() {
            assert!(begin.elapsed() < TIMEOUT, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the value of a line of `/proc/PID/status`, in KiB; 0 where the process has just ended.
    pub fn status_kib(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let text = text.expect("a process that was not reaped");
        if text.contains(key) {
            number_after(&text, key)
        } else {
            0
        }
    }

    /// Returns the anonymous resident memory, and all of it, in KiB.
    pub fn resident_kib(&self) -> (u64, u64) {
        (self.status_kib("RssAnon:"), self.status_kib("VmRSS:"))
    }

    /// Returns the processor time of all its threads so far, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.0.id().to_string())
    }

    /// Returns the bytes that it wrote to disks, and the number of its write calls.
    pub fn written(&self) -> (u64, u64) {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.0.id()));
        let text = text.expect("a process");
        (
            number_after(&text, "\nwrite_bytes:"),
            number_after(&text, "syscw:"),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the processor time so far of all threads of a process, in seconds. `self` is this process.
pub fn cpu_seconds(process: &str) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process");
    let nanoseconds: u64 = tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

fn number_after(text: &str, key: &str) -> u64 {
    let rest = text.split_once(key).expect(key).1;
    let number = rest.split_whitespace().next().expect(key);
    number.parse().expect(key)
}

/// The stand-in, in a process of its own.
pub struct Standin {
    pub process: Process,
    pub url: String,
    client: reqwest::Client,
}

impl Standin {
    pub fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_growd"))
            .args(["simulate", "--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the process starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().trim_start_matches("listening on ").to_owned();
        Self {
            process: Process(child),
            url,
            client: reqwest::Client::new(),
        }
    }

    /// Fetches a path of the control API.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        let url = format!("{}/_simulator/{path}", self.url);
        let answer = self.client.get(url).send().await.expect(path);
        answer.json().await.expect(path)
    }

    /// Fetches a URL of the service API.
    pub async fn authorized(&self, url: &str) -> serde_json::Value {
        let request = self.client.get(url).bearer_auth(TOKEN);
        let answer = request.send().await.expect(url);
        answer.json().await.expect(url)
    }

    /// Returns how many polls it has answered.
    pub async fn polls(&self) -> u64 {
        self.answered("get").await
    }

    /// Returns how many requests of a kind it has answered.
    pub async fn answered(&self, kind: &str) -> u64 {
        let requests = self.get("requests").await;
        requests["by_kind"][kind].as_u64().unwrap_or(0)
    }

    /// Waits until it has answered this many polls in all.
    pub async fn has_answered(&self, polls: u64) {
        let begin = Instant::now();
        while self.polls().await < polls {
            assert!(begin.elapsed() < TIMEOUT, "too few polls");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Adds tasks that run and never end, with the ids of [`name`].
    pub async fn add_running(&self, count: u32) {
        self.add_running_from(0, count).await;
    }

    /// Does the same from this number on.
    pub async fn add_running_from(&self, first: u32, count: u32) {
        let running = serde_json::json!({
            "desired_num_results": 1_000, "pool": 1_500, "fit_rate": 0.5,
        });
        self.add(first..first + count, &running).await;
    }

    /// Adds tasks that are done with this many results.
    pub async fn add_done(&self, count: u32, results: u32) {
        let done = serde_json::json!({ "results": results });
        self.add(0..count, &done).await;
    }

    async fn add(&self, numbers: std::ops::Range<u32>, scenario: &serde_json::Value) {
        use futures_util::StreamExt as _;
        let url = format!("{}/_simulator/tasks", self.url);
        futures_util::stream::iter(numbers)
            .for_each_concurrent(32, |n| {
                let mut body = scenario.clone();
                body["id"] = name(n).into();
                let request = self.client.post(&url).json(&body);
                async move {
                    let answer = request.send().await.expect("an answer");
                    assert!(answer.status().is_success(), "{}", answer.status());
                }
            })
            .await;
    }
}

/// Returns the id of the task of this number: spread over the keys, as the service's own ids are.
pub fn name(n: u32) -> String {
    // Keep equal to `NAME`.
    let mixed = u64::from(n) * 2_654_435_761 % 4_294_967_296;
    format!("{mixed:08x}-e2bb-4255-8caf-{n:012}")
}

/// [`name`] in SQL, from a column `n`.
const NAME: &str = "printf('%08x-e2bb-4255-8caf-%012d', n * 2654435761 % 4294967296, n)";

/// A directory with a database and a config.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { dir }
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("growd.db")
    }

    /// Fills the database with `tasks` tasks: the first `running` are at work and due now, all others have reached
    /// their target.
    pub async fn fill(&self, tasks: u32, running: u32) {
        let mut connection = open(&self.database()).await;
        // The database is thrown away if this fails.
        execute(&mut connection, "PRAGMA synchronous = OFF").await;
        execute(&mut connection, "PRAGMA cache_size = -400000").await;
        let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
        // Smaller transactions keep the write-ahead log small.
        let mut begin = 0;
        while begin < tasks {
            let end = tasks.min(begin + 100_000);
            execute(
                &mut connection,
                &format!(
                    "INSERT INTO tasks (task_id, target)
                     WITH RECURSIVE numbers (n) AS
                         (SELECT {begin} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {end})
                     SELECT {NAME}, 200 FROM numbers"
                ),
            )
            .await;
            begin = end;
        }
        execute(
            &mut connection,
            &format!(
                "UPDATE progress
                    SET state = 'reached', reason = '212 of 200 results', status = 'done', is_exhausted = 0,
                        desired_num_results = 212, num_results_discovered = 400, num_results_enriched = 400,
                        num_results_evaluated = 400, num_results = 212, best_results = 212, polls = 20,
                        query = 'bakeries in the south that deliver by bicycle', polled_at = {now},
                        changed_at = {now}, next_poll_at = NULL, queue = 'regular'"
            ),
        )
        .await;
        execute(
            &mut connection,
            &format!(
                "UPDATE progress
                    SET state = 'growing', reason = 'the service is at work', status = 'created',
                        desired_num_results = 100, num_results_discovered = 0, num_results_enriched = 0,
                        num_results_evaluated = 0, num_results = 0, best_results = 0, next_poll_at = {now}, queue = 'regular'
                  WHERE task_id IN (WITH RECURSIVE numbers (n) AS
                            (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {running})
                        SELECT {NAME} FROM numbers)"
            ),
        )
        .await;
        execute(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    }

    /// Writes a config for a daemon on `service`; `more` are lines of `section.key = value`. Results are read only if it says so.
    pub fn configure(&self, service: &str, more: &[&str]) {
        let mut text = format!(
            "api.base_url = {service:?}\ndatabase.path = \"{}\"\n",
            self.database().display()
        );
        if !more.iter().any(|line| line.starts_with("results.keep")) {
            text += "results.keep = false\n";
        }
        for line in more {
            writeln!(text, "{line}").expect("writing to a string succeeds");
        }
        std::fs::write(self.dir.path().join("growd.toml"), text).expect("a file");
    }

    /// Returns a command for the program on this database.
    pub fn growd(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_growd"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.dir.path().join("growd.toml"))
            .env("EXTRUCT_API_TOKEN", TOKEN)
            .stdin(Stdio::null());
        command
    }

    /// Starts the daemon, with its log in a file beside the database.
    pub fn run(&self) -> Process {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("growd.log"))
            .expect("a file");
        let child = self
            .growd(&["run"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the process starts");
        Process(child)
    }

    /// Returns the size of the database and its write-ahead log, in bytes.
    pub fn bytes(&self) -> u64 {
        let size = |ending: &str| {
            let path = self.dir.path().join(format!("growd.db{ending}"));
            std::fs::metadata(path).map_or(0, |file| file.len())
        };
        size("") + size("-wal")
    }

    /// Returns the number that a query selects.
    pub async fn number(&self, sql: &str) -> i64 {
        let mut connection = open(&self.database()).await;
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .expect("a number")
    }

    /// Returns the median time of the daemon's query for due tasks, in milliseconds.
    pub async fn due_query_ms(&self) -> f64 {
        let mut connection = open(&self.database()).await;
        let far = jiff::Timestamp::now() + Duration::from_hours(1);
        let mut times = Vec::new();
        for _ in 0..21 {
            let begin = Instant::now();
            let due = progress::due(&mut connection, Queue::Regular, End::Oldest, far, 512).await;
            times.push(begin.elapsed().as_secs_f64() * 1_000.0);
            assert_eq!(due.expect("an answer").tasks.len(), 512);
        }
        median(&mut times)
    }

    /// Runs a statement.
    pub async fn execute(&self, sql: &str) {
        execute(&mut open(&self.database()).await, sql).await;
    }
}

async fn open(path: &Path) -> SqliteConnection {
    store::open(path, Mode::Write).await.expect("a database")
}

async fn execute(connection: &mut SqliteConnection, sql: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .expect(sql);
}

/// Returns the median.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns a runtime with a thread for each core, as `#[tokio::main]` has it.
pub fn runtime() -> tokio::runtime::Runtime {
    // Fails only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
