//! Searches: one transaction for each decision, answer to a create, or reading of the list.
//!
//! # Guarantees
//!
//! As for resumes: a permit to send a create is given only once its `intended` row is durable, and a decision is made on rows
//! read in the transaction that stores it.

use super::batch::BatchContext;
use super::creates::{answered, attributed, listed};
use super::maintenance::store_gate;
use super::retry::WriteRetry;
use super::spending::Spending;
use super::task::{WriterTask, add_requests};
use crate::core::Failure;
use crate::core::event::Event;
use crate::core::gate::{Admission, Gate, Kind, Request};
use crate::core::search::Search;
use crate::core::search::answered::{CreateAnswer, list_failed};
use crate::core::search::create::Create;
use crate::core::search::event::SearchEvent;
use crate::core::search::list_reading::WholeList;
use crate::core::search::step::{Asks, Step, next_step};
use crate::core::spending::Account;
use crate::crash::{self, Point};
use crate::daemon::error::panic_message;
use crate::store::search_progress::{self, add_part, set_target};
use crate::store::{self, StoreError, creates, history};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;

/// The permit to send one create, given once its row is durable. Sending the create uses it up.
#[derive(Debug)]
pub struct CreatePermit {
    /// The ledger's row.
    pub create_id: i64,
    /// The body to send.
    pub body: Value,
    /// The permit expires then. The settling time of an unanswered create counts from when it was written down.
    pub send_before: Instant,
}

/// What is known anew of a search.
#[derive(Debug, Clone)]
pub enum SearchUpdate {
    /// It is due: decide.
    Due,
    /// A create was answered.
    Answered(CreateAnswer),
    /// The list was read.
    Listed {
        /// What it shows.
        list: WholeList,
        /// Whether the gate learns of it: once, though the reading is stored for several searches.
        gate_learns: bool,
    },
    /// The list could not be read.
    ListFailed {
        /// Why not.
        failure: Failure,
        /// When the request that failed was begun.
        began_at: Timestamp,
        /// As in [`Listed`](Self::Listed).
        gate_learns: bool,
    },
}

/// What follows from an update.
#[derive(Debug)]
pub struct Decided {
    /// The permit for the create that follows.
    pub permit: Option<CreatePermit>,
    /// What to ask the service for first.
    pub asks: Asks,
    /// The creates that the list is to be searched for.
    pub open: Option<Create>,
}

/// What a transaction did, once it is committed.
struct Stored {
    decided: Decided,
    events: Vec<SearchEvent>,
    /// Events of the gate and the limits.
    account_events: Vec<Event>,
    gate: Gate,
}

impl WriterTask {
    /// Stores what is known anew of a search, and decides what follows.
    pub(super) async fn store_search(
        &mut self,
        name: &str,
        update: &SearchUpdate,
    ) -> Result<Decided, StoreError> {
        if let SearchUpdate::Answered(answer) = update {
            self.creates_in_flight.remove(&answer.create_id);
        }
        let mut retry = WriteRetry::new();
        loop {
            let outcome = self.try_store_search(name, update).await;
            if let Some(outcome) = self.final_outcome(&mut retry, outcome).await {
                let permit = outcome.as_ref().ok().and_then(|it| it.permit.as_ref());
                self.creates_in_flight
                    .extend(permit.map(|permit| permit.create_id));
                return outcome.inspect_err(|error| {
                    let text = format!("search {name}: the next step is not stored: {error}");
                    self.event_log.refused(None, &text);
                });
            }
        }
    }

    async fn try_store_search(
        &mut self,
        name: &str,
        update: &SearchUpdate,
    ) -> Result<Decided, StoreError> {
        let mut context = self.batch_context();
        let mut tx = store::begin(&mut self.connection).await?;
        // Beginning may have taken a while.
        context.now = Timestamp::now();
        let writing = write(
            &mut tx,
            name,
            update,
            &self.gate,
            &self.creates_in_flight,
            &context,
        );
        let written = AssertUnwindSafe(writing).catch_unwind().await;
        let stored = written
            .map_err(|panic| StoreError::Panicked(panic_message(panic.as_ref()).to_owned()))??;
        let [written, committed] = points(update, &stored.decided);
        written.into_iter().for_each(crash::at);
        let requests = add_requests(&mut tx, self.requests.due()).await?;
        tx.commit().await?;
        self.requests.wrote(requests);
        committed.into_iter().for_each(crash::at);
        let probing = self.gate.kind != Kind::Open;
        self.publish(stored.gate);
        self.event_log.of_search(name, &stored.events);
        let of_account = stored.account_events.into_iter();
        let of_account: Vec<_> = of_account.map(|event| (None, event)).collect();
        self.event_log.transaction(&of_account, probing);
        if stored.decided.asks == Asks::Credits {
            self.credits_asked = Some(Instant::now());
        }
        Ok(stored.decided)
    }
}

/// Returns the crash points before and after the commit.
fn points(update: &SearchUpdate, decided: &Decided) -> [Option<Point>; 2] {
    match update {
        SearchUpdate::Due if decided.permit.is_some() => [
            Some(Point::CreateIntentWritten),
            Some(Point::CreateIntentCommitted),
        ],
        SearchUpdate::Answered(_) => [
            Some(Point::CreateAnswerWritten),
            Some(Point::CreateAnswerCommitted),
        ],
        SearchUpdate::Listed { .. } => [Some(Point::ListWritten), Some(Point::ListCommitted)],
        SearchUpdate::Due | SearchUpdate::ListFailed { .. } => [None, None],
    }
}

/// Decides and stores in the transaction that `connection` has begun.
async fn write(
    connection: &mut SqliteConnection,
    name: &str,
    update: &SearchUpdate,
    gate: &Gate,
    in_flight: &HashSet<i64>,
    context: &BatchContext,
) -> Result<Stored, StoreError> {
    let BatchContext { policy, now, .. } = context;
    let mut gate_after = gate.clone();
    let search = search_progress::load(connection, name).await?;
    let answer = match update {
        SearchUpdate::Answered(answer) => {
            Some(attributed(connection, name, search.as_ref(), answer, *now).await?)
        }
        SearchUpdate::Due | SearchUpdate::Listed { .. } | SearchUpdate::ListFailed { .. } => None,
    };
    let learnt = match (update, &answer) {
        (SearchUpdate::Listed { list, gate_learns }, _) => {
            gate_learns.then_some((Request::List, None, list.began_at))
        }
        (
            SearchUpdate::ListFailed {
                failure,
                began_at,
                gate_learns,
            },
            _,
        ) => gate_learns.then_some((Request::List, Some(failure), *began_at)),
        (_, Some(answer)) => {
            let failure = answer.outcome.as_ref().err();
            Some((Request::Create, failure, answer.started_at))
        }
        (_, None) => None,
    };
    if let Some((request, failure, began_at)) = learnt {
        let began_at = began_at.min(*now);
        gate_after.learn(request, failure, began_at, *now, policy, rand::random());
    }
    let (mut decided, mut events) = (Decided::nothing(), Vec::new());
    let mut account_events = Vec::new();
    match (update, &search) {
        (SearchUpdate::Due, Some(search)) => {
            let mut spending = Spending::load(connection, context).await?;
            let step = decide(connection, search, &spending, &mut gate_after, context).await?;
            if let Some(create) = &step.intended {
                let requested = create.request.requested;
                account_events = spending.spend(connection, requested).await?;
                decided.permit = Some(CreatePermit {
                    create_id: create.request.id,
                    body: create.body.clone(),
                    send_before: Instant::now() + context.send_within,
                });
            }
            decided.asks = match step.asks {
                Asks::Credits if !spending.begin_asking(connection).await? => Asks::Nothing,
                asks => asks,
            };
            decided.open = search.create.clone().filter(Create::is_open);
            save(connection, name, &step, policy.polling.min_interval, *now).await?;
            events = step.events;
        }
        (SearchUpdate::Answered(_), search) => {
            if let Some(answer) = &answer {
                events = answered(connection, name, search.as_ref(), answer, context).await?;
            }
        }
        (SearchUpdate::Listed { list, .. }, Some(search)) => {
            events = listed(connection, name, search, list, gate, in_flight, context).await?;
        }
        (SearchUpdate::ListFailed { failure, .. }, Some(search)) => {
            if let Some(create) = search.create.as_ref().filter(|create| create.is_open()) {
                let step = list_failed(search, create, failure, policy, *now);
                save(connection, name, &step, policy.polling.min_interval, *now).await?;
                events = step.events;
            }
        }
        // The search was removed meanwhile. Its open create is settled when a search of this name is added again.
        (
            SearchUpdate::Due | SearchUpdate::Listed { .. } | SearchUpdate::ListFailed { .. },
            None,
        ) => {}
    }
    let min_interval = policy.polling.min_interval;
    let gate_event = store_gate(connection, gate, &gate_after, min_interval, *now).await?;
    account_events.extend(gate_event);
    Ok(Stored {
        decided,
        events,
        account_events,
        gate: gate_after,
    })
}

impl Decided {
    fn nothing() -> Self {
        Self {
            permit: None,
            asks: Asks::Nothing,
            open: None,
        }
    }
}

async fn decide(
    connection: &mut SqliteConnection,
    search: &Search,
    spending: &Spending,
    gate: &mut Gate,
    context: &BatchContext,
) -> Result<Step, StoreError> {
    let BatchContext { policy, now, .. } = context;
    let is_forbidden = |create: &Create| create.request.is_forbidden();
    let admission = if search.create.as_ref().is_some_and(is_forbidden) {
        gate.admits_forbidden(*now, policy.polling.min_interval)
    } else {
        gate.admits(Request::Create, *now)
    };
    let account = Account {
        admission,
        gate_reason: gate.reason.as_deref().unwrap_or_default(),
        allowance: spending.allowance(),
        credits: spending.credits(),
        reachable_since: gate.reachable_since,
        draining: context.draining,
        now: *now,
        next_id: creates::next_id(connection).await?,
    };
    let step = next_step(search, &account, policy);
    if step.intended.is_some() && admission == Admission::Probe {
        gate.probe_sent(*now, policy);
    }
    Ok(step)
}

/// Writes a step.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    name: &str,
    step: &Step,
    min_interval: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(create) = &step.create {
        creates::update(connection, create).await?;
    }
    if let Some(create) = &step.intended {
        creates::intend(connection, name, create).await?;
    }
    if let Some(part) = &step.part {
        add_part(connection, name, part).await?;
    }
    if let Some((part, target)) = &step.part_target {
        set_target(connection, part, *target, min_interval, now).await?;
    }
    // Last: the triggers make a search due whose parts change.
    search_progress::save(connection, name, &step.progress).await?;
    history::add_search_events(connection, name, &step.events, now).await
}
