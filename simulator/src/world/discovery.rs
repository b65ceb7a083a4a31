//! Which companies a task finds, and in which order. Both follow from seeds and are not stored.
//!
//! The market of a query is a fixed sequence of companies, so that two tasks with one query find the same ones, and two
//! queries share a few. A task discovers the companies of its market in an order of its own, without excluded ones.
//! Exclusions are domains, so they do not apply to companies without a website.

use std::collections::HashSet;

use crate::{
    random::{derive_seed, splitmix64},
    world::{
        company::{Alias, Company, NAME_COUNT},
        permutation::Permutation,
    },
};

/// The number of companies within which the order of a task differs from that of its market.
const BLOCK: u64 = 32;

/// The unusual companies of a market, in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unusual {
    /// Second names or websites of companies that the market has too. The first company has none.
    pub aliases: u32,
    pub without_website: u32,
}

/// The companies that match a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Market {
    world: u64,
    seed: u64,
    unusual: Unusual,
}

impl Market {
    /// Returns the market of a query, without regard to case and surrounding white space.
    pub fn of(world: u64, query: &str, unusual: Unusual) -> Self {
        Self {
            world,
            seed: derive_seed(world, &query.trim().to_lowercase()),
            unusual,
        }
    }

    /// Returns the default number of companies: 300 to 1,500.
    pub fn default_size(self) -> u32 {
        300 + u32::try_from(splitmix64(self.seed, 0) % 1_201).expect("it is at most 1,200")
    }

    /// Returns the company at this index, from 0. Each index has another company, or an alias of an earlier one.
    pub fn company(self, index: u64) -> Company {
        let Some(alias) = self.alias(index) else {
            return self.under_its_name(index);
        };
        let mut original = alias % index;
        while self.alias(original).is_some() {
            original -= 1;
        }
        let company = self.under_its_name(original);
        let alias = if alias.count_ones().is_multiple_of(2) {
            Alias::Name(alias)
        } else {
            Alias::Website(alias)
        };
        Company {
            alias: Some(alias),
            ..company
        }
    }

    /// Returns the random number of the alias at this index, if there is one.
    fn alias(self, index: u64) -> Option<u64> {
        let share = u64::from(self.unusual.aliases);
        if share == 0 || index == 0 {
            return None;
        }
        let seed = derive_seed(self.seed, "alias");
        let is_alias = splitmix64(seed, index) % 100 < share;
        is_alias.then(|| splitmix64(!seed, index))
    }

    fn under_its_name(self, index: u64) -> Company {
        let order = Permutation {
            key: self.seed,
            len: NAME_COUNT,
        };
        let number = index / NAME_COUNT * NAME_COUNT + order.at(index % NAME_COUNT);
        // The same in every market.
        let draw = splitmix64(derive_seed(self.world, "website"), number) % 100;
        Company {
            world: self.world,
            number,
            alias: None,
            has_website: draw >= u64::from(self.unusual.without_website),
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
    /// Returns the first `size` companies of the market, without those with a website of these domains.
    pub fn new(market: Market, seed: u64, size: u32, excluded: &[String]) -> Self {
        let mut order = Self {
            market,
            seed,
            size,
            gaps: Vec::new(),
        };
        if !excluded.is_empty() {
            let excluded: HashSet<&str> = excluded.iter().map(String::as_str).collect();
            let is_excluded = |index: &u32| {
                let domain = order.at_index(*index).website_domain();
                domain.is_some_and(|domain| excluded.contains(&*domain))
            };
            let indexes = (0..size).filter(is_excluded);
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
            aliases in 0..=50u32, without_website in 0..=100u32,
        ) {
            let market = Market::of(world, "a query", Unusual { aliases, without_website });
            let domains: Vec<String> =
                excluded.iter().map(|index| market.company(*index).domain()).collect();
            let order = DiscoveryOrder::new(market, seed, size, &domains);
            let found: HashSet<u64> =
                (0..order.len()).map(|nth| order.company(nth).key()).collect();
            let expected: HashSet<u64> = (0..u64::from(size))
                .map(|index| market.company(index))
                .filter(|company| !(company.has_website && domains.contains(&company.domain())))
                .map(Company::key)
                .collect();
            prop_assert_eq!(found.len(), order.len() as usize, "no company twice");
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_alias_has_another_name_or_another_website_than_an_earlier_company() {
        let unusual = Unusual {
            aliases: 20,
            without_website: 0,
        };
        let market = Market::of(1, "q", unusual);
        let companies: Vec<Company> = (0..1_000).map(|index| market.company(index)).collect();
        let mut counts = [0; 3];
        for (nth, company) in companies.iter().enumerate() {
            let mut earlier = companies[..nth].iter().filter(|one| one.alias.is_none());
            let original = earlier.find(|one| one.number == company.number);
            let Some(original) = original else {
                assert_eq!(company.alias, None);
                counts[0] += 1;
                continue;
            };
            let same_name = company.name() == original.name();
            let same_domain = company.domain() == original.domain();
            assert!(company.key() != original.key() && same_name != same_domain);
            counts[1 + usize::from(same_name)] += 1;
            assert_eq!(market.relevance(*company), market.relevance(*original));
        }
        assert!((750..850).contains(&counts[0]), "{counts:?}");
        assert!(counts[1] > 70 && counts[2] > 70, "{counts:?}");
    }

    #[test]
    fn companies_beyond_the_number_of_names_still_differ() {
        let market = Market::of(1, "q", Unusual::default());
        let domains: HashSet<String> = (0..3 * NAME_COUNT)
            .map(|index| market.company(index).domain())
            .collect();
        assert_eq!(domains.len() as u64, 3 * NAME_COUNT);
    }
}
