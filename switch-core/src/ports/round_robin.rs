//! The plain engine: one port after the other, one call a frame.
//!
//! It serves any [`Port`] at all and so is the engine of tests, simulations
//! and in-memory benches. Engines over file descriptors live in `io-backends`.

use crate::account::Account;
use crate::frame::Frame;
use crate::port::{Burst, Engine, Port, PortId, Tx, TxError};

/// Frames taken from one port before it is the next one's turn.
const SHARE: usize = 16;

/// An [`Engine`] over boxed ports.
#[derive(Default)]
pub struct RoundRobin {
    ports: Vec<Option<Served>>,
    next: usize,
    gone: Vec<PortId>,
}

struct Served {
    id: PortId,
    port: Box<dyn Port>,
    account: Account,
}

impl RoundRobin {
    /// An engine without ports.
    pub fn new() -> RoundRobin {
        RoundRobin::default()
    }

    /// Adds a port under its id, in place of whatever had its number.
    pub fn add(&mut self, id: PortId, port: Box<dyn Port>) {
        if self.ports.len() <= id.index() {
            self.ports.resize_with(id.index() + 1, || None);
        }
        self.ports[id.index()] = Some(Served { id, port, account: Account::default() });
    }

    /// Takes a port out and hands it back.
    pub fn remove(&mut self, id: PortId) -> Option<Box<dyn Port>> {
        let place = self.ports.get_mut(id.index())?;
        place.take_if(|served| served.id == id).map(|served| served.port)
    }

    /// The ports whose devices went away since the last call.
    pub fn take_gone(&mut self) -> Vec<PortId> {
        std::mem::take(&mut self.gone)
    }

    fn find(&mut self, id: PortId) -> Option<&mut Served> {
        self.ports.get_mut(id.index())?.as_mut().filter(|served| served.id == id)
    }

    /// Gives ports their turns, beginning at the next one, for as long as there
    /// is room. `frames` says how many a port gets, and none when it has to wait.
    fn serve(&mut self, burst: &mut Burst, mut frames: impl FnMut(&mut Served) -> Option<usize>) {
        let count = self.ports.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            let Some(served) = &mut self.ports[at] else { continue };
            if burst.room().is_empty() {
                self.next = at;
                return;
            }
            let Some(share) = frames(served) else { continue };
            let share = burst.room().len().min(share);
            match served.port.receive(&mut burst.room()[..share]) {
                Ok(filled) => burst.filled(served.id, filled),
                Err(_) => {
                    self.gone.push(served.id);
                    self.ports[at] = None;
                }
            }
        }
        self.next = if count == 0 { 0 } else { (self.next + 1) % count };
    }
}

impl Engine for RoundRobin {
    fn receive(&mut self, burst: &mut Burst) {
        self.serve(burst, |served| served.account.turn(SHARE));
        // It asks ports, so it can't know of one that owes whether it has frames. When no
        // other had any, nothing is gained by waiting.
        while burst.is_empty() {
            let accounts = || self.ports.iter().flatten().map(|served| served.account);
            let owed = accounts().map(|account| account.owed()).filter(|&owed| owed > 0);
            let Some(least) = owed.min() else { return };
            self.ports.iter_mut().flatten().for_each(|served| served.account.waive(least));
            self.serve(burst, |served| {
                if served.account.owed() == 0 { served.account.turn(SHARE) } else { None }
            });
        }
    }

    fn receive_light(&mut self, burst: &mut Burst, held: &[PortId]) {
        self.serve(burst, |served| {
            if held.contains(&served.id) { None } else { served.account.light_turn(SHARE) }
        });
    }

    fn charge(&mut self, port: PortId, frames: usize, work: u32) {
        if let Some(served) = self.find(port) {
            served.account.charge(frames, work);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            tx.result = match self.find(tx.port) {
                Some(served) => served.port.transmit(&mut frames[usize::from(tx.slot)]),
                None => Err(TxError::Down),
            };
        }
    }
}
