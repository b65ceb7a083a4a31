//! Generates growd(1) and a page for each command from the definition of the arguments.

use super::prose;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::Roff;
use growd::cli::Cli;
use std::fmt::Write;

const README: &str = include_str!("../../../README.md");

/// The sections of growd(1) after the options, without the tables.
const ENVIRONMENT_AND_FILES: &str = "\
# ENVIRONMENT
: `GROWD_CONFIG`
The config file, if `--config` is not given.
: `GROWD__`SECTION`__`KEY
Overrides a key of the config: `GROWD__GROWTH__CHUNK=100` is `growth.chunk = 100`. Any other variable that begins with
`GROWD_`, for instance with a single underscore, has no effect and causes a warning.
: `CREDENTIALS_DIRECTORY`
Set by systemd. The file `extruct-api-token` in it is the first source of the token.
: `EXTRUCT_API_TOKEN`
The token, if neither that file nor `api.token_file` is set.
: `NO_COLOR`
If set and not empty, output has no colours.
: `HTTPS_PROXY`, `ALL_PROXY`, `HTTP_PROXY`, `NO_PROXY`
The proxy for requests to the service, and the hosts that are contacted without it. A proxy is a URL with http:// or
https://, a host and a port; otherwise `growd run` and `growd check` end with status 78.
: `SSL_CERT_FILE`, `SSL_CERT_DIR`
Certificates that replace those of the system. If they cannot be read, `growd run` and `growd check` end with status 78.

# FILES
: /etc/growd/growd.toml
The config, which is optional; see `growd.toml`(5).
: /etc/growd/token
The token for `growd.service`, owned by root with mode 0600. Without it systemd does not start the service, unless a
drop-in of the unit provides a token in another way.
: /var/lib/growd/growd.db
The SQLite database, in WAL mode: while it is open, growd.db-wal and growd.db-shm are beside it, and always
growd.db.lock. Reading it is safe at any time.
: /etc/growd/NAME.toml, /etc/growd/NAME.token, /var/lib/growd/NAME
The same files for `growd@NAME.service`, an additional daemon for another account.
: /usr/share/doc/growd
The guarantees, and a description of all tables and columns of the database.

# SIGNALS
: `SIGTERM`, `SIGINT`
Stop the daemon after the requests in flight are finished. A second signal stops it at once, with status 1, and loses
nothing.
: `SIGHUP`
Reads config and token again. If the config is invalid, the daemon reports that and keeps the previous one.

# EXAMPLES
Show growd at work, without an account:

  growd demo

As an ordinary user, with a separate database:

  export EXTRUCT_API_TOKEN=...
  export GROWD__DATABASE__PATH=$HOME/growd.db
  growd check
  growd add https://app.extruct.ai/tasks/ID --target 250
  growd run

As a service:

  install -m 600 /dev/stdin /etc/growd/token
  systemctl start growd
  sudo growd add https://app.extruct.ai/tasks/ID --target 250
  sudo growd status

With SQL:

  sqlite3 /var/lib/growd/growd.db \"SELECT task_id, state, num_results, target, reason FROM overview\"
";

/// Returns the file name and text of each page.
pub fn pages(date: &str) -> Vec<(String, String)> {
    let mut growd = Cli::command()
        .disable_help_subcommand(true)
        .subcommand_help_heading("COMMANDS");
    growd.build();
    let mut pages = vec![page(&growd, &program_sections(&growd), date)];
    for command in below(&growd) {
        pages.push(page(command, &command_sections(command), date));
    }
    pages
}

/// Returns the commands below a command, each followed by its own.
fn below(command: &Command) -> Vec<&Command> {
    let commands = command.get_subcommands();
    commands
        .flat_map(|command| [vec![command], below(command)].concat())
        .collect()
}

/// Returns the reference to the page of a command.
fn reference(command: &Command) -> String {
    format!("`{}`(1)", command.get_display_name().unwrap_or("growd"))
}

/// Generates a page from the arguments, followed by `sections` in the markup of [`prose`].
fn page(command: &Command, sections: &str, date: &str) -> (String, String) {
    // Unlike the usage of clap_mangen, that of --help has the names of the options' values.
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
    // mandoc warns about the breaks around the empty line above an option's values.
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
    let mut text =
        String::from("# STATES\nThe states of a task, with the remedy where one is needed:\n");
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
    let pages: Vec<String> = below(growd)
        .into_iter()
        .map(reference)
        .chain(["`growd.toml`(5)", "`systemctl`(1)", "`sqlite3`(1)"].map(str::to_owned))
        .collect();
    writeln!(text, "# SEE ALSO\n{}", pages.join(", ")).unwrap();
    text
}

/// Turns a table cell into a sentence.
fn sentence(cell: &str) -> String {
    // A cell that begins with code is not changed: its first character is a backtick.
    let mut characters = cell.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    let text: String = first.into_iter().chain(characters).collect();
    match text.chars().last() {
        None | Some('.' | '?') => text,
        Some(_) => text + ".",
    }
}

fn command_sections(command: &Command) -> String {
    let mut text = String::from("# EXIT STATUS\n0 on success; `growd`(1) lists the others.\n");
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        let (_, examples) = help
            .split_once(":\n")
            .filter(|(heading, _)| heading.starts_with("Example"))
            .expect("the text after the options is examples");
        writeln!(text, "# EXAMPLES\n{examples}").unwrap();
    }
    let pages: Vec<String> = ["`growd`(1)".to_owned(), "`growd.toml`(5)".to_owned()]
        .into_iter()
        .chain(below(command).into_iter().map(reference))
        .collect();
    writeln!(text, "# SEE ALSO\n{}", pages.join(", ")).unwrap();
    text
}
