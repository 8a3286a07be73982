//! The forwarding rate, with frames that circle ([`measure::xdp_loop`]).

use std::time::{Duration, Instant};

use io_backends::lab::netns::in_netns;
use io_backends::lab::{Netns, Place};
use measure::packet_socket::PacketSocket;
use measure::xdp_loop::{ETHERTYPE, Passer, Reflector, frame};
use switch_core::Mac;

use super::super::cases::{Case, FCS};
use super::super::lab::Lab;
use super::super::peers::{Host, NETDEV, Rig};
use super::counters::counted;
use super::{Description, Reading, WARM_UP, broken};
use io_backends::Error;

const WHAT: &str = "the loop";
/// Frames on their way at once, both directions together.
const CIRCLING: usize = 256;
/// How many addresses they are from and to at each host; several spread over queues.
const STATIONS: usize = 16;
/// Some drivers don't count it, bytes.
const ETHERNET_HEADER: usize = 14;
/// What frames must have of their bytes, on average: the two counts are not
/// taken in the same instant.
const WHOLE: f64 = 0.9;
/// What must be left of the rate in the second half of a measurement: less means that nearly all
/// frames were lost on their way round. A busy machine alone may halve it.
const STEADY: f64 = 0.05;

pub(super) const DESCRIPTION: Description = Description {
    name: "loop",
    title: "Forwarding rate",
    unit: "frames/s",
    less_is_better: false,
    how: "256 frames circle between two hosts: a native XDP program on each host's netdev swaps a \
          frame's MAC addresses and sends it back, so every frame goes through the switch again \
          and again and no sender or receiver takes part. The figure is how many frames both \
          netdevs received a second. Frame sizes include the 4 bytes of FCS that netdevs don't \
          carry.",
    bound: "For a switch over TAPs: the two system calls a frame, whole or batched, and the \
            kernel's work in them, the XDP program included.",
};

pub(super) fn measure(
    lab: &Lab,
    rig: &Rig<'_>,
    case: &Case,
    duration: Duration,
) -> Result<Reading, Error> {
    let length = case.size.unwrap_or(64).saturating_sub(FCS) as usize;
    let [one, two, ..] = &rig.hosts[..] else {
        return Err(Error::failed(WHAT, "needs two hosts"));
    };
    let mut passers = Vec::new();
    for (netns, netdev) in &rig.veth_ends {
        passers.push(on_netdev(netns, netdev, Passer::attach)?);
    }
    let reflect = |host: &Host| on_netdev(&host.netns, NETDEV, Reflector::attach);
    let reflectors = [reflect(one)?, reflect(two)?];
    for stations in 0..STATIONS {
        // The switch learns both addresses by the first frame each way.
        send(one, two, stations, length, 1)?;
        send(two, one, stations, length, 1)?;
    }
    lab.wait(WARM_UP / 4)?;
    let more = CIRCLING / STATIONS / 2 - 1;
    for stations in 0..STATIONS {
        send(one, two, stations, length, more)?;
        send(two, one, stations, length, more)?;
    }
    lab.wait(WARM_UP)?;
    let first = rate(lab, [one, two], duration / 2)?;
    let second = rate(lab, [one, two], duration / 2)?;
    drop((reflectors, passers));
    if first.frames <= 0.0 {
        return Err(Error::failed(WHAT, "no frame of this size came through"));
    }
    if second.frames < first.frames * STEADY {
        return Err(Error::failed(WHAT, "frames got lost on their way round"));
    }
    if second.bytes < second.frames * (length - ETHERNET_HEADER) as f64 * WHOLE {
        return Err(Error::failed(WHAT, "frames of this size came through shortened"));
    }
    Ok(Reading::of(f64::midpoint(first.frames, second.frames)))
}

/// Attaches an XDP program to the netdev of that name in the namespace.
fn on_netdev<P: Send>(
    netns: &Netns,
    name: &str,
    attach: impl FnOnce(u32) -> Result<P, Error> + Send,
) -> Result<P, Error> {
    let index = Place::In(netns.clone()).links(|links| links.require(name))?.index;
    in_netns(netns, || attach(index))?
}

/// Sends frames between stations of that number at the two hosts.
fn send(from: &Host, to: &Host, number: usize, length: usize, count: usize) -> Result<(), Error> {
    let bytes = frame(station(to, number), station(from, number), length);
    let send = || {
        let socket = PacketSocket::open(NETDEV, ETHERTYPE)?;
        (0..count).try_for_each(|_| socket.send(&bytes))
    };
    in_netns(&from.netns, send)?.map_err(|errno| broken(WHAT)(errno.into()))
}

/// An address of its own for each station of each host.
fn station(host: &Host, number: usize) -> Mac {
    let mut octets = host.mac.octets();
    octets[4] = 0x80 + number as u8;
    Mac::new(octets)
}

/// What netdevs carry a second.
struct Rate {
    frames: f64,
    bytes: f64,
}

/// What the hosts' netdevs carry together: frames that they receive and send
/// back. Some drivers miss them in the one count and some in the other.
fn rate(lab: &Lab, hosts: [&Host; 2], time: Duration) -> Result<Rate, Error> {
    let (before, began) = (counted(&hosts)?, Instant::now());
    lab.wait(time)?;
    let (after, taken) = (counted(&hosts)?, began.elapsed().as_secs_f64());
    let mut rate = Rate { frames: 0.0, bytes: 0.0 };
    for (before, after) in before.iter().zip(&after) {
        let received = before.received.until(after.received);
        let sent = before.sent.until(after.sent);
        let more = if received.frames >= sent.frames { received } else { sent };
        rate.frames += more.frames as f64 / taken;
        rate.bytes += more.bytes as f64 / taken;
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_make_up_the_number_said() {
        assert_eq!(CIRCLING % (2 * STATIONS), 0);
        assert!(DESCRIPTION.how.contains(&CIRCLING.to_string()));
    }
}
