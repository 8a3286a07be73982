//! A port without virtio-net header takes nothing unfinished: what the others
//! leave to the hardware is done in software. "Ping works, TCP hangs" must not be.

use std::os::fd::OwnedFd;

use tests::lab::{Lab, Stats, at_rest, counter};

use crate::{GIVEN, GIVEN_V4, MADE, MADE_V4, foreign_tap, move_out, tap_with_header, up_with};

fn up(lab: &Lab, open: fn(&Lab, &str) -> OwnedFd) {
    let fd = open(lab, "foreign");
    move_out(lab, "foreign");
    up_with(lab, fd).ok();
}

fn tcp_both_ways(lab: &Lab) {
    for (from, to, address) in [(MADE, GIVEN, GIVEN_V4), (GIVEN, MADE, MADE_V4)] {
        lab.transfer(from, to, address, 40 << 20);
        // Segments whose checksums are wrong come again and again, until they are whole.
        assert_eq!(wrong_checksums(lab, to, "Tcp:"), 0);
    }
}

#[test]
fn tcp_without_a_header() {
    let lab = Lab::new();
    up(&lab, foreign_tap);
    tcp_both_ways(&lab);
    let stats = at_rest(&lab, "m");
    assert!(made_frames(&stats) > 0, "no super-frame was cut: {stats:?}");
}

#[test]
fn tcp_with_a_header() {
    let lab = Lab::new();
    up(&lab, tap_with_header);
    tcp_both_ways(&lab);
    let stats = at_rest(&lab, "m");
    assert_eq!(made_frames(&stats), 0, "super-frames pass whole: {stats:?}");
}

/// The receiver's kernel throws away datagrams whose checksum is wrong, and counts them.
#[test]
fn udp_without_a_header() {
    let lab = Lab::new();
    up(&lab, foreign_tap);
    for (from, to, address) in [(MADE, GIVEN, GIVEN_V4), (GIVEN, MADE, MADE_V4)] {
        // The longer ones are fragmented.
        for length in [100, 1400, 8000] {
            lab.datagrams(from, to, address, length, 50);
        }
        assert_eq!(wrong_checksums(&lab, to, "Udp:"), 0);
    }
}

fn wrong_checksums(lab: &Lab, netns: &str, protocol: &str) -> u64 {
    counter(&lab.proc_net(netns, "snmp"), protocol, "InCsumErrors")
}

#[test]
fn tcp_over_ipv6_and_a_tag() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    move_out(&lab, "foreign");
    lab.run(&["ip", "-n", GIVEN, "addr", "add", "fd08::1/64", "dev", "foreign", "nodad"]).ok();
    up_with(&lab, fd).ok();
    lab.netloom(&["port", "del", "m"]).ok();
    lab.netloom(&["port", "add", "m=tap,netns=made,addr=fd08::2/64,access=5"]).ok();
    lab.netloom(&["port", "set", "x", "access=5"]).ok();
    for (from, to, address) in [(MADE, GIVEN, "fd08::1"), (GIVEN, MADE, "fd08::2")] {
        lab.ping(from, address);
        lab.transfer(from, to, address, 20 << 20);
        assert_eq!(wrong_checksums(&lab, to, "Tcp:"), 0);
    }
    at_rest(&lab, "m");
}

fn made_frames(stats: &Stats) -> u64 {
    stats.0["made_frames"].as_u64().expect("a count")
}
