//! One pass for one search: have its next step decided, and send the create that follows; or settle its open create by the
//! service's list.
//!
//! # Guarantees
//!
//! A create is sent only on a [`CreatePermit`], which the writer gives once the intention is durable. Sending uses the permit
//! up, and an expired permit is not used. Dropping this future at any point is safe: the list settles what was under way.

use super::credits;
use super::page::explained_list;
use super::reconcile::Context;
use crate::core::Failure;
use crate::core::gate::{Admission, Request};
use crate::core::search::answered::CreateAnswer;
use crate::core::search::create::Create;
use crate::core::search::list_reading::{ListReading, NextPage, WholeList};
use crate::core::search::step::Asks;
use crate::crash::{self, Point};
use crate::daemon::writer::{CreatePermit, SearchUpdate, WriteError};
use jiff::Timestamp;
use tokio::time::Instant;

/// The number of tasks that a page of a reading of the list asks for, unless `polling.list_page` says so.
const PAGE: u32 = 100;

/// The smallest page that the list is asked for after a 422.
const PAGE_MIN: u32 = 10;

/// What became of a pass.
#[derive(Debug)]
pub enum Searched {
    /// What was decided is stored, and was done.
    Done,
    /// The list is to be searched for this create.
    WantsList(Box<Create>),
}

/// Has the next step of a search decided, and takes it.
///
/// # Errors
///
/// [`WriteError`] if the step, or what was learnt, could not be stored.
pub async fn advance(name: &str, context: &Context) -> Result<Searched, WriteError> {
    // The slot of a create is taken before the create is written down: its settling time begins then.
    let mut draining = context.draining.clone();
    let slot = tokio::select! {
        slot = context.rate_limiter.take() => slot,
        _ = draining.wait_for(|draining| *draining) => return Ok(Searched::Done),
    };
    let decided = context
        .writer
        .store_search(name.to_owned(), SearchUpdate::Due)
        .await?;
    let Some(permit) = decided.permit else {
        if decided.asks == Asks::Credits {
            // The next decision has the answer.
            credits::ask(slot, context).await?;
            return Ok(Searched::Done);
        }
        return Ok(match (decided.asks, decided.open) {
            (Asks::List, Some(create)) => Searched::WantsList(Box::new(create)),
            _ => Searched::Done,
        });
    };
    crash::at(Point::CreateBegins);
    slot.spend();
    let answer = create(name, context, permit).await;
    let answer = SearchUpdate::Answered(answer);
    context.writer.store_search(name.to_owned(), answer).await?;
    Ok(Searched::Done)
}

async fn create(name: &str, context: &Context, permit: CreatePermit) -> CreateAnswer {
    let started_at = Timestamp::now();
    let (http_status, outcome) = if Instant::now() < permit.send_before {
        context.client.create(&permit.body).await
    } else {
        let detail = "storing it took too long; deciding again".to_owned();
        (None, Err(Failure::Withheld { detail }))
    };
    crash::at(Point::CreateAnswered);
    tracing::debug!(
        create = permit.create_id,
        "search {name}: created: {outcome:?}"
    );
    CreateAnswer {
        create_id: permit.create_id,
        started_at,
        answered_at: Timestamp::now(),
        http_status,
        outcome,
    }
}

/// Reads the whole list, and settles the open creates of these searches by it. Returns the searches for which what was learnt
/// could not be stored.
pub async fn settle_by_list(
    searches: &[(String, Create)],
    page: u32,
    context: &Context,
) -> Vec<String> {
    let creates = searches.iter().map(|(_, create)| create);
    let outcome = match read_list(creates, page, context).await {
        Some(Ok(list)) => {
            tracing::debug!(
                "the list was read for {} creates: {} tasks with their queries, complete: {}",
                searches.len(),
                list.tasks.len(),
                list.is_complete
            );
            Ok(list)
        }
        Some(Err((failure, began_at))) => {
            tracing::debug!("the list cannot be read, to look for a created task: {failure}");
            Err((failure, began_at))
        }
        None => return Vec::new(),
    };
    let (mut failed, mut gate_learns) = (Vec::new(), true);
    for (name, _) in searches {
        let update = match outcome.clone() {
            Ok(list) => SearchUpdate::Listed { list, gate_learns },
            Err((failure, began_at)) => SearchUpdate::ListFailed {
                failure,
                began_at,
                gate_learns,
            },
        };
        match context.writer.store_search(name.clone(), update).await {
            Ok(_) => gate_learns = false,
            Err(error) => {
                tracing::debug!("search {name}: left alone for a minute: {error}");
                failed.push(name.clone());
            }
        }
    }
    failed
}

/// Reads the whole list; `None` if nothing may be asked now. A failure comes with when its request was begun.
async fn read_list<'a>(
    creates: impl Iterator<Item = &'a Create>,
    page: u32,
    context: &Context,
) -> Option<Result<WholeList, (Failure, Timestamp)>> {
    let mut page = if page == 0 { PAGE } else { page };
    let mut draining = context.draining.clone();
    let mut reading = ListReading::begin(creates, Timestamp::now());
    let mut offset = 0;
    loop {
        let slot = tokio::select! {
            slot = context.rate_limiter.take() => slot,
            _ = draining.wait_for(|draining| *draining) => return None,
        };
        let admission = context
            .gate
            .borrow()
            .admits(Request::List, Timestamp::now());
        if let Admission::Wait(_) = admission {
            return None;
        }
        slot.spend();
        let began_at = Timestamp::now();
        let (listed, skew) = match context.client.listed(offset, page).await {
            Ok(listed) => listed,
            // The page is larger than the service allows.
            Err(Failure::Refused { status: 422, .. }) if page > PAGE_MIN => {
                page = (page / 2).max(PAGE_MIN);
                continue;
            }
            Err(failure) => return Some(Err((explained_list(failure, context).await, began_at))),
        };
        match reading.add(listed, skew) {
            NextPage::At(next) => offset = next,
            NextPage::End => return Some(Ok(reading.finish())),
        }
    }
}
