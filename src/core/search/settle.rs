//! Settles an unanswered create by the service's list of tasks.
//!
//! A create cannot be repeated safely, and its answer can be lost. The list proves that it arrived by showing a task that
//! growd does not manage and that is as the create asked for it. To conclude that it did not arrive, two whole readings of the
//! list, a settling time apart, must show no such task.

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

/// Returns what a reading of the list shows of `create`. `is_known` says which tasks growd manages, or has managed.
///
/// `reachable_since` is when the last outage ended: a reading before it proves nothing together with one after it.
#[must_use]
pub fn settle(
    create: &Create,
    list: &WholeList,
    is_known: impl Fn(&TaskId) -> bool,
    reachable_since: Timestamp,
    settle: Duration,
) -> Verdict {
    let candidates = list
        .tasks
        .iter()
        .filter(|task| is_made_by(create, task, list.skew) && !is_known(&task.id));
    let oldest = candidates.clone().min_by_key(|task| task.created_at);
    if let Some(oldest) = oldest {
        return Verdict::Arrived {
            task: oldest.id.clone(),
            candidates: candidates.count(),
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
        create.doubts
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

/// Returns whether `task` can be the one that `create` made.
#[must_use]
pub fn is_made_by(create: &Create, task: &ListedTask, skew: SignedDuration) -> bool {
    let body = &create.body;
    let is_same_query = same_text(body["query"].as_str(), task.query.as_deref());
    let sent_at = create.request.sent_at;
    let by_service = sent_at.checked_add(skew).unwrap_or(sent_at);
    let soonest = sent_at.min(by_service).checked_sub(CREATED_BEFORE_MAX);
    let is_recent = task
        .created_at
        .is_none_or(|created| soonest.is_ok_and(|soonest| created >= soonest));
    is_same_query
        && task.desired == Some(create.request.requested)
        && is_recent
        && same_criteria(body, task)
        && same_exclusions(body, task)
}

fn same_text(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    ours.map(words) == theirs.map(words)
}

/// Whether the criteria are the same, where both sides have them: the service infers those that a create does not name.
fn same_criteria(body: &Value, task: &ListedTask) -> bool {
    let (Some(ours), Some(theirs)) = (body["criteria"].as_array(), &task.criteria) else {
        return true;
    };
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

/// Whether the exclusions are the same. The service adds the domains of the tasks that a create excludes, so then its list can
/// be longer; at its limit it can be cut.
fn same_exclusions(body: &Value, task: &ListedTask) -> bool {
    let Some(theirs) = &task.exclude_domains else {
        return true;
    };
    let domains = |texts: &mut dyn Iterator<Item = &str>| -> HashSet<String> {
        texts.filter_map(domain::registrable).collect()
    };
    let strings = |field: &str| {
        let texts = body[field].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str)
    };
    let ours = domains(&mut strings("exclude_domains"));
    let has_tasks = strings("exclude_task_ids").next().is_some();
    let shown = domains(&mut theirs.iter().map(String::as_str));
    if theirs.len() >= EXCLUSIONS_MAX {
        return has_tasks || !ours.is_empty();
    }
    if has_tasks {
        // The parts that it excludes found companies, nearly all of them with a domain.
        ours.is_subset(&shown) && !shown.is_empty()
    } else {
        ours == shown
    }
}
