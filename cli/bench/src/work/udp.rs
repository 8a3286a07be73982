//! UDP datagrams from one host to the other, faster than they can be taken.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use io_backends::lab::netns::in_netns;

use super::super::cases::{Case, FCS};
use super::super::lab::Lab;
use super::super::peers::{Host, Rig};
use super::{Description, Reading, broken, growth};
use io_backends::Error;

const WHAT: &str = "UDP";
/// Ethernet, IPv4 and UDP headers, bytes.
const HEADERS: u32 = 14 + 20 + 8;
/// How soon a receiver that waits sees that it is over.
const LOOK: Duration = Duration::from_millis(50);

pub(super) const DESCRIPTION: Description = Description {
    name: "udp",
    title: "UDP datagrams that arrive",
    unit: "frames/s",
    less_is_better: false,
    how: "A thread a flow sends datagrams, one a system call and a frame, as fast as it can; a \
          thread a flow reads them. The figure is what the receivers read a second; the rest was \
          dropped on the way, by a full ring or socket. Frame sizes include the 4 bytes of FCS \
          that netdevs don't carry.",
    bound: "Sender, switch and receiver share the CPUs, and the sender never pauses: with two of \
            them the figure shows who gets CPU time as much as what the switch could do. The loop \
            isolates the switch.",
};

pub(super) fn measure(
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    duration: Duration,
) -> Result<Reading, Error> {
    let [from, to, ..] = &rig.hosts[..] else {
        return Err(Error::failed(WHAT, "needs two hosts"));
    };
    let length = case.size.unwrap_or(64).saturating_sub(FCS + HEADERS) as usize;
    let flows = connect(from, to, case.flows.unwrap_or(1))?;
    let (received, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let rate = thread::scope(|scope| {
        for (sender, receiver) in &flows {
            scope.spawn(|| send(sender, length, &over));
            scope.spawn(|| receive(receiver, &received, &over));
        }
        let rate = growth(lab, &received, duration);
        over.store(true, Ordering::Relaxed);
        rate
    })?;
    if rate <= 0.0 {
        return Err(Error::failed(WHAT, "nothing came through"));
    }
    Ok(Reading::of(rate))
}

/// A sender and a receiver for each flow.
fn connect(from: &Host, to: &Host, flows: u16) -> Result<Vec<(UdpSocket, UdpSocket)>, Error> {
    let receiver = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((to.address, 0))?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(socket)
    };
    let receivers: Vec<_> =
        in_netns(&to.netns, || (0..flows).map(|_| receiver()).collect::<io::Result<_>>())?
            .map_err(broken(WHAT))?;
    let sender = |receiver: &UdpSocket| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((from.address, 0))?;
        socket.connect(receiver.local_addr()?)?;
        Ok(socket)
    };
    let senders: Vec<_> =
        in_netns(&from.netns, || receivers.iter().map(sender).collect::<io::Result<_>>())?
            .map_err(broken(WHAT))?;
    Ok(senders.into_iter().zip(receivers).collect())
}

fn send(socket: &UdpSocket, length: usize, over: &AtomicBool) {
    let datagram = vec![0x4e; length];
    while !over.load(Ordering::Relaxed) {
        // A full queue refuses datagrams; the next one may do better.
        let _ = socket.send(&datagram);
    }
}

fn receive(socket: &UdpSocket, received: &AtomicU64, over: &AtomicBool) {
    let mut datagram = [0; 1 << 16];
    while !over.load(Ordering::Relaxed) {
        if socket.recv(&mut datagram).is_ok() {
            received.fetch_add(1, Ordering::Relaxed);
        }
    }
}
