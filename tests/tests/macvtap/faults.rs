//! A lower netdev that is not there, goes and comes back.

use io_backends::lab::netns::in_netns;
use io_backends::ports::plain::PlainPort;
use tests::lab::{Lab, Pings, at_rest, contains};

use crate::{FAR, NEAR, V4, cable, everything_works, far_host, forget_neighbours, ip, near};

#[track_caller]
fn becomes(lab: &Lab, state: &str) {
    lab.port_is("m", "u", state);
}

#[test]
fn a_lower_netdev_that_is_not_there() {
    let lab = Lab::new();
    let message = lab.try_up("m", &[&near(""), "u=macvtap:absent"]).refused(1);
    assert!(message.contains("absent"), "{message}");
    lab.is_empty();
}

#[test]
fn a_lower_netdev_that_is_down() {
    let lab = Lab::new();
    cable(&lab, "low");
    ip(&lab, "link set low down");
    let before = lab.inventory();
    let answer = lab.try_up("m", &[&near(""), "u=macvtap:low"]);
    contains(&answer.refused(1), "low");
    assert!(answer.hint().contains("ip link set low up"), "{answer:#?}");
    assert_eq!(lab.inventory(), before);
}

#[test]
fn a_lower_netdev_in_use_by_another_passthru() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &["u=macvtap:low"]);
    let before = lab.inventory();
    let answer = lab.try_up("second", &["u=macvtap:low"]);
    answer.refused(1);
    assert!(answer.hint().contains("only one"), "{answer:#?}");
    assert_eq!(lab.inventory(), before);
}

#[test]
fn the_lower_netdev_goes_down_and_up() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &[&near(""), "u=macvtap:low"]);
    lab.ping(NEAR, V4[1]);
    ip(&lab, "link set low down");
    becomes(&lab, "down");
    ip(&lab, "link set low up");
    becomes(&lab, "up");
    everything_works(&lab);
}

/// A TAP keeps its carrier when it is set down, and so does a macvtap on it.
#[test]
fn a_tap_below_goes_down_and_up() {
    let lab = Lab::new();
    let tap = in_netns(&lab.host(), || PlainPort::open("low").expect("a TAP"));
    ip(&lab, "link set low up");
    lab.up("m", &[&near(""), "o=tap,netns=other,addr=10.7.0.3/24", "u=macvtap:low"]);
    let in_time = |state: &str| {
        lab.port_is("m", "u", state);
    };
    for _ in 0..2 {
        assert_eq!(lab.port("m", "u")["state"], "up");
        ip(&lab, "link set low down");
        in_time("down");
        // The others go on, and what floods has one way less.
        assert_eq!(lab.flood_ping(NEAR, "10.7.0.3", 100), Pings { sent: 100, received: 100 });
        ip(&lab, "link set low up");
        in_time("up");
    }
    // Two ports on one netdev both follow it, and one that goes leaves it to the other.
    lab.netloom(&["port", "del", "u"]).ok();
    for name in ["v", "w"] {
        lab.netloom(&["port", "add", &format!("{name}=macvtap:low,mode=bridge")]).ok();
    }
    let both = |state: &str| {
        for name in ["v", "w"] {
            lab.port_is("m", name, state);
        }
    };
    ip(&lab, "link set low down");
    both("down");
    ip(&lab, "link set low up");
    both("up");
    lab.netloom(&["port", "del", "v"]).ok();
    ip(&lab, "link set low down");
    lab.port_is("m", "w", "down");
    at_rest(&lab, "m");
    drop(tap);
    lab.port_is("m", "w", "fault");
}

/// A port of the switch may be what another one sits on.
#[test]
fn a_tap_of_the_switch_below() {
    let lab = Lab::new();
    lab.up("m", &["low=tap", &near(""), "u=macvtap:low"]);
    let states = |expected: [&str; 2]| {
        for (name, state) in ["low", "u"].into_iter().zip(expected) {
            lab.port_is("m", name, state);
        }
    };
    states(["up", "up"]);
    ip(&lab, "link set low down");
    states(["down", "down"]);
    ip(&lab, "link set low up");
    states(["up", "up"]);
    lab.netloom(&["port", "del", "u"]).ok();
    ip(&lab, "link set low down");
    lab.port_is("m", "low", "down");
}

#[test]
fn the_lower_netdev_is_deleted_and_made_again() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &[&near(""), "o=tap,netns=other,addr=10.7.0.3/24", "u=macvtap:low"]);
    lab.ping(NEAR, V4[1]);
    ip(&lab, "link del low");
    lab.port_is("m", "u", "fault");
    assert!(lab.port("m", "u")["fault"].is_string());
    // The other ports go on.
    lab.ping(NEAR, "10.7.0.3");

    ip(&lab, &format!("link add low type veth peer name far0 netns {FAR}"));
    ip(&lab, "link set low up");
    far_host(&lab, FAR, "far0");
    becomes(&lab, "up");
    forget_neighbours(&lab);
    everything_works(&lab);
    let log = std::fs::read_to_string(lab.path("/run/netloom/m/log")).expect("a log");
    assert_eq!(log.matches("port u: fault").count(), 1, "{log}");
    lab.netloom(&["down", "m"]).ok();
    ip(&lab, "link del low");
    ip(&lab, "netns del far");
    lab.is_empty();
}
