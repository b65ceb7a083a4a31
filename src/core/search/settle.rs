//! Settles an unanswered create by the service's list of tasks.
//!
//! A create cannot be repeated safely, and its answer can be lost. The list proves that it arrived by showing a task that
//! growd does not manage and that is as the create asked for it. To conclude that it did not arrive, two whole readings of the
//! list, a settling time apart, must show no such task.

use super::Search;
use super::create::Create;
use super::list_reading::WholeList;
use crate::core::{TaskId, after, domain};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// How long before the create its task can have been created: the clocks can differ.
const CREATED_BEFORE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// After so many readings in a row whose pages do not join up, each further one counts as complete. A list in a new random
/// order at each request never joins up; a reading of it misses a given task with a probability of 1/e at most, so that all of
/// these miss it once in 10^8 times.
pub const DOUBTS_MAX: i64 = 20;

/// The length of the longest list of exclusions that the service returns.
const EXCLUSIONS_MAX: usize = 1_000;

/// A task of the list, as far as it can be compared with a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTask {
    /// The task.
    pub id: TaskId,
    /// When it was created, by the service's clock.
    pub created_at: Option<Timestamp>,
    /// Its query.
    pub query: Option<String>,
    /// `desired_num_results`.
    pub desired: Option<i64>,
    /// `criteria`; `None` where the list does not show them.
    pub criteria: Option<Vec<Value>>,
    /// `exclude_domains`; `None` where the list does not show them.
    pub exclude_domains: Option<Vec<String>>,
}

/// What a reading of the list shows of an open create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It made this task, the oldest of so many that it can have made.
    Arrived {
        /// The task.
        task: TaskId,
        /// The number of tasks that it can have made.
        candidates: usize,
    },
    /// It is not known yet; what to remember until the next reading.
    Open {
        /// When the first complete reading that shows nothing of it was begun.
        absent_since: Option<Timestamp>,
        /// Readings in a row whose pages did not join up.
        doubts: i64,
    },
    /// It did not arrive.
    Lost,
}

/// Whether an entry of the list can be the task that a create made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It can.
    Same,
    /// It cannot.
    Different,
    /// The entry does not show the query or `desired_num_results`. In all else it is the same.
    Unclear,
}

/// Returns what a reading of the list shows of `create`, a create of `search`. `is_known` says which tasks growd manages, or
/// has managed.
///
/// `reachable_since` is when the last outage ended: a reading before it proves nothing together with one after it. As long as
/// the list has an entry that [may be the task and does not show enough](Likeness::Unclear), the create stays open: what the
/// list does not show is no proof.
#[must_use]
pub fn settle(
    search: &Search,
    create: &Create,
    list: &WholeList,
    is_known: impl Fn(&TaskId) -> bool,
    reachable_since: Timestamp,
    settle: Duration,
) -> Verdict {
    let alike = |wanted| {
        let tasks = list.tasks.iter();
        let alike = tasks.filter(move |task| likeness(search, create, task, list.skew) == wanted);
        alike.filter(|task| !is_known(&task.id))
    };
    let candidates = alike(Likeness::Same);
    // One without a time is the last choice; the id decides between equal times.
    let age = |task: &&ListedTask| (task.created_at.is_none(), task.created_at, task.id.clone());
    if let Some(oldest) = candidates.clone().min_by_key(age) {
        return Verdict::Arrived {
            task: oldest.id.clone(),
            candidates: candidates.count(),
        };
    }
    if alike(Likeness::Unclear).next().is_some() {
        return Verdict::Open {
            absent_since: None,
            doubts: create.doubts,
        };
    }
    let sent_at = create.request.sent_at;
    if list.began_at <= sent_at {
        return Verdict::Open {
            absent_since: create.absent_since,
            doubts: create.doubts,
        };
    }
    let doubts = if list.is_complete {
        0
    } else {
        create.doubts.saturating_add(1)
    };
    let absent_since = create
        .absent_since
        .filter(|since| *since >= reachable_since && *since <= list.began_at);
    if !list.is_complete && doubts < DOUBTS_MAX {
        return Verdict::Open {
            absent_since,
            doubts,
        };
    }
    let is_late = |since| list.began_at >= after(since, settle);
    match absent_since {
        Some(since) if is_late(since) && is_late(sent_at) => Verdict::Lost,
        _ => Verdict::Open {
            absent_since: absent_since.or(Some(list.began_at)),
            doubts,
        },
    }
}

/// Returns whether `task` can be the one that `create`, a create of `search`, made. `skew` is the service's clock minus this
/// machine's.
#[must_use]
pub fn likeness(
    search: &Search,
    create: &Create,
    task: &ListedTask,
    skew: SignedDuration,
) -> Likeness {
    let body = &create.body;
    let query = task
        .query
        .as_deref()
        .map(|query| same_text(body["query"].as_str(), query));
    let desired = task
        .desired
        .map(|desired| desired == create.request.requested);
    let sent_at = create.request.sent_at;
    let by_service = sent_at.checked_add(skew).unwrap_or(sent_at);
    let soonest = sent_at.min(by_service).checked_sub(CREATED_BEFORE_MAX);
    let is_recent = task
        .created_at
        .is_none_or(|created| soonest.is_ok_and(|soonest| created >= soonest));
    let is_different = query == Some(false)
        || desired == Some(false)
        || !is_recent
        || !same_criteria(body, task)
        || !same_exclusions(search, body, task);
    match (is_different, query, desired) {
        (true, _, _) => Likeness::Different,
        (false, Some(true), Some(true)) => Likeness::Same,
        (false, _, _) => Likeness::Unclear,
    }
}

/// Whether two queries have the same words.
pub(super) fn same_text(ours: Option<&str>, theirs: &str) -> bool {
    ours.is_some_and(|ours| ours.split_whitespace().eq(theirs.split_whitespace()))
}

/// Whether the criteria are the same, where both sides have them. The service infers those that a create does not name, so an
/// entry without any does not show them.
fn same_criteria(body: &Value, task: &ListedTask) -> bool {
    let (Some(ours), Some(theirs)) = (body["criteria"].as_array(), &task.criteria) else {
        return true;
    };
    if theirs.is_empty() {
        return true;
    }
    let of = |criteria: &[Value]| -> BTreeSet<(String, String)> {
        let text = |value: &Value| {
            let words = value.as_str().unwrap_or_default().split_whitespace();
            words.collect::<Vec<_>>().join(" ")
        };
        let pair = |one: &Value| (text(&one["key"]), text(&one["criterion"]));
        criteria.iter().map(pair).collect()
    };
    of(ours) == of(theirs)
}

/// Whether the exclusions are the same, where the list shows them.
///
/// The service adds what the tasks that a create excludes have found. growd may have read a little more or less of that, so the
/// entry must have at least half of what growd has read. At its limit the list of domains can be cut.
fn same_exclusions(search: &Search, body: &Value, task: &ListedTask) -> bool {
    let Some(theirs) = &task.exclude_domains else {
        return true;
    };
    let texts = |field: &str| -> Vec<&str> {
        let texts = body[field].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).collect()
    };
    let (named, tasks) = (texts("exclude_domains"), texts("exclude_task_ids"));
    if theirs.len() >= EXCLUSIONS_MAX {
        return !tasks.is_empty() || !named.is_empty();
    }
    let shown: HashSet<String> = theirs
        .iter()
        .filter_map(|text| domain::registrable(text))
        .collect();
    let read: Vec<String> = named
        .iter()
        .filter_map(|text| domain::registrable(text))
        .collect();
    if !read.iter().all(|domain| shown.contains(domain)) {
        return false;
    }
    if tasks.is_empty() {
        // The service may read a domain in a text in which growd reads none.
        return shown.len() <= named.len();
    }
    let parts = search
        .parts
        .iter()
        .filter(|part| tasks.contains(&part.task.as_str()));
    let found = parts
        .flat_map(|part| &part.companies)
        .filter_map(|found| found.domain.as_ref());
    let found: HashSet<&String> = found.collect();
    let common = found
        .iter()
        .filter(|domain| shown.contains(**domain))
        .count();
    common * 2 >= found.len()
}
