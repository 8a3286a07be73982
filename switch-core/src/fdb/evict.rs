//! Who gives way when the table is full (rule 9).
//!
//! The newcomer replaces an old dynamic entry of the port that holds the most
//! entries; where several hold as many and its own port is one of them, of its
//! own. A hand goes round the table; a call looks at up to [`REACH`] buckets
//! and takes the oldest of the first [`SAMPLE`] candidates.

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
        if limit != 0 && self.of(port) >= limit {
            return false;
        }
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

    /// Who may give way to a newcomer of `own`, for which `counted` entries too
    /// many are counted already. `None` when no port holds any entry.
    fn rivals(&self, own: Option<PortId>, counted: u32) -> Option<Rivals<'_>> {
        let used = self.used.load(Ordering::Acquire) as usize;
        let own_held = own.map_or(0, |own| self.of(own).saturating_sub(counted));
        let most = self.held[..used]
            .iter()
            .enumerate()
            .filter(|(number, _)| own.is_none_or(|own| own.index() != *number))
            .map(|(_, held)| held.load(Ordering::Relaxed))
            .fold(own_held, u32::max);
        (most > 0).then_some(Rivals { shares: self, own, most, own_most: own_held == most })
    }
}

/// Whose entries may give way to a newcomer: the newcomer's own port, if none
/// holds more, so that no port can push another below its own share; else
/// whichever port holds most.
struct Rivals<'s> {
    shares: &'s Shares,
    own: Option<PortId>,
    most: u32,
    own_most: bool,
}

impl Rivals<'_> {
    fn may_lose(&self, value: Value) -> bool {
        let port = value.port();
        let is_own = self.own.is_some_and(|own| own.number == port.number);
        !value.is_static()
            && if self.own_most { is_own } else { !is_own && self.shares.of(port) >= self.most }
    }
}

/// An entry that may give way.
type Candidate = (Slot, Key, Value);

impl Fdb {
    /// Takes out an old entry of the port that holds most, to make room for one of `own`.
    #[cold]
    pub(super) fn evict(&self, own: Option<PortId>) -> bool {
        let (victim, hand) = self.victim(own, 1);
        self.shares.hand.store(hand, Ordering::Relaxed);
        self.evict_entry(victim)
    }

    /// The entry that would give way, and where the hand then stands.
    pub(super) fn victim(&self, own: Option<PortId>, counted: u32) -> (Option<Candidate>, u32) {
        let buckets = self.table.bucket_count();
        let mut hand = self.shares.hand.load(Ordering::Relaxed);
        let Some(rivals) = self.shares.rivals(own, counted) else { return (None, hand) };
        let mut candidates = 0;
        let mut oldest: Option<Candidate> = None;
        for _ in 0..REACH.min(buckets) {
            if candidates >= SAMPLE {
                break;
            }
            for entry in self.evictable(hand, &rivals) {
                candidates += 1;
                if oldest.is_none_or(|best| entry.2.stamp() < best.2.stamp()) {
                    oldest = Some(entry);
                }
            }
            hand = (hand + 1) % buckets;
        }
        (oldest, hand)
    }

    /// Takes an entry of the port that holds most out of one of these buckets,
    /// to make room for one of `own`.
    #[cold]
    pub(super) fn evict_from(&self, buckets: [u32; 2], own: Option<PortId>) -> bool {
        let Some(rivals) = self.shares.rivals(own, 1) else { return false };
        let candidates = buckets.iter().flat_map(|&bucket| self.evictable(bucket, &rivals));
        self.evict_entry(candidates.min_by_key(|(_, _, value)| value.stamp()))
    }

    fn evictable(&self, bucket: u32, rivals: &Rivals<'_>) -> impl Iterator<Item = Candidate> {
        self.table.entries(bucket).filter(|&(_, _, value)| rivals.may_lose(value))
    }

    fn evict_entry(&self, entry: Option<Candidate>) -> bool {
        let Some((slot, key, seen)) = entry else { return false };
        let still = |value: Value| !value.is_static() && value.port() == seen.port();
        let taken = self.take_if(slot, key, still);
        if taken {
            count(&self.counts.evicted);
        }
        taken
    }
}
