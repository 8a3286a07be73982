//! Queues: what an open port reads frames from and writes them to.
//!
//! [`Queue`] is all that attaching hands to the engines. An engine waits for a
//! queue through one descriptor and moves frames with [`Port::receive`] and
//! [`Port::transmit`]; for a TAP's queue it knows a faster way. What a new
//! variant has to answer is listed at [`Queue`].

pub mod guard;
pub(crate) mod header;
pub(crate) mod ioctl;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod tap;
pub mod vnet;

use std::os::fd::{AsFd, BorrowedFd};

use switch_core::frame::{Frame, Takes};
use switch_core::port::{Port, PortFault, TxError};

use self::guard::Guard;
use self::tap::TapQueue;
use crate::bpf::lane::Progress;
use crate::error::Error;

#[cfg(any(test, feature = "testing"))]
use self::memory::MemoryQueue;

/// One queue of an open port.
///
/// What an engine relies on, for every variant:
///
/// - [`AsFd`] is the descriptor to wait for. It is readable while the queue
///   has something to do in [`Port::receive`], and no longer after a receive
///   that filled fewer frames than it was given room for. A queue that waits
///   for several things (a socket that takes bytes again, a timer) hands out
///   an epoll descriptor that watches them.
/// - [`Port::receive`] and [`Port::transmit`] never wait.
/// - What [`Port::transmit`] accepted may rest in the queue until
///   [`Queue::flush`], which an engine calls once for all frames of a turn.
pub enum Queue {
    /// One queue of a TAP or macvtap: its descriptor carries the frames.
    Tap(TapQueue),
    /// Frames in memory, for tests of the road that descriptors do not take.
    #[cfg(any(test, feature = "testing"))]
    Memory(MemoryQueue),
}

impl Queue {
    /// Another way to the same queue, for a worker that only sends on it.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn sender(&self) -> Result<Queue, Error> {
        match self {
            Queue::Tap(queue) => queue.sender().map(Queue::Tap),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(queue) => Ok(Queue::Memory(queue.sender())),
        }
    }

    /// The queue whose descriptor carries the frames: one read or write each.
    /// `None` for one that moves bytes in its own way.
    #[inline]
    pub fn descriptor(&self) -> Option<&TapQueue> {
        match self {
            Queue::Tap(queue) => Some(queue),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(_) => None,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn descriptor_mut(&mut self) -> Option<&mut TapQueue> {
        match self {
            Queue::Tap(queue) => Some(queue),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(_) => None,
        }
    }

    /// Keeps the account of what is read from it and delivered, by which the lane keeps order;
    /// of a handle's queue, which has a descriptor.
    pub fn keep_account(&mut self, progress: Progress) {
        if let Some(queue) = self.descriptor_mut() {
            queue.keep_account(progress);
        }
    }

    /// Whether it is to be read once more before it rests, though it was found empty.
    #[inline]
    pub(crate) fn reads_on(&self) -> bool {
        self.descriptor().is_some_and(TapQueue::reads_on)
    }

    /// What tells the control plane, while workers hold the queue, whether
    /// others changed it; `None` where nobody else can.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn guard(&self) -> Result<Option<Guard>, Error> {
        self.descriptor().map_or(Ok(None), TapQueue::guard)
    }

    /// Passes on what [`Port::transmit`] accepted since the last call, with
    /// one signal to the far end for all of it.
    #[inline]
    pub fn flush(&mut self) {
        match self {
            Queue::Tap(_) => {}
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(queue) => queue.flush(),
        }
    }

    /// The netdev's name in whatever namespace it is; `None` when there is none, or no longer.
    pub fn netdev_name(&self) -> Option<String> {
        self.descriptor().and_then(TapQueue::netdev_name)
    }
}

impl From<TapQueue> for Queue {
    fn from(queue: TapQueue) -> Queue {
        Queue::Tap(queue)
    }
}

#[cfg(any(test, feature = "testing"))]
impl From<MemoryQueue> for Queue {
    fn from(queue: MemoryQueue) -> Queue {
        Queue::Memory(queue)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Queue::Tap(queue) => queue.as_fd(),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(queue) => queue.as_fd(),
        }
    }
}

impl Port for Queue {
    #[inline]
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        match self {
            Queue::Tap(queue) => queue.receive(into),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(queue) => queue.receive(into),
        }
    }

    #[inline]
    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        match self {
            Queue::Tap(queue) => queue.transmit(frame),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(queue) => queue.transmit(frame),
        }
    }

    fn takes(&self) -> Takes {
        match self {
            Queue::Tap(queue) => queue.takes(),
            #[cfg(any(test, feature = "testing"))]
            Queue::Memory(queue) => queue.takes(),
        }
    }
}
