//! Arithmetic on times, and their text form.

use jiff::Timestamp;
use std::time::Duration;

/// Returns `at` plus `delay`, or the end of time if that is no timestamp.
#[must_use]
pub fn after(at: Timestamp, delay: Duration) -> Timestamp {
    at.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// Returns how long after `earlier` `later` comes; zero if the clock went back.
#[must_use]
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

/// Returns a time as the database has it: UTC with milliseconds, `2026-11-24T02:22:00.123Z`.
///
/// All texts have the same length, so their order as text is their order in time.
#[must_use]
pub fn to_text(at: Timestamp) -> String {
    // Without rounding: no text names a time that is still to come.
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_milliseconds_and_a_z() {
        let at: Timestamp = "2026-11-24T02:22:00.1239Z".parse().expect("a time");
        assert_eq!(to_text(at), "2026-11-24T02:22:00.123Z");
        assert_eq!(to_text(Timestamp::MAX), "9999-12-30T22:00:00.999Z");
    }
}
