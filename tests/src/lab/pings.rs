//! Pings of the tests' own. A few are in flight and never more: they fit every queue
//! on their way however long a busy machine takes, so one that is lost was dropped.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Type};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use rustix::net::{recv, sendto, socket_with};

use super::{Lab, eventually};

/// How many may be in flight: those of sixty hosts that ping at once fit a CPU's backlog of a
/// thousand packets, with their replies and what floods beside them.
const IN_FLIGHT: usize = 2;
/// How long a reply may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two, where they go on until told to stop: others need the CPU too.
const PACE: Duration = Duration::from_millis(1);
/// Bytes of an IPv4 header, which a raw socket over IPv4 shows.
const V4_HEADER: usize = 20;
/// Bytes before what an echo carries, which is its number.
const ECHO_HEADER: usize = 8;

/// How a run of pings ended. As many replies as requests: none was lost, none came twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pings {
    /// Requests sent.
    pub sent: u64,
    /// Replies received.
    pub received: u64,
}

/// Pings under way; they end with the value.
pub struct Pinging {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    thread: Option<JoinHandle<Pings>>,
}

impl Lab {
    /// Starts pings from a namespace, which go on until they are told to stop.
    ///
    /// # Panics
    /// When there is no such namespace.
    #[must_use]
    pub fn pinging(&self, netns: &str, address: &str) -> Pinging {
        self.start(netns, address, u64::MAX, PACE)
    }

    /// Sends `count` pings as fast as the replies come.
    ///
    /// # Panics
    /// When there is no such namespace.
    #[must_use]
    pub fn flood_ping(&self, netns: &str, address: &str, count: u64) -> Pings {
        self.start(netns, address, count, Duration::ZERO).join()
    }

    fn start(&self, netns: &str, address: &str, count: u64, pace: Duration) -> Pinging {
        let to: IpAddr = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        let socket = self.inside(netns, || Socket::open(to));
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let run = Run {
            socket,
            count,
            pace,
            stop: Arc::clone(&stop),
            received: Arc::clone(&received),
            sent: 0,
            outstanding: BTreeSet::new(),
        };
        Pinging { stop, received, thread: Some(std::thread::spawn(|| run.run())) }
    }
}

impl Pinging {
    /// Waits until so many more replies have come: what changes meanwhile does so under traffic.
    ///
    /// # Panics
    /// When they don't come.
    #[track_caller]
    pub fn go_on_for(&self, count: u64) {
        let received = || self.received.load(Ordering::Relaxed);
        let goal = received() + count;
        eventually(&format!("{goal} pings are answered"), received, |now| *now >= goal);
    }

    /// Tells them to stop, and waits for the last reply.
    #[must_use]
    pub fn stop(self) -> Pings {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    fn join(mut self) -> Pings {
        self.thread.take().expect("it was not joined").join().expect("pings that work")
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Checks that none was lost and none came twice, and that there were enough to tell.
///
/// # Panics
/// When it is otherwise.
#[track_caller]
pub fn none_lost(pings: Pings) {
    assert!(pings.sent > 0 && pings.sent == pings.received, "{pings:?}");
}

struct Run {
    socket: Socket,
    count: u64,
    pace: Duration,
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    sent: u64,
    outstanding: BTreeSet<u64>,
}

impl Run {
    fn run(mut self) -> Pings {
        let mut heard = Instant::now();
        loop {
            let ends = self.sent == self.count || self.stop.load(Ordering::Relaxed);
            if (ends && self.outstanding.is_empty()) || heard.elapsed() > PATIENCE {
                return Pings { sent: self.sent, received: self.received.load(Ordering::Relaxed) };
            }
            let waits = ends || self.outstanding.len() == IN_FLIGHT;
            if !waits && self.socket.send(self.sent) {
                self.outstanding.insert(self.sent);
                self.sent += 1;
            }
            if !self.pace.is_zero() {
                sleep(self.pace);
            } else if waits {
                self.socket.wait();
            }
            while let Some(number) = self.socket.receive() {
                // One that comes twice counts twice.
                self.outstanding.remove(&number);
                self.received.fetch_add(1, Ordering::Relaxed);
                heard = Instant::now();
            }
        }
    }
}

/// A raw socket that sends echo requests to one address.
struct Socket {
    fd: OwnedFd,
    to: SocketAddr,
    /// Tells these replies from those of other pings in the namespace.
    id: u16,
}

impl Socket {
    fn open(to: IpAddr) -> Socket {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let (family, protocol) = match to {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::RAW, flags, Some(protocol)).expect("a raw socket");
        Socket { fd, to: SocketAddr::new(to, 0), id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Sends the request with that number; `false` where there is no room for it now.
    fn send(&self, number: u64) -> bool {
        let echo = IcmpEchoHeader { id: self.id, seq: number as u16 };
        let payload = number.to_be_bytes();
        let header = match self.to {
            SocketAddr::V4(_) => {
                let kind = Icmpv4Type::EchoRequest(echo);
                Icmpv4Header::with_checksum(kind, &payload).to_bytes().to_vec()
            }
            // The kernel fills in the checksum.
            SocketAddr::V6(_) => Icmpv6Type::EchoRequest(echo)
                .to_header([0; 16], [0; 16], &payload)
                .expect("a length that fits")
                .to_bytes()
                .to_vec(),
        };
        sendto(&self.fd, &[&header[..], &payload].concat(), SendFlags::empty(), &self.to).is_ok()
    }

    /// The number of the next reply that is there.
    fn receive(&self) -> Option<u64> {
        let mut buffer = [0; 256];
        loop {
            let (length, _) = recv(&self.fd, &mut buffer[..], RecvFlags::empty()).ok()?;
            if let Some(number) = self.number(&buffer[..length]) {
                return Some(number);
            }
        }
    }

    /// The number of an echo reply; `None` for anything else.
    fn number(&self, packet: &[u8]) -> Option<u64> {
        let (header, reply) = match self.to {
            SocketAddr::V4(_) => (V4_HEADER, 0),
            SocketAddr::V6(_) => (0, 129),
        };
        let icmp = packet.get(header..)?;
        let id = u16::from_be_bytes(icmp.get(4..6)?.try_into().ok()?);
        let number = icmp.get(ECHO_HEADER..ECHO_HEADER + 8)?.try_into().ok()?;
        (icmp[0] == reply && id == self.id).then(|| u64::from_be_bytes(number))
    }

    /// Waits for something to come, for a moment.
    fn wait(&self) {
        let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let _ = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&moment));
    }
}
