//! The secret: where it is found, what it may be; it prints as `[redacted]`.

use crate::config::Api;
use secrecy::{ExposeSecret, SecretString};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variable that names the directory of systemd's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The credential's name in that directory.
const CREDENTIAL: &str = "extruct-api-token";

/// The variable that can hold the token itself.
const VARIABLE: &str = "EXTRUCT_API_TOKEN";

/// The longest token, in bytes.
const MAX_BYTES: usize = 4096;

/// What a credential holds where there was none to load: `SetCredential=` in growd's units, which can't leave one empty.
const NONE: &[u8] = b"\n";

/// Read and write for others than owner and group.
const OTHERS: u32 = 0o006;

/// Where a token comes from. It says nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A credential that systemd hands over.
    Credential(PathBuf),
    /// `api.token_file`.
    File(PathBuf),
    /// `$EXTRUCT_API_TOKEN`.
    Variable,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(path) => write!(f, "the credential {}", path.display()),
            Self::File(path) => write!(f, "{} (api.token_file)", Shown(path)),
            Self::Variable => write!(f, "the environment variable {VARIABLE}"),
        }
    }
}

/// A path, unless it looks as if the token itself was written where its file's name belongs.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONG_FOR_A_NAME: usize = 20;
        let text = self.0.to_string_lossy();
        if text.len() > LONG_FOR_A_NAME && !text.contains('/') && !self.0.exists() {
            return f.write_str(
                "the file (its name is not repeated here, for it may be the token itself)",
            );
        }
        f.write_str(&text)
    }
}

/// Why there is no token. No variant holds anything of a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nobody has put one anywhere.
    #[error(
        "there is no API token: put it in a file that only growd can read and name that as api.token_file in the \
         config, or in the environment variable {VARIABLE}, or, under systemd, hand it over as the credential \
         {CREDENTIAL} (LoadCredential=)"
    )]
    Missing,
    /// The file that should hold it can't be read.
    #[error(
        "the API token cannot be read from {place}: {cause}; the file has to exist and this user has to be allowed \
         to read it"
    )]
    Unreadable {
        /// Where.
        place: Place,
        /// Why not.
        cause: std::io::Error,
    },
    /// What is there is no token.
    #[error("what is in {place} is no API token: {why}; put the token there, and nothing else")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The API token. Neither printed nor stored, by any means.
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    place: Place,
    warnings: Vec<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Token {
    /// Looks for the token in its three places, as they are now.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: there is none, or what is in the first place that has something is not one.
    pub fn find(api: &Api) -> Result<Self, TokenError> {
        find(api.token_file.as_deref(), |name| std::env::var_os(name))
    }

    /// Reads the token from a file and looks nowhere else.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: the file can't be read, or what is in it is no token.
    pub fn from_file_only(path: &Path) -> Result<Self, TokenError> {
        find(Some(path), |_| None)
    }

    /// Where it was found.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is not well with the way it is kept.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The token itself, for the header of a request and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    fn new(bytes: Vec<u8>, place: Place) -> Result<Self, TokenError> {
        let malformed = |why| TokenError::Malformed {
            place: place.clone(),
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
                "it has spaces, line breaks or control characters inside",
            ));
        }
        if token.starts_with(['"', '\'', '`']) || token.ends_with(['"', '\'', '`']) {
            return Err(malformed(
                "it is in quotation marks, which are not part of it",
            ));
        }
        // A header's value can't carry anything else as it stands.
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(malformed("it has characters that are not ASCII"));
        }
        Ok(Self {
            secret: SecretString::from(token),
            place,
            warnings: Vec::new(),
        })
    }

    fn from_file(place: &Place, path: &Path) -> Result<Self, TokenError> {
        let unreadable = |cause| TokenError::Unreadable {
            place: place.clone(),
            cause,
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() && !metadata.is_dir() {
            // To open a pipe would be to wait for somebody who writes to it; a directory says itself what it is.
            return Err(TokenError::Malformed {
                place: place.clone(),
                why: "it is not a file",
            });
        }
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        // Room for the line break at the end, and for seeing that it is too long.
        file.take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let mut token = Self::new(bytes, place.clone())?;
        if metadata.permissions().mode() & OTHERS != 0 {
            token.warnings.push(format!(
                "every user of this machine can read or change the token in {place}: chmod o-rwx it"
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
    if let Some(directory) = set(CREDENTIALS) {
        let path = Path::new(&directory).join(CREDENTIAL);
        let is_none = std::fs::read(&path).is_ok_and(|bytes| bytes == NONE);
        match Token::from_file(&Place::Credential(path.clone()), &path) {
            Err(TokenError::Malformed { .. }) if is_none => {}
            // The directory may hold other credentials, and not this one.
            Err(TokenError::Unreadable { cause, .. }) if cause.kind() == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
    }
    if let Some(path) = token_file {
        return Token::from_file(&Place::File(path.to_owned()), path);
    }
    match set(VARIABLE) {
        Some(text) => Token::new(text.into_encoded_bytes(), Place::Variable),
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
    fn the_credential_goes_before_the_file_and_the_file_before_the_variable() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        write(&file, "from-file\n", 0o600);
        let variables = |name: &str| match name {
            CREDENTIALS => Some(directory.path().into()),
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
        assert!(matches!(token.place(), Place::Credential(_)));
        assert!(token.warnings().is_empty());
    }

    #[test]
    fn a_credential_that_systemd_had_none_to_load_for_is_none() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(CREDENTIAL), "\n").unwrap();
        let with = |value: Option<&str>| {
            find(None, |name| match name {
                CREDENTIALS => Some(directory.path().into()),
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
    fn a_byte_order_mark_is_no_part_of_it_and_quotation_marks_are_refused_by_name() {
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
    fn what_is_no_token_is_refused_with_its_place() {
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
    fn a_named_file_that_cannot_be_read_is_an_error_even_with_a_variable_set() {
        let missing = Path::new("/nonexistent/token");
        let error = find(Some(missing), |_| Some("x".into())).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/token"), "{error}");
    }

    #[test]
    fn a_token_in_place_of_its_files_name_is_not_repeated() {
        let error = find(Some(Path::new("S3CRET-S3CRET-S3CRET-S3CRET")), |_| None).unwrap_err();
        assert!(!error.to_string().contains("S3CRET"), "{error}");
    }

    #[test]
    fn a_file_that_everyone_can_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        write(&file, "x", 0o604);
        let token = find(Some(&file), |_| None).unwrap();
        assert_eq!(token.warnings().len(), 1);
        write(&file, "x", 0o640);
        assert!(find(Some(&file), |_| None).unwrap().warnings().is_empty());
    }

    #[test]
    fn no_token_anywhere_names_the_three_places() {
        let error = find(None, |_| None).unwrap_err().to_string();
        for part in ["api.token_file", VARIABLE, CREDENTIAL] {
            assert!(error.contains(part), "{error}");
        }
    }
}
