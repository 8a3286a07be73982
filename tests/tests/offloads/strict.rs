//! A receiver that trusts nobody: every frame over TCP or UDP is parsed and its
//! checksums worked out by the `etherparse` crate, which shares no code with the switch.

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use switch_core::frame::Checksum;
use switch_core::ports::memory::Wire;

use crate::Case;

const ETHERNET: usize = 14;

/// What was seen of one transfer; all of it right.
#[derive(Default, Debug)]
pub struct Seen {
    /// Frames over TCP or UDP.
    pub frames: usize,
    /// The bytes that they carry.
    pub payload: usize,
    /// Those whose checksum was still to be finished.
    pub unfinished: usize,
    /// Those that stand for several.
    pub super_frames: usize,
}

impl Seen {
    /// Verifies a frame that came in, and counts it.
    ///
    /// # Panics
    /// When it is longer than the receiver's MTU allows, or a checksum is wrong.
    pub fn verify(&mut self, wire: &Wire, case: &Case) {
        let bytes = &wire.bytes[..];
        let packet = PacketHeaders::from_ethernet_slice(bytes)
            .unwrap_or_else(|error| panic!("{case}: {error}: {bytes:02x?}"));
        let (Some(net), Some(transport)) = (packet.net, packet.transport) else { return };
        let payload = packet.payload.slice();
        let longest = wire.offload.gso.map_or(bytes.len(), |gso| {
            assert!(
                payload.len() > gso.size.into(),
                "{case}: {:?} is no super-frame",
                wire.offload
            );
            bytes.len() - payload.len() + usize::from(gso.size)
        });
        assert!(longest <= ETHERNET + case.mtus[1] as usize, "{case}: a frame of {longest} bytes");
        let Some((found, right)) = checksums(&net, &transport, payload) else { return };
        let found = match wire.offload.checksum {
            Checksum::Partial { start, .. } => {
                self.unfinished += 1;
                finished(&bytes[start.into()..], right)
            }
            _ => found,
        };
        assert_eq!(found, right, "{case}: the checksum of {bytes:02x?}, {:?}", wire.offload);
        self.frames += 1;
        self.payload += payload.len();
        self.super_frames += usize::from(wire.offload.gso.is_some());
    }
}

/// The transport checksum there is and the one that is right; none for other protocols.
fn checksums(net: &NetHeaders, transport: &TransportHeader, payload: &[u8]) -> Option<(u16, u16)> {
    let (found, right) = match (net, transport) {
        (NetHeaders::Ipv4(ip, _), transport) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "{ip:?}");
            match transport {
                TransportHeader::Tcp(tcp) => (tcp.checksum, tcp.calc_checksum_ipv4(ip, payload)),
                TransportHeader::Udp(udp) => (udp.checksum, udp.calc_checksum_ipv4(ip, payload)),
                _ => return None,
            }
        }
        (NetHeaders::Ipv6(ip, _), TransportHeader::Tcp(tcp)) => {
            (tcp.checksum, tcp.calc_checksum_ipv6(ip, payload))
        }
        _ => return None,
    };
    Some((found, right.expect("a length that fits")))
}

/// What the checksum of these bytes becomes: they hold the sum of the
/// pseudo-header where it belongs. `0xffff` is another way to write 0.
fn finished(bytes: &[u8], right: u16) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 if right == 0xffff => right,
        checksum => checksum,
    }
}
