//! A small reference switch and the real one under the same random events:
//! the same frames out on each port in the same order, the same counters and
//! entries, `explain` in agreement, and conservation at every step.

mod device;
mod events;
mod model;
mod real;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use switch_core::config::BridgeRules;
use switch_core::counters::PortTotals;
use switch_core::drops::Side;
use switch_core::explain::{Explanation, explain};
use switch_core::fdb::Key;
use switch_core::frame::Checksum;
use switch_core::port::TxError;
use switch_core::ports::memory::Wire;
use switch_core::switch::SwitchStats;
use switch_core::{Drop, Frame, PortId, Vid};

use crate::agreement::{self, Happened};
use crate::frames::tags_of;
use events::{Event, Place, events};
use model::{Counts, Entry, Model, Port};
use real::Real;

/// More than all addresses in all VLANs: a full table is the business of `fairness`.
const CAPACITY: u32 = 256;
const MAX_PORTS: usize = 8;

/// Both switches.
struct Twins {
    real: Real,
    model: Model,
    ids: BTreeMap<String, PortId>,
    added: usize,
}

impl Twins {
    fn new() -> Twins {
        let bridge = BridgeRules::default();
        let real = Real::new(bridge, CAPACITY);
        let mut twins = Twins { real, model: Model::default(), ids: BTreeMap::new(), added: 0 };
        twins.real.run();
        twins
    }

    fn name_at(&self, place: Place) -> Option<String> {
        let at = usize::from(place) % self.ids.len().max(1);
        self.ids.keys().nth(at).cloned()
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Frames(frames) => self.frames(frames),
            Event::Wait(time) => {
                self.real.now += Duration::from_millis(*time);
                self.real.run();
                self.model.wait(self.real.now.as_secs());
            }
            Event::Add(rules, device) if self.ids.len() < MAX_PORTS => {
                let name = format!("p{}", self.added);
                self.added += 1;
                let id = self.real.switch.add_port(&name, rules.clone(), *device).unwrap();
                let (rules, device, counts) = (rules.clone(), *device, Counts::default());
                self.model.ports.insert(name.clone(), Port { rules, device, fault: None, counts });
                self.ids.insert(name, id);
            }
            Event::Add(..) => {}
            Event::AddStatic(mac, vid, place) => {
                let Some(name) = self.name_at(*place) else { return };
                self.real.switch.add_static(*mac, *vid, self.ids[&name]).unwrap();
                self.model.fdb.insert((vid.get(), *mac), Entry { port: name, seen: None });
            }
            Event::Forget(mac, vid) => {
                let gone = self.model.fdb.remove(&(vid.get(), *mac)).is_some();
                assert_eq!(self.real.switch.fdb().remove(Key::new(*mac, *vid)), gone);
            }
            Event::Flush(place, vid, statics) => self.flush(*place, *vid, *statics),
            Event::SetBridge(bridge) => {
                self.real.switch.set_bridge(*bridge);
                self.real.run();
                self.model.bridge = *bridge;
                self.model.age();
            }
            Event::Remove(place)
            | Event::SetRules(place, _)
            | Event::SetDevice(place, _)
            | Event::Fault(place, _) => self.change(*place, event),
        }
        self.real.cross();
        self.compare();
    }

    fn change(&mut self, place: Place, event: &Event) {
        let Some(name) = self.name_at(place) else { return };
        let id = self.ids[&name];
        match event {
            Event::Remove(_) => {
                self.real.switch.remove_port(id);
                self.real.script.faults.remove(&id.number);
                self.model.remove(&name);
                self.ids.remove(&name);
            }
            Event::SetRules(_, rules) => {
                self.real.switch.set_rules(id, rules.clone());
                self.model.set_rules(&name, rules.clone());
            }
            Event::SetDevice(_, device) => {
                self.real.switch.set_device(id, *device);
                self.model.set_device(&name, *device);
            }
            Event::Fault(_, fault) => {
                match fault {
                    Some(fault) => self.real.script.faults.insert(id.number, *fault),
                    None => self.real.script.faults.remove(&id.number),
                };
                self.model.ports.get_mut(&name).unwrap().fault = fault.map(|fault| match fault {
                    TxError::Full => "tx-full",
                    TxError::Down => "port-down",
                    TxError::Refused => "tx-error",
                });
            }
            _ => unreachable!("no change of a port"),
        }
    }

    fn flush(&mut self, place: Option<Place>, vid: Option<Vid>, statics: bool) {
        let port = place.and_then(|place| self.name_at(place));
        let id = port.as_ref().map(|name| self.ids[name]);
        self.real.switch.fdb().flush(self.real.seconds(), |entry| {
            (statics || !entry.is_static)
                && id.is_none_or(|id| entry.port == id)
                && vid.is_none_or(|vid| entry.vid == vid)
        });
        self.model.fdb.retain(|(entry_vid, _), entry| {
            (entry.seen.is_none() && !statics)
                || port.as_ref().is_some_and(|port| entry.port != *port)
                || vid.is_some_and(|vid| vid.get() != *entry_vid)
        });
    }

    /// All of a burst in at once; of a single frame, `explain` must know before.
    fn frames(&mut self, frames: &[(Place, Wire)]) {
        let named: Vec<(String, Wire)> = frames
            .iter()
            .filter_map(|(place, wire)| Some((self.name_at(*place)?, wire.clone())))
            .collect();
        let foretold = match &named[..] {
            [(name, wire)] if !writes_into_tags(wire) => Some(self.ask(name, wire)),
            _ => None,
        };
        let before = self.real.switch.stats();
        let sent = named.iter().map(|(name, wire)| (self.ids[name], wire.clone()));
        let got = self.real.frames(sent.collect::<Vec<_>>());
        let mut expected: BTreeMap<String, BTreeMap<&str, Vec<Wire>>> = BTreeMap::new();
        for (name, wire) in &named {
            for (port, wire) in self.model.frame(name, wire) {
                expected.entry(port).or_default().entry(name).or_default().push(wire);
            }
        }
        for (name, id) in &self.ids {
            let mine = got.iter().filter(|(port, _)| port == id).map(|(_, wire)| wire);
            let mine: Vec<_> = mine.collect();
            let its: Vec<_> = expected.remove(name).unwrap_or_default().into_values().collect();
            assert!(is_merge(&mine, &its), "out by {name}: expected {its:02x?}, got {mine:02x?}");
        }
        assert!(expected.is_empty(), "{expected:02x?}");
        if let Some(answer) = foretold {
            let happened = self.happened(&named[0].1.bytes, &got, &before);
            if let Err(why) = agreement::compare(&answer, &happened) {
                panic!("{why}; {named:02x?}; {:#?}", answer.steps);
            }
        }
    }

    /// What became of one frame: what went out, and which drops were counted.
    fn happened<'h>(
        &self,
        sent: &'h [u8],
        got: &[(PortId, Wire)],
        before: &SwitchStats,
    ) -> Happened<'h> {
        let after = self.real.switch.stats();
        let (mut out, mut drop) = (BTreeMap::new(), None);
        for (name, &id) in &self.ids {
            let count = |stats: &SwitchStats, reason| {
                let found = stats.ports.iter().find(|(port, _)| *port == id);
                found.map_or(0, |(_, totals)| totals.dropped(reason))
            };
            let grown = |reason: &&Drop| count(&after, **reason) > count(before, **reason);
            for &reason in Drop::ALL.iter().filter(grown) {
                match reason.side() {
                    Side::Ingress => drop = Some(reason),
                    Side::Egress => {
                        out.insert(name.clone(), Err(reason));
                    }
                }
            }
            if let Some((_, wire)) = got.iter().find(|(port, _)| *port == id) {
                out.insert(name.clone(), Ok(wire.bytes.clone()));
            }
        }
        Happened { sent, out, drop, fdb: (before.fdb, after.fdb) }
    }

    fn ask(&self, name: &str, wire: &Wire) -> Explanation {
        let mut frame = Frame::from_bytes(&wire.bytes);
        frame.offload = wire.offload;
        let switch = &self.real.switch;
        let now = self.real.seconds();
        explain(&switch.tables(), switch.fdb(), now, self.ids[name], &frame).unwrap()
    }

    fn compare(&self) {
        let stats = self.real.switch.stats();
        assert_eq!(stats.imbalance(), 0, "frames are conserved");
        for (name, id) in &self.ids {
            let totals = stats.ports.iter().find(|(port, _)| port == id);
            let totals = counts(&totals.expect("counters").1);
            assert_eq!(totals, self.model.ports[name].counts, "{name}");
        }
        assert_eq!(counts(&stats.removed), self.model.removed);
        assert_eq!(stats.flood_copies, self.model.flood_copies);
        assert_eq!(stats.made_frames, self.model.made);
        let fdb = stats.fdb;
        assert_eq!([fdb.learned, fdb.moved, fdb.aged, fdb.refused], self.model.fdb_counts);
        let name = |id: PortId| self.ids.iter().find(|(_, port)| **port == id).unwrap().0.clone();
        let entries: BTreeMap<_, _> = self
            .real
            .switch
            .fdb()
            .entries(self.real.seconds())
            .into_iter()
            .map(|entry| {
                let seen = u64::from(self.real.seconds() - entry.age);
                let seen = (!entry.is_static).then_some(seen);
                ((entry.vid.get(), entry.mac), Entry { port: name(entry.port), seen })
            })
            .collect();
        assert_eq!(entries, self.model.fdb);
        assert_eq!(fdb.entries as usize, self.model.fdb.len());
    }
}

/// Whether `merged` holds these sequences, each in its order: across ports none
/// is promised, but what came in by one port and leaves by one port keeps its own.
fn is_merge(merged: &[&Wire], sequences: &[Vec<Wire>]) -> bool {
    let length: usize = sequences.iter().map(Vec::len).sum();
    // How far each sequence may have been used up.
    let mut places = BTreeSet::from([vec![0; sequences.len()]]);
    for wire in merged {
        let mut next = BTreeSet::new();
        for place in &places {
            for (number, sequence) in sequences.iter().enumerate() {
                if sequence.get(place[number]) == Some(wire) {
                    let mut place = place.clone();
                    place[number] += 1;
                    next.insert(place);
                }
            }
        }
        places = next;
    }
    merged.len() == length && !places.is_empty()
}

/// Whether a made-up checksum field lies in a tag that is payload: finishing
/// the checksum then changes the tag.
fn writes_into_tags(wire: &Wire) -> bool {
    match wire.offload.checksum {
        Checksum::Partial { start, offset } => {
            let headers = 14 + 4 * tags_of(&wire.bytes).len();
            usize::from(start) + usize::from(offset) < headers
        }
        _ => false,
    }
}

fn counts(totals: &PortTotals) -> Counts {
    Counts {
        rx: (totals.rx_frames, totals.rx_bytes),
        tx: (totals.tx_frames, totals.tx_bytes),
        drops: totals.drops().map(|(reason, count)| (reason.name(), count)).collect(),
    }
}

proptest! {
    // What fails once becomes a scenario a person can read, not a seed in a file.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_real_switch_does_as_the_reference_does(events in events()) {
        let mut twins = Twins::new();
        for event in &events {
            twins.play(event);
        }
    }
}
