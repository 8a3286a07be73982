//! Persistent TAPs that were there before: borrowed, and given back as they were.

use tests::lab::Lab;

use crate::{GIVEN, GIVEN_V4, MADE, MADE_V4, both_hear_each_other, ip, link, made};

/// A persistent TAP on the lab's host, with an address of its own, and down.
fn persistent(lab: &Lab, name: &str) {
    ip(lab, &format!("tuntap add dev {name} mode tap"));
    ip(lab, &format!("link set {name} address 02:00:00:00:08:08 mtu 1400"));
    ip(lab, &format!("addr add 192.0.2.1/24 dev {name}"));
}

#[test]
fn given_back_as_it_was() {
    let lab = Lab::new();
    persistent(&lab, "mine");
    let before = link(&lab, "mine");
    let keys = "netns=given,ifname=lent,addr=10.8.0.1/24,mac=02:00:00:00:08:01,mtu=1500";
    lab.up("m", &[&format!("x=tap:mine,existing,{keys}"), &made()]);
    assert_eq!(lab.port("m", "x")["ifname"], "lent");
    both_hear_each_other(&lab);
    lab.transfer(GIVEN, MADE, MADE_V4, 20 << 20);
    lab.netloom(&["down", "m"]).ok();
    assert_eq!(link(&lab, "mine"), before);
    ip(&lab, "link del mine");
    lab.end();
}

#[test]
fn left_where_it_is() {
    let lab = Lab::new();
    persistent(&lab, "mine");
    ip(&lab, &format!("addr add {GIVEN_V4}/24 dev mine"));
    let detection = || lab.run(&["cat", "/proc/sys/net/ipv6/conf/mine/accept_dad"]).ok();
    let before = (link(&lab, "mine"), detection());
    lab.up("m", &["x=tap:mine,existing", &made()]);
    assert_eq!(lab.port("m", "x")["state"], "up");
    lab.ping(MADE, GIVEN_V4);
    lab.netloom(&["port", "del", "x"]).ok();
    assert_eq!((link(&lab, "mine"), detection()), before);
    lab.netloom(&["port", "add", "x=tap:mine,existing"]).ok();
    lab.ping(MADE, GIVEN_V4);
}

#[test]
fn given_back_after_a_kill() {
    let lab = Lab::new();
    persistent(&lab, "mine");
    let before = link(&lab, "mine");
    lab.up("m", &["x=tap:mine,existing,netns=given,addr=10.8.0.1/24", &made()]);
    lab.signal(lab.pid("m"), "KILL");
    lab.switch_is("dead");
    lab.netloom(&["down", "m"]).ok();
    assert_eq!(link(&lab, "mine"), before);
    ip(&lab, "link del mine");
    lab.is_empty();
}

#[test]
fn one_that_is_not_there() {
    let lab = Lab::new();
    let answer = lab.try_up("m", &["x=tap:absent,existing"]);
    assert!(answer.refused(1).contains("absent"), "{answer:#?}");
    lab.is_empty();
}

#[test]
fn one_that_somebody_holds() {
    let lab = Lab::new();
    let _holder = crate::foreign_tap(&lab, "held");
    let answer = lab.try_up("m", &["x=tap:held,existing"]);
    answer.refused(1);
    assert!(answer.hint().contains("macvtap:held"), "{answer:#?}");
}
