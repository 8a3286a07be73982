//! Descriptors that somebody else opened, and TAPs that are somebody else's.

mod existing;
mod held;
mod hostile;
mod mistakes;
mod offloads;

use std::os::fd::{AsFd, OwnedFd};

use io_backends::lab::netns::in_netns;
use io_backends::lab::{Place, macvtap_device};
use io_backends::ports::{macvtap, tap};
use serde_json::Value;
use tests::lab::{Answer, Lab, PROGRAM, contains, duplicate, eventually, lacks};
use tun_tap::{Iface, Mode};

/// The number under which descriptors are handed over.
const NUMBER: u8 = 7;
/// The host whose netdev the descriptor is of, and the one behind a port that the switch made.
const GIVEN: &str = "given";
const MADE: &str = "made";
/// Their addresses.
const GIVEN_V4: &str = "10.8.0.1";
const MADE_V4: &str = "10.8.0.2";

/// `ip WORDS`, words parted by spaces.
fn ip(lab: &Lab, words: &str) -> String {
    lab.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok()
}

/// Opens a TAP of the lab's host without a virtio-net header, as the `tun-tap` crate does.
fn foreign_tap(lab: &Lab, name: &str) -> OwnedFd {
    let open = || Iface::without_packet_info(name, Mode::Tap).expect("a TAP");
    duplicate(&in_netns(&lab.host(), open).expect("the lab's host"))
}

/// The same with a virtio-net header.
fn tap_with_header(lab: &Lab, name: &str) -> OwnedFd {
    let ports = in_netns(&lab.host(), || tap::create(name, 1)).expect("the lab's host");
    ports.expect("a TAP")[0].as_fd().try_clone_to_owned().expect("a duplicate")
}

/// Gives a netdev of the lab's host to the host `given`.
fn move_out(lab: &Lab, name: &str) {
    ip(lab, &format!("netns add {GIVEN}"));
    ip(lab, &format!("link set {name} netns {GIVEN}"));
    address(lab, name);
}

fn address(lab: &Lab, name: &str) {
    ip(lab, &format!("-n {GIVEN} addr add {GIVEN_V4}/24 dev {name}"));
    ip(lab, &format!("-n {GIVEN} link set {name} up"));
}

/// `netloom up -d` with the port `x` of the descriptor and one the switch makes.
fn up_with(lab: &Lab, fd: OwnedFd) -> Answer {
    let (given, made) = (format!("x=fd:{NUMBER}"), made());
    let words = [PROGRAM, "up", "-d", "--name", "m", "--port", &given, "--port", &made];
    lab.run_with(NUMBER, fd, &words)
}

/// `netloom port add` with the descriptor.
fn add(lab: &Lab, fd: OwnedFd) -> Answer {
    lab.run_with(NUMBER, fd, &[PROGRAM, "port", "add", &format!("x=fd:{NUMBER}")])
}

fn made() -> String {
    format!("m=tap,netns={MADE},addr={MADE_V4}/24")
}

/// Pings both ways.
#[track_caller]
fn both_hear_each_other(lab: &Lab) {
    lab.ping(GIVEN, MADE_V4);
    lab.ping(MADE, GIVEN_V4);
}

/// Everything the kernel tells about a TAP but its counters, and what only
/// being opened changes: its queueing, and the header that each who opens it chooses.
fn link(lab: &Lab, netdev: &str) -> Value {
    let text = lab.run(&["ip", "-d", "-j", "addr", "show", netdev]).ok();
    let mut link = serde_json::from_str::<Value>(&text).expect("JSON")[0].take();
    link["qdisc"].take();
    link["linkinfo"]["info_data"]["vnet_hdr"].take();
    link
}

#[test]
fn inherited_without_a_header() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    move_out(&lab, "foreign");
    up_with(&lab, fd).ok();
    both_hear_each_other(&lab);
    // The switch finds the netdev by the namespace's name, and follows it.
    let row = lab.port("m", "x");
    assert_eq!((&row["kind"], &row["state"]), (&"fd".into(), &"up".into()));
    assert_eq!((&row["ifname"], &row["mtu"]), (&"foreign".into(), &1500.into()), "{row}");
    ip(&lab, &format!("-n {GIVEN} link set foreign mtu 1400"));
    lab.port_becomes(("m", "x"), "mtu", 1400);
    ip(&lab, &format!("-n {GIVEN} link set foreign down"));
    lab.port_is("m", "x", "down");
    // The switch holds the only descriptor: the TAP, which is not persistent, ends with it.
    lab.netloom(&["down", "m"]).ok();
    lacks(&ip(&lab, &format!("-n {GIVEN} link")), "foreign");
    ip(&lab, &format!("netns del {GIVEN}"));
    lab.end();
}

/// A namespace without a name can't be looked into: nothing is made up then.
#[test]
fn inherited_from_a_namespace_without_a_name() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    move_out(&lab, "foreign");
    // A process keeps it, and its name goes.
    let keeper = lab.spawn(&["ip", "netns", "exec", GIVEN, "sleep", "600"]);
    let pids = || lab.run(&["ip", "netns", "pids", GIVEN]).ok();
    eventually("the process is in there", pids, |pids| !pids.trim().is_empty());
    ip(&lab, &format!("netns del {GIVEN}"));
    up_with(&lab, fd).ok();
    let row = lab.port("m", "x");
    assert_eq!((&row["kind"], &row["state"]), (&"fd".into(), &"up".into()));
    assert!(row["ifname"].is_null() && row["mtu"].is_null() && row["netns"].is_null(), "{row}");
    drop(keeper);
}

#[test]
fn inherited_with_a_header() {
    let lab = Lab::new();
    let fd = tap_with_header(&lab, "foreign");
    move_out(&lab, "foreign");
    up_with(&lab, fd).ok();
    both_hear_each_other(&lab);
}

#[test]
fn inherited_in_the_foreground() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    move_out(&lab, "foreign");
    let script =
        format!("exec {PROGRAM} up --name m --port x=fd:7 --port {} 7<&0 0</dev/null", made());
    let mut command = lab.command(&["sh", "-c", &script]);
    let mut child = command.stdin(fd).spawn().expect("a child");
    // It serves as soon as it is listed with both ports.
    eventually("the switch runs", || lab.json(&["ls"]), |rows| rows[0]["ports"] == 2);
    drop(command);
    both_hear_each_other(&lab);
    lab.netloom(&["down", "m"]).ok();
    assert!(child.wait().expect("its end").success());
    lacks(&ip(&lab, &format!("-n {GIVEN} link")), "foreign");
}

#[test]
fn handed_to_a_running_switch() {
    let lab = Lab::new();
    lab.up("m", &[&made()]);
    for open in [foreign_tap, tap_with_header] {
        let fd = open(&lab, "foreign");
        move_out(&lab, "foreign");
        add(&lab, fd).ok();
        both_hear_each_other(&lab);
        lab.netloom(&["port", "del", "x"]).ok();
        ip(&lab, &format!("netns del {GIVEN}"));
    }
    lab.end();
}

#[test]
fn a_netdev_the_switch_sees() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    ip(&lab, &format!("addr add {GIVEN_V4}/24 dev foreign"));
    up_with(&lab, fd).ok();
    let row = lab.port("m", "x");
    assert_eq!((&row["ifname"], &row["state"]), (&"foreign".into(), &"down".into()));
    ip(&lab, "link set foreign up");
    lab.port_is("m", "x", "up");
    lab.ping(MADE, GIVEN_V4);
    lab.netloom(&["down", "m"]).ok();
    lab.end();
}

/// A macvtap `theirs` on one end of a veth, whose other end is the host `given`'s; its descriptor.
fn macvtap_to_given(lab: &Lab) -> OwnedFd {
    ip(lab, &format!("netns add {GIVEN}"));
    ip(lab, &format!("link add low type veth peer name far0 netns {GIVEN}"));
    ip(lab, "link set low up");
    address(lab, "far0");
    ip(lab, "link add link low name theirs type macvtap mode passthru");
    ip(lab, "link set theirs allmulticast on up");
    let open = || {
        let link = Place::Here.links(|links| links.require("theirs"))?;
        let (major, minor) = macvtap_device(&Place::Here, &link)?;
        macvtap::open(major, minor, 1)
    };
    let ports = in_netns(&lab.host(), open).expect("the lab's host").expect("a macvtap");
    ports[0].as_fd().try_clone_to_owned().expect("a duplicate")
}

#[test]
fn a_macvtap_descriptor() {
    let lab = Lab::new();
    let fd = macvtap_to_given(&lab);
    up_with(&lab, fd).ok();
    assert_eq!(lab.port("m", "x")["ifname"], "theirs");
    both_hear_each_other(&lab);
    lab.transfer(MADE, GIVEN, GIVEN_V4, 20 << 20);
    lab.transfer(GIVEN, MADE, MADE_V4, 20 << 20);
    // It is theirs, and stays.
    lab.netloom(&["down", "m"]).ok();
    contains(&ip(&lab, "link"), "theirs");
}

#[test]
fn a_device_that_goes_does_not_come_back() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    move_out(&lab, "foreign");
    up_with(&lab, fd).ok();
    both_hear_each_other(&lab);
    ip(&lab, &format!("-n {GIVEN} link del foreign"));
    lab.port_is("m", "x", "fault");
    lab.ping(MADE, MADE_V4);
    lab.netloom(&["port", "del", "x"]).ok();
    let fd = foreign_tap(&lab, "again");
    ip(&lab, &format!("link set again netns {GIVEN}"));
    address(&lab, "again");
    add(&lab, fd).ok();
    ip(&lab, &format!("-n {MADE} neighbour flush all"));
    both_hear_each_other(&lab);
}

#[test]
fn a_descriptor_keeps_no_namespace_alive() {
    let lab = Lab::new();
    let fd = foreign_tap(&lab, "foreign");
    move_out(&lab, "foreign");
    ip(&lab, &format!("-n {GIVEN} link add witness type veth peer name outside"));
    ip(&lab, &format!("-n {GIVEN} link set outside netns 1"));
    up_with(&lab, fd).ok();
    both_hear_each_other(&lab);
    ip(&lab, &format!("netns del {GIVEN}"));
    lab.netdev_goes("outside");
    lab.port_is("m", "x", "fault");
}
