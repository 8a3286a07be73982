//! The forwarding database (802.1Q clause 8.8): which address is behind which port, per VLAN.
//!
//! Two verbs carry the data path: [`Fdb::learn`] what a frame's source says and
//! [`Fdb::lookup`] where its destination is. Both are for many cores at once:
//! looking up and refreshing take no lock, allocate nothing and do bounded
//! work, however hostile the addresses (see the `table` module for how). New
//! addresses go in without a lock too; only when both buckets of an address
//! are full does one thread at a time move entries about.
//!
//! Time is an argument: whole seconds on the switch's clock. An entry is out
//! of use as soon as it has expired, swept or not; [`Fdb::age`] takes expired
//! entries out, a bounded number a call.
//!
//! A full table stays fair (rule 9): the newcomer replaces an old entry of the
//! port that holds most, so that one port spraying addresses pushes out its own.

mod age;
mod entry;
mod evict;
mod hash;
#[cfg(all(test, loom))]
mod models;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;

pub use entry::{Entry, Key};
pub use hash::{Home, Seed};
pub use table::{Bucket, WAYS};

use std::sync::atomic::AtomicU64 as Counter;

use age::Sweep;
use crossbeam::utils::CachePadded;
use entry::Value;
use evict::Shares;
use hash::Hash;
use table::{Memory, Table};

use crate::port::PortId;
use crate::sync::{AtomicU32, Ordering};

/// The smallest and largest capacity a user may ask for.
pub const CAPACITY: std::ops::RangeInclusive<u32> = 64..=4_194_304;

/// Looks [`Fdb::add_static`] and [`Fdb::remove`] take at a table that workers learn into.
const TRIES: usize = 64;

/// Times [`Fdb::flush`] goes through a table in which entries move.
const FLUSH_PASSES: usize = 4;

/// What [`Fdb::learn`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// The address was known here; it counts as seen now.
    Known,
    /// A new entry.
    New,
    /// The address was behind this other port until now.
    Moved(PortId),
    /// A static entry holds the address at this other port; nothing changes.
    Static(PortId),
    /// The port already holds as many addresses as its `mac-limit` allows.
    Limited,
    /// The table is full and no entry may give way.
    Full,
}

/// An address on its way to be looked up or learned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought {
    key: Key,
    hash: Hash,
    /// The bucket to look in first.
    bucket: u32,
}

impl Sought {
    /// The address and its VLAN.
    #[inline]
    pub fn key(&self) -> Key {
        self.key
    }
}

/// Counts since start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FdbStats {
    /// Entries now, static ones and expired ones not yet swept included.
    pub entries: u32,
    /// The most entries there can be.
    pub capacity: u32,
    /// New dynamic entries.
    pub learned: u64,
    /// Addresses that changed their port.
    pub moved: u64,
    /// Entries that expired.
    pub aged: u64,
    /// Entries that gave way to a newcomer in a full table.
    pub evicted: u64,
    /// Sightings of addresses not learned, for a `mac-limit` or a full table.
    pub refused: u64,
}

#[derive(Default)]
struct Counts {
    learned: Counter,
    moved: Counter,
    aged: Counter,
    evicted: Counter,
    refused: Counter,
}

/// Buckets of the table in a part of it.
const PART: u32 = 1 << 15;

/// The table, shared by all workers and the control side.
pub struct Fdb {
    table: Table,
    capacity: u32,
    /// Seconds; 0 is never.
    ageing: AtomicU32,
    entries: CachePadded<AtomicU32>,
    shares: Shares,
    sweep: CachePadded<Sweep>,
    counts: CachePadded<Counts>,
}

fn count(counter: &Counter) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Fdb {
    /// A table for `capacity` entries, with room for half as many again (24 bytes an
    /// entry in all), so that any set of addresses up to the capacity fits.
    ///
    /// `ageing` is in seconds, 0 for never.
    pub fn new(capacity: u32, ageing: u32, seed: Seed) -> Fdb {
        Fdb::of(capacity, Memory::own(Fdb::buckets_for(capacity)), ageing, seed)
    }

    /// The same in memory that is shared with somebody who looks entries up and
    /// refreshes them by the rules of the `table` module.
    ///
    /// # Panics
    /// When there are not as many buckets as [`Fdb::buckets_for`] says, or fewer than 2.
    pub fn shared(buckets: &'static [Bucket], capacity: u32, ageing: u32, seed: Seed) -> Fdb {
        assert!(buckets.len() == Fdb::buckets_for(capacity) as usize && buckets.len() >= 2);
        Fdb::of(capacity, Memory::Lent(buckets), ageing, seed)
    }

    /// How many buckets a table for `capacity` entries has.
    pub fn buckets_for(capacity: u32) -> u32 {
        let buckets = (u64::from(capacity) * 3 / (2 * WAYS as u64)) as u32;
        // Chance is unkind to small tables: a few buckets more keep them from overflowing.
        let slack = if buckets < 1024 { 8 } else { 0 };
        buckets + slack
    }

    fn of(capacity: u32, buckets: Memory, ageing: u32, seed: Seed) -> Fdb {
        Fdb {
            table: Table::new(buckets, seed),
            capacity,
            ageing: AtomicU32::new(ageing),
            entries: CachePadded::new(AtomicU32::new(0)),
            shares: Shares::new(),
            sweep: CachePadded::new(Sweep::new()),
            counts: CachePadded::default(),
        }
    }

    #[cfg(test)]
    fn with_buckets(capacity: u32, buckets: u32, ageing: u32, seed: Seed) -> Fdb {
        Fdb::of(capacity, Memory::own(buckets), ageing, seed)
    }

    /// Where `key` may lie. Keys with the same home compete for the same slots.
    #[inline]
    pub fn home(&self, key: Key) -> Home {
        self.table.home(key)
    }

    /// Makes a key ready to be looked up or learned.
    #[inline]
    pub fn seek(&self, key: Key) -> Sought {
        self.table.seek(key)
    }

    /// Makes many keys ready at once and brings their memory near before the
    /// first is looked up or learned: a cache miss then costs a burst once, not
    /// each of its frames. `keys` and `sought` are of one length.
    #[inline]
    pub fn prefetch(&self, keys: &[Key], sought: &mut [Sought]) {
        self.table.prefetch(keys, sought);
    }

    /// The port an address is behind, unless its entry has expired.
    #[inline]
    pub fn lookup(&self, sought: &Sought, now: u32) -> Option<PortId> {
        let (_, value) = self.table.find_near(sought).or_else(|| self.table.find(sought))?;
        let ageing = self.ageing.load(Ordering::Relaxed);
        (!value.is_expired(now, ageing)).then(|| value.port())
    }

    /// Notes that an address was seen as a source on `port`, which may hold at
    /// most `limit` dynamic entries (0: no limit).
    #[inline]
    pub fn learn(&self, sought: &Sought, port: PortId, limit: u32, now: u32) -> Learned {
        match self.table.find_near(sought) {
            Some((slot, value)) if value.is_at(port) => {
                if !value.is_seen(now) {
                    self.table.refresh(slot, value, now);
                }
                Learned::Known
            }
            _ => self.learn_news(sought, port, limit, now),
        }
    }

    /// Learns what is not known already.
    #[inline(never)]
    fn learn_news(&self, sought: &Sought, port: PortId, limit: u32, now: u32) -> Learned {
        match self.table.find(sought) {
            Some((slot, value)) if value.is_at(port) => {
                if !value.is_seen(now) {
                    self.table.refresh(slot, value, now);
                }
                Learned::Known
            }
            Some((_, value)) if value.is_static() => Learned::Static(value.port()),
            Some((slot, _)) => self.relocate(slot, sought.key, port, limit, now),
            None => self.add_dynamic(sought.key, port, limit, now),
        }
    }

    /// What [`Fdb::learn`] would do, without doing it. That an address finds no room though
    /// another entry may give way, which is rare, is not foretold.
    pub fn would_learn(&self, key: Key, port: PortId, limit: u32) -> Learned {
        let over = self.shares.of(port) >= limit && limit != 0;
        match self.table.find(&self.seek(key)) {
            Some((_, value)) if value.is_at(port) => Learned::Known,
            Some((_, value)) if value.is_static() => Learned::Static(value.port()),
            _ if over => Learned::Limited,
            Some((_, value)) => Learned::Moved(value.port()),
            None if self.is_full() && self.victim(Some(port), 0).0.is_none() => Learned::Full,
            None => Learned::New,
        }
    }

    #[cold]
    fn relocate(&self, slot: table::Slot, key: Key, port: PortId, limit: u32, now: u32) -> Learned {
        if !self.shares.take(port, limit) {
            count(&self.counts.refused);
            return Learned::Limited;
        }
        let Some(old) = self.table.claim(slot, key) else {
            // Another worker has it in hand; the address's next frame decides.
            self.shares.give_back(port);
            return Learned::Known;
        };
        if old.is_static() {
            self.table.put(slot, key, old);
            self.shares.give_back(port);
            return Learned::Static(old.port());
        }
        self.table.put(slot, key, Value::dynamic(port, now));
        self.shares.give_back(old.port());
        count(&self.counts.moved);
        Learned::Moved(old.port())
    }

    fn add_dynamic(&self, key: Key, port: PortId, limit: u32, now: u32) -> Learned {
        if !self.shares.take(port, limit) {
            count(&self.counts.refused);
            return Learned::Limited;
        }
        if !self.reserve(Some(port)) {
            self.shares.give_back(port);
            count(&self.counts.refused);
            return Learned::Full;
        }
        if !self.insert(key, Value::dynamic(port, now), Some(port)) {
            self.shares.give_back(port);
            self.unreserve();
            count(&self.counts.refused);
            return Learned::Full;
        }
        count(&self.counts.learned);
        Learned::New
    }

    /// Inserts an entry, counted for `own`; in a full neighbourhood in place of
    /// one of the port that holds most.
    fn insert(&self, key: Key, value: Value, own: Option<PortId>) -> bool {
        // Worked out anew: the first bucket is to be filled first.
        let home = self.home(key);
        let done = self.table.insert(key, home, value)
            || (self.evict_from([home.first, home.second], own)
                && self.table.insert(key, home, value));
        if done && let Some(double) = self.table.take_double(key, home) {
            self.forget(double);
        }
        done
    }

    /// Puts an entry that neither ages nor moves, in place of whatever was known of `key`.
    ///
    /// # Errors
    /// When the table is full and no dynamic entry may give way; nothing has changed then.
    pub fn add_static(&self, key: Key, port: PortId) -> Result<(), TableFull> {
        let sought = self.seek(key);
        // A worker that learns the same address meanwhile may win the place; then it is turned
        // into a static entry at the next look.
        for _ in 0..TRIES {
            match self.table.find(&sought) {
                Some((_, value)) if value == Value::fixed(port) => return Ok(()),
                Some((slot, _)) => self.fix(slot, key, port),
                None => self.insert_static(key, port)?,
            }
        }
        Err(TableFull)
    }

    /// Turns an entry into a static one.
    fn fix(&self, slot: table::Slot, key: Key, port: PortId) {
        if let Some(old) = self.table.claim(slot, key) {
            self.table.put(slot, key, Value::fixed(port));
            if !old.is_static() {
                self.shares.give_back(old.port());
            }
        }
    }

    fn insert_static(&self, key: Key, port: PortId) -> Result<(), TableFull> {
        if !self.reserve(None) {
            return Err(TableFull);
        }
        if !self.insert(key, Value::fixed(port), None) {
            self.unreserve();
            return Err(TableFull);
        }
        Ok(())
    }

    /// Takes the entry for `key` out; `false` when there is none.
    pub fn remove(&self, key: Key) -> bool {
        let sought = self.seek(key);
        // Where another entry's room-making moved it in between, it is looked for again.
        (0..TRIES)
            .map_while(|_| self.table.find(&sought))
            .any(|(slot, _)| self.take_if(slot, key, |_| true))
    }

    /// Takes every entry out that `matches`; says how many those were.
    ///
    /// An entry that makes room for another may slip from a bucket not seen yet
    /// to one seen already, so the table is gone through until nothing moved
    /// meanwhile. A few times suffice for any that is not moved each time.
    pub fn flush(&self, now: u32, matches: impl Fn(&Entry) -> bool) -> usize {
        let mut taken = 0;
        for _ in 0..FLUSH_PASSES {
            let before = self.table.moves();
            taken += self.flush_once(now, &matches);
            if before.is_multiple_of(2) && self.table.moves() == before {
                break;
            }
        }
        taken
    }

    fn flush_once(&self, now: u32, matches: &impl Fn(&Entry) -> bool) -> usize {
        let mut taken = 0;
        for bucket in 0..self.table.bucket_count() {
            for (slot, key, _) in self.table.entries(bucket) {
                let gone = self.take_if(slot, key, |value| matches(&Entry::of(key, value, now)));
                taken += usize::from(gone);
            }
        }
        taken
    }

    /// The entry for `key`, unless it has expired.
    pub fn entry(&self, key: Key, now: u32) -> Option<Entry> {
        let (_, value) = self.table.find(&self.seek(key))?;
        let ageing = self.ageing.load(Ordering::Relaxed);
        (!value.is_expired(now, ageing)).then(|| Entry::of(key, value, now))
    }

    /// Every entry in use, in no order.
    pub fn entries(&self, now: u32) -> Vec<Entry> {
        (0..self.parts()).flat_map(|part| self.part(part, now)).collect()
    }

    /// How many parts the table can be read in, so that reading one takes about a millisecond; a
    /// table of 65,536 entries is one.
    pub fn parts(&self) -> u32 {
        self.table.bucket_count().div_ceil(PART)
    }

    /// Every entry in use of a part of the table, in no order. An entry may move from one part to
    /// another, to make room.
    pub fn part(&self, part: u32, now: u32) -> Vec<Entry> {
        let ageing = self.ageing.load(Ordering::Relaxed);
        let count = self.table.bucket_count();
        let begin = part.saturating_mul(PART).min(count);
        (begin..count.min(begin + PART))
            .flat_map(|bucket| self.table.entries(bucket))
            .filter(|(_, _, value)| !value.is_expired(now, ageing))
            .map(|(_, key, value)| Entry::of(key, value, now))
            .collect()
    }

    /// The counts since start.
    pub fn stats(&self) -> FdbStats {
        let read = |counter: &Counter| counter.load(Ordering::Relaxed);
        FdbStats {
            entries: self.entries.load(Ordering::Relaxed),
            capacity: self.capacity,
            learned: read(&self.counts.learned),
            moved: read(&self.counts.moved),
            aged: read(&self.counts.aged),
            evicted: read(&self.counts.evicted),
            refused: read(&self.counts.refused),
        }
    }

    /// The bytes the entries take.
    pub fn memory(&self) -> usize {
        self.table.bytes()
    }

    /// How many dynamic entries a port holds.
    pub fn held(&self, port: PortId) -> u32 {
        self.shares.of(port)
    }

    /// Takes an entry out if it still is what `matches` wants.
    fn take_if(&self, slot: table::Slot, key: Key, matches: impl Fn(Value) -> bool) -> bool {
        let Some(value) = self.table.claim(slot, key) else { return false };
        if !matches(value) {
            self.table.put(slot, key, value);
            return false;
        }
        self.table.clear(slot);
        self.forget(value);
        true
    }

    /// Counts an entry out.
    fn forget(&self, value: Value) {
        if !value.is_static() {
            self.shares.give_back(value.port());
        }
        self.unreserve();
    }

    fn is_full(&self) -> bool {
        self.entries.load(Ordering::Relaxed) >= self.capacity
    }

    /// Counts an entry in, of which `own` is the port if it is a dynamic one; in a full
    /// table, after one has given way.
    fn reserve(&self, own: Option<PortId>) -> bool {
        if self.entries.fetch_add(1, Ordering::AcqRel) < self.capacity || self.evict(own) {
            return true;
        }
        self.unreserve();
        false
    }

    fn unreserve(&self) {
        self.entries.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The table is full and no entry may give way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableFull;
