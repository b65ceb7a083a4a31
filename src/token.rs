//! The API token: its sources and its syntax. It prints as `[redacted]`.

use crate::config::Api;
use secrecy::{ExposeSecret, SecretString};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The environment variable that holds the directory of systemd's credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The name of the credential, a file in that directory.
const CREDENTIAL: &str = "extruct-api-token";

/// The environment variable that can hold the token.
const VARIABLE: &str = "EXTRUCT_API_TOKEN";

/// The longest accepted token, in bytes.
const MAX_BYTES: usize = 4096;

/// The content of an absent credential: growd's units set this fallback with `SetCredential=`, which cannot set an empty
/// one.
const ABSENT: &[u8] = b"\n";

/// The mode bits for reading and writing by others than owner and group.
const OTHERS_MODE: u32 = 0o006;

/// Where a token was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// A credential of systemd.
    Credential(PathBuf),
    /// `api.token_file`.
    File(PathBuf),
    /// `$EXTRUCT_API_TOKEN`.
    Variable,
    /// growd itself, for its stand-in.
    Program,
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(path) => write!(f, "the credential {}", path.display()),
            Self::File(path) => write!(f, "{} (api.token_file)", DisplayPath(path)),
            Self::Variable => write!(f, "the environment variable {VARIABLE}"),
            Self::Program => f.write_str("growd itself"),
        }
    }
}

/// Displays a path, unless it may be a token that the operator wrote in place of the path.
struct DisplayPath<'a>(&'a Path);

impl fmt::Display for DisplayPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAME_LENGTH_MAX: usize = 20;
        let text = self.0.to_string_lossy();
        if text.len() > NAME_LENGTH_MAX && !text.contains('/') && !self.0.exists() {
            return f
                .write_str("the file (its name is not shown, because it may be the token itself)");
        }
        f.write_str(&text)
    }
}

/// Why there is no usable token. No variant holds any part of a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No source is set.
    #[error(
        "there is no API token: put it in a file that only growd can read and set api.token_file in the config to its \
         path, or set the environment variable {VARIABLE}, or, under systemd, provide the credential {CREDENTIAL} \
         (LoadCredential=)"
    )]
    Missing,
    /// The file cannot be read.
    #[error(
        "the API token cannot be read from {origin}: {cause}; the file must exist and be readable by this user"
    )]
    Unreadable {
        /// Source of the token.
        origin: TokenSource,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// The content is not a token.
    #[error(
        "the content of {origin} is not an API token: {why}; put the token there and nothing else"
    )]
    Malformed {
        /// Source of the token.
        origin: TokenSource,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The API token. It is never printed and never stored.
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    source: TokenSource,
    warnings: Vec<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Token {
    /// Reads the token from the first source that is set: the credential, `api.token_file`, `$EXTRUCT_API_TOKEN`.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if no source is set, or the first one that is set holds no token.
    pub fn find(api: &Api) -> Result<Self, TokenError> {
        find(api.token_file.as_deref(), |name| std::env::var_os(name))
    }

    /// Creates a token for a stand-in of the service.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the text is no token.
    pub fn for_stand_in(text: &str) -> Result<Self, TokenError> {
        Self::new(text.as_bytes().to_vec(), TokenSource::Program)
    }

    /// Returns where the token was read from.
    #[must_use]
    pub fn source(&self) -> &TokenSource {
        &self.source
    }

    /// Returns warnings about the file that holds the token.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the token itself. Use it only for the header of a request.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    fn new(bytes: Vec<u8>, source: TokenSource) -> Result<Self, TokenError> {
        let malformed = |why| TokenError::Malformed {
            origin: source.clone(),
            why,
        };
        if bytes.len() > MAX_BYTES {
            return Err(malformed("it is longer than 4096 bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| malformed("it is not text"))?;
        // Some editors begin a file with a byte order mark.
        let token = text.trim_start_matches('\u{feff}').trim();
        if token.is_empty() {
            return Err(malformed("it is empty"));
        }
        if token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(malformed(
                "it contains spaces, line breaks or control characters",
            ));
        }
        if token.starts_with(['"', '\'', '`']) || token.ends_with(['"', '\'', '`']) {
            return Err(malformed(
                "it begins or ends with quotation marks, which are not part of it",
            ));
        }
        // An HTTP header value cannot carry other characters unchanged.
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(malformed("it contains characters that are not ASCII"));
        }
        Ok(Self {
            secret: SecretString::from(token),
            source,
            warnings: Vec::new(),
        })
    }

    fn from_file(source: &TokenSource, path: &Path) -> Result<Self, TokenError> {
        let unreadable = |cause| TokenError::Unreadable {
            origin: source.clone(),
            cause,
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() && !metadata.is_dir() {
            // Opening a pipe would block until another process writes to it. Reading a directory fails with a clear error.
            return Err(TokenError::Malformed {
                origin: source.clone(),
                why: "it is not a regular file",
            });
        }
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        // One byte above the maximum shows that the content is too long.
        file.take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let mut token = Self::new(bytes, source.clone())?;
        if metadata.permissions().mode() & OTHERS_MODE != 0 {
            token.warnings.push(format!(
                "every user of this machine can read or change the token in {source}: run chmod o-rwx on it"
            ));
        }
        Ok(token)
    }
}

fn find(
    token_file: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Token, TokenError> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(directory) = set(CREDENTIALS_DIRECTORY) {
        let path = Path::new(&directory).join(CREDENTIAL);
        let is_absent = std::fs::read(&path).is_ok_and(|bytes| bytes == ABSENT);
        match Token::from_file(&TokenSource::Credential(path.clone()), &path) {
            Err(TokenError::Malformed { .. }) if is_absent => {}
            // The directory may hold only other credentials.
            Err(TokenError::Unreadable { cause, .. }) if cause.kind() == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
    }
    if let Some(path) = token_file {
        return Token::from_file(&TokenSource::File(path.to_owned()), path);
    }
    match set(VARIABLE) {
        Some(text) => Token::new(text.into_encoded_bytes(), TokenSource::Variable),
        None => Err(TokenError::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn from_variable(value: &str) -> Result<Token, TokenError> {
        find(None, |name| (name == VARIABLE).then(|| value.into()))
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_credential_precedes_the_file_and_the_file_precedes_the_variable() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        write(&file, "from-file\n", 0o600);
        let variables = |name: &str| match name {
            CREDENTIALS_DIRECTORY => Some(directory.path().into()),
            VARIABLE => Some("from-variable".into()),
            _ => None,
        };
        assert_eq!(find(None, variables).unwrap().expose(), "from-variable");
        assert_eq!(find(Some(&file), variables).unwrap().expose(), "from-file");
        write(
            &directory.path().join(CREDENTIAL),
            " from-credential\r\n",
            0o400,
        );
        let token = find(Some(&file), variables).unwrap();
        assert_eq!(token.expose(), "from-credential");
        assert!(matches!(token.source(), TokenSource::Credential(_)));
        assert!(token.warnings().is_empty());
    }

    #[test]
    fn the_fallback_of_an_absent_credential_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(CREDENTIAL), "\n").unwrap();
        let with = |value: Option<&str>| {
            find(None, |name| match name {
                CREDENTIALS_DIRECTORY => Some(directory.path().into()),
                VARIABLE => value.map(OsString::from),
                _ => None,
            })
        };
        assert_eq!(with(Some("x")).unwrap().expose(), "x");
        assert!(matches!(with(None), Err(TokenError::Missing)));
        for malformed in ["", "two words"] {
            fs::write(directory.path().join(CREDENTIAL), malformed).unwrap();
            let outcome = with(Some("x"));
            assert!(matches!(outcome, Err(TokenError::Malformed { .. })));
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored_and_quotation_marks_are_rejected() {
        assert_eq!(from_variable("\u{feff}abc\r\n").unwrap().expose(), "abc");
        assert_eq!(from_variable("a\"b").unwrap().expose(), "a\"b");
        for quoted in [
            "\"abc\"",
            "'abc'",
            "`abc`",
            "\"abc",
            "abc'",
            "\u{feff}\"abc\"",
        ] {
            let error = from_variable(quoted).unwrap_err().to_string();
            assert!(error.contains("quotation marks"), "{error}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = from_variable("S3CRET").unwrap();
        assert_eq!(format!("{token:?}"), "[redacted]");
        for bad in ["S3CRET S3CRET", "S3CRET\nx", "S3CRET\u{7}", "S3CRET-é"] {
            let error = from_variable(bad).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("S3CRET"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn invalid_content_is_rejected_with_its_source() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        for (bytes, why) in [
            (b"".to_vec(), "empty"),
            (b" \n".to_vec(), "empty"),
            (vec![0xff, 0xfe], "not text"),
            (b"a\0b".to_vec(), "control"),
            (vec![b'a'; MAX_BYTES + 1], "longer"),
        ] {
            fs::write(&file, bytes).unwrap();
            let error = find(Some(&file), |_| None).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains(&*file.to_string_lossy()),
                "{error}"
            );
        }
    }

    #[test]
    fn a_token_file_that_cannot_be_read_is_an_error_even_if_the_variable_is_set() {
        let missing = Path::new("/nonexistent/token");
        let error = find(Some(missing), |_| Some("x".into())).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/token"), "{error}");
    }

    #[test]
    fn a_token_in_place_of_a_path_is_not_shown() {
        let error = find(Some(Path::new("S3CRET-S3CRET-S3CRET-S3CRET")), |_| None).unwrap_err();
        assert!(!error.to_string().contains("S3CRET"), "{error}");
    }

    #[test]
    fn a_token_file_that_every_user_can_read_causes_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        write(&file, "x", 0o604);
        let token = find(Some(&file), |_| None).unwrap();
        assert_eq!(token.warnings().len(), 1);
        write(&file, "x", 0o640);
        assert!(find(Some(&file), |_| None).unwrap().warnings().is_empty());
    }

    #[test]
    fn the_error_for_no_token_names_the_three_sources() {
        let error = find(None, |_| None).unwrap_err().to_string();
        for part in ["api.token_file", VARIABLE, CREDENTIAL] {
            assert!(error.contains(part), "{error}");
        }
    }
}
