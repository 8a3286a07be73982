//! What goes from the sender to the receiver, and that it arrives as it was sent.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use io_backends::testing::RawSocket;
use switch_core::frame::{Frame, GsoKind};
use switch_core::ports::memory::Wire;
use tests::frames::{self, ELSEWHERE};
use tests::lab::eventually;

use crate::ends::{Ends, SENDER, V4};
use crate::{Case, Offloads, Way};

/// Bytes of a TCP transfer.
const STREAM: usize = 1_000_000;
/// How long a transfer may take: many times what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where `tests::frames` sends its datagrams.
const UDP_PORT: u16 = 5000;
/// Bytes of IPv4 and UDP headers.
const UDP_HEADERS: u32 = 28;
/// A frame over no protocol at all, which fits the larger MTU only.
const PLAIN: usize = 5000;
/// A UDP super-frame: payload bytes, and those of each datagram.
const SUPER: (usize, u16) = (3600, 1000);
/// The same of datagrams that fit the larger MTU only.
const LARGE_SUPER: (usize, u16) = (21_000, 7000);
/// A customer's super-frames: payload bytes, those of each segment, the VLAN.
const TAGGED_SUPER: (usize, u16) = (5000, 1300);
const TAGGED_KINDS: [GsoKind; 3] = [GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4];
const CUSTOMER: u16 = 7;

/// Sends a stream; it must arrive in time and identical.
pub fn tcp(ends: &Ends, address: &str, case: &Case) {
    let address: IpAddr = address.parse().expect("an address");
    let listener = ends.at_receiver(|| TcpListener::bind((address, 0)).expect("a listener"));
    let to = listener.local_addr().expect("an address");
    let data: Vec<u8> = (0..STREAM).map(|at| (at * 7 + at / 251) as u8).collect();
    let connect = || TcpStream::connect_timeout(&to, PATIENCE);
    let mut sender = ends.at_sender(connect).unwrap_or_else(|error| panic!("{case}: {error}"));
    sender.set_write_timeout(Some(PATIENCE)).expect("a deadline");
    // It is connected, so it waits to be accepted.
    let (mut receiver, _) = listener.accept().expect("a connection");
    receiver.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let begun = Instant::now();
    let arrived = thread::scope(|scope| {
        let data = &data;
        scope.spawn(move || {
            // The receiver tells what went wrong.
            let _ = sender.write_all(data);
        });
        let mut arrived = Vec::new();
        let end = receiver.read_to_end(&mut arrived);
        assert!(end.is_ok(), "{case}: TCP hangs after {} bytes: {end:?}", arrived.len());
        arrived
    });
    assert!(arrived == data, "{case}: {} bytes of TCP, not as they were sent", arrived.len());
    assert!(begun.elapsed() < PATIENCE, "{case}: TCP crawls: {:?}", begun.elapsed());
}

/// Sends datagrams and other frames of all lengths. Those that fit arrive,
/// identical and once; returns how many frames must have been too long.
pub fn udp(ends: &Ends, case: &Case) -> RangeInclusive<u64> {
    let receiver = ends.at_receiver(|| UdpSocket::bind((V4[1], UDP_PORT)).expect("a socket"));
    receiver.set_nonblocking(true).expect("a socket");
    let (sender, raw) = ends.at_sender(|| {
        let sender = UdpSocket::bind((V4[0], 0)).expect("a socket");
        (sender, RawSocket::open(SENDER, true).expect("a socket"))
    });
    let [from_mtu, to_mtu] = case.mtus;
    let to: SocketAddr = (V4[1].parse::<IpAddr>().expect("an address"), UDP_PORT).into();
    let (mut expected, mut lost, mut spread) = (Vec::new(), 0, 0);
    for length in lengths(case.mtus) {
        let datagram: Vec<u8> = (0..length).map(|at| (at * 13 + length + at / 256) as u8).collect();
        sender.send_to(&datagram, to).unwrap_or_else(|error| panic!("{case}: {error}"));
        let fits = length as u32 + UDP_HEADERS <= to_mtu;
        // A longer one goes in fragments, as long as the sender may.
        if fits || from_mtu == to_mtu {
            expected.push(datagram);
        } else {
            lost += 1;
        }
    }
    if from_mtu as usize > PLAIN {
        raw.send(&frames::plain(ELSEWHERE, PLAIN, 1)).expect("a netdev that is up");
        lost += usize::from(to_mtu < PLAIN as u32);
    }
    for (payload, size) in [SUPER, LARGE_SUPER] {
        let whole = frames::unfinished(ELSEWHERE, GsoKind::UdpL4, payload, Some(size));
        let headers = whole.bytes.len() - payload;
        if u32::from(size) + UDP_HEADERS > from_mtu {
            continue;
        }
        raw.send(&whole).unwrap_or_else(|error| panic!("{case}: {error}"));
        let datagrams = whole.bytes[headers..].chunks(size.into());
        if u32::from(size) + UDP_HEADERS <= to_mtu {
            expected.extend(datagrams.map(<[u8]>::to_vec));
        } else {
            // One frame, or, where the sender's kernel has cut it, so many; and
            // that of a macvtap between the switches may not take it in whole either.
            assert_eq!(payload % usize::from(size), 0, "nothing left over that fits");
            let (least, most) = match (case.sender, case.way) {
                (Offloads::Off, _) => (datagrams.len(), datagrams.len()),
                (Offloads::On, Way::Untagged) => (1, 1),
                (Offloads::On, Way::Tagged | Way::Tunnel) => (1, datagrams.len()),
            };
            spread = most - least;
            lost += least;
        }
    }
    arrive(&receiver, expected, case);
    lost as u64..=(lost + spread) as u64
}

/// Sends super-frames inside a tag of their own, as a customer of a tunnel may,
/// and returns how many bytes of payload they carry.
pub fn tagged(ends: &Ends) -> usize {
    let raw = ends.at_sender(|| RawSocket::open(SENDER, true).expect("a socket"));
    let (payload, size) = TAGGED_SUPER;
    for kind in TAGGED_KINDS {
        let wire = frames::unfinished(ELSEWHERE, kind, payload, Some(size));
        let mut frame = Frame::from_bytes(&wire.bytes);
        frame.offload = wire.offload;
        frame.push_tag(0x8100, CUSTOMER);
        let wire = Wire { bytes: frame.bytes().to_vec(), offload: frame.offload };
        raw.send(&wire).expect("a netdev that is up");
    }
    payload * TAGGED_KINDS.len()
}

/// Lengths of datagrams: up to what fits, and, where the MTUs are equal, beyond.
fn lengths([from, to]: [u32; 2]) -> Vec<usize> {
    let mut lengths = vec![1, 18, 19, 100, 999, 1400, 1471, 1472];
    if from == 9000 {
        lengths.extend([1473, 4000, 8971, 8972]);
    }
    if from == to {
        lengths.push(20_001);
    }
    lengths
}

/// Waits for these datagrams, in any order, and no others.
fn arrive(socket: &UdpSocket, mut expected: Vec<Vec<u8>>, case: &Case) {
    let mut arrived = Vec::new();
    let mut buffer = vec![0; 65_536];
    let receive = || {
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            arrived.push(buffer[..length].to_vec());
        }
        arrived.len()
    };
    let wanted = expected.len();
    eventually(&format!("{case}: {wanted} datagrams arrive"), receive, |count| *count >= wanted);
    expected.sort();
    arrived.sort();
    let lengths = |all: &[Vec<u8>]| -> BTreeSet<usize> { all.iter().map(Vec::len).collect() };
    assert!(arrived == expected, "{case}: {:?}, not {:?}", lengths(&arrived), lengths(&expected));
}
