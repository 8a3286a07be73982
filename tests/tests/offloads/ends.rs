//! Two hosts, and the switches between them.
//!
//! The sender is in a namespace of its own. The receiver's netdev stays where
//! the switch runs, so that the switch sees the MTU of a handed-over TAP too.

use std::os::fd::OwnedFd;

use io_backends::lab::Netns;
use io_backends::lab::netns::in_netns;
use io_backends::testing::RawSocket;
use tests::frames::{ELSEWHERE, SOURCE};
use tests::lab::{Lab, PROGRAM, Stats, counter, duplicate, eventually};
use tun_tap::{Iface, Mode};

use crate::strict::Seen;
use crate::{Case, Offloads, Way};

/// The netdevs, which are also the ports' names.
pub const SENDER: &str = "sender";
pub const RECEIVER: &str = "receiver";
/// Their addresses, the sender's first; `tests::frames` makes frames between the same.
pub const V4: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
pub const V6: [&str; 2] = ["fd00::1", "fd00::2"];
/// The sender's namespace.
const NETNS: &str = "away";
/// What the switches are called; where there is one, it is the first.
const SWITCHES: [&str; 2] = ["first", "second"];
/// Between the switches there is room for the longest frame and its tag.
const WIRE_MTU: u32 = 9100;
/// The numbers under which descriptors are handed over.
const NUMBERS: [u8; 2] = [6, 7];

/// The hosts and switches of some cases.
pub struct Ends {
    pub lab: Lab,
    way: Way,
    strict: RawSocket,
}

impl Ends {
    pub fn new(sender: Offloads, receiver: Offloads, way: Way) -> Ends {
        let lab = Lab::new();
        let (port, trunk) = match way {
            Way::Untagged => ("", ""),
            Way::Tagged => (",access=10", ",trunk=10"),
            Way::Tunnel => (",tunnel=100", ",trunk=100,tpid=0x88a8"),
        };
        if way == Way::Untagged {
            lab.up(SWITCHES[0], &[]);
        } else {
            ip(&lab, &format!("link add wire0 mtu {WIRE_MTU} type veth peer wire1"));
            for (name, wire) in SWITCHES.into_iter().zip(["wire0", "wire1"]) {
                ip(&lab, &format!("link set {wire} mtu {WIRE_MTU} up"));
                lab.up(name, &[&format!("up=macvtap:{wire},mtu={WIRE_MTU}{trunk}")]);
            }
        }
        ip(&lab, &format!("netns add {NETNS}"));
        add(&lab, SWITCHES[0], 0, sender, port);
        add(&lab, receivers_switch(way), 1, receiver, port);
        settle(&lab, &format!("-n {NETNS} "), SENDER, 0);
        settle(&lab, "", RECEIVER, 1);
        let open = || RawSocket::open(RECEIVER, true).expect("a socket");
        let strict = in_netns(&lab.host(), open).expect("the lab's host");
        let ends = Ends { lab, way, strict };
        ends.lab.port_is(receivers_switch(way), RECEIVER, "up");
        ends.lab.ping(NETNS, V4[1]);
        ends.lab.ping(NETNS, V6[1]);
        ends
    }

    /// Gives the netdevs these MTUs and waits until the switch knows.
    pub fn set_mtus(&self, [sender, receiver]: [u32; 2]) {
        ip(&self.lab, &format!("-n {NETNS} link set {SENDER} mtu {sender}"));
        ip(&self.lab, &format!("link set {RECEIVER} mtu {receiver}"));
        self.lab.port_becomes((receivers_switch(self.way), RECEIVER), "mtu", receiver);
    }

    /// Runs `work` on the sender's side.
    pub fn at_sender<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let path = Netns::Path(self.lab.path("/run/netns").join(NETNS));
        in_netns(&path, work).expect("the sender's namespace")
    }

    /// Runs `work` on the receiver's side.
    pub fn at_receiver<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        in_netns(&self.lab.host(), work).expect("the receiver's namespace")
    }

    /// Every frame that came in at the receiver since the last call, each verified.
    pub fn seen(&self, case: &Case) -> Seen {
        let mut seen = Seen::default();
        self.add_seen(&mut seen, case);
        seen
    }

    /// Waits until frames came in that carry `payload` bytes.
    pub fn sees(&self, payload: usize, case: &Case) {
        let mut seen = Seen::default();
        let look = || {
            self.add_seen(&mut seen, case);
            seen.payload
        };
        eventually(&format!("{case}: {payload} bytes arrive"), look, |bytes| *bytes >= payload);
        assert_eq!(seen.payload, payload, "{case}: {seen:?}");
    }

    fn add_seen(&self, seen: &mut Seen, case: &Case) {
        while let Some(wire) = self.strict.receive().expect("a netdev that is up") {
            if wire.bytes[6..12] == SOURCE {
                seen.verify(&wire, case);
            }
        }
    }

    /// Frames dropped on their way out to the receiver.
    pub fn too_big(&self) -> u64 {
        Stats::read(&self.lab, receivers_switch(self.way)).drops(RECEIVER, "too-big")
    }

    pub fn switches(&self) -> impl Iterator<Item = &'static str> + use<> {
        SWITCHES.into_iter().take(if self.way == Way::Untagged { 1 } else { 2 })
    }

    /// What each side's kernel found wrong.
    pub fn wrong_checksums(&self) -> Vec<(String, u64)> {
        let read = || {
            let read = |name: &str| {
                std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).expect("counters")
            };
            let (v4, v6) = (read("snmp"), read("snmp6"));
            let v6 = |name: &str| -> u64 {
                let line = v6.lines().find_map(|line| line.strip_prefix(name)).expect("a counter");
                line.trim().parse().expect("a number")
            };
            [
                ("IP", counter(&v4, "Ip:", "InHdrErrors")),
                ("TCP", counter(&v4, "Tcp:", "InCsumErrors")),
                ("UDP", counter(&v4, "Udp:", "InCsumErrors")),
                ("ICMP", counter(&v4, "Icmp:", "InCsumErrors")),
                ("ICMPv6", v6("Icmp6InCsumErrors")),
            ]
        };
        let name = |side: &str, counts: [(&str, u64); 5]| {
            counts.map(|(protocol, count)| (format!("{protocol} at the {side}"), count)).to_vec()
        };
        let sender = name(SENDER, self.at_sender(read));
        [sender, name(RECEIVER, self.at_receiver(read))].concat()
    }
}

fn receivers_switch(way: Way) -> &'static str {
    SWITCHES[usize::from(way != Way::Untagged)]
}

/// Adds the port of the host number `host`.
fn add(lab: &Lab, switch: &str, host: usize, offloads: Offloads, keys: &str) {
    let name = [SENDER, RECEIVER][host];
    let add = [PROGRAM, "port", "add", "--switch", switch];
    if offloads == Offloads::On {
        let place = [format!(",netns={NETNS},ifname={SENDER}"), String::new()][host].clone();
        lab.run(&[&add[..], &[&format!("{name}=tap{place}{keys}")]].concat()).ok();
        return;
    }
    let fd = without_header(lab, name);
    if name == SENDER {
        ip(lab, &format!("link set {SENDER} netns {NETNS}"));
    }
    let number = NUMBERS[host];
    let port = format!("{name}=fd:{number}{keys}");
    lab.run_with(number, fd, &[&add[..], &[&port]].concat()).ok();
}

/// Opens a TAP without a virtio-net header, as the `tun-tap` crate does.
fn without_header(lab: &Lab, name: &str) -> OwnedFd {
    let open = || Iface::without_packet_info(name, Mode::Tap).expect("a TAP");
    duplicate(&in_netns(&lab.host(), open).expect("the lab's host"))
}

/// Makes a netdev the host number `host`.
fn settle(lab: &Lab, place: &str, netdev: &str, host: usize) {
    let mac = [SOURCE, ELSEWHERE][host].map(|octet| format!("{octet:02x}")).join(":");
    ip(lab, &format!("{place}link set {netdev} down"));
    ip(lab, &format!("{place}link set {netdev} address {mac}"));
    ip(lab, &format!("{place}addr add {}/24 dev {netdev}", V4[host]));
    ip(lab, &format!("{place}addr add {}/64 dev {netdev} nodad", V6[host]));
    ip(lab, &format!("{place}link set {netdev} up"));
}

/// `ip WORDS`, words parted by spaces.
fn ip(lab: &Lab, words: &str) {
    lab.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok();
}
