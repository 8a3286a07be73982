//! The switch once more, as plainly as the forwarding rules can be said: maps,
//! strings and copies. Written from the rules; what it shares with the real one
//! are the words of configuration and, for the bytes of segments, the segmenter.

use std::collections::BTreeMap;

use switch_core::Mac;
use switch_core::config::{BridgeRules, L2cp, PortRules};
use switch_core::frame::{Checksum, Offload};
use switch_core::port::DeviceState;
use switch_core::ports::memory::Wire;

use super::device::hand_over;
use super::tags::{Admitted, classify, form, is_member, mac};

pub struct Port {
    pub rules: PortRules,
    pub device: DeviceState,
    /// Why its device sends nothing, if it does not.
    pub fault: Option<&'static str>,
    pub counts: Counts,
}

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Counts {
    pub rx: (u64, u64),
    pub tx: (u64, u64),
    pub drops: BTreeMap<&'static str, u64>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    pub port: String,
    /// When it was seen; static entries never were.
    pub seen: Option<u64>,
}

#[derive(Default)]
pub struct Model {
    pub bridge: BridgeRules,
    pub now: u64,
    pub ports: BTreeMap<String, Port>,
    pub fdb: BTreeMap<(u16, Mac), Entry>,
    pub removed: Counts,
    pub flood_copies: u64,
    pub made: u64,
    /// Learned, moved, aged, refused.
    pub fdb_counts: [u64; 4],
}

impl Model {
    /// What goes out where when `frame` comes in by `from`.
    pub fn frame(&mut self, from: &str, frame: &Wire) -> Vec<(String, Wire)> {
        let counts = &mut self.ports.get_mut(from).unwrap().counts;
        counts.rx.0 += 1;
        counts.rx.1 += frame.bytes.len() as u64;
        match self.relay(from, frame) {
            Err(reason) => {
                self.drop(from, reason);
                Vec::new()
            }
            Ok((admitted, targets)) => {
                self.flood_copies += targets.len() as u64 - 1;
                let send = |to: &String| self.send(to, frame, &admitted);
                targets.iter().flat_map(send).collect()
            }
        }
    }

    fn drop(&mut self, port: &str, reason: &'static str) {
        *self.ports.get_mut(port).unwrap().counts.drops.entry(reason).or_default() += 1;
    }

    fn relay(&mut self, from: &str, frame: &Wire) -> Result<(Admitted, Vec<String>), &'static str> {
        let admitted = self.admit(from, frame)?;
        let (dst, src) = (mac(&frame.bytes[..6]), mac(&frame.bytes[6..12]));
        let ingress = &self.ports[from];
        if ingress.rules.learning && ingress.device.up {
            self.learn(from, admitted.vid, src);
        }
        let apart = |port: &Port| port.rules.isolated && self.ports[from].rules.isolated;
        if !dst.is_group()
            && let Some(entry) = self.fdb.get(&(admitted.vid, dst))
        {
            let port = &self.ports[&entry.port];
            return match () {
                () if entry.port == from => Err("same-port"),
                () if !is_member(&port.rules.vlan, admitted.vid) => Err("not-member"),
                () if apart(port) => Err("isolated"),
                () => Ok((admitted, vec![entry.port.clone()])),
            };
        }
        let takes = |port: &Port| match dst {
            Mac::BROADCAST => port.rules.bcast_flood,
            dst if dst.is_group() => port.rules.mcast_flood,
            _ => port.rules.flood,
        };
        let wanted = |(name, port): &(&String, &Port)| {
            *name != from
                && port.device.up
                && takes(port)
                && is_member(&port.rules.vlan, admitted.vid)
                && !apart(port)
        };
        let targets: Vec<_> =
            self.ports.iter().filter(wanted).map(|(name, _)| name.clone()).collect();
        if targets.is_empty() { Err("no-target") } else { Ok((admitted, targets)) }
    }

    fn admit(&self, from: &str, frame: &Wire) -> Result<Admitted, &'static str> {
        let bytes = &frame.bytes;
        if bytes.len() < 14 {
            return Err("too-short");
        }
        let admitted = classify(&self.ports[from].rules.vlan, bytes)?;
        let Offload { checksum, gso } = frame.offload;
        let first = bytes.len() - admitted.bare.len() + 14;
        let is_true = match checksum {
            Checksum::Partial { start, offset } => {
                let (start, offset) = (usize::from(start), usize::from(offset));
                start >= first && start < 65_532 && start + offset + 2 <= bytes.len()
            }
            _ => gso.is_none(),
        };
        if !is_true || gso.is_some_and(|gso| gso.size == 0) {
            return Err("bad-offload");
        }
        let (dst, src) = (&bytes[..6], mac(&bytes[6..12]));
        if dst[..5] == [1, 0x80, 0xc2, 0, 0] && dst[5] < 16 {
            match dst[5] {
                1 => return Err("pause"),
                _ if self.bridge.l2cp == L2cp::Standard => return Err("reserved-address"),
                _ => {}
            }
        }
        match src {
            src if src.is_group() => Err("group-source"),
            src if src.is_zero() => Err("zero-source"),
            _ => Ok(admitted),
        }
    }

    fn learn(&mut self, from: &str, vid: u16, src: Mac) {
        let held = self.fdb.values().filter(|e| e.port == from && e.seen.is_some()).count();
        let limit = self.ports[from].rules.mac_limit as usize;
        let has_room = limit == 0 || held < limit;
        let [learned, moved, _, refused] = &mut self.fdb_counts;
        let here = Entry { port: from.to_owned(), seen: Some(self.now) };
        match self.fdb.get_mut(&(vid, src)) {
            Some(entry) if entry.seen.is_none() => {}
            Some(entry) if entry.port == from => *entry = here,
            _ if !has_room => *refused += 1,
            Some(entry) => {
                *entry = here;
                *moved += 1;
            }
            None => {
                self.fdb.insert((vid, src), here);
                *learned += 1;
            }
        }
    }

    /// The copy for one port, in the form it leaves in: as many frames as that makes.
    fn send(&mut self, to: &str, frame: &Wire, admitted: &Admitted) -> Vec<(String, Wire)> {
        let port = &self.ports[to];
        let bytes = form(&port.rules.vlan, &frame.bytes, admitted);
        let mut offload = frame.offload;
        offload.shift(bytes.len() as i16 - frame.bytes.len() as i16);
        let wires = match hand_over(port, Wire { bytes, offload }) {
            Ok(wires) => wires,
            Err(reason) => {
                self.drop(to, reason);
                return Vec::new();
            }
        };
        self.made += wires.len() as u64 - 1;
        let port = self.ports.get_mut(to).unwrap();
        if let Some(reason) = port.fault {
            *port.counts.drops.entry(reason).or_default() += wires.len() as u64;
            return Vec::new();
        }
        port.counts.tx.0 += wires.len() as u64;
        port.counts.tx.1 += wires.iter().map(|wire| wire.bytes.len() as u64).sum::<u64>();
        wires.into_iter().map(|wire| (to.to_owned(), wire)).collect()
    }

    /// Time goes on.
    pub fn wait(&mut self, seconds: u64) {
        self.now = seconds;
        self.age();
    }

    pub fn age(&mut self) {
        let (now, ageing) = (self.now, u64::from(self.bridge.ageing));
        let due = |entry: &Entry| {
            ageing > 0 && entry.seen.is_some_and(|seen| now.saturating_sub(seen) > ageing)
        };
        self.fdb_counts[2] += self.fdb.values().filter(|entry| due(entry)).count() as u64;
        self.fdb.retain(|_, entry| !due(entry));
    }

    pub fn remove(&mut self, name: &str) {
        let counts = self.ports.remove(name).unwrap().counts;
        let sum = &mut self.removed;
        sum.rx = (sum.rx.0 + counts.rx.0, sum.rx.1 + counts.rx.1);
        sum.tx = (sum.tx.0 + counts.tx.0, sum.tx.1 + counts.tx.1);
        for (reason, count) in counts.drops {
            *sum.drops.entry(reason).or_default() += count;
        }
        self.fdb.retain(|_, entry| entry.port != name);
    }

    pub fn set_rules(&mut self, name: &str, rules: PortRules) {
        let port = self.ports.get_mut(name).unwrap();
        if port.rules.vlan != rules.vlan {
            self.fdb.retain(|(vid, _), e| e.port != name || is_member(&rules.vlan, *vid));
        }
        port.rules = rules;
    }

    pub fn set_device(&mut self, name: &str, device: DeviceState) {
        let port = self.ports.get_mut(name).unwrap();
        if port.device.up && !device.up {
            self.fdb.retain(|_, entry| entry.port != name || entry.seen.is_none());
        }
        port.device = device;
    }
}
