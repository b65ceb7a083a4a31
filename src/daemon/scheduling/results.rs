//! One page of a task's results: ask for it, and have it stored.

use super::reconcile::{Context, explained_by_account};
use crate::core::doubt::Doubts;
use crate::core::gate::RETRY_AFTER_MAX;
use crate::core::reading::{Expected, NextPage, Reading, Setback};
use crate::core::results::ResultsPage;
use crate::core::{Failure, TaskId, since};
use crate::crash::{self, Point};
use crate::daemon::writer::{ReadingOutcome, ResultsAnswer, WriteError};
use crate::store::results::{CompleteReading, UnreadTask};
use jiff::Timestamp;
use std::time::Duration;

/// The smallest page that is asked for after a refused limit, or an answer that is not understood. After one that is too long it
/// is a single row.
const PAGE_MIN: u32 = 10;

/// A reading in progress.
#[derive(Debug)]
pub(super) struct ActiveReading {
    task: UnreadTask,
    reading: Reading,
    began_at: Timestamp,
    /// The number of rows to ask for.
    limit: u32,
    /// The limit of the newest page that was read; before that, the usual one.
    read_limit: u32,
    /// The service has refused a larger page than that.
    was_refused: bool,
    /// `growth.settle`.
    settle: Duration,
    /// `results.live`.
    live: Duration,
    /// `GET /v1/user` has shown that the service accepts the account: a refusal concerns the results alone.
    is_account_accepted: bool,
}

/// What became of a page.
#[derive(Debug)]
pub(super) struct PageOutcome {
    /// The reading, if another page is to be read.
    pub reading: Option<Box<ActiveReading>>,
    /// The service refused larger pages, and has answered one of this size.
    pub accepted_limit: Option<u32>,
    /// Whether there was a page.
    pub verdict: PageVerdict,
    /// `GET /v1/user` has just shown that the service accepts the account.
    pub is_account_accepted: bool,
}

/// What a page says of requests for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageVerdict {
    /// The service has answered with results.
    Read,
    /// The results cannot be read.
    Failed,
    /// The service asks for fewer requests (429), and for so long.
    RateLimited(Duration),
    /// Nothing.
    Open,
}

impl ActiveReading {
    /// Returns the reading of a task's results. `limit` is the usual number of rows of a page.
    pub fn new(
        task: UnreadTask,
        limit: u32,
        settle: Duration,
        live: Duration,
        is_account_accepted: bool,
    ) -> Self {
        let doubts = task.doubts.as_ref();
        let limit = doubts
            .and_then(|doubts| doubts.limit(task.results))
            .unwrap_or(limit);
        Self {
            reading: Reading::new(doubts.is_some_and(Doubts::reads_on)),
            task,
            began_at: Timestamp::now(),
            limit,
            read_limit: limit,
            was_refused: false,
            settle,
            live,
            is_account_accepted,
        }
    }

    pub fn id(&self) -> &TaskId {
        &self.task.id
    }

    /// Takes the page that was read.
    fn page_read(&mut self, page: &ResultsPage, now: Timestamp) -> ReadingOutcome {
        self.read_limit = self.limit;
        let next = self.reading.read(page, self.expected(now));
        self.outcome(next, now)
    }

    fn expected(&self, now: Timestamp) -> Expected {
        Expected {
            results: self.task.results,
            is_recent: self.task.settles_at(self.settle, now).is_some(),
        }
    }

    fn outcome(&self, next: NextPage, now: Timestamp) -> ReadingOutcome {
        let read = |rows| CompleteReading {
            began_at: self.began_at,
            rows,
            counters: self.task.counters.clone(),
            marks_gone: true,
            error: None,
        };
        match next {
            NextPage::Read => ReadingOutcome::Continues,
            NextPage::Complete(rows) => ReadingOutcome::Complete(read(rows)),
            NextPage::Doubtful(doubt) => {
                let reading = read(doubt.rows);
                ReadingOutcome::Doubtful(doubt, reading)
            }
            NextPage::NotYet => {
                let settles_at = self.task.settles_at(self.settle, now);
                let settled = settles_at.map(|at| since(now, at)).unwrap_or_default();
                ReadingOutcome::Postponed(Setback::Passing, settled)
            }
        }
    }

    /// Takes a failure. A refused page may have been too large: then a smaller one is asked for. A row that alone is too long is passed
    /// over.
    fn page_failed(&mut self, failure: &Failure, now: Timestamp) -> ReadingOutcome {
        let may_be_too_large = matches!(
            failure,
            Failure::Refused { status: 422, .. } | Failure::NotUnderstood { .. }
        );
        let is_too_long = matches!(
            failure,
            Failure::NotUnderstood {
                is_too_long: true,
                ..
            }
        );
        let smallest = if is_too_long { 1 } else { PAGE_MIN };
        if may_be_too_large && self.limit > smallest {
            self.limit = (self.limit / 2).max(smallest);
            self.was_refused |= failure.status() == Some(422);
            return ReadingOutcome::Continues;
        }
        if is_too_long {
            let why = format!(
                "the result in place {}: {failure}",
                self.reading.offset() + 1
            );
            if let Some(next) = self.reading.pass_over(why, self.expected(now)) {
                self.limit = self.read_limit;
                return self.outcome(next, now);
            }
        }
        let (setback, at_least) = match failure {
            // The gate holds all requests.
            Failure::Unauthorized { .. }
            | Failure::Superseded { .. }
            | Failure::Withheld { .. } => (Setback::Passing, None),
            Failure::Unanswered { retry_after, .. } | Failure::RateLimited { retry_after, .. } => {
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
        verdict: PageVerdict::Open,
        is_account_accepted: false,
    };
    if !context.writer.is_wanted(reading.id().clone()).await? {
        return Ok(outcome);
    }
    crash::at(Point::ResultsBegins);
    let started_at = Timestamp::now();
    let (offset, limit) = (reading.reading.offset(), reading.limit);
    let mut draining = context.draining.clone();
    // A free request is given up at a stop: the reading begins anew.
    let mut answered = tokio::select! {
        answered = context.client.results(reading.id(), offset, limit) => answered,
        _ = draining.wait_for(|draining| *draining) => return Ok(outcome),
    };
    // The results alone may be refused. That must not close the gate for the polls, which are not.
    if let Err(
        failure @ (Failure::Unauthorized { .. }
        | Failure::Forbidden { .. }
        | Failure::PaymentRequired { .. }),
    ) = answered
    {
        answered = Err(if reading.is_account_accepted {
            failure.explained_by(Ok::<_, Failure>(()))
        } else {
            let explained = explained_by_account(failure, context).await;
            outcome.is_account_accepted = matches!(explained, Failure::NotFound { .. });
            explained
        });
    }
    crash::at(Point::ResultsAnswered);
    let now = Timestamp::now();
    let id = reading.id().clone();
    let (what_follows, rows, failure) = match answered {
        Ok(page) => {
            let what_follows = reading.page_read(&page, now);
            outcome.accepted_limit = reading.was_refused.then_some(limit);
            outcome.verdict = PageVerdict::Read;
            (what_follows, page.rows, None)
        }
        Err(failure) => {
            let what_follows = reading.page_failed(&failure, now);
            outcome.verdict = match (&failure, &what_follows) {
                (Failure::RateLimited { .. }, ReadingOutcome::Postponed(_, at_least)) => {
                    PageVerdict::RateLimited(*at_least)
                }
                (_, ReadingOutcome::Postponed(Setback::Failed(_), _)) => PageVerdict::Failed,
                _ => PageVerdict::Open,
            };
            (what_follows, Vec::new(), Some(failure))
        }
    };
    tracing::debug!(
        task_id = %id,
        "{id}: results from {offset}: {} rows, failure {failure:?}, {what_follows:?}",
        rows.len()
    );
    let continues = matches!(what_follows, ReadingOutcome::Continues);
    context
        .writer
        .store_results(ResultsAnswer {
            id,
            started_at,
            failure,
            reading_began_at: reading.began_at,
            rows,
            was_running: reading.task.is_running,
            live: reading.live,
            outcome: what_follows,
        })
        .await?;
    outcome.reading = continues.then_some(reading);
    Ok(outcome)
}
