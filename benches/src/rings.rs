//! An engine whose ports are rings in memory: nothing is copied, frames change
//! hands by swapping buffers.
//!
//! This is the least work an engine can do, so what a bench over it shows is
//! the switch itself. The far ends of the rings are in the same thread.

use std::mem::swap;

use switch_core::Frame;
use switch_core::port::{Burst, Engine, PortId, Tx, TxError};

/// Frames taken from one port before it is the next one's turn.
pub const SHARE: usize = 16;

/// A queue of a fixed number of frames.
///
/// Every slot owns a buffer all the time: who puts a frame in takes the
/// slot's spare one in exchange.
pub struct Ring {
    slots: Box<[Frame]>,
    head: usize,
    tail: usize,
}

impl Ring {
    /// An empty ring of `depth` slots. Each run starts at slot 0: fill, empty, [`Ring::rewind`].
    pub fn new(depth: usize) -> Ring {
        Ring { slots: (0..depth).map(|_| Frame::new()).collect(), head: 0, tail: 0 }
    }

    /// The frames waiting, oldest first.
    #[inline]
    pub fn waiting(&mut self) -> &mut [Frame] {
        &mut self.slots[self.head..self.tail]
    }

    /// The free slots, first to be filled first.
    #[inline]
    pub fn free(&mut self) -> &mut [Frame] {
        &mut self.slots[self.tail..]
    }

    /// Says that the oldest `count` frames were taken.
    #[inline]
    pub fn took(&mut self, count: usize) {
        self.head += count;
    }

    /// Says that `count` free slots were filled.
    #[inline]
    pub fn filled(&mut self, count: usize) {
        self.tail += count;
    }

    /// Puts one frame in: itself if its slot needs it no more, else a copy.
    #[inline]
    fn put(&mut self, frame: &mut Frame, last: bool) -> Result<(), TxError> {
        let slot = self.slots.get_mut(self.tail).ok_or(TxError::Full)?;
        if last {
            swap(slot, frame);
        } else {
            slot.copy_from(frame);
        }
        self.tail += 1;
        Ok(())
    }

    /// Begins at slot 0 again. Frames still waiting are forgotten.
    pub fn rewind(&mut self) {
        (self.head, self.tail) = (0, 0);
    }
}

/// One port's two rings.
pub struct RingPort {
    /// The port in the switch.
    pub id: PortId,
    /// Towards the switch.
    pub ingress: Ring,
    /// From the switch.
    pub egress: Ring,
}

/// An [`Engine`] over ring ports.
pub struct RingEngine {
    /// By port number.
    pub ports: Vec<RingPort>,
}

impl RingEngine {
    /// Rings of `depth` frames for each of these ports, numbered from 0.
    pub fn new(ids: &[PortId], depth: usize) -> RingEngine {
        let port =
            |&id: &PortId| RingPort { id, ingress: Ring::new(depth), egress: Ring::new(depth) };
        RingEngine { ports: ids.iter().map(port).collect() }
    }
}

impl Engine for RingEngine {
    fn receive(&mut self, burst: &mut Burst) {
        for port in &mut self.ports {
            let mut count = 0;
            for (slot, frame) in burst.room().iter_mut().zip(port.ingress.waiting()).take(SHARE) {
                swap(slot, frame);
                count += 1;
            }
            port.ingress.took(count);
            burst.filled(port.id, count);
        }
    }

    fn transmit(&mut self, frames: &mut [Frame], queue: &mut [Tx]) {
        for tx in queue {
            tx.result = match self.ports.get_mut(tx.port.index()) {
                Some(port) if port.id == tx.port => {
                    port.egress.put(&mut frames[usize::from(tx.slot)], tx.last)
                }
                _ => Err(TxError::Down),
            };
        }
    }
}
