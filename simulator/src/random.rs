//! Seeded random numbers: the same seed and the same index give the same numbers.

use rand::{RngExt as _, SeedableRng, rngs::StdRng};

/// Returns a generator that does not depend on the use of the generators with another index.
pub(crate) fn seeded_rng(seed: u64, index: u64) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.to_le_bytes());
    StdRng::from_seed(bytes)
}

/// Returns a random UUID.
pub(crate) fn uuid(rng: &mut StdRng) -> String {
    uuid_from(rng.random())
}

fn uuid_from(bytes: [u8; 16]) -> String {
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    uuid.to_string()
}

/// Returns one random number, cheaper than a generator: the splitmix64 hash of seed and index.
pub(crate) fn splitmix64(seed: u64, index: u64) -> u64 {
    let mut x = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Returns the seed that follows from another seed and a text.
pub(crate) fn derive_seed(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(seed, |seed, byte| splitmix64(seed, byte.into()))
}

/// A generator that is cheaper to create than [`seeded_rng`]: each request for results creates many.
#[derive(Debug)]
pub(crate) struct HashRng {
    seed: u64,
    taken: u64,
}

impl HashRng {
    pub fn new(seed: u64, index: u64) -> Self {
        Self {
            seed: splitmix64(seed, index),
            taken: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.taken += 1;
        splitmix64(self.seed, self.taken)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// Returns one of the items.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Returns a random UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        uuid_from((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }
}
