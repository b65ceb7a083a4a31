//! Generates growd.toml(5) from config/growd.toml and the table of keys.

use super::prose;
use clap_mangen::roff::Roff;
use growd::config::entries;
use std::fmt::Write;

/// The sample config: every key with its default and its explanation. A unit test compares it with the table of keys.
const SAMPLE: &str = include_str!("../../../config/growd.toml");

const OPENING: &str = "\
# NAME
growd.toml - configuration of growd
# SYNOPSIS
/etc/growd/growd.toml
# DESCRIPTION
The configuration of `growd`(1), in TOML. The file is optional, and so is every key: the defaults apply. growd rejects
unknown keys, wrong types and invalid values, reports the file, the key, the value and the accepted values, and ends with
status 78. `growd check` validates the configuration.
## Search order
growd reads only the first of these files:

: `--config` FILE
An option. The file must exist.
: `GROWD_CONFIG`
An environment variable with the path. The file must exist.
: /etc/growd/growd.toml
The file is optional.
## Environment variables
The variable `GROWD__`SECTION`__`KEY overrides the file: `GROWD__GROWTH__CHUNK=100` is `growth.chunk = 100`. Texts are
written without quotation marks.
## Durations
A number and a unit, in quotation marks: `\"250ms\"`, `\"5s\"`, `\"2m\"`, `\"1h\"`, `\"90d\"`.
## The token
This file must not contain the API token. growd reads the token from the systemd credential `extruct-api-token`, that is
`$CREDENTIALS_DIRECTORY/extruct-api-token`, else from the file that `api.token_file` names, else from
`$EXTRUCT_API_TOKEN`. systemd reads a credential again only at a restart; use `api.token_file` to change the token with
a reload.
## Reload
On `systemctl reload growd`, or SIGHUP, a running daemon reads this file and the token again. If the file is invalid, the
daemon reports that and keeps the previous configuration. The same applies to a file that has become empty, because an
editor may be saving it. Changes of `database.path` and `log.format` need a restart.
# KEYS
";

const CLOSING: &str = "\
# FILES
: /etc/growd/growd.toml
The configuration of `growd.service`, and the default of `growd`.
: /etc/growd/NAME.toml
The configuration of `growd@NAME.service`.
# SEE ALSO
`growd`(1), `growd-check`(1), `systemd.exec`(5)
";

/// A key in the sample file.
pub struct Key {
    /// `section.key`.
    pub name: String,
    /// Its default in TOML syntax; for a key without a default, an example.
    pub value: String,
    /// The comment above it, as one line.
    pub why: String,
    /// Whether it has no default.
    pub is_unset: bool,
}

/// Returns the keys of the sample file, in its order.
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

/// Returns the file name and text of the page.
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
            .expect("the sample has known keys only");
        let default = if key.is_unset {
            format!("No default; an example is `{}`.", key.value)
        } else {
            format!("The default is `{}`.", key.value)
        };
        writeln!(
            text,
            ": `{name}`\n{} Accepts {}. {default}",
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
