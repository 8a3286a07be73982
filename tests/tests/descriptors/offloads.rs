//! A port without virtio-net header takes nothing unfinished: what the others
//! leave to the hardware is done in software. "Ping works, TCP hangs" must not be.

use std::os::fd::OwnedFd;

use tests::lab::{Lab, Stats, at_rest};

use crate::{GIVEN, GIVEN_V4, MADE, MADE_V4, foreign_tap, move_out, tap_with_header, up_with};

fn up(lab: &Lab, open: fn(&Lab, &str) -> OwnedFd) {
    let fd = open(lab, "foreign");
    move_out(lab, "foreign");
    up_with(lab, fd).ok();
}

fn tcp_both_ways(lab: &Lab) {
    for (from, to, address) in [(MADE, GIVEN, GIVEN_V4), (GIVEN, MADE, MADE_V4)] {
        let transfer = lab.iperf(from, to, address, &["-n", "40M"]);
        assert!(transfer.bytes > 30_000_000, "{transfer:?}");
        // Segments that are cut wrongly or whose checksums are wrong come again and again.
        assert!(transfer.rate > 20e6, "{transfer:?}");
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
        for length in ["100", "1400", "8000"] {
            let options = ["-u", "-b", "10M", "-n", "500K", "-l", length];
            // A few may be lost where the machine is busy; none may be wrong.
            let transfer = lab.iperf(from, to, address, &options);
            assert!(transfer.bytes > 250_000, "{length}: {transfer:?}");
        }
        assert_eq!(wrong_checksums(&lab, to), 0);
    }
}

fn wrong_checksums(lab: &Lab, netns: &str) -> u64 {
    let table = lab.run_in(netns, &["cat", "/proc/net/snmp"]).ok();
    let mut rows = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    let mut columns = names.split(' ').zip(values.split(' '));
    let (_, value) = columns.find(|(name, _)| *name == "InCsumErrors").expect("a counter");
    value.parse().expect("a number")
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
        let transfer = lab.iperf(from, to, address, &["-n", "20M"]);
        assert!(transfer.bytes > 10_000_000, "{transfer:?}");
    }
    at_rest(&lab, "m");
}

fn made_frames(stats: &Stats) -> u64 {
    stats.0["made_frames"].as_u64().expect("a count")
}
