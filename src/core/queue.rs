//! Whose turn it is: which of the due tasks is looked at next, where there is time for a few of them only.
//!
//! # Guarantees
//!
//! Whoever is first in a queue gets one of the next four turns that are not the limit's. So those at work are looked at
//! however many are added at once, and who is added, or changed by a person, is looked at soon however many are due. Of
//! the new ones both ends are served: the newest, for somebody waits for that one, and the oldest, so that none waits
//! for ever.

use std::collections::VecDeque;

/// Where a task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// A person has added or changed it, and it was not looked at since.
    New,
    /// It is to be asked for more once `growth.daily_limit` has room: not looked at before that.
    Limit,
    /// It is looked at from time to time.
    Regular,
}

impl Queue {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::New, Self::Limit, Self::Regular];

    /// The word in `progress.queue`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Limit => "limit",
            Self::Regular => "regular",
        }
    }
}

/// Those whose turns come, as far as they are known, each queue with the longest due first.
#[derive(Debug, Clone)]
pub struct FairQueue<T> {
    new: VecDeque<T>,
    limit: VecDeque<T>,
    regular: VecDeque<T>,
    taken: u8,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            new: VecDeque::new(),
            limit: VecDeque::new(),
            regular: VecDeque::new(),
            taken: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Puts somebody at the end of a queue.
    pub fn push(&mut self, queue: Queue, item: T) {
        match queue {
            Queue::New => self.new.push_back(item),
            Queue::Limit => self.limit.push_back(item),
            Queue::Regular => self.regular.push_back(item),
        }
    }

    /// How many wait in a queue.
    #[must_use]
    pub fn len(&self, queue: Queue) -> usize {
        match queue {
            Queue::New => self.new.len(),
            Queue::Limit => self.limit.len(),
            Queue::Regular => self.regular.len(),
        }
    }

    /// Does nobody wait?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.limit.is_empty() && self.regular.is_empty()
    }

    /// Forgets all of them, but not whose turn it is.
    pub fn clear(&mut self) {
        self.new.clear();
        self.limit.clear();
        self.regular.clear();
    }

    /// Takes the one whose turn it is.
    pub fn take(&mut self) -> Option<T> {
        // No more are in here than the limit has room for, and each of them earns: a resume goes before a look.
        if let Some(item) = self.limit.pop_front() {
            return Some(item);
        }
        let turn = self.taken;
        self.taken = (self.taken + 1) % 4;
        match turn {
            0 | 2 => self.regular.pop_front().or_else(|| self.new.pop_back()),
            1 => self.new.pop_back().or_else(|| self.regular.pop_front()),
            _ => self.new.pop_front().or_else(|| self.regular.pop_front()),
        }
    }

    /// Takes one to try a closed gate with: each of them once before any a second time, for it may be that one only that
    /// is refused.
    pub fn take_as_probe(&mut self) -> Option<T> {
        // Whoever was the probe is no longer new, and waits behind the others that are not.
        let queues = [&mut self.new, &mut self.regular, &mut self.limit];
        queues.into_iter().find_map(VecDeque::pop_front)
    }
}
