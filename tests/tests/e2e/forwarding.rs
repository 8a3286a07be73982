//! Hosts talk through a switch, and its counters say what they said.

use std::collections::BTreeMap;

use tests::lab::{Frame, Lab, Pings, Stats, at_rest, eventually, mac, within};

const A: &str = "a=tap,netns=na,addr=10.9.0.1/24,addr=fd00::1/64";
const B: &str = "b=tap,netns=nb,addr=10.9.0.2/24,addr=fd00::2/64";

/// Bytes of each transfer.
const BYTES: u64 = 100_000_000;

#[test]
fn a_thousand_flood_pings_lose_none() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    for address in ["10.9.0.2", "fd00::2"] {
        let pings = lab.flood_ping("na", address, 1000);
        assert_eq!(pings, Pings { sent: 1000, received: 1000 }, "{address}");
    }
    let stats = at_rest(&lab, "x");
    assert!(stats.port("a", "rx_frames") >= 2000 && stats.port("b", "tx_frames") >= 2000);
    lab.end();
}

#[test]
fn the_fdb_shows_addresses_on_the_right_ports() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    lab.ping("na", "10.9.0.2");
    let mac = |netns: &str| address(&lab, netns);
    let expected: BTreeMap<_, _> =
        [((mac("na"), 0), "a".to_owned()), ((mac("nb"), 0), "b".to_owned())].into();
    assert_eq!(lab.fdb("x"), expected);
    for (port, netns) in [("a", "na"), ("b", "nb")] {
        assert_eq!(lab.port("x", port)["mac"], mac(netns).as_str());
    }
    lab.end();
}

#[test]
fn ipv6_finds_its_neighbours_and_uses_its_addresses_at_once() {
    let lab = Lab::new();
    // No address may be tentative when `up -d` returns: the very next command pings.
    lab.up("x", &[A, B]);
    lab.ping("na", "fd00::2");
    let neighbours = lab.run_in("na", &["ip", "-6", "neigh", "show", "fd00::2"]).ok();
    let mac = address(&lab, "nb");
    assert!(neighbours.contains(&mac), "{neighbours} has not {mac}");
    let addresses = lab.run_in("na", &["ip", "-6", "address", "show", "dev", "eth0"]).ok();
    assert!(!addresses.contains("tentative") && !addresses.contains("dadfailed"), "{addresses}");
    // The link-local one, by which routers and multicast speak, too.
    let local = addresses.split_whitespace().find(|word| word.starts_with("fe80"));
    let local = local.unwrap_or_else(|| panic!("no link-local address: {addresses}"));
    let local = format!("{}%eth0", local.split('/').next().expect("an address"));
    lab.ping("nb", &local);
    lab.end();
}

#[test]
fn tcp_flows_both_ways_over_both_protocols() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    for (from, to, addresses) in
        [("na", "nb", ["10.9.0.2", "fd00::2"]), ("nb", "na", ["10.9.0.1", "fd00::1"])]
    {
        for address in addresses {
            lab.transfer(from, to, address, BYTES);
        }
    }
    let stats = at_rest(&lab, "x");
    for port in ["a", "b"] {
        // Super-frames passed through as they were: more than the longest segments could carry.
        let bytes = stats.port(port, "rx_bytes");
        let frames = stats.port(port, "rx_frames");
        assert!(bytes > 2 * BYTES && bytes > 1514 * frames, "{bytes} bytes in {frames} frames");
    }
    assert_eq!(stats.0["made_frames"], 0, "{stats:?}");
    lab.end();
}

#[test]
fn the_counters_are_those_of_the_kernel_to_the_frame_and_byte() {
    let lab = Lab::new();
    lab.up("x", &[A, B, "c=tap,netns=nc"]);
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 200).received, 200);
    assert_eq!(lab.flood_ping("nb", "fd00::1", 200).received, 200);
    let mut stats = at_rest(&lab, "x");
    for (port, netns) in [("a", "na"), ("b", "nb"), ("c", "nc")] {
        // What the netdev sent, the switch received. Hosts may say something of
        // their own between two readings; then the readings are taken anew.
        let same = within(10, || {
            stats = at_rest(&lab, "x");
            let counters = ["tx_frames", "tx_bytes", "rx_frames", "rx_bytes"];
            let counted = counters.map(|counter| stats.port(port, counter));
            let truth = kernel_counters(&lab, netns);
            if counted == truth { Ok(()) } else { Err((counted, truth)) }
        });
        assert_eq!(same, Ok(()), "{port}");
    }
    // ARP requests and router solicitations went to two ports.
    assert!(stats.0["flood_copies"].as_u64() > Some(0), "{stats:?}");
    lab.end();
}

#[test]
fn what_the_kernel_drops_before_the_switch_is_counted_apart() {
    let lab = Lab::new();
    lab.up("x", &[A, B]);
    lab.ping("na", "10.9.0.2");
    let nic = lab.nic("na", "eth0");
    let pid = lab.pid("x");
    lab.signal(pid, "STOP");
    // The netdev's ring holds a thousand or so.
    let frame = Frame::new(mac(2), mac(1), "one too many");
    (0..3000).for_each(|_| nic.send(&frame));
    lab.signal(pid, "CONT");
    let same = within(10, || {
        let stats = at_rest(&lab, "x");
        let missed = stats.0["ports"][0]["kernel"]["rx_missed"].as_u64();
        let counted = [Some(stats.port("a", "rx_frames")), missed];
        let [_, _, sent, _] = kernel_counters(&lab, "na");
        let truth = [Some(sent), Some(kernel_column(&lab, "na", 11))];
        if counted == truth { Ok(missed) } else { Err((counted, truth)) }
    });
    assert!(same.as_ref().is_ok_and(|missed| *missed >= Some(500)), "{same:?}");
    assert_eq!(lab.flood_ping("na", "10.9.0.2", 100).received, 100);
    drop(nic);
    lab.end();
}

#[test]
fn jumbo_frames_pass_whole() {
    let lab = Lab::new();
    lab.up("x", &[&format!("{A},mtu=9000"), &format!("{B},mtu=9000")]);
    // 20 bytes of IP and 8 of ICMP: exactly 9000, and nothing may be cut.
    for (netns, size, address) in
        [("na", "8972", "10.9.0.2"), ("na", "1000", "10.9.0.2"), ("nb", "8952", "fd00::1")]
    {
        lab.run_in(netns, &["ping", "-c", "1", "-W", "10", "-M", "do", "-s", size, address]).ok();
    }
    assert_eq!(at_rest(&lab, "x").all_drops("b"), 0);
    assert_eq!(lab.port("x", "a")["mtu"], 9000);
    lab.end();
}

#[test]
fn a_frame_too_long_for_one_port_still_reaches_the_others() {
    let lab = Lab::new();
    lab.up(
        "x",
        &[
            "a=tap,netns=na,addr=10.9.0.1/24,mtu=9000",
            "b=tap,netns=nb,addr=10.9.0.2/24,mtu=9000",
            "c=tap,netns=nc,addr=10.9.0.3/24",
        ],
    );
    let before = at_rest(&lab, "x");
    let broadcast = ["ping", "-b", "-c", "3", "-i", "0.01", "-W", "1", "-s", "4000", "10.9.0.255"];
    // Hosts do not answer to a broadcast; what counts is where it went.
    let sent = |before: &Stats, port: &str| {
        lab.run_in("na", &broadcast);
        let goal = before.port(port, "tx_bytes") + 3 * 4000;
        let is_out = |stats: &Stats| stats.port(port, "tx_bytes") > goal;
        eventually(&format!("they leave by {port}"), || Stats::read(&lab, "x"), is_out);
        at_rest(&lab, "x")
    };
    let after = sent(&before, "b");
    assert_eq!(after.drops("c", "too-big"), 3, "{after:?}");
    assert!(after.port("c", "tx_bytes") - before.port("c", "tx_bytes") < 4000, "{after:?}");
    // The limit follows the netdev's MTU as it is now.
    lab.run_in("nc", &["ip", "link", "set", "eth0", "mtu", "5000"]).ok();
    lab.port_becomes(("x", "c"), "mtu", 5000);
    let last = sent(&after, "c");
    assert_eq!(last.drops("c", "too-big"), 3, "{last:?}");
    lab.end();
}

#[test]
fn sixty_four_ports() {
    let lab = Lab::new();
    let port = |n: u32| format!("p{n}=tap,netns=n{n},addr=10.9.0.{}/24,addr=fd00::{n}/64", n + 1);
    let ports: Vec<_> = (0..64).map(port).collect();
    lab.up("x", &ports.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(lab.json(&["ls"])[0]["ports"], 64);
    let pings: Vec<_> = (1..63).map(|n| lab.pinging(&format!("n{n}"), "10.9.0.1")).collect();
    // One floods meanwhile: an unknown destination, 63 copies of each frame. The next one
    // is sent when the last one has come, so that it fills no queue.
    let [flooder, other] = ["n63", "n0"].map(|netns| lab.nic(netns, "eth0"));
    for number in 0..100 {
        let frame = Frame::new(mac(0xffff), mac(63), &format!("flood {number}"));
        flooder.send(&frame);
        other.until(&frame);
    }
    for (n, pings) in (1..).zip(pings) {
        pings.go_on_for(1);
        let ended = pings.stop();
        assert_eq!(ended.sent, ended.received, "from n{n}");
    }
    let stats = at_rest(&lab, "x");
    let floods = stats.0["flood_copies"].as_u64().expect("a count");
    assert!(floods >= 62 * 100, "{floods}");
    let fdb = lab.fdb("x");
    for n in 0..64 {
        let mac = address(&lab, &format!("n{n}"));
        assert_eq!(fdb.get(&(mac, 0)), Some(&format!("p{n}")));
    }
    lab.end();
}

#[test]
fn an_idle_switch_adds_up_too() {
    let lab = Lab::new();
    lab.up("x", &[]);
    assert_eq!(Stats::read(&lab, "x").balance(), (0, 0));
    lab.end();
}

/// The MAC address of a namespace's `eth0`, as the kernel says it.
fn address(lab: &Lab, netns: &str) -> String {
    let link = lab.run_in(netns, &["ip", "-o", "link", "show", "eth0"]).ok();
    let (_, after) = link.split_once("link/ether ").expect("an address");
    after.split(' ').next().expect("an address").to_owned()
}

/// Frames and bytes that `eth0` of a namespace received and sent.
fn kernel_counters(lab: &Lab, netns: &str) -> [u64; 4] {
    [1, 0, 9, 8].map(|column| kernel_column(lab, netns, column))
}

/// A column of `eth0` in a namespace's `/proc/net/dev`.
fn kernel_column(lab: &Lab, netns: &str, column: usize) -> u64 {
    let all = lab.proc_net(netns, "dev");
    let line = all.lines().find_map(|line| line.trim().strip_prefix("eth0:")).expect("eth0");
    line.split_whitespace().nth(column).and_then(|n| n.parse().ok()).expect("a count")
}
