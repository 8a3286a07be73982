//! Where a key may lie: two buckets from a keyed hash.
//!
//! Two rounds of folded 64 × 64 → 128 bit multiplication under four secret
//! words. Who does not know them cannot choose addresses that share buckets,
//! and who could would only fill two buckets: look-up work is bounded anyway.

use super::entry::Key;

/// Four secret words, drawn anew for every table.
#[derive(Clone, Copy)]
pub struct Seed(pub [u64; 4]);

impl Seed {
    /// A seed from the operating system's randomness, by way of std's hash keys.
    pub fn random() -> Seed {
        use std::hash::{BuildHasher, Hasher, RandomState};
        Seed(std::array::from_fn(|_| RandomState::new().build_hasher().finish()))
    }
}

/// The two buckets a key may lie in, never the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Home {
    pub(super) first: u32,
    pub(super) second: u32,
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A key's hash: one half leads to its first bucket, the other on to its second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hash(u64);

impl Hash {
    #[inline]
    pub(super) fn of(key: Key, seed: &Seed) -> Hash {
        let [a, b, c, d] = seed.0;
        Hash(fold(fold(key.word() ^ a, b | 1) ^ c, d | 1))
    }

    /// The first bucket of so many.
    #[inline]
    pub(super) fn first(self, buckets: u32) -> u32 {
        scale(self.0 as u32, buckets)
    }

    /// The second bucket: a step from the first to any other, around the end.
    #[inline]
    pub(super) fn second(self, first: u32, buckets: u32) -> u32 {
        let second = first + 1 + scale((self.0 >> 32) as u32, buckets - 1);
        if second < buckets { second } else { second - buckets }
    }
}

/// A number below `end`, as far towards it as `half` is towards 2³².
#[inline]
fn scale(half: u32, end: u32) -> u32 {
    ((u64::from(half) * u64::from(end)) >> 32) as u32
}
