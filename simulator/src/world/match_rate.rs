//! Which candidates fit: an even spread in whole numbers, so that it can be turned around exactly.

use crate::world::share::scaled;

/// One, in the units in which the rate is held.
const ONE: u64 = 1 << 32;

/// A rate and where in the spread the first candidate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchRate {
    rate: u64,
    phase: u64,
}

impl MatchRate {
    /// `rate` is the share of candidates that fit, 0 to 1; `phase` is any seeded number.
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

    /// How many of the first `evaluated` candidates fit.
    pub fn matches_among(self, evaluated: u32) -> u32 {
        let fits = (u128::from(evaluated) * u128::from(self.rate) + u128::from(self.phase)) >> 32;
        u32::try_from(fits).unwrap_or(u32::MAX)
    }

    /// How many candidates must be evaluated for `results` to fit; `None` if none ever does.
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
        fn needed_for_is_the_first_count_that_gives_so_many(
            rate in 0.001..=1.0f64, phase: u32, results in 0..5_000u32
        ) {
            let fit = MatchRate::new(rate, phase);
            let needed = fit.candidates_for(results).unwrap();
            prop_assert!(fit.matches_among(needed) >= results);
            prop_assert!(needed == 0 || fit.matches_among(needed - 1) < results);
        }

        #[test]
        fn no_more_fit_than_are_there(rate in 0.0..=1.0f64, phase: u32, evaluated: u32) {
            prop_assert!(MatchRate::new(rate, phase).matches_among(evaluated) <= evaluated);
        }
    }

    #[test]
    fn a_rate_of_zero_never_gives_anything() {
        assert_eq!(MatchRate::new(0.0, u32::MAX).matches_among(1_000_000), 0);
        assert_eq!(MatchRate::new(0.0, 7).candidates_for(1), None);
    }
}
