//! macvtaps on lower netdevs in other namespaces.

use io_backends::lab::netns::in_netns;
use io_backends::ports::plain::PlainPort;
use tests::lab::{Lab, contains, eventually, lacks};

use crate::{FAR, NEAR, V4, everything_works, far_host, forget_neighbours, ip, near};

/// A namespace whose netdev `low` leads to the host `far`.
fn cable_in(lab: &Lab, netns: &str, far: &str) {
    ip(lab, &format!("netns add {netns}"));
    ip(lab, &format!("netns add {far}"));
    ip(lab, &format!("-n {netns} link add low type veth peer name far0 netns {far}"));
    ip(lab, &format!("-n {netns} link set low up"));
    far_host(lab, far, "far0");
}

fn name(lab: &Lab, switch: &str, port: &str) -> String {
    lab.port(switch, port)["ifname"].as_str().expect("a name").to_owned()
}

#[test]
fn a_lower_netdev_in_a_namespace() {
    let lab = Lab::new();
    cable_in(&lab, "inner", FAR);
    lab.up("m", &[&near(""), "u=macvtap:low,netns=inner"]);
    let name = name(&lab, "m", "u");
    contains(&ip(&lab, "-n inner link"), &name);
    everything_works(&lab);
    lab.netloom(&["down", "m"]).ok();
    // It was not made by the switch, so it stays; the macvtap does not.
    lacks(&ip(&lab, "-n inner link"), &name);
    contains(&ip(&lab, "-n inner link"), "low");
}

#[test]
fn a_tap_below_in_a_namespace_goes_down_and_up() {
    let lab = Lab::new();
    let _tap = in_netns(&lab.host(), || PlainPort::open("low").expect("a TAP"));
    ip(&lab, "netns add inner");
    ip(&lab, "link set low netns inner");
    ip(&lab, "-n inner link set low up");
    lab.up("m", &["u=macvtap:low,netns=inner"]);
    for (set, state) in [("down", "down"), ("up", "up")] {
        ip(&lab, &format!("-n inner link set low {set}"));
        lab.port_is("m", "u", state);
    }
}

#[test]
fn a_namespace_that_is_not_there_is_not_made() {
    let lab = Lab::new();
    lab.try_up("m", &["u=macvtap:low,netns=nowhere"]).refused(1);
    lab.is_empty();
}

/// `/dev/tapN` is named by the index, so two of these share one name there.
#[test]
fn the_same_index_in_two_namespaces() {
    let lab = Lab::new();
    for (netns, far) in [("one", FAR), ("two", "farther")] {
        cable_in(&lab, netns, far);
    }
    lab.up("first", &[&near(""), "u=macvtap:low,netns=one"]);
    lab.up("second", &["n=tap,netns=beside,addr=10.7.0.1/24", "u=macvtap:low,netns=two"]);
    let index = |switch: &str, netns: &str| {
        let name = name(&lab, switch, "u");
        lab.run_in(netns, &["cat", &format!("/sys/class/net/{name}/ifindex")]).ok()
    };
    assert_eq!(index("first", "one"), index("second", "two"));
    // The hosts have the same addresses, but different neighbours.
    lab.ping(NEAR, V4[1]);
    lab.ping("beside", V4[1]);
    let address = |netns: &str, netdev: &str| {
        let text = lab.run_in(netns, &["cat", &format!("/sys/class/net/{netdev}/address")]).ok();
        text.trim().to_owned()
    };
    for (near, far) in [(NEAR, FAR), ("beside", "farther")] {
        let neighbours = ip(&lab, &format!("-n {near} neighbour"));
        assert!(neighbours.contains(&address(far, "far0")), "{neighbours}");
    }
}

#[test]
fn a_deleted_namespace_is_not_kept_alive() {
    let lab = Lab::new();
    cable_in(&lab, "inner", FAR);
    lab.up("m", &[&near(""), "u=macvtap:low,netns=inner"]);
    lab.ping(NEAR, V4[1]);
    ip(&lab, "netns del inner");
    // With its namespace the veth goes, and so does its other end.
    let links = || ip(&lab, &format!("-n {FAR} link"));
    eventually("the namespace ends", links, |links| !links.contains("far0"));
    lab.port_is("m", "u", "fault");

    ip(&lab, &format!("netns del {FAR}"));
    cable_in(&lab, "inner", FAR);
    lab.port_is("m", "u", "up");
    forget_neighbours(&lab);
    everything_works(&lab);
    ip(&lab, "netns del inner");
    ip(&lab, &format!("netns del {FAR}"));
    lab.end();
}
