//! Which companies a task finds, and in which order. Both follow from seeds and are not stored.
//!
//! The market of a query is a fixed sequence of companies, so that two tasks with one query find the same ones, and two
//! queries share a few. A task discovers the companies of its market in an order of its own, without excluded ones.

use std::collections::HashSet;

use crate::{
    random::{derive_seed, splitmix64},
    world::{
        company::{Company, NAME_COUNT},
        permutation::Permutation,
    },
};

/// The number of companies within which the order of a task differs from that of its market.
const BLOCK: u64 = 32;

/// The companies that match a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Market {
    world: u64,
    seed: u64,
}

impl Market {
    /// Returns the market of a query, without regard to case and surrounding white space.
    pub fn of(world: u64, query: &str) -> Self {
        Self {
            world,
            seed: derive_seed(world, &query.trim().to_lowercase()),
        }
    }

    /// Returns the default number of companies: 300 to 1,500.
    pub fn default_size(self) -> u32 {
        300 + u32::try_from(splitmix64(self.seed, 0) % 1_201).expect("it is at most 1,200")
    }

    /// Returns the company at this index, from 0. Each index has another company.
    pub fn company(self, index: u64) -> Company {
        let order = Permutation {
            key: self.seed,
            len: NAME_COUNT,
        };
        Company {
            world: self.world,
            number: index / NAME_COUNT * NAME_COUNT + order.at(index % NAME_COUNT),
        }
    }

    /// Returns the relevance of a company, in tenths: 550 to 1,000.
    pub fn relevance(self, company: Company) -> u32 {
        let draw = splitmix64(!self.seed, company.number) % 451;
        1_000 - u32::try_from(draw).expect("it is at most 450")
    }
}

/// The order in which one task discovers the companies of its market, without excluded ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DiscoveryOrder {
    pub market: Market,
    seed: u64,
    size: u32,
    /// For each excluded index of the order, the number of indexes before it that are not excluded.
    gaps: Vec<u32>,
}

impl DiscoveryOrder {
    /// Returns the first `size` companies of the market, without those of these domains.
    pub fn new(market: Market, seed: u64, size: u32, excluded: &[String]) -> Self {
        let mut order = Self {
            market,
            seed,
            size,
            gaps: Vec::new(),
        };
        if !excluded.is_empty() {
            let excluded: HashSet<&str> = excluded.iter().map(String::as_str).collect();
            let indexes =
                (0..size).filter(|index| excluded.contains(&*order.at_index(*index).domain()));
            order.gaps = (0..).zip(indexes).map(|(nth, index)| index - nth).collect();
        }
        order
    }

    /// Returns how many companies the task can find.
    pub fn len(&self) -> u32 {
        self.size - u32::try_from(self.gaps.len()).expect("at most the size are excluded")
    }

    /// Returns the company that the task finds as number `nth`, from 0.
    pub fn company(&self, nth: u32) -> Company {
        let skipped = self.gaps.partition_point(|gap| *gap <= nth);
        self.at_index(nth + u32::try_from(skipped).expect("at most the size are excluded"))
    }

    /// Returns the company at an index. About half of the blocks, by the seed, keep the market's own order.
    fn at_index(&self, index: u32) -> Company {
        let index = u64::from(index);
        let first = index - index % BLOCK;
        let key = splitmix64(self.seed, first);
        if key.is_multiple_of(2) {
            return self.market.company(index);
        }
        let order = Permutation {
            key,
            len: BLOCK.min(u64::from(self.size).saturating_sub(first)),
        };
        self.market.company(first + order.at(index - first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_order_is_the_market_without_excluded_companies(
            world: u64, seed: u64, size in 0..300u32,
            excluded in proptest::collection::vec(0..400u64, 0..40),
        ) {
            let market = Market::of(world, "a query");
            let domains: Vec<String> =
                excluded.iter().map(|index| market.company(*index).domain()).collect();
            let order = DiscoveryOrder::new(market, seed, size, &domains);
            let found: HashSet<String> =
                (0..order.len()).map(|nth| order.company(nth).domain()).collect();
            let expected: HashSet<String> = (0..u64::from(size))
                .map(|index| market.company(index).domain())
                .filter(|domain| !domains.contains(domain))
                .collect();
            prop_assert_eq!(found.len(), order.len() as usize, "no company twice");
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn companies_beyond_the_number_of_names_still_differ() {
        let market = Market::of(1, "q");
        let domains: HashSet<String> = (0..3 * NAME_COUNT)
            .map(|index| market.company(index).domain())
            .collect();
        assert_eq!(domains.len() as u64, 3 * NAME_COUNT);
    }
}
