//! Plays a scenario: the one place that knows the switch's interface.

use std::collections::{BTreeMap, BTreeSet};

use switch_core::config::{BridgeRules, PortRules};
use switch_core::ports::memory::Wire;
use switch_core::switch::SwitchStats;
use switch_core::{Drop, Frame, Mac, PortId, Vid};

use super::parse::{self, Fate, Frames, Known, Line, Out};
use crate::agreement::{self, Happened};
use crate::frames::{Body, Spec, Tag, tags_of};
use crate::lab::{DEVICE, Lab};

/// Entries in the FDB unless a scenario says otherwise.
const CAPACITY: u32 = 1024;

/// A scenario under way.
pub struct Stage {
    lab: Lab,
    names: BTreeMap<String, PortId>,
    number: u32,
    /// Every reason a frame was dropped for.
    pub seen: BTreeSet<&'static str>,
}

type Done = Result<(), String>;

impl Stage {
    pub fn new() -> Stage {
        let lab = Lab::new(BridgeRules::default(), CAPACITY);
        Stage { lab, names: BTreeMap::new(), number: 0, seen: BTreeSet::new() }
    }

    /// Plays one line, and checks that frames are conserved after it.
    pub fn play(&mut self, line: &Line) -> Done {
        match line {
            Line::Section(_) => self.reset(CAPACITY),
            Line::Switch(pairs) => self.set_switch(pairs)?,
            Line::Ports(ports) => {
                for (name, words) in ports {
                    self.add_port(name, words)?;
                }
            }
            Line::SetPort(name, words) => self.set_port(name, words)?,
            Line::DelPort(name) => {
                let id = self.id(name)?;
                self.lab.remove(id);
                self.names.remove(name);
            }
            Line::Fault(name, fault) => self.lab.set_fault(self.id(name)?, *fault),
            Line::Wait(time) => self.lab.wait(*time),
            Line::Frames(frames) => self.frames(frames)?,
            Line::Spray { port, macs, tags } => self.spray(port, macs, tags)?,
            Line::Fdb(expected) => self.compare_fdb(expected)?,
            Line::FdbAdd(mac, port, vid) => self.add_static(&[*mac], port, *vid)?,
            Line::FdbFill(macs, port) => self.add_static(macs, port, None)?,
            Line::FdbDel(mac, vid) => {
                let key = switch_core::fdb::Key::new(*mac, *vid);
                if !self.lab.switch.fdb().remove(key) {
                    return Err("no such entry".into());
                }
            }
            Line::FdbFlush { port, vid, statics } => self.flush(port.as_deref(), *vid, *statics)?,
            Line::Held(port, count) => {
                equal("held", *count, self.lab.switch.fdb().held(self.id(port)?))?;
            }
            Line::Behind { port, macs, vid } => self.compare_known(port, macs, *vid)?,
            Line::Stats(who, counts) => self.compare_stats(who, counts)?,
        }
        equal("imbalance", 0, self.lab.switch.stats().imbalance())
    }

    fn reset(&mut self, capacity: u32) {
        self.lab = Lab::new(BridgeRules::default(), capacity);
        self.names.clear();
    }

    fn id(&self, name: &str) -> Result<PortId, String> {
        self.names.get(name).copied().ok_or(format!("there is no port `{name}`"))
    }

    fn set_switch(&mut self, pairs: &[(String, String)]) -> Done {
        let mut bridge = self.lab.switch.bridge();
        for (key, value) in pairs {
            match &**key {
                "capacity" if self.names.is_empty() => {
                    self.reset(value.parse().map_err(|_| "bad capacity")?);
                }
                "ageing" => bridge.ageing = value.parse().map_err(|_| "bad ageing time")?,
                "l2cp" => bridge.l2cp = parse::l2cp(value)?,
                _ => return Err(format!("unknown key `{key}`")),
            }
        }
        self.lab.switch.set_bridge(bridge);
        self.lab.cross();
        Ok(())
    }

    fn add_port(&mut self, name: &str, words: &[String]) -> Done {
        let (mut rules, mut device) = (PortRules::default(), DEVICE);
        parse::apply(words, &mut rules, &mut device)?;
        let id = self.lab.add(name, rules, device);
        match self.names.insert(name.to_owned(), id) {
            Some(_) => Err(format!("`{name}` is there already")),
            None => Ok(()),
        }
    }

    fn set_port(&mut self, name: &str, words: &[String]) -> Done {
        let port = self.lab.port(self.id(name)?).clone();
        let (mut rules, mut device) = (port.rules, port.device);
        parse::apply(words, &mut rules, &mut device)?;
        self.lab.set_rules(port.id, rules);
        self.lab.set_device(port.id, device);
        Ok(())
    }

    fn add_static(&self, macs: &[Mac], port: &str, vid: Option<Vid>) -> Done {
        let port = self.lab.port(self.id(port)?);
        let vid = vid.or(port.rules.vlan.pvid()).ok_or("no VLAN of its own")?;
        macs.iter().try_for_each(|&mac| {
            let added = self.lab.switch.add_static(mac, vid, port.id);
            added.map_err(|error| format!("{error:?}"))
        })
    }

    fn flush(&self, port: Option<&str>, vid: Option<Vid>, statics: bool) -> Done {
        let port = port.map(|port| self.id(port)).transpose()?;
        self.lab.switch.fdb().flush(self.lab.seconds(), |entry| {
            (statics || !entry.is_static)
                && port.is_none_or(|port| entry.port == port)
                && vid.is_none_or(|vid| entry.vid == vid)
        });
        Ok(())
    }

    fn spray(&mut self, port: &str, macs: &[Mac], tags: &[Tag]) -> Done {
        let id = self.id(port)?;
        for macs in macs.chunks(512) {
            for &mac in macs {
                self.number += 1;
                let spec = Spec::new(mac, Mac::BROADCAST, tags.to_vec(), self.number);
                self.lab.send(id, spec.sent());
            }
            self.lab.run();
            self.names.values().for_each(|&id| drop(self.lab.received(id)));
        }
        Ok(())
    }

    fn frames(&mut self, line: &Frames) -> Done {
        let ingress = self.id(&line.port)?;
        let specs: Vec<Spec> = (0..line.times).map(|_| self.spec(line)).collect();
        let before = self.lab.switch.stats();
        let sent: Vec<Wire> = specs.iter().map(Spec::sent).collect();
        let mut first = Frame::from_bytes(&sent[0].bytes);
        first.offload = sent[0].offload;
        let answer = agreement::ask(&self.lab, ingress, &first);
        sent.iter().for_each(|wire| self.lab.send(ingress, wire.clone()));
        self.lab.run();

        let after = self.lab.switch.stats();
        let mut got = self.collect();
        let mut out = BTreeMap::new();
        let happened_to = got.clone();
        for target in &line.out {
            let wires = got.remove(&target.port).unwrap_or_default();
            self.compare_target(&specs, target, &wires)?;
            out.insert(
                target.port.clone(),
                match target.fate {
                    Fate::Lost(reason) => Err(reason),
                    _ => Ok(happened_to[&target.port][0].bytes.clone()),
                },
            );
        }
        if let Some((port, wires)) = got.first_key_value() {
            return Err(format!("got also: {port}{}", show(&wires[0].bytes)));
        }
        self.compare_counts(line, &sent, (&before, &after))?;
        // Of several frames the later ones fare otherwise: the first has been learned.
        let happened =
            Happened { sent: &sent[0].bytes, out, drop: line.drop, fdb: (before.fdb, after.fdb) };
        agreement::compare(&answer, &happened)
    }

    fn spec(&mut self, line: &Frames) -> Spec {
        self.number += 1;
        let body = line.body.clone().unwrap_or(Body::Numbered(self.number));
        let plain = Spec::new(line.src, line.dst, line.tags.clone(), self.number);
        Spec { body, len: line.len, cut: line.cut, offload: line.offload, ..plain }
    }

    /// What arrived anywhere.
    fn collect(&self) -> BTreeMap<String, Vec<Wire>> {
        let arrived = self.names.iter().map(|(name, &id)| (name.clone(), self.lab.received(id)));
        arrived.filter(|(_, wires)| !wires.is_empty()).collect()
    }

    /// Compares to the byte, in order: rules 7 and 16.
    fn compare_target(&self, specs: &[Spec], target: &Out, got: &[Wire]) -> Done {
        let takes = self.lab.port(self.id(&target.port)?).device.takes;
        let forms = |spec: &Spec| -> Vec<Wire> {
            let as_is = spec.with_tags(&target.tags);
            match target.fate {
                Fate::Lost(_) => Vec::new(),
                Fate::Cut(_) => {
                    spec.segments(&target.tags).iter().map(|bytes| Wire::from(&bytes[..])).collect()
                }
                Fate::Arrives if takes.accepts(&as_is.offload) => vec![as_is],
                Fate::Arrives => vec![Wire::from(&spec.finished(&target.tags)[..])],
            }
        };
        let expected: Vec<Wire> = specs.iter().flat_map(forms).collect();
        if let Fate::Cut(count) = target.fate {
            equal("segments", count * specs.len(), expected.len())?;
        }
        if expected == got {
            return Ok(());
        }
        let list = |wires: &[Wire]| -> Vec<String> {
            let shown = wires.iter().map(|wire| show(&wire.bytes));
            shown.take(8).collect()
        };
        let port = &target.port;
        let difference = expected.iter().zip(got).find(|(a, b)| a != b);
        Err(format!(
            "expected on {port}: {:?}, got: {:?}, first difference: {difference:02x?}",
            list(&expected),
            list(got)
        ))
    }

    /// Checks every counter of every port: what the line says and nothing else.
    fn compare_counts(
        &mut self,
        line: &Frames,
        sent: &[Wire],
        (before, after): (&SwitchStats, &SwitchStats),
    ) -> Done {
        let times = u64::from(line.times);
        let made: u64 = line.out.iter().map(|out| made_by(out.fate)).sum();
        let copies = (line.out.len() as u64).saturating_sub(1);
        equal("made_frames", made * times, after.made_frames - before.made_frames)?;
        equal("flood_copies", copies * times, after.flood_copies - before.flood_copies)?;
        for (name, &id) in &self.names {
            let totals = |stats: &SwitchStats| {
                let found = stats.ports.iter().find(|(port, _)| *port == id);
                found.map(|(_, totals)| totals.clone()).unwrap_or_default()
            };
            let (before, after) = (totals(before), totals(after));
            let is_ingress = *name == line.port;
            let target = line.out.iter().find(|out| out.port == *name);
            let received = if is_ingress { times } else { 0 };
            let bytes: usize =
                if is_ingress { sent.iter().map(|w| w.bytes.len()).sum() } else { 0 };
            let arrived = target.map_or(0, |out| match out.fate {
                Fate::Lost(_) => 0,
                fate => times * (1 + made_by(fate)),
            });
            equal(&format!("{name}: rx"), received, after.rx_frames - before.rx_frames)?;
            equal(&format!("{name}: rx bytes"), bytes as u64, after.rx_bytes - before.rx_bytes)?;
            equal(&format!("{name}: tx"), arrived, after.tx_frames - before.tx_frames)?;
            for &reason in Drop::ALL {
                let lost = target.is_some_and(|out| out.fate == Fate::Lost(reason));
                let dropped = lost || (is_ingress && line.drop == Some(reason));
                let counted = after.dropped(reason) - before.dropped(reason);
                let what = format!("{name}: {}", reason.name());
                equal(&what, if dropped { times } else { 0 }, counted)?;
                if dropped {
                    self.seen.insert(reason.name());
                }
            }
        }
        Ok(())
    }

    fn compare_fdb(&self, expected: &[Known]) -> Done {
        let name = |id: PortId| self.lab.switch.port(id).map_or("?", |port| &port.name).to_owned();
        let known = self.lab.entries().into_iter().map(|entry| Known {
            vid: entry.vid.get(),
            mac: entry.mac.to_string(),
            port: name(entry.port),
            is_static: entry.is_static,
        });
        let mut expected: Vec<&Known> = expected.iter().collect();
        expected.sort();
        let known: Vec<Known> = known.collect();
        if expected == known.iter().collect::<Vec<_>>() {
            return Ok(());
        }
        Err(format!("expected {expected:?}, got {known:?}"))
    }

    fn compare_known(&self, port: &str, macs: &[Mac], vid: Vid) -> Done {
        let id = self.id(port)?;
        let here: BTreeSet<Mac> = self
            .lab
            .entries()
            .iter()
            .filter(|entry| entry.port == id && entry.vid == vid)
            .map(|entry| entry.mac)
            .collect();
        let missing = macs.iter().filter(|mac| !here.contains(mac)).count();
        equal("addresses missing", 0, missing)
    }

    fn compare_stats(&self, who: &str, counts: &[(String, u64)]) -> Done {
        let stats = self.lab.switch.stats();
        let totals = match who {
            "switch" | "removed" => &stats.removed,
            name => {
                let id = self.id(name)?;
                let found = stats.ports.iter().find(|(port, _)| *port == id);
                &found.ok_or("no counters")?.1
            }
        };
        for (name, expected) in counts {
            let count = match (who, &**name) {
                ("switch", "flood_copies") => stats.flood_copies,
                ("switch", "made_frames") => stats.made_frames,
                ("switch", "learned") => stats.fdb.learned,
                ("switch", "moved") => stats.fdb.moved,
                ("switch", "aged") => stats.fdb.aged,
                ("switch", "evicted") => stats.fdb.evicted,
                ("switch", "refused") => stats.fdb.refused,
                ("switch", "entries") => stats.fdb.entries.into(),
                (_, "rx") => totals.rx_frames,
                (_, "tx") => totals.tx_frames,
                (_, "rx_bytes") => totals.rx_bytes,
                (_, "tx_bytes") => totals.tx_bytes,
                (_, reason) => totals.dropped(parse::drop_named(reason)?),
            };
            equal(&format!("{who}: {name}"), *expected, count)?;
        }
        Ok(())
    }
}

fn made_by(fate: Fate) -> u64 {
    if let Fate::Cut(count) = fate { count as u64 - 1 } else { 0 }
}

fn equal<T: PartialEq + Copy + std::fmt::Debug>(what: &str, expected: T, got: T) -> Done {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}

/// A frame in few words: its tags and length.
fn show(bytes: &[u8]) -> String {
    let tags: String = tags_of(bytes).iter().map(ToString::to_string).collect();
    format!("{tags} {} bytes", bytes.len())
}
