//! One reading of the whole list of tasks, to find the tasks that unanswered creates made.
//!
//! The list can change between two pages. Each page but the first therefore begins with the last task of the page before:
//! where it does not, the pages do not join up, and a task can have moved from the one to the other unseen. Pages of one task
//! cannot overlap; after such a page, only the end of the list joins up.

use super::create::Create;
use super::settle::{ListedTask, same_text};
use crate::core::TaskId;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;

/// A page of the list, for a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPage {
    /// The tasks whose ids can be read, in the order of the list.
    pub tasks: Vec<ListedTask>,
    /// The number of entries in the answer, including those that could not be read.
    pub len: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextPage {
    /// Ask for the page at this offset.
    At(usize),
    /// The list is read.
    End,
}

/// A reading in progress.
#[derive(Debug, Clone)]
pub struct ListReading {
    began_at: Timestamp,
    queries: Vec<String>,
    offset: usize,
    last: Option<TaskId>,
    /// Whether the next page is to begin with `last`.
    overlaps: bool,
    joins_up: bool,
    pages: usize,
    unreadable: usize,
    found: Vec<ListedTask>,
    found_ids: HashSet<TaskId>,
    /// The service's clock minus this machine's, at the newest page.
    skew: SignedDuration,
}

/// A finished reading: the tasks that can be of an open create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeList {
    /// When the first page was asked for.
    pub began_at: Timestamp,
    /// Whether it shows every task that the list had all the time.
    pub is_complete: bool,
    /// The tasks with the query of an open create, or without one, each once.
    pub tasks: Vec<ListedTask>,
    /// The service's clock minus this machine's.
    pub skew: SignedDuration,
}

/// The most pages of one reading: a list that never ends is not complete.
const PAGES_MAX: usize = 100_000;

impl ListReading {
    /// Begins a reading that looks for the tasks of these creates.
    #[must_use]
    pub fn begin<'a>(creates: impl IntoIterator<Item = &'a Create>, now: Timestamp) -> Self {
        let query = |create: &Create| create.body["query"].as_str().map(str::to_owned);
        Self {
            began_at: now,
            queries: creates.into_iter().filter_map(query).collect(),
            offset: 0,
            last: None,
            overlaps: false,
            joins_up: true,
            pages: 0,
            unreadable: 0,
            found: Vec::new(),
            found_ids: HashSet::new(),
            skew: SignedDuration::ZERO,
        }
    }

    /// Adds the page that was asked for. `skew` is the service's clock minus this machine's, if the answer shows it.
    pub fn add(&mut self, page: ListedPage, skew: Option<SignedDuration>) -> NextPage {
        self.skew = skew.unwrap_or(self.skew);
        self.pages += 1;
        let is_first = self.offset == 0;
        let first = page.tasks.first().map(|task| &task.id);
        let begins_with_last = first.is_some() && first == self.last.as_ref();
        let is_end_of_one = page.len == 0 && !self.overlaps;
        self.joins_up &= is_first || begins_with_last || is_end_of_one;
        self.unreadable += page.len - page.tasks.len();
        // Nothing, or nothing but the task that the page before ended with.
        let is_last = page.len == 0 || (page.len == 1 && begins_with_last);
        let last = page.tasks.last().map(|task| task.id.clone());
        // One that does not show its query can be of any create.
        let is_wanted = |task: &ListedTask| {
            let query = task.query.as_deref();
            query.is_none_or(|query| {
                self.queries
                    .iter()
                    .any(|wanted| same_text(Some(wanted), query))
            })
        };
        for task in page.tasks {
            if is_wanted(&task) && self.found_ids.insert(task.id.clone()) {
                self.found.push(task);
            }
        }
        if is_last {
            return NextPage::End;
        }
        if self.pages >= PAGES_MAX {
            self.joins_up = false;
            return NextPage::End;
        }
        self.last = last;
        self.overlaps = page.len > 1;
        self.offset += page.len - usize::from(self.overlaps);
        NextPage::At(self.offset)
    }

    /// Returns what the reading showed, after its last page.
    #[must_use]
    pub fn finish(self) -> WholeList {
        WholeList {
            began_at: self.began_at,
            is_complete: self.joins_up && self.unreadable == 0,
            tasks: self.found,
            skew: self.skew,
        }
    }
}
