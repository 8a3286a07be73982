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
                finished(&bytes[start.into()..])
            }
            _ => found,
        };
        assert!(
            same(found, right, &transport),
            "{case}: checksum {found:04x}, not {right:04x}, of {bytes:02x?}, {:?}",
            wire.offload
        );
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
/// pseudo-header where it belongs.
fn finished(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // As UDP must write it and TCP may.
    match !(sum as u16) {
        0 => 0xffff,
        checksum => checksum,
    }
}

/// Whether one checksum is as good as the other: in ones' complement `0xffff` is
/// another way to write 0. In UDP 0 stands for none, and is not as good.
fn same(found: u16, right: u16, transport: &TransportHeader) -> bool {
    let zero = |checksum| matches!(checksum, 0 | 0xffff);
    found == right || (matches!(transport, TransportHeader::Tcp(_)) && zero(found) && zero(right))
}

#[test]
fn zero_has_two_ways_to_be_written_in_tcp_alone() {
    let tcp = TransportHeader::Tcp(etherparse::TcpHeader::default());
    let udp = TransportHeader::Udp(etherparse::UdpHeader::default());
    assert!(same(0, 0xffff, &tcp) && same(0xffff, 0, &tcp) && same(7, 7, &tcp));
    assert!(!same(0, 0xffff, &udp) && same(0xffff, 0xffff, &udp));
    assert!(!same(0, 1, &tcp) && !same(0xfffe, 0xffff, &tcp));
}
