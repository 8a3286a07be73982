//! What a caller can get wrong, and what it is told.

use std::fs::File;
use std::os::fd::OwnedFd;

use io_backends::lab::netns::in_netns;
use tests::lab::{Answer, Lab, PROGRAM, duplicate};
use tun_tap::{Iface, Mode};

use crate::{NUMBER, add, up_with};

/// Neither `up` nor `port add` takes the descriptor, each says why, and nothing changes.
fn refused(open: impl Fn(&Lab) -> OwnedFd, why: &str) {
    let lab = Lab::new();
    let check = |answer: Answer| {
        let message = answer.refused(1);
        assert!(message.contains(why), "{message}");
    };
    check(up_with(&lab, open(&lab)));
    lab.is_empty();
    lab.up("m", &["m=tap"]);
    let before = lab.inventory();
    check(add(&lab, open(&lab)));
    assert_eq!(lab.inventory(), before);
    assert_eq!(lab.json(&["port", "ls"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_file() {
    refused(|_| File::open("/etc/passwd").expect("a file").into(), "neither a TAP nor a macvtap");
}

#[test]
fn a_tun() {
    let open = |lab: &Lab| {
        let open = || Iface::without_packet_info("layer3", Mode::Tun).expect("a TUN");
        duplicate(&in_netns(&lab.host(), open).expect("the lab's host"))
    };
    refused(open, "TUN");
}

#[test]
fn a_tap_with_packet_information() {
    let open = |lab: &Lab| {
        let open = || Iface::new("info", Mode::Tap).expect("a TAP");
        duplicate(&in_netns(&lab.host(), open).expect("the lab's host"))
    };
    refused(open, "packet information");
}

#[test]
fn a_tap_that_is_not_chosen_yet() {
    let open = |_: &Lab| {
        let mut options = File::options();
        options.read(true).write(true).open("/dev/net/tun").expect("TAPs").into()
    };
    refused(open, "attached to no TAP");
}

#[test]
fn a_descriptor_that_is_not_open() {
    let lab = Lab::new();
    let port = format!("x=fd:{NUMBER}");
    for detach in [&["-d"][..], &[]] {
        let words = [&["up", "--name", "m", "--port", &port], detach].concat();
        let answer = lab.netloom(&words);
        assert!(answer.refused(1).contains("is not open"), "{answer:#?}");
    }
    lab.is_empty();
    lab.up("m", &["m=tap"]);
    let answer = lab.netloom(&["port", "add", &port]);
    assert!(answer.refused(1).contains("is not open"), "{answer:#?}");
}

#[test]
fn a_standard_stream() {
    let lab = Lab::new();
    for number in ["0", "1", "2"] {
        let port = format!("x=fd:{number}");
        let answer = lab.netloom(&["up", "-d", "--name", "m", "--port", &port]);
        assert!(answer.refused(1).contains("standard stream"), "{answer:#?}");
    }
    lab.is_empty();
    lab.up("m", &["m=tap"]);
    let answer = lab.netloom(&["port", "add", "x=fd:0"]);
    assert!(answer.refused(1).contains("standard stream"), "{answer:#?}");
}

#[test]
fn no_number() {
    let lab = Lab::new();
    for port in ["x=fd", "x=fd:", "x=fd:seven", "x=fd:-1", "x=fd:99999999999"] {
        lab.netloom(&["up", "-d", "--name", "m", "--port", port]).refused(2);
    }
    lab.is_empty();
}

#[test]
fn one_descriptor_for_two_ports() {
    let lab = Lab::new();
    let fd = crate::foreign_tap(&lab, "foreign");
    let words = [PROGRAM, "up", "-d", "--name", "m", "--port", "x=fd:7", "--port", "y=fd:7"];
    let answer = lab.run_with(NUMBER, fd, &words);
    assert!(answer.refused(2).contains("descriptor 7 is already that of port"), "{answer:#?}");
    lab.is_empty();
}
