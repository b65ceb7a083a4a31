//! The list of tasks: its order, and the copy that it serves while `list_delay_ms` lasts.

use std::time::Duration;

use crate::{
    options::{ListOrder, Semantics},
    random::splitmix64,
    world::task::Snapshot,
};

/// What the list remembers between two requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    requests: u64,
    cached: Option<CachedList>,
}

#[derive(Debug, Clone)]
struct CachedList {
    /// When it was made, in real time.
    at: Duration,
    snapshots: Vec<Snapshot>,
}

impl List {
    /// Counts a request, drops a cached list that is too old, and returns whether a new one is to be stored.
    pub fn begin(&mut self, real: Duration, semantics: &Semantics) -> bool {
        self.requests += 1;
        let delay = Duration::from_millis(semantics.list_delay_ms);
        self.cached = self.cached.take().filter(|list| real < list.at + delay);
        self.cached.is_none() && !delay.is_zero()
    }

    /// Stores a list that was made at this real time.
    pub fn store(&mut self, at: Duration, snapshots: Vec<Snapshot>) {
        self.cached = Some(CachedList { at, snapshots });
    }

    /// The tasks' snapshots in the cached list, in the order of creation.
    pub fn cached(&self) -> Option<&[Snapshot]> {
        self.cached.as_ref().map(|list| &list.snapshots[..])
    }

    /// Returns the numbers of the first `count` tasks in the order of the list.
    pub fn order(&self, world_seed: u64, count: usize, order: ListOrder) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        let mut sort_by = |seed| numbers.sort_by_key(|nth| splitmix64(seed, *nth as u64));
        match order {
            ListOrder::Oldest => {}
            ListOrder::Newest => numbers.reverse(),
            ListOrder::Random => sort_by(world_seed),
            ListOrder::Shuffled => sort_by(splitmix64(world_seed, self.requests)),
        }
        numbers
    }
}
