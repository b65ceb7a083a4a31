//! One page of the service's list: ask for it, and have its entries judged and stored.

use super::reconcile::{Context, explained_by_account};
use crate::core::plan::{PageRequest, PageShown, Setback};
use crate::core::{Failure, since};
use crate::daemon::writer::{PageAnswer, WriteError};
use jiff::Timestamp;
use std::time::Duration;

/// The outcome of a request for a page.
#[derive(Debug)]
pub enum PageRead {
    /// The page was read and stored.
    Shown(PageShown),
    /// There is no page, and why.
    Failed(Setback, String),
}

/// Reads a page of the list, and stores what it shows.
///
/// # Errors
///
/// [`WriteError`] if what was learnt could not be stored.
pub async fn read_page(request: &PageRequest, context: &Context) -> Result<PageRead, WriteError> {
    let started_at = Timestamp::now();
    let outcome = match context.client.list(request.offset, request.limit).await {
        Ok(page) => Ok(page),
        Err(failure) => Err(explained_list(failure, context).await),
    };
    let answered_at = Timestamp::now();
    let (failure, page) = match outcome {
        Ok(page) => (None, Some(page)),
        Err(failure) => (Some(failure), None),
    };
    let read = match (&failure, &page) {
        (Some(failure), _) => Some(PageRead::Failed(
            setback(failure, answered_at),
            failure.to_string(),
        )),
        (None, Some(page)) if page.len > 0 && page.entries.is_empty() => Some(PageRead::Failed(
            Setback::Unusable,
            "no entry of a page could be read".to_owned(),
        )),
        (None, _) => None,
    };
    let mut page = page.unwrap_or_default();
    page.entries
        .retain(|entry| !request.ignored.contains(&entry.id));
    let len = page.len;
    tracing::debug!(
        "page {}: {} of {len} entries read, failure {failure:?}, in {:?}",
        request.page,
        page.entries.len(),
        since(started_at, answered_at)
    );
    let answer = PageAnswer {
        started_at,
        answered_at,
        failure,
        reliance: request.reliance,
    };
    let tasks = context.writer.store_page(answer, page.entries).await?;
    Ok(read.unwrap_or(PageRead::Shown(PageShown {
        started_at,
        len,
        tasks,
    })))
}

/// Asks the service for the account, if a refusal can concern the account. The list alone may be refused: that must not close
/// the gate again and again for the polls, which are not.
pub(super) async fn explained_list(failure: Failure, context: &Context) -> Failure {
    match failure {
        Failure::Unauthorized { .. }
        | Failure::Forbidden { .. }
        | Failure::PaymentRequired { .. } => explained_by_account(failure, context).await,
        other => other,
    }
}

/// Returns what a failed request says of the list. A 401, 402 or 403 that concerns the list alone, because `GET /v1/user` accepts
/// the account, is a [`Failure::NotFound`] here: the list is unusable then.
fn setback(failure: &Failure, now: Timestamp) -> Setback {
    match failure {
        Failure::NotUnderstood { .. } => Setback::Unusable,
        // The gate holds all requests. The list may have a limit of its own, and must not hold the polls again and again.
        Failure::RateLimited { retry_after, .. } => {
            let asked = retry_after.map(|retry_after| retry_after.wait(now));
            Setback::Passing(Some(asked.unwrap_or_default() + RATE_LIMITED_FOR))
        }
        // These concern the account. Polls go first once it is accepted again.
        Failure::Unauthorized { .. }
        | Failure::Forbidden { .. }
        | Failure::PaymentRequired { .. } => Setback::Passing(Some(REFUSED_FOR)),
        Failure::Superseded { .. } | Failure::Withheld { .. } => Setback::None,
        Failure::Unanswered { retry_after, .. } => match failure.status() {
            Some(400..=499) => Setback::Unusable,
            _ => Setback::Passing(retry_after.map(|retry_after| retry_after.wait(now))),
        },
        Failure::NotConnected { .. } => Setback::Passing(None),
        Failure::Refused { status: 422, .. } => Setback::TooLarge,
        Failure::Refused { .. } | Failure::NotFound { .. } | Failure::Unexpected { .. } => {
            Setback::Unusable
        }
    }
}

/// How long the list is left alone after a 429, beyond its `Retry-After`.
const RATE_LIMITED_FOR: Duration = Duration::from_mins(1);

/// How long the list is left alone after a refusal of the account.
const REFUSED_FOR: Duration = Duration::from_mins(1);
