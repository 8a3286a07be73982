//! The plain engine: one port after the other, one call a frame.
//!
//! It serves any [`Port`] at all and so is the engine of tests, simulations
//! and in-memory benches. Engines over file descriptors live in `io-backends`.

use crate::frame::Frame;
use crate::port::{Burst, Engine, Port, PortId, Tx, TxError};

/// Frames taken from one port before it is the next one's turn.
const SHARE: usize = 16;

/// An [`Engine`] over boxed ports.
#[derive(Default)]
pub struct RoundRobin {
    ports: Vec<Option<(PortId, Box<dyn Port>)>>,
    next: usize,
    gone: Vec<PortId>,
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
        self.ports[id.index()] = Some((id, port));
    }

    /// Takes a port out and hands it back.
    pub fn remove(&mut self, id: PortId) -> Option<Box<dyn Port>> {
        let place = self.ports.get_mut(id.index())?;
        place.take_if(|(own, _)| *own == id).map(|(_, port)| port)
    }

    /// The ports whose devices went away since the last call.
    pub fn take_gone(&mut self) -> Vec<PortId> {
        std::mem::take(&mut self.gone)
    }
}

impl Engine for RoundRobin {
    fn receive(&mut self, burst: &mut Burst) {
        let count = self.ports.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            let Some((id, port)) = &mut self.ports[at] else { continue };
            let room = burst.room();
            let share = room.len().min(SHARE);
            if share == 0 {
                self.next = at;
                return;
            }
            match port.receive(&mut room[..share]) {
                Ok(filled) => burst.filled(*id, filled),
                Err(_) => {
                    self.gone.push(*id);
                    self.ports[at] = None;
                }
            }
        }
        self.next = if count == 0 { 0 } else { (self.next + 1) % count };
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            tx.result = match self.ports.get_mut(tx.port.index()) {
                Some(Some((id, port))) if *id == tx.port => {
                    port.transmit(&mut frames[usize::from(tx.slot)])
                }
                _ => Err(TxError::Down),
            };
        }
    }
}
