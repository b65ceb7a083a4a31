//! Starts the stand-in, and the handle to a running one.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    faults::{plan::FaultPlan, rules::Rule},
    options::{Options, scenario::Scenario, settings::Settings},
    server::{
        self,
        connection::{ConnectionHandle, ConnectionListener, Connections},
    },
    state::{Shared, State, clock::Clock, request_log::RequestLog},
    world::{
        World,
        ledger::{LedgerEntry, RunEntry},
    },
};

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
    let port = ConnectionListener {
        listener,
        connections: connections.clone(),
    };
    let shared = Arc::new(Shared::new(state));
    let service: IntoMakeServiceWithConnectInfo<_, ConnectionHandle> =
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
        connections,
        stop: Some(stop),
        serving,
    })
}

/// A running stand-in.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    connections: Connections,
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
        self.shared.lock().fault_plan.script.push(rule);
    }

    /// Drops all faults that are still to come from the script.
    pub fn clear_script(&self) {
        self.shared.lock().fault_plan.script.clear();
    }

    /// Faults that are still to come from the script.
    #[must_use]
    pub fn pending_script(&self) -> Vec<Rule> {
        self.shared.lock().fault_plan.script.clone()
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
    pub fn requests(&self) -> RequestLog {
        self.shared.lock().requests.clone()
    }

    /// The task as a GET would show it now, without being one; `None` if there is no such task.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<serde_json::Value> {
        self.shared.lock().inspect(id)
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
        self.connections.close_all();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.halt();
    }
}
