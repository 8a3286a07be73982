//! The bare loop: two look-ups in a table of cache-line buckets and a
//! hand-over, nothing else.
//!
//! It knows no VLAN, ages nothing, counts nothing, drops nothing and must not
//! be used while somebody changes the table: a lower bound, not a switch. Its
//! table has as many buckets as the switch's and is read in the same order:
//! first for a whole burst to bring memory near, then in earnest.

use std::hint::black_box;
use std::mem::swap;

use crate::rings::{RingEngine, SHARE};
use crate::traffic;

const WAYS: usize = 4;
const BURST: usize = 64;

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; WAYS],
    ports: [u64; WAYS],
}

/// The table, and the burst in hand.
pub struct BareLoop {
    buckets: Box<[Bucket]>,
    seen: [(u64, u64, u32, u32); BURST],
    misses: u64,
}

impl BareLoop {
    /// A table of `buckets` buckets with the addresses numbered below
    /// `addresses`, each behind port `n % ports`.
    pub fn new(buckets: usize, addresses: u64, ports: u64) -> BareLoop {
        let buckets = vec![Bucket::default(); buckets].into_boxed_slice();
        let mut bare = BareLoop { buckets, seen: [(0, 0, 0, 0); BURST], misses: 0 };
        for n in 0..addresses {
            bare.insert(traffic::mac(n).to_u64(), n % ports);
        }
        bare
    }

    /// An address whose bucket is full lies in one of the next.
    fn insert(&mut self, key: u64, port: u64) {
        let mut at = self.home(key);
        loop {
            let bucket = &mut self.buckets[at as usize];
            if let Some(way) = bucket.keys.iter().position(|&other| other == 0) {
                bucket.keys[way] = key;
                bucket.ports[way] = port;
                return;
            }
            at = (at + 1) % self.buckets.len() as u32;
        }
    }

    #[inline]
    fn home(&self, key: u64) -> u32 {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ((hash * self.buckets.len() as u64) >> 32) as u32
    }

    #[inline]
    fn find(&self, key: u64, home: u32) -> Option<u64> {
        let mut at = home;
        for _ in 0..self.buckets.len() {
            let bucket = &self.buckets[at as usize];
            // All four are compared without a branch that could be guessed wrong.
            let mut found = 0;
            for way in 1..WAYS {
                if bucket.keys[way] == key {
                    found = way;
                }
            }
            if bucket.keys[found] == key {
                return Some(bucket.ports[found]);
            }
            if bucket.keys[WAYS - 1] == 0 {
                return None;
            }
            at = (at + 1) % self.buckets.len() as u32;
        }
        None
    }

    /// Takes up to a share of each port's waiting frames to the ports they are
    /// for. Returns how many.
    pub fn turn(&mut self, engine: &mut RingEngine) -> usize {
        let mut total = 0;
        let mut near = 0;
        for port in &mut engine.ports {
            for frame in port.ingress.waiting().iter().take(SHARE) {
                let [dst, src] = addresses(frame.bytes());
                let (to, from) = (self.home(dst), self.home(src));
                near ^= self.buckets[to as usize].keys[0] ^ self.buckets[from as usize].keys[0];
                self.seen[total] = (dst, src, to, from);
                total += 1;
            }
        }
        black_box(near);

        let mut done = 0;
        for ingress in 0..engine.ports.len() {
            let share = engine.ports[ingress].ingress.waiting().len().min(SHARE);
            for n in 0..share {
                let (dst, src, to, from) = self.seen[done];
                done += 1;
                self.misses += u64::from(self.find(src, from) != Some(ingress as u64));
                let egress = self.find(dst, to).map_or(ingress, |port| port as usize);
                if let Ok([from, to]) = engine.ports.get_disjoint_mut([ingress, egress]) {
                    let (waiting, free) = (from.ingress.waiting(), to.egress.free());
                    swap(&mut waiting[n], &mut free[0]);
                    to.egress.filled(1);
                }
            }
            engine.ports[ingress].ingress.took(share);
        }
        done
    }

    /// How many frames came from an address it did not know there.
    pub fn misses(&self) -> u64 {
        self.misses
    }
}

/// Destination and source.
#[inline]
fn addresses(bytes: &[u8]) -> [u64; 2] {
    let Some(&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]) = bytes.first_chunk() else {
        return [0, 0];
    };
    [
        u64::from_be_bytes([0, 0, d0, d1, d2, d3, d4, d5]),
        u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
    ]
}
