//! Times as the database has them: UTC text with milliseconds, `2026-11-24T02:22:00.123Z`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time as text. All have the same length, so their order as text is their order in time.
#[must_use]
pub fn to_text(at: Timestamp) -> String {
    // Written by hand: it is done several times for each look.
    let at = TimeZone::UTC.to_datetime(at);
    let number = |number: i16| u16::try_from(number).unwrap_or(0);
    let (year, milliseconds) = (number(at.year()), at.subsec_nanosecond() / 1_000_000);
    let small = |number: i8| u8::try_from(number).unwrap_or(0);
    let mut text = String::with_capacity("2026-11-24T02:22:00.123Z".len());
    let mut put = |number: u16, digits: u32, end: char| {
        for digit in (0..digits).rev() {
            let digit = number / 10_u16.pow(digit) % 10;
            text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        text.push(end);
    };
    put(year, 4, '-');
    put(small(at.month()).into(), 2, '-');
    put(small(at.day()).into(), 2, 'T');
    put(small(at.hour()).into(), 2, ':');
    put(small(at.minute()).into(), 2, ':');
    put(small(at.second()).into(), 2, '.');
    put(u16::try_from(milliseconds).unwrap_or(0), 3, 'Z');
    text
}

/// A time from text; none where it is no time.
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
