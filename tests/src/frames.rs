//! Frames for tests, built and read back by the `etherparse` crate, which
//! shares no code with the switch.

use etherparse::{NetHeaders, PacketBuilder, PacketHeaders, TransportHeader};
use switch_core::frame::checksum::Sum;
use switch_core::frame::{Checksum, Gso, GsoKind, Offload};
use switch_core::ports::memory::Wire;

/// The source address of all frames made here.
pub const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Where frames go that leave by a port: no device of a test has this address.
pub const ELSEWHERE: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// An EtherType no protocol of the kernel listens to (IEEE 802, local experimental 1).
pub const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];

const ETHERNET: usize = 14;

/// A finished frame of `len` bytes to `address`, its payload different for each `seed`.
///
/// # Panics
/// When `len` is less than 14.
pub fn plain(address: [u8; 6], len: usize, seed: usize) -> Wire {
    let mut bytes = [&address[..], &SOURCE, &EXPERIMENTAL].concat();
    bytes.extend((ETHERNET..len).map(|at| (seed * 31 + at * 7 + (at >> 8)) as u8));
    assert_eq!(bytes.len(), len, "a frame has at least {ETHERNET} bytes");
    Wire { bytes, offload: Offload::default() }
}

/// A frame over IP whose checksum is still to be finished, and which, with
/// `size`, stands for frames of that many payload bytes each.
pub fn unfinished(address: [u8; 6], kind: GsoKind, payload: usize, size: Option<u16>) -> Wire {
    let body: Vec<u8> = (0..payload).map(|at| (at * 13 + (at >> 7)) as u8).collect();
    let ethernet = PacketBuilder::ethernet2(SOURCE, address);
    let (start, ip) = match kind {
        GsoKind::TcpV6 => (
            ETHERNET + 40,
            ethernet.ipv6(
                [0xfd; 16],
                [[0xfd; 15].as_slice(), &[2]].concat().try_into().expect("16 bytes"),
                64,
            ),
        ),
        GsoKind::TcpV4 | GsoKind::UdpL4 => {
            (ETHERNET + 20, ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64))
        }
    };
    let mut bytes = Vec::new();
    let (protocol, offset, headers) = if kind == GsoKind::UdpL4 {
        ip.udp(4000, 5000).write(&mut bytes, &body).expect("a vector takes all");
        (17, 6, start + 8)
    } else {
        let tcp = ip.tcp(4000, 5000, 1000, 65_000).ack(7);
        tcp.write(&mut bytes, &body).expect("a vector takes all");
        (6, 16, start + 20)
    };
    let addresses = match kind {
        GsoKind::TcpV6 => ETHERNET + 8..ETHERNET + 40,
        GsoKind::TcpV4 | GsoKind::UdpL4 => ETHERNET + 12..ETHERNET + 20,
    };
    // The field holds the pseudo-header's sum; whoever finishes it adds the rest.
    let sum = Sum::of(&bytes[addresses])
        .plus(Sum::of_number(protocol))
        .plus(Sum::of_number((bytes.len() - start) as u32));
    bytes[start + offset..start + offset + 2].copy_from_slice(&sum.get().to_be_bytes());

    let checksum = Checksum::Partial { start: start as u16, offset: offset as u16 };
    let gso = size.map(|size| Gso { kind, ecn: false, size, hdr_len: headers as u16 });
    Wire { bytes, offload: Offload { checksum, gso } }
}

/// The transport payload of a finished frame over IP.
///
/// # Panics
/// When it does not parse or its transport checksum is wrong.
pub fn finished_payload(bytes: &[u8]) -> Vec<u8> {
    let packet = PacketHeaders::from_ethernet_slice(bytes).expect("a frame over IP");
    let payload = packet.payload.slice();
    let (found, right) = match (packet.net, packet.transport) {
        (Some(NetHeaders::Ipv4(ip, _)), Some(TransportHeader::Tcp(tcp))) => {
            (tcp.checksum, tcp.calc_checksum_ipv4(&ip, payload))
        }
        (Some(NetHeaders::Ipv6(ip, _)), Some(TransportHeader::Tcp(tcp))) => {
            (tcp.checksum, tcp.calc_checksum_ipv6(&ip, payload))
        }
        (Some(NetHeaders::Ipv4(ip, _)), Some(TransportHeader::Udp(udp))) => {
            (udp.checksum, udp.calc_checksum_ipv4(&ip, payload))
        }
        other => panic!("neither TCP nor UDP: {other:?}"),
    };
    assert_eq!(found, right.expect("a length that fits"), "the checksum of {bytes:02x?}");
    payload.to_vec()
}
