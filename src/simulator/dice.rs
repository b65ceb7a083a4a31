//! Seeded chance: the same seed and the same place give the same draw.

use rand::{SeedableRng, rngs::StdRng};

/// A generator for one place in the world, independent of how many draws others took.
pub(super) fn dice(seed: u64, place: u64) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&place.to_le_bytes());
    StdRng::from_seed(bytes)
}

/// A random UUID of such a generator.
pub(super) fn uuid(dice: &mut StdRng) -> String {
    use rand::RngExt as _;
    uuid::Builder::from_random_bytes(dice.random())
        .into_uuid()
        .to_string()
}
