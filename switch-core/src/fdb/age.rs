//! Taking expired entries out, a bounded number a call.
//!
//! A sweep notes the oldest stamp it leaves behind. Since stamps only grow,
//! nothing can expire before that one does, so the next sweep waits until
//! then: a table whose entries are all in use is swept once an ageing time.
//!
//! An entry that makes room for another may slip from what is yet to be swept
//! to what is swept already. A sweep during which entries moved is therefore
//! soon followed by another.

use super::entry::Value;
use super::{Fdb, count};
use crate::sync::{AtomicU32, Ordering};

/// Buckets looked at in one call: some 64 KB of memory, about ten microseconds.
const CHUNK: u32 = 1024;
/// Seconds until the next sweep where entries moved during one.
const AGAIN: u32 = 2;

pub(super) struct Sweep {
    /// The second before which nothing expires.
    due: AtomicU32,
    /// 1 while a thread sweeps; the fields below are its own.
    taken: AtomicU32,
    at: AtomicU32,
    oldest: AtomicU32,
    /// Moves in the table when the sweep began.
    moves: AtomicU32,
}

impl Sweep {
    pub(super) fn new() -> Sweep {
        Sweep {
            due: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            at: AtomicU32::new(0),
            oldest: AtomicU32::new(u32::MAX),
            moves: AtomicU32::new(0),
        }
    }
}

impl Fdb {
    /// Sets the ageing time in seconds; 0 is never.
    pub fn set_ageing(&self, ageing: u32) {
        self.ageing.store(ageing, Ordering::Relaxed);
        self.sweep.due.store(0, Ordering::Release);
    }

    /// Takes out some of the entries that have expired by `now`. Says whether
    /// there is more to do at once.
    #[inline]
    pub fn age(&self, now: u32) -> bool {
        if now < self.sweep.due.load(Ordering::Relaxed) {
            return false;
        }
        self.sweep_on(now)
    }

    /// The second at which [`Fdb::age`] next has work; `None` while the table is empty or nothing ages.
    pub fn next_age(&self) -> Option<u32> {
        let idle =
            self.entries.load(Ordering::Relaxed) == 0 || self.ageing.load(Ordering::Relaxed) == 0;
        (!idle).then(|| self.sweep.due.load(Ordering::Relaxed))
    }

    #[cold]
    fn sweep_on(&self, now: u32) -> bool {
        if self.sweep.taken.swap(1, Ordering::Acquire) == 1 {
            return false;
        }
        let ageing = self.ageing.load(Ordering::Relaxed);
        let from = self.sweep.at.load(Ordering::Relaxed);
        if from == 0 {
            self.sweep.moves.store(self.table.moves(), Ordering::Relaxed);
        }
        let until = (from + CHUNK).min(self.table.bucket_count());
        let mut oldest = self.sweep.oldest.load(Ordering::Relaxed).min(now);
        for bucket in from..until {
            oldest = oldest.min(self.sweep_bucket(bucket, now, ageing));
        }
        let done = until == self.table.bucket_count();
        if done {
            let moved = self.table.moves() != self.sweep.moves.load(Ordering::Relaxed);
            let next = match ageing {
                0 => u32::MAX,
                _ if moved => now.saturating_add(AGAIN),
                _ => oldest.saturating_add(ageing).saturating_add(1),
            };
            self.sweep.due.store(next, Ordering::Release);
            if self.ageing.load(Ordering::Relaxed) != ageing {
                // It was changed in mid-sweep: what was worked out is void.
                self.sweep.due.store(0, Ordering::Release);
            }
        }
        self.sweep.at.store(if done { 0 } else { until }, Ordering::Relaxed);
        self.sweep.oldest.store(if done { u32::MAX } else { oldest }, Ordering::Relaxed);
        self.sweep.taken.store(0, Ordering::Release);
        !done
    }

    /// Takes the expired out of one bucket; the oldest stamp that stays.
    fn sweep_bucket(&self, bucket: u32, now: u32, ageing: u32) -> u32 {
        let mut oldest = u32::MAX;
        for (slot, key, value) in self.table.entries(bucket) {
            let expired = |value: Value| value.is_expired(now, ageing);
            if expired(value) && self.take_if(slot, key, expired) {
                count(&self.counts.aged);
            } else if !value.is_static() {
                oldest = oldest.min(value.stamp());
            }
        }
        oldest
    }
}
