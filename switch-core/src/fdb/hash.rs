//! Where a key may lie: two buckets from a keyed hash.
//!
//! Two rounds of multiplication under four secret words. Who does not know them
//! cannot choose addresses that share buckets, and who could would only fill two
//! buckets: look-up work is bounded anyway.
//!
//! It uses what an eBPF program has too: products of 64 bits, of which the upper
//! half is lost, shifts and exclusive or. So the kernel can look in this table.

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

    /// With odd factors, the second word and the fourth: an even one loses what it shifts out.
    pub fn with_odd_factors(self) -> Seed {
        let [a, b, c, d] = self.0;
        Seed([a, b | 1, c, d | 1])
    }
}

/// The two buckets a key may lie in, never the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Home {
    pub(super) first: u32,
    pub(super) second: u32,
}

/// A key's hash: one half leads to its first bucket, the other on to its second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hash(u64);

impl Hash {
    /// `seed` has odd factors.
    #[inline]
    pub(super) fn of(key: Key, seed: &Seed) -> Hash {
        let [a, b, c, d] = seed.0;
        // The low bits of a product depend on the factors' low bits alone, so the
        // upper half, which depends on all, is mixed in each time.
        let once = (key.word() ^ a).wrapping_mul(b);
        let twice = (once ^ once >> 32 ^ c).wrapping_mul(d);
        Hash(twice ^ twice >> 32)
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::tests::{address_sets, seed};
    use super::*;

    const KEYS: u64 = 65_536;
    /// As many as a table for that many addresses has.
    const BUCKETS: u32 = 24_576;

    /// Pairs of numbers that are the same.
    fn pairs(mut numbers: Vec<u64>) -> f64 {
        numbers.sort_unstable();
        let same = numbers.chunk_by(|a, b| a == b).map(|run| run.len() as f64);
        same.map(|count| count * (count - 1.0) / 2.0).sum()
    }

    fn longest(mut numbers: Vec<u64>) -> usize {
        numbers.sort_unstable();
        numbers.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or(0)
    }

    /// Whatever the addresses have in common, they lie no closer together than
    /// if each bucket had been drawn by lot.
    #[test]
    fn addresses_spread_like_numbers_drawn_by_lot() {
        for (name, keys) in address_sets(KEYS) {
            for round in 0..20 {
                let seed = seed(1000 + round).with_odd_factors();
                let homes = || {
                    keys.iter().map(|key| {
                        let hash = Hash::of(*key, &seed);
                        let first = hash.first(BUCKETS);
                        (u64::from(first), u64::from(hash.second(first, BUCKETS)))
                    })
                };
                let all = KEYS as f64 * (KEYS - 1) as f64 / 2.0;
                let (buckets, second) = (f64::from(BUCKETS), f64::from(BUCKETS - 1));
                let firsts: Vec<u64> = homes().map(|home| home.0).collect();
                let seconds: Vec<u64> = homes().map(|home| home.1).collect();
                let both = homes().map(|(first, second)| first << 32 | second).collect();
                let (by_first, by_second) = (pairs(firsts.clone()), pairs(seconds.clone()));
                assert!(
                    by_first < 1.03 * all / buckets,
                    "{name}, {round}: {by_first} in the first"
                );
                assert!(
                    by_second < 1.08 * all / buckets,
                    "{name}, {round}: {by_second} in the second"
                );
                let by_both = pairs(both);
                // Some three pairs are expected.
                let few = 10.0 * all / buckets / second;
                assert!(by_both < few, "{name}, {round}: {by_both} in both, of {few} at most");
                let most = longest(firsts).max(longest(seconds));
                assert!(most <= 18, "{name}, {round}: {most} in one bucket");
            }
        }
    }
}
