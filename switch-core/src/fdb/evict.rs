//! Who gives way when the table is full (rule 9).
//!
//! The newcomer replaces an old dynamic entry of the port that holds the most
//! entries. A hand goes round the table; a call looks at up to [`REACH`]
//! buckets and takes the oldest of the first [`SAMPLE`] candidates.

use super::entry::{Key, Value};
use super::table::Slot;
use super::{Fdb, count};
use crate::port::{MAX_PORTS, PortId};
use crate::sync::{AtomicU32, Ordering};

/// Buckets looked at for one eviction. The port that holds most fills at least
/// its fair share of the table, so a few buckets suffice unless static entries
/// fill the table or thousands of ports share it evenly.
const REACH: u32 = 256;
/// Candidates compared by age.
const SAMPLE: usize = 8;

/// How many dynamic entries each port holds.
pub(super) struct Shares {
    held: Box<[AtomicU32]>,
    /// One more than the highest port number that ever held an entry.
    used: AtomicU32,
    hand: AtomicU32,
}

impl Shares {
    pub(super) fn new() -> Shares {
        let ports = if cfg!(loom) { 4 } else { MAX_PORTS };
        Shares {
            held: (0..ports).map(|_| AtomicU32::new(0)).collect(),
            used: AtomicU32::new(0),
            hand: AtomicU32::new(0),
        }
    }

    pub(super) fn of(&self, port: PortId) -> u32 {
        self.held[port.index()].load(Ordering::Relaxed)
    }

    /// Counts one more for `port`, unless that exceeds `limit` (0: no limit).
    pub(super) fn take(&self, port: PortId, limit: u32) -> bool {
        let before = self.held[port.index()].fetch_add(1, Ordering::AcqRel);
        if limit != 0 && before >= limit {
            self.give_back(port);
            return false;
        }
        if self.used.load(Ordering::Relaxed) <= u32::from(port.number) {
            self.used.fetch_max(u32::from(port.number) + 1, Ordering::AcqRel);
        }
        true
    }

    pub(super) fn give_back(&self, port: PortId) {
        self.held[port.index()].fetch_sub(1, Ordering::AcqRel);
    }

    /// The most entries any port holds; `None` when no port holds any.
    fn most(&self) -> Option<u32> {
        let used = self.used.load(Ordering::Acquire) as usize;
        let most = self.held[..used].iter().map(|held| held.load(Ordering::Relaxed)).max()?;
        (most > 0).then_some(most)
    }
}

impl Fdb {
    /// Takes out an old entry of the port that holds most, or of one that holds as many.
    #[cold]
    pub(super) fn evict(&self) -> bool {
        let Some(most) = self.shares.most() else { return false };
        let buckets = self.table.bucket_count();
        let start = self.shares.hand.load(Ordering::Relaxed);
        let mut candidates = 0;
        let mut oldest: Option<(Slot, Key, Value)> = None;
        for step in 0..REACH.min(buckets) {
            if candidates >= SAMPLE {
                break;
            }
            let bucket = (start + step) % buckets;
            for entry in self.evictable(bucket, most) {
                candidates += 1;
                if oldest.is_none_or(|best| entry.2.stamp() < best.2.stamp()) {
                    oldest = Some(entry);
                }
            }
            self.shares.hand.store((bucket + 1) % buckets, Ordering::Relaxed);
        }
        self.evict_entry(oldest)
    }

    /// Takes an entry of the port that holds most out of one of these buckets.
    #[cold]
    pub(super) fn evict_from(&self, buckets: [u32; 2]) -> bool {
        let Some(most) = self.shares.most() else { return false };
        let candidates = buckets.iter().flat_map(|&bucket| self.evictable(bucket, most));
        self.evict_entry(candidates.min_by_key(|(_, _, value)| value.stamp()))
    }

    fn evictable(&self, bucket: u32, most: u32) -> impl Iterator<Item = (Slot, Key, Value)> + '_ {
        let may_go = move |value: Value| !value.is_static() && self.shares.of(value.port()) >= most;
        self.table.entries(bucket).filter(move |&(_, _, value)| may_go(value))
    }

    fn evict_entry(&self, entry: Option<(Slot, Key, Value)>) -> bool {
        let Some((slot, key, seen)) = entry else { return false };
        let still = |value: Value| !value.is_static() && value.port() == seen.port();
        let taken = self.take_if(slot, key, still);
        if taken {
            count(&self.counts.evicted);
        }
        taken
    }
}
