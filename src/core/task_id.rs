//! Task ids: validation and canonical form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The id of a Deep Search task, fit to be one segment of a URL's path once percent-encoded.
///
/// A new one is read by [`str::parse`], which makes a UUID canonical and refuses characters that no id has; one from the
/// database by [`stored`](Self::stored).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Arc<str>);

/// Why a text is not a task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTaskId {
    /// The text is empty.
    #[error("a task id is empty")]
    Empty,
    /// Longer than [`TaskId::MAX_BYTES`].
    #[error("a task id has {0} bytes; the most is {max}", max = TaskId::MAX_BYTES)]
    TooLong(usize),
    /// A path segment that would change the path.
    #[error("{0:?} is no task id: it would change the path of the request")]
    DotSegment(String),
    /// A character that is not allowed.
    #[error("{id} is no task id: {character} does not belong in it; {ALPHABET}", id = Clipped(.id), character = Named(*.character))]
    Character {
        /// The text as given.
        id: String,
        /// The first such character.
        character: char,
    },
}

/// Describes the characters of an id that is not a UUID.
const ALPHABET: &str = "an id consists of A-Z a-z 0-9 - . _ ~";

impl TaskId {
    /// The longest id accepted, in bytes of UTF-8. The service's own are UUIDs of 36.
    pub const MAX_BYTES: usize = 200;

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a UUID, in any form.
    #[must_use]
    pub fn is_uuid(&self) -> bool {
        uuid(&self.0).is_some()
    }

    /// Whether it is in the form in which new ids are stored, and the service's list is read.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.0.parse().is_ok_and(|id: Self| id == *self)
    }

    /// Reads the id of an existing row without changing it. An earlier version accepted any text without ASCII control
    /// characters.
    ///
    /// # Errors
    ///
    /// [`InvalidTaskId`] if no version accepted the text.
    pub fn stored(text: &str) -> Result<Self, InvalidTaskId> {
        if text.trim_matches(' ').is_empty() {
            return Err(InvalidTaskId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidTaskId::TooLong(text.len()));
        }
        if text == "." || text == ".." {
            return Err(InvalidTaskId::DotSegment(text.to_owned()));
        }
        match text.chars().find(char::is_ascii_control) {
            Some(character) => Err(InvalidTaskId::Character {
                id: text.to_owned(),
                character,
            }),
            None => Ok(Self(text.into())),
        }
    }
}

impl FromStr for TaskId {
    type Err = InvalidTaskId;

    /// Reads a new id; ignores white space around it.
    fn from_str(text: &str) -> Result<Self, InvalidTaskId> {
        let text = text.trim();
        if let Some(uuid) = uuid(text) {
            let mut form = Uuid::encode_buffer();
            return Ok(Self((&*uuid.hyphenated().encode_lower(&mut form)).into()));
        }
        match text.chars().find(|c| !is_allowed(*c)) {
            Some(character) => Err(InvalidTaskId::Character {
                id: text.to_owned(),
                character,
            }),
            None => Self::stored(text),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether two texts are the same id: the same text, or the same UUID in two forms.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || uuid(one).is_some_and(|id| uuid(other) == Some(id))
}

/// Parses a UUID in any usual form: 32 hexadecimal digits in any case, with or without hyphens, braces or `urn:uuid:`. Hyphens
/// may be anywhere, since many services accept that.
fn uuid(text: &str) -> Option<Uuid> {
    const URN: &str = "urn:uuid:";
    let text = match text.get(..URN.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(URN) => &text[URN.len()..],
        _ => text,
    };
    let text = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .unwrap_or(text);
    let mut digits = [0; 32];
    for (index, byte) in text.bytes().filter(|byte| *byte != b'-').enumerate() {
        *digits.get_mut(index)? = byte;
    }
    // This rejects invalid and missing digits.
    Uuid::try_parse_ascii(&digits).ok()
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~".contains(character)
}

/// Displays a text in quotation marks, cut to a bounded length.
struct Clipped<'a>(&'a str);

impl fmt::Display for Clipped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 80;
        match self.0.char_indices().nth(MOST) {
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// Displays a character, with its code point if it is invisible or resembles another.
struct Named(char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(character) = self;
        if character.is_ascii_graphic() {
            write!(f, "{character:?}")
        } else {
            write!(f, "U+{:04X} ({character:?})", u32::from(*character))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANONICAL: &str = "0f0f1c1e-1111-4222-8333-4444555566aa";

    #[test]
    fn a_uuid_in_any_usual_form_is_canonical() {
        for form in [
            CANONICAL,
            "0F0F1C1E-1111-4222-8333-4444555566AA",
            "0f0f1c1E-1111-4222-8333-4444555566Aa",
            "0f0f1c1e1111422283334444555566aa",
            "{0f0f1c1e-1111-4222-8333-4444555566aa}",
            "{0f0f1c1e1111422283334444555566aa}",
            "urn:uuid:0f0f1c1e-1111-4222-8333-4444555566aa",
            "URN:UUID:0F0F1C1E-1111-4222-8333-4444555566AA",
            "0f0f1c1e11114222-8333-4444555566aa",
            " \t0f0f1c1e-1111-4222-8333-4444555566aa\r\n",
            "\u{a0}0f0f1c1e-1111-4222-8333-4444555566aa",
        ] {
            let id: TaskId = form.parse().unwrap();
            assert_eq!(id.as_str(), CANONICAL, "{form:?}");
            assert!(is_same(form.trim(), CANONICAL), "{form:?}");
        }
        assert!(!is_same(CANONICAL, "0f0f1c1e-1111-4222-8333-4444555566ab"));
    }

    #[test]
    fn any_other_id_is_kept_unchanged() {
        let longest = "x".repeat(200);
        for text in [
            "a",
            "A.b_c~d-E",
            "...",
            "-x",
            "0f0f1c1e-1111-4222-8333-4444555566a",
            "0f0f1c1e-1111-4222-8333-4444555566aaa",
            "0f0f1c1e-1111-4222-8333-4444555566ag",
            &longest,
        ] {
            assert_eq!(text.parse::<TaskId>().unwrap().as_str(), text);
        }
        assert!(!is_same("a", "A"));
    }

    #[test]
    fn the_first_character_that_does_not_belong_is_named() {
        for (text, named) in [
            ("0f0f1c1e-1111-4222-8333-4444555566aa,", "',' does"),
            ("\"0f0f1c1e-1111-4222-8333-4444555566aa\"", "'\"' does"),
            ("'a'", "'\\'' does"),
            ("0f0f1c1e\u{2013}1111", "U+2013 ('–') does"),
            ("0f0f1c1e-1111\u{200b}", "U+200B ('\\u{200b}') does"),
            ("\u{feff}a", "U+FEFF"),
            ("a\u{202e}b", "U+202E"),
            ("a b", "U+0020 (' ')"),
            ("a\nb/", "U+000A ('\\n')"),
            ("\u{1f980}/", "U+1F980"),
            ("né", "U+00E9 ('é')"),
            ("../user", "'/' does"),
            ("a?x=1#y", "'?' does"),
            ("task_id,target", "',' does"),
            ("a%20b", "'%' does"),
            ("{id}", "'{' does"),
        ] {
            let error = text.parse::<TaskId>().unwrap_err().to_string();
            assert!(error.contains(named), "{text:?}: {error}");
            assert!(!error.contains(char::is_control), "{text:?}: {error:?}");
        }
        let long = format!("{} ", "x".repeat(9_999)) + "x";
        assert!(long.parse::<TaskId>().unwrap_err().to_string().len() < 400);
        for text in ["", "  ", "\u{3000}", ".", "..", &"x".repeat(201)] {
            assert!(text.parse::<TaskId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_id_that_an_earlier_version_stored_is_read_unchanged() {
        for text in [
            "a b",
            "../user",
            "{ID}",
            "né",
            " abc",
            &CANONICAL.to_uppercase(),
        ] {
            assert_eq!(TaskId::stored(text).unwrap().as_str(), text);
        }
        for text in ["", "  ", ".", "..", "a\nb", &"é".repeat(101)] {
            assert!(TaskId::stored(text).is_err(), "{text:?}");
        }
    }
}
