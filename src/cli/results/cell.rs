//! A cell of a spreadsheet.

use std::borrow::Cow;

/// The value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Empty,
    /// Text, which a spreadsheet must not evaluate.
    Text(Cow<'a, str>),
    /// A number as JSON writes it.
    Number(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// Returns a cell with text; an empty one for none.
    #[must_use]
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.into()))
    }

    /// Returns a cell with a number; an empty one for none.
    #[must_use]
    pub fn number(number: Option<impl ToString>) -> Self {
        number.map_or(Self::Empty, |number| {
            Self::Number(number.to_string().into())
        })
    }
}

/// Returns a text as it is safe in a CSV file.
///
/// A spreadsheet evaluates a text that begins with one of these characters as a formula, also in quotation marks, and the
/// texts are those of strangers' websites. `'` marks it as text. A NUL is replaced, because many readers end the text there or
/// drop the character, and then see the text without it.
#[must_use]
pub fn defused(text: &str) -> Cow<'_, str> {
    let text: Cow<'_, str> = if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}").into()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_spreadsheet_would_evaluate_is_marked_as_text() {
        for (text, safe) in [
            ("=1+1", "'=1+1"),
            ("+49 30 1", "'+49 30 1"),
            ("-2", "'-2"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\0=1", "\u{fffd}=1"),
            ("=\0", "'=\u{fffd}"),
            ("", ""),
            ("'=1", "'=1"),
            ("a=1", "a=1"),
            (" =1", " =1"),
            ("1-10", "1-10"),
            ("\u{202e}=1", "\u{202e}=1"),
        ] {
            assert_eq!(defused(text), safe, "{text:?}");
        }
    }
}
