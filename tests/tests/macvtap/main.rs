//! macvtap ports: hosts beyond a lower netdev, here one end of a veth whose
//! other end is in a namespace of its own.

mod faults;
mod namespaces;
mod wire;

use serde_json::Value;
use tests::lab::{Answer, Lab};

/// The host behind a TAP port of the switch.
const NEAR: &str = "near";
/// The host beyond the lower netdev.
const FAR: &str = "far";
/// The addresses of both, `near`'s first.
const V4: [&str; 2] = ["10.7.0.1", "10.7.0.2"];
const V6: [&str; 2] = ["fd07::1", "fd07::2"];

/// The TAP port of the host `near`, with further keys.
fn near(keys: &str) -> String {
    format!("n=tap,netns={NEAR},addr={}/24,addr={}/64{keys}", V4[0], V6[0])
}

/// `ip WORDS`, words parted by spaces.
fn ip(lab: &Lab, words: &str) -> String {
    lab.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok()
}

/// A veth from `lower` on the lab's host to the host `far`.
fn cable(lab: &Lab, lower: &str) {
    ip(lab, &format!("netns add {FAR}"));
    ip(lab, &format!("link add {lower} type veth peer name far0 netns {FAR}"));
    ip(lab, &format!("link set {lower} up"));
    far_host(lab, FAR, "far0");
}

/// Makes a netdev of a namespace the host `far`.
fn far_host(lab: &Lab, netns: &str, netdev: &str) {
    let ip = |words: &str| ip(lab, &format!("-n {netns} {words}"));
    ip("link set lo up");
    ip(&format!("addr add {}/24 dev {netdev}", V4[1]));
    ip(&format!("addr add {}/64 dev {netdev} nodad", V6[1]));
    ip(&format!("link set {netdev} up"));
}

/// ping, IPv6 neighbour discovery and TCP, both ways.
#[track_caller]
fn everything_works(lab: &Lab) {
    lab.ping(NEAR, V4[1]);
    lab.ping(NEAR, V6[1]);
    lab.ping(FAR, V4[0]);
    lab.ping(FAR, V6[0]);
    for [near, far] in [V4, V6] {
        lab.transfer(NEAR, FAR, far, 20 << 20);
        lab.transfer(FAR, NEAR, near, 20 << 20);
    }
}

/// Makes the host `near` ask anew: the host `far` is another one with the same addresses.
fn forget_neighbours(lab: &Lab) {
    ip(lab, &format!("-n {NEAR} neighbour flush all"));
}

/// Everything the kernel tells about a netdev but its counters.
fn link(lab: &Lab, netdev: &str) -> Value {
    let text = lab.run(&["ip", "-d", "-j", "link", "show", netdev]).ok();
    serde_json::from_str::<Value>(&text).expect("JSON")[0].take()
}

fn hints(answer: &Answer) -> bool {
    (answer.out.clone() + &answer.err).contains("takes in unicast for its own MAC address only")
}

#[test]
fn passthru_serves_any_host() {
    let lab = Lab::new();
    cable(&lab, "low");
    let before = link(&lab, "low");
    let answer = lab.up("m", &[&near(""), "u=macvtap:low"]);
    assert!(!hints(&answer), "{answer:#?}");
    everything_works(&lab);
    lab.netloom(&["down", "m"]).ok();
    assert_eq!(link(&lab, "low"), before);
    ip(&lab, "link del low");
    ip(&lab, "netns del far");
    lab.end();
}

#[test]
fn bridge_serves_its_own_address() {
    own_address("bridge");
}

#[test]
fn private_serves_its_own_address() {
    own_address("private");
}

#[test]
fn vepa_serves_its_own_address() {
    own_address("vepa");
}

/// Only the host that has the macvtap's address is reached.
fn own_address(mode: &str) {
    const MAC: &str = "02:00:00:00:07:01";
    let lab = Lab::new();
    cable(&lab, "low");
    let before = link(&lab, "low");
    let port = format!("u=macvtap:low,mode={mode},mac={MAC}");
    let answer = lab.up("m", &[&near(&format!(",mac={MAC}")), &port]);
    assert!(hints(&answer), "{answer:#?}");
    assert!(lab.port("m", "u")["mac"] == MAC);
    everything_works(&lab);

    // Without that address a host hears everybody and is heard, but unicast does not reach it.
    lab.netloom(&["port", "add", "o=tap,netns=other,addr=10.7.0.3/24"]).ok();
    let answer = lab.run_in("other", &["ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", V4[1]]);
    assert!(answer.exit == Some(1) && answer.out.contains(" 0 received"), "{answer:#?}");
    lab.netloom(&["down", "m"]).ok();
    assert_eq!(link(&lab, "low"), before);
}

#[test]
fn several_queues() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &[&near(""), "u=macvtap:low,queues=2"]);
    assert_eq!(lab.port("m", "u")["queues"], 2);
    everything_works(&lab);
}

#[test]
fn an_address_and_an_mtu_of_its_own() {
    const MAC: &str = "02:00:00:00:07:09";
    let lab = Lab::new();
    cable(&lab, "low");
    ip(&lab, "link set low mtu 9000");
    ip(&lab, "-n far link set far0 mtu 9000");
    let before = link(&lab, "low");
    // In passthru mode the address is the lower netdev's for the time being.
    let port = format!("u=macvtap:low,mac={MAC},mtu=9000");
    lab.up("m", &[&near(",mtu=9000"), &port]);
    let row = lab.port("m", "u");
    assert_eq!((&row["mac"], &row["mtu"]), (&MAC.into(), &9000.into()));
    lab.run_in(NEAR, &["ping", "-c", "1", "-W", "10", "-M", "do", "-s", "8972", V4[1]]).ok();
    everything_works(&lab);
    lab.netloom(&["down", "m"]).ok();
    assert_eq!(link(&lab, "low"), before);
}

#[test]
fn the_netdev_of_a_macvtap_says_nothing_by_itself() {
    let lab = Lab::new();
    cable(&lab, "low");
    lab.up("m", &[&near(""), "u=macvtap:low"]);
    let name = lab.port("m", "u")["ifname"].as_str().expect("a name").to_owned();
    let file = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    assert_eq!(lab.run(&["cat", &file]).ok().trim(), "1");
    assert_eq!(ip(&lab, &format!("addr show dev {name} scope link")).matches("inet6").count(), 0);
}
