//! The daemon: polls due tasks, and has what it learns judged and stored.
//!
//! | module | owns |
//! | --- | --- |
//! | [`scheduling`] | which task is polled when: due tasks, rate limit, one pass for one task |
//! | [`writer`] | the only writer of the database: batches, ledger, maintenance |
//! | [`event_log`] | a line of the log for each event, and log throttling |
//! | [`supervision`] | the process: health of the database, systemd, signals, restart backoff |
//!
//! # Guarantees
//!
//! At most one pass is in flight for a task. Schedules, errors, the gate and every resume are in the database, so that a
//! restart misses nothing. What is in memory only makes growd more careful for a while (how often in a row the account was
//! refused, how far the clock leapt), or is read ahead, or was logged.
//!
//! # Assumptions
//!
//! It is the only daemon of its database, which the [`Lock`] ensures.
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
use crate::core::event::Event;
use crate::crash::{self, Point};
use crate::extruct::{Client, network};
use crate::logging::LogHandle;
use crate::store::{self, Lock, Mode, schema};
use crate::token::Token;
use event_log::EventLog;
use jiff::Timestamp;
use scheduling::{Context, RateLimiter, Scheduler};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use supervision::health::Health;
use supervision::signals::Signal;
use supervision::systemd::{self, Watchdog};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use writer::{Maintenance, StartedWriter, Writer};

pub use error::{ReloadError, RunError};

/// How often the database is asked whether another connection has written.
pub const TICK: Duration = Duration::from_secs(1);

/// How often the daemon records that it is well.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often history is pruned.
const PRUNING: Duration = Duration::from_hours(1);

/// What a stop allows beyond `api.timeout`, within which every request under way has ended.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// What a stop allows after that, for writing what was learnt and closing the database.
const CLOSING: Duration = Duration::from_secs(20);

/// What a stop may take when all else is over, before systemd takes it for stuck.
const LEEWAY: Duration = Duration::from_secs(5);

/// Runs the daemon of the command line until `signals` brings a stop.
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

/// Runs the daemon until `signals` brings a stop.
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
    let requests = Arc::new(AtomicU64::new(0));
    let client = Client::new(&settings.api, token)?.counting_in(requests.clone());
    let lock = Lock::take(&settings.database).await?;
    crash::at(Point::Locked);
    let mut connection = store::open(&settings.database, Mode::Daemon(&lock)).await?;
    schema::check_schema(&mut connection, &settings.database).await?;
    let reader = store::open(&settings.database, Mode::Read).await?;
    crash::at(Point::Opened);
    let gate = store::daemon::started(&mut connection, Timestamp::now()).await?;
    crash::at(Point::Started);
    // By now SQLite has created the write-ahead log too.
    let health = Health::of(&settings.database);
    let (drain, draining) = watch::channel(false);
    let StartedWriter {
        writer,
        gate,
        mut task,
    } = Writer::start(
        connection,
        gate,
        settings.policy,
        draining.clone(),
        health.clone(),
        requests.clone(),
    );
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
        health.clone(),
        settings.limits.concurrency,
        settings.policy,
        settings.results,
    );
    let mut daemon = Daemon {
        settings,
        writer: writer.clone(),
        rate_limiter,
        requests,
        event_log: EventLog::default(),
        announcement: None,
        reload_failed: false,
    };
    daemon.begin();

    let mut tick = every(TICK);
    let mut heartbeat = every(HEARTBEAT);
    let mut pruning = every(PRUNING);
    let mut watchdog = Watchdog::from_env();
    let mut ready = false;
    // Checked with each tick, and by the writer before it writes; not with each request.
    while health.was_well() {
        let wake = scheduler.dispatch().await;
        if !ready {
            systemd::ready();
            ready = true;
        }
        tokio::select! {
            () = scheduler.finished() => {}
            () = sleep_until(wake) => {}
            signal = signals.recv() => match signal {
                Some(Signal::Reload) => {
                    if let Some(client) = daemon.reload(&mut reload) {
                        let settings = &daemon.settings;
                        let concurrency = settings.limits.concurrency;
                        scheduler.reconfigure(client, concurrency, settings.policy, settings.results);
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
                writer.request(Maintenance::Heartbeat);
                systemd::status(&daemon.status(&mut scheduler).await);
            }
            _ = pruning.tick() => daemon.prune(),
            broken = &mut task => return Err(RunError::of_the_writer(broken)),
        }
    }

    daemon.withdraw_announcement();
    daemon.stop(scheduler, &drain, task).await;
    drop(lock);
    health.result().map_err(RunError::Unhealthy)
}

/// What the loop needs besides the scheduler.
struct Daemon {
    settings: Settings,
    writer: Writer,
    rate_limiter: Arc<RateLimiter>,
    /// The requests that all of its clients have sent.
    requests: Arc<AtomicU64>,
    event_log: EventLog,
    /// Announces the end of a reload to systemd.
    announcement: Option<AbortHandle>,
    /// The newest configuration could not be used.
    reload_failed: bool,
}

impl Daemon {
    fn begin(&mut self) {
        let started = Event::Started {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            database: self.settings.database.display().to_string(),
            service: self.settings.api.base_url.to_string(),
        };
        self.event_log.event(None, &started);
        // The configuration and the clock may have changed since the last daemon.
        for maintenance in [
            Maintenance::Record(started),
            Maintenance::Reschedule,
            Maintenance::ApplyPolicy(Box::new(self.settings.policy)),
        ] {
            self.writer.request(maintenance);
        }
    }

    /// Reads config and token again. What cannot be used is reported, and the old stays.
    fn reload(
        &mut self,
        read: &mut impl FnMut() -> Result<(Settings, Client), ReloadError>,
    ) -> Option<Arc<Client>> {
        self.withdraw_announcement();
        systemd::reloading();
        let fresh = read();
        crash::at(Point::ReloadRead);
        self.reload_failed = fresh.is_err();
        let (event, client) = match fresh {
            Ok((settings, client)) => {
                self.apply(settings);
                let client = client.counting_in(self.requests.clone());
                (Event::Reloaded {}, Some(Arc::new(client)))
            }
            Err(error) => {
                let error = error.to_string();
                (Event::ReloadFailed { error }, None)
            }
        };
        self.event_log.event(None, &event);
        // systemd waits for the end of a reload; signals and polls do not.
        let writer = self.writer.clone();
        let announcement = tokio::spawn(async move {
            let _ = writer.maintain(Maintenance::Record(event)).await;
            systemd::ready();
        });
        self.announcement = Some(announcement.abort_handle());
        client
    }

    fn apply(&mut self, mut settings: Settings) {
        if settings.database != self.settings.database {
            tracing::warn!("database.path has changed: that takes a restart");
            settings.database.clone_from(&self.settings.database);
        }
        if settings.log.format != self.settings.log.format {
            tracing::warn!("log.format has changed: that takes a restart");
        }
        let values = |settings: &Settings| {
            let growth = settings.policy.growth;
            [
                ("growth.daily_limit", growth.daily_limit),
                ("growth.monthly_limit", growth.monthly_limit),
                ("growth.reserve_credits", growth.reserve_credits),
            ]
        };
        for ((key, old), (_, new)) in values(&self.settings).into_iter().zip(values(&settings)) {
            if old != new {
                tracing::warn!("{key} was {old}, and is {new} now (0: no limit)");
            }
        }
        self.rate_limiter.set(settings.limits.requests_per_second);
        let policy = Box::new(settings.policy);
        self.writer.request(Maintenance::ApplyPolicy(policy));
        crash::at(Point::ReloadAdopted);
        self.settings = settings;
    }

    /// Lets requests in flight end, writes what they brought, and closes the database.
    async fn stop(
        &mut self,
        mut scheduler: Scheduler,
        drain: &watch::Sender<bool>,
        mut task: JoinHandle<()>,
    ) {
        let drain_timeout = self.settings.api.timeout + DRAIN_MARGIN;
        drain.send_replace(true);
        let in_flight = scheduler.in_flight();
        systemd::stopping(drain_timeout + CLOSING + LEEWAY);
        systemd::status(&format!("stopping, {in_flight} tasks in flight"));
        crash::at(Point::DrainBegins);
        tracing::info!("stopping, with {in_flight} tasks in flight");
        tokio::select! {
            drained = timeout(drain_timeout, scheduler.drain()) => if drained.is_err() {
                tracing::warn!("requests still in flight are given up; the next start settles them");
            },
            // Then nothing is left to store what is in flight, nor to stop.
            _ = &mut task => tracing::error!("nothing can be stored any more; the next start settles the rest"),
        }
        scheduler.close().await;
        crash::at(Point::Drained);
        let stopped = Event::Stopped {};
        self.writer.request(Maintenance::Record(stopped.clone()));
        if timeout(CLOSING, self.writer.clone().stop()).await.is_err() {
            tracing::error!(
                "the database could not be written before the end; the next start settles the rest"
            );
            // Before the lock is released: no other daemon may write meanwhile.
            task.abort();
            let _ = task.await;
        }
        self.event_log.event(None, &stopped);
    }

    /// Returns one line for `systemctl status`.
    async fn status(&self, scheduler: &mut Scheduler) -> String {
        let mut line = scheduler.status().await;
        if self.writer.is_stuck() {
            line += "; the database cannot be written: see the log";
        }
        if self.reload_failed {
            line += "; the last reload failed, the configuration before it stays";
        }
        line
    }

    /// Withdraws the announcement of a reload that was followed by another, or by a stop.
    fn withdraw_announcement(&mut self) {
        if let Some(announcement) = self.announcement.take() {
            announcement.abort();
        }
    }

    /// Prunes in batches, so that others write in between.
    fn prune(&self) {
        let writer = self.writer.clone();
        let before = Timestamp::now()
            .checked_sub(self.settings.history_keep)
            .unwrap_or(Timestamp::MIN);
        tokio::spawn(async move {
            while let Ok(1..) = writer.maintain(Maintenance::Prune(before)).await {}
        });
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
