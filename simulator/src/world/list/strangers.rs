//! The tasks of colleagues in the list. Each follows from its number and the time, and none is stored.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    random::{HashRng, derive_seed, splitmix64},
    world::{
        list::order::Entry,
        share::scaled,
        task::{START_DELAY, Snapshot, Status},
    },
};

/// Time between two strangers that are older than every own task.
const BETWEEN_OLD_ONES: SignedDuration = SignedDuration::from_mins(10);

/// The strangers' tasks, numbered from the oldest.
///
/// They were created before and between the own tasks that exist at the first request that lists them. A tenth of them
/// is older than each own task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strangers {
    seed: u64,
    count: u32,
    /// The number of own tasks that the strangers are spread among.
    own: usize,
    /// The virtual time at which they were spread; none is younger.
    at: Duration,
}

impl Strangers {
    /// Spreads `count` strangers among `own` tasks, all of which exist at the virtual time `at`.
    pub fn new(world: u64, count: u32, own: usize, at: Duration) -> Self {
        Self {
            seed: derive_seed(world, "strangers"),
            count,
            own,
            at,
        }
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the id of a stranger's task.
    pub fn id(&self, nth: u32) -> String {
        HashRng::new(self.seed, nth.into()).uuid()
    }

    /// Returns a random number that belongs to a stranger.
    pub fn key(&self, nth: u32) -> u64 {
        splitmix64(self.seed, nth.into())
    }

    /// Returns the entry at a position in the order of age, oldest first, of a list with the first `own` tasks.
    pub fn entry_by_age(&self, position: usize, own: usize) -> Entry {
        // What is left of the position is the number of a stranger.
        let stranger = |before| {
            Entry::Stranger(u32::try_from(position - before).expect("it is below the count"))
        };
        let among = own.min(self.own);
        // Own tasks that are not listed leave no gap.
        let end = if own < self.own {
            self.place(own)
        } else {
            self.own + self.count as usize
        };
        if position >= end {
            return if own < self.own {
                stranger(own)
            } else {
                Entry::Own(position - self.count as usize)
            };
        }
        let before = partition_point(among, |nth| self.place(nth) < position);
        if before < among && self.place(before) == position {
            Entry::Own(before)
        } else {
            stranger(before)
        }
    }

    /// Returns when a stranger's task was created, as a time since virtual time 0. `own` returns that of an own task.
    pub fn created(&self, nth: u32, own: impl Fn(usize) -> Duration) -> SignedDuration {
        let number = nth as usize;
        let signed = |time| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        // The own tasks before this stranger, and the strangers from the task before it to the task after it.
        let before = partition_point(self.own, |own| self.strangers_before(own) <= number);
        let first = before
            .checked_sub(1)
            .map_or(0, |own| self.strangers_before(own));
        let (end, next) = if before < self.own {
            (self.strangers_before(before), own(before))
        } else {
            (self.count as usize, self.at)
        };
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let Some(previous) = before.checked_sub(1).map(own) else {
            let minutes = i32::try_from(end - number).unwrap_or(i32::MAX);
            return signed(next).saturating_sub(BETWEEN_OLD_ONES * minutes);
        };
        let step = next.saturating_sub(previous) / small(end - first + 1);
        signed(previous + step * small(number - first + 1))
    }

    /// Returns the state of a stranger's task at an age.
    ///
    /// A quarter of the tasks take 10 minutes to a week; the others are done from the start. Some fail.
    pub fn snapshot(&self, nth: u32, age: Duration) -> Snapshot {
        let mut rng = HashRng::new(!self.seed, nth.into());
        let wanted = *rng.choose(&[25, 50, 100, 250]);
        let takes = Duration::from_mins(10 << rng.below(11));
        let (runs, fails, exhausted) = (rng.below(4) == 0, rng.below(16) == 0, rng.below(4) == 0);
        let running = runs && age < takes;
        let share = if running {
            age.div_duration_f64(takes)
        } else {
            1.0
        };
        let candidates = 2 * wanted;
        let results = scaled(wanted, share);
        let pipeline = |backlog: u32| (2 * results + backlog).min(candidates);
        Snapshot {
            status: match running {
                true if age < START_DELAY => Status::Created,
                true => Status::InProgress,
                false if fails => Status::Failed,
                false => Status::Done,
            },
            desired_num_results: wanted,
            is_exhausted: !running && exhausted,
            num_results_discovered: pipeline(30),
            num_results_enriched: pipeline(15),
            num_results_evaluated: pipeline(0),
            num_results: results,
        }
    }

    /// Returns the number of strangers that are older than an own task.
    fn strangers_before(&self, own: usize) -> usize {
        self.place(own) - own
    }

    /// Returns the position of an own task in the order of age: a random one within its part of the list.
    fn place(&self, own: usize) -> usize {
        let older = self.count.div_ceil(10) as usize;
        let len = self.own + self.count as usize - older;
        let (start, end) = (own * len / self.own, (own + 1) * len / self.own);
        let within = splitmix64(self.seed, own as u64) % (end - start) as u64;
        older + start + usize::try_from(within).expect("it is below a usize")
    }
}

/// Returns the number of the first numbers below `len` that fulfil a condition; those after them do not.
fn partition_point(len: usize, fulfils: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if fulfils(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
