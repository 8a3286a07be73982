//! Pairs that the switch makes.

use serde_json::Value;
use tests::lab::{Lab, at_rest, counter, eventually};

const A: &str = "a=veth:anear,netns=na,addr=10.9.0.1/24,addr=fd00::1/64";
const B: &str =
    "b=veth:bnear,netns=nb,addr=10.9.0.2/24,addr=fd00::2/64,mac=02:00:00:00:00:0b,mtu=9000";

#[test]
fn two_namespaces() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    lab.ping("na", "10.9.0.2");
    lab.ping("nb", "fd00::1");
    let port = lab.port("x", "b");
    for (key, value) in [("kind", "veth"), ("target", "bnear"), ("netns", "nb"), ("ifname", "eth0")]
    {
        assert_eq!(port[key], value, "{port}");
    }
    assert_eq!(port["mac"], "02:00:00:00:00:0b", "{port}");
    assert_eq!(port["mtu"], 9000, "{port}");
    for near in ["anear", "bnear"] {
        lab.run(&["ip", "link", "show", near]).ok();
    }
    let rate = lab.iperf("na", "nb", "10.9.0.2", &["-n", "100M"]);
    assert!(rate > 0.0, "{rate}");
    at_rest(&lab, "x");
    lab.end();
}

/// What is flooded to a router is not addressed to it, and not forwarded by it.
#[test]
fn a_router_forwards_nothing_that_was_only_flooded_to_it() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "router=veth,netns=nr,addr=10.9.0.254/24,addr=10.8.0.254/24"]);
    lab.run_in("nr", &["sysctl", "-qw", "net.ipv4.ip_forward=1"]).ok();
    // A neighbour of an address that no port has: its frames go to all.
    let lladdr = "02:00:00:00:00:77";
    lab.run_in("na", &["ip", "neigh", "add", "10.9.0.77", "lladdr", lladdr, "dev", "eth0"]).ok();
    lab.run_in("na", &["ping", "-n", "-q", "-c", "20", "-i", "0.01", "-W", "1", "10.9.0.77"]);
    // The router has heard all that was before this.
    lab.ping("na", "10.9.0.254");
    let forwarded = counter(&lab.proc_net("nr", "snmp"), "Ip:", "ForwDatagrams");
    assert_eq!(forwarded, 0);
    lab.end();
}

#[test]
fn with_a_tap_and_vlans() {
    let lab = Lab::new();
    lab.up(
        "x",
        &[
            "a=veth,netns=na,addr=10.9.0.1/24,access=10",
            "b=tap,netns=nb,addr=10.9.0.2/24,access=10",
            "c=veth,netns=nc,addr=10.9.0.3/24,access=20",
        ],
    );
    lab.ping("na", "10.9.0.2");
    let pinged = lab.run_in("na", &["ping", "-n", "-c", "1", "-W", "1", "10.9.0.3"]);
    assert_ne!(pinged.exit, Some(0), "{pinged:?}");
    lab.netloom(&["port", "set", "c", "access=10"]).ok();
    lab.ping("na", "10.9.0.3");
    at_rest(&lab, "x");
    lab.end();
}

/// A port of the host's own: both ends are where the switch runs.
#[test]
fn a_port_for_the_host() {
    let lab = Lab::new();
    lab.up("x", &[A, "host=veth,addr=10.9.0.8/24"]);
    assert_eq!(lab.port("x", "host")["ifname"], "host");
    lab.ping("na", "10.9.0.8");
    lab.run(&["ping", "-n", "-c", "1", "-W", "2", "10.9.0.1"]).ok();
    lab.end();
}

/// Whether a netdev was shown and its port is up.
fn is_back((shown, port): &(Option<i32>, Value)) -> bool {
    *shown == Some(0) && port["state"] == "up"
}

#[test]
fn what_happens_to_it_is_followed() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    let is = |port: &'static str, key: &'static str, value: Value| {
        lab.port_becomes(("x", port), key, value);
    };
    lab.run_in("na", &["ip", "link", "set", "eth0", "mtu", "1400"]).ok();
    is("a", "mtu", 1400.into());
    lab.run_in("na", &["ip", "link", "set", "eth0", "down"]).ok();
    is("a", "state", "down".into());
    lab.run_in("na", &["ip", "link", "set", "eth0", "up"]).ok();
    is("a", "state", "up".into());
    let mac = lab.port("x", "a")["mac"].clone();
    // Either end takes the other along; both are made again.
    for words in [["-n", "na", "link", "del", "eth0"], ["-n", "na", "link", "del", "eth0"]] {
        lab.run(&[&["ip"], &words[..]].concat()).ok();
        let back = || (lab.run_in("na", &["ip", "link", "show", "eth0"]).exit, lab.port("x", "a"));
        eventually("the port is back", back, is_back);
        assert_eq!(lab.port("x", "a")["mac"], mac);
        lab.ping("nb", "10.9.0.1");
    }
    lab.run(&["ip", "link", "del", "anear"]).ok();
    let back = || (lab.run(&["ip", "link", "show", "anear"]).exit, lab.port("x", "a"));
    eventually("the port is back", back, is_back);
    lab.ping("nb", "10.9.0.1");
    lab.run(&["ip", "netns", "del", "na"]).ok();
    is("a", "fault", "its namespace is gone".into());
    at_rest(&lab, "x");
    lab.end();
}

#[test]
fn nothing_is_left_of_a_killed_switch() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "host=veth,addr=10.9.0.8/24"]);
    lab.signal(lab.pid("x"), "KILL");
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}

#[test]
fn names_that_are_taken_or_too_long() {
    let lab = Lab::new();
    lab.run(&["ip", "link", "add", "anear", "type", "veth", "peer", "name", "other"]).ok();
    let answer = lab.try_up("x", &[A]);
    assert!(answer.refused(1).contains("already there"), "{answer:?}");
    lab.run(&["ip", "link", "del", "anear"]).ok();
    lab.is_empty();
    lab.up("x", &["a-name-of-twenty-bytes=veth,netns=na,addr=10.9.0.1/24"]);
    lab.ping("na", "10.9.0.1");
    lab.end();
}
