//! The order of the list: which entry is at which position.

use std::ops::Range;

use crate::{
    options::ListOrder,
    random::splitmix64,
    world::{list::strangers::Strangers, permutation::Permutation},
};

/// An entry of the list: one of the account's own tasks, or one of the strangers, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Own(usize),
    Stranger(u32),
}

/// The fixed random order, as far as it was needed. The other orders are computed position by position.
#[derive(Debug, Clone, Default)]
pub(crate) struct RandomOrder {
    own: usize,
    strangers: u32,
    /// All entries, each with its random key, sorted.
    entries: Vec<(u64, Entry)>,
}

impl RandomOrder {
    /// Returns the entries at these positions among the first `own` tasks and all strangers.
    fn page(
        &mut self,
        seed: u64,
        (own, strangers): (usize, &Strangers),
        positions: Range<usize>,
    ) -> Vec<Entry> {
        if self.own > own || self.strangers != strangers.count() {
            *self = Self::default();
            self.strangers = strangers.count();
            let keys = (0..self.strangers).map(|nth| (strangers.key(nth), Entry::Stranger(nth)));
            self.entries.extend(keys);
        }
        if self.own < own || self.entries.len() != own + strangers.count() as usize {
            let keys = (self.own..own).map(|nth| (splitmix64(seed, nth as u64), Entry::Own(nth)));
            self.entries.extend(keys);
            self.own = own;
            // A stable sort is fast here: all but the new entries are in order.
            self.entries.sort();
        }
        let page = self.entries.get(positions).unwrap_or_default();
        page.iter().map(|(_, entry)| *entry).collect()
    }
}

/// Returns a page (offset and limit) of a list with the first `own` tasks and all strangers.
///
/// `request` is the number of the request, and `world` the seed of the world.
pub(crate) fn page(
    order: ListOrder,
    random: &mut RandomOrder,
    (world, request): (u64, u64),
    (own, strangers): (usize, &Strangers),
    (offset, limit): (usize, usize),
) -> Vec<Entry> {
    let len = own + strangers.count() as usize;
    let positions = offset.min(len)..offset.saturating_add(limit).min(len);
    let by_age = |age: usize| strangers.entry_by_age(age, own);
    match order {
        ListOrder::Oldest => positions.map(by_age).collect(),
        ListOrder::Newest => positions.map(|nth| by_age(len - 1 - nth)).collect(),
        ListOrder::Random => random.page(world, (own, strangers), positions),
        ListOrder::Shuffled => {
            let shuffled = Permutation {
                key: splitmix64(world, request),
                len: len as u64,
            };
            let place = |nth| usize::try_from(shuffled.at(nth as u64));
            let place = |nth| place(nth).expect("it is below the length");
            positions.map(|nth| by_age(place(nth))).collect()
        }
    }
}
