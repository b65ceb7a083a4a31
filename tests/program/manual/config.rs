//! growd.toml(5), from config/growd.toml and the table of keys.

use super::prose;
use clap_mangen::roff::Roff;
use growd::config::entries;
use std::fmt::Write;

/// The config with every key, its default and its explanation; a test of the config holds it to the keys.
const SAMPLE: &str = include_str!("../../../config/growd.toml");

const OPENING: &str = "\
# NAME
growd.toml - the config of growd
# SYNOPSIS
/etc/growd/growd.toml
# DESCRIPTION
What `growd`(1) goes by, in TOML. A key that is left out is at its default, and so is every key where there is no
file. A key that does not exist, a wrong type or a value that cannot be meant is refused, with the file, the key, the
value and what is allowed; growd then ends with status 78. `growd check` says whether all is well.
## Where it is looked for
The first of these that is given is read, and no other:

: `--config` FILE
It has to exist.
: `GROWD_CONFIG`
A variable of the environment that names a file; it has to exist.
: /etc/growd/growd.toml
It need not exist.
## The environment
A variable `GROWD__`SECTION`__`KEY goes before the file: `GROWD__GROWTH__CHUNK=100` is `growth.chunk = 100`. Texts are
written without quotation marks.
## Durations
A number and a unit, in quotation marks: `\"250ms\"`, `\"5s\"`, `\"2m\"`, `\"1h\"`, `\"90d\"`.
## The token
The API token has no place in this file. It is read from the systemd credential `extruct-api-token`, that is
`$CREDENTIALS_DIRECTORY/extruct-api-token`, else from the file that `api.token_file` names, else from
`$EXTRUCT_API_TOKEN`. systemd reads a credential again only at a restart; a token that is to change with a reload comes
from `api.token_file`.
## Reload
With `systemctl reload growd`, or SIGHUP, a running daemon reads this file and the token again. A config that cannot be
used is told, and the old one stays. So is a file that is empty and was not before: an editor may be writing it.
`database.path` and `log.format` take a restart.
# KEYS
";

const CLOSING: &str = "\
# FILES
: /etc/growd/growd.toml
The config of `growd.service`, and of `growd` where none is named.
: /etc/growd/NAME.toml
The config of `growd@NAME.service`.
# SEE ALSO
`growd`(1), `growd-check`(1), `systemd.exec`(5)
";

/// A key as the sample file has it.
pub struct Key {
    /// `section.key`.
    pub name: String,
    /// As TOML has it; for a key without a default, an example.
    pub value: String,
    /// The comment above it, in one line.
    pub why: String,
    /// Its default is to have no value.
    pub is_unset: bool,
}

/// The keys of the sample file, in its order.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    let (mut section, mut why) = ("", Vec::new());
    for line in SAMPLE.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            why.push(comment);
        } else if let Some(name) = line.strip_prefix('[') {
            (section, why) = (name.trim_end_matches(']'), Vec::new());
        } else if let Some((key, value)) = line.split_once(" = ") {
            keys.push(Key {
                name: format!("{section}.{}", key.trim_start_matches('#')),
                value: value.to_owned(),
                why: why.join(" "),
                is_unset: key.starts_with('#'),
            });
            why.clear();
        } else {
            why.clear();
        }
    }
    keys
}

/// The page's file name and text.
pub fn page(date: &str) -> (String, String) {
    let mut text = OPENING.to_owned();
    let entries = entries();
    let mut section = String::new();
    for key in keys() {
        let (of, name) = key.name.split_once('.').expect("keys have sections");
        if of != section {
            writeln!(text, "## [{of}]").unwrap();
            of.clone_into(&mut section);
        }
        let entry = entries
            .iter()
            .find(|entry| entry.name == key.name)
            .expect("the sample has no key that the config has not");
        let default = if key.is_unset {
            format!("No default; an example is `{}`.", key.value)
        } else {
            format!("The default is `{}`.", key.value)
        };
        writeln!(
            text,
            ": `{name}`\n{} Takes {}. {default}",
            key.why, entry.allowed
        )
        .unwrap();
    }
    text.push_str(CLOSING);
    let mut roff = Roff::new();
    let source = format!("growd {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["GROWD.TOML", "5", date, &source, "File Formats"]);
    prose::add(&mut roff, &text);
    ("growd.toml.5".to_owned(), roff.render())
}
