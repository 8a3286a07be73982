//! Ending an engine's sleep from another thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Result, read, write};

/// Ends an engine's sleep from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn new() -> Result<Waker> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        eventfd(0, flags).map(|fd| Waker(Arc::new(fd)))
    }

    /// Ends the engine's current sleep, or its next one when it is awake.
    pub fn wake(&self) {
        // The only failure is a counter that is full: the engine will wake anyway.
        let _ = write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Takes back all calls of `wake` so far.
    pub(crate) fn clear(&self) {
        let _ = read(&*self.0, &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
