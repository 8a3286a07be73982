//! What the switch learns, keeps and forgets, and where frames go by it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::lab::{BROADCAST, Frame, Lab, Stats, at_rest, eventually_in, mac};

use crate::hosts::{SWITCH, hosts, nics, received};

/// Frames between stations 1 and 2.
fn from_1() -> Frame {
    Frame::new(mac(2), mac(1), "from 1")
}

fn from_2() -> Frame {
    Frame::new(mac(1), mac(2), "from 2")
}

/// The port an address without a VLAN is behind.
fn home(lab: &Lab, number: u16) -> Option<String> {
    lab.fdb(SWITCH).remove(&(text(number), 0))
}

fn text(number: u16) -> String {
    mac(number).map(|byte| format!("{byte:02x}")).join(":")
}

#[test]
fn unknown_floods_known_goes_to_one() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["", "", ""]);
    n1.send(&from_1());
    assert_eq!(received(&n1, [&n2, &n3]), [vec![from_1()], vec![from_1()]]);
    n2.send(&from_2());
    assert_eq!(received(&n2, [&n1, &n3]), [vec![from_2()], vec![]]);
    n1.send(&from_1());
    assert_eq!(received(&n1, [&n2, &n3]), [vec![from_1()], vec![]]);
    at_rest(&lab, SWITCH);
    lab.end();
}

#[test]
fn a_moved_host_is_found_with_its_first_frame() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["", "", ""]);
    n1.send(&from_1());
    received(&n1, [&n2, &n3]);
    assert_eq!(home(&lab, 1).as_deref(), Some("p1"));
    n3.send(&from_1());
    received(&n3, [&n1, &n2]);
    assert_eq!(home(&lab, 1).as_deref(), Some("p3"));
    n2.send(&from_2());
    assert_eq!(received(&n2, [&n1, &n3]), [vec![], vec![from_2()]]);
    assert!(at_rest(&lab, SWITCH).fdb("moved") >= 1);
    lab.end();
}

#[test]
fn a_static_entry_stays_where_it_was_put() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["", "", ""]);
    lab.netloom(&["fdb", "add", &text(1), "p1"]).ok();
    n3.send(&from_1());
    // The frame of the impostor is forwarded, its address is not learned.
    assert_eq!(received(&n3, [&n1, &n2]), [vec![from_1()], vec![from_1()]]);
    assert_eq!(home(&lab, 1).as_deref(), Some("p1"));
    n2.send(&from_2());
    assert_eq!(received(&n2, [&n1, &n3]), [vec![from_2()], vec![]]);
    lab.end();
}

#[test]
fn an_address_that_is_not_seen_ages_out_and_others_stay() {
    let lab = Lab::new();
    lab.up_file(
        SWITCH,
        "[switch]\nageing = 10\n\
         [[port]]\nname = \"p1\"\nkind = \"tap\"\nnetns = \"n1\"\n\
         [[port]]\nname = \"p2\"\nkind = \"tap\"\nnetns = \"n2\"\n",
    );
    let [n1, n2] = nics(&lab);
    lab.netloom(&["fdb", "add", &text(3), "p2"]).ok();
    // Seen no earlier than that.
    let sent = Instant::now();
    n1.send(&from_1());
    n2.send(&from_2());
    received(&n1, [&n2]);
    received(&n2, [&n1]);
    assert_eq!((home(&lab, 1), home(&lab, 2)), (Some("p1".into()), Some("p2".into())));
    // Station 2 goes on speaking; station 1 is silent from here on.
    let ages = || {
        n2.send(&from_2());
        sleep(Duration::from_millis(100));
        lab.json(&["fdb", "ls"])
    };
    let is_gone = |rows: &Value| rows.as_array().expect("rows").iter().all(|r| r["mac"] != text(1));
    eventually_in(60, "station 1 ages out", ages, is_gone);
    // Sightings are noted to the second.
    let age = sent.elapsed();
    assert!(age >= Duration::from_secs(9), "too early: {age:?}");
    assert_eq!((home(&lab, 2), home(&lab, 3)), (Some("p2".into()), Some("p2".into())));
    assert!(Stats::read(&lab, SWITCH).fdb("aged") >= 1);
    lab.end();
}

#[test]
fn a_mac_limit_holds_and_frames_still_pass() {
    let lab = Lab::new();
    let [n1, n2] = hosts(&lab, ["mac-limit=2", ""]);
    let on_p1 = || {
        let fdb = lab.fdb(SWITCH).into_iter();
        fdb.filter(|(_, port)| port == "p1").map(|(key, _)| key).collect::<Vec<_>>()
    };
    // The namespace's own address is among them.
    let frames: Vec<_> = (10..20).map(|n| Frame::new(mac(2), mac(n), "one of many")).collect();
    frames.iter().for_each(|frame| n1.send(frame));
    assert_eq!(received(&n1, [&n2]), [frames]);
    assert_eq!(on_p1().len(), 2, "{:?}", on_p1());
    assert!(at_rest(&lab, SWITCH).fdb("refused") >= 8);
    lab.netloom(&["port", "set", "p1", "mac-limit=0"]).ok();
    (10..20).for_each(|n| n1.send(&Frame::new(mac(2), mac(n), "again")));
    received(&n1, [&n2]);
    assert!(on_p1().len() >= 10, "{:?}", on_p1());
    lab.end();
}

#[test]
fn isolated_ports_exchange_nothing_with_each_other() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["isolated", "isolated", ""]);
    let last = Frame::new(BROADCAST, mac(9), "the last one");
    n3.send(&Frame::new(BROADCAST, mac(3), "to both"));
    assert_eq!(received(&n3, [&n1, &n2]).map(|frames| frames.len()), [1, 1]);
    n2.send(&from_2());
    n1.send(&from_1());
    n1.send(&Frame::new(BROADCAST, mac(1), "to one"));
    n1.send(&Frame::new(mac(3), mac(1), "to one"));
    // Only port 3 is reached from port 1, so only it can tell that all have passed.
    n1.send(&last);
    assert_eq!(n3.until(&last).iter().filter(|frame| frame.src == mac(1)).count(), 2);
    n3.send(&last);
    assert_eq!(n2.until(&last), std::slice::from_ref(&last));
    assert_eq!(n1.until(&last), [last]);
    // The known unicast and nothing else is a drop.
    assert_eq!(at_rest(&lab, SWITCH).drops("p1", "isolated"), 1);
    lab.end();
}

#[test]
fn flags_keep_frames_of_their_kind_from_a_port() {
    let lab = Lab::new();
    let [n1, n2, n3, n4] = hosts(&lab, ["", "flood=off", "mcast-flood=off", "bcast-flood=off"]);
    let multicast = Frame::new([1, 0, 0x5e, 0, 0, 9], mac(1), "to a group");
    let broadcast = Frame::new(BROADCAST, mac(1), "to all");
    let last = Frame::new(mac(0xffff), mac(1), "unknown, the last one");
    for frame in [&multicast, &broadcast, &last] {
        n1.send(frame);
    }
    assert_eq!(n3.until(&last), [broadcast.clone(), last.clone()]);
    assert_eq!(n4.until(&last), [multicast.clone(), last.clone()]);
    // Port 2 does not get the last one; one that it does get comes after it.
    n1.send(&broadcast);
    n2.until(&broadcast);
    lab.netloom(&["port", "set", "p2", "flood=on"]).ok();
    lab.netloom(&["port", "set", "p3", "mcast-flood=on"]).ok();
    lab.netloom(&["port", "set", "p4", "bcast-flood=on"]).ok();
    for nic in [&n2, &n3, &n4] {
        let _ = nic.received();
    }
    for frame in [&multicast, &broadcast, &last] {
        n1.send(frame);
    }
    for nic in [&n2, &n3, &n4] {
        assert_eq!(nic.until(&last), [multicast.clone(), broadcast.clone(), last.clone()]);
    }
    lab.end();
}

#[test]
fn with_learning_off_nothing_is_learned_there() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["learning=off", "", ""]);
    n1.send(&from_1());
    received(&n1, [&n2, &n3]);
    assert!(lab.fdb(SWITCH).values().all(|port| port != "p1"));
    n2.send(&from_2());
    assert_eq!(received(&n2, [&n1, &n3]), [vec![from_2()], vec![from_2()]]);
    lab.end();
}

#[test]
fn a_port_that_is_down_forgets_and_drops() {
    let lab = Lab::new();
    let [n1, n2, n3] = hosts(&lab, ["", "", ""]);
    n1.send(&from_1());
    received(&n1, [&n2, &n3]);
    lab.netloom(&["fdb", "add", &text(4), "p1"]).ok();
    lab.run_in("n1", &["ip", "link", "set", "eth0", "down"]).ok();
    lab.port_is(SWITCH, "p1", "down");
    assert_eq!(home(&lab, 1), None, "what was learned on it");
    assert_eq!(home(&lab, 4).as_deref(), Some("p1"), "what was put there");
    n2.send(&Frame::new(mac(4), mac(2), "to the port that is down"));
    assert_eq!(received(&n2, [&n3]), [vec![]]);
    assert_eq!(at_rest(&lab, SWITCH).drops("p1", "port-down"), 1);
    lab.run_in("n1", &["ip", "link", "set", "eth0", "up"]).ok();
    lab.port_is(SWITCH, "p1", "up");
    n2.send(&Frame::new(mac(4), mac(2), "to the port that is up"));
    assert_eq!(received(&n2, [&n1, &n3]).map(|frames| frames.len()), [1, 0]);
    lab.end();
}

#[test]
fn a_flood_of_addresses_costs_other_ports_none_of_theirs() {
    let lab = Lab::new();
    let [n1, n2] = hosts(&lab, ["", ""]);
    let station = |number: u32| {
        let [_, high, middle, low] = number.to_be_bytes();
        [2, 0, 9, high, middle, low]
    };
    let few: Vec<_> = (0..100).map(mac).collect();
    few.iter().for_each(|&src| n2.send(&Frame::new(mac(0xffff), src, "one of few")));
    received(&n2, [&n1]);
    // The kernel drops what comes faster than the switch reads: more are sent than needed.
    let arrived = || Stats::read(&lab, SWITCH).port("p1", "rx_frames");
    let mut sent = 0;
    while arrived() < 100_000 {
        assert!(sent < 1_000_000, "they don't arrive");
        for number in sent..sent + 5000 {
            n1.send(&Frame::new(mac(0xffff), station(number), "one of many"));
        }
        sent += 5000;
    }
    let stats = at_rest(&lab, SWITCH);
    assert_eq!(stats.fdb("capacity"), 65_536);
    assert!((60_000..=65_536).contains(&stats.fdb("entries")), "{stats:?}");
    let fdb = lab.fdb(SWITCH);
    let kept = (0..100).filter(|&number| fdb.get(&(text(number), 0)).is_some_and(|p| p == "p2"));
    assert_eq!(kept.count(), 100);
    lab.end();
}
