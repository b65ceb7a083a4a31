//! Which candidates match: evenly spread, in integers, so that the inverse is exact.

use crate::world::share::scaled;

/// The rate 1.0 in fixed-point form.
const ONE: u64 = 1 << 32;

/// The share of matches, and the offset of the first candidate in the spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchRate {
    rate: u64,
    phase: u64,
}

impl MatchRate {
    /// `rate` is the share of candidates that match, 0 to 1; `phase` is any random number.
    pub fn new(rate: f64, phase: u32) -> Self {
        let rate = if rate >= 1.0 {
            ONE
        } else {
            u64::from(scaled(u32::MAX, rate.max(0.0)))
        };
        Self {
            rate,
            phase: u64::from(phase),
        }
    }

    /// Returns how many of the first `evaluated` candidates match.
    pub fn matches_among(self, evaluated: u32) -> u32 {
        let matches =
            (u128::from(evaluated) * u128::from(self.rate) + u128::from(self.phase)) >> 32;
        u32::try_from(matches).unwrap_or(u32::MAX)
    }

    /// Returns how many candidates must be evaluated for `results` matches; `None` if no number suffices.
    pub fn candidates_for(self, results: u32) -> Option<u32> {
        if results == 0 {
            return Some(0);
        }
        if self.rate == 0 {
            return None;
        }
        let distance = (u64::from(results) << 32) - self.phase;
        u32::try_from(distance.div_ceil(self.rate)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::MatchRate;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn candidates_for_is_the_smallest_number_with_that_many_matches(
            rate in 0.001..=1.0f64, phase: u32, results in 0..5_000u32
        ) {
            let matching = MatchRate::new(rate, phase);
            let needed = matching.candidates_for(results).unwrap();
            prop_assert!(matching.matches_among(needed) >= results);
            prop_assert!(needed == 0 || matching.matches_among(needed - 1) < results);
        }

        #[test]
        fn there_are_no_more_matches_than_candidates(rate in 0.0..=1.0f64, phase: u32, evaluated: u32) {
            prop_assert!(MatchRate::new(rate, phase).matches_among(evaluated) <= evaluated);
        }
    }

    #[test]
    fn a_rate_of_zero_has_no_matches() {
        assert_eq!(MatchRate::new(0.0, u32::MAX).matches_among(1_000_000), 0);
        assert_eq!(MatchRate::new(0.0, 7).candidates_for(1), None);
    }
}
