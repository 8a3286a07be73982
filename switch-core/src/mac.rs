//! MAC addresses (IEEE 802-2014, clause 8).

use std::fmt;
use std::str::FromStr;

/// A 48-bit MAC address, kept as a number so that the hot path never takes it apart.
///
/// ```
/// use switch_core::Mac;
/// let mac: Mac = "02:00:00:00:00:0a".parse().unwrap();
/// assert!(!mac.is_group());
/// assert_eq!(mac.to_string(), "02:00:00:00:00:0a");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(u64);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Mac = Mac(0xffff_ffff_ffff);

    /// The address with these octets, in the order they are sent.
    #[inline]
    pub const fn new(octets: [u8; 6]) -> Mac {
        let [a, b, c, d, e, f] = octets;
        Mac(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The address in the low 48 bits of `bits`; the upper 16 are ignored.
    #[inline]
    pub const fn from_u64(bits: u64) -> Mac {
        Mac(bits & 0xffff_ffff_ffff)
    }

    /// The address as a number below 2⁴⁸, first octet highest.
    #[inline]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The six octets, in the order they are sent.
    #[inline]
    pub const fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// Whether the I/G bit is set: multicast or broadcast.
    #[inline]
    pub const fn is_group(self) -> bool {
        self.0 >> 40 & 1 != 0
    }

    /// Whether this is ff:ff:ff:ff:ff:ff.
    #[inline]
    pub const fn is_broadcast(self) -> bool {
        self.0 == Mac::BROADCAST.0
    }

    /// Whether every octet is zero.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.octets();
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a MAC address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacError;

impl fmt::Display for MacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MAC address is six pairs of hexadecimal digits, like 02:00:00:00:00:0a")
    }
}

impl std::error::Error for MacError {}

impl FromStr for Mac {
    type Err = MacError;

    /// Reads six pairs of hexadecimal digits parted by `:` or by `-`.
    fn from_str(text: &str) -> Result<Mac, MacError> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut parts = text.split(separator);
        for octet in &mut octets {
            let part = parts.next().ok_or(MacError)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(MacError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| MacError)?;
        }
        if parts.next().is_some() { Err(MacError) } else { Ok(Mac::new(octets)) }
    }
}

/// What kind of destination a flooded frame has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A unicast address no entry is known for.
    UnknownUnicast,
    /// A group address other than broadcast.
    Multicast,
    /// ff:ff:ff:ff:ff:ff.
    Broadcast,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_text_round_trip() {
        let mac = Mac::new([0x02, 0x1b, 0, 0xff, 0x10, 0x7f]);
        assert_eq!(Mac::from_u64(mac.to_u64()), mac);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("02-1B-00-ff-10-7f".parse(), Ok(mac));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "2:0:0:0:0:0",
            "0g:00:00:00:00:00",
            "+2:00:00:00:00:00",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(MacError), "{text}");
        }
    }

    #[test]
    fn group_bit() {
        assert!(Mac::BROADCAST.is_group() && Mac::BROADCAST.is_broadcast());
        assert!(Mac::new([1, 0, 0x5e, 0, 0, 1]).is_group());
        assert!(!Mac::new([2, 0, 0, 0, 0, 1]).is_group());
    }
}
