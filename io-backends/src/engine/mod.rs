//! What a worker's thread asks of an engine over queues.
//!
//! Both engines ([`epoll`], [`uring`]) hold [`Queue`]s for one worker. A queue
//! that was [added](QueueEngine::add) is read by this worker alone. A port whose
//! queues other workers read is written to through a [sender](QueueEngine::add_sender).

pub mod epoll;
mod queues;
pub mod runner;
pub mod share;
mod spin;
pub mod uring;
pub mod waker;

use std::time::Duration;

use switch_core::port::{Engine, PortId};

use crate::error::Error;
use crate::queue::Queue;
use waker::Waker;

/// An [`Engine`] over queues. It is made on the thread
/// that uses it and stays there.
pub trait QueueEngine: Engine {
    /// Adds a port under its id, in place of another id that had its number.
    /// Called again with the same id it adds one more queue of that port; all
    /// frames to the port leave on its first.
    ///
    /// # Errors
    /// When the number is not below [`MAX_PORTS`](switch_core::port::MAX_PORTS),
    /// or the kernel takes no more descriptors.
    fn add(&mut self, id: PortId, queue: Queue) -> Result<(), Error>;

    /// Adds a port that this worker only sends to: `queue` is a
    /// [`Queue::sender`] of one that another worker reads.
    ///
    /// # Errors
    /// As [`QueueEngine::add`].
    fn add_sender(&mut self, id: PortId, queue: Queue) -> Result<(), Error>;

    /// Takes a port out and hands back its queues, in the order they were
    /// added; none when the id is unknown.
    fn remove(&mut self, id: PortId) -> Vec<Queue>;

    /// Sleeps until a port has frames, a [`Waker`] is used, a device went away,
    /// or `timeout` is over; `None` waits for ever. Returns at once when one of
    /// them is so already. A signal may end it early.
    fn wait(&mut self, timeout: Option<Duration>);

    /// Whether a [`Waker`] was used since the last call. Known after
    /// [`QueueEngine::wait`] and, while frames keep it busy, after [`Engine::receive`].
    fn take_woken(&mut self) -> bool;

    /// A port whose device went away; each is reported once. Until it is removed,
    /// frames to it are refused, and it takes no part in a turn.
    fn take_gone(&mut self) -> Option<PortId>;

    /// A handle that ends this engine's sleep.
    fn waker(&self) -> Waker;
}

#[cfg(test)]
mod tests;
