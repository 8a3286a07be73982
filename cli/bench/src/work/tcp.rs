//! TCP streams from one host to the other.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use io_backends::lab::netns::in_netns;

use super::super::cases::Case;
use super::super::lab::Lab;
use super::super::peers::{Host, Rig};
use super::{Description, Reading, broken, growth};
use io_backends::Error;

const WHAT: &str = "TCP";
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How soon an end that waits sees that it is over.
const LOOK: Duration = Duration::from_millis(200);
const CHUNK: usize = 128 * 1024;

pub(super) const DESCRIPTION: Description = Description {
    name: "tcp",
    title: "TCP from host to host",
    unit: "bit/s",
    less_is_better: false,
    how: "Streams over the hosts' own TCP stacks, a thread at either end of each, one direction, \
          MTU 1500, netdevs' offloads as each contestant has them. The figure is the payload \
          that all receivers read a second.",
    bound: "Sender, switch and receiver share the CPUs: with two of them, what the stacks take \
            is missing to the switch.",
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
    let streams = connect(from, to, case.flows.unwrap_or(1))?;
    let received = AtomicU64::new(0);
    let rate = thread::scope(|scope| {
        for (sender, receiver) in &streams {
            scope.spawn(|| send(sender));
            scope.spawn(|| receive(receiver, &received));
        }
        let rate = growth(lab, &received, duration);
        // Both directions, so that a thread that waits at either end wakes.
        for (sender, receiver) in &streams {
            let _ = sender.shutdown(Shutdown::Both);
            let _ = receiver.shutdown(Shutdown::Both);
        }
        rate
    })?;
    if rate <= 0.0 {
        return Err(Error::failed(WHAT, "nothing came through"));
    }
    Ok(Reading::of(rate * 8.0))
}

/// Connected sockets, the sender's first.
fn connect(from: &Host, to: &Host, flows: u16) -> Result<Vec<(TcpStream, TcpStream)>, Error> {
    let (listener, address) = in_netns(&to.netns, || listen(to))?.map_err(broken(WHAT))?;
    let connect = || -> io::Result<(TcpStream, TcpStream)> {
        let sender = TcpStream::connect_timeout(&address, PATIENCE)?;
        // It is connected, so it waits to be accepted.
        let (receiver, _) = listener.accept()?;
        sender.set_write_timeout(Some(LOOK))?;
        receiver.set_read_timeout(Some(LOOK))?;
        Ok((sender, receiver))
    };
    in_netns(&from.netns, || (0..flows).map(|_| connect()).collect::<io::Result<_>>())?
        .map_err(broken(WHAT))
}

fn listen(host: &Host) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((host.address, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Writes until the socket is shut down.
fn send(mut stream: &TcpStream) {
    let chunk = vec![0x4e; CHUNK];
    loop {
        match stream.write(&chunk) {
            Ok(_) => {}
            Err(error) if is_a_pause(&error) => {}
            Err(_) => return,
        }
    }
}

/// Reads and counts until the socket is shut down.
fn receive(mut stream: &TcpStream, received: &AtomicU64) {
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => {
                received.fetch_add(read as u64, Ordering::Relaxed);
            }
            Err(error) if is_a_pause(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_a_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
