//! Parses the `Retry-After` header.

use crate::core::RetryAfter;
use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// Parses `Retry-After`: seconds, with a fraction rounded up, or an HTTP date (RFC 9110, section 10.2.3). The first of
/// several values counts. Returns `None` if it is missing, negative, infinite or unreadable.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    // Two of the three date formats contain a comma, after the day of the week.
    let ends = text.match_indices(',').map(|(comma, _)| comma);
    ends.chain([text.len()])
        .take(2)
        .map(|end| text[..end].trim())
        .find_map(|first| match seconds(first) {
            Some(seconds) => Some(RetryAfter::Seconds(seconds)),
            None => date(headers, first),
        })
}

/// Parses an HTTP date, and counts it from the answer's own `Date` if that is readable: the two clocks may differ.
fn date(headers: &HeaderMap, text: &str) -> Option<RetryAfter> {
    let read = |text| httpdate::parse_http_date(text).ok();
    let at = read(text)?;
    Some(match answered_at(headers) {
        Some(answered_at) => {
            let wait = at.duration_since(answered_at).unwrap_or(Duration::ZERO);
            RetryAfter::Seconds(wait.as_secs())
        }
        // `httpdate` returns no date before 1970, so what is out of range is far in the future.
        None => RetryAfter::At(Timestamp::try_from(at).unwrap_or(Timestamp::MAX)),
    })
}

/// Returns the time of an answer by the service's clock.
pub(super) fn answered_at(headers: &HeaderMap) -> Option<SystemTime> {
    let date = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(date).ok()
}

/// Parses decimal seconds, rounded up. A number too large for `u64` saturates; the gate bounds it.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let up = u64::from(fraction.bytes().any(|c| c != b'0'));
    Some(whole.parse().unwrap_or(u64::MAX).saturating_add(up))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(of: &[(HeaderName, &str)]) -> HeaderMap {
        let of = of.iter().cloned();
        of.map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }

    fn limited(header: &str) -> Option<RetryAfter> {
        retry_after(&headers(&[(RETRY_AFTER, header)]))
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_invalid_values_are_none() {
        for (header, expected) in [
            ("120", 120),
            ("0", 0),
            ("1.5", 2),
            ("0.001", 1),
            ("3.0", 3),
            ("120, 60", 120),
            ("1.2 , 60", 2),
            ("7, Wed, 21 Oct 2015 07:28:00 GMT", 7),
            ("99999999999999999999999", u64::MAX),
            ("18446744073709551615.5", u64::MAX),
        ] {
            assert_eq!(
                limited(header),
                Some(RetryAfter::Seconds(expected)),
                "{header}"
            );
        }
        let at = "2015-10-21T07:28:00Z".parse().unwrap();
        for header in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wed, 21 Oct 2015 07:28:00 GMT, 60",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
            "Wed Oct 21 07:28:00 2015, 60",
        ] {
            assert_eq!(limited(header), Some(RetryAfter::At(at)), "{header}");
        }
        assert_eq!(
            limited("Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(RetryAfter::At(Timestamp::MAX))
        );
        for invalid in [
            "soon", "soon, 60", "-5", "-0.5", "-5, 60", "inf", "Infinity", "NaN", "1e3", "+5",
            "1.", ".5", ".", "1.5.5", "0x10", "60s", "", ",", ", 60",
        ] {
            assert_eq!(limited(invalid), None, "{invalid}");
        }
        let mut several = headers(&[(RETRY_AFTER, "30")]);
        several.append(RETRY_AFTER, HeaderValue::from_static("60"));
        assert_eq!(retry_after(&several), Some(RetryAfter::Seconds(30)));
    }

    #[test]
    fn a_date_to_come_back_at_counts_from_the_answers_own() {
        let read = |date, after| retry_after(&headers(&[(DATE, date), (RETRY_AFTER, after)]));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        for (after, expected) in [
            ("Wed, 21 Oct 2015 07:28:05 GMT", 5),
            ("Thu, 22 Oct 2015 07:28:00 GMT", 24 * 60 * 60),
            (date, 0),
            ("Wed, 21 Oct 2015 06:28:00 GMT", 0),
            ("9", 9),
        ] {
            assert_eq!(
                read(date, after),
                Some(RetryAfter::Seconds(expected)),
                "{after}"
            );
        }
        let at = "2015-10-21T07:28:00Z".parse().unwrap();
        assert_eq!(read("yesterday", date), Some(RetryAfter::At(at)));
    }
}
