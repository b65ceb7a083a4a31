//! What can be wrong with a config, in words that name the place, the key, the value and the remedy.

use std::fmt;
use std::path::PathBuf;

/// Why a config can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error(
        "there is no config file {path}, which {named_by} names: create it, or leave {named_by} out"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// `--config` or `$GROWD_CONFIG`.
        named_by: &'static str,
    },
    /// The file is there, but can't be read.
    #[error(
        "the config file {path} cannot be read: {cause}; it has to be UTF-8 text that this user may read"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file is too large to be one.
    #[error(
        "the config file {path} is larger than {max} bytes: it cannot be a config of growd; name another file"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest that is read.
        max: u64,
    },
    /// On a reload: the file has nothing in it any more.
    #[error(
        "the config file {path} is empty, and was not before, as while an editor saves it: write it, and reload \
         again. To go back to the defaults, leave a comment in it, or restart growd"
    )]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// The file is no TOML.
    #[error("the config file {path} is not valid TOML: {detail}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why. Never the line itself: it may hold a secret.
        detail: String,
    },
    /// Keys or values that don't belong.
    #[error("the config cannot be used:{}", list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |text, problem| {
        format!("{text}\n  {problem}")
    })
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A config file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// It is the default.
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

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The key.
    pub key: String,
    /// What is wrong, and what to do.
    pub what: Wrong,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// There is no such key.
    Unknown {
        /// Its value, for people.
        value: String,
        /// The known key that is most like it.
        nearest: &'static str,
    },
    /// Its value is of the wrong type, or impossible.
    Value {
        /// The value, for people.
        value: String,
        /// What is allowed.
        allowed: String,
        /// The default, if there is one.
        default: Option<&'static str>,
    },
    /// Its value does not go with another key's.
    ResumePermit {
        /// The value.
        value: String,
        /// The key that it has to stay at or below.
        other: &'static str,
        /// That key's value.
        limit: String,
    },
    /// Its value has to be above another key's, and is not.
    NotAbove {
        /// The value.
        value: String,
        /// The other key.
        other: &'static str,
        /// That key's value.
        limit: String,
        /// What would come of it.
        why: &'static str,
    },
    /// It is, or looks like, a secret.
    Secret,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, what } = self;
        match what {
            Wrong::Unknown { value, nearest } => write!(
                f,
                "{origin}: there is no key {key} (it has the value {value}); did you mean {nearest}?"
            ),
            Wrong::Value {
                value,
                allowed,
                default,
            } => {
                write!(f, "{origin}: {key} cannot be {value}: it takes {allowed}")?;
                match default {
                    Some(default) => write!(f, "; leave it out for the default, {default}"),
                    None => f.write_str("; or leave it out"),
                }
            }
            Wrong::ResumePermit {
                value,
                other,
                limit,
            } => write!(
                f,
                "{origin}: {key} ({value}) is above {other} ({limit}): lower the one or raise the other"
            ),
            Wrong::NotAbove {
                value,
                other,
                limit,
                why,
            } => write!(
                f,
                "{origin}: {key} ({value}) is not above {other} ({limit}): {why}; raise {key} or lower {other}"
            ),
            Wrong::Secret => write!(
                f,
                "{origin}: {key} is not accepted (its value is not repeated here): the token has no place in the \
                 config. Put it in a file of its own and name that as api.token_file, or in the environment \
                 variable EXTRUCT_API_TOKEN; then take it out here"
            ),
        }
    }
}
