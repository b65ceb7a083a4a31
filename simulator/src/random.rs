//! Seeded chance: the same seed and the same place give the same draw.

use rand::{SeedableRng, rngs::StdRng};

/// A generator for one place in the world, independent of how many draws others took.
pub(crate) fn seeded_rng(seed: u64, place: u64) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&place.to_le_bytes());
    StdRng::from_seed(bytes)
}

/// A random UUID of such a generator.
pub(crate) fn uuid(rng: &mut StdRng) -> String {
    use rand::RngExt as _;
    uuid::Builder::from_random_bytes(rng.random())
        .into_uuid()
        .to_string()
}

/// One draw for one place in the world, where a generator would be too much.
pub(crate) fn splitmix64(seed: u64, place: u64) -> u64 {
    // As splitmix64 does it.
    let mut x = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A seed that follows from another one and a text.
pub(crate) fn derive_seed(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(seed, |seed, byte| splitmix64(seed, byte.into()))
}

/// A few draws for one place in the world, cheaper than a generator: results are made from them
/// whenever they are asked for.
#[derive(Debug)]
pub(crate) struct HashRng {
    seed: u64,
    taken: u64,
}

impl HashRng {
    pub fn new(seed: u64, place: u64) -> Self {
        Self {
            seed: splitmix64(seed, place),
            taken: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.taken += 1;
        splitmix64(self.seed, self.taken)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// One of these.
    pub fn choose<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A random UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        uuid.to_string()
    }
}
