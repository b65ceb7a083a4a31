//! Shares of integers.

/// Returns `percent` percent of `amount`, rounded up.
pub(crate) fn percent(amount: u32, percent: u32) -> u32 {
    let share = (u64::from(amount) * u64::from(percent)).div_ceil(100);
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// Returns `amount` times a share from 0 to 1, rounded down.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of 0 to 1 of a u32 is a u32"
)]
pub(crate) fn scaled(amount: u32, share: f64) -> u32 {
    (f64::from(amount) * share).floor() as u32
}
