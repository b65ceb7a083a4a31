//! Times in the database: UTC text with milliseconds, `2026-11-24T02:22:00.123Z`.

use jiff::Timestamp;

pub use crate::core::time::to_text;

/// Parses a time; none if the text is not one.
#[must_use]
pub fn from_text(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_milliseconds_and_a_z_and_comes_back() {
        let at: Timestamp = "2026-11-24T02:22:00.1239Z".parse().unwrap();
        assert_eq!(to_text(at), "2026-11-24T02:22:00.123Z");
        assert_eq!(
            to_text(from_text("2026-11-24T02:22:00Z").unwrap()),
            "2026-11-24T02:22:00.000Z"
        );
        assert_eq!(to_text(Timestamp::MAX), "9999-12-30T22:00:00.999Z");
        assert_eq!(from_text("yesterday"), None);
    }
}
