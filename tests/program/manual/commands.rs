//! growd(1) and a page for each of its commands, from the definition of the arguments.

use super::prose;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::Roff;
use growd::cli::Cli;
use std::fmt::Write;

const README: &str = include_str!("../../../README.md");

/// What growd(1) says after its options, but for its tables.
const ENVIRONMENT_AND_FILES: &str = "\
# ENVIRONMENT
: `GROWD_CONFIG`
The config file, where `--config` names none.
: `GROWD__`SECTION`__`KEY
In place of the config's key: `GROWD__GROWTH__CHUNK=100` is `growth.chunk = 100`. Any other variable that begins with
`GROWD_`, such as one with a single underscore, has no effect, and is warned of.
: `CREDENTIALS_DIRECTORY`
Set by systemd; the token is read from the file `extruct-api-token` in it before anywhere else.
: `EXTRUCT_API_TOKEN`
The token, where neither that file nor `api.token_file` gives one.
: `NO_COLOR`
Where it is set, and not empty, nothing is coloured.
: `HTTPS_PROXY`, `ALL_PROXY`, `HTTP_PROXY`, `NO_PROXY`
The proxy that the service is reached through, and the hosts that are reached without it. A proxy is http:// or https://, a
host and a port; `growd run` and `growd check` end with status 78 where it is anything else.
: `SSL_CERT_FILE`, `SSL_CERT_DIR`
Certificates to go by in place of the system's. `growd run` and `growd check` end with status 78 where they cannot be read.

# FILES
: /etc/growd/growd.toml
The config; see `growd.toml`(5). It need not exist.
: /etc/growd/token
The token that `growd.service` hands to the daemon; its owner is root and its mode 0600. Without it the service is not
started, unless a drop-in of the unit brings a token from elsewhere.
: /var/lib/growd/growd.db
The database: SQLite, in WAL mode, so there are growd.db-wal and growd.db-shm beside it while it is open, and
growd.db.lock. Reading it is safe at any time.
: /etc/growd/NAME.toml, /etc/growd/NAME.token, /var/lib/growd/NAME
The same for `growd@NAME.service`, one daemon more for another account.
: /usr/share/doc/growd
What is promised, and what each table and column of the database holds.

# SIGNALS
: `SIGTERM`, `SIGINT`
End the daemon: requests under way are waited for. A second one ends it at once, with status 1, which loses nothing either.
: `SIGHUP`
Config and token are read again; a config that cannot be used is told, and the old one stays.

# EXAMPLES
See it work, without an account:

  growd demo

As yourself, with a database of your own:

  export EXTRUCT_API_TOKEN=...
  export GROWD__DATABASE__PATH=$HOME/growd.db
  growd check
  growd add https://app.extruct.ai/tasks/ID --target 250
  growd run

As a service, once the token is in place:

  install -m 600 /dev/stdin /etc/growd/token
  systemctl start growd
  sudo growd add https://app.extruct.ai/tasks/ID --target 250
  sudo growd status

With SQL:

  sqlite3 /var/lib/growd/growd.db \"SELECT task_id, state, num_results, target, reason FROM overview\"
";

/// The pages: each one's file name and text.
pub fn pages(date: &str) -> Vec<(String, String)> {
    let mut growd = Cli::command()
        .disable_help_subcommand(true)
        .subcommand_help_heading("COMMANDS");
    growd.build();
    let mut pages = vec![page(&growd, &program_sections(&growd), date)];
    for command in growd.get_subcommands() {
        pages.push(page(command, &command_sections(command), date));
    }
    pages
}

/// A page: what the arguments' definition says, then these sections in the markup of [`prose`].
fn page(command: &Command, sections: &str, date: &str) -> (String, String) {
    // The usage that --help shows has the names of the options' values, and the pages' own has not.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let name = command.get_display_name().unwrap_or("growd");
    let man = Man::new(command.clone().override_usage(usage))
        .title(name.to_uppercase())
        .section("1")
        .date(date)
        .source(format!("growd {}", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut text = Roff::new().render();
    for render in [
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ] {
        push(&mut text, &man, render);
    }
    if command.has_subcommands() {
        push(&mut text, &man, Man::render_subcommands_section);
    }
    let mut roff = Roff::new();
    prose::add(&mut roff, sections);
    text.push_str(&prose::body(&roff));
    // Breaks around the empty line above an option's values say nothing to roff, and mandoc warns of them.
    let text = text.replace("\n.br\n\n.br\n", "\n.sp\n");
    (man.get_filename(), text)
}

type Render = fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>;

fn push(text: &mut String, man: &Man, render: Render) {
    let mut section = Vec::new();
    render(man, &mut section).unwrap();
    let section = String::from_utf8(section).unwrap();
    text.push_str(section.strip_prefix(&Roff::new().render()).unwrap());
}

fn program_sections(growd: &Command) -> String {
    let mut text = String::from("# STATES\nHow far a task is, and what to do:\n");
    for row in prose::table(README, "| state |") {
        let [state, means, remedy] = row[..] else {
            panic!("{row:?}");
        };
        let (means, remedy) = (sentence(means), sentence(remedy));
        writeln!(text, ": {state}\n{means} {remedy}").unwrap();
    }
    text.push_str("# EXIT STATUS\n");
    for row in prose::table(README, "| exit status |") {
        let [status, meaning] = row[..] else {
            panic!("{row:?}");
        };
        writeln!(text, ": `{status}`\n{}", sentence(meaning)).unwrap();
    }
    text.push_str(ENVIRONMENT_AND_FILES);
    let pages: Vec<String> = growd
        .get_subcommands()
        .map(|command| format!("`growd-{}`(1)", command.get_name()))
        .chain(["`growd.toml`(5)", "`systemctl`(1)", "`sqlite3`(1)"].map(str::to_owned))
        .collect();
    writeln!(text, "# SEE ALSO\n{}", pages.join(", ")).unwrap();
    text
}

/// A table's cell as a sentence.
fn sentence(cell: &str) -> String {
    // A cell that begins with code stays as it is: code is not written otherwise at the start of a sentence.
    let mut characters = cell.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    let text: String = first.into_iter().chain(characters).collect();
    match text.chars().last() {
        None | Some('.' | '?') => text,
        Some(_) => text + ".",
    }
}

fn command_sections(command: &Command) -> String {
    let mut text = String::from("# EXIT STATUS\n0 when done; all others are in `growd`(1).\n");
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        let (_, examples) = help
            .split_once(":\n")
            .filter(|(heading, _)| heading.starts_with("Example"))
            .expect("what follows the options is examples");
        writeln!(text, "# EXAMPLES\n{examples}").unwrap();
    }
    text.push_str("# SEE ALSO\n`growd`(1), `growd.toml`(5)\n");
    text
}
