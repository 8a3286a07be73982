//! The rigs: ports of each kind, set up in the calling thread's namespace.

use std::os::fd::{AsFd, AsRawFd, IntoRawFd, RawFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use io_backends::Error;
use io_backends::lab::{Journal, Place, Wanted, macvtap_device};
use io_backends::ports::netdev::Netdev;
use io_backends::ports::{Attachment, Kind, MacvtapMode, Tied, attach, fd, macvtap};
use io_backends::queue::memory::MemoryFarEnd;
use io_backends::queue::tap::TapQueue;
use io_backends::testing::{RawSocket, enter_own_netns};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use switch_core::Port;
use switch_core::frame::Takes;
use switch_core::ports::memory::{MemoryHost, MemoryPort, Wire, cable};
use tests::conformance::{FarEnd, Fate, Rig};

/// The netdev behind the port under test.
pub const DEVICE: &str = "device";
const MTU: u32 = 9000;
pub const LONGEST: usize = MTU as usize + 14;
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// A cable in memory, seen through what `wrap` puts around its port.
pub fn memory_rig<P: Port + 'static>(wrap: impl FnOnce(MemoryPort) -> P) -> Rig {
    let (port, host) = cable(1000, Takes::EVERYTHING);
    far_end_rig(wrap(port), host)
}

/// A port whose far end is in this program.
pub fn far_end_rig(port: impl Port + 'static, far: impl InMemory + 'static) -> Rig {
    Rig {
        port: Box::new(port),
        far: Some(Box::new(MemoryEnd(Some(far)))),
        address: BROADCAST,
        longest: LONGEST,
        cuts_udp: false,
        down: None,
        deleted: Some(Fate::Told),
        blocked: Fate::Told,
    }
}

/// A TAP whose netdev `DEVICE` is there already.
pub fn tap_rig(port: Box<dyn Port>) -> Rig {
    raise(DEVICE);
    let socket = RawSocket::open(DEVICE, true).expect("a raw socket");
    Rig {
        port,
        far: Some(Box::new(NetdevEnd { socket, way_out: None })),
        address: BROADCAST,
        longest: LONGEST,
        cuts_udp: false,
        down: Some(Fate::Told),
        deleted: Some(Fate::Told),
        blocked: Fate::Silent,
    }
}

/// A macvtap on one end of a veth; the far end is at the other.
pub fn macvtap_rig<P: Port + 'static>(mode: MacvtapMode, open: impl FnOnce(TapQueue) -> P) -> Rig {
    let link = must(Place::Here.links(|links| {
        let lower = links.make_veth("lower", "far")?;
        links.make_macvtap(DEVICE, &lower, mode)
    }));
    ["lower", "far", DEVICE].into_iter().for_each(raise);
    await_operation(DEVICE);
    let (major, minor) = must(macvtap_device(&Place::Here, &link));
    let port = open(one(macvtap::open(major, minor, 1)));
    let address = match mode {
        // Carries what is for anybody.
        MacvtapMode::Passthru => [2, 0, 0, 0, 0, 99],
        // Carries what is for itself.
        _ => link.mac.expect("a macvtap has one").octets(),
    };
    let socket = RawSocket::open("far", true).expect("a raw socket");
    Rig {
        port: Box::new(port),
        far: Some(Box::new(NetdevEnd { socket, way_out: Some("lower") })),
        address,
        longest: LONGEST,
        // Linux 6.18 takes TUN_F_USO here and does not heed it.
        cuts_udp: true,
        // A macvtap tells nothing through its descriptor.
        down: Some(Fate::Silent),
        deleted: Some(Fate::Silent),
        blocked: Fate::Told,
    }
}

/// A port of the kinds that tie a TAP to a netdev which stays where it is. `near`
/// is that netdev, one end of a veth; the far end, `DEVICE`, is at its other.
pub fn tied_rig(kind: &Kind) -> Rig {
    let near = match kind {
        Kind::Netdev(Netdev { name }) => {
            must(Place::Here.links(|links| links.make_veth(name, DEVICE)));
            [name.as_str(), DEVICE].into_iter().for_each(raise);
            name.clone()
        }
        _ => String::new(),
    };
    let run = std::env::temp_dir().join(format!("netloom-rig-{:?}", thread::current().id()));
    let mut journal = must(Journal::open(&run, "rig"));
    let mut attached = must(attach(&mut journal, "p", &Attachment::new(kind.clone()), 1, None));
    // The netdevs end with the rig's namespace.
    let _ = std::fs::remove_dir_all(run);
    raise(DEVICE);
    let near = if near.is_empty() { peer_of(DEVICE) } else { near };
    [near.as_str(), DEVICE].into_iter().for_each(await_operation);
    let socket = RawSocket::open(DEVICE, true).expect("a raw socket");
    let mut tied = attached.tied.take().expect("a netdev and its handle");
    must(tied.pass_up());
    Rig {
        port: Box::new(attached.queues.remove(0)),
        far: Some(Box::new(TiedEnd {
            end: NetdevEnd { socket, way_out: None },
            near,
            _tied: tied,
        })),
        address: BROADCAST,
        longest: LONGEST,
        cuts_udp: false,
        // What becomes of the netdev is no business of the TAP's.
        down: Some(Fate::Silent),
        deleted: Some(Fate::Silent),
        blocked: Fate::Silent,
    }
}

/// The netdev at the other end of a veth.
fn peer_of(name: &str) -> String {
    let peer = must(Place::Here.links(|links| {
        let index = links.require(name)?.lower.expect("a veth's other end");
        links.get(index)
    }));
    peer.expect("the other end").name
}

/// The far end of a netdev that a TAP is tied to.
struct TiedEnd {
    end: NetdevEnd,
    near: String,
    _tied: Tied,
}

impl FarEnd for TiedEnd {
    fn send(&mut self, frame: &Wire) -> bool {
        self.end.send(frame)
    }

    fn receive(&mut self) -> Option<Wire> {
        self.end.receive()
    }

    fn set_up(&mut self, up: bool) {
        self.end.set_up(up);
        if up {
            [&self.near, DEVICE].into_iter().for_each(await_operation);
        }
    }

    fn delete(&mut self) {
        self.end.delete();
    }

    fn block(&mut self) {
        self.end.block();
    }
}

/// Waits until the kernel has acted on a netdev's carrier, which it does in
/// its own time: until then it takes frames and loses them in silence.
fn await_operation(name: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !must(Place::Here.links(|links| links.require(name))).operates {
        assert!(Instant::now() < deadline, "{name} never came into operation");
        thread::yield_now();
    }
}

/// The far end of `DEVICE`.
struct NetdevEnd {
    socket: RawSocket,
    /// The netdev whose sending can be held up; `None` where frames end at `DEVICE`.
    way_out: Option<&'static str>,
}

impl FarEnd for NetdevEnd {
    fn send(&mut self, frame: &Wire) -> bool {
        self.socket.send(frame).is_ok()
    }

    fn receive(&mut self) -> Option<Wire> {
        // A socket says once that its netdev was down.
        self.socket.receive().unwrap_or(None)
    }

    fn set_up(&mut self, up: bool) {
        set_up(DEVICE, up);
    }

    fn delete(&mut self) {
        must(Place::Here.links(|links| {
            let link = links.require(DEVICE)?;
            links.delete(&link)
        }));
    }

    fn block(&mut self) {
        if let Some(netdev) = self.way_out {
            let slow = "root tbf rate 8kbit burst 2000 limit 100000000";
            let arguments = ["qdisc", "add", "dev", netdev].into_iter().chain(slow.split(' '));
            run("tc", &arguments.collect::<Vec<_>>());
        }
    }
}

/// A far end whose end is the device's.
pub trait InMemory: Send {
    /// Sends a frame towards the port; whether there was room.
    fn put(&self, frame: Wire) -> bool;
    /// The next frame from the port.
    fn take(&self) -> Option<Wire>;
}

impl InMemory for MemoryHost {
    fn put(&self, frame: Wire) -> bool {
        self.send(frame).is_ok()
    }

    fn take(&self) -> Option<Wire> {
        self.receive()
    }
}

impl InMemory for MemoryFarEnd {
    fn put(&self, frame: Wire) -> bool {
        self.send(frame)
    }

    fn take(&self) -> Option<Wire> {
        self.receive()
    }
}

/// The far end of a port in memory.
struct MemoryEnd<H>(Option<H>);

impl<H: InMemory> FarEnd for MemoryEnd<H> {
    fn send(&mut self, frame: &Wire) -> bool {
        self.0.as_ref().is_some_and(|host| host.put(frame.clone()))
    }

    fn receive(&mut self) -> Option<Wire> {
        self.0.as_ref()?.take()
    }

    fn set_up(&mut self, _up: bool) {
        unreachable!("a cable is neither up nor down");
    }

    fn delete(&mut self) {
        self.0 = None;
    }

    fn block(&mut self) {}
}

/// Leaves the namespace of the rig before, whose netdevs may still have this one's names.
pub fn renew_netns() {
    enter_own_netns().expect("a network namespace: run the tests as root");
}

/// A copy of one of this process's descriptors as `exec` would leave it: open, and nobody's.
pub fn leave_behind(number: RawFd) -> RawFd {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).expect("a process descriptor");
    let copy = pidfd_getfd(this, number, PidfdGetfdFlags::empty()).expect("a copy");
    fcntl_setfd(&copy, FdFlags::empty()).expect("an open descriptor");
    copy.into_raw_fd()
}

pub fn hand_over(opener: TapQueue) -> TapQueue {
    let number = leave_behind(opener.as_fd().as_raw_fd());
    drop(opener);
    must(fd::adopt(number))
}

pub fn raise(netdev: &str) {
    must(Place::Here.links(|links| {
        let link = links.require(netdev)?;
        links.set(&link, &Wanted { mtu: Some(MTU), up: Some(true), ..Wanted::default() })
    }));
}

fn set_up(netdev: &str, up: bool) {
    must(Place::Here.links(|links| {
        let link = links.require(netdev)?;
        links.set(&link, &Wanted { up: Some(up), ..Wanted::default() })
    }));
}

pub fn one(ports: Result<Vec<TapQueue>, Error>) -> TapQueue {
    must(ports).pop().expect("a queue")
}

pub fn must<T>(result: Result<T, Error>) -> T {
    result
        .unwrap_or_else(|error| panic!("{error} ({})", error.hint.as_deref().unwrap_or("no hint")))
}

pub fn ip(arguments: &[&str]) {
    run("ip", arguments);
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect(program);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
