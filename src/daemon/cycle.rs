//! One pass for one task: look, have it judged and stored, and send the resume that comes of it.
//!
//! # Guarantees
//!
//! A resume is sent only on an [`Order`](super::batch::Order), which is given once the intention is durable,
//! and only once. Dropping this future at any point is safe: the next look settles what was under way.

use super::limits::Pacer;
use super::writer::{WriteError, Writer};
use crate::core::step::{Answer, Look};
use crate::core::{Status, TaskId};
use crate::crash::{self, Point};
use crate::extruct::{Answered, Client};
use jiff::Timestamp;

/// Looks at a task once, and resumes it where that is due.
///
/// # Errors
///
/// [`WriteError`] where what was learnt could not be stored.
pub async fn cycle(
    id: &TaskId,
    client: &Client,
    writer: &Writer,
    pacer: &Pacer,
) -> Result<(), WriteError> {
    crash::at(Point::LookBegins);
    let started_at = Timestamp::now();
    let Answered { outcome, .. } = client.look(id).await;
    crash::at(Point::LookAnswered);
    let answered_at = Timestamp::now();
    tracing::debug!(task_id = %id, ?outcome, "polled");
    if outcome
        .as_ref()
        .is_ok_and(|seen| seen.status == Status::Done && !seen.is_exhausted)
    {
        // A resume may come of this. Its slot is taken before it is written down, for the time in which an
        // unanswered one is looked for begins then.
        pacer.take().await;
    }
    let look = Look {
        started_at,
        answered_at,
        outcome,
    };
    let Some(order) = writer.looked(id.clone(), look).await? else {
        return Ok(());
    };
    crash::at(Point::ResumeBegins);
    let started_at = Timestamp::now();
    let Answered {
        http_status,
        outcome,
    } = client.resume(id, order.desired_new_results).await;
    crash::at(Point::ResumeAnswered);
    tracing::debug!(task_id = %id, resume = order.resume_id, ?outcome, "resumed");
    let answer = Answer {
        resume_id: order.resume_id,
        started_at,
        answered_at: Timestamp::now(),
        http_status,
        outcome,
    };
    writer.answered(id.clone(), answer).await
}
