use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use switch_core::Frame;
use switch_core::port::Port;
use switch_core::ports::memory::Wire;

use super::*;
use crate::lab::{Place, Wanted};
use crate::ports::tap;
use crate::queue::tap::TapQueue;
use crate::testing::{RawSocket, in_own_netns};

const QUEUES: u16 = 4;

/// A TAP of four queues and who sends through its netdev.
struct Rig {
    queues: Vec<TapQueue>,
    socket: RawSocket,
}

impl Rig {
    fn new() -> Rig {
        let queues = tap::create("steered", QUEUES).unwrap();
        Place::Here
            .links(|links| {
                let link = links.require("steered")?;
                links.set(&link, &Wanted { up: Some(true), ..Wanted::default() })
            })
            .unwrap();
        Rig { queues, socket: RawSocket::open("steered", false).unwrap() }
    }

    /// The queue that a frame comes in by.
    fn queue_of(&mut self, frame: &[u8]) -> usize {
        self.socket.send(&Wire::from(frame)).unwrap();
        let mut into = [Frame::new()];
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            for (number, queue) in self.queues.iter_mut().enumerate() {
                if queue.receive(&mut into) == Ok(1) {
                    assert_eq!(into[0].bytes(), frame);
                    return number;
                }
            }
        }
        panic!("the frame never came");
    }

    fn queues_of(&mut self, frames: impl Iterator<Item = Vec<u8>>) -> BTreeSet<usize> {
        frames.map(|frame| self.queue_of(&frame)).collect()
    }
}

fn ethernet(from: u8, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, from];
    let mut frame = [&addresses[..], &ethertype.to_be_bytes(), payload].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

fn ipv4(protocol: u8, from: u8, fragment: u16, source_port: u16, options: usize) -> Vec<u8> {
    let words = (5 + options) as u8;
    let mut header = vec![0x40 | words, 0, 0, 100, 0, 0, 0, 0, 64, protocol, 0, 0];
    header[6..8].copy_from_slice(&fragment.to_be_bytes());
    header.extend([10, 0, 0, from, 10, 0, 0, 99]);
    header.resize(header.len() + 4 * options, 1);
    header.extend(source_port.to_be_bytes());
    header.extend([0, 80]);
    header
}

fn ipv6(next: u8, from: u8, source_port: u16) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0, 0, 50, next, 64];
    header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, from]);
    header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99]);
    header.extend(source_port.to_be_bytes());
    header.extend([0, 80]);
    header
}

fn tagged(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    [&frame[..12], &tpid.to_be_bytes(), &tci.to_be_bytes(), &frame[12..]].concat()
}

#[test]
fn flows_are_spread_over_the_queues() {
    in_own_netns(|| {
        let mut rig = Rig::new();
        let all: BTreeSet<usize> = (0..usize::from(QUEUES)).collect();
        let pairs = |make: &'static dyn Fn(u8) -> Vec<u8>| (0..64).map(make);
        assert_eq!(rig.queues_of(pairs(&|n| ethernet(n, 0x88b5, &[]))), all, "MAC addresses");
        let host = pairs(&|n| ethernet(1, 0x0800, &ipv4(17, n, 0, 1, 0)));
        assert_eq!(rig.queues_of(host), all, "IPv4 addresses");
        let host = pairs(&|n| ethernet(1, 0x86dd, &ipv6(17, n, 1)));
        assert_eq!(rig.queues_of(host), all, "IPv6 addresses");
        let port = pairs(&|n| ethernet(1, 0x0800, &ipv4(6, 1, 0x4000, n.into(), 0)));
        assert_eq!(rig.queues_of(port), all, "TCP ports");
        let port = pairs(&|n| ethernet(1, 0x0800, &ipv4(6, 1, 0, n.into(), 3)));
        assert_eq!(rig.queues_of(port), all, "TCP ports behind options");
        let port = pairs(&|n| ethernet(1, 0x86dd, &ipv6(6, 1, n.into())));
        assert_eq!(rig.queues_of(port), all, "TCP ports over IPv6");
    });
}

#[test]
fn frames_of_a_flow_stay_together() {
    in_own_netns(|| {
        let mut rig = Rig::new();
        for from in 0..16 {
            let udp = |fragment, port| ethernet(1, 0x0800, &ipv4(17, from, fragment, port, 0));
            // Whole, the first fragment, one in the middle, the last.
            let fragments = [(0, 7), (0x2000, 7), (0x20b9, 0xabcd), (0x0172, 0x1234)];
            let one = rig.queues_of(fragments.into_iter().map(|(f, port)| udp(f, port)));
            assert_eq!(one.len(), 1, "fragments of UDP over IPv4");
            // The fragment header is 44.
            let one = rig.queues_of(
                [17, 44].into_iter().map(|next| ethernet(1, 0x86dd, &ipv6(next, from, 7))),
            );
            assert_eq!(one.len(), 1, "fragments of UDP over IPv6");
            let tcp = ethernet(1, 0x0800, &ipv4(6, from, 0x4000, 7, 0));
            let stacked = tagged(&tagged(&tcp, 0x8100, 5), 0x88a8, 6);
            let one = rig.queues_of([tagged(&tcp, 0x8100, 5), stacked, tcp].into_iter());
            assert_eq!(one.len(), 1, "tags are not looked at");
        }
    });
}

/// The kernel's own choice would follow the answers; and in time, the first frame to come back.
#[test]
fn a_flow_stays_where_it_is_when_answers_leave_elsewhere() {
    in_own_netns(|| {
        let mut rig = Rig::new();
        let there = ethernet(1, 0x0800, &ipv4(6, 1, 0x4000, 7, 0));
        let home = rig.queue_of(&there);
        let mut back = there.clone();
        back[..12].rotate_left(6);
        back[26..34].rotate_left(4);
        back[34..38].rotate_left(2);
        for queue in 0..usize::from(QUEUES) {
            rig.queues[queue].transmit(&mut Frame::from_bytes(&back)).unwrap();
            assert_eq!(rig.queue_of(&there), home);
        }
    });
}

#[test]
fn short_frames_come_in_too() {
    in_own_netns(|| {
        let mut rig = Rig::new();
        let mut short = ethernet(1, 0x0800, &ipv4(6, 1, 0, 7, 0));
        for len in (14..54).rev() {
            short.truncate(len);
            rig.queue_of(&short);
        }
    });
}

#[test]
fn a_failure_that_passes_is_not_remembered() {
    static KEPT: OnceLock<u8> = OnceLock::new();
    assert_eq!(once_it_succeeds(&KEPT, || Err(Errno::AGAIN)), Err(Errno::AGAIN));
    assert_eq!(once_it_succeeds(&KEPT, || Ok(1)), Ok(&1));
    assert_eq!(once_it_succeeds(&KEPT, || Err(Errno::PERM)), Ok(&1));
}

#[test]
fn a_persistent_tap_is_left_as_it_was() {
    in_own_netns(|| {
        let status = std::process::Command::new("ip")
            .args(["tuntap", "add", "dev", "steered", "mode", "tap", "multi_queue"])
            .status()
            .unwrap();
        assert!(status.success());
        // Where a program steers, the kernel's own memory of flows is not used, and the other way round.
        let moves = |rig: &mut Rig| {
            let there = ethernet(1, 0x0800, &ipv4(6, 1, 0x4000, 7, 0));
            let mut back = there.clone();
            back[..12].rotate_left(6);
            back[26..34].rotate_left(4);
            back[34..38].rotate_left(2);
            let homes: BTreeSet<usize> = (0..usize::from(QUEUES))
                .map(|queue| {
                    rig.queues[queue].transmit(&mut Frame::from_bytes(&back)).unwrap();
                    rig.queue_of(&there)
                })
                .collect();
            homes.len() > 1
        };
        let rig = |queues| {
            Place::Here
                .links(|links| {
                    let link = links.require("steered")?;
                    links.set(&link, &Wanted { up: Some(true), ..Wanted::default() })
                })
                .unwrap();
            Rig { queues, socket: RawSocket::open("steered", false).unwrap() }
        };
        let mut ours = rig(tap::attach("steered", QUEUES).unwrap());
        assert!(!moves(&mut ours));
        let Rig { queues, .. } = ours;
        // A descriptor that outlives them tells what they leave behind.
        let witnesses: Vec<_> = queues.iter().map(|queue| queue.sender().unwrap()).collect();
        drop(queues);
        let mut theirs = rig(witnesses);
        assert!(moves(&mut theirs));
    });
}
