//! One frame after the other through both switches, and what they made of it.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use io_backends::lab::netns::in_netns;
use io_backends::testing::RawSocket;
use switch_core::ports::memory::Wire;
use tests::lab::Lab;

use crate::differences::{Case, Difference};
use crate::layout::Layout;
use crate::wire::{self, BROADCAST};

/// How long frames may be under way.
const SOON: Duration = Duration::from_secs(10);

/// Differences shown when there are many.
const SHOWN: usize = 20;

/// A frame and the port it goes into.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The port.
    pub port: usize,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// The frames that came out, with the port they came out of.
pub type Out = BTreeSet<(usize, Vec<u8>)>;

/// A switch and a socket on each of its ports' netdevs.
pub struct Rig<'l> {
    name: &'static str,
    sockets: Vec<RawSocket>,
    /// Makes what the switch learned count for the next frame.
    settle: Box<dyn Fn() + 'l>,
}

impl<'l> Rig<'l> {
    /// Opens the netdevs `PREFIX0`, `PREFIX1`, … of the lab's host.
    pub fn open(
        lab: &Lab,
        name: &'static str,
        prefix: &str,
        ports: usize,
        settle: impl Fn() + 'l,
    ) -> Rig<'l> {
        let open = |port: usize| {
            let netdev = format!("{prefix}{port}");
            let socket = RawSocket::open(&netdev, false).and_then(RawSocket::keeping_tags);
            socket.unwrap_or_else(|error| panic!("{netdev}: {error}"))
        };
        let sockets = in_netns(&lab.host(), || (0..ports).map(open).collect());
        Rig { name, sockets: sockets.expect("the lab's host"), settle: Box::new(settle) }
    }

    fn send(&self, sent: &Sent) {
        let wire = Wire::from(&sent.bytes[..]);
        self.sockets[sent.port].send(&wire).unwrap_or_else(|error| {
            panic!("{}: port {} does not take {:02x?}: {error}", self.name, sent.port, sent.bytes)
        });
    }

    /// Sends a frame with the number `number` and then its sentinels, and
    /// returns what came out of the former.
    fn try_out(&self, sent: &Sent, number: u32, sentinels: &[Sentinel]) -> Out {
        self.send(sent);
        let mut awaited = BTreeSet::new();
        for sentinel in sentinels {
            self.send(&sentinel.sent);
            awaited.extend(sentinel.reaches.iter().map(|&port| (port, sentinel.number)));
        }
        let mut out = Out::new();
        let deadline = Instant::now() + SOON;
        while !awaited.is_empty() {
            assert!(Instant::now() < deadline, "{}: sentinels {awaited:?} are lost", self.name);
            for (port, socket) in self.sockets.iter().enumerate() {
                while let Some(wire) = socket.receive().expect("a netdev that is up") {
                    let found = wire::number(&wire.bytes);
                    if found.is_none_or(|found| found == number) {
                        let twice = !out.insert((port, wire.bytes));
                        assert!(!twice, "{}: twice out of port {port}", self.name);
                    } else if let Some(found) = found.filter(|_| found < Some(number)) {
                        panic!("{}: number {found} so late out of port {port}", self.name);
                    } else if let Some(found) = found {
                        awaited.remove(&(port, found));
                    }
                }
            }
            thread::yield_now();
        }
        (self.settle)();
        out
    }
}

struct Sentinel {
    sent: Sent,
    number: u32,
    reaches: Vec<usize>,
}

/// Two switches of one layout, and where they may differ.
pub struct Comparison<'l> {
    layout: Layout,
    netloom: Rig<'l>,
    oracle: Rig<'l>,
    differences: &'static [Difference],
    seen: BTreeSet<&'static str>,
    /// What no rule explains, in words.
    unexplained: Vec<String>,
    next: u32,
}

impl<'l> Comparison<'l> {
    /// Compares these two.
    pub fn new(
        layout: Layout,
        netloom: Rig<'l>,
        oracle: Rig<'l>,
        differences: &'static [Difference],
    ) -> Comparison<'l> {
        Comparison {
            layout,
            netloom,
            oracle,
            differences,
            seen: BTreeSet::new(),
            unexplained: Vec::new(),
            next: 1,
        }
    }

    /// Compares what becomes of each of these frames.
    ///
    /// # Panics
    /// When one of the switches does not forward at all.
    pub fn all(&mut self, frames: impl IntoIterator<Item = Sent>) {
        for sent in frames {
            self.one(sent);
        }
    }

    /// Checks that the table of differences says all there is to say, and no more.
    ///
    /// # Panics
    /// When it does not.
    pub fn end(self) {
        let count = self.unexplained.len();
        let first: String = self.unexplained.iter().take(SHOWN).map(String::as_str).collect();
        assert_eq!(count, 0, "differences that no rule explains, the first ones:\n{first}");
        for difference in self.differences {
            let rule = difference.rule;
            assert!(self.seen.contains(rule), "no difference any more: {rule}");
        }
    }

    fn one(&mut self, mut sent: Sent) {
        let number = self.next;
        wire::mark(&mut sent.bytes, number);
        let sentinels = self.sentinels(sent.port);
        let netloom = self.netloom.try_out(&sent, number, &sentinels);
        let oracle = self.oracle.try_out(&sent, number, &sentinels);
        if netloom == oracle {
            return;
        }
        let layout = self.layout;
        let case = Case { layout, sent: &sent, netloom: &netloom, oracle: &oracle };
        match self.differences.iter().find(|difference| (difference.is_it)(&case)) {
            Some(difference) => {
                self.seen.insert(difference.rule);
            }
            None => self.unexplained.push(format!(
                "into port {} ({:?}): {}\n{}: {}\n{}: {}\n",
                sent.port,
                self.layout[sent.port],
                shown(&sent.bytes),
                self.netloom.name,
                shown_all(&netloom),
                self.oracle.name,
                shown_all(&oracle)
            )),
        }
    }

    /// Broadcasts from `port` that together reach every port a frame from there can.
    fn sentinels(&mut self, port: usize) -> Vec<Sentinel> {
        let mut reached = BTreeSet::from([port]);
        let mut sentinels = Vec::new();
        self.next += 1;
        for vid in self.layout[port].vids() {
            let members = |other: &usize| self.layout[*other].vids().contains(&vid);
            let reaches: Vec<_> =
                (0..self.layout.len()).filter(|other| *other != port).filter(members).collect();
            let before = reached.len();
            reached.extend(&reaches);
            if reached.len() == before {
                continue;
            }
            let source = [2, 0x5e, 0, 0, 0, port as u8];
            let plain = wire::frame(BROADCAST, source, &[], 60);
            let mut bytes = self.layout[port].dressed(vid, &plain);
            wire::mark(&mut bytes, self.next);
            sentinels.push(Sentinel { sent: Sent { port, bytes }, number: self.next, reaches });
            self.next += 1;
        }
        sentinels
    }
}

fn shown_all(out: &Out) -> String {
    let line = |(port, bytes): &(usize, Vec<u8>)| format!("\n  port {port}: {}", shown(bytes));
    if out.is_empty() { "nothing".into() } else { out.iter().map(line).collect() }
}

/// A frame's head in hexadecimal, and its length.
fn shown(bytes: &[u8]) -> String {
    let head: String = bytes.iter().take(34).map(|byte| format!("{byte:02x}")).collect();
    format!("{head}… ({} bytes)", bytes.len())
}
