//! The lane between real netdevs: what a test run can't show.

use std::process::Command;

use switch_core::config::PortRules;
use switch_core::frame::{Checksum, Gso, GsoKind, Offload};
use switch_core::ports::memory::Wire;

use super::seen::{frame, key};
use super::*;
use crate::bpf::door::attach_tcx;
use crate::lab::Place;
use crate::testing::{RawSocket, in_own_netns};

fn ip(line: &str) {
    let status = Command::new("ip").args(line.split_whitespace()).status().expect("iproute2");
    assert!(status.success(), "ip {line}");
}

fn index(name: &str) -> u32 {
    Place::Here.links(|links| Ok(links.require(name)?.index)).expect("a netdev")
}

/// Two veths whose near ends have a lane, and a third whose other end stands for the handle's fd.
struct Wires {
    lane: Lane,
    fdb: Fdb,
    far: [RawSocket; 2],
    up: RawSocket,
    /// Programs, and what holds them in their place.
    doors: Vec<(OwnedFd, LaneDoor)>,
    ids: [PortId; 2],
}

impl Wires {
    fn new() -> Wires {
        for pair in [
            "near0 type veth peer name far0",
            "near1 type veth peer name far1",
            "handle type veth peer name fd",
        ] {
            ip(&format!("link add {pair}"));
        }
        for netdev in ["near0", "far0", "near1", "far1", "handle", "fd"] {
            ip(&format!("link set {netdev} up"));
        }
        let seed = Seed([1, 2, 3, 4]);
        let (lane, memory) = Lane::new(64, seed, Instant::now()).expect("a lane");
        let fdb = Fdb::shared(memory, 64, 0, seed);
        lane.set_ageing(0);
        let ids = [0, 1].map(|number| PortId { number, generation: 7 });
        for (n, id) in ids.iter().enumerate() {
            fdb.learn(&fdb.seek(key(n as u64)), *id, 0, 0);
        }
        let door = |n: usize| {
            let (netdev, handle) = (index(&format!("near{n}")), index("handle"));
            let door = lane.door(&Door { port: ids[n], handle, ring: 1000 }).expect("a program");
            (attach_tcx(&door, netdev).expect("attached"), door)
        };
        let doors = vec![door(0), door(1)];
        let open = |name: &str| RawSocket::open(name, true).expect("a socket");
        let wires =
            Wires { far: [open("far0"), open("far1")], up: open("fd"), lane, fdb, doors, ids };
        wires.configure(1500);
        wires
    }

    fn configure(&self, mtu: u32) {
        self.lane.close().expect("membarrier");
        for (n, id) in self.ids.iter().enumerate() {
            let netdev = index(&format!("near{n}"));
            let rules = PortRules::default();
            let port =
                LanePort { id: *id, rules: &rules, is_open: true, mtu, netdev, far_address: None };
            self.lane.set_port(&port);
        }
        self.lane.open();
    }

    /// All that was passed up is delivered.
    fn settle(&self) {
        for (_, door) in &self.doors {
            let passed = door.doorstep[0].passed.frames.load(Ordering::Relaxed);
            door.doorstep[0].read.done.store(passed, Ordering::Relaxed);
            door.doorstep[0].read.settled.store(passed, Ordering::Relaxed);
        }
    }
}

fn next(socket: &RawSocket) -> Wire {
    let begun = Instant::now();
    loop {
        if let Some(frame) = socket.receive().expect("a frame") {
            return frame;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "no frame came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn wire(src: u64, dst: u64) -> Wire {
    Wire::from(&frame(src, dst).bytes[..])
}

/// 3000 bytes of TCP to be cut at 1448.
fn super_frame() -> Wire {
    let mut bytes = frame(0, 1).bytes[..12].to_vec();
    bytes.extend([8, 0, 0x45, 0]);
    bytes.extend(3040_u16.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.resize(54 + 3000, 9);
    let gso = Gso { kind: GsoKind::TcpV4, ecn: false, size: 1448, hdr_len: 54 };
    let checksum = Checksum::Partial { start: 34, offset: 16 };
    Wire { bytes, offload: Offload { checksum, gso: Some(gso) } }
}

#[test]
fn a_known_frame_takes_the_lane_and_another_goes_up() {
    in_own_netns(|| {
        let wires = Wires::new();
        wires.far[0].send(&wire(0, 1)).unwrap();
        assert_eq!(next(&wires.far[1]).bytes, wire(0, 1).bytes);
        wires.far[0].send(&wire(0, 5)).unwrap();
        assert_eq!(next(&wires.up).bytes, wire(0, 5).bytes);
        let counts = wires.lane.counts(wires.ids[0]);
        assert_eq!((counts.rx_frames, counts.rx_bytes), (1, 60));
        // A closed lane, and one without programs.
        wires.lane.close().unwrap();
        wires.far[0].send(&wire(0, 1)).unwrap();
        assert_eq!(next(&wires.up).bytes, wire(0, 1).bytes);
        assert_eq!(wires.doors[0].1.drops(), DoorstepDrops::default());
        assert_eq!(wires.fdb.stats().entries, 2);
    });
}

#[test]
fn a_super_frame_takes_the_lane_whole_where_its_segments_fit() {
    in_own_netns(|| {
        let wires = Wires::new();
        wires.far[0].send(&super_frame()).unwrap();
        let came = next(&wires.far[1]);
        assert_eq!(came.bytes.len(), 3054, "whole");
        assert_eq!(came.offload.gso.map(|gso| gso.size), Some(1448));
        assert_eq!(wires.lane.counts(wires.ids[1]).tx_frames, 1);
        // Segments of 1488 bytes and a netdev that takes 1487.
        ip("link set near1 mtu 1487");
        wires.configure(1487);
        wires.far[0].send(&super_frame()).unwrap();
        assert_eq!(next(&wires.up).bytes.len(), 3054);
        wires.settle();
        ip("link set near1 mtu 1488");
        wires.configure(1488);
        wires.far[0].send(&super_frame()).unwrap();
        assert_eq!(next(&wires.far[1]).bytes.len(), 3054);
    });
}

#[test]
fn this_host_has_what_a_lane_needs() {
    assert_eq!(Lane::is_missing(), None);
}
