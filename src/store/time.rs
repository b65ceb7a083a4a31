//! Times as the database has them: UTC text with milliseconds, `2026-11-24T02:22:00.123Z`.

use super::StoreError;
use jiff::Timestamp;

/// A time as text. All have the same length, so their order as text is their order in time.
#[must_use]
pub fn to_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time from text.
///
/// # Errors
///
/// [`StoreError::Value`] where the text is no time.
pub fn from_text(text: &str) -> Result<Timestamp, StoreError> {
    text.parse()
        .map_err(|error| StoreError::Value(format!("{text:?} is no time: {error}")))
}

/// The same for a column that may be null.
///
/// # Errors
///
/// [`StoreError::Value`] where there is a text that is no time.
pub fn from_column(text: Option<&str>) -> Result<Option<Timestamp>, StoreError> {
    text.map(from_text).transpose()
}

/// The same where none does as well as what is no time: a schedule that somebody spoilt by hand is made anew.
#[must_use]
pub fn from_column_or_none(text: Option<&str>) -> Option<Timestamp> {
    from_text(text?).ok()
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
        assert!(from_text("yesterday").is_err());
    }
}
