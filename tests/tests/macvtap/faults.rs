//! A lower netdev that is not there, goes and comes back.

use tests::lab::{Lab, eventually};

use crate::{FAR, NEAR, V4, cable, everything_works, far_host, forget_neighbours, ip, near};

#[track_caller]
fn becomes(lab: &Lab, state: &str) {
    eventually(&format!("the port is {state}"), 10, || lab.port("m", "u")["state"] == state);
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
    assert!(answer.refused(1).contains("low"));
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

#[test]
fn the_lower_netdev_is_deleted_and_made_again() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &[&near(""), "o=tap,netns=other,addr=10.7.0.3/24", "u=macvtap:low"]);
    lab.ping(NEAR, V4[1]);
    ip(&lab, "link del low");
    eventually("the port is in fault", 2, || lab.port("m", "u")["state"] == "fault");
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
