//! A netdev of somebody else's, attached where it is.

use tests::lab::{BROADCAST, Frame, Lab, at_rest, eventually, mac};

use crate::{cable, details, is_promiscuous};

const HOST: &str = "a=veth,netns=na,addr=10.9.0.1/24,addr=fd00::1/64";

#[test]
fn it_joins_and_is_given_back() {
    let lab = Lab::new();
    cable(&lab);
    let before = details(&lab, "near");
    lab.up("x", &[HOST, "up=netdev:near"]);
    lab.ping("na", "10.9.0.9");
    lab.ping("na", "fd00::9");
    assert!(is_promiscuous(&lab, "near"));
    let port = lab.port("x", "up");
    assert_eq!((&port["kind"], &port["target"]), (&"netdev".into(), &"near".into()), "{port}");
    assert_eq!((&port["state"], &port["ifname"]), (&"up".into(), &"near".into()), "{port}");
    at_rest(&lab, "x");
    lab.netloom(&["port", "del", "up"]).ok();
    assert_eq!(details(&lab, "near"), before);
    lab.netloom(&["port", "add", "up=netdev:near"]).ok();
    lab.ping("na", "10.9.0.9");
    lab.netloom(&["down", "x"]).ok();
    assert_eq!(details(&lab, "near"), before);
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}

/// The host's stack sees no frame of a netdev that is taken over, and every one afterwards.
#[test]
fn the_host_hears_nothing_while_it_is_attached() {
    let lab = Lab::new();
    cable(&lab);
    lab.run(&["ip", "addr", "add", "10.9.0.8/24", "dev", "near"]).ok();
    lab.run_in("far", &["ping", "-n", "-c", "1", "-W", "2", "10.9.0.8"]).ok();
    lab.up("x", &[HOST, "up=netdev:near,takeover"]);
    lab.ping("far", "10.9.0.1");
    let pinged = lab.run_in("far", &["ping", "-n", "-c", "2", "-W", "1", "10.9.0.8"]);
    assert_ne!(pinged.exit, Some(0), "{pinged:?}");
    // The same after a kill, without anybody's help.
    lab.signal(lab.pid("x"), "KILL");
    let ping = || lab.run_in("far", &["ping", "-n", "-c", "1", "-W", "1", "10.9.0.8"]);
    eventually("the host answers again", ping, |answer| answer.exit == Some(0));
    lab.netloom(&["down", "x"]).ok();
    assert!(!is_promiscuous(&lab, "near"));
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}

#[test]
fn a_flag_that_was_set_before_stays() {
    let lab = Lab::new();
    cable(&lab);
    lab.run(&["ip", "link", "set", "near", "promisc", "on"]).ok();
    lab.up("x", &[HOST, "up=netdev:near"]);
    lab.netloom(&["down", "x"]).ok();
    assert!(is_promiscuous(&lab, "near"));
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}

#[test]
fn every_frame_passes_as_it_is() {
    let lab = Lab::new();
    cable(&lab);
    lab.up("x", &["a=veth,netns=na", "up=netdev:near"]);
    let (na, far) = (lab.nic("na", "eth0"), lab.nic("far", "far0"));
    let (on_na, on_far) = (lab.capture("na", "eth0"), lab.capture("far", "far0"));
    for (nic, capture, station) in [(&na, &on_far, 1), (&far, &on_na, 2)] {
        let frame = |dst, text: &str| Frame::new(dst, mac(station), text);
        let sent = [
            frame(mac(77), "a station nobody knows"),
            frame(BROADCAST, "everybody"),
            frame([1, 0, 0x5e, 1, 2, 3], "a group"),
            frame([1, 0x80, 0xc2, 0, 0, 0x0e], "a control protocol"),
            frame(BROADCAST, "a priority").tag(0x8100, 0xa000),
            frame(BROADCAST, "tagged").tag(0x8100, 0xe00a),
            frame(mac(78), "tagged").tag(0x8100, 4094),
            frame(BROADCAST, "a provider's tag").tag(0x88a8, 100),
            frame(mac(78), "twice").tag(0x8100, 7).tag(0x8100, 0x5009),
            frame(mac(78), "twice").tag(0x8100, 7).tag(0x88a8, 9),
            frame(BROADCAST, "three times").tag(0x8100, 7).tag(0x8100, 8).tag(0x8100, 9),
            frame(BROADCAST, "as long as it gets").length(1514),
            frame(BROADCAST, "with its tag").tag(0x8100, 10).length(1518),
            frame(BROADCAST, "the last one"),
        ];
        for frame in &sent {
            nic.send(frame);
        }
        let seen = capture.until(&sent[sent.len() - 1]);
        let seen: Vec<_> = seen.into_iter().filter(|frame| frame.src == mac(station)).collect();
        assert!(seen == sent, "from station {station}: {seen:.60?}");
    }
    at_rest(&lab, "x");
    drop((na, far, on_na, on_far));
    lab.netloom(&["down", "x"]).ok();
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}

#[test]
fn the_tap_that_another_program_holds() {
    let lab = Lab::new();
    lab.up("vm", &["guest=tap:vm0", "b=tap,netns=nb,addr=10.9.0.2/24"]);
    lab.up("x", &[HOST, "guest=netdev:vm0"]);
    lab.ping("na", "10.9.0.2");
    at_rest(&lab, "x");
    lab.end();
}

#[test]
fn a_netdev_of_another_namespace() {
    let lab = Lab::new();
    cable(&lab);
    lab.run(&["ip", "netns", "add", "mid"]).ok();
    lab.run(&["ip", "link", "set", "near", "netns", "mid"]).ok();
    lab.run(&["ip", "-n", "mid", "link", "set", "near", "up"]).ok();
    lab.up("x", &[HOST, "up=netdev:near,netns=mid"]);
    lab.ping("na", "10.9.0.9");
    assert_eq!(lab.port("x", "up")["netns"], "mid");
    // The switch holds nothing in there: the namespace goes when it is deleted.
    lab.run(&["ip", "netns", "del", "mid"]).ok();
    lab.port_becomes(("x", "up"), "fault", "its namespace is gone");
    let show = || lab.run(&["ip", "-n", "far", "link", "show", "far0"]);
    eventually("nothing keeps the namespace alive", show, |answer| answer.exit != Some(0));
    lab.netloom(&["down", "x"]).ok();
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}

#[test]
fn what_happens_to_it_is_followed() {
    let lab = Lab::new();
    cable(&lab);
    lab.up("x", &[HOST, "up=netdev:near"]);
    let is = |key: &'static str, value: serde_json::Value| {
        lab.port_becomes(("x", "up"), key, value);
    };
    lab.run(&["ip", "link", "set", "near", "mtu", "1400"]).ok();
    is("mtu", 1400.into());
    lab.run(&["ip", "link", "set", "near", "down"]).ok();
    is("state", "down".into());
    lab.run(&["ip", "link", "set", "near", "up"]).ok();
    is("state", "up".into());
    lab.run_in("far", &["ip", "link", "set", "far0", "down"]).ok();
    is("state", "down".into());
    lab.run_in("far", &["ip", "link", "set", "far0", "up"]).ok();
    is("state", "up".into());
    lab.ping("na", "10.9.0.9");
    lab.run(&["ip", "link", "del", "near"]).ok();
    is("state", "fault".into());
    lab.run(&["ip", "netns", "del", "far"]).ok();
    // What its user makes again, under the same name, is attached again.
    cable(&lab);
    is("state", "up".into());
    // The new one has another address.
    lab.run(&["ip", "-n", "na", "neigh", "flush", "all"]).ok();
    lab.ping("na", "10.9.0.9");
    assert!(is_promiscuous(&lab, "near"));
    at_rest(&lab, "x");
    lab.netloom(&["down", "x"]).ok();
    lab.run(&["ip", "netns", "del", "far"]).ok();
    lab.is_empty();
}
