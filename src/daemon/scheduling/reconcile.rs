//! One pass for one task: poll it, have the answer judged and stored, and send the resume that follows.
//!
//! # Guarantees
//!
//! A resume is sent only on a [`ResumePermit`], which the writer gives once the intention is durable. Sending uses the permit
//! up, and an expired permit is not used. Dropping this future at any point is safe: the next poll settles what was under
//! way.

use super::credits;
use super::rate_limiter::RateLimiter;
use crate::core::gate::{Admission, Gate, Request};
use crate::core::plan::Shown;
use crate::core::step::{PollAnswer, ResumeAnswer};
use crate::core::{Failure, TaskId};
use crate::crash::{self, Point};
use crate::daemon::writer::{ResumePermit, WriteError, Writer};
use crate::extruct::{Client, TaskAnswer};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a pass needs.
#[derive(Debug, Clone)]
pub struct Context {
    /// The service.
    pub client: Arc<Client>,
    /// The database.
    pub writer: Writer,
    /// When requests may be sent.
    pub rate_limiter: Arc<RateLimiter>,
    /// Whether they may be sent at all.
    pub gate: watch::Receiver<Gate>,
    /// The daemon is stopping: nothing new is begun.
    pub draining: watch::Receiver<bool>,
}

/// What a pass means for the plan of requests.
#[derive(Debug, Clone, Copy)]
pub struct Polled {
    /// When the newest poll was begun.
    pub started_at: Timestamp,
    /// Whether that poll showed the service at work; none if it failed.
    pub is_running: Option<bool>,
    /// What became of the task.
    pub shown: Shown,
}

/// Polls a task once, and resumes it if that is due.
///
/// # Errors
///
/// [`WriteError`] if what was learnt could not be stored.
pub async fn reconcile(id: &TaskId, context: &Context) -> Result<Polled, WriteError> {
    let mut answer = poll(id, context).await;
    // The slot of a resume is taken before the resume is written down: its settling time begins then.
    let slot = if answer.may_lead_to_resume() {
        let mut draining = context.draining.clone();
        tokio::select! {
            slot = context.rate_limiter.take() => Some(slot),
            _ = draining.wait_for(|draining| *draining) => None,
        }
    } else {
        None
    };
    if slot.is_some() && answer.fresh_left(Timestamp::now()).is_none() {
        // With a low limit the wait was long: the task may have changed, or may be wanted no more.
        let admission = context
            .gate
            .borrow()
            .admits(Request::Poll, Timestamp::now());
        if admission == Admission::Free && context.writer.is_wanted(id.clone()).await? {
            context.rate_limiter.spend_at_once();
            answer = poll(id, context).await;
        }
    }
    let (started_at, seen) = (answer.started_at, answer.outcome.as_ref().ok());
    let is_running = seen.map(|seen| seen.status.is_running());
    let polled = |shown| Polled {
        started_at,
        is_running,
        shown,
    };
    let stored = context.writer.store_poll(id.clone(), answer).await?;
    let Some(permit) = stored.permit else {
        if stored.asks_credits
            && let Some(slot) = slot
        {
            // The next poll of the task decides with the answer.
            credits::ask(slot, context).await?;
        }
        return Ok(polled(stored.shown));
    };
    crash::at(Point::ResumeBegins);
    if let Some(slot) = slot {
        slot.spend();
    }
    let answer = resume(id, &context.client, permit).await;
    let stored = context.writer.store_resume(id.clone(), answer).await?;
    Ok(polled(stored.shown))
}

async fn poll(id: &TaskId, context: &Context) -> PollAnswer {
    crash::at(Point::PollBegins);
    let started_at = Timestamp::now();
    let TaskAnswer { mut outcome, .. } = context.client.poll(id).await;
    if let Err(failure) = outcome {
        outcome = Err(explained(failure, context).await);
    }
    crash::at(Point::PollAnswered);
    tracing::debug!(task_id = %id, "{id}: polled: {outcome:?}");
    PollAnswer {
        started_at,
        answered_at: Timestamp::now(),
        outcome,
    }
}

/// Asks the service for the account, if a refusal can concern the account or only this request.
pub(super) async fn explained(failure: Failure, context: &Context) -> Failure {
    if failure.is_ambiguous() {
        explained_by_account(failure, context).await
    } else {
        failure
    }
}

/// Asks the service for the account, and returns whether a refusal concerns the account or only this request.
pub(super) async fn explained_by_account(failure: Failure, context: &Context) -> Failure {
    context.rate_limiter.spend_at_once();
    let user = context.client.user().await;
    tracing::debug!("{failure}: asked for the account: {user:?}");
    failure.explained_by(user)
}

async fn resume(id: &TaskId, client: &Client, permit: ResumePermit) -> ResumeAnswer {
    let started_at = Timestamp::now();
    let TaskAnswer {
        http_status,
        outcome,
    } = if Instant::now() < permit.send_before {
        client.resume(id, permit.desired_new_results).await
    } else {
        let detail = "storing it took too long for what it was decided by; polling again";
        TaskAnswer {
            http_status: None,
            outcome: Err(Failure::Withheld {
                detail: detail.to_owned(),
            }),
        }
    };
    crash::at(Point::ResumeAnswered);
    tracing::debug!(task_id = %id, resume = permit.resume_id, "{id}: resumed: {outcome:?}");
    ResumeAnswer {
        resume_id: permit.resume_id,
        started_at,
        answered_at: Timestamp::now(),
        http_status,
        outcome,
    }
}
