//! What may not be attached, and stays as it is.

use tests::lab::{Lab, contains};

use crate::{cable, details};

/// Starts a switch with this port, which is refused with exit status 1.
fn refused(lab: &Lab, port: &str) -> (String, String) {
    let before = details(lab, "near");
    let answer = lab.try_up("x", &[port]);
    let message = answer.refused(1).to_owned();
    assert_eq!(details(lab, "near"), before);
    (message, answer.hint().to_owned())
}

#[test]
fn a_netdev_by_which_the_host_is_reached() {
    let lab = Lab::new();
    cable(&lab);
    lab.run(&["ip", "addr", "add", "10.9.0.8/24", "dev", "near"]).ok();
    for kind in ["netdev", "macvtap"] {
        let (message, hint) = refused(&lab, &format!("up={kind}:near"));
        assert!(message.contains("10.9.0.8/24"), "{message}");
        assert!(hint.contains("addr=10.9.0.8/24") && hint.contains("takeover"), "{hint}");
    }
    lab.run(&["ip", "route", "add", "default", "via", "10.9.0.9"]).ok();
    for kind in ["netdev", "macvtap"] {
        let (message, hint) = refused(&lab, &format!("up={kind}:near"));
        assert!(message.contains("the default route"), "{message}");
        assert!(hint.contains("gateway=10.9.0.9"), "{hint}");
        let taken = format!("up={kind}:near,takeover");
        lab.up("x", &[&taken]);
        lab.netloom(&["down", "x"]).ok();
    }
    // Modes in which the host keeps its own frames cut nothing off.
    lab.up("x", &["up=macvtap:near,mode=bridge"]);
    lab.netloom(&["down", "x"]).ok();
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}

#[test]
fn what_is_no_netdev_for_a_switch() {
    let lab = Lab::new();
    cable(&lab);
    contains(&refused(&lab, "up=netdev:nowhere").0, "there is no such netdev");
    contains(&refused(&lab, "up=netdev:lo").0, "Ethernet");
    contains(&refused(&lab, "up=netdev:near,netns=nowhere").0, "nowhere");
    lab.run(&["ip", "link", "add", "br0", "type", "bridge"]).ok();
    lab.run(&["ip", "link", "set", "near", "master", "br0"]).ok();
    let (message, hint) = refused(&lab, "up=netdev:near");
    assert!(message.contains("br0") && hint.contains("nomaster"), "{message} {hint}");
    lab.run(&["ip", "link", "set", "near", "nomaster"]).ok();
    lab.run(&["ip", "link", "del", "br0"]).ok();
    // Another switch has it.
    lab.up("y", &["up=netdev:near"]);
    contains(&refused(&lab, "up=netdev:near").0, "a program takes its frames already");
    lab.netloom(&["down", "y"]).ok();
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}
