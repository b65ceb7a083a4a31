//! One pass for one task: poll, have it judged and stored, and send the resume that comes of it.
//!
//! # Guarantees
//!
//! A resume is sent only on an [`ResumePermit`], which is given once the intention is durable, and which this uses up. It is
//! not sent once the order's time has passed. Dropping this future at any point is safe: the next look settles what
//! was under way.

use super::rate_limiter::RateLimiter;
use crate::core::decide::fresh_for;
use crate::core::gate::{Admission, Gate, Request};
use crate::core::step::{PollAnswer, ResumeAnswer};
use crate::core::{Failure, TaskId, since};
use crate::crash::{self, Point};
use crate::daemon::writer::{ResumePermit, WriteError, Writer};
use crate::extruct::{Client, TaskAnswer};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a pass is made with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The way to the service.
    pub client: Arc<Client>,
    /// The way to the database.
    pub writer: Writer,
    /// When requests may go.
    pub rate_limiter: Arc<RateLimiter>,
    /// Whether they may go at all.
    pub gate: watch::Receiver<Gate>,
    /// The daemon is stopping: nothing new is begun.
    pub draining: watch::Receiver<bool>,
}

/// How far a pass has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that it learnt is stored.
    Stored,
    /// What it learnt is the writer's to store, who will say when it [is](crate::daemon::writer::Completed).
    Left,
}

/// Looks at a task once, and resumes it where that is due.
///
/// # Errors
///
/// [`WriteError`] where what was learnt could not be stored.
pub async fn cycle(id: &TaskId, context: &Context) -> Result<Outcome, WriteError> {
    let Context {
        client,
        writer,
        rate_limiter,
        gate,
        draining,
    } = context;
    let mut seen = poll(id, context).await;
    if seen.can_wait() {
        // Storing it takes its time, which others can use. What may close the gate is stored before anybody else begins.
        writer.leave(id.clone(), seen)?;
        return Ok(Outcome::Left);
    }
    // A resume may come of this. Its slot is taken before it is written down, for the time in which an unanswered one
    // is looked for begins then.
    let slot = if seen.may_lead_to_resume() {
        let mut draining = draining.clone();
        tokio::select! {
            slot = rate_limiter.take() => Some(slot),
            _ = draining.wait_for(|draining| *draining) => None,
        }
    } else {
        None
    };
    let now = Timestamp::now();
    let fresh = fresh_for(since(seen.started_at, seen.answered_at));
    if slot.is_some() && since(seen.started_at, now) > fresh {
        // With a low limit the wait was long: it may be done no more, or wanted no more.
        let is_free = gate.borrow().admits(Request::Poll, now) == Admission::Free;
        if is_free && writer.is_wanted(id.clone()).await? {
            rate_limiter.spend_out_of_turn();
            seen = poll(id, context).await;
        }
    }
    let Some(order) = writer.store_poll(id.clone(), seen).await? else {
        return Ok(Outcome::Stored);
    };
    crash::at(Point::ResumeBegins);
    if let Some(slot) = slot {
        slot.spend();
    }
    let answer = resume(id, client, order).await;
    writer.store_resume(id.clone(), answer).await?;
    Ok(Outcome::Stored)
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

/// Asks whose token it is where a refusal can concern the account or this task only.
async fn explained(failure: Failure, context: &Context) -> Failure {
    if !failure.is_ambiguous() {
        return failure;
    }
    context.rate_limiter.spend_out_of_turn();
    let user = context.client.user().await;
    tracing::debug!("{failure}: asked whose token it is: {user:?}");
    failure.explained_by(user)
}

async fn resume(id: &TaskId, client: &Client, order: ResumePermit) -> ResumeAnswer {
    let started_at = Timestamp::now();
    let TaskAnswer {
        http_status,
        outcome,
    } = if Instant::now() < order.send_before {
        client.resume(id, order.desired_new_results).await
    } else {
        let detail = "storing it took too long for what it was decided by; looking again";
        TaskAnswer {
            http_status: None,
            outcome: Err(Failure::Withheld {
                detail: detail.to_owned(),
            }),
        }
    };
    crash::at(Point::ResumeAnswered);
    tracing::debug!(task_id = %id, resume = order.resume_id, "{id}: resumed: {outcome:?}");
    ResumeAnswer {
        resume_id: order.resume_id,
        started_at,
        answered_at: Timestamp::now(),
        http_status,
        outcome,
    }
}
