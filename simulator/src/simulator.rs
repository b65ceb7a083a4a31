//! Starts the simulator, and the handle of a running one.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    faults::{FaultPlan, Rule},
    options::{Options, Scenario, Settings},
    server::{
        self,
        connection::{ConnectionHandle, ConnectionListener, Connections},
    },
    state::{Clock, RequestLog, Shared, State},
    world::{CreateEntry, LedgerEntry, RunEntry, World},
};

/// Starts the simulator. It serves until the [`Simulator`] is shut down or dropped.
///
/// # Errors
///
/// Fails if it cannot listen on the address, and with `InvalidInput` if an option is invalid.
pub async fn start(options: Options) -> io::Result<Simulator> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    options.settings.check().map_err(invalid)?;
    options.created.check().map_err(invalid)?;
    let mut state = State {
        clock: Clock::new(options.settings.speed),
        settings: options.settings,
        world: World::new(options.seed, Timestamp::now()),
        fault_plan: FaultPlan::new(options.seed),
        requests: RequestLog::default(),
        created: Scenario {
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
    let connections = Connections::default();
    let listener = ConnectionListener {
        listener,
        connections: connections.clone(),
    };
    let shared = Arc::new(Shared::new(state));
    let service: IntoMakeServiceWithConnectInfo<_, ConnectionHandle> =
        server::router(Arc::clone(&shared)).into_make_service_with_connect_info();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async {
            // An error means that the sender was dropped, which is a stop too.
            let _ = stopped.await;
        };
        let serve = axum::serve(listener, service).with_graceful_shutdown(stopped);
        // It never fails, according to its documentation.
        let _ = serve.await;
    });
    Ok(Simulator {
        addr,
        shared,
        connections,
        stop: Some(stop),
        serving,
    })
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    connections: Connections,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// Returns the address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the base URL for clients, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Adds a task and returns its id.
    ///
    /// # Panics
    ///
    /// Panics if the scenario is invalid.
    #[allow(
        clippy::must_use_candidate,
        reason = "a caller that chose the id does not need it"
    )]
    pub fn add_task(&self, scenario: &Scenario) -> String {
        valid(self.state().add(scenario))
    }

    /// Appends a rule to the script of faults.
    ///
    /// # Panics
    ///
    /// Panics if the fault is invalid, such as a status of 200 without a body, or a fault of the list for another endpoint.
    pub fn script(&self, rule: Rule) {
        valid(rule.check());
        self.state().fault_plan.script.push(rule);
    }

    /// Removes all rules from the script.
    pub fn clear_script(&self) {
        self.state().fault_plan.script.clear();
    }

    /// Returns the rules of the script that have not ended.
    #[must_use]
    pub fn pending_script(&self) -> Vec<Rule> {
        self.state().fault_plan.script.clone()
    }

    /// Changes settings, from the next request on.
    ///
    /// # Panics
    ///
    /// Panics if the new settings are invalid.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        let mut state = self.state();
        let mut settings = state.settings.clone();
        change(&mut settings);
        valid(state.set(settings));
    }

    /// Returns every resume that reached the world.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.state().world.ledger().to_vec()
    }

    /// Returns every create that reached the world.
    #[must_use]
    pub fn creates(&self) -> Vec<CreateEntry> {
        self.state().world.creates().to_vec()
    }

    /// Returns every finished run, with the time of its end and of the first poll and the first page that showed it.
    #[must_use]
    pub fn runs(&self) -> Vec<RunEntry> {
        self.state().runs()
    }

    /// Returns the log of requests.
    #[must_use]
    pub fn requests(&self) -> RequestLog {
        self.state().requests.clone()
    }

    /// Returns the task as a GET would show it, without counting as one; `None` if it does not exist.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<serde_json::Value> {
        self.state().inspect(id)
    }

    /// Moves virtual time forward.
    pub fn advance(&self, by: Duration) {
        self.state().clock.advance(by);
    }

    /// Stops listening, closes all connections and waits for the end of the server.
    pub async fn shutdown(mut self) {
        self.stop();
        // An error is a panic of the server, which is already on stderr.
        let _ = (&mut self.serving).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.connections.close_all();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop();
    }
}

fn valid<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
