//! The control plane at work while traffic runs: nobody else notices.

use tests::lab::{Frame, Lab, at_rest, mac, none_lost};

use crate::hosts::{SWITCH, hosts, received};

const A: &str = "a=tap,netns=na,addr=10.9.0.1/24";
const B: &str = "b=tap,netns=nb,addr=10.9.0.2/24";

/// How often all the changes are made.
const ROUNDS: usize = 5;

#[test]
fn ports_come_go_and_change_while_others_ping_without_loss() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "s=tap,netns=ns"]);
    let both = [lab.pinging("na", "10.9.0.2"), lab.pinging("nb", "10.9.0.1")];
    for _ in 0..ROUNDS {
        both.iter().for_each(|pings| pings.go_on_for(10));
        lab.netloom(&["port", "add", "t=tap,netns=nt,access=30,isolated"]).ok();
        lab.netloom(&["port", "set", "t", "trunk=10+20-29", "native=1", "learning=off"]).ok();
        lab.netloom(&["port", "set", "s", "access=7", "mac-limit=1"]).ok();
        lab.netloom(&["fdb", "add", "02:00:00:00:00:07", "s"]).ok();
        lab.netloom(&["fdb", "flush"]).ok();
        lab.netloom(&["port", "set", "s", "transparent", "mac-limit=0"]).ok();
        lab.netloom(&["fdb", "flush", "--static"]).ok();
        lab.netloom(&["port", "del", "t"]).ok();
    }
    for pings in both {
        pings.go_on_for(10);
        none_lost(pings.stop());
    }
    at_rest(&lab, "x");
    lab.end();
}

#[test]
fn a_transfer_survives_flushes_and_changes_of_other_ports() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    let stream = lab.streaming("na", "nb", "10.9.0.2");
    for _ in 0..ROUNDS {
        stream.go_on_for(1 << 20);
        lab.netloom(&["fdb", "flush"]).ok();
        lab.netloom(&["port", "add", "t=tap,netns=nt"]).ok();
        lab.netloom(&["port", "del", "t"]).ok();
    }
    stream.go_on_for(1 << 20);
    stream.stop();
    // What a flushed address cost is at most a copy to a port that did not want it.
    let stats = at_rest(&lab, "x");
    assert_eq!(stats.all_drops("b"), 0, "{stats:?}");
    lab.end();
}

#[test]
fn a_removed_ports_counts_are_kept() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["", "", ""]);
    n3.send(&Frame::new(mac(1), mac(3), "from 3"));
    received(&n3, [&n1, &n2]);
    n3.send_bytes(&Frame::new(mac(1), [0; 6], "no source").bytes());
    received(&n3, [&n1]);
    let before = at_rest(&lab, SWITCH);
    assert_eq!(before.drops("p3", "zero-source"), 1);
    drop(n3);
    lab.netloom(&["port", "del", "p3"]).ok();
    let after = at_rest(&lab, SWITCH);
    let removed = &after.0["removed"];
    assert!(removed["rx_frames"].as_u64() >= Some(before.port("p3", "rx_frames")), "{removed}");
    assert!(removed["tx_frames"].as_u64() >= Some(before.port("p3", "tx_frames")), "{removed}");
    assert_eq!(removed["drops"]["zero-source"], 1);
    assert!(!lab.fdb(SWITCH).values().any(|port| port == "p3"), "its addresses go with it");
    // A new port of the name begins at nothing.
    lab.netloom(&["port", "add", "p3=tap,netns=other"]).ok();
    assert_eq!(at_rest(&lab, SWITCH).drops("p3", "zero-source"), 0);
    lab.end();
}

#[test]
fn a_vlan_that_is_taken_from_a_port_takes_its_addresses_along() {
    let lab = Lab::new();
    let [n1, n2] = hosts(&lab, ["trunk=10+20", "trunk=10+20"]);
    for vid in [10, 20] {
        n1.send(&Frame::new(mac(2), mac(1), "in two").tag(0x8100, vid));
        let text = if vid == 10 { "marks 10" } else { "marks 20" };
        n1.send(&Frame::new(mac(2), mac(1), text).tag(0x8100, vid));
        // The raw socket does not show the outer tag.
        n2.until(&Frame::new(mac(2), mac(1), text));
    }
    let vids = || {
        let fdb = lab.fdb(SWITCH);
        let vids = fdb.into_keys().filter(|(mac, _)| mac == "02:00:00:00:00:01");
        vids.map(|(_, vid)| vid).collect::<Vec<_>>()
    };
    assert_eq!(vids(), [10, 20]);
    lab.netloom(&["port", "set", "p1", "trunk=20"]).ok();
    assert_eq!(vids(), [20]);
    n1.send(&Frame::new(mac(2), mac(1), "no longer").tag(0x8100, 10));
    n1.send(&Frame::new(mac(2), mac(1), "the last one").tag(0x8100, 20));
    let last = Frame::new(mac(2), mac(1), "the last one");
    assert_eq!(n2.until(&last), std::slice::from_ref(&last));
    assert_eq!(at_rest(&lab, SWITCH).drops("p1", "vid-not-allowed"), 1);
    lab.end();
}
