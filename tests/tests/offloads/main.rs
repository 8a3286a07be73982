//! Offloads pass through and never leak: data through the switch from one
//! kernel's TCP/IP stack to another's, for every pair of ends with and without
//! offloads, untagged, tagged and in a tunnel, at every MTU.
//!
//! An end with offloads is a TAP with a virtio-net header; one without is a
//! TAP without header, as other programs open them. The receiver is strict:
//! its kernel verifies the checksum of every frame that is not marked as
//! unfinished, and the test every single frame ([`strict`]).

mod ends;
mod strict;
mod traffic;

use std::fmt;

use ends::{Ends, RECEIVER};
use strict::Seen;
use tests::lab::{Stats, at_rest, eventually};

/// Whether an end's device takes and gives unfinished frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Offloads {
    On,
    Off,
}

/// What frames look like between the two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Through one switch, as they are.
    Untagged,
    /// From access port to access port of two switches, tagged on the trunk between.
    Tagged,
    /// From tunnel port to tunnel port of two switches, inside a provider's tag on the trunk between.
    Tunnel,
}

const WAYS: [Way; 3] = [Way::Untagged, Way::Tagged, Way::Tunnel];

/// The sender's and the receiver's MTU.
const MTUS: [[u32; 2]; 3] = [[1500, 1500], [9000, 9000], [9000, 1500]];

/// One case of the table, for messages.
struct Case {
    sender: Offloads,
    receiver: Offloads,
    way: Way,
    mtus: [u32; 2],
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { sender, receiver, way, mtus: [from, to] } = self;
        write!(f, "offloads {sender:?} to {receiver:?}, {way:?}, MTU {from} to {to}")
    }
}

#[test]
fn offloads_on_to_on() {
    every_way(Offloads::On, Offloads::On);
}

#[test]
fn offloads_on_to_off() {
    every_way(Offloads::On, Offloads::Off);
}

#[test]
fn offloads_off_to_on() {
    every_way(Offloads::Off, Offloads::On);
}

#[test]
fn offloads_off_to_off() {
    every_way(Offloads::Off, Offloads::Off);
}

fn every_way(sender: Offloads, receiver: Offloads) {
    for way in WAYS {
        let ends = Ends::new(sender, receiver, way);
        for mtus in MTUS {
            let case = Case { sender, receiver, way, mtus };
            println!("{case}");
            ends.set_mtus(mtus);
            everything_arrives(&ends, &case);
        }
        let stats: Vec<_> = ends.switches().map(|switch| at_rest(&ends.lab, switch)).collect();
        let cut = stats.iter().any(|stats| made_frames(stats) > 0);
        assert_eq!(cut, sender == Offloads::On && receiver == Offloads::Off, "{stats:?}");
        for (name, errors) in ends.wrong_checksums() {
            assert_eq!(errors, 0, "{sender:?} to {receiver:?}, {way:?}: {name}");
        }
    }
}

/// TCP over either IP, and UDP: identical to the byte, no wrong checksum, and nothing hangs.
fn everything_arrives(ends: &Ends, case: &Case) {
    for address in [ends::V4[1], ends::V6[1]] {
        traffic::tcp(ends, address, case);
        check(&ends.seen(case), case);
    }
    let before = ends.too_big();
    let lost = traffic::udp(ends, case);
    let seen = ends.seen(case);
    assert!(seen.frames > 0, "{case}");
    // The last ones may still be under way.
    let too_big = || ends.too_big() - before;
    let what = format!("{case}: {lost:?} frames are too big");
    eventually(&what, too_big, |count| count >= lost.start());
    ends.switches().for_each(|switch| drop(at_rest(&ends.lab, switch)));
    assert!(lost.contains(&too_big()), "{case}: {} frames too big, not {lost:?}", too_big());
    if case.way == Way::Tunnel {
        ends.sees(traffic::tagged(ends), case);
    }
}

/// Checks that TCP went as the ends' devices promise.
fn check(seen: &Seen, case: &Case) {
    assert!(seen.frames > 0, "{case}: nothing was seen at {RECEIVER}");
    let whole = case.sender == Offloads::On && case.receiver == Offloads::On;
    assert_eq!(seen.super_frames > 0, whole, "{case}: {seen:?}");
    if case.sender == Offloads::Off || case.receiver == Offloads::Off {
        assert_eq!(seen.unfinished, 0, "{case}: {seen:?}");
    }
}

fn made_frames(stats: &Stats) -> u64 {
    stats.0["made_frames"].as_u64().expect("a count")
}
