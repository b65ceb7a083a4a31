//! Creating a task, and finding a created task in the service's list.

use super::list::ENTRIES_MAX;
use super::wire::{Count, WireTask, read_json, without_mark};
use crate::core::TaskId;
use crate::core::search::list_reading::ListedPage;
use crate::core::search::settle::ListedTask;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Reads the task that a create made from the body of its answer.
///
/// # Errors
///
/// A description if the body is no task, or its id is unusable. It can quote the body at length.
pub(super) fn read_created(body: &[u8]) -> Result<TaskId, String> {
    let mut task = WireTask::parse(without_mark(body))?;
    let id = std::mem::take(&mut task.id);
    task.observation(|text| text)?;
    id.parse()
        .map_err(|error| format!("its id is unusable: {error}"))
}

/// Reads a page of the list as far as its tasks can be compared with creates.
///
/// # Errors
///
/// A description if the body is not a JSON array, or has over 10,000 entries.
pub(super) fn read_listed(body: &[u8]) -> Result<ListedPage, String> {
    let Entries(page) = read_json(body).map_err(|error| error.to_string())?;
    Ok(page)
}

/// A page that is read entry by entry, so that one with too many is given up early.
struct Entries(ListedPage);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Entries, A::Error> {
        let (mut tasks, mut len) = (Vec::new(), 0);
        while let Some(entry) = entries.next_element()? {
            if len == ENTRIES_MAX {
                let error = format!("the list has over {ENTRIES_MAX} entries");
                return Err(A::Error::custom(error));
            }
            len += 1;
            tasks.extend(listed(entry));
        }
        Ok(Entries(ListedPage { tasks, len }))
    }
}

fn listed(mut entry: Value) -> Option<ListedTask> {
    let text = |entry: &Value, field: &str| entry[field].as_str().map(str::to_owned);
    let array = |value: Value| match value {
        Value::Array(values) => Some(values),
        _ => None,
    };
    Some(ListedTask {
        id: entry.as_object()?.get("id")?.as_str()?.parse().ok()?,
        created_at: entry["created_at"].as_str().and_then(timestamp),
        query: text(&entry, "query"),
        desired: Count::deserialize(&entry["desired_num_results"])
            .ok()
            .map(|Count(count)| count),
        exclude_domains: array(entry["exclude_domains"].take()).map(|domains| {
            let texts = domains.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }),
        criteria: array(entry["criteria"].take()),
    })
}

/// Parses a time. One without a zone is taken as UTC: Python writes it so.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_task_is_read_by_its_id_and_needs_the_fields_of_a_task() {
        let task = r#"{"id":"A","status":"created","desired_num_results":5,"num_results":0}"#;
        assert_eq!(read_created(task.as_bytes()).unwrap().as_str(), "A");
        for bad in [
            "",
            "[]",
            "<html>",
            r#"{"id":"A"}"#,
            &task.replace("\"A\"", "\"a/b\""),
            &task.replace('5', "-5"),
            &format!("[{task}]"),
        ] {
            assert!(read_created(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listed_task_keeps_what_can_be_compared_and_needs_only_an_id() {
        let page = r#"[
            {"id":"a","created_at":"2026-11-24T02:22:00.123456","query":" q ","desired_num_results":"25.0",
             "criteria":[{"key":"k"}],"exclude_domains":["a.com",7],"new":1},
            {"id":"b","created_at":"2026-11-24T02:22:00Z"},
            {"id":7}, 7, null
        ]"#;
        let page = read_listed(page.as_bytes()).unwrap();
        assert_eq!((page.len, page.tasks.len()), (5, 2));
        let [a, b] = &page.tasks[..] else { panic!() };
        assert_eq!(a.created_at, timestamp("2026-11-24T02:22:00.123456Z"));
        assert_eq!((a.query.as_deref(), a.desired), (Some(" q "), Some(25)));
        assert_eq!(a.criteria.as_ref().map(Vec::len), Some(1));
        assert_eq!(a.exclude_domains, Some(vec!["a.com".to_owned()]));
        assert_eq!((&b.query, b.desired), (&None, None));
        assert_eq!((&b.criteria, &b.exclude_domains), (&None, &None));
        for bad in ["", "{}", "<p>", "[{}"] {
            assert!(read_listed(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_of_over_10_000_entries_is_rejected() {
        let page = |entries: usize| format!("[{}]", vec!["0"; entries].join(","));
        let longest = read_listed(page(ENTRIES_MAX).as_bytes()).unwrap();
        assert_eq!((longest.len, longest.tasks.len()), (10_000, 0));
        let error = read_listed(page(ENTRIES_MAX + 1).as_bytes()).unwrap_err();
        assert!(error.contains("over 10000 entries"), "{error}");
    }
}
