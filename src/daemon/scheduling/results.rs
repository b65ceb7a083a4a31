//! One page of a task's results: ask for it, and have it stored.

use super::reconcile::{Context, explained_by_account};
use crate::core::reading::{Expected, NextPage, Reading, Setback};
use crate::core::results::ResultsPage;
use crate::core::{Failure, TaskId, since};
use crate::crash::{self, Point};
use crate::daemon::writer::{ReadingOutcome, ResultsAnswer, WriteError};
use crate::store::results::{CompleteReading, UnreadTask};
use jiff::Timestamp;
use std::time::Duration;

/// The smallest page that a refused limit leads to.
const PAGE_MIN: u32 = 10;

/// A reading in progress.
#[derive(Debug)]
pub(super) struct ActiveReading {
    task: UnreadTask,
    reading: Reading,
    began_at: Timestamp,
    /// The number of rows to ask for.
    pub limit: u32,
    /// `growth.settle`.
    settle: Duration,
    /// The delay before the next reading while the service works on the task.
    live: Duration,
    /// Why rows are not kept.
    left_out: Option<String>,
}

/// What became of a page.
#[derive(Debug)]
pub(super) struct PageOutcome {
    /// The reading, if another page is to be read.
    pub reading: Option<Box<ActiveReading>>,
    /// The service refused a page of the size that was asked for, and accepts this one perhaps.
    pub accepted_limit: Option<u32>,
    /// The results could not be read.
    pub has_failed: bool,
}

impl ActiveReading {
    pub fn new(task: UnreadTask, limit: u32, settle: Duration, live: Duration) -> Self {
        Self {
            task,
            reading: Reading::default(),
            began_at: Timestamp::now(),
            limit,
            settle,
            live,
            left_out: None,
        }
    }

    pub fn id(&self) -> &TaskId {
        &self.task.id
    }

    /// Takes the page that was read.
    fn page_read(&mut self, page: &ResultsPage, now: Timestamp) -> ReadingOutcome {
        if self.left_out.is_none() {
            self.left_out.clone_from(&page.left_out);
        }
        let settles_at = self.task.settles_at(self.settle, now);
        let expected = Expected {
            results: self.task.results,
            is_recent: settles_at.is_some(),
        };
        let live = if self.task.is_running {
            self.live
        } else {
            Duration::ZERO
        };
        match self.reading.read(page, expected) {
            NextPage::Read => ReadingOutcome::Continues,
            NextPage::Complete(rows) => ReadingOutcome::Complete(CompleteReading {
                began_at: self.began_at,
                rows,
                counters: self.task.counters.clone(),
                left_out: self.left_out.take(),
            }),
            NextPage::NotYet => {
                let settled = settles_at.map(|at| since(now, at)).unwrap_or_default();
                ReadingOutcome::Postponed(Setback::Passing, live.max(settled))
            }
            NextPage::Shifted(why) => ReadingOutcome::Postponed(Setback::Shifted(why), live),
        }
    }

    /// Takes a failure. A refused page may have been too large: then a smaller one is asked for.
    fn page_failed(&mut self, failure: &Failure, now: Timestamp) -> ReadingOutcome {
        let may_be_too_large = matches!(
            failure,
            Failure::Refused { status: 422, .. } | Failure::NotUnderstood { .. }
        );
        if may_be_too_large && self.limit > PAGE_MIN {
            self.limit = (self.limit / 2).max(PAGE_MIN);
            return ReadingOutcome::Continues;
        }
        let (setback, at_least) = match failure {
            // The gate holds all requests.
            Failure::Unauthorized { .. }
            | Failure::RateLimited { .. }
            | Failure::Superseded { .. }
            | Failure::Withheld { .. } => (Setback::Passing, None),
            Failure::Unanswered { retry_after, .. } => {
                let at_least = retry_after.map(|retry_after| retry_after.wait(now));
                (Setback::Failed(failure.to_string()), at_least)
            }
            Failure::NotConnected { .. }
            | Failure::NotUnderstood { .. }
            | Failure::Forbidden { .. }
            | Failure::PaymentRequired { .. }
            | Failure::Refused { .. }
            | Failure::NotFound { .. }
            | Failure::Unexpected { .. } => (Setback::Failed(failure.to_string()), None),
        };
        let at_least = at_least.unwrap_or_default().min(RETRY_AFTER_MAX);
        ReadingOutcome::Postponed(setback, at_least)
    }
}

/// Reads the next page of a reading, and stores it. Reads nothing if the task was paused or removed, or the daemon is stopping.
///
/// # Errors
///
/// [`WriteError`] if the page, or what became of the reading, could not be stored.
pub(super) async fn read_results(
    mut reading: Box<ActiveReading>,
    context: &Context,
) -> Result<PageOutcome, WriteError> {
    let mut outcome = PageOutcome {
        reading: None,
        accepted_limit: None,
        has_failed: false,
    };
    if !context.writer.is_wanted(reading.id().clone()).await? {
        return Ok(outcome);
    }
    crash::at(Point::ResultsBegins);
    let started_at = Timestamp::now();
    let (offset, limit) = (reading.reading.offset(), reading.limit);
    let mut answered = context.client.results(reading.id(), offset, limit).await;
    // The results alone may be refused. That must not close the gate for the polls, which are not.
    if let Err(
        failure @ (Failure::Unauthorized { .. }
        | Failure::Forbidden { .. }
        | Failure::PaymentRequired { .. }),
    ) = answered
    {
        answered = Err(explained_by_account(failure, context).await);
    }
    crash::at(Point::ResultsAnswered);
    let now = Timestamp::now();
    let id = reading.id().clone();
    let (what_follows, rows, failure) = match answered {
        Ok(page) => {
            let what_follows = reading.page_read(&page, now);
            (what_follows, page.rows, None)
        }
        Err(failure) => {
            let what_follows = reading.page_failed(&failure, now);
            if reading.limit < limit && failure.status() == Some(422) {
                outcome.accepted_limit = Some(reading.limit);
            }
            (what_follows, Vec::new(), Some(failure))
        }
    };
    tracing::debug!(
        task_id = %id,
        "{id}: results from {offset}: {} rows, failure {failure:?}, {what_follows:?}",
        rows.len()
    );
    let continues = matches!(what_follows, ReadingOutcome::Continues);
    outcome.has_failed = matches!(
        what_follows,
        ReadingOutcome::Postponed(Setback::Failed(_), _)
    );
    context
        .writer
        .store_results(ResultsAnswer {
            id,
            started_at,
            failure,
            reading_began_at: reading.began_at,
            rows,
            outcome: what_follows,
        })
        .await?;
    outcome.reading = continues.then_some(reading);
    Ok(outcome)
}

/// The longest time for which a `Retry-After` keeps a task's results from being read.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
