//! What is taken away under a running switch: netdevs and whole namespaces.

use serde_json::Value;
use tests::lab::{Lab, at_rest, eventually, none_lost};

const PORTS: [&str; 3] = [
    "a=tap,netns=na,addr=10.9.0.1/24",
    "b=tap,netns=nb,addr=10.9.0.2/24",
    "c=tap,netns=nc,addr=10.9.0.3/24",
];

#[test]
fn a_namespace_deleted_under_a_switch_is_gone_and_costs_the_others_nothing() {
    let lab = Lab::new();
    lab.up("x", &PORTS);
    lab.ping("na", "10.9.0.2");
    // A cable out of the namespace: its far end goes when, and only when, the namespace does.
    lab.run(&["ip", "link", "add", "alive", "type", "veth", "peer", "name", "end", "netns", "na"])
        .ok();
    let others = lab.pinging("nb", "10.9.0.3");
    others.go_on_for(100);
    lab.run(&["ip", "netns", "del", "na"]).ok();
    let port = lab.port_is("x", "a", "fault");
    assert_eq!(port["fault"], "its namespace is gone");
    // What is no longer there has no address and no MTU, not an old one and not 0.
    for field in ["ifname", "mac", "mtu", "queues"] {
        assert!(port[field].is_null(), "{port}");
    }
    // Nothing keeps the namespace alive.
    lab.netdev_goes("alive");
    others.go_on_for(100);
    none_lost(others.stop());
    let log = std::fs::read_to_string(lab.path("/run/netloom/x/log")).expect("the log");
    assert_eq!(log.matches("fault").count(), 1, "{log}");

    // Made again by its user, the namespace gets its port back.
    lab.run(&["ip", "netns", "add", "na"]).ok();
    lab.port_is("x", "a", "up");
    lab.ping("na", "10.9.0.2");
    at_rest(&lab, "x");
    lab.netloom(&["down", "x"]).ok();
    // That one is not the switch's.
    lab.run(&["ip", "netns", "del", "na"]).ok();
    lab.is_empty();
}

#[test]
fn a_switch_stops_cleanly_when_its_namespaces_are_gone() {
    let lab = Lab::new();
    lab.up("x", &PORTS);
    for netns in ["na", "nb", "nc"] {
        lab.run(&["ip", "netns", "del", netns]).ok();
    }
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
    // Or when nobody was there to see them go.
    lab.up("x", &PORTS);
    lab.signal(lab.pid("x"), "KILL");
    lab.run(&["ip", "netns", "del", "nb"]).ok();
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}

#[test]
fn a_netdev_deleted_under_a_switch_is_made_again() {
    let lab = Lab::new();
    lab.up("x", &[PORTS[0], PORTS[1], "c=tap,addr=10.9.0.3/24"]);
    lab.ping("na", "10.9.0.2");
    let others = lab.pinging("nb", "10.9.0.1");
    others.go_on_for(100);
    // A netdev of the host, without a namespace.
    lab.run(&["ip", "link", "del", "c"]).ok();
    let back = || (lab.run(&["ip", "link", "show", "c"]).exit, lab.port("x", "c"));
    let is_back = |(exit, port): &(Option<i32>, Value)| *exit == Some(0) && port["state"] == "up";
    eventually("the port is back", back, is_back);
    lab.run(&["ping", "-n", "-c", "1", "-W", "10", "10.9.0.2"]).ok();
    others.go_on_for(100);
    none_lost(others.stop());
    // One in a namespace, whose neighbours still know its address.
    let mac = lab.port("x", "a")["mac"].clone();
    lab.run_in("na", &["ip", "link", "del", "eth0"]).ok();
    let back = || (lab.run_in("na", &["ip", "link", "show", "eth0"]).exit, lab.port("x", "a"));
    eventually("the port is back", back, is_back);
    assert_eq!(lab.port("x", "a")["mac"], mac);
    lab.ping("nb", "10.9.0.1");
    at_rest(&lab, "x");
    lab.end();
}

#[test]
fn a_netdev_that_is_renamed_stays_the_ports() {
    let lab = Lab::new();
    lab.up("x", &PORTS);
    lab.run_in("na", &["ip", "link", "set", "eth0", "down"]).ok();
    lab.run_in("na", &["ip", "link", "set", "eth0", "name", "lan0"]).ok();
    lab.run_in("na", &["ip", "link", "set", "lan0", "up", "address", "02:00:00:00:00:99"]).ok();
    let is_known = |port: &Value| {
        port["ifname"] == "lan0" && port["mac"] == "02:00:00:00:00:99" && port["state"] == "up"
    };
    eventually("the new name and address are known", || lab.port("x", "a"), is_known);
    lab.ping("na", "10.9.0.2");
    lab.end();
}
