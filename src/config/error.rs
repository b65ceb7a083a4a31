//! Configuration errors: each names the file or variable, the key, the value and the remedy.

use std::fmt;
use std::path::PathBuf;

/// Why a configuration is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named by an option or a variable does not exist.
    #[error(
        "the config file {path}, named by {named_by}, does not exist: create it, or leave {named_by} out"
    )]
    Missing {
        /// Path of the file.
        path: PathBuf,
        /// `--config` or `$GROWD_CONFIG`.
        named_by: &'static str,
    },
    /// The file exists but cannot be read.
    #[error(
        "the config file {path} cannot be read: {cause}; it must be UTF-8 text that this user may read"
    )]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// The file is too large.
    #[error("the config file {path} is larger than {max} bytes, the maximum: name another file")]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
        /// Maximum size in bytes.
        max: u64,
    },
    /// On a reload: the file is empty now and was not before.
    #[error(
        "the config file {path} has become empty, perhaps because an editor is saving it: write it and reload again. To \
         return to the defaults, leave a comment in it, or restart growd"
    )]
    Emptied {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file is not valid TOML.
    #[error("the config file {path} is not valid TOML: {detail}")]
    Syntax {
        /// Path of the file.
        path: PathBuf,
        /// Position and reason, without the line itself, which may hold a secret.
        detail: String,
    },
    /// Unknown keys, or invalid values.
    #[error("the config is invalid:{}", list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |text, problem| {
        format!("{text}\n  {problem}")
    })
}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a configuration file.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Default => f.write_str("the defaults"),
        }
    }
}

/// One invalid key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was set.
    pub origin: Origin,
    /// Full name of the key.
    pub key: String,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// The key does not exist.
    UnknownKey {
        /// Its value, as shown in a message.
        value: String,
        /// The most similar known key.
        nearest: String,
    },
    /// The value has the wrong type or is out of range.
    InvalidValue {
        /// The value, as shown in a message.
        value: String,
        /// The accepted values.
        allowed: String,
        /// The default, if the key has one.
        default: Option<&'static str>,
    },
    /// The value is above that of another key, which is its maximum.
    AboveMaximum {
        /// The value.
        value: String,
        /// The key that holds the maximum.
        other: &'static str,
        /// The other key's value.
        limit: String,
    },
    /// The value is not above that of another key.
    NotAbove {
        /// The value.
        value: String,
        /// The other key.
        other: &'static str,
        /// The other key's value.
        limit: String,
        /// What would go wrong.
        why: &'static str,
    },
    /// The key looks like that of a secret.
    Secret,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, kind } = self;
        match kind {
            ProblemKind::UnknownKey { value, nearest } => write!(
                f,
                "{origin}: the key {key} (with the value {value}) does not exist; did you mean {nearest}?"
            ),
            ProblemKind::InvalidValue {
                value,
                allowed,
                default,
            } => {
                write!(f, "{origin}: {key} cannot be {value}: it accepts {allowed}")?;
                match default {
                    Some(default) => write!(f, "; without it, the default {default} applies"),
                    None => f.write_str("; or leave it out"),
                }
            }
            ProblemKind::AboveMaximum {
                value,
                other,
                limit,
            } => write!(
                f,
                "{origin}: {key} ({value}) is above {other} ({limit}): lower the first or raise the second"
            ),
            ProblemKind::NotAbove {
                value,
                other,
                limit,
                why,
            } => write!(
                f,
                "{origin}: {key} ({value}) is not above {other} ({limit}): {why}; raise {key} or lower {other}"
            ),
            ProblemKind::Secret => write!(
                f,
                "{origin}: {key} is not accepted (its value is not shown): the config must not contain the token. Put the \
                 token in a file of its own and set api.token_file to its path, or in the environment variable \
                 EXTRUCT_API_TOKEN; then remove {key}"
            ),
        }
    }
}
