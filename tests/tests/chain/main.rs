//! Two switches in a row, joined by a veth with a macvtap on each end: VLANs and
//! QinQ tunnels from one end to the other.

use std::collections::BTreeSet;

use io_backends::lab::netns::in_netns;
use io_backends::testing::RawSocket;
use switch_core::ports::memory::Wire;
use tests::lab::{BROADCAST, Frame, Lab, SOON, at_rest, mac, within};

const C_TAG: u16 = 0x8100;
const S_TAG: u16 = 0x88a8;

const SWITCHES: [&str; 2] = ["first", "second"];

/// Two switches, `first` with the ports `KEYS` called a0, a1, … and `second`
/// with the same, called b0, b1, …; between them a trunk of further keys.
fn chain(keys: &[&str], trunk: &str) -> Lab {
    let lab = Lab::new();
    for which in ["all", "default"] {
        let off = format!("echo 1 > /proc/sys/net/ipv6/conf/{which}/disable_ipv6");
        lab.run(&["sh", "-c", &off]).ok();
    }
    let cable = "link add wire0 mtu 2000 type veth peer name wire1 mtu 2000";
    lab.run(&[&["ip"], &cable.split(' ').collect::<Vec<_>>()[..]].concat()).ok();
    for (name, (prefix, wire)) in SWITCHES.into_iter().zip([("a", "wire0"), ("b", "wire1")]) {
        lab.run(&["ip", "link", "set", wire, "up"]).ok();
        let port = |(number, keys): (usize, &&str)| format!("{prefix}{number}=tap,{keys}");
        let mut ports: Vec<_> = keys.iter().enumerate().map(port).collect();
        ports.push(format!("up=macvtap:{wire},mtu=2000,{trunk}"));
        lab.up(name, &ports.iter().map(String::as_str).collect::<Vec<_>>());
    }
    lab
}

/// Sockets on netdevs of the lab's host.
struct Ends(Vec<(String, RawSocket)>);

impl Ends {
    fn open(lab: &Lab, names: &[&str]) -> Ends {
        let open = |name: &&str| {
            let socket = RawSocket::open(name, false).and_then(RawSocket::keeping_tags);
            ((*name).to_owned(), socket.unwrap_or_else(|error| panic!("{name}: {error}")))
        };
        Ends(in_netns(&lab.host(), || names.iter().map(open).collect()).expect("the lab's host"))
    }

    /// Sends each frame into `from`; it must come out, just as it is, at
    /// those of `to` and nowhere else.
    #[track_caller]
    fn arrive(&self, lab: &Lab, from: &str, frames: &[Vec<u8>], to: &[&str]) {
        let (_, socket) = self.0.iter().find(|(name, _)| name == from).expect("an end");
        for frame in frames {
            socket.send(&Wire::from(&frame[..])).expect("a netdev that is up");
        }
        let expected = |name: &String| to.contains(&name.as_str()).then_some(frames);
        let mut came = vec![Vec::new(); self.0.len()];
        let mut take = || {
            for ((_, socket), came) in self.0.iter().zip(&mut came) {
                while let Some(wire) = socket.receive().expect("a netdev that is up") {
                    came.push(wire.bytes);
                }
            }
            self.0.iter().zip(&came).all(|((name, _), came)| {
                expected(name).is_none_or(|frames| came.len() >= frames.len())
            })
        };
        let _ = within(SOON, || if take() { Ok(()) } else { Err(()) });
        // What goes where it should not may be the slower one: it is out when the switches rest.
        for switch in SWITCHES {
            at_rest(lab, switch);
        }
        take();
        for ((name, _), came) in self.0.iter().zip(&came) {
            let expected: BTreeSet<_> = expected(name).into_iter().flatten().collect();
            let found: BTreeSet<_> = came.iter().collect();
            assert!(found == expected, "from {from} to {name}: {came:02x?}, not {expected:02x?}");
            assert_eq!(came.len(), found.len(), "twice at {name}");
        }
    }
}

fn text(from: &str, text: &str) -> Frame {
    // A name's first byte is its side, the second its number.
    let source = mac(u16::from_be_bytes(from.as_bytes().try_into().expect("two letters")));
    Frame::new(BROADCAST, source, text)
}

#[test]
fn vlans_across_a_trunk() {
    let lab = chain(&["access=10", "access=20", "trunk=10+20"], "trunk=10+20");
    let ends = Ends::open(&lab, &["a0", "a1", "b0", "b1"]);
    // Untagged in, untagged out, in its own VLAN alone.
    ends.arrive(&lab, "a0", &[text("a0", "ten").bytes()], &["b0"]);
    ends.arrive(&lab, "b0", &[text("b0", "ten").bytes()], &["a0"]);
    ends.arrive(&lab, "a1", &[text("a1", "twenty").bytes()], &["b1"]);
    ends.arrive(&lab, "b1", &[text("b1", "twenty").bytes()], &["a1"]);
    let mut known = text("a0", "to one that was learned");
    known.dst = mac(u16::from_be_bytes(*b"b0"));
    ends.arrive(&lab, "a0", &[known.bytes()], &["b0"]);

    // A trunk port's tag goes all the way, priority and drop eligibility with it.
    let ends = Ends::open(&lab, &["a2", "b2"]);
    let tagged = |from: &str| text(from, "tagged").tag(C_TAG, 0xf014).bytes();
    ends.arrive(&lab, "a2", &[tagged("a2")], &["b2"]);
    ends.arrive(&lab, "b2", &[tagged("b2")], &["a2"]);
}

#[test]
fn tunnels_across_a_trunk() {
    tunnels("trunk=100+200");
}

#[test]
fn tunnels_across_a_provider_link() {
    tunnels("trunk=100+200,tpid=0x88a8");
}

#[test]
fn tunnels_between_transparent_ports() {
    tunnels("transparent");
}

/// Whatever goes into a tunnel comes out of the same tunnel byte for byte.
fn tunnels(trunk: &str) {
    let lab = chain(&["tunnel=100", "tunnel=100", "tunnel=200"], trunk);
    let ends = Ends::open(&lab, &["a0", "a1", "a2", "b0", "b1", "b2"]);
    let customer = |from: &str| -> Vec<Vec<u8>> {
        let frame = |words: &str| text(from, words);
        let frames = [
            frame("untagged"),
            frame("tagged").tag(C_TAG, 10),
            frame("with the tunnel's own number").tag(C_TAG, 100),
            frame("with the other one's").tag(C_TAG, 200),
            frame("a priority tag").tag(C_TAG, 0xe000),
            frame("priority and drop eligibility").tag(C_TAG, 0xf123),
            frame("VID 4095").tag(C_TAG, 4095),
            frame("a provider's tag").tag(S_TAG, 100),
            frame("two tags").tag(C_TAG, 7).tag(C_TAG, 8),
            frame("two tags").tag(C_TAG, 7).tag(S_TAG, 8),
            frame("three tags").tag(C_TAG, 7).tag(S_TAG, 8).tag(S_TAG, 9),
            frame("long").length(1514),
            frame("long and tagged").tag(C_TAG, 10).length(1518),
        ];
        let short = frame("short").bytes()[..20].to_vec();
        frames.iter().map(Frame::bytes).chain([short]).collect()
    };
    ends.arrive(&lab, "a0", &customer("a0"), &["a1", "b0", "b1"]);
    ends.arrive(&lab, "b1", &customer("b1"), &["a0", "a1", "b0"]);
    ends.arrive(&lab, "a2", &customer("a2"), &["b2"]);
    // Known by now: one copy, across the link or not at all.
    let to = |from: &str, to: &str| -> Vec<Vec<u8>> {
        let mut frames = customer(from);
        let address = mac(u16::from_be_bytes(to.as_bytes().try_into().expect("two letters")));
        frames.iter_mut().for_each(|frame| frame[..6].copy_from_slice(&address));
        frames
    };
    ends.arrive(&lab, "a1", &to("a1", "b1"), &["b1"]);
    ends.arrive(&lab, "b0", &to("b0", "b1"), &["b1"]);
    ends.arrive(&lab, "b2", &to("b2", "a2"), &["a2"]);
    for switch in SWITCHES {
        at_rest(&lab, switch);
    }
}
