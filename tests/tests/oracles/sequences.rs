//! Which frames are tried: lists that name a rule each, and random ones.

use std::time::SystemTime;

use crate::compare::Sent;
use crate::layout::{Layout, Mode};
use crate::wire::{BROADCAST, C_TAG, Mac, S_TAG, frame, station};

/// Addresses that send and are sent to.
const STATIONS: u16 = 10;
/// An address nobody sends from.
const NOBODY: Mac = [2, 0, 0, 0, 0xff, 0xff];
/// Group addresses of IPv4, IPv6 and others.
const GROUPS: [Mac; 3] =
    [[1, 0, 0x5e, 0, 0, 5], [0x33, 0x33, 0, 0, 0, 1], [1, 0, 0x0c, 0xcc, 0xcc, 0xcc]];

fn sent(port: usize, dst: Mac, src: Mac, tags: &[(u16, u16)]) -> Sent {
    Sent { port, bytes: frame(dst, src, tags, 64) }
}

/// Learning, flooding, moves and a destination on the port itself; every length.
pub fn untagged() -> Vec<Sent> {
    let [a, b, c] = [1, 2, 3].map(station);
    let mut frames = vec![
        sent(0, b, a, &[]),
        sent(1, a, b, &[]),
        sent(0, b, a, &[]),
        sent(2, BROADCAST, c, &[]),
        sent(0, c, a, &[]),
        sent(0, GROUPS[0], a, &[]),
        sent(1, GROUPS[1], b, &[]),
        // To an address behind the same port.
        sent(1, c, a, &[]),
        sent(0, b, a, &[]),
        sent(1, b, c, &[]),
        sent(1, c, b, &[]),
        // a moves, and back.
        sent(2, b, a, &[]),
        sent(1, a, b, &[]),
        sent(0, b, a, &[]),
        sent(1, a, b, &[]),
        sent(3, a, a, &[]),
        sent(3, NOBODY, b, &[]),
    ];
    let lengths = [14, 15, 21, 22, 30, 46, 59, 60, 61, 63, 64, 65, 127, 128, 500, 1513, 1514];
    frames.extend(lengths.map(|len| Sent { port: 0, bytes: frame(BROADCAST, a, &[], len) }));
    frames.extend(lengths.map(|len| Sent { port: 1, bytes: frame(a, b, &[], len) }));
    frames
}

/// The reserved addresses 01-80-C2-00-00-00 … -0F, and the ones beside them.
pub fn reserved() -> Vec<Sent> {
    let a = station(1);
    let last = (0..=0x11).chain([0x20, 0x21, 0x2f, 0x30]);
    last.map(|last| sent(0, [1, 0x80, 0xc2, 0, 0, last], a, &[])).collect()
}

/// What a switch may treat in a way of its own; sources seen only here.
pub fn odd(layout: Layout) -> Vec<Sent> {
    let mut frames = Vec::new();
    for port in 0..layout.len() {
        let mut source = 1000 + 100 * port as u16;
        let mut add = |tags: &[(u16, u16)]| {
            source += 1;
            frames.push(sent(port, BROADCAST, station(source), tags));
        };
        for tpid in [C_TAG, S_TAG] {
            for vid in [0, 1, 10, 20, 30, 100, 200, 4094, 4095] {
                add(&[(tpid, vid)]);
                add(&[(tpid, 0xe000 | vid)]);
                add(&[(tpid, 0x1000 | vid)]);
            }
        }
        for outer in [0, 10, 100] {
            for (one, other) in [(C_TAG, C_TAG), (S_TAG, C_TAG), (C_TAG, S_TAG), (S_TAG, S_TAG)] {
                add(&[(one, outer), (other, 7)]);
                add(&[(one, outer), (other, 0xe000)]);
                add(&[(one, outer), (other, 0)]);
                add(&[(one, outer), (other, 7), (C_TAG, 8)]);
                add(&[(one, outer), (other, 7), (C_TAG, 8), (C_TAG, 9)]);
            }
        }
        frames.push(sent(port, BROADCAST, GROUPS[0], &[]));
        frames.push(sent(port, BROADCAST, BROADCAST, &[]));
        frames.push(sent(port, BROADCAST, [0; 6], &[]));
        frames.push(sent(port, [0; 6], station(source + 1), &[]));
        frames.extend(cut_short(port, station(source + 2)));
    }
    frames
}

/// Frames that end within their tag.
fn cut_short(port: usize, src: Mac) -> Vec<Sent> {
    let whole = frame(BROADCAST, src, &[(C_TAG, 10), (C_TAG, 20)], 60);
    (14..=22).map(|len| Sent { port, bytes: whole[..len].to_vec() }).collect()
}

/// One address in two VLANs, which know nothing of each other.
pub fn vlans_apart() -> Vec<Sent> {
    let [a, b] = [21, 22].map(station);
    let (ten, twenty) = ([(C_TAG, 10)], [(C_TAG, 20)]);
    vec![
        sent(0, b, a, &ten),
        sent(1, b, a, &twenty),
        sent(2, a, b, &ten),
        sent(3, a, b, &twenty),
        sent(3, a, b, &[]),
    ]
}

/// Random frames, an endless row.
pub struct Random {
    layout: Layout,
    state: u64,
    one_vlan_an_address: bool,
}

impl Random {
    /// Frames for these ports, from `ORACLE_SEED` or the clock.
    pub fn new(layout: Layout) -> Random {
        let given = std::env::var("ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(1, |since| since.as_nanos() as u64)
        };
        let seed = given.unwrap_or_else(clock);
        // Shown only when the test fails.
        println!("the same frames again: ORACLE_SEED={seed}");
        Random { layout, state: seed, one_vlan_an_address: false }
    }

    /// The same, each address in one VLAN only.
    pub fn one_vlan_an_address(mut self) -> Random {
        self.one_vlan_an_address = true;
        self
    }

    /// SplitMix64 (public domain): any seed will do.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }

    /// A tag's TCI with any priority.
    fn tci(&mut self, vid: u16) -> u16 {
        vid | (self.below(8) as u16) << 13
    }

    fn tags(&mut self, mode: Mode) -> Vec<(u16, u16)> {
        let any = 1 + self.below(4094) as u16;
        let (outer, payload) = match mode {
            Mode::Transparent => (self.of(&[None, None, Some(10), Some(20)]), true),
            Mode::Access(own) => {
                (self.of(&[None, None, None, Some(0), Some(own), Some(any)]), false)
            }
            Mode::Trunk { vids, .. } => {
                let allowed = self.of(vids);
                (
                    self.of(&[
                        Some(allowed),
                        Some(allowed),
                        Some(allowed),
                        Some(any),
                        None,
                        Some(0),
                    ]),
                    true,
                )
            }
            Mode::Tunnel(_) => (self.of(&[None, Some(any), Some(10)]), false),
        };
        let Some(vid) = outer else { return Vec::new() };
        let mut tags = vec![(C_TAG, self.tci(vid))];
        if payload && vid != 0 && self.below(4) == 0 {
            tags.push((self.of(&[C_TAG, S_TAG]), self.tci(any)));
        }
        tags
    }
}

impl Iterator for Random {
    type Item = Sent;

    fn next(&mut self) -> Option<Sent> {
        let port = self.below(self.layout.len());
        let tags = self.tags(self.layout[port]);
        let vid = tags.first().map_or(0, |(_, tci)| tci & 0xfff);
        let plane = if self.one_vlan_an_address { vid * STATIONS } else { 0 };
        let src = 1 + plane + self.below(STATIONS.into()) as u16;
        let other = 1 + plane + self.below(STATIONS.into()) as u16;
        let group = self.of(&GROUPS);
        let to = station(other);
        let dst = self.of(&[to, to, to, to, BROADCAST, group, NOBODY]);
        let len = 40 + self.below(1400);
        Some(Sent { port, bytes: frame(dst, station(src), &tags, len) })
    }
}
