//! VLANs, with tags seen by `tcpdump` and frames compared byte for byte.

use tests::lab::{Frame, Lab, at_rest, counter, has, mac};

use crate::hosts::{SWITCH, hosts, received};

const C: u16 = 0x8100;
const S: u16 = 0x88a8;

fn from(station: u16, text: &str) -> Frame {
    Frame::new(mac(0xff), mac(station), text)
}

#[test]
fn a_trunk_sees_the_tags_and_access_ports_only_their_vlan() {
    let lab = Lab::new();
    if !has("tcpdump") {
        return;
    }
    let keys = ["access=10", "access=10", "access=20", "trunk=10+20", "trunk,native=10"];
    let [n1, n2, n3, n4, n5] = hosts(&lab, keys);
    let (on_4, on_5) = (lab.capture("n4", "eth0"), lab.capture("n5", "eth0"));
    let on_2 = lab.capture("n2", "eth0");

    n1.send(&from(1, "vlan 10"));
    n3.send(&from(3, "vlan 20"));
    let last = from(1, "the last one");
    n1.send(&last);
    let tagged = |frame: &Frame, vid| frame.clone().tag(C, vid);
    let expected =
        [tagged(&from(1, "vlan 10"), 10), tagged(&last, 10), tagged(&from(3, "vlan 20"), 20)];
    for frame in &expected {
        on_4.until(frame);
    }
    // The native VLAN leaves untagged, the others tagged.
    let seen = on_5.until(&last);
    assert!(seen.contains(&from(1, "vlan 10")), "{seen:?}");
    on_5.until(&tagged(&from(3, "vlan 20"), 20));
    let seen = on_2.until(&last);
    assert_eq!(seen, [from(1, "vlan 10"), last]);

    // From the trunk, with a priority, down to the access ports and over to the other trunk.
    n4.send(&from(4, "from the trunk").tag(C, 0xe00a));
    n4.send(&from(4, "from the trunk").tag(C, 0x6014));
    let plain = from(4, "from the trunk");
    assert_eq!(on_2.until(&plain).last(), Some(&plain));
    on_5.until(&plain);
    on_5.until(&plain.clone().tag(C, 0x6014));
    assert!(!n3.until(&plain).contains(&from(1, "vlan 10")), "VLAN 10 on a port of VLAN 20");

    // What does not belong is dropped by name.
    n4.send(&from(4, "untagged").clone());
    n4.send(&from(4, "another vlan").tag(C, 30));
    n4.send(&from(4, "reserved").tag(C, 4095));
    n1.send(&from(1, "tagged").tag(C, 10));
    received(&n1, [&n2]);
    let end = from(5, "the last one from 5").tag(C, 20);
    n4.send(&end);
    on_5.until(&end);
    let stats = at_rest(&lab, SWITCH);
    // The hosts' own chatter is untagged too.
    assert!(stats.drops("p4", "no-native") >= 1, "{stats:?}");
    assert_eq!(stats.drops("p4", "vid-not-allowed"), 1, "{stats:?}");
    assert_eq!(stats.drops("p4", "reserved-vid"), 1, "{stats:?}");
    assert_eq!(stats.drops("p1", "tagged-on-access"), 1, "{stats:?}");
    drop((n2, n3, n5, on_2, on_4, on_5));
    lab.end();
}

#[test]
fn a_tunnel_carries_any_tags_inside_its_own() {
    let lab = Lab::new();
    if !has("tcpdump") {
        return;
    }
    let keys = ["tunnel=100", "tunnel=100", "trunk=100,tpid=0x88a8", "trunk=100", "tunnel=200"];
    let [n1, n2, n3, n4, n5] = hosts(&lab, keys);
    let customer = lab.capture("n2", "eth0");
    let (provider, ordinary) = (lab.capture("n3", "eth0"), lab.capture("n4", "eth0"));
    let frames = [
        from(1, "untagged"),
        from(1, "tagged").tag(C, 0xa005),
        from(1, "twice").tag(C, 7).tag(S, 0x2009),
        from(1, "priority").tag(C, 0x4000),
        from(1, "the last one").tag(C, 4095),
    ];
    frames.iter().for_each(|frame| n1.send(frame));
    let last = &frames[frames.len() - 1];
    assert_eq!(customer.until(last), frames, "as they came");
    let outer = |tpid| frames.iter().map(|frame| frame.clone().tag(tpid, 100)).collect::<Vec<_>>();
    assert_eq!(provider.until(&last.clone().tag(S, 100)), outer(S));
    assert_eq!(ordinary.until(&last.clone().tag(C, 100)), outer(C));
    // And back, out of either kind of outer tag.
    let back = from(3, "back").tag(C, 11);
    n3.send(&back.clone().tag(S, 100));
    n4.send(&back.clone().tag(C, 0xe064));
    assert_eq!(customer.until(&back).last(), Some(&back));
    assert!(!n5.received().iter().any(|frame| frame.src == mac(1)), "another tunnel");
    at_rest(&lab, SWITCH);
    drop((customer, provider, ordinary, n2));
    lab.end();
}

#[test]
fn transparent_ports_pass_every_tag_unchanged() {
    let lab = Lab::new();
    if !has("tcpdump") {
        return;
    }
    let [n1, n2, n3] = hosts(&lab, ["", "", "access=10"]);
    let far = lab.capture("n2", "eth0");
    let frames = [
        from(1, "untagged"),
        from(1, "tagged").tag(C, 0xf00a),
        from(1, "priority").tag(C, 0x8000),
        from(1, "twice").tag(C, 7).tag(C, 10),
        from(1, "thrice").tag(C, 7).tag(S, 8).tag(C, 9),
        from(1, "another TPID").tag(S, 5),
        from(1, "the last one").tag(C, 4094),
    ];
    n1.send(&from(1, "reserved").tag(C, 4095));
    frames.iter().for_each(|frame| n1.send(frame));
    assert_eq!(far.until(&frames[6]), frames);
    assert_eq!(at_rest(&lab, SWITCH).drops("p1", "reserved-vid"), 1);
    // An access port's frames leave a transparent one with their VLAN's tag.
    n3.send(&from(3, "of VLAN 10"));
    let tagged = from(3, "of VLAN 10").tag(C, 10);
    assert_eq!(far.until(&tagged).last(), Some(&tagged));
    drop((far, n2));
    lab.end();
}

#[test]
fn hosts_of_different_vlans_do_not_hear_each_other() {
    let lab = Lab::new();
    lab.up(
        "x",
        &[
            "a=tap,netns=na,addr=10.9.0.1/24,access=10",
            "b=tap,netns=nb,addr=10.9.0.2/24,access=10",
            "c=tap,netns=nc,addr=10.9.0.3/24,access=20",
            "d=tap,netns=nd,addr=10.9.0.4/24,trunk=30,native=20",
        ],
    );
    lab.ping("na", "10.9.0.2");
    lab.ping("nc", "10.9.0.4");
    for (netns, address) in [("na", "10.9.0.3"), ("nd", "10.9.0.1")] {
        let answer = lab.run_in(netns, &["ping", "-n", "-c", "1", "-W", "1", address]);
        assert_eq!(answer.exit, Some(1), "{answer:?}");
    }
    // The same address may be in two VLANs at two ports.
    let mac = "02:00:00:00:00:77";
    lab.netloom(&["fdb", "add", mac, "a"]).ok();
    lab.netloom(&["fdb", "add", mac, "c"]).ok();
    let fdb = lab.fdb("x");
    assert_eq!(fdb[&(mac.to_owned(), 10)], "a");
    assert_eq!(fdb[&(mac.to_owned(), 20)], "c");
    at_rest(&lab, "x");
    lab.end();
}

/// Two switches, a kernel bridge between their last ports, and a host at each end.
fn joined_by_a_bridge(lab: &Lab, near: &str, link: &str, far: &str) {
    let link = format!("l=tap,netns=mid,ifname=LINK,{link}");
    let ends = [("x", near, "na", 1, "left"), ("y", far, "nb", 2, "right")];
    for (switch, keys, netns, host, netdev) in ends {
        let addresses = format!("addr=10.9.0.{host}/24,addr=fd00::{host}/64");
        let end = format!("h=tap,netns={netns},{addresses},{keys}");
        lab.up(switch, &[&end, &link.replace("LINK", netdev)]);
    }
    // The kernel's bridge, which knows no VLANs here, is the cable between the two.
    lab.run_in("mid", &["ip", "link", "add", "cable", "type", "bridge"]).ok();
    for netdev in ["left", "right"] {
        lab.run_in("mid", &["ip", "link", "set", netdev, "master", "cable"]).ok();
    }
    lab.run_in("mid", &["ip", "link", "set", "cable", "up"]).ok();
}

#[test]
fn tcp_and_udp_pass_between_every_two_kinds_of_port() {
    let matrix = [
        ("access=10", "trunk=10", "access=10"),
        ("access=10", "trunk=20,native=10", "trunk=11,native=10"),
        ("tunnel=100", "trunk=100,tpid=0x88a8", "tunnel=100"),
        ("tunnel=100", "trunk=100", "tunnel=100"),
        ("access=10", "transparent", "access=10"),
        ("transparent", "transparent", "transparent"),
        ("access=10", "tunnel=10", "access=10"),
    ];
    for (near, link, far) in matrix {
        let lab = Lab::new();
        joined_by_a_bridge(&lab, near, link, far);
        println!("{near} {link} {far}");
        for (from, to, addresses) in
            [("na", "nb", ["10.9.0.2", "fd00::2"]), ("nb", "na", ["10.9.0.1", "fd00::1"])]
        {
            for address in addresses {
                lab.transfer(from, to, address, 20 << 20);
                lab.datagrams(from, to, address, 1400, 50);
            }
        }
        for netns in ["na", "nb"] {
            let counters = lab.proc_net(netns, "snmp");
            let wrong =
                ["Tcp:", "Udp:"].map(|protocol| counter(&counters, protocol, "InCsumErrors"));
            assert_eq!(wrong, [0, 0], "{near} {link} {far}: {counters}");
        }
        for switch in ["x", "y"] {
            at_rest(&lab, switch);
        }
        lab.end();
    }
}
