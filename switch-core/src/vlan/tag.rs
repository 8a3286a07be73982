//! Tags (IEEE 802.1Q clause 9): what one says, and what is done to one.

use std::fmt;

use super::vid::Vid;

/// A tag protocol identifier (802.1Q table 9-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u16)]
pub enum Tpid {
    /// 0x8100, the Customer VLAN tag.
    #[default]
    Customer = 0x8100,
    /// 0x88a8, the Service VLAN tag of a provider bridge.
    Service = 0x88a8,
}

impl Tpid {
    /// The TPID with this number.
    #[inline]
    pub const fn new(tpid: u16) -> Option<Tpid> {
        match tpid {
            0x8100 => Some(Tpid::Customer),
            0x88a8 => Some(Tpid::Service),
            _ => None,
        }
    }

    /// 0x8100 or 0x88a8.
    #[inline]
    pub const fn get(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Tpid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.get())
    }
}

/// Tag control information: PCP (3 bits), DEI (1 bit), VID (12 bits) (802.1Q clause 9.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tci(pub u16);

impl Tci {
    /// A tag for `vid` with priority code point 0.
    #[inline]
    pub const fn of(vid: Vid) -> Tci {
        Tci(vid.get())
    }

    /// The 12 VID bits as they stand: 0 is a priority tag, 4095 reserved.
    #[inline]
    pub const fn vid_bits(self) -> u16 {
        self.0 & 0x0fff
    }

    /// The priority code point, 0–7.
    #[inline]
    pub const fn pcp(self) -> u8 {
        (self.0 >> 13) as u8
    }

    /// The same PCP and DEI with another VID.
    #[inline]
    pub const fn with_vid(self, vid: Vid) -> Tci {
        Tci(self.0 & 0xf000 | vid.get())
    }
}

/// A frame's tag, as the ingress port recognised it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// Its TPID.
    pub tpid: Tpid,
    /// PCP, DEI and VID; a VID of 0 makes it a priority tag.
    pub tci: Tci,
}

/// What has to be done to a frame's tag on one way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TagEdit {
    /// Nothing.
    Keep,
    /// Take the tag out.
    Pop,
    /// Put this tag in.
    Push(Tag),
    /// Write this tag over the one there.
    Rewrite(Tag),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tci_keeps_priority() {
        let tci = Tci(0xf000).with_vid(Vid::new(5).unwrap());
        assert_eq!((tci.0, tci.pcp(), tci.vid_bits()), (0xf005, 7, 5));
    }
}
