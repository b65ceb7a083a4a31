//! TASK arguments: an id, or a link to a task; and finding the tasks that they mean in the database.

use crate::core::TaskId;
use crate::store::{StoreError, tasks};
use percent_encoding::percent_decode_str;
use sqlx::sqlite::SqliteConnection;

/// Path segments after which a task's id comes: in links of the app and of the API.
const BEFORE_ID: [&str; 2] = ["tasks", "discovery_tasks"];

/// Reads an id, or takes the id out of a link.
///
/// # Errors
///
/// Why it is neither, and what would be.
pub fn parse(text: &str) -> Result<TaskId, String> {
    let is_odd = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '\\');
    if !text.contains(is_odd) {
        return text
            .parse()
            .map_err(|error: crate::core::model::InvalidTaskId| error.to_string());
    }
    let no_link = || {
        "it is neither a task id nor a link to a task: give the id alone, or a link such as \
         https://app.extruct.ai/tasks/<id>"
            .to_owned()
    };
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.split('/').skip_while(|part| !BEFORE_ID.contains(part));
    let segment = segments
        .nth(1)
        .filter(|part| !part.is_empty() && !part.contains(is_odd))
        .ok_or_else(no_link)?;
    let id = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| no_link())?;
    id.parse()
        .map_err(|error: crate::core::model::InvalidTaskId| error.to_string())
}

/// Tasks that are not in the database.
#[derive(Debug, thiserror::Error)]
#[error("not in the database: {}; nothing was done. `growd status` lists the tasks there are", .0.join(", "))]
pub struct UnknownTasks(pub Vec<String>);

/// Finds the tasks that arguments mean: each as an id first, so that one with a slash in it can be named too,
/// then as a link. A task that is named twice comes once.
///
/// # Errors
///
/// [`UnknownTasks`] with all that are not there; what SQLite says.
pub async fn find(
    connection: &mut SqliteConnection,
    arguments: &[String],
) -> anyhow::Result<Vec<TaskId>> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for argument in arguments {
        match find_one(connection, argument).await? {
            Some(id) if found.contains(&id) => {}
            Some(id) => found.push(id),
            None => unknown.push(argument.escape_debug().to_string()),
        }
    }
    if unknown.is_empty() {
        Ok(found)
    } else {
        Err(UnknownTasks(unknown).into())
    }
}

async fn find_one(
    connection: &mut SqliteConnection,
    argument: &str,
) -> Result<Option<TaskId>, StoreError> {
    for id in [argument.parse().ok(), parse(argument).ok()]
        .into_iter()
        .flatten()
    {
        if tasks::exists(connection, &id).await? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_links_are_understood() {
        for (text, id) in [
            ("abc", "abc"),
            (
                "0f0f1c1e-1111-4222-8333-444455556666",
                "0f0f1c1e-1111-4222-8333-444455556666",
            ),
            ("a%20b", "a%20b"),
            ("https://app.extruct.ai/tasks/abc", "abc"),
            ("https://app.extruct.ai/tasks/abc/", "abc"),
            ("https://app.extruct.ai/tasks/abc?x=y", "abc"),
            (
                "https://app.extruct.ai/tasks/abc/results?x=/tasks/z#q",
                "abc",
            ),
            ("HTTPS://app.extruct.ai/org/tasks/abc#top", "abc"),
            ("app.extruct.ai/tasks/abc", "abc"),
            ("https://app.extruct.ai/tasks/a%20b%2Fc", "a b/c"),
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
            "a b",
            " abc",
            "abc?x=y",
            "abc#x",
            "a/b",
            "https://app.extruct.ai/",
            "https://app.extruct.ai/tasks",
            "https://app.extruct.ai/tasks/",
            "https://app.extruct.ai/tasks//abc",
            "https://app.extruct.ai/companies/abc",
            "https://app.extruct.ai/tasks/a b",
            "https://app.extruct.ai/tasks/%ff",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("give the id alone"), "{text}: {error}");
        }
        for text in ["", "..", "https://app.extruct.ai/tasks/..", "a\u{7}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
