//! The engines on real TAPs, one of them without virtio-net header, so that
//! super-frames are cut and checksums finished in software.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use io_backends::Error;
use io_backends::engine::QueueEngine;
use io_backends::engine::epoll::EpollEngine;
use io_backends::engine::runner::Runner;
use io_backends::engine::share::share_out;
use io_backends::engine::uring::UringEngine;
use io_backends::lab::{Place, Wanted};
use io_backends::ports::{fd, tap};
use io_backends::queue::tap::TapQueue;
use io_backends::testing::allocations::Count;
use io_backends::testing::{RawSocket, in_own_netns};
use rustix::io::Errno;
use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::Seed;
use switch_core::frame::{GsoKind, Takes};
use switch_core::port::DeviceState;
use switch_core::ports::memory::Wire;
use switch_core::vlan::Allowed;
use switch_core::{Port, PortId, Switch, Tpid, Vid, VlanMode};
use tests::frames;
use tests::lab::{duplicate, eventually_in};
use tun_tap::{Iface, Mode};

const FRAMES: u64 = 120_000;
const WARM_UP: u64 = 10_000;
/// How long anything may take, in seconds: the machine may be busy.
const PATIENCE: u64 = 60;
/// Where the hosts are: behind a header, without one, on a trunk.
const NAMES: [&str; 3] = ["left", "right", "trunk"];
const VLAN: u16 = 10;

#[test]
fn the_epoll_engine_allocates_nothing() {
    allocates_nothing(EpollEngine::new);
}

#[test]
fn the_io_uring_engine_allocates_nothing() {
    allocates_nothing(UringEngine::new);
}

fn allocates_nothing<E: QueueEngine + 'static>(make: fn() -> Result<E, Error>) {
    in_own_netns(move || {
        let mut rig = Rig::new(make);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            // However this ends, the senders do.
            let _stop = Stop(&stop);
            for name in NAMES {
                let stop = &stop;
                let socket = RawSocket::open(name, true).expect("a socket");
                scope.spawn(move || send(&socket, name, stop));
            }
            rig.forwarded(WARM_UP);
            let (before, begun) = (rig.worker.calls(), rig.switch.stats());
            rig.forwarded(FRAMES / 2);
            rig.change();
            Place::Here
                .links(|links| links.require("doomed").and_then(|link| links.delete(&link)))
                .expect("it can be deleted");
            rig.forwarded(FRAMES / 2);
            let look = || {
                let stats = rig.switch.stats();
                [stats.made_frames - begun.made_frames, stats.flood_copies - begun.flood_copies]
            };
            let enough = |made: &[u64; 2]| made.iter().all(|count| *count > FRAMES / 100);
            eventually_in(PATIENCE, "segments and flood copies are made", look, enough);
            assert_eq!(rig.worker.calls() - before, 0, "calls of the allocator");
        });
        // Falling asleep and waking are no different.
        let before = rig.worker.calls();
        let socket = RawSocket::open("left", true).expect("a socket");
        let frame = frames::plain([0xff; 6], 60, 1);
        for _ in 0..20 {
            rig.at_rest();
            // Many times a worker's patience. One still awake would only try less here.
            thread::sleep(Duration::from_millis(2));
            let sent = rig.frames();
            socket.send(&frame).expect("a netdev that is up");
            eventually_in(PATIENCE, "the frame is received", || rig.frames(), |now| *now > sent);
        }
        assert_eq!(rig.worker.calls() - before, 0, "calls of the allocator");
    });
}

/// Sets a flag at its end.
struct Stop<'f>(&'f AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A switch over TAPs of the calling thread's namespace.
struct Rig {
    switch: Switch,
    runner: Runner,
    /// The calls of the worker's thread.
    worker: Count,
}

impl Rig {
    fn new<E: QueueEngine + 'static>(make: fn() -> Result<E, Error>) -> Rig {
        let (mut switch, mut workers) =
            Switch::new(BridgeRules::default(), 1024, 1, Seed([1, 2, 3, 4]));
        let (tell, told) = sync_channel(1);
        let make = move || {
            tell.send(Count::of_this_thread()).expect("the starter waits");
            make()
        };
        let worker = workers.remove(0);
        let runner = Runner::start(worker, make, None, Instant::now(), drop).expect("a worker");
        let access = VlanMode::Access(vid());
        let trunk = VlanMode::Trunk { allowed: Allowed::All, native: None, tpid: Tpid::Customer };
        for (name, vlan) in [
            ("left", access.clone()),
            ("right", access.clone()),
            ("trunk", trunk),
            ("doomed", access),
        ] {
            let port = if name == "right" { without_header(name) } else { with_header(name) };
            let device = DeviceState { up: true, mtu: 1500, takes: port.takes() };
            assert_eq!(device.takes == Takes::NOTHING, name == "right");
            let rules = PortRules { vlan, ..PortRules::default() };
            let id = switch.add_port(name, rules, device).expect("a number");
            let share = share_out(id, vec![port.into()], 1).expect("descriptors").remove(0);
            runner.add(id, share).expect("room");
            let up = Wanted { up: Some(true), ..Wanted::default() };
            Place::Here
                .links(|links| links.require(name).and_then(|link| links.set(&link, &up)))
                .expect("it can be set up");
        }
        let worker = told.recv().expect("the worker's count");
        let mut rig = Rig { switch, runner, worker };
        rig.cross();
        rig
    }

    fn cross(&mut self) {
        let crosses = || {
            self.runner.wake();
            self.switch.crossed()
        };
        eventually_in(PATIENCE, "the worker crosses", crosses, |it| *it);
    }

    /// Changes the rules under the worker, which takes the new ones and frees nothing.
    fn change(&mut self) {
        for mac_limit in [7, 0] {
            let port = self.switch.port_named("trunk").expect("the port");
            let (id, rules): (PortId, _) = (port.id, port.rules.clone());
            self.switch.set_rules(id, PortRules { mac_limit, ..rules });
            self.cross();
        }
    }

    fn frames(&self) -> u64 {
        self.switch.stats().workers[0].frames
    }

    /// Waits until the worker has received so many more frames.
    fn forwarded(&self, frames: u64) {
        let end = self.frames() + frames;
        eventually_in(PATIENCE, "frames are forwarded", || self.frames(), |now| *now >= end);
    }

    fn at_rest(&self) {
        let imbalance = || self.switch.stats().imbalance();
        eventually_in(PATIENCE, "all is forwarded", imbalance, |it| *it == 0);
    }
}

fn vid() -> Vid {
    Vid::configured(VLAN).expect("a VID")
}

fn with_header(name: &str) -> TapQueue {
    tap::create(name, 1).expect("a TAP").remove(0)
}

fn without_header(name: &str) -> TapQueue {
    let tap = Iface::without_packet_info(name, Mode::Tap).expect("a TAP");
    fd::adopt_sent(duplicate(&tap), 3).expect("a port")
}

/// Sends as fast as the netdev takes: what is plain, what is to be cut, what floods.
fn send(socket: &RawSocket, name: &str, stop: &AtomicBool) {
    let own = 1 + NAMES.iter().position(|other| *other == name).expect("a host") as u8;
    let to = [2, 0, 0, 0, 0, 1 + own % 3];
    let mut all = vec![frames::plain([0xff; 6], 60, 1), frames::plain([2, 9, 9, 9, 9, 9], 60, 2)];
    for kind in [GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4] {
        all.push(frames::unfinished(to, kind, 6000, Some(1000)));
        all.push(frames::unfinished(to, kind, 500, None));
        all.extend((0..8).map(|seed| frames::plain(to, 60 + 10 * seed, seed)));
    }
    for frame in &mut all {
        frame.bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, own]);
        if name == "trunk" {
            *frame = tagged(frame);
        }
    }
    for frame in all.iter().cycle() {
        match socket.send(frame) {
            Ok(()) => {}
            Err(Errno::NOBUFS | Errno::AGAIN) => thread::yield_now(),
            Err(errno) => panic!("{errno}"),
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn tagged(wire: &Wire) -> Wire {
    let mut frame = switch_core::Frame::from_bytes(&wire.bytes);
    frame.offload = wire.offload;
    frame.push_tag(0x8100, VLAN);
    Wire { bytes: frame.bytes().to_vec(), offload: frame.offload }
}
