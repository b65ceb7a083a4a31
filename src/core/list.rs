//! The service's list of tasks, one page at a time.

use super::observation::Observation;
use super::task_id::TaskId;
use std::collections::HashMap;

/// A page of the list, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// The readable entries, each id once, in the order of the list.
    pub entries: Vec<ListEntry>,
    /// The number of entries in the answer, including those that could not be read.
    pub len: usize,
}

/// One task of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The task.
    pub id: TaskId,
    /// What the list shows of it.
    pub seen: Observation,
}

impl ListPage {
    /// Returns a page of the readable entries of an answer of `len` entries. An id that occurs more than once is left out:
    /// which of its entries is right is not known.
    #[must_use]
    pub fn new(mut entries: Vec<ListEntry>, len: usize) -> Self {
        let mut counts: HashMap<TaskId, u32> = HashMap::with_capacity(entries.len());
        for entry in &entries {
            *counts.entry(entry.id.clone()).or_default() += 1;
        }
        entries.retain(|entry| counts.get(&entry.id) == Some(&1));
        Self { entries, len }
    }
}
