//! A port whose far end is in the same program: a cable of two bounded queues.
//!
//! Tests and simulations put hosts on it. What does not fit is refused as
//! [`TxError::Full`], like a device whose receiver stands still; a dropped far
//! end makes the port [`PortFault::Gone`].

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::frame::{Frame, Offload, Takes};
use crate::port::{Port, PortFault, TxError};

/// A frame's bytes with its offload state, as it lies in a queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wire {
    /// From the destination address to the last payload byte.
    pub bytes: Vec<u8>,
    /// What is left to be done before the bytes are final.
    pub offload: Offload,
}

impl From<&[u8]> for Wire {
    fn from(bytes: &[u8]) -> Wire {
        Wire { bytes: bytes.to_vec(), offload: Offload::default() }
    }
}

/// The switch's end of a cable.
pub struct MemoryPort {
    ingress: Arc<ArrayQueue<Wire>>,
    egress: Arc<ArrayQueue<Wire>>,
    takes: Takes,
}

/// The host's end of a cable.
pub struct MemoryHost {
    to_switch: Arc<ArrayQueue<Wire>>,
    from_switch: Arc<ArrayQueue<Wire>>,
}

/// A cable that holds up to `depth` frames in each direction, at whose port
/// end the switch finds a device that takes what `takes` says.
///
/// # Panics
/// When `depth` is 0.
pub fn cable(depth: usize, takes: Takes) -> (MemoryPort, MemoryHost) {
    let (up, down) = (Arc::new(ArrayQueue::new(depth)), Arc::new(ArrayQueue::new(depth)));
    (
        MemoryPort { ingress: Arc::clone(&up), egress: Arc::clone(&down), takes },
        MemoryHost { to_switch: up, from_switch: down },
    )
}

impl MemoryHost {
    /// Sends a frame towards the switch.
    ///
    /// # Errors
    /// The frame itself, when the cable is full.
    pub fn send(&self, frame: impl Into<Wire>) -> Result<(), Wire> {
        self.to_switch.push(frame.into())
    }

    /// The next frame from the switch.
    pub fn receive(&self) -> Option<Wire> {
        self.from_switch.pop()
    }
}

impl Port for MemoryPort {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let mut filled = 0;
        for frame in into {
            let Some(wire) = self.ingress.pop() else { break };
            frame.set(&wire.bytes);
            frame.offload = wire.offload;
            filled += 1;
        }
        if filled == 0 && Arc::strong_count(&self.ingress) == 1 {
            return Err(PortFault::Gone);
        }
        Ok(filled)
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        if Arc::strong_count(&self.egress) == 1 {
            return Err(TxError::Down);
        }
        let wire = Wire { bytes: frame.bytes().to_vec(), offload: frame.offload };
        self.egress.push(wire).map_err(|_| TxError::Full)
    }

    fn takes(&self) -> Takes {
        self.takes
    }
}
