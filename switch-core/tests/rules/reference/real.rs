//! The real switch, driven event by event by an engine that hands over exactly
//! the frames it is told, in their order, and keeps what it is given.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use switch_core::config::BridgeRules;
use switch_core::fdb::Seed;
use switch_core::port::{Burst, Engine, Tx, TxError};
use switch_core::ports::memory::Wire;
use switch_core::{Frame, PortId, Switch, Worker};

/// An engine of frames in memory. It takes a frame from its slot where that is
/// the slot's last use, as the contract of [`Tx::last`] allows.
#[derive(Default)]
pub struct Script {
    incoming: VecDeque<(PortId, Wire)>,
    pub sent: Vec<(PortId, Wire)>,
    pub faults: BTreeMap<u16, TxError>,
}

impl Engine for Script {
    fn receive(&mut self, burst: &mut Burst) {
        while !burst.room().is_empty()
            && let Some((port, wire)) = self.incoming.pop_front()
        {
            let frame = &mut burst.room()[0];
            frame.set(&wire.bytes);
            frame.offload = wire.offload;
            burst.filled(port, 1);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            let frame = &mut frames[usize::from(tx.slot)];
            assert_eq!(frame.len(), tx.len as usize);
            tx.result = match self.faults.get(&tx.port.number) {
                Some(&fault) => Err(fault),
                None => Ok(()),
            };
            if tx.result.is_ok() {
                let wire = Wire { bytes: frame.bytes().to_vec(), offload: frame.offload };
                self.sent.push((tx.port, wire));
            }
            if tx.last {
                frame.set(b"another engine's frame");
            }
        }
    }
}

/// As random as a real one, but the same in every run.
const SEED: Seed = Seed([
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
]);

pub struct Real {
    pub switch: Switch,
    pub worker: Worker,
    pub script: Script,
    pub now: Duration,
}

impl Real {
    pub fn new(bridge: BridgeRules, capacity: u32) -> Real {
        let (switch, mut workers) = Switch::new(bridge, capacity, 1, SEED);
        let now = Duration::from_millis(500);
        Real { switch, worker: workers.remove(0), script: Script::default(), now }
    }

    pub fn cross(&mut self) {
        self.worker.cross();
        assert!(self.switch.crossed(), "the only worker has crossed");
    }

    /// Turns until nothing waits.
    pub fn run(&mut self) {
        while self.worker.turn(&mut self.script, self.now) > 0 {}
    }

    /// These frames in, in this order; what goes out, in its order.
    pub fn frames(
        &mut self,
        frames: impl IntoIterator<Item = (PortId, Wire)>,
    ) -> Vec<(PortId, Wire)> {
        self.script.incoming.extend(frames);
        self.run();
        std::mem::take(&mut self.script.sent)
    }

    pub fn seconds(&self) -> u32 {
        self.now.as_secs() as u32
    }
}
