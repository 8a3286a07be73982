//! Known unicast between netdevs goes by the kernel, and is told of like any other frame.

use serde_json::Value;
use tests::lab::{Frame, Lab, Stats, at_rest, eventually, mac};

use crate::cable;

const A: &str = "a=veth,netns=na,addr=10.9.0.1/24";
const B: &str = "b=veth,netns=nb,addr=10.9.0.2/24";

/// Frames that went by the kernel.
fn by_kernel(lab: &Lab) -> u64 {
    lab.json(&["stats"])["lane"]["frames"].as_u64().expect("a count")
}

/// Pings until the kernel carries them: it leaves frames to the workers until it is known that
/// none before them is on its way, which a frame lost at the start of a port delays.
fn kernel_takes_over(lab: &Lab) {
    let ping = || {
        lab.ping("na", "10.9.0.2");
        by_kernel(lab)
    };
    eventually("the kernel takes over", ping, |frames| *frames > 0);
}

fn address(lab: &Lab, port: &str) -> String {
    lab.port("x", port)["mac"].as_str().expect("an address").to_owned()
}

/// Asks what would happen to a frame from one port's netdev to another's.
fn explain(lab: &Lab, from: &str, to: &str) -> Value {
    let (dst, src) = (format!("dst={}", address(lab, to)), format!("src={}", address(lab, from)));
    lab.json(&["explain", "--in", from, &dst, &src])
}

#[test]
fn what_is_known_goes_by_the_kernel() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "t=tap,netns=nt,addr=10.9.0.3/24"]);
    kernel_takes_over(&lab);
    let before = by_kernel(&lab);
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 200).received, 200);
    assert_eq!(by_kernel(&lab) - before, 400);
    let stats = at_rest(&lab, "x");
    assert!(stats.port("a", "rx_frames") >= 200, "{stats:?}");
    for (port, open) in [("a", true), ("b", true), ("t", false)] {
        let row = lab.port("x", port);
        assert_eq!(row["lane"]["open"], open, "{row}");
        assert_eq!(row["lane"]["why"].is_null(), open, "{row}");
    }
    let told = explain(&lab, "a", "b");
    assert_eq!((&told["verdict"], &told["lane"]), (&"forward".into(), &true.into()), "{told}");
    lab.ping("na", "10.9.0.3");
    let told = explain(&lab, "a", "t");
    assert_eq!((&told["verdict"], &told["lane"]), (&"forward".into(), &false.into()), "{told}");
    lab.end();
}

#[test]
fn nothing_does_where_it_is_off() {
    let lab = Lab::new();
    lab.netloom(&["up", "-d", "--name", "x", "--lane", "off", "--port", A, "--port", B]).ok();
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 100).received, 100);
    assert_eq!(by_kernel(&lab), 0);
    assert_eq!(lab.port("x", "a")["lane"]["why"], "the lane is off");
    assert_eq!(explain(&lab, "a", "b")["lane"], false);
    at_rest(&lab, "x");
    lab.end();
}

/// Before anybody has asked the switch for anything.
#[test]
fn it_is_open_from_the_start() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    // Nothing but pings, until they had time enough.
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 20_000).received, 20_000);
    let frames = by_kernel(&lab);
    assert!(frames >= 20_000, "{frames} of 40,000");
    lab.end();
}

/// What went by a port that is no more still counts, and not for the port that gets its number.
#[test]
fn a_port_that_goes_and_comes() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    kernel_takes_over(&lab);
    lab.netloom(&["port", "del", "b"]).ok();
    let carried = by_kernel(&lab);
    assert!(carried > 0, "{carried}");
    lab.netloom(&["port", "add", B]).ok();
    // Others may flood to it by now; nobody knows its address yet.
    let stats = lab.json(&["stats", "b"]);
    assert_eq!(stats["ports"][0]["lane"]["tx_frames"], 0, "{stats}");
    // The new netdev has another address.
    lab.run_in("na", &["ip", "neigh", "flush", "all"]).ok();
    let ping = || {
        lab.ping("na", "10.9.0.2");
        by_kernel(&lab)
    };
    eventually("the kernel takes over again", ping, |frames| *frames > carried);
    at_rest(&lab, "x");
    lab.end();
}

/// A program that outlived its switch would go on forwarding.
#[test]
fn it_ends_with_the_switch() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    kernel_takes_over(&lab);
    lab.signal(lab.pid("x"), "KILL");
    let ping = || lab.run_in("na", &["ping", "-n", "-c", "1", "-W", "1", "10.9.0.2"]);
    eventually("nothing forwards", ping, |answer| answer.exit == Some(1));
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}

/// Tags are put in and taken out on the way, by the rules of the ports.
#[test]
fn vlans_hold() {
    let lab = Lab::new();
    cable(&lab);
    lab.up(
        "x",
        &["a=veth,netns=na,access=10", "c=veth,netns=nc,access=20", "up=netdev:near,trunk=10+20"],
    );
    let (a, c, far) = (lab.nic("na", "eth0"), lab.nic("nc", "eth0"), lab.nic("far", "far0"));
    let on_far = lab.capture("far", "far0");
    let from_a = |text: &str| Frame::new(mac(9), mac(1), text);
    let to_a = |text: &str| Frame::new(mac(1), mac(9), text).tag(0x8100, 10);
    // Each says where it is.
    a.send(&from_a("first"));
    far.send(&to_a("first"));
    let before = by_kernel(&lab);
    eventually(
        "the kernel takes over",
        || {
            a.send(&from_a("more"));
            far.send(&to_a("more"));
            by_kernel(&lab) - before
        },
        |frames| *frames >= 20,
    );
    a.send(&from_a("the last one"));
    let seen = on_far.until(&from_a("the last one").tag(0x8100, 10));
    assert!(
        seen.iter().filter(|frame| frame.src == mac(1)).all(|frame| frame.tags == [(0x8100, 10)])
    );
    far.send(&to_a("the last one"));
    let last = Frame::new(mac(1), mac(9), "the last one");
    a.until(&last);
    // Another VLAN hears nothing of it.
    assert!(c.received().iter().all(|frame| frame.src != mac(9)));
    at_rest(&lab, "x");
    // A port that leaves the VLAN is heard no more, from the moment the command returns.
    lab.netloom(&["port", "set", "a", "access=30"]).ok();
    let _ = a.received();
    for _ in 0..50 {
        far.send(&to_a("late"));
    }
    let end = Frame::new(mac(2), mac(9), "the last one").tag(0x8100, 20);
    far.send(&end);
    c.until(&Frame::new(mac(2), mac(9), "the last one"));
    assert!(a.received().iter().all(|frame| frame.src != mac(9)), "a frame of the old VLAN");
    let stats = Stats::read(&lab, "x");
    assert!(stats.drops("up", "no-target") > 0 || stats.drops("up", "not-member") > 0, "{stats:?}");
    drop((a, c, far, on_far));
    lab.netloom(&["down", "x"]).ok();
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}
