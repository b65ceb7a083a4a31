//! `growd demo`: stand-in, daemon and live progress in one process, without an account.

use super::output::{self, print_message};
use super::search::table::of as table_of_searches;
use super::{Exit, interrupted, watch};
use crate::config::{Settings, Source};
use crate::daemon::supervision::signals::Signal;
use crate::daemon::{self, ReloadError};
use crate::store::searches::edit::{self, NewSearch};
use crate::store::tasks::{self, NewTask};
use crate::store::{self, Mode, StoreError, overview, readings, searches};
use crate::token::{Token, TokenError};
use anyhow::{Context as _, bail};
use clap::Args;
use comfy_table::Cell;
use futures_util::TryStreamExt;
use growd_simulator::{FailAt, Options, Scenario, Simulator};
use jiff::Timestamp;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Any text: the stand-in takes every token.
const TOKEN: &str = "a-token-that-only-the-stand-in-takes";

/// Speed of the stand-in relative to the real service.
const SPEED: f64 = 20.0;

/// Companies that match each query: enough for the search of several tasks.
const MARKET: u32 = 3_000;

/// The search of several tasks: its name, its query, and the number of companies wanted.
const WHOLE_SEARCH: (&str, &str, i64) = (
    "freight-saas",
    "Vertical software companies serving freight forwarders",
    600,
);

/// The longest time in which the results of all searches are read, so that the demo takes less than a minute.
const READING_MAX: Duration = Duration::from_secs(30);

/// Interval between checks whether they are read.
const READING_CHECK: Duration = Duration::from_millis(250);

/// Show growd at work, without an account
///
/// Starts a local stand-in for the service, grows a handful of tasks to their targets in under a minute with live
/// progress, and one search of 600 companies over three tasks. Keeps the companies that they find, and prints the path of
/// the database.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  growd demo
  growd demo --database ./demo.db")]
pub struct Demo {}

impl Demo {
    pub(super) async fn run(self, source: Source) -> anyhow::Result<Exit> {
        let database = new_database(source.database)?;
        let service = growd_simulator::start(options()).await?;
        let settings = settings(&service, &database)?;
        let token = Token::for_stand_in(TOKEN)?;
        for task in TASKS {
            task.begin(&service, &database).await?;
        }
        let (name, query, target) = WHOLE_SEARCH;
        let mut connection = store::open(&database, Mode::Write).await?;
        let search = NewSearch {
            query: Some(query),
            target,
            note: Some("600 companies over three tasks"),
            ..NewSearch::default()
        };
        edit::insert(&mut connection, name, &search, false).await?;
        drop(connection);
        print_message(format_args!(
            "the daemon grows {} tasks and a search of {target} companies at a stand-in for the service, {SPEED} times as fast as the real one:",
            TASKS.len()
        ));

        let (signals, inbox) = mpsc::channel(1);
        let no_reload = || Err::<_, ReloadError>(TokenError::Missing.into());
        let mut daemon = tokio::spawn(daemon::serve(settings, token, inbox, no_reload));
        let interrupt = interrupted()?;
        let followed = async {
            watch::follow(&database, std::future::pending()).await?;
            wait_for_results(&database).await
        };
        let ended_early = tokio::select! {
            () = interrupt => None,
            followed = followed => { followed?; None }
            ended = &mut daemon => Some(ended),
        };
        let _ = signals.send(Signal::Stop).await;
        let ended = match ended_early {
            Some(ended) => ended,
            None => daemon.await,
        };
        ended.context("the daemon panicked")??;
        service.shutdown().await;
        print_summary(&database).await?;
        Ok(Exit::Done)
    }
}

/// One of the demo's tasks.
struct DemoTask {
    /// What it demonstrates.
    note: &'static str,
    query: &'static str,
    target: i64,
    chunk: Option<i64>,
    /// Number of candidates.
    pool: u32,
    fail_at: Option<u32>,
}

/// Five tasks with five different ends. Each starts as done with 25 results, like a task of the service.
const TASKS: [DemoTask; 5] = [
    DemoTask {
        note: "one resume is enough",
        query: "Dutch logistics software companies with a public API",
        target: 100,
        chunk: None,
        pool: 5_000,
        fail_at: None,
    },
    DemoTask {
        note: "in chunks of 40",
        query: "German mid-market machine builders that sell spare parts online",
        target: 150,
        chunk: Some(40),
        pool: 5_000,
        fail_at: None,
    },
    DemoTask {
        note: "the service runs out",
        query: "Family-owned cheese dairies in Wallonia that export",
        target: 200,
        chunk: None,
        pool: 180,
        fail_at: None,
    },
    DemoTask {
        note: "more than the service's cap",
        query: "Series B fintech companies in Europe",
        target: 400,
        chunk: None,
        pool: 5_000,
        fail_at: None,
    },
    DemoTask {
        note: "the service gives up",
        query: "Battery recycling start-ups founded after 2020",
        target: 120,
        chunk: None,
        pool: 5_000,
        fail_at: Some(60),
    },
];

impl DemoTask {
    async fn begin(&self, service: &Simulator, database: &Path) -> anyhow::Result<()> {
        let scenario = Scenario {
            query: Some(self.query.to_owned()),
            pool: Some(self.pool),
            fit_rate: Some(0.5),
            rate_per_minute: Some(100.0),
            fail_at: self.fail_at.map(FailAt::Results),
            ..Scenario::done(25)
        };
        let id = service.add_task(&scenario).parse()?;
        let mut connection = store::open(database, Mode::Write).await?;
        let new = NewTask {
            target: self.target,
            chunk: self.chunk,
            budget: None,
            note: Some(self.note),
        };
        tasks::upsert(&mut connection, &id, &new).await?;
        Ok(())
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.settings.speed = SPEED;
    options.settings.semantics.market = Some(MARKET);
    // New ids in each run, as with the real service.
    options.seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_secs());
    options
}

/// Returns the path of a database that does not exist: the named one, or one in a new directory.
fn new_database(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(database) = named {
        if database.exists() {
            // Its tasks are those of another service; the stand-in would report all of them as missing.
            bail!(
                "{} exists: the demo needs a new database, so name a file that does not exist",
                database.display()
            );
        }
        return Ok(database);
    }
    // A random name, and an error if the directory exists: another user must not provide the files in it.
    let name = format!("growd-demo-{:08x}", rand::random::<u32>());
    let dir = std::env::temp_dir().join(name);
    DirBuilder::new()
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("the directory {} cannot be created", dir.display()))?;
    Ok(dir.join("growd.db"))
}

fn settings(service: &Simulator, database: &Path) -> anyhow::Result<Settings> {
    let mut settings = Settings::from_toml(
        "the demo's config",
        r#"
        [api]
        timeout = "2s"
        [growth]
        settle = "3s"
        [polling]
        min_interval = "250ms"
        max_interval = "2s"
        [retry]
        initial = "250ms"
        max = "5s"
        "#,
    )?;
    settings.api.base_url = service.url().parse()?;
    database.clone_into(&mut settings.database);
    Ok(settings)
}

/// Waits until the results of each search are read, for [`READING_MAX`] at most.
async fn wait_for_results(database: &Path) -> anyhow::Result<()> {
    print_message("the searches have ended; growd reads the companies that they found");
    let mut connection = store::open(database, Mode::Read).await?;
    let read = async {
        while readings::is_unread(&mut connection).await? {
            sleep(READING_CHECK).await;
        }
        Ok::<_, StoreError>(())
    };
    // Without all of them the summary says how many there are.
    timeout(READING_MAX, read).await.unwrap_or(Ok(()))?;
    Ok(())
}

/// Prints the final table, the way to the companies, and example queries.
async fn print_summary(database: &Path) -> anyhow::Result<()> {
    let mut connection = store::open(database, Mode::Read).await?;
    let mut table = output::table(&["task", "state", "results", "requested", "why"]);
    let mut rows = overview::rows(&mut connection, None, overview::RowOrder::Added);
    while let Some(row) = rows.try_next().await? {
        let part = row.search.as_ref().zip(row.part);
        let part = part.map(|(search, part)| format!("part {part} of {search}"));
        let cells = vec![
            Cell::new(
                row.note
                    .map_or_else(|| part.unwrap_or_default(), |note| note.to_string()),
            ),
            output::state(&row.state),
            output::number(format!(
                "{} of {}",
                row.num_results.unwrap_or(0),
                row.target
            )),
            output::number(row.requested),
            Cell::new(row.reason.unwrap_or_default()),
        ];
        output::add_row(&mut table, cells);
    }
    drop(rows);
    let searches = searches::overview::rows(&mut connection, None, None).await?;
    let searches = table_of_searches(&searches, Timestamp::now());
    let companies = readings::companies(&mut connection).await?;
    let path = database.display();
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    output::write(&mut out, &table)?;
    writeln!(out)?;
    output::write(&mut out, &searches)?;
    writeln!(
        out,
        "\n{companies} companies were found. Export them with:\n"
    )?;
    writeln!(
        out,
        "  growd --database {path} results --distinct --output companies.csv"
    )?;
    let (name, ..) = WHOLE_SEARCH;
    writeln!(
        out,
        "  growd --database {path} results --search {name} --distinct --output {name}.csv"
    )?;
    writeln!(out, "\nThe database is {path}. Query it with:\n")?;
    writeln!(
        out,
        "  sqlite3 -box {path} \"SELECT note, state, num_results, target, requested FROM overview\""
    )?;
    writeln!(
        out,
        "  sqlite3 -box {path} \"SELECT sent_at, task_id, requested, state, brought FROM resumes\""
    )?;
    Ok(())
}
