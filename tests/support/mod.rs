//! A stand-in service, a database and a daemon in one process; each test has its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod list;
pub mod mounts;
pub mod program;
pub mod proxy;
pub mod results;
pub mod searches;

use growd::config::{Api, Limits, Log, LogFormat, Results, Settings};
use growd::core::TaskId;
use growd::core::policy::{Growth, Policy, Polling, Retry};
use growd::daemon::supervision::signals::Signal;
use growd::daemon::{self, ReloadError};
use growd::extruct::Client;
use growd::store::tasks::{self, NewTask};
use growd::store::{self, Mode};
use growd::token::Token;
use growd_simulator::{Options, Scenario, Simulator};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Deadline of every wait: far longer than any of them takes, even on a loaded machine.
pub const TIMEOUT: Duration = Duration::from_mins(3);

/// A service, a database and, once started, a daemon.
pub struct Bench {
    pub service: Simulator,
    pub settings: Settings,
    pub dir: TempDir,
    daemon: Option<Running>,
}

struct Running {
    signals: mpsc::Sender<Signal>,
    handle: JoinHandle<Result<(), daemon::RunError>>,
}

impl Bench {
    /// Starts a service a thousand times as fast as the real one, with settings of the daemon to match.
    pub async fn new() -> Self {
        let mut options = Options::default();
        options.settings.speed = 1_000.0;
        Self::with(options).await
    }

    /// Starts a service with these options.
    pub async fn with(options: Options) -> Self {
        let service = growd_simulator::start(options)
            .await
            .expect("the stand-in starts");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = settings(&service.url(), &dir);
        Self {
            service,
            settings,
            dir,
            daemon: None,
        }
    }

    /// Adds a task to the service, and its target to the database.
    pub async fn grow(&self, scenario: &Scenario, target: i64) -> TaskId {
        let id: TaskId = self.service.add_task(scenario).parse().expect("an id");
        self.want(&id, target, None).await;
        id
    }

    /// Sets a target.
    pub async fn want(&self, id: &TaskId, target: i64, chunk: Option<i64>) {
        let mut connection = self.connection().await;
        let new = NewTask {
            target,
            chunk,
            budget: None,
            note: None,
        };
        tasks::upsert(&mut connection, id, &new)
            .await
            .expect("an upsert");
    }

    /// Starts the daemon.
    pub fn start(&mut self) {
        self.start_with_reload(|_| {});
    }

    /// Starts the daemon; a reload applies `change` to its settings.
    pub fn start_with_reload(&mut self, change: impl FnOnce(&mut Settings)) {
        let (signals, inbox) = mpsc::channel(8);
        let token = self.token();
        let settings = self.settings.clone();
        let mut again = settings.clone();
        change(&mut again);
        let reload = move || {
            let client = Client::new(&again.api, Token::find(&again.api)?)?;
            Ok::<_, ReloadError>((again.clone(), client))
        };
        let handle = tokio::spawn(daemon::serve(settings, token, inbox, reload));
        self.daemon = Some(Running { signals, handle });
    }

    /// Stops the daemon as SIGTERM does.
    pub async fn stop(&mut self) {
        let running = self.daemon.take().expect("a daemon runs");
        running
            .signals
            .send(Signal::Stop)
            .await
            .expect("the daemon receives signals");
        running
            .handle
            .await
            .expect("no panic")
            .expect("a clean shutdown");
    }

    /// Aborts the daemon without a shutdown, as far as that is possible within a process.
    pub async fn abort(&mut self) {
        let running = self.daemon.take().expect("a daemon runs");
        running.handle.abort();
        let _ = running.handle.await;
    }

    /// Sends the daemon a signal.
    pub async fn signal(&self, signal: Signal) {
        let running = self.daemon.as_ref().expect("a daemon runs");
        running
            .signals
            .send(signal)
            .await
            .expect("the daemon receives signals");
    }

    /// Opens a connection that can write.
    pub async fn connection(&self) -> SqliteConnection {
        // A daemon that creates the database holds its lock for a moment.
        let begin = Instant::now();
        loop {
            match store::open(&self.settings.database, Mode::Write).await {
                Ok(connection) => return connection,
                Err(error) => assert!(begin.elapsed() < TIMEOUT, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs a statement.
    pub async fn execute(&self, sql: &'static str) {
        sqlx::query(sql)
            .execute(&mut self.connection().await)
            .await
            .expect(sql);
    }

    /// Runs a statement as under earlier versions: without the triggers that refuse other forms of ids.
    pub async fn execute_as_before(&self, sql: &str) {
        let mut connection = self.connection().await;
        let triggers: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, sql FROM sqlite_schema WHERE name IN ('tasks_id_is_plain', 'tasks_id_is_new')",
        )
        .fetch_all(&mut connection)
        .await
        .expect("the triggers");
        assert_eq!(triggers.len(), 2, "the triggers");
        let drops = triggers
            .iter()
            .map(|(name, _)| format!("DROP TRIGGER {name}"));
        let makes = triggers.iter().map(|(_, sql)| sql.clone());
        for sql in drops.chain([sql.to_owned()]).chain(makes) {
            sqlx::raw_sql(AssertSqlSafe(sql.clone()))
                .execute(&mut connection)
                .await
                .expect(&sql);
        }
    }

    /// Returns the one value that a query selects.
    pub async fn value<T>(&self, sql: &'static str) -> T
    where
        for<'r> (T,): sqlx::FromRow<'r, SqliteRow>,
        T: Send + Unpin,
    {
        let (value,): (T,) = sqlx::query_as(sql)
            .fetch_one(&mut self.connection().await)
            .await
            .expect(sql);
        value
    }

    /// Waits until a query returns 1.
    pub async fn until(&self, sql: &'static str) {
        let begin = Instant::now();
        let mut connection = self.connection().await;
        loop {
            let holds: i64 = sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .expect(sql);
            if holds == 1 {
                return;
            }
            let in_time = begin.elapsed() < TIMEOUT;
            assert!(in_time, "never true: {sql}\n{}", self.dump().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every task has ended and is polled no more. A missing task is still polled once a day.
    pub async fn until_all_ended(&self) {
        self.until(
            "SELECT NOT EXISTS (SELECT 1 FROM progress
                                 WHERE state IN ('pending', 'growing')
                                    OR (next_poll_at IS NOT NULL AND state <> 'missing'))",
        )
        .await;
    }

    /// Returns the state of a task.
    pub async fn state(&self, id: &TaskId) -> String {
        sqlx::query_scalar("SELECT state FROM progress WHERE task_id = ?")
            .bind(id.as_str())
            .fetch_one(&mut self.connection().await)
            .await
            .expect("a state")
    }

    /// Asserts that growd's ledger matches the service's: it has every resume that took effect, and none took effect
    /// twice.
    pub async fn assert_ledgers_agree(&self) {
        let twice: Vec<_> = duplicates(&self.service);
        assert!(twice.is_empty(), "took effect twice: {twice:?}");
        let effects = self
            .service
            .ledger()
            .iter()
            .filter(|entry| entry.took_effect)
            .count();
        let accepted: i64 = self
            .value("SELECT count(*) FROM resumes WHERE state = 'accepted'")
            .await;
        let intended: i64 = self
            .value("SELECT count(*) FROM resumes WHERE state = 'intended'")
            .await;
        assert_eq!(intended, 0, "{}", self.dump().await);
        assert_eq!(
            accepted,
            i64::try_from(effects).unwrap(),
            "{}",
            self.dump().await
        );
        let integrity: String = self.value("PRAGMA integrity_check").await;
        assert_eq!(integrity, "ok");
    }

    /// Prints requests, faults, resumes that took effect, and the final states.
    pub async fn print_figures(&self) {
        let requests = self.service.requests();
        println!("requests {} {:?}", requests.total, requests.by_kind);
        println!("faults {:?}", requests.by_fault);
        let ledger = self.service.ledger();
        let effects = ledger.iter().filter(|entry| entry.took_effect).count();
        println!("effects {effects}");
        for (what, sql) in [
            (
                "states",
                "SELECT state, count(*) FROM progress GROUP BY 1 ORDER BY 1",
            ),
            (
                "resumes",
                "SELECT state, count(*) FROM resumes GROUP BY 1 ORDER BY 1",
            ),
        ] {
            let counts: Vec<(String, i64)> = sqlx::query_as(sql)
                .fetch_all(&mut self.connection().await)
                .await
                .expect(sql);
            println!("{what} {counts:?}");
        }
    }

    /// Returns the tasks and their resumes, for the message of a failed assertion.
    pub async fn dump(&self) -> String {
        let mut connection = self.connection().await;
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT json_object('task', o.task_id, 'state', o.state, 'reason', o.reason, 'n', o.num_results,
                                'target', o.target, 'status', o.status, 'next', o.next_poll_at,
                                'error', o.last_error,
                                'resumes', (SELECT group_concat(requested || ':' || state || ':' || ifnull(brought, '-'))
                                              FROM resumes r WHERE r.task_id = o.task_id))
               FROM overview o LIMIT 30",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap_or_default();
        rows.join("\n")
    }

    fn token(&self) -> Token {
        Token::find(&self.settings.api).expect("a token")
    }
}

/// Returns the number in an environment variable, with which an operator makes a test larger.
pub fn from_env<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .ok()
            .unwrap_or_else(|| panic!("{name}: {text}")),
        Err(_) => default,
    }
}

/// A task that is `done` at 25 results, with many more to find.
pub fn plenty() -> Scenario {
    Scenario {
        pool: Some(5_000),
        fit_rate: Some(0.5),
        rate_per_minute: Some(6_000.0),
        ..Scenario::done(25)
    }
}

/// Returns the resumes that took effect twice for one baseline.
pub fn duplicates(service: &Simulator) -> Vec<(String, u32, u32)> {
    let mut seen = std::collections::HashSet::new();
    service
        .ledger()
        .into_iter()
        .filter(|entry| entry.took_effect)
        .map(|entry| {
            (
                entry.task_id,
                entry.baseline_desired,
                entry.baseline_results,
            )
        })
        .filter(|baseline| !seen.insert(baseline.clone()))
        .collect()
}

/// Settings for a service a thousand times as fast as the real one.
pub fn settings(url: &str, dir: &TempDir) -> Settings {
    let token_file: PathBuf = dir.path().join("token");
    std::fs::write(&token_file, "a-token-for-tests\n").expect("a token file");
    Settings {
        api: Api {
            base_url: url.parse().expect("a URL"),
            token_file: Some(token_file),
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
        },
        database: dir.path().join("growd.db"),
        policy: Policy {
            growth: Growth {
                chunk: 250,
                task_cap: 250,
                max_stalled: 2,
                max_waste: 250,
                daily_limit: 0,
                monthly_limit: 0,
                reserve_credits: 0,
                exclude_cap: 1_000,
                settle: Duration::from_millis(500),
            },
            polling: Polling {
                min_interval: Duration::from_millis(10),
                max_interval: Duration::from_millis(100),
                quiet_after: Duration::from_hours(6),
                list_page: 0,
            },
            retry: Retry {
                initial: Duration::from_millis(10),
                max: Duration::from_millis(200),
            },
            probe_interval: Duration::from_millis(100),
            keeps_results: false,
        },
        // Tests that read results say so.
        results: Results {
            keep: false,
            page: 100,
            live: Duration::ZERO,
        },
        limits: Limits {
            concurrency: 16,
            requests_per_second: 0.0,
        },
        history_keep: Duration::from_hours(24),
        log: Log {
            level: "debug".parse().expect("a level"),
            format: LogFormat::Text,
        },
    }
}
