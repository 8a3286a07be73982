//! The table itself: cache-line buckets of atomic words.
//!
//! A slot is a key word and a value word. Its key word is the lock on its
//! identity: whoever changes what a slot says first swaps the key for `BUSY`,
//! and puts a key back when done. Readers take no lock: they read key, value
//! and key again, and believe the value if the key is the same both times.
//! Only the last-seen stamp of a value changes under a standing key.
//!
//! A key lies in one of two buckets, in the first if there was room. When both
//! are full, an entry of theirs is moved to its own other bucket. A reader
//! could miss an entry that moves behind its back, so moves are counted before
//! and after (odd while one is under way), and a reader that found nothing
//! looks again if a move was near. Everything is bounded: a reader gives up
//! after [`TRIES`] looks and takes the address as unknown, which floods a frame.

use std::hint::black_box;
use std::ops::Deref;

use crossbeam::utils::CachePadded;

use super::Sought;
use super::entry::{BUSY, EMPTY, Key, Value};
use super::hash::{Hash, Home, Seed};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence, relax};

/// Slots in a bucket: key and value words of four fill a cache line.
pub const WAYS: usize = 4;

/// Looks a reader takes at a place others are writing.
#[cfg(not(loom))]
const TRIES: usize = 64;
#[cfg(loom)]
const TRIES: usize = 2;

/// Looks a thread takes at another's move before it gives its own up: some tens
/// of microseconds, where a move takes about one.
const TURN_TRIES: usize = 256 * TRIES;

/// Four entries' key words, then their value words. One of zeros is empty; any
/// bits are valid, though not any are an entry.
#[repr(C, align(64))]
pub struct Bucket {
    keys: [AtomicU64; WAYS],
    values: [AtomicU64; WAYS],
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    fn empty() -> Bucket {
        Bucket {
            keys: std::array::from_fn(|_| AtomicU64::new(EMPTY)),
            values: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.iter().all(|key| key.load(Ordering::Relaxed) == EMPTY)
    }

    /// Reads a word, so that the others are near too.
    #[inline]
    fn touch(&self) -> u64 {
        self.keys[0].load(Ordering::Relaxed)
    }

    /// Whether `key` seems to be here: nothing that was written since need be seen.
    #[inline]
    fn holds(&self, key: Key) -> bool {
        self.keys[way_of(&self.keys, key)].load(Ordering::Relaxed) == key.word()
    }
}

/// The slot of a bucket that holds `key`, if any does. All are compared,
/// without a branch: which it is, no processor can guess.
#[inline]
fn way_of(keys: &[AtomicU64; WAYS], key: Key) -> usize {
    let mut found = 0;
    for way in (1..WAYS).rev() {
        if keys[way].load(Ordering::Relaxed) == key.word() {
            found = way;
        }
    }
    found
}

/// A slot's position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot {
    bucket: u32,
    way: u8,
}

/// What one look at a key's two buckets showed.
struct Look {
    /// The first slot that holds the key.
    lowest: Option<Slot>,
    /// Another slot that holds it too.
    double: Option<Slot>,
    /// Nobody was writing there meanwhile, so what was not seen is not there.
    is_certain: bool,
}

/// Where the buckets are. Both kinds are an address and a length, so that which
/// it is need not be asked when one is read.
pub(super) enum Memory {
    Own(Box<[Bucket]>),
    /// Shared with somebody who reads and refreshes entries too, by the same rules.
    Lent(&'static [Bucket]),
}

impl Memory {
    /// Empty buckets, at least 2.
    pub(super) fn own(buckets: u32) -> Memory {
        Memory::Own((0..buckets.max(2)).map(|_| Bucket::empty()).collect())
    }
}

impl Deref for Memory {
    type Target = [Bucket];

    #[inline]
    fn deref(&self) -> &[Bucket] {
        match self {
            Memory::Own(buckets) => buckets,
            Memory::Lent(buckets) => buckets,
        }
    }
}

pub(super) struct Table {
    buckets: Memory,
    seed: Seed,
    /// Apart from what every look-up reads, since a full table moves entries often.
    moves: CachePadded<AtomicU32>,
    /// 1 as soon as any key did not find room in its first bucket.
    spilled: AtomicU32,
}

impl Table {
    /// A table of these buckets, which are empty.
    pub(super) fn new(buckets: Memory, seed: Seed) -> Table {
        debug_assert!(buckets.iter().all(Bucket::is_empty));
        Table {
            buckets,
            seed: seed.with_odd_factors(),
            moves: CachePadded::new(AtomicU32::new(0)),
            spilled: AtomicU32::new(0),
        }
    }

    /// Counts moves of entries between buckets: two for each, odd while one is under way.
    pub(super) fn moves(&self) -> u32 {
        self.moves.load(Ordering::Acquire)
    }

    pub(super) fn bucket_count(&self) -> u32 {
        self.buckets.len() as u32
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    #[inline]
    pub(super) fn home(&self, key: Key) -> Home {
        let hash = Hash::of(key, &self.seed);
        let first = hash.first(self.bucket_count());
        Home { first, second: hash.second(first, self.bucket_count()) }
    }

    #[inline]
    pub(super) fn seek(&self, key: Key) -> Sought {
        let hash = Hash::of(key, &self.seed);
        Sought { key, hash, bucket: hash.first(self.bucket_count()) }
    }

    /// Makes keys ready: hashes them, reads a word of every bucket that is about
    /// to be searched, and finds out which of its two each key lies in.
    ///
    /// The second loop does nothing but read, so that a processor which waits
    /// for one line asks for dozens of others meanwhile; among the instructions
    /// of a whole decision, or even of a hash, it would reach but a few. The
    /// third loop is for tables so full that some keys lie in their second bucket.
    #[inline(never)]
    pub(super) fn prefetch(&self, keys: &[Key], sought: &mut [Sought]) {
        let bucket = |number: u32| &self.buckets[number as usize];
        let mut near = 0;
        for (&key, sought) in keys.iter().zip(&mut *sought) {
            *sought = self.seek(key);
        }
        for sought in &*sought {
            near ^= bucket(sought.bucket).touch();
        }
        if self.spilled.load(Ordering::Relaxed) != 0 {
            for sought in sought {
                let first = sought.bucket;
                if !bucket(first).holds(sought.key) {
                    sought.bucket = sought.hash.second(first, self.bucket_count());
                }
                near ^= bucket(sought.bucket).touch();
            }
        }
        black_box(near);
    }

    fn key_at(&self, slot: Slot) -> &AtomicU64 {
        &self.buckets[slot.bucket as usize].keys[usize::from(slot.way)]
    }

    fn value_at(&self, slot: Slot) -> &AtomicU64 {
        &self.buckets[slot.bucket as usize].values[usize::from(slot.way)]
    }

    #[inline]
    fn find_in(&self, bucket: u32, key: Key) -> Option<(Slot, Value)> {
        let Bucket { keys, values } = &self.buckets[bucket as usize];
        let way = way_of(keys, key);
        if keys[way].load(Ordering::Acquire) != key.word() {
            return None;
        }
        let value = values[way].load(Ordering::Acquire);
        let stands = keys[way].load(Ordering::Acquire) == key.word();
        stands.then_some((Slot { bucket, way: way as u8 }, Value(value)))
    }

    /// The entry for a key if it is where it likeliest is.
    #[inline]
    pub(super) fn find_near(&self, sought: &Sought) -> Option<(Slot, Value)> {
        self.find_in(sought.bucket, sought.key)
    }

    /// The entry for a key, and where it lies.
    #[inline(never)]
    pub(super) fn find(&self, sought: &Sought) -> Option<(Slot, Value)> {
        let key = sought.key;
        let home = self.home(key);
        // Until a miss is sure to be one.
        for _ in 0..TRIES {
            let look = self.look(key, home);
            if let Some(slot) = look.lowest
                && let hit @ Some(_) = self.find_in(slot.bucket, key)
            {
                return hit;
            }
            if look.is_certain {
                return None;
            }
            relax();
        }
        None
    }

    /// Looks at each slot of both buckets once, in order of position.
    fn look(&self, key: Key, home: Home) -> Look {
        let before = self.moves.load(Ordering::Acquire);
        let mut look = Look { lowest: None, double: None, is_certain: before.is_multiple_of(2) };
        let (low, high) = (home.first.min(home.second), home.first.max(home.second));
        for slot in self.slots(low).chain(self.slots(high)) {
            match self.key_at(slot).load(Ordering::Acquire) {
                word if word == key.word() && look.lowest.is_none() => look.lowest = Some(slot),
                word if word == key.word() => look.double = Some(slot),
                BUSY => look.is_certain = false,
                _ => {}
            }
        }
        look.is_certain &= self.moves.load(Ordering::Acquire) == before;
        look
    }

    /// Sets the stamp of an entry just found. Harmless where the slot has changed hands:
    /// then the value differs, or names the same port at the same second.
    #[inline(never)]
    pub(super) fn refresh(&self, slot: Slot, seen: Value, now: u32) {
        let _ = self.value_at(slot).compare_exchange(
            seen.0,
            seen.seen(now).0,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Takes the slot of `key` to change it; nobody else can until it is put back.
    pub(super) fn claim(&self, slot: Slot, key: Key) -> Option<Value> {
        let claimed = self.swap_key(slot, key.word(), BUSY);
        claimed.then(|| Value(self.value_at(slot).load(Ordering::Acquire)))
    }

    /// Puts a claimed slot back as the entry `key` with `value`. Swapped, not
    /// stored: a late refresh is then either before it, and overwritten, or fails.
    pub(super) fn put(&self, slot: Slot, key: Key, value: Value) {
        self.value_at(slot).swap(value.0, Ordering::AcqRel);
        self.key_at(slot).store(key.word(), Ordering::Release);
    }

    /// Puts a claimed slot back as free.
    pub(super) fn clear(&self, slot: Slot) {
        self.key_at(slot).store(EMPTY, Ordering::Release);
    }

    fn swap_key(&self, slot: Slot, old: u64, new: u64) -> bool {
        let key = self.key_at(slot);
        key.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Takes a free slot of a bucket.
    fn claim_free(&self, bucket: u32) -> Option<Slot> {
        self.slots(bucket).find(|&slot| {
            self.key_at(slot).load(Ordering::Relaxed) == EMPTY && self.swap_key(slot, EMPTY, BUSY)
        })
    }

    /// Takes a free slot of what may be some key's second bucket.
    fn claim_spill(&self, bucket: u32) -> Option<Slot> {
        let slot = self.claim_free(bucket)?;
        if self.spilled.load(Ordering::Relaxed) == 0 {
            self.spilled.store(1, Ordering::Relaxed);
        }
        Some(slot)
    }

    fn slots(&self, bucket: u32) -> impl Iterator<Item = Slot> + use<> {
        (0..WAYS as u8).map(move |way| Slot { bucket, way })
    }

    /// Puts a new entry in, moving others where it must. `false` when there is no room within
    /// two moves.
    pub(super) fn insert(&self, key: Key, home: Home, value: Value) -> bool {
        let free = || self.claim_free(home.first).or_else(|| self.claim_spill(home.second));
        let slot = free().or_else(|| if self.make_room(home) { free() } else { None });
        let Some(slot) = slot else { return false };
        self.put(slot, key, value);
        true
    }

    /// After an insert: if another worker put the same key in at the same time,
    /// the entry at the higher position goes. Both workers look, at least one
    /// sees both (the fence stands between its write and its look), and both
    /// choose alike; the value taken out is handed to the one who took it.
    ///
    /// Where others are at work for so long that no look is certain, the entry
    /// goes: an address is learned again with its next frame, a double would stay.
    pub(super) fn take_double(&self, key: Key, home: Home) -> Option<Value> {
        fence(Ordering::SeqCst);
        for _ in 0..TURN_TRIES {
            let look = self.look(key, home);
            if let Some(double) = look.double {
                return self.take(double, key);
            }
            if look.is_certain {
                return None;
            }
            relax();
        }
        self.look(key, home).lowest.and_then(|own| self.take(own, key))
    }

    fn take(&self, slot: Slot, key: Key) -> Option<Value> {
        let value = self.claim(slot, key)?;
        self.clear(slot);
        Some(value)
    }

    /// Frees a slot in one of two full buckets by moving entries to their other
    /// bucket: one move where that suffices, else two. One mover at a time.
    #[cold]
    fn make_room(&self, home: Home) -> bool {
        let Some(turn) = self.begin_moving() else { return false };
        let done = [home.first, home.second]
            .iter()
            .any(|&full| self.slots(full).any(|slot| self.move_on(slot)))
            || [home.first, home.second].iter().any(|&full| {
                self.slots(full).any(|slot| self.clear_way_for(slot) && self.move_on(slot))
            });
        self.moves.store(turn.wrapping_add(2), Ordering::Release);
        done
    }

    fn begin_moving(&self) -> Option<u32> {
        for _ in 0..TURN_TRIES {
            let turn = self.moves.load(Ordering::Relaxed);
            let odd = turn.wrapping_add(1);
            let begun = turn.is_multiple_of(2)
                && self
                    .moves
                    .compare_exchange(turn, odd, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok();
            if begun {
                return Some(turn);
            }
            relax();
        }
        None
    }

    /// The other bucket of the entry in `slot`.
    fn other_bucket(&self, slot: Slot) -> Option<(Key, u32)> {
        let key = Key::from_word(self.key_at(slot).load(Ordering::Acquire))?;
        let home = self.home(key);
        Some((key, if home.first == slot.bucket { home.second } else { home.first }))
    }

    /// Moves the entry in `slot` to a free slot of its other bucket.
    fn move_on(&self, slot: Slot) -> bool {
        let Some((key, other)) = self.other_bucket(slot) else { return false };
        let Some(to) = self.claim_spill(other) else { return false };
        match self.claim(slot, key) {
            Some(value) => {
                self.put(to, key, value);
                self.clear(slot);
                true
            }
            None => {
                self.clear(to);
                false
            }
        }
    }

    /// Frees a slot in the other bucket of the entry in `slot`.
    fn clear_way_for(&self, slot: Slot) -> bool {
        self.other_bucket(slot)
            .is_some_and(|(_, other)| self.slots(other).any(|next| self.move_on(next)))
    }

    /// The entries of one bucket, as they are now.
    pub(super) fn entries(&self, bucket: u32) -> impl Iterator<Item = (Slot, Key, Value)> + '_ {
        self.slots(bucket).filter_map(move |slot| {
            let word = self.key_at(slot).load(Ordering::Acquire);
            let key = Key::from_word(word)?;
            let value = Value(self.value_at(slot).load(Ordering::Acquire));
            (self.key_at(slot).load(Ordering::Acquire) == word).then_some((slot, key, value))
        })
    }
}
