//! Which companies a search finds, and in which order: computed from seeds, not stored.
//!
//! All companies form one universe. The market of a query is a fixed sequence of companies of that
//! universe, so that two searches with one query find the same ones, and two queries share a few. A
//! search goes through its market in an order of its own, and skips what it excludes.

use std::collections::HashSet;

use crate::{
    random::{derive_seed, splitmix64},
    world::company::{Company, NAME_COUNT},
};

/// Companies within which the order of a search differs from that of its market.
const BLOCK: u64 = 32;

/// The companies that fit a query, best known first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Market {
    world: u64,
    seed: u64,
}

impl Market {
    /// The market of a query; case and surrounding white space do not matter.
    pub fn of(world: u64, query: &str) -> Self {
        Self {
            world,
            seed: derive_seed(world, &query.trim().to_lowercase()),
        }
    }

    /// How many companies there are where nothing else is set: 300 to 1,500.
    pub fn default_size(self) -> u32 {
        300 + u32::try_from(splitmix64(self.seed, 0) % 1_201).expect("it is at most 1,200")
    }

    /// The company at this place, from 0. No two places have the same one.
    pub fn company(self, place: u64) -> Company {
        let order = Permutation {
            key: self.seed,
            len: NAME_COUNT,
        };
        Company {
            world: self.world,
            number: place / NAME_COUNT * NAME_COUNT + order.at(place % NAME_COUNT),
        }
    }

    /// How well a company fits, in tenths: 550 to 1,000.
    pub fn relevance(self, company: Company) -> u32 {
        let draw = splitmix64(!self.seed, company.number) % 451;
        1_000 - u32::try_from(draw).expect("it is at most 450")
    }
}

/// A market in the order in which one search finds its companies, without those it excludes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DiscoveryOrder {
    pub market: Market,
    seed: u64,
    size: u32,
    /// For each excluded place of the order, how many places before it are not excluded.
    gaps: Vec<u32>,
}

impl DiscoveryOrder {
    /// The first `size` companies of the market, without those of these domains.
    pub fn new(market: Market, seed: u64, size: u32, excluded: &[String]) -> Self {
        let mut order = Self {
            market,
            seed,
            size,
            gaps: Vec::new(),
        };
        if !excluded.is_empty() {
            let excluded: HashSet<&str> = excluded.iter().map(String::as_str).collect();
            let places =
                (0..size).filter(|place| excluded.contains(&*order.at_place(*place).domain()));
            order.gaps = (0..).zip(places).map(|(nth, place)| place - nth).collect();
        }
        order
    }

    /// How many companies the search can find.
    pub fn len(&self) -> u32 {
        self.size - u32::try_from(self.gaps.len()).expect("at most the size are excluded")
    }

    /// The company that the search finds as number `nth`, from 0.
    pub fn company(&self, nth: u32) -> Company {
        let skipped = self.gaps.partition_point(|gap| *gap <= nth);
        self.at_place(nth + u32::try_from(skipped).expect("at most the size are excluded"))
    }

    /// Every second block of places, by the seed, is in the market's own order.
    fn at_place(&self, place: u32) -> Company {
        let place = u64::from(place);
        let first = place - place % BLOCK;
        let key = splitmix64(self.seed, first);
        if key.is_multiple_of(2) {
            return self.market.company(place);
        }
        let order = Permutation {
            key,
            len: BLOCK.min(u64::from(self.size).saturating_sub(first)),
        };
        self.market.company(first + order.at(place - first))
    }
}

/// A pseudo-random order of the numbers below `len`.
#[derive(Debug, Clone, Copy)]
struct Permutation {
    key: u64,
    len: u64,
}

impl Permutation {
    /// The number at place `nth`, which is below `len`.
    ///
    /// A Feistel network permutes the numbers below a power of four; what comes out at `len` or
    /// above goes through it again (cycle walking).
    fn at(self, nth: u64) -> u64 {
        let bits = u64::BITS - self.len.saturating_sub(1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let mask = (1 << half) - 1;
        let mut number = nth;
        loop {
            let (mut left, mut right) = (number >> half, number & mask);
            for round in 0..4 {
                let mixed = splitmix64(self.key.wrapping_add(round), right) & mask;
                (left, right) = (right, left ^ mixed);
            }
            number = left << half | right;
            if number < self.len {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shuffle_meets_each_number_once(key: u64, len in 1..600u64) {
            let met: HashSet<u64> = (0..len).map(|nth| Permutation { key, len }.at(nth)).collect();
            prop_assert_eq!(met.len() as u64, len);
            prop_assert!(met.iter().all(|number| *number < len));
        }

        #[test]
        fn an_order_is_the_market_without_what_is_excluded(
            world: u64, seed: u64, size in 0..300u32,
            excluded in proptest::collection::vec(0..400u64, 0..40),
        ) {
            let market = Market::of(world, "a query");
            let domains: Vec<String> =
                excluded.iter().map(|place| market.company(*place).domain()).collect();
            let order = DiscoveryOrder::new(market, seed, size, &domains);
            let found: HashSet<String> =
                (0..order.len()).map(|nth| order.company(nth).domain()).collect();
            let expected: HashSet<String> = (0..u64::from(size))
                .map(|place| market.company(place).domain())
                .filter(|domain| !domains.contains(domain))
                .collect();
            prop_assert_eq!(found.len(), order.len() as usize, "no company twice");
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn companies_beyond_all_names_are_still_different_ones() {
        let market = Market::of(1, "q");
        let domains: HashSet<String> = (0..3 * NAME_COUNT)
            .map(|place| market.company(place).domain())
            .collect();
        assert_eq!(domains.len() as u64, 3 * NAME_COUNT);
    }
}
