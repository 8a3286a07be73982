//! Who talks to whom: numbered addresses, spread evenly over the ports.

use switch_core::fdb::Key;
use switch_core::port::PortId;
use switch_core::{Frame, Mac, Vid};

/// The address with number `n`.
pub fn mac(n: u64) -> Mac {
    Mac::from_u64(0x0200_0000_0000 + n)
}

/// Where the address with number `n` lives in the FDB.
pub fn key(n: u64, vid: Vid) -> Key {
    Key::new(mac(n), vid)
}

/// The first `number` that ports get in a new switch.
pub fn port(number: u16) -> PortId {
    PortId { number, generation: 0 }
}

/// An untagged 60-byte frame (64 with its FCS), addresses still to be set.
pub fn plain_frame() -> Frame {
    let mut bytes = [0; 60];
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    Frame::from_bytes(&bytes)
}

/// Writes the addresses with these numbers into a frame.
#[inline]
pub fn address(frame: &mut Frame, dst: u64, src: u64) {
    let bytes = frame.bytes_mut();
    bytes[..6].copy_from_slice(&mac(dst).octets());
    bytes[6..12].copy_from_slice(&mac(src).octets());
}

/// Numbers without a pattern that a cache could use, the same in every run.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed other than 0.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `end`, which is at most 2³².
    #[inline]
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) * end) >> 32
    }
}

/// Known unicast between `addresses` hosts behind `ports` ports: host `n` is
/// behind port `n % ports`.
#[derive(Clone)]
pub struct Traffic {
    addresses: u64,
    ports: u64,
    dice: Dice,
    sent: u64,
}

impl Traffic {
    /// Traffic of `addresses` hosts, at least one a port, behind at least two ports.
    pub fn new(addresses: u64, ports: u64) -> Traffic {
        assert!(ports >= 2 && addresses >= ports, "{addresses} addresses, {ports} ports");
        Traffic { addresses, ports, dice: Dice::new(0x9e37_79b9_7f4a_7c15), sent: 0 }
    }

    /// Some host behind `port`.
    #[inline]
    pub fn host(&mut self, port: u64) -> u64 {
        self.dice.below(self.addresses / self.ports) * self.ports + port
    }

    /// The numbers of the next frame's destination and source, sent from
    /// behind `port`; destinations take all other ports in turn.
    #[inline]
    pub fn next(&mut self, port: u64) -> (u64, u64) {
        let away = 1 + self.sent % (self.ports - 1);
        self.sent += 1;
        let to = (port + away) % self.ports;
        (self.host(to), self.host(port))
    }
}
