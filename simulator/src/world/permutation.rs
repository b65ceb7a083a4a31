//! A pseudo-random permutation that is computed and not stored.

use crate::random::splitmix64;

/// A pseudo-random permutation of the numbers below `len`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permutation {
    pub key: u64,
    pub len: u64,
}

impl Permutation {
    /// Returns the number at index `nth`, which must be below `len`.
    ///
    /// A Feistel network permutes the numbers below a power of four. A number of `len` or more passes it again (cycle
    /// walking).
    pub fn at(self, nth: u64) -> u64 {
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
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_permutation_contains_each_number_once(key: u64, len in 1..600u64) {
            let seen: HashSet<u64> = (0..len).map(|nth| Permutation { key, len }.at(nth)).collect();
            prop_assert_eq!(seen.len() as u64, len);
            prop_assert!(seen.iter().all(|number| *number < len));
        }
    }
}
