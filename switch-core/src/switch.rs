//! The control side: changes the tables, hands them to the workers, tidies up behind.
//!
//! A change takes two steps. The call makes it and publishes new tables;
//! [`Switch::crossed`] returns `true` once every worker has begun a turn with
//! them, and then does what had to wait for that: flushing entries, folding a
//! removed port's counters, freeing its number. Until then workers may still
//! learn and count by the old tables.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::{BridgeRules, PortRules};
use crate::counters::{PortTotals, WorkerCounters};
use crate::crossing::{Crossing, Shared};
use crate::fdb::{Entry, Fdb, FdbStats, Key, Seed, TableFull};
use crate::mac::Mac;
use crate::port::{DeviceState, MAX_PORTS, PortId};
use crate::tables::{PortTable, Tables};
use crate::vlan::{Vid, VlanMode};
use crate::worker::Worker;

/// The control side of a switch.
pub struct Switch {
    shared: Arc<Shared>,
    workers: Vec<(Arc<WorkerCounters>, Arc<Crossing>)>,
    bridge: BridgeRules,
    ports: Vec<Option<PortTable>>,
    /// The generation each number's next port gets.
    generations: Vec<u16>,
    /// Numbers of removed ports that workers may still see.
    retiring: Vec<PortId>,
    version: u64,
    waiting: Vec<Chore>,
    /// Tables a worker may still hold: kept until it has newer ones, so that it never has to free any.
    outdated: Vec<Arc<Tables>>,
    removed: PortTotals,
}

/// What waits until every worker works by the newest tables.
enum Chore {
    /// Take out the dynamic entries of a port that went down.
    FlushPort(PortId),
    /// Take out all entries of a port in VLANs it is no member of.
    FlushStrays(PortId, VlanMode),
    /// Take out a removed port's entries, fold its counters, free its number.
    Retire(PortId),
}

/// All counts of a switch at one moment.
#[derive(Clone, Debug)]
pub struct SwitchStats {
    /// Each port, in order of number.
    pub ports: Vec<(PortId, PortTotals)>,
    /// All ports that are no more.
    pub removed: PortTotals,
    /// Copies beyond the first of frames sent to several ports.
    pub flood_copies: u64,
    /// Frames made beyond those received and their copies.
    pub made_frames: u64,
    /// The FDB's counts.
    pub fdb: FdbStats,
    /// Each worker's counts.
    pub workers: Vec<WorkerStats>,
}

/// What one worker did since start.
#[derive(Clone, Copy, Debug)]
pub struct WorkerStats {
    /// Frames received.
    pub frames: u64,
    /// Turns that received any.
    pub bursts: u64,
    /// Nanoseconds of CPU time used.
    pub busy: u64,
    /// Nanoseconds in which they were used, asleep or waiting for a CPU included.
    pub total: u64,
}

/// No port number is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoNumber;

impl Switch {
    /// A switch without ports, and its workers.
    pub fn new(
        bridge: BridgeRules,
        fdb_capacity: u32,
        workers: usize,
        seed: Seed,
    ) -> (Switch, Vec<Worker>) {
        Switch::with_fdb(bridge, Fdb::new(fdb_capacity, bridge.ageing, seed), workers)
    }

    /// The same with an FDB made before, of the bridge's ageing time.
    pub fn with_fdb(bridge: BridgeRules, fdb: Fdb, workers: usize) -> (Switch, Vec<Worker>) {
        let tables = Arc::new(ArcSwap::from_pointee(Tables::new(0, bridge, Vec::new())));
        let shared = Arc::new(Shared { tables, fdb });
        let parts: Vec<_> = (0..workers)
            .map(|_| (Arc::new(WorkerCounters::new()), Arc::new(Crossing::new())))
            .collect();
        let made = parts
            .iter()
            .map(|(counters, crossing)| {
                Worker::new(Arc::clone(&shared), Arc::clone(counters), Arc::clone(crossing))
            })
            .collect();
        let switch = Switch {
            shared,
            workers: parts,
            bridge,
            ports: Vec::new(),
            generations: Vec::new(),
            retiring: Vec::new(),
            version: 0,
            waiting: Vec::new(),
            outdated: Vec::new(),
            removed: PortTotals::default(),
        };
        (switch, made)
    }

    /// Adds a port under the lowest free number.
    ///
    /// # Errors
    /// When [`MAX_PORTS`] are taken.
    pub fn add_port(
        &mut self,
        name: &str,
        rules: PortRules,
        device: DeviceState,
    ) -> Result<PortId, NoNumber> {
        let is_free = |number: &usize| {
            self.ports.get(*number).is_none_or(Option::is_none)
                && self.retiring.iter().all(|id| id.index() != *number)
        };
        let number = (0..MAX_PORTS).find(is_free).ok_or(NoNumber)?;
        if self.ports.len() <= number {
            self.ports.resize(number + 1, None);
            self.generations.resize(number + 1, 0);
        }
        let generation = self.generations[number];
        self.generations[number] = generation.wrapping_add(1);
        let id = PortId { number: number as u16, generation };
        self.ports[number] = Some(PortTable::new(id, name, rules, device));
        self.publish();
        Ok(id)
    }

    /// Takes a port out. Its entries go and its number is free once all workers have crossed.
    pub fn remove_port(&mut self, id: PortId) {
        if self.port_mut(id).is_none() {
            return;
        }
        self.ports[id.index()] = None;
        self.retiring.push(id);
        self.waiting.push(Chore::Retire(id));
        self.publish();
    }

    /// Gives a port other rules. Its entries in VLANs it leaves go once all workers have crossed (rule 8).
    pub fn set_rules(&mut self, id: PortId, rules: PortRules) {
        let Some(port) = self.port_mut(id) else { return };
        let mode = rules.vlan.clone();
        let moved = port.rules.vlan != mode;
        port.set_rules(rules);
        if moved {
            self.waiting.push(Chore::FlushStrays(id, mode));
        }
        self.publish();
    }

    /// Notes a device's new state. When it went down, the port's dynamic entries go (rule 8).
    pub fn set_device(&mut self, id: PortId, device: DeviceState) {
        let Some(port) = self.port_mut(id) else { return };
        if port.device == device {
            return;
        }
        let went_down = port.device.up && !device.up;
        port.device = device;
        if went_down {
            self.waiting.push(Chore::FlushPort(id));
        }
        self.publish();
    }

    /// Changes what holds for the whole switch.
    pub fn set_bridge(&mut self, bridge: BridgeRules) {
        self.bridge = bridge;
        self.shared.fdb.set_ageing(bridge.ageing);
        self.publish();
    }

    /// Whether every worker works by the newest tables. When they do, this also
    /// does what had to wait for it. Call it again until it says so; a worker
    /// that sleeps has to be woken for its next turn.
    pub fn crossed(&mut self) -> bool {
        if !self.workers.iter().all(|(_, crossing)| crossing.has_reached(self.version)) {
            return false;
        }
        self.outdated.clear();
        for chore in std::mem::take(&mut self.waiting) {
            self.run(chore);
        }
        true
    }

    /// The port with this id.
    pub fn port(&self, id: PortId) -> Option<&PortTable> {
        self.ports.get(id.index())?.as_ref().filter(|port| port.id == id)
    }

    /// The port with this name.
    pub fn port_named(&self, name: &str) -> Option<&PortTable> {
        self.ports().find(|port| port.name == name)
    }

    /// All ports, in order of number.
    pub fn ports(&self) -> impl Iterator<Item = &PortTable> {
        self.ports.iter().flatten()
    }

    /// What holds for the whole switch.
    pub fn bridge(&self) -> BridgeRules {
        self.bridge
    }

    /// The tables as published last: what [`explain`](crate::explain::explain) asks.
    pub fn tables(&self) -> Arc<Tables> {
        self.shared.tables.load_full()
    }

    /// The FDB.
    pub fn fdb(&self) -> &Fdb {
        &self.shared.fdb
    }

    /// Every FDB entry in use, in no order and part by part (see [`Fdb::part`]), each read when it
    /// is asked for.
    pub fn fdb_parts(&self, now: u32) -> impl Iterator<Item = Vec<Entry>> + use<> {
        let shared = Arc::clone(&self.shared);
        (0..shared.fdb.parts()).map(move |part| shared.fdb.part(part, now))
    }

    /// Puts a static entry.
    ///
    /// # Errors
    /// When the table is full and no dynamic entry may give way.
    pub fn add_static(&self, mac: Mac, vid: Vid, port: PortId) -> Result<(), TableFull> {
        self.shared.fdb.add_static(Key::new(mac, vid), port)
    }

    /// All counts, summed over workers.
    pub fn stats(&self) -> SwitchStats {
        let sum = |read: fn(&WorkerCounters) -> u64| -> u64 {
            self.workers.iter().map(|(counters, _)| read(counters)).sum()
        };
        let mut removed = self.removed.clone();
        for id in &self.retiring {
            self.workers.iter().for_each(|(counters, _)| removed.add(counters.port(*id)));
        }
        SwitchStats {
            ports: self.ports().map(|port| (port.id, self.totals(port.id))).collect(),
            removed,
            flood_copies: sum(|counters| counters.work.flood_copies.get()),
            made_frames: sum(|counters| counters.work.made_frames.get()),
            fdb: self.shared.fdb.stats(),
            workers: self.workers.iter().map(|(counters, _)| worker_stats(counters)).collect(),
        }
    }

    fn totals(&self, id: PortId) -> PortTotals {
        let mut totals = PortTotals::default();
        self.workers.iter().for_each(|(counters, _)| totals.add(counters.port(id)));
        totals
    }

    fn port_mut(&mut self, id: PortId) -> Option<&mut PortTable> {
        self.ports.get_mut(id.index())?.as_mut().filter(|port| port.id == id)
    }

    fn publish(&mut self) {
        self.version += 1;
        let tables = Tables::new(self.version, self.bridge, self.ports.clone());
        self.outdated.push(self.shared.tables.swap(Arc::new(tables)));
    }

    fn run(&mut self, chore: Chore) {
        let fdb = &self.shared.fdb;
        let flush = |matches: &dyn Fn(&Entry) -> bool| fdb.flush(0, matches);
        match chore {
            Chore::FlushPort(id) => {
                flush(&|entry| entry.port == id && !entry.is_static);
            }
            Chore::FlushStrays(id, mode) => {
                flush(&|entry| entry.port == id && !mode.is_member(entry.vid));
            }
            Chore::Retire(id) => {
                flush(&|entry| entry.port == id);
                for (counters, _) in &self.workers {
                    self.removed.absorb(counters.port(id));
                }
                self.retiring.retain(|retiring| *retiring != id);
            }
        }
    }
}

fn worker_stats(counters: &WorkerCounters) -> WorkerStats {
    let work = &counters.work;
    WorkerStats {
        frames: work.frames.get(),
        bursts: work.bursts.get(),
        busy: work.busy.get(),
        total: work.total.get(),
    }
}

impl SwitchStats {
    /// Frames in less frames out: 0 at rest (rule 22).
    pub fn imbalance(&self) -> i128 {
        let ports = || self.ports.iter().map(|(_, totals)| totals).chain([&self.removed]);
        let came: u64 = ports().map(|totals| totals.rx_frames).sum();
        let went: u64 = ports().map(|totals| totals.tx_frames + totals.all_drops()).sum();
        i128::from(came) + i128::from(self.flood_copies) + i128::from(self.made_frames)
            - i128::from(went)
    }
}
