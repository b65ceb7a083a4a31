//! What the next part of a search excludes, and the body of its create.

use super::{EXCLUDED_TASKS_MAX, Search};
use crate::core::{State, Status, TaskId, domain};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the next part of a search excludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusions {
    /// Earlier parts that are `done`, and not missing. The service adds the domains that they show.
    pub tasks: Vec<TaskId>,
    /// The operator's domains, then those of all other earlier parts, each once.
    pub domains: Vec<String>,
    /// The number of different domains that the service will count.
    pub count: usize,
}

impl Exclusions {
    /// Returns what the next part of `search` excludes.
    #[must_use]
    pub fn of(search: &Search) -> Self {
        let mut domains = Vec::new();
        let mut named = BTreeSet::new();
        for text in &search.wanted.exclude_domains {
            let domain = domain::registrable(text).unwrap_or_else(|| text.trim().to_lowercase());
            if named.insert(domain.clone()) {
                domains.push(domain);
            }
        }
        let mut all = named.clone();
        let mut tasks = Vec::new();
        for part in &search.parts {
            let found = part
                .companies
                .iter()
                .filter_map(|found| found.domain.as_ref());
            all.extend(found.clone().cloned());
            if part.status == Some(Status::Done) && part.state != State::Missing {
                tasks.push(part.task.clone());
                continue;
            }
            for domain in found {
                if named.insert(domain.clone()) {
                    domains.push(domain.clone());
                }
            }
        }
        Self {
            tasks,
            domains,
            count: all.len(),
        }
    }

    /// Returns why the service would not accept so many exclusions.
    #[must_use]
    pub fn excess(&self, cap: i64) -> Option<String> {
        if i64::try_from(self.count).is_ok_and(|count| count > cap) {
            return Some(format!(
                "the next part would have to exclude {} domains; growth.exclude_cap is {cap}",
                self.count
            ));
        }
        (self.tasks.len() > EXCLUDED_TASKS_MAX).then(|| {
            format!(
                "the next part would have to exclude {} tasks; the service allows {EXCLUDED_TASKS_MAX}",
                self.tasks.len()
            )
        })
    }

    /// Returns the body of a create of `desired` results.
    #[must_use]
    pub fn body(&self, search: &Search, desired: i64) -> Value {
        let wanted = &search.wanted;
        let mut body = json!({
            "query": wanted.query,
            "desired_num_results": desired,
        });
        if let Some(criteria) = &wanted.criteria {
            body["criteria"] = criteria.clone();
        }
        if let Some(data_sources) = &wanted.data_sources {
            body["auto_data_sources"] = json!(false);
            body["data_sources"] = data_sources.clone();
        }
        if !self.domains.is_empty() {
            body["exclude_domains"] = json!(self.domains);
        }
        if !self.tasks.is_empty() {
            let tasks: Vec<&str> = self.tasks.iter().map(TaskId::as_str).collect();
            body["exclude_task_ids"] = json!(tasks);
        }
        body
    }
}
