//! Property tests whose cases are the same on every machine and in every run.

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRunner};

/// The outcome of a case.
pub type Checked = Result<(), TestCaseError>;

/// Tests `cases` values of `strategy`; panics with the simplest one that fails.
pub fn for_each<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Checked) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(20_261_124),
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(strategy, test) {
        panic!("{error}");
    }
}
