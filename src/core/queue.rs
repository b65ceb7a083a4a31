//! The fair queue: the order of due tasks when there is not enough time for all of them.
//!
//! # Guarantees
//!
//! The first task of [`Queue::Regular`] and both ends of [`Queue::New`] get one of the next four places that
//! [`Queue::Limit`] does not take. So running tasks are polled however many are added at once, and added tasks are polled
//! soon however many are due: the newest, for which the operator waits, and the oldest, so that none starves.

use std::collections::VecDeque;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The scheduling class of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Queue {
    /// Added or changed by the operator, or shown at an end by the service's list, and not polled alone since.
    New,
    /// Waits for room in a limit on spending, and is not polled before.
    Limit,
    /// All other tasks.
    Regular,
}

impl Queue {
    /// Every class.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The word in `progress.queue`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Due tasks in fair order; each class has the longest due first.
#[derive(Debug, Clone)]
pub struct FairQueue<T> {
    new: VecDeque<T>,
    limit: VecDeque<T>,
    regular: VecDeque<T>,
    position: u8,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            new: VecDeque::new(),
            limit: VecDeque::new(),
            regular: VecDeque::new(),
            position: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Appends a task to a class.
    pub fn push(&mut self, queue: Queue, item: T) {
        match queue {
            Queue::New => self.new.push_back(item),
            Queue::Limit => self.limit.push_back(item),
            Queue::Regular => self.regular.push_back(item),
        }
    }

    /// Returns the number of tasks in a class.
    #[must_use]
    pub fn len(&self, queue: Queue) -> usize {
        match queue {
            Queue::New => self.new.len(),
            Queue::Limit => self.limit.len(),
            Queue::Regular => self.regular.len(),
        }
    }

    /// Whether it has no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.limit.is_empty() && self.regular.is_empty()
    }

    /// Removes all tasks; the position in the order stays.
    pub fn clear(&mut self) {
        self.new.clear();
        self.limit.clear();
        self.regular.clear();
    }

    /// Takes the next task.
    pub fn take(&mut self) -> Option<T> {
        // It has no more tasks than the limit has room for, and each leads to a resume, which goes before polls.
        if let Some(item) = self.limit.pop_front() {
            return Some(item);
        }
        let position = self.position;
        self.position = (position + 1) % 4;
        match position {
            0 | 2 => self.regular.pop_front().or_else(|| self.new.pop_back()),
            1 => self.new.pop_back().or_else(|| self.regular.pop_front()),
            _ => self.new.pop_front().or_else(|| self.regular.pop_front()),
        }
    }

    /// Takes the next task as a probe of a closed gate. Each task comes once before any comes twice, because a refusal may
    /// concern one task only.
    pub fn take_as_probe(&mut self) -> Option<T> {
        // A task that was a probe is no longer new, and goes to the end of the regular class.
        let queues = [&mut self.new, &mut self.regular, &mut self.limit];
        queues.into_iter().find_map(VecDeque::pop_front)
    }
}
