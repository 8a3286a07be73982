//! A whole switch in memory under a simulated clock: one worker, cables to
//! hosts, and faults on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::{Entry, Seed};
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::port::{Port, PortFault, TxError};
use switch_core::ports::memory::{MemoryHost, MemoryPort, Wire, cable};
use switch_core::ports::round_robin::RoundRobin;
use switch_core::tables::PortTable;
use switch_core::{Frame, PortId, Switch, Worker};

/// Frames a cable holds in each direction.
const DEPTH: usize = 2048;

/// An up device with the usual MTU that takes only finished frames.
pub const DEVICE: DeviceState = DeviceState { up: true, mtu: 1500, takes: Takes::NOTHING };

/// What a port's device does instead of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Fault {
    None,
    Full,
    Down,
    Refused,
    Gone,
}

/// A port around a port: it works until it is told not to.
struct Faulty {
    port: MemoryPort,
    fault: Arc<AtomicU8>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault.load(Ordering::Relaxed) == fault as u8
    }
}

impl Port for Faulty {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        if self.has(Fault::Gone) { Err(PortFault::Gone) } else { self.port.receive(into) }
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        match () {
            () if self.has(Fault::Full) => Err(TxError::Full),
            () if self.has(Fault::Down) => Err(TxError::Down),
            () if self.has(Fault::Refused) => Err(TxError::Refused),
            () => self.port.transmit(frame),
        }
    }

    fn takes(&self) -> Takes {
        self.port.takes()
    }
}

/// One port's far end.
struct Plug {
    id: PortId,
    host: MemoryHost,
    fault: Arc<AtomicU8>,
}

/// The switch and everything around it.
pub struct Lab {
    pub switch: Switch,
    pub worker: Worker,
    pub engine: RoundRobin,
    /// The simulated clock.
    pub now: Duration,
    plugs: Vec<Plug>,
}

impl Lab {
    /// A switch without ports, its clock at an odd moment.
    pub fn new(bridge: BridgeRules, fdb_capacity: u32) -> Lab {
        let seed = Seed([
            0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0xa409_3822_299f_31d0,
            0x082e_fa98_ec4e_6c89,
        ]);
        let (switch, mut workers) = Switch::new(bridge, fdb_capacity, 1, seed);
        Lab {
            switch,
            worker: workers.remove(0),
            engine: RoundRobin::new(),
            now: Duration::from_millis(7_250),
            plugs: Vec::new(),
        }
    }

    /// Adds a port on a cable.
    pub fn add(&mut self, name: &str, rules: PortRules, device: DeviceState) -> PortId {
        let id = self.switch.add_port(name, rules, device).expect("a free number");
        let (port, host) = cable(DEPTH, device.takes);
        let fault = Arc::new(AtomicU8::new(Fault::None as u8));
        self.engine.add(id, Box::new(Faulty { port, fault: Arc::clone(&fault) }));
        self.plugs.push(Plug { id, host, fault });
        self.cross();
        id
    }

    /// Takes a port out, its cable with it.
    pub fn remove(&mut self, id: PortId) {
        self.switch.remove_port(id);
        self.cross();
        self.engine.remove(id);
        self.plugs.retain(|plug| plug.id != id);
    }

    /// Lets the worker take the newest tables and the control side finish the change.
    pub fn cross(&mut self) {
        self.worker.cross();
        assert!(self.switch.crossed(), "the only worker has crossed");
    }

    pub fn set_rules(&mut self, id: PortId, rules: PortRules) {
        self.switch.set_rules(id, rules);
        self.cross();
    }

    pub fn set_device(&mut self, id: PortId, device: DeviceState) {
        self.switch.set_device(id, device);
        self.cross();
    }

    pub fn set_fault(&mut self, id: PortId, fault: Fault) {
        self.plug(id).fault.store(fault as u8, Ordering::Relaxed);
    }

    pub fn port(&self, id: PortId) -> &PortTable {
        self.switch.port(id).expect("a port of this switch")
    }

    /// Puts a frame on the cable to the switch.
    pub fn send(&self, id: PortId, wire: impl Into<Wire>) {
        self.plug(id).host.send(wire).expect("room on the cable");
    }

    /// Turns until no frame waits, as a worker's loop does; the last turn is an idle one.
    pub fn run(&mut self) {
        while self.worker.turn(&mut self.engine, self.now) > 0 {}
    }

    /// Everything that arrived at a port's far end since the last call.
    pub fn received(&self, id: PortId) -> Vec<Wire> {
        std::iter::from_fn(|| self.plug(id).host.receive()).collect()
    }

    /// The clock goes on, and the worker wakes for what is due.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.run();
    }

    /// The simulated clock in the FDB's whole seconds.
    pub fn seconds(&self) -> u32 {
        self.now.as_secs() as u32
    }

    /// The FDB's entries in use, in order of VLAN and address.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = self.switch.fdb().entries(self.seconds());
        entries.sort_by_key(|entry| (entry.vid, entry.mac));
        entries
    }

    /// Rule 22, with nothing on its way.
    pub fn check_conservation(&self) {
        assert_eq!(self.switch.stats().imbalance(), 0, "frames are conserved");
    }

    fn plug(&self, id: PortId) -> &Plug {
        self.plugs.iter().find(|plug| plug.id == id).expect("a port with a cable")
    }
}
