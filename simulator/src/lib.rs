//! The stand-in: a local server that plays the Extruct Deep Search API.
//!
//! It is what `growd simulate` and `growd demo` run, and what the tests run against. Searches grow
//! in virtual time, everything about them follows from a seed, each thing that is not known about
//! the real service is a switch ([`Semantics`]), and each way in which a request can go wrong can
//! be had on request ([`Fault`]).
//!
//! # Guarantees
//!
//! The same seed and the same requests at the same virtual times give the same answers. The
//! [ledger](Simulator::ledger) holds every resume that reached the world, answered or not.
//!
//! # Caveats
//!
//! It is made from the public documentation alone: the default page sizes and the wording of errors
//! are guesses. It has one account: every task in it can be read, resumed and excluded.
//!
//! # Map
//!
//! - The world, pure and without a clock: `model` (all searches), `task` (one of them), `brief`
//!   (what it was created with), `fit` (how many candidates fit), `market` (which companies they
//!   are, and in which order), `companies` (what is known about a company), `dice` (seeded chance).
//! - What can be set: `scenario`, `semantics`, `settings`, `flags`.
//! - What goes wrong: `faults` (the kinds), `chance` (when), `deliver` (doing it), `line` (the
//!   sockets it is done to).
//! - The service: `api` (endpoints), `fields` and `answer` (as `FastAPI` has them), `control`,
//!   `server`, `state`, `clock`, `log`, `ledger`.

mod answer;
mod api;
mod brief;
mod chance;
mod clock;
mod companies;
mod control;
mod deliver;
mod dice;
mod faults;
mod fields;
mod fit;
mod flags;
mod ledger;
mod line;
mod log;
mod market;
mod model;
mod scenario;
mod semantics;
mod server;
mod settings;
mod state;
mod task;
#[cfg(test)]
mod world_tests;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use self::{
    chance::{Chaos, Odds, On, Rule},
    faults::Fault,
    flags::Flags,
    ledger::{LedgerEntry, RunEntry},
    log::{RequestEntry, Requests},
    scenario::{FailAt, Scenario, Shape},
    semantics::{
        CapCounts, CapExcess, Desired, Excess, Falls, ListOrder, ListShows, RefusalBody, Scores,
        Semantics, WhileRunning,
    },
    settings::Settings,
};

use self::{
    chance::Fate,
    clock::Clock,
    line::{Cutter, Lines, Port},
    model::World,
    state::{Shared, State},
};

/// How to start the stand-in.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// From which everything follows that is left to chance.
    pub seed: u64,
    /// What can also be changed later on.
    pub settings: Settings,
    /// The searches to start with.
    pub tasks: Vec<Scenario>,
    /// What searches are like that clients create; their own query and size come on top.
    pub created: Scenario,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            seed: 1,
            settings: Settings::default(),
            tasks: Vec::new(),
            created: Scenario::default(),
        }
    }
}

/// Starts the stand-in; it serves until the [`Simulator`] is shut down or dropped.
///
/// # Errors
///
/// Fails where the address cannot be listened on, and (as `InvalidInput`) where an option makes
/// no sense.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    options.settings.check().map_err(invalid)?;
    options.created.check().map_err(invalid)?;
    let mut state = State {
        clock: Clock::new(options.settings.speed),
        settings: options.settings,
        world: World::new(options.seed, Timestamp::now()),
        fate: Fate::new(options.seed),
        requests: Requests::default(),
        fresh: Scenario {
            id: None,
            results: None,
            ..options.created
        },
    };
    for scenario in &options.tasks {
        state.add(scenario).map_err(invalid)?;
    }
    let listener = TcpListener::bind(options.listen).await?;
    let addr = listener.local_addr()?;
    let lines = Lines::default();
    let port = Port {
        listener,
        lines: lines.clone(),
    };
    let shared = Arc::new(Shared::new(state));
    let service: IntoMakeServiceWithConnectInfo<_, Cutter> =
        server::router(Arc::clone(&shared)).into_make_service_with_connect_info();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async {
            // An error is the sender's end, which is a stop as well.
            let _ = stopped.await;
        };
        let serve = axum::serve(port, service).with_graceful_shutdown(stopped);
        // It never fails, by its documentation.
        let _ = serve.await;
    });
    Ok(Simulator {
        addr,
        shared,
        lines,
        stop: Some(stop),
        serving,
    })
}

/// A running stand-in.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    lines: Lines,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL for clients, with no slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Adds a search and returns its id.
    ///
    /// # Panics
    ///
    /// Where the scenario makes no sense, with what is wrong with it.
    #[allow(
        clippy::must_use_candidate,
        reason = "who chose the id has nothing to learn from it"
    )]
    pub fn add_task(&self, scenario: &Scenario) -> String {
        match self.shared.lock().add(scenario) {
            Ok(id) => id,
            Err(error) => panic!("{error}"),
        }
    }

    /// Appends a fault to the script.
    ///
    /// # Panics
    ///
    /// Where the fault makes no sense, such as a status of 200.
    pub fn script(&self, rule: Rule) {
        if let Err(error) = rule.fault.check() {
            panic!("{error}");
        }
        self.shared.lock().fate.script.push(rule);
    }

    /// Drops all faults that are still to come from the script.
    pub fn clear_script(&self) {
        self.shared.lock().fate.script.clear();
    }

    /// Faults that are still to come from the script.
    #[must_use]
    pub fn pending_script(&self) -> Vec<Rule> {
        self.shared.lock().fate.script.clone()
    }

    /// Changes settings; they hold from the next request on.
    ///
    /// # Panics
    ///
    /// Where the new settings make no sense, with what is wrong with them.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.shared.lock();
        let mut settings = state.settings.clone();
        change(&mut settings);
        if let Err(error) = state.set(settings) {
            panic!("{error}");
        }
    }

    /// Every resume that reached the world.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.shared.lock().world.ledger().to_vec()
    }

    /// Every run that is over, with when it ended and when a client first saw that.
    #[must_use]
    pub fn runs(&self) -> Vec<RunEntry> {
        self.shared.lock().runs()
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.lock().requests.clone()
    }

    /// The task as a GET would show it now, without being one; `None` if there is no such task.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<serde_json::Value> {
        self.shared.lock().peek(id)
    }

    /// Moves virtual time forward.
    pub fn advance(&self, by: Duration) {
        self.shared.lock().clock.advance(by);
    }

    /// Stops listening, cuts all connections and waits until that is done.
    pub async fn shutdown(mut self) {
        self.halt();
        // An error would be a panic of the server, which has been reported as such.
        let _ = (&mut self.serving).await;
    }

    fn halt(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.lines.cut_all();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.halt();
    }
}
