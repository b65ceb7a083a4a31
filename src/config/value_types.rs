//! The types of configuration values: parsing, and a description of the accepted values for messages.

use std::path::PathBuf;
use std::time::Duration;
use url::{Host, Url};

/// The TOML type of a value. Environment variables are always text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TomlType {
    /// A string.
    String,
    /// A boolean.
    Boolean,
    /// An integer.
    Integer,
    /// A float or an integer.
    Float,
}

/// A type of configuration values, with its range.
pub(super) trait ValueType {
    /// The parsed value.
    type Value;
    /// How the value is written in TOML.
    const TOML_TYPE: TomlType;
    /// Parses a value; returns `None` if it is invalid or out of range.
    fn parse(&self, text: &str) -> Option<Self::Value>;
    /// Describes the accepted values: the object of "growd accepts …".
    fn allowed(&self) -> String;
}

/// The base URL of the service.
pub(super) struct BaseUrl;

impl ValueType for BaseUrl {
    type Value = Url;
    const TOML_TYPE: TomlType = TomlType::String;

    fn parse(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let safe = match url.scheme() {
            "https" => true,
            // Every request carries the token, which plain HTTP would send in clear text.
            "http" => loopback,
            _ => false,
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // growd appends /v1 itself: requests would go to /v1/v1/….
        let has_version = url.path().trim_end_matches('/').ends_with("/v1");
        (safe && bare && !has_version).then_some(url)
    }

    fn allowed(&self) -> String {
        "an https:// URL, or an http:// URL of localhost, 127.0.0.1 or [::1], without user name, query or fragment, and \
         without /v1 at its end, which growd appends"
            .to_owned()
    }
}

/// The path of a file.
pub(super) struct FilePath;

impl ValueType for FilePath {
    type Value = PathBuf;
    const TOML_TYPE: TomlType = TomlType::String;

    fn parse(&self, text: &str) -> Option<PathBuf> {
        // Only a shell expands `~`; SQLite and the kernel would create a directory of that name.
        let is_path = !text.trim().is_empty() && !text.contains('\0') && !text.starts_with('~');
        is_path.then(|| PathBuf::from(text))
    }

    fn allowed(&self) -> String {
        "the path of a file; ~ is not expanded, so the path has to be written out".to_owned()
    }
}

/// A duration within a range.
pub(super) struct DurationRange {
    /// Shortest accepted duration.
    pub min: Duration,
    /// Longest accepted duration.
    pub max: Duration,
}

impl ValueType for DurationRange {
    type Value = Duration;
    const TOML_TYPE: TomlType = TomlType::String;

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

/// A whole number within a range.
pub(super) struct Integer {
    /// Smallest accepted value.
    pub min: i64,
    /// Largest accepted value.
    pub max: i64,
}

impl ValueType for Integer {
    type Value = i64;
    const TOML_TYPE: TomlType = TomlType::Integer;

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

/// A number within a range, or 0.
pub(super) struct Number {
    /// Smallest accepted value other than 0.
    pub min: f64,
    /// Largest accepted value.
    pub max: f64,
}

impl ValueType for Number {
    type Value = f64;
    const TOML_TYPE: TomlType = TomlType::Float;

    fn parse(&self, text: &str) -> Option<f64> {
        let number: f64 = text.parse().ok()?;
        // Adding 0.0 turns -0.0 into 0.0.
        (number == 0.0 || (self.min..=self.max).contains(&number)).then_some(number + 0.0)
    }

    fn allowed(&self) -> String {
        format!("a number from {} to {}, or 0", self.min, self.max)
    }
}

/// A boolean.
pub(super) struct Boolean;

impl ValueType for Boolean {
    type Value = bool;
    const TOML_TYPE: TomlType = TomlType::Boolean;

    fn parse(&self, text: &str) -> Option<bool> {
        text.to_ascii_lowercase().parse().ok()
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }
}

/// One of a fixed set of words, in upper or lower case.
pub(super) struct OneOf<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy> ValueType for OneOf<T> {
    type Value = T;
    const TOML_TYPE: TomlType = TomlType::String;

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
    fn plain_http_is_accepted_for_loopback_addresses_only_and_a_url_holds_no_secret() {
        for good in [
            "https://api.extruct.ai",
            "https://proxy.example/extruct/",
            "https://proxy.example/v1/extruct",
            "https://proxy.example/av1",
            "http://localhost:8080",
            "http://127.9.9.9",
            "http://[::1]:1",
        ] {
            assert!(BaseUrl.parse(good).is_some(), "{good}");
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
            assert!(BaseUrl.parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_finite_and_within_its_range_or_zero() {
        let number = Number {
            min: 0.001,
            max: 1000.0,
        };
        assert_eq!(number.parse("2.5"), Some(2.5));
        assert_eq!(number.parse("0"), Some(0.0));
        for bad in ["-1", "NaN", "inf", "1e-9", "1e9", "ten", ""] {
            assert!(number.parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_duration_has_a_unit_and_a_maximum() {
        let range = DurationRange {
            min: Duration::from_millis(1),
            max: Duration::from_hours(24),
        };
        assert_eq!(range.parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(range.parse("2m"), Some(Duration::from_mins(2)));
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
            assert!(range.parse(bad).is_none(), "{bad}");
        }
    }
}
