//! The outcome of a create: its answer, or what a reading of the list says of it. In the transaction of `search`.

use super::batch::BatchContext;
use super::search::save;
use crate::core::Failure;
use crate::core::gate::Gate;
use crate::core::paid_request::PaidRequest;
use crate::core::search::Search;
use crate::core::search::answered::{CreateAnswer, create_answered, list_read};
use crate::core::search::event::SearchEvent;
use crate::core::search::list_reading::WholeList;
use crate::core::search::settle::{Verdict, settle};
use crate::store::search_progress::add_orphan;
use crate::store::{StoreError, creates, history};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;

/// Stores the answer to a create, whatever became of its search meanwhile.
pub(super) async fn answered(
    connection: &mut SqliteConnection,
    name: &str,
    search: Option<&Search>,
    answer: &CreateAnswer,
    context: &BatchContext,
) -> Result<Vec<SearchEvent>, StoreError> {
    let BatchContext { policy, now, .. } = context;
    let Some(create) = creates::find(connection, answer.create_id).await? else {
        let outcome = answer.transition();
        let error = format!(
            "create {} was {}, but its row was deleted from the ledger",
            answer.create_id,
            outcome.name()
        );
        if let Some(task) = answer.task() {
            let note = format!("created for the search {name}, whose ledger was edited");
            add_orphan(connection, &task, 1, &note).await?;
        }
        return note(connection, name, error, *now).await;
    };
    // A search that was removed and added again is another one.
    let search = search.filter(|search| create.request.id > search.progress.begun_after);
    let Some(search) = search else {
        let transition = answer.transition();
        let (create, event) = match create.apply(&transition, answer.task(), answer.answered_at) {
            Ok(applied) => applied,
            Err(illegal) => return note(connection, name, illegal.to_string(), *now).await,
        };
        creates::update(connection, &create).await?;
        if let Some(task) = &create.task {
            let PaidRequest { requested, .. } = create.request;
            add_orphan(connection, task, requested, &of_removed(name)).await?;
        }
        let events = vec![event];
        history::add_search_events(connection, name, &events, *now).await?;
        return Ok(events);
    };
    match create_answered(search, &create, answer, policy) {
        Ok(step) => {
            save(connection, name, &step, policy.polling.min_interval, *now).await?;
            Ok(step.events)
        }
        Err(illegal) => note(connection, name, illegal.to_string(), *now).await,
    }
}

/// Records why the answer to a create is not in the ledger: the row was settled or deleted meanwhile, by hand or by another
/// daemon.
async fn note(
    connection: &mut SqliteConnection,
    name: &str,
    error: String,
    now: Timestamp,
) -> Result<Vec<SearchEvent>, StoreError> {
    let events = vec![SearchEvent::NotStored { error }];
    history::add_search_events(connection, name, &events, now).await?;
    Ok(events)
}

/// Returns the answer to a create with no time after now, and as a refusal of its search if a 403 has turned out to concern
/// no other: the same search was answered so before, and another paid request was accepted in between.
pub(super) async fn attributed(
    connection: &mut SqliteConnection,
    name: &str,
    search: Option<&Search>,
    answer: &CreateAnswer,
    now: Timestamp,
) -> Result<CreateAnswer, StoreError> {
    let mut answer = answer.clone();
    answer.started_at = answer.started_at.min(now);
    answer.answered_at = answer.answered_at.min(now);
    if let Err(Failure::Forbidden { detail }) = &answer.outcome {
        let forgiven = search.map_or(0, |search| search.progress.forgiven);
        if creates::was_forbidden_alone(connection, name, answer.create_id, forgiven).await? {
            answer.outcome = Err(Failure::Refused {
                status: 403,
                detail: detail.clone(),
            });
        }
    }
    Ok(answer)
}

/// Settles the open create of a search by a reading of the list.
pub(super) async fn listed(
    connection: &mut SqliteConnection,
    name: &str,
    search: &Search,
    list: &WholeList,
    gate: &Gate,
    in_flight: &HashSet<i64>,
    context: &BatchContext,
) -> Result<Vec<SearchEvent>, StoreError> {
    let BatchContext { policy, now, .. } = context;
    let Some(create) = search.create.as_ref().filter(|create| create.is_open()) else {
        return Ok(Vec::new());
    };
    let mut known = HashSet::new();
    for task in &list.tasks {
        if creates::is_known(connection, &task.id, create.request.sent_at).await? {
            known.insert(&task.id);
        }
    }
    let verdict = settle(
        search,
        create,
        list,
        |task| known.contains(task),
        gate.reachable_since,
        policy.growth.settle,
    );
    // The task of a create in flight shows in the list before its answer comes.
    let alike = creates::open_alike(connection, create.request.id).await?;
    let verdict = match verdict {
        Verdict::Arrived { .. } if alike.iter().any(|id| in_flight.contains(id)) => Verdict::Open {
            absent_since: create.absent_since,
            doubts: create.doubts,
        },
        verdict => verdict,
    };
    let is_of_search = create.request.id > search.progress.begun_after;
    match list_read(search, create, &verdict, policy, *now) {
        Ok(mut step) => {
            if let (false, Verdict::Arrived { task, .. }) = (is_of_search, &verdict) {
                // It is of an earlier search of this name, which was removed.
                step.part = None;
                let requested = create.request.requested;
                add_orphan(connection, task, requested, &of_removed(name)).await?;
            }
            save(connection, name, &step, policy.polling.min_interval, *now).await?;
            Ok(step.events)
        }
        Err(illegal) => note(connection, name, illegal.to_string(), *now).await,
    }
}

/// Returns the note of a task that was created for a search that is not there any more.
fn of_removed(search: &str) -> String {
    format!("created for the search {search}, which was removed")
}
