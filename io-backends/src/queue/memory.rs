//! A queue whose frames are in memory: a pair of rings and a signal each way.
//!
//! It is what a ring shared with another process looks like to an engine: no
//! descriptor carries the frames, one eventfd says that there are some, and the
//! far end is signalled once for all frames of a turn. Tests hold both
//! engines to what [`Queue`](super::Queue) promises for such a kind.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};
use switch_core::frame::{Frame, Takes};
use switch_core::port::{Port, PortFault, TxError};
use switch_core::ports::memory::Wire;

/// What both ends hold.
struct Shared {
    to_switch: ArrayQueue<Wire>,
    from_switch: ArrayQueue<Wire>,
    /// Tells the switch that `to_switch` holds frames, or that the far end is gone.
    signal: OwnedFd,
    /// Tells the far end that `from_switch` holds frames.
    kick: OwnedFd,
    far_end_gone: AtomicBool,
}

/// The switch's end.
pub struct MemoryQueue {
    shared: Arc<Shared>,
    /// Frames lie in the ring of which the far end was not told.
    unkicked: bool,
}

/// The far end. Dropping it is the end of the device.
pub struct MemoryFarEnd(Arc<Shared>);

/// A queue and its far end, with rings of `depth` frames.
///
/// # Panics
/// When `depth` is 0, or the process may open no more descriptors.
pub fn pair(depth: usize) -> (MemoryQueue, MemoryFarEnd) {
    let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd");
    let shared = Arc::new(Shared {
        to_switch: ArrayQueue::new(depth),
        from_switch: ArrayQueue::new(depth),
        signal: event(),
        kick: event(),
        far_end_gone: AtomicBool::new(false),
    });
    (MemoryQueue { shared: Arc::clone(&shared), unkicked: false }, MemoryFarEnd(shared))
}

/// Adds to an eventfd; one that is full is readable already.
fn raise(event: &OwnedFd) {
    let _ = write(event, &1_u64.to_ne_bytes());
}

/// Takes back all signals so far: how many there were.
fn clear(event: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    read(event, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
}

impl MemoryQueue {
    pub(super) fn sender(&self) -> MemoryQueue {
        MemoryQueue { shared: Arc::clone(&self.shared), unkicked: false }
    }

    pub(super) fn flush(&mut self) {
        if std::mem::take(&mut self.unkicked) {
            raise(&self.shared.kick);
        }
    }

    fn take(&self, into: &mut [Frame]) -> usize {
        let mut filled = 0;
        for frame in into {
            let Some(wire) = self.shared.to_switch.pop() else { break };
            frame.set(&wire.bytes);
            frame.offload = wire.offload;
            filled += 1;
        }
        filled
    }
}

impl MemoryFarEnd {
    /// Sends a frame towards the switch; whether there was room.
    pub fn send(&self, frame: impl Into<Wire>) -> bool {
        let sent = self.0.to_switch.push(frame.into()).is_ok();
        raise(&self.0.signal);
        sent
    }

    /// The next frame from the switch.
    pub fn receive(&self) -> Option<Wire> {
        self.0.from_switch.pop()
    }

    /// How often the switch has signalled since the last call.
    pub fn kicks(&self) -> u64 {
        clear(&self.0.kick)
    }
}

impl Drop for MemoryFarEnd {
    fn drop(&mut self) {
        self.0.far_end_gone.store(true, Ordering::Release);
        raise(&self.0.signal);
    }
}

impl AsFd for MemoryQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.signal.as_fd()
    }
}

impl Port for MemoryQueue {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let mut filled = self.take(into);
        if filled < into.len() {
            // In this order: what comes after the signal was cleared raises it again.
            clear(&self.shared.signal);
            filled += self.take(&mut into[filled..]);
        }
        if filled == 0 && self.shared.far_end_gone.load(Ordering::Acquire) {
            return Err(PortFault::Gone);
        }
        Ok(filled)
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        if self.shared.far_end_gone.load(Ordering::Acquire) {
            return Err(TxError::Down);
        }
        let wire = Wire { bytes: frame.bytes().to_vec(), offload: frame.offload };
        self.shared.from_switch.push(wire).map_err(|_| TxError::Full)?;
        self.unkicked = true;
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::EVERYTHING
    }
}
