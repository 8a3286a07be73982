//! An entry's two words: who (MAC and VID) and where (port, kind, last seen).

use crate::mac::Mac;
use crate::port::PortId;
use crate::vlan::Vid;

/// A MAC address in a VLAN: what the FDB is asked for.
///
/// Packed as 48 bits of address, 12 of VID and a mark that tells it from a free slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Key(u64);

/// A free slot's key word.
pub(super) const EMPTY: u64 = 0;
/// The key word of a slot somebody is writing.
pub(super) const BUSY: u64 = 2;

const LIVE: u64 = 1;

impl Key {
    /// The key of `mac` in `vid`.
    #[inline]
    pub fn new(mac: Mac, vid: Vid) -> Key {
        Key::from_bits(mac.to_u64(), vid)
    }

    /// The key of the address in the low 48 bits of `mac`.
    #[inline]
    pub(crate) fn from_bits(mac: u64, vid: Vid) -> Key {
        Key(mac << 16 | u64::from(vid.get()) << 4 | LIVE)
    }

    /// Its word in a [`Bucket`](super::Bucket): 48 bits of address, 12 of VID, then
    /// the bits 0001.
    #[inline]
    pub fn word(self) -> u64 {
        self.0
    }

    pub(super) fn from_word(word: u64) -> Option<Key> {
        (word & LIVE != 0).then_some(Key(word))
    }

    /// The address.
    #[inline]
    pub fn mac(self) -> Mac {
        Mac::from_u64(self.0 >> 16)
    }

    /// The VLAN.
    #[inline]
    pub fn vid(self) -> Vid {
        Vid::new((self.0 >> 4 & 0xfff) as u16).unwrap_or(Vid::UNTAGGED)
    }
}

/// Where an address is and when it was last seen there: 32 bits of port id, one
/// that is set in a static entry, and 31 bits of seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Value(pub(super) u64);

const STATIC: u64 = 1 << 31;
const STAMP: u64 = STATIC - 1;

impl Value {
    pub(super) fn dynamic(port: PortId, now: u32) -> Value {
        Value::place(port) | u64::from(now) & STAMP
    }

    pub(super) fn fixed(port: PortId) -> Value {
        Value::place(port) | STATIC
    }

    /// Whether the entry is for this port.
    #[inline]
    pub(super) fn is_at(self, port: PortId) -> bool {
        (self.0 >> 32) as u32 == port.bits()
    }

    #[inline]
    fn place(port: PortId) -> Value {
        Value(u64::from(port.bits()) << 32)
    }

    #[inline]
    pub(super) fn port(self) -> PortId {
        PortId::from_bits((self.0 >> 32) as u32)
    }

    #[inline]
    pub(super) fn is_static(self) -> bool {
        self.0 & STATIC != 0
    }

    /// Seconds on the switch's clock.
    #[inline]
    pub(super) fn stamp(self) -> u32 {
        (self.0 & STAMP) as u32
    }

    /// Whether a sighting now changes nothing: it was seen this second, or is static.
    #[inline]
    pub(super) fn is_seen(self, now: u32) -> bool {
        // A static entry's mark is higher than any time.
        self.0 as u32 >= now
    }

    #[inline]
    pub(super) fn seen(self, now: u32) -> Value {
        Value(self.0 & !STAMP | u64::from(now) & STAMP)
    }

    /// Whether the entry is out of use. Whole seconds: up to one second after it is due, never before.
    #[inline]
    pub(super) fn is_expired(self, now: u32, ageing: u32) -> bool {
        !self.is_static() && ageing != 0 && now.saturating_sub(self.stamp()) > ageing
    }
}

impl std::ops::BitOr<u64> for Value {
    type Output = Value;
    fn bitor(self, bits: u64) -> Value {
        Value(self.0 | bits)
    }
}

/// One FDB entry, as read at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The address.
    pub mac: Mac,
    /// Its VLAN.
    pub vid: Vid,
    /// Where it is.
    pub port: PortId,
    /// Put there by the user: it neither ages nor moves.
    pub is_static: bool,
    /// Seconds since it was last seen; 0 for static entries.
    pub age: u32,
}

impl Entry {
    pub(super) fn of(key: Key, value: Value, now: u32) -> Entry {
        Entry {
            mac: key.mac(),
            vid: key.vid(),
            port: value.port(),
            is_static: value.is_static(),
            age: if value.is_static() { 0 } else { now.saturating_sub(value.stamp()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_what_was_put_in() {
        let mac = Mac::new([0xfe, 1, 2, 3, 4, 0xff]);
        let vid = Vid::new(4094).unwrap();
        let key = Key::new(mac, vid);
        assert_eq!((key.mac(), key.vid()), (mac, vid));
        assert!(key.word() != EMPTY && key.word() != BUSY);
        assert!(Key::from_word(EMPTY).is_none() && Key::from_word(BUSY).is_none());

        let port = PortId { number: 4095, generation: 65535 };
        let value = Value::dynamic(port, 77).seen(1_000_000);
        assert_eq!((value.port(), value.stamp(), value.is_static()), (port, 1_000_000, false));
        assert!(Value::fixed(port).is_static());
    }

    #[test]
    fn expiry_is_never_early_and_at_most_a_second_late() {
        let value = Value::dynamic(PortId { number: 0, generation: 0 }, 5);
        assert!(!value.is_expired(305, 300));
        assert!(value.is_expired(306, 300));
        assert!(!value.is_expired(u32::MAX, 0));
        assert!(!value.is_expired(4, 300), "a clock behind the stamp expires nothing");
        assert!(!Value::fixed(value.port()).is_expired(u32::MAX, 10));
    }
}
