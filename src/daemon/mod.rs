//! The daemon: takes due tasks from the database, looks at each, and has what it learnt written.
//!
//! # Guarantees
//!
//! One task is never in flight twice. Nothing is kept in memory that a restart would miss: schedules, errors,
//! the gate and every resume are in the database. What is in memory decides about no request, save to make growd more
//! careful for a while: how often in a row an account was refused, and how far the clock leapt. The rest is what was
//! read ahead, and what the log and the status line have told.
//!
//! # Assumptions
//!
//! It is the only daemon of its database, which the [`Lock`] sees to.
//!
//! # Caveats
//!
//! A change by another process is seen within [`TICK`], not at once.

pub mod error;
pub mod event_log;
pub mod scheduling;
pub mod supervision;
pub mod writer;

use crate::config::{self, Settings, Source};
use crate::core::step::Event;
use crate::crash::{self, Point};
use crate::extruct::{Client, network};
use crate::logging::LogHandle;
use crate::store::{self, Lock, Mode, schema};
use crate::token::Token;
use jiff::Timestamp;
use scheduling::{Context, RateLimiter, Scheduler};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use supervision::health::Health;
use supervision::signals::Signal;
use supervision::systemd::{self, Watchdog};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use writer::{Maintenance, StartedWriter, Writer};

pub use error::{ReloadError, RunError};

/// How often the database is asked whether somebody else has written.
pub const TICK: Duration = Duration::from_secs(1);

/// How often the daemon says that it is well.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often history is pruned.
const PRUNING: Duration = Duration::from_hours(1);

/// What a stop allows beyond `api.timeout`, within which every request under way has ended.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// What a stop allows after that, for writing what was learnt and closing the database.
const CLOSING: Duration = Duration::from_secs(20);

/// What a stop may take when all else is over, before systemd takes it for stuck.
const LEEWAY: Duration = Duration::from_secs(5);

/// Runs the daemon of the command line until it is told to stop through `signals`.
///
/// # Errors
///
/// [`RunError`] where it can't begin.
pub async fn run(
    source: Source,
    settings: Settings,
    token: Token,
    log: LogHandle,
    signals: mpsc::Receiver<Signal>,
) -> Result<(), RunError> {
    for warning in config::warnings() {
        tracing::warn!("{warning}");
    }
    let file = source.file();
    let mut had_text = source.has_text();
    let reload = move || {
        ReloadError::check(file.as_deref(), source.file().as_deref())?;
        let settings = source.load_again(&mut had_text)?;
        let token = Token::find(&settings.api)?;
        for warning in token.warnings() {
            tracing::warn!("{warning}");
        }
        network::check()?;
        let client = Client::new(&settings.api, token)?;
        log.set_level(&settings.log);
        Ok((settings, client))
    };
    serve(settings, token, signals, reload).await
}

/// Runs the daemon until it is told to stop through `signals`.
///
/// # Errors
///
/// [`RunError`] where it can't begin, and where nothing can be recorded any more.
pub async fn serve(
    settings: Settings,
    token: Token,
    mut signals: mpsc::Receiver<Signal>,
    mut reload: impl FnMut() -> Result<(Settings, Client), ReloadError>,
) -> Result<(), RunError> {
    let client = Client::new(&settings.api, token)?;
    let lock = Lock::take(&settings.database).await?;
    crash::at(Point::Locked);
    let mut connection = store::open(&settings.database, Mode::Daemon(&lock)).await?;
    schema::check_schema(&mut connection, &settings.database).await?;
    let reader = store::open(&settings.database, Mode::Read).await?;
    crash::at(Point::Opened);
    let gate = store::daemon::started(&mut connection, Timestamp::now()).await?;
    crash::at(Point::StartedWriter);
    // By now SQLite has made the log too.
    let health = Health::of(&settings.database);
    let (drain, draining) = watch::channel(false);
    let StartedWriter {
        writer,
        gate,
        landed,
        mut work,
    } = Writer::start(
        connection,
        gate,
        settings.policy,
        draining.clone(),
        health.clone(),
    )
    .map_err(RunError::Threads)?;
    let rate_limiter = Arc::new(RateLimiter::new(settings.limits.requests_per_second));
    let context = Context {
        client: Arc::new(client),
        writer: writer.clone(),
        rate_limiter: rate_limiter.clone(),
        gate,
        draining,
    };
    let mut scheduler = Scheduler::new(
        reader,
        context,
        landed,
        health.clone(),
        settings.limits.concurrency,
        settings.policy,
    );
    let mut daemon = Daemon {
        settings,
        writer: writer.clone(),
        rate_limiter,
        announcing: None,
        is_outdated: false,
    };
    daemon.begin();

    let mut tick = every(TICK);
    let mut heartbeat = every(HEARTBEAT);
    let mut pruning = every(PRUNING);
    let mut watchdog = Watchdog::from_env();
    let mut ready = false;
    // Looked at with each tick, and by the writer before it writes: not with each request.
    while health.was_well() {
        let wake = scheduler.launch().await;
        if !ready {
            systemd::ready();
            ready = true;
        }
        tokio::select! {
            () = scheduler.landed() => {}
            () = sleep_until(wake) => {}
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => {
                    if let Some(client) = daemon.reload(&mut reload) {
                        let settings = &daemon.settings;
                        scheduler.adopt(client, settings.limits.concurrency, settings.policy);
                    }
                }
                Some(Signal::Stop) | None => break,
            },
            _ = tick.tick() => {
                if !health.is_well() {
                    break;
                }
                scheduler.tick().await;
                writer.check_clock();
                watchdog.feed(writer.pulse());
            }
            _ = heartbeat.tick() => {
                writer.ask(Maintenance::Heartbeat);
                systemd::status(&daemon.status(&mut scheduler).await);
            }
            _ = pruning.tick() => daemon.prune(),
            broken = &mut work => return Err(RunError::of_the_writer(broken)),
        }
    }

    daemon.announce_nothing_more();
    daemon.wind_up(scheduler, &drain, work).await;
    drop(lock);
    health.verdict().map_err(RunError::Unhealthy)
}

/// What the loop needs besides the scheduler.
struct Daemon {
    settings: Settings,
    writer: Writer,
    rate_limiter: Arc<RateLimiter>,
    /// Tells systemd that a reload is over, once it is.
    announcing: Option<AbortHandle>,
    /// The newest configuration could not be used.
    is_outdated: bool,
}

impl Daemon {
    fn begin(&self) {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            database = %self.settings.database.display(),
            base_url = %self.settings.api.base_url,
            "started: version {}, database {}, service {}",
            env!("CARGO_PKG_VERSION"),
            self.settings.database.display(),
            self.settings.api.base_url
        );
        let started = Event {
            kind: "started",
            detail: json!({"version": env!("CARGO_PKG_VERSION"), "pid": std::process::id()}),
        };
        // The configuration and the clock may have changed since the last daemon.
        for maintenance in [
            Maintenance::Tell(started),
            Maintenance::PullBack,
            Maintenance::Adopt(Box::new(self.settings.policy)),
        ] {
            self.writer.ask(maintenance);
        }
    }

    /// Reads config and token again; what can't be used is told, and the old stays.
    fn reload(
        &mut self,
        read: &mut impl FnMut() -> Result<(Settings, Client), ReloadError>,
    ) -> Option<Arc<Client>> {
        // Not before the end of one that is under way is nobody's concern any more.
        self.announce_nothing_more();
        systemd::reloading();
        let fresh = read();
        crash::at(Point::ReloadRead);
        self.is_outdated = fresh.is_err();
        let (told, client) = match fresh {
            Ok((mut settings, client)) => {
                if settings.database != self.settings.database {
                    tracing::warn!("database.path has changed: that takes a restart");
                    settings.database.clone_from(&self.settings.database);
                }
                if settings.log.format != self.settings.log.format {
                    tracing::warn!("log.format has changed: that takes a restart");
                }
                let limits = [&self.settings, &settings].map(|s| s.policy.growth.daily_limit);
                if limits[0] != limits[1] {
                    tracing::warn!(
                        "growth.daily_limit was {}, and is {} now (0 is none)",
                        limits[0],
                        limits[1]
                    );
                }
                self.rate_limiter.set(settings.limits.requests_per_second);
                self.writer
                    .ask(Maintenance::Adopt(Box::new(settings.policy)));
                crash::at(Point::ReloadAdopted);
                self.settings = settings;
                tracing::info!("reloaded");
                (
                    Event {
                        kind: "reloaded",
                        detail: json!({}),
                    },
                    Some(Arc::new(client)),
                )
            }
            Err(error) => {
                tracing::error!("not reloaded: the old configuration stays: {error}");
                let detail = json!({"error": error.to_string()});
                (
                    Event {
                        kind: "reload_failed",
                        detail,
                    },
                    None,
                )
            }
        };
        // systemd waits for the end of a reload; signals and looks do not.
        let writer = self.writer.clone();
        let announcing = tokio::spawn(async move {
            let _ = writer.maintenance(Maintenance::Tell(told)).await;
            systemd::ready();
        });
        self.announcing = Some(announcing.abort_handle());
        client
    }

    /// Lets requests under way end, writes what came of them, and closes the database.
    async fn wind_up(
        &self,
        mut scheduler: Scheduler,
        drain: &watch::Sender<bool>,
        mut work: JoinHandle<()>,
    ) {
        let retry = self.settings.api.timeout + DRAIN_MARGIN;
        drain.send_replace(true);
        scheduler.recall();
        let in_flight = scheduler.in_flight();
        systemd::stopping(retry + CLOSING + LEEWAY);
        systemd::status(&format!("stopping, {in_flight} tasks under way"));
        crash::at(Point::DrainBegins);
        tracing::info!("stopping, with {in_flight} tasks under way");
        tokio::select! {
            drained = timeout(retry, scheduler.drain()) => if drained.is_err() {
                tracing::warn!("requests still under way are given up; the next start settles them");
            },
            // Then what is under way has nobody to store it, and there is nobody to stop either.
            _ = &mut work => tracing::error!("nothing can be stored any more; the next start settles the rest"),
        }
        scheduler.close().await;
        crash::at(Point::Drained);
        self.writer.ask(Maintenance::Tell(Event {
            kind: "stopped",
            detail: json!({}),
        }));
        if timeout(CLOSING, self.writer.clone().stop()).await.is_err() {
            tracing::error!(
                "the database could not be written before the end; the next start settles the rest"
            );
            // Before the lock is given back: nobody else may be at work meanwhile.
            work.abort();
            let _ = work.await;
        }
        tracing::info!("stopped");
    }

    /// One line for `systemctl status`.
    async fn status(&self, scheduler: &mut Scheduler) -> String {
        let mut line = scheduler.status().await;
        if self.writer.is_stuck() {
            line += "; the database cannot be written: see the log";
        }
        if self.is_outdated {
            line += "; the last reload failed, the configuration before it stays";
        }
        line
    }

    /// The end of a reload that was followed by another, or by a stop, is nobody's concern.
    fn announce_nothing_more(&mut self) {
        if let Some(announcing) = self.announcing.take() {
            announcing.abort();
        }
    }

    /// Prunes batch by batch, letting others write in between.
    fn prune(&self) {
        let writer = self.writer.clone();
        let before = Timestamp::now()
            .checked_sub(self.settings.history_keep)
            .unwrap_or(Timestamp::MIN);
        tokio::spawn(async move {
            while let Ok(1..) = writer.maintenance(Maintenance::Prune(before)).await {}
        });
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
