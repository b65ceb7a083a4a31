//! TASK arguments: an id, or a link to a task; and finding the tasks that they mean in the database.

use crate::config::Settings;
use crate::core::{State, TaskId};
use crate::store::{StoreError, tasks};
use clap::Args;
use percent_encoding::percent_decode_str;
use sqlx::sqlite::SqliteConnection;
use url::Url;

/// Path segments after which a task's id comes: in links of the app and of the API.
const BEFORE_ID: [&str; 2] = ["tasks", "discovery_tasks"];

/// The app's own host.
const APP: &str = "app.extruct.ai";

/// Which tasks a command is for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// A task's id, or a link to it
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// All tasks in this state, in place of TASK
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<StateOrPaused>,
}

/// A task's state, or that it is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateOrPaused {
    /// `progress.state`, paused or not.
    State(State),
    /// `tasks.paused`.
    Paused,
}

fn state(word: &str) -> Result<StateOrPaused, String> {
    if word == "paused" {
        return Ok(StateOrPaused::Paused);
    }
    State::parse(word).map(StateOrPaused::State).ok_or_else(|| {
        let known: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("the states are {} and paused", known.join(", "))
    })
}

/// The hosts whose links are accepted: the app's, and the service's own.
#[derive(Debug, Clone)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Those of a config.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let mut hosts = vec![APP.to_owned()];
        if let Some(host) = settings.api.base_url.host_str().filter(|host| *host != APP) {
            hosts.push(host.to_owned());
        }
        Self(hosts)
    }

    /// Reads an id, or takes the id out of a link. White space around it does not matter.
    ///
    /// # Errors
    ///
    /// Why it is neither, and what would be.
    pub fn parse(&self, text: &str) -> Result<TaskId, String> {
        let text = text.trim();
        if let Some(link) = self.link(text) {
            return self.of_link(&link);
        }
        text.parse::<TaskId>().map_err(|error| error.to_string())
    }

    /// The link that a text is. It needs no scheme where its host is an accepted one, or where it has a task in it.
    fn link(&self, text: &str) -> Option<String> {
        if text.contains("://") {
            return Some(text.to_owned());
        }
        let (host, path) = text.split_once('/')?;
        let name = host.split_once(':').map_or(host, |(name, _port)| name);
        let accepted = self.0.iter().any(|host| host.eq_ignore_ascii_case(name));
        let names_task = || path.split('/').any(|segment| BEFORE_ID.contains(&segment));
        let is_host = || name.contains('.') && name.contains(|c: char| c.is_ascii_alphanumeric());
        (accepted || is_host() && names_task()).then(|| format!("https://{text}"))
    }

    fn of_link(&self, link: &str) -> Result<TaskId, String> {
        let no_link = || {
            format!(
                "{link:?} is no link to a task: give the id alone, or a link such as https://{APP}/tasks/<id>"
            )
        };
        let url = Url::parse(link).map_err(|_| no_link())?;
        let host = url.host_str().ok_or_else(no_link)?;
        if !self.0.iter().any(|accepted| accepted == host) {
            return Err(format!(
                "{link:?} is a link to the host {host}: accepted are links to {}, or the id alone",
                self.0.join(" and ")
            ));
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(no_link());
        }
        let segment = url
            .path_segments()
            .and_then(|parts| parts.skip_while(|part| !BEFORE_ID.contains(part)).nth(1))
            .filter(|part| !part.is_empty())
            .ok_or_else(no_link)?;
        let id = percent_decode_str(segment)
            .decode_utf8()
            .map_err(|_| no_link())?;
        id.parse().map_err(|error| format!("{link:?}: {error}"))
    }
}

/// Tasks that are not in the database.
#[derive(Debug, thiserror::Error)]
#[error("not in the database: {}; nothing was done. `growd status` lists the tasks there are", .0.join(", "))]
pub struct UnknownTasks(pub Vec<String>);

/// Finds the tasks that arguments mean. A task that is named twice comes once.
///
/// # Errors
///
/// [`UnknownTasks`] with all that are not there; what SQLite says.
pub async fn find(
    connection: &mut SqliteConnection,
    hosts: &Hosts,
    arguments: &[String],
) -> anyhow::Result<Vec<TaskId>> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for argument in arguments {
        let mut named = Named::new(hosts, argument);
        resolve(connection, std::iter::once(&mut named)).await?;
        match named.id {
            Ok(id) if found.contains(&id) => {}
            Ok(id) if tasks::exists(connection, &id).await? => found.push(id),
            Ok(_) => unknown.push(argument.escape_debug().to_string()),
            Err(why) => unknown.push(why),
        }
    }
    if unknown.is_empty() {
        Ok(found)
    } else {
        Err(UnknownTasks(unknown).into())
    }
}

/// A task as somebody named it.
#[derive(Debug)]
pub struct Named {
    /// The text as given.
    pub text: String,
    /// The id that it means, or why it means none.
    pub id: Result<TaskId, String>,
}

impl Named {
    /// Reads what a text means, as far as that can be known without a database.
    #[must_use]
    pub fn new(hosts: &Hosts, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            id: hosts.parse(text),
        }
    }
}

/// Goes by the rows there are: an earlier version accepted ids that no new one may have, and UUIDs in any form. A row
/// whose id is the text as given comes first, then the canonical form, then the same UUID in another form.
///
/// # Errors
///
/// What SQLite says.
pub async fn resolve(
    connection: &mut SqliteConnection,
    named: impl Iterator<Item = &mut Named>,
) -> Result<(), StoreError> {
    let mut named: Vec<&mut Named> = named.collect();
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
    fn ids_and_links_are_understood() {
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
    fn what_is_neither_is_refused_with_the_remedy() {
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
    fn a_link_to_any_other_host_is_refused_with_both_hosts() {
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
