//! Asking the service for the account's credits, for `growth.reserve_credits`.

use super::rate_limiter::Slot;
use super::reconcile::Context;
use crate::daemon::writer::WriteError;

/// Asks for the account's credits once, and has them stored. The writer has permitted it: it does so for one pass at a
/// time, and at most once in [`CREDITS_INTERVAL`](crate::core::spending::CREDITS_INTERVAL).
///
/// # Errors
///
/// [`WriteError`] if they could not be stored.
pub(super) async fn ask(slot: Slot<'_>, context: &Context) -> Result<(), WriteError> {
    slot.spend();
    let user = context.client.user().await;
    tracing::debug!("a paid request is due: asked for the credits: {user:?}");
    let available = user.ok().and_then(|user| user.whole_credits());
    context.writer.store_credits(available).await
}
