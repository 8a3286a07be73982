//! A whole switch over ring ports, and the hosts behind them.

use std::mem::swap;
use std::time::{Duration, Instant};

use switch_core::config::{BridgeRules, PortRules};
use switch_core::fdb::Seed;
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::port::PortId;
use switch_core::{Switch, Vid, VlanMode, Worker};

use crate::bare::BareLoop;
use crate::rings::{RingEngine, RingPort};
use crate::traffic::{self, Traffic};

/// The VLAN that the access ports share.
pub const VLAN: u16 = 10;

/// Frames that wait on each port at the start of a run: six bursts of four
/// ports, as many for each egress port, and few enough to stay near.
pub const DEPTH: usize = 96;

/// A device that is up and takes plain frames.
pub fn device() -> DeviceState {
    DeviceState { up: true, mtu: 1500, takes: Takes::NOTHING }
}

/// The access mode of [`VLAN`].
pub fn access() -> VlanMode {
    VlanMode::Access(vlan())
}

/// [`VLAN`].
pub fn vlan() -> Vid {
    Vid::configured(VLAN).expect("a VID")
}

/// A switch of access ports with `addresses` learned behind them, one worker a
/// set of ring ports.
pub struct Rig {
    /// The control side.
    pub switch: Switch,
    /// What runs.
    pub lanes: Vec<Lane>,
}

/// One worker with its own queue of every port, and the hosts at their far ends.
pub struct Lane {
    worker: Worker,
    /// The worker's queues.
    pub engine: RingEngine,
    traffic: Traffic,
    started: Instant,
}

impl Rig {
    /// `addresses` hosts behind `ports` ports in a table of `capacity`, each known to the FDB.
    pub fn new(addresses: u64, capacity: u32, ports: u16, workers: usize) -> Rig {
        let bridge = BridgeRules::default();
        let (mut switch, workers) = Switch::new(bridge, capacity, workers, Seed::random());
        let rules = PortRules { vlan: access(), ..PortRules::default() };
        let mut ids = Vec::new();
        for number in 0..ports {
            let added = switch.add_port(&format!("p{number}"), rules.clone(), device());
            ids.push(added.expect("numbers are free"));
        }
        let fdb = switch.fdb();
        for n in 0..addresses {
            let key = traffic::key(n, vlan());
            fdb.learn(&fdb.seek(key), ids[(n % u64::from(ports)) as usize], 0, 0);
        }
        let lane = |worker| Lane::new(worker, &ids, addresses);
        let lanes = workers.into_iter().map(lane).collect();
        Rig { switch, lanes }
    }

    /// A bare loop over a table of the same size and the same addresses.
    pub fn bare(&self, addresses: u64) -> BareLoop {
        let buckets = self.switch.fdb().memory() / 64;
        BareLoop::new(buckets, addresses, self.switch.ports().count() as u64)
    }
}

impl Lane {
    fn new(worker: Worker, ids: &[PortId], addresses: u64) -> Lane {
        let mut engine = RingEngine::new(ids, DEPTH);
        for port in &mut engine.ports {
            port.egress.free().iter_mut().for_each(|slot| *slot = traffic::plain_frame());
            port.egress.filled(DEPTH);
        }
        let traffic = Traffic::new(addresses, ids.len() as u64);
        Lane { worker, engine, traffic, started: Instant::now() }
    }

    /// What the hosts do: each takes the frames that came and sends as many.
    /// Returns how many there are in all.
    ///
    /// # Panics
    /// When a frame was lost on the way: then the figures would be wrong too.
    pub fn refill(&mut self) -> usize {
        for (number, RingPort { ingress, egress, .. }) in (0..).zip(&mut self.engine.ports) {
            ingress.rewind();
            assert_eq!(egress.waiting().len(), DEPTH, "frames came to port {number}");
            for (slot, frame) in ingress.free().iter_mut().zip(egress.waiting()) {
                swap(slot, frame);
                let (dst, src) = self.traffic.next(number);
                traffic::address(slot, dst, src);
            }
            ingress.filled(DEPTH);
            egress.rewind();
        }
        DEPTH * self.engine.ports.len()
    }

    /// Takes `frames` that wait through the switch; how long that took.
    pub fn forward(&mut self, frames: usize) -> Duration {
        let begin = Instant::now();
        let now = begin - self.started;
        let mut done = 0;
        while done < frames {
            done += self.worker.turn(&mut self.engine, now);
        }
        begin.elapsed()
    }

    /// The same through a bare loop.
    pub fn forward_bare(&mut self, bare: &mut BareLoop, frames: usize) -> Duration {
        let begin = Instant::now();
        let mut done = 0;
        while done < frames {
            done += bare.turn(&mut self.engine);
        }
        begin.elapsed()
    }
}
