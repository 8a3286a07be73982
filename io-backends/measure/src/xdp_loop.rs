//! Frames that circle for ever: the load that measures a switch without a generator in the way.
//!
//! A [`Reflector`] on a TAP's netdev sends every frame of EtherType
//! [`ETHERTYPE`] back where it came from, with its addresses swapped, in the
//! netdev's driver (native XDP, `XDP_TX`). With one on each of two TAPs of a
//! switch, frames between their addresses go round through the switch until a
//! reflector is dropped, and the netdevs' `rx_packets` count how many the
//! switch forwarded. To begin:
//!
//! 1. Put a reflector on both netdevs.
//! 2. Teach the switch who is where: one [`frame`] each way, sent from the
//!    netdev's side (`RawSocket`, `PacketSocket`). These circle already.
//! 3. Send as many more as are to be on their way at once; 256 fill every batch.
//!
//! A frame that the switch or a full ring drops is gone: watch that the count
//! keeps rising. On a veth the other end needs a [`Passer`]. Frames larger than
//! a page take the slow way into a TAP, whose `rx_packets` don't count those
//! sent back; its `tx_packets` do.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use switch_core::Mac;

use io_backends::bpf::{self, Insn, Kind, Width};
use io_backends::error::{Error, describe};

/// The EtherType that is reflected (IEEE Std 802, local experimental 1); all else passes.
pub const ETHERTYPE: u16 = 0x88b5;

/// `XDP_PASS` and `XDP_TX` (`linux/bpf.h`).
const PASS: i32 = 2;
const SEND_BACK: i32 = 3;

/// Swaps the addresses of frames of [`ETHERTYPE`] and sends them back.
const PROGRAM: [Insn; 23] = {
    let ethertype = u16::from_ne_bytes(ETHERTYPE.to_be_bytes()) as i32;
    let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (swap(0), swap(2), swap(4));
    [
        // r2 is the frame's first byte, r3 its end.
        Insn::load(Width::Word, 2, 1, 0),
        Insn::load(Width::Word, 3, 1, 4),
        Insn::copy(4, 2),
        Insn::add(4, 14),
        Insn::skip_if_above(4, 3, 16),
        Insn::load(Width::Half, 4, 2, 12),
        Insn::skip_unless(4, ethertype, 14),
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        k,
        l,
        Insn::set(0, SEND_BACK),
        Insn::exit(),
        Insn::set(0, PASS),
        Insn::exit(),
    ]
};

/// Swaps two octets of the addresses, at `offset` in each.
const fn swap(offset: i16) -> [Insn; 4] {
    [
        Insn::load(Width::Half, 4, 2, offset),
        Insn::load(Width::Half, 5, 2, offset + 6),
        Insn::store(Width::Half, 2, offset, 5),
        Insn::store(Width::Half, 2, offset + 6, 4),
    ]
}

/// Lets everything pass.
const PASS_ALL: [Insn; 2] = [Insn::set(0, PASS), Insn::exit()];

/// Sends frames of [`ETHERTYPE`] that a netdev receives back, until it is dropped.
///
/// The kernel takes it away with its descriptor, so it never outlives the process.
#[derive(Debug)]
pub struct Reflector {
    _attached: OwnedFd,
}

impl Reflector {
    /// Puts one on the netdev with this index in the calling thread's namespace.
    ///
    /// # Errors
    /// When there is no such netdev, it has an XDP program already, its driver
    /// runs none (TAP and veth do), or CAP_BPF or CAP_NET_ADMIN is missing.
    pub fn attach(ifindex: u32) -> Result<Reflector, Error> {
        Ok(Reflector { _attached: attach(&PROGRAM, ifindex)? })
    }
}

/// Lets every frame pass that a netdev receives, until it is dropped.
///
/// The kernel's veth takes frames that an XDP program at its other end sends
/// back only while it has a program of its own.
#[derive(Debug)]
pub struct Passer {
    _attached: OwnedFd,
}

impl Passer {
    /// Puts one on the netdev with this index in the calling thread's namespace.
    ///
    /// # Errors
    /// As [`Reflector::attach`].
    pub fn attach(ifindex: u32) -> Result<Passer, Error> {
        Ok(Passer { _attached: attach(&PASS_ALL, ifindex)? })
    }
}

fn attach(program: &[Insn], ifindex: u32) -> Result<OwnedFd, Error> {
    let what = format!("netdev {ifindex}");
    let error = |errno| match errno {
        // What a link to a netdev that is not there is answered with.
        Errno::NODEV | Errno::INVAL => Error::failed(&what, "there is no such netdev"),
        Errno::BUSY => Error::failed(&what, "it has an XDP program already"),
        Errno::OPNOTSUPP => Error::failed(&what, "its driver runs no XDP programs"),
        Errno::RANGE => Error::failed(&what, "its MTU is too large for XDP programs"),
        Errno::PERM | Errno::ACCESS => {
            Error::system(&what, &errno.into(), "CAP_BPF and CAP_NET_ADMIN")
        }
        errno => Error::failed(&what, describe(&errno.into())),
    };
    let program = bpf::load(Kind::XDP, program).map_err(error)?;
    bpf::attach_xdp(&program, ifindex).map_err(error)
}

/// A frame that reflectors send back: `len` bytes without FCS, 14 at least, zeroes behind the header.
pub fn frame(to: Mac, from: Mac, len: usize) -> Vec<u8> {
    let mut frame = [&to.octets()[..], &from.octets(), &ETHERTYPE.to_be_bytes()].concat();
    frame.resize(len.max(frame.len()), 0);
    frame
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use switch_core::Frame;
    use switch_core::port::Port;
    use switch_core::ports::memory::Wire;

    use super::*;
    use io_backends::lab::{Place, Wanted};
    use io_backends::ports::tap;
    use io_backends::queue::tap::TapQueue;
    use io_backends::testing::{RawSocket, in_own_netns};

    const HERE: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
    const THERE: Mac = Mac::new([2, 0, 0, 0, 0, 2]);

    fn make(name: &str) -> (TapQueue, u32) {
        let port = tap::create(name, 1).unwrap().remove(0);
        let link = Place::Here
            .links(|links| {
                let link = links.require(name)?;
                links
                    .set(&link, &Wanted { up: Some(true), mtu: Some(9000), ..Wanted::default() })?;
                Ok(link)
            })
            .unwrap();
        (port, link.index)
    }

    /// The next frame a port has within a moment.
    fn next(port: &mut TapQueue) -> Option<Vec<u8>> {
        let mut into = [Frame::new()];
        let moment = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        poll(&mut [PollFd::new(&*port, PollFlags::IN)], Some(&moment)).unwrap();
        let got = port.receive(&mut into).unwrap();
        (got == 1).then(|| into[0].bytes().to_vec())
    }

    #[test]
    fn sends_its_frames_back_and_no_others() {
        in_own_netns(|| {
            let (mut port, index) = make("mirror");
            let reflector = Reflector::attach(index).unwrap();
            assert_eq!(Reflector::attach(index).unwrap_err().why, "it has an XDP program already");
            for len in [14, 60, 1514, 9014] {
                let sent = frame(HERE, THERE, len);
                port.transmit(&mut Frame::from_bytes(&sent)).unwrap();
                assert_eq!(next(&mut port), Some(frame(THERE, HERE, len)), "{len} bytes");
            }
            let mut other = frame(HERE, THERE, 60);
            other[13] ^= 1;
            port.transmit(&mut Frame::from_bytes(&other)).unwrap();
            assert_eq!(next(&mut port), None);
            drop(reflector);
            port.transmit(&mut Frame::from_bytes(&frame(HERE, THERE, 60))).unwrap();
            assert_eq!(next(&mut port), None, "it is gone");
        });
    }

    #[test]
    fn frames_between_two_go_round_for_ever() {
        in_own_netns(|| {
            let (mut one, first) = make("one");
            let (mut two, second) = make("two");
            let _reflectors = [first, second].map(|index| Reflector::attach(index).unwrap());
            let socket = RawSocket::open("one", false).unwrap();
            socket.send(&Wire::from(&frame(THERE, HERE, 60)[..])).unwrap();
            let begun = Instant::now();
            let mut into = [Frame::new()];
            let mut rounds = 0;
            while rounds < 1000 && begun.elapsed() < Duration::from_secs(10) {
                for (from, to) in [(true, false), (false, true)] {
                    let from = if from { &mut one } else { &mut two };
                    if from.receive(&mut into).unwrap() == 1 {
                        rounds += 1;
                        let to = if to { &mut one } else { &mut two };
                        to.transmit(&mut into[0]).unwrap();
                    }
                }
            }
            assert_eq!(rounds, 1000);
        });
    }

    #[test]
    fn a_veth_takes_what_comes_back_while_it_has_a_passer() {
        in_own_netns(|| {
            let up = Wanted { up: Some(true), mtu: Some(9000), ..Wanted::default() };
            let [near, far] = Place::Here
                .links(|links| {
                    let near = links.make_veth("near", "far")?;
                    let far = links.require("far")?;
                    links.set(&near, &up)?;
                    links.set(&far, &up)?;
                    Ok([near.index, far.index])
                })
                .unwrap();
            let _programs = (Passer::attach(near).unwrap(), Reflector::attach(far).unwrap());
            let socket = RawSocket::open("near", false).unwrap();
            for len in [60, 1514, 9014] {
                let sent = Wire::from(&frame(HERE, THERE, len)[..]);
                let back = Wire::from(&frame(THERE, HERE, len)[..]);
                let deadline = Instant::now() + Duration::from_secs(5);
                // What is sent before the kernel has seen the other end's carrier is lost.
                socket.send(&sent).unwrap();
                while socket.receive().unwrap().is_none_or(|got| got != back) {
                    assert!(Instant::now() < deadline, "{len} bytes");
                    socket.send(&sent).unwrap();
                }
            }
        });
    }

    #[test]
    fn a_netdev_that_is_not_there() {
        in_own_netns(|| {
            assert_eq!(Reflector::attach(4711).unwrap_err().why, "there is no such netdev");
        });
    }
}
