//! TASK arguments: parses ids and links, and finds the tasks in the database.

use crate::config::Settings;
use crate::core::{State, TaskId};
use crate::store::{StoreError, companies, tasks};
use clap::Args;
use percent_encoding::percent_decode_str;
use sqlx::sqlite::SqliteConnection;
use url::Url;

/// Path segments that a task id follows, in links of the app and of the API.
const ID_PREFIXES: [&str; 2] = ["tasks", "discovery_tasks"];

/// The host of the web app.
const APP_HOST: &str = "app.extruct.ai";

/// The tasks that a command applies to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Selection {
    /// A task id, or a link to the task
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// All tasks in this state, instead of TASK
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<StateFilter>,
}

/// A value of `--state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// Tasks in this `progress.state`, paused or not.
    State(State),
    /// Paused tasks.
    Paused,
}

/// Parses a value of `--state`.
pub(super) fn state(word: &str) -> Result<StateFilter, String> {
    if word == "paused" {
        return Ok(StateFilter::Paused);
    }
    State::parse(word).map(StateFilter::State).ok_or_else(|| {
        let known: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("the states are {} and paused", known.join(", "))
    })
}

/// The hosts whose links are accepted: the app's and that of `api.base_url`.
#[derive(Debug, Clone)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Returns the hosts for a configuration.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let mut hosts = vec![APP_HOST.to_owned()];
        if let Some(host) = settings
            .api
            .base_url
            .host_str()
            .filter(|host| *host != APP_HOST)
        {
            hosts.push(host.to_owned());
        }
        Self(hosts)
    }

    /// Parses an id, or extracts the id from a link. Ignores surrounding white space.
    ///
    /// # Errors
    ///
    /// A message that says what is wrong and what is accepted.
    pub fn parse(&self, text: &str) -> Result<TaskId, String> {
        let text = text.trim();
        if let Some(link) = self.as_link(text) {
            return self.parse_link(&link);
        }
        text.parse::<TaskId>().map_err(|error| error.to_string())
    }

    /// Returns the text as a link with a scheme, if it is a link. The scheme may be missing if the host is accepted, or if
    /// the text looks like a host and a path to a task.
    fn as_link(&self, text: &str) -> Option<String> {
        if text.contains("://") {
            return Some(text.to_owned());
        }
        let (host, path) = text.split_once('/')?;
        let name = host.split_once(':').map_or(host, |(name, _port)| name);
        let accepted = self.0.iter().any(|host| host.eq_ignore_ascii_case(name));
        let names_task = || {
            path.split('/')
                .any(|segment| ID_PREFIXES.contains(&segment))
        };
        let is_host = || name.contains('.') && name.contains(|c: char| c.is_ascii_alphanumeric());
        (accepted || is_host() && names_task()).then(|| format!("https://{text}"))
    }

    fn parse_link(&self, link: &str) -> Result<TaskId, String> {
        let not_a_link = || {
            format!(
                "{link:?} is not a link to a task: give the id alone, or a link such as https://{APP_HOST}/tasks/<id>"
            )
        };
        let url = Url::parse(link).map_err(|_| not_a_link())?;
        let host = url.host_str().ok_or_else(not_a_link)?;
        if !self.0.iter().any(|accepted| accepted == host) {
            return Err(format!(
                "{link:?} is a link to the host {host}: give a link to {}, or the id alone",
                self.0.join(" or ")
            ));
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(not_a_link());
        }
        let segment = url
            .path_segments()
            .and_then(|parts| parts.skip_while(|part| !ID_PREFIXES.contains(part)).nth(1))
            .filter(|part| !part.is_empty())
            .ok_or_else(not_a_link)?;
        let id = percent_decode_str(segment)
            .decode_utf8()
            .map_err(|_| not_a_link())?;
        id.parse().map_err(|error| format!("{link:?}: {error}"))
    }
}

/// The context of an error of a command that changes tasks: its transaction was rolled back.
pub const NOTHING_CHANGED: &str = "nothing was changed";

/// Some of the named tasks are not in the database.
#[derive(Debug, thiserror::Error)]
#[error("not in the database: {}. `growd status` lists all tasks", .0.join(", "))]
pub struct UnknownTasks(pub Vec<String>);

/// Finds the tasks that the arguments name, each of them once.
///
/// # Errors
///
/// [`UnknownTasks`] with all arguments that name no task of the database; [`StoreError`].
pub async fn find(
    connection: &mut SqliteConnection,
    hosts: &Hosts,
    arguments: &[String],
) -> anyhow::Result<Vec<TaskId>> {
    find_any(connection, hosts, arguments, false).await
}

/// Finds the tasks that the arguments name, each of them once, among those of the database and those that were removed and
/// whose results are kept.
///
/// # Errors
///
/// As for [`find`].
pub async fn find_with_results(
    connection: &mut SqliteConnection,
    hosts: &Hosts,
    arguments: &[String],
) -> anyhow::Result<Vec<TaskId>> {
    find_any(connection, hosts, arguments, true).await
}

async fn find_any(
    connection: &mut SqliteConnection,
    hosts: &Hosts,
    arguments: &[String],
    or_results: bool,
) -> anyhow::Result<Vec<TaskId>> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for argument in arguments {
        let mut named = TaskArgument::new(hosts, argument);
        resolve(connection, std::iter::once(&mut named)).await?;
        match named.id {
            Ok(id) if found.contains(&id) => {}
            Ok(id) if tasks::exists(connection, &id).await? => found.push(id),
            Ok(id) if or_results && companies::exist(connection, &id).await? => found.push(id),
            Ok(_) => unknown.push(argument.escape_debug().to_string()),
            Err(reason) => unknown.push(reason),
        }
    }
    if unknown.is_empty() {
        Ok(found)
    } else {
        Err(UnknownTasks(unknown).into())
    }
}

/// A task as the operator named it.
#[derive(Debug)]
pub struct TaskArgument {
    /// The text as given.
    pub text: String,
    /// The id that it stands for, or why it is invalid.
    pub id: Result<TaskId, String>,
}

impl TaskArgument {
    /// Parses a text without the database.
    #[must_use]
    pub fn new(hosts: &Hosts, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            id: hosts.parse(text),
        }
    }
}

/// Replaces each id by that of the matching row. An earlier version accepted ids that are invalid today, and UUIDs in any
/// form. Order of preference: a row with the text as given, the canonical form, another form of the same UUID.
///
/// # Errors
///
/// What SQLite reports.
pub async fn resolve(
    connection: &mut SqliteConnection,
    named: impl Iterator<Item = &mut TaskArgument>,
) -> Result<(), StoreError> {
    let mut named: Vec<&mut TaskArgument> = named.collect();
    let (positions, typed): (Vec<usize>, Vec<TaskId>) = named
        .iter()
        .enumerate()
        .filter(|(_, named)| named.id.as_ref().map(TaskId::as_str) != Ok(&named.text))
        .filter_map(|(position, named)| Some((position, TaskId::stored(&named.text).ok()?)))
        .unzip();
    for index in tasks::known(connection, &typed.iter().collect::<Vec<_>>()).await? {
        if let (Some(position), Some(id)) = (positions.get(index), typed.get(index)) {
            named[*position].id = Ok(id.clone());
        }
    }
    let (positions, ids): (Vec<usize>, Vec<&TaskId>) = named
        .iter()
        .enumerate()
        .filter_map(|(position, named)| Some((position, named.id.as_ref().ok()?)))
        .unzip();
    for (index, id) in tasks::other_forms(connection, &ids).await? {
        if let Some(position) = positions.get(index) {
            named[*position].id = Ok(id);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0f0f1c1e-1111-4222-8333-444455556666";

    fn parse(text: &str) -> Result<TaskId, String> {
        Hosts::of(&Settings::default()).parse(text)
    }

    #[test]
    fn ids_and_links_are_parsed() {
        let upper = UUID.to_uppercase();
        for (text, id) in [
            ("abc", "abc"),
            (" abc\n", "abc"),
            (UUID, UUID),
            (&upper, UUID),
            (&format!("{{{upper}}}"), UUID),
            (&format!("urn:uuid:{UUID}"), UUID),
            ("https://app.extruct.ai/tasks/abc", "abc"),
            ("https://app.extruct.ai/tasks/abc/", "abc"),
            ("https://app.extruct.ai/tasks/abc?x=y", "abc"),
            (
                "https://app.extruct.ai/tasks/abc/results?x=/tasks/z#q",
                "abc",
            ),
            ("HTTPS://app.extruct.ai/org/tasks/abc#top", "abc"),
            ("https://APP.Extruct.AI:443/tasks/abc", "abc"),
            ("app.extruct.ai/tasks/abc", "abc"),
            ("https://app.extruct.ai/tasks/a%2Db", "a-b"),
            (&format!("https://app.extruct.ai/tasks/{upper}?x"), UUID),
            (
                "https://api.extruct.ai/v1/discovery_tasks/abc/resume",
                "abc",
            ),
        ] {
            assert_eq!(parse(text).as_ref().map(TaskId::as_str), Ok(id), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected_with_the_remedy() {
        for text in [
            "https://app.extruct.ai/",
            "https://app.extruct.ai/tasks",
            "https://app.extruct.ai/tasks/",
            "https://app.extruct.ai/tasks//abc",
            "https://app.extruct.ai/tasks/..",
            "https://app.extruct.ai/tasks/%2e%2E",
            "https://app.extruct.ai/companies/abc",
            "https://app.extruct.ai/tasks/%ff",
            "ftp://app.extruct.ai/tasks/abc",
            "https://",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("give the id alone"), "{text}: {error}");
        }
        for (text, named) in [
            ("a b", "U+0020"),
            ("abc?x=y", "'?'"),
            ("abc#x", "'#'"),
            ("a/b", "'/'"),
            ("../user", "'/'"),
            ("a.b/c", "'/'"),
            ("a%20b", "'%'"),
            ("a\u{7}", "U+0007"),
            ("https://app.extruct.ai/tasks/a b", "U+0020"),
            ("https://app.extruct.ai/tasks/a%20b%2Fc", "U+0020"),
            ("https://app.extruct.ai/tasks/a%00b", "U+0000"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
        for text in ["", "  ", ".."] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_to_any_other_host_is_rejected_with_the_accepted_hosts() {
        for (text, host) in [
            ("https://evil.example/tasks/abc", "evil.example"),
            ("evil.example/tasks/abc", "evil.example"),
            (
                "https://app.extruct.ai.evil.example/tasks/abc",
                "evil.example",
            ),
            (
                "https://app.extruct.ai@evil.example/tasks/abc",
                "evil.example",
            ),
            ("https://evil.example/tasks/app.extruct.ai", "evil.example"),
            ("http://127.0.0.1/tasks/abc", "127.0.0.1"),
        ] {
            let error = parse(text).expect_err(text);
            for part in [host, "app.extruct.ai", "api.extruct.ai"] {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
        let mut settings = Settings::default();
        settings.api.base_url = "http://127.0.0.1:8080".parse().unwrap();
        let parsed = Hosts::of(&settings).parse("http://127.0.0.1:9/v1/discovery_tasks/abc");
        assert_eq!(parsed.as_ref().map(TaskId::as_str), Ok("abc"));
    }
}
