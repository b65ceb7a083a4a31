//! What a key can take: reading a value from text, and saying in words which values there are.

use std::path::PathBuf;
use std::time::Duration;
use url::{Host, Url};

/// Which TOML type a value is written as. The environment has text only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// An integer.
    Integer,
    /// A float or an integer.
    Number,
}

/// A set of values.
pub(super) trait Kind {
    /// What they are to the program.
    type Value;
    /// What they are in TOML.
    const SHAPE: Shape;
    /// The value that a text stands for, where that is allowed.
    fn parse(&self, text: &str) -> Option<Self::Value>;
    /// What is allowed, in words that go on "takes …".
    fn allowed(&self) -> String;
}

/// The address of the service.
pub(super) struct Http;

impl Kind for Http {
    type Value = Url;
    const SHAPE: Shape = Shape::Text;

    fn parse(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let safe = match url.scheme() {
            "https" => true,
            // The token goes with every request, and would be readable on the way.
            "http" => loopback,
            _ => false,
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // growd adds that itself: requests would go to /v1/v1/….
        let has_version = url.path().trim_end_matches('/').ends_with("/v1");
        (safe && bare && !has_version).then_some(url)
    }

    fn allowed(&self) -> String {
        "an https:// address without user name, query or fragment, or http:// with localhost, 127.0.0.1 or [::1]; without \
         /v1 at its end, which growd adds"
            .to_owned()
    }
}

/// A file.
pub(super) struct Path;

impl Kind for Path {
    type Value = PathBuf;
    const SHAPE: Shape = Shape::Text;

    fn parse(&self, text: &str) -> Option<PathBuf> {
        // A shell would have made a directory of `~`; SQLite and the system take it for a name.
        let is_path = !text.trim().is_empty() && !text.contains('\0') && !text.starts_with('~');
        is_path.then(|| PathBuf::from(text))
    }

    fn allowed(&self) -> String {
        "the path of a file, written out: ~ stands for no directory here".to_owned()
    }
}

/// A length of time.
pub(super) struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Kind for Span {
    type Value = Duration;
    const SHAPE: Shape = Shape::Text;

    fn parse(&self, text: &str) -> Option<Duration> {
        let span = humantime::parse_duration(text).ok()?;
        (self.min..=self.max).contains(&span).then_some(span)
    }

    fn allowed(&self) -> String {
        format!(
            "a duration such as \"250ms\", \"5s\", \"2m\" or \"1h\", from {} to {}d",
            humantime::format_duration(self.min),
            self.max.as_secs() / (24 * 60 * 60)
        )
    }
}

/// A whole number.
pub(super) struct Integer {
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
}

impl Kind for Integer {
    type Value = i64;
    const SHAPE: Shape = Shape::Integer;

    fn parse(&self, text: &str) -> Option<i64> {
        let number = text.parse().ok()?;
        (self.min..=self.max).contains(&number).then_some(number)
    }

    fn allowed(&self) -> String {
        let Self { min, max } = self;
        match *max {
            i64::MAX => format!("a whole number, {min} or more"),
            _ => format!("a whole number from {min} to {max}"),
        }
    }
}

/// A number, or 0.
pub(super) struct Number {
    /// The least but 0.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Kind for Number {
    type Value = f64;
    const SHAPE: Shape = Shape::Number;

    fn parse(&self, text: &str) -> Option<f64> {
        let number: f64 = text.parse().ok()?;
        // Adding 0 makes 0 of -0.
        (number == 0.0 || (self.min..=self.max).contains(&number)).then_some(number + 0.0)
    }

    fn allowed(&self) -> String {
        format!("a number from {} to {}, or 0", self.min, self.max)
    }
}

/// One of a few words.
pub(super) struct Word<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy> Kind for Word<T> {
    type Value = T;
    const SHAPE: Shape = Shape::Text;

    fn parse(&self, text: &str) -> Option<T> {
        self.0
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, value)| *value)
    }

    fn allowed(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("one of {}", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only_and_an_address_holds_nothing_secret() {
        for good in [
            "https://api.extruct.ai",
            "https://proxy.example/extruct/",
            "https://proxy.example/v1/extruct",
            "https://proxy.example/av1",
            "http://localhost:8080",
            "http://127.9.9.9",
            "http://[::1]:1",
        ] {
            assert!(Http.parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://api.extruct.ai",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://10.0.0.1",
            "http://[::2]",
            "ftp://localhost",
            "https://me:pass@host",
            "https://me@host",
            "https://host?x=y",
            "https://host#x",
            "api.extruct.ai",
            "https://api.extruct.ai/v1",
            "https://api.extruct.ai/v1/",
            "https://proxy.example/extruct/v1//",
            "https://",
            "",
        ] {
            assert!(Http.parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_finite_and_not_below_zero() {
        let rate = Number {
            min: 0.001,
            max: 1000.0,
        };
        assert_eq!(rate.parse("2.5"), Some(2.5));
        assert_eq!(rate.parse("0"), Some(0.0));
        for bad in ["-1", "NaN", "inf", "1e-9", "1e9", "ten", ""] {
            assert!(rate.parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_span_has_a_unit_and_an_end() {
        let span = Span {
            min: Duration::from_millis(1),
            max: Duration::from_hours(24),
        };
        assert_eq!(span.parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(span.parse("2m"), Some(Duration::from_mins(2)));
        for bad in [
            "5",
            "0s",
            "0",
            "-5s",
            "25h",
            "soon",
            "99999999999999999999d",
            "",
        ] {
            assert!(span.parse(bad).is_none(), "{bad}");
        }
    }
}
