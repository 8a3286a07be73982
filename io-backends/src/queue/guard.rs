//! Whether a queue is still what it was prepared to be.
//!
//! The process that gave a descriptor holds it too, and a queue of another
//! process can be added to a TAP with several queues. Either can change the header before each frame, which
//! then would be read as part of the frame. The control plane looks now and
//! then: that costs a lock of the kernel's configuration, so no worker does.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::header::{Prepared, flags_now, keeps_header};
use super::ioctl::flag;
use super::tap::tells_gone;

/// A descriptor of the queue for the control plane. It keeps the device
/// alive: drop it before the device is to go.
#[derive(Debug)]
pub struct Guard {
    pub(super) fd: OwnedFd,
    pub(super) prepared: Prepared,
}

impl Guard {
    /// Looks whether others changed the queue or took it away.
    ///
    /// # Errors
    /// What is not as it was, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        let gone = |errno: Errno| match errno {
            errno if tells_gone(errno) => Err("its device is gone"),
            // The kernel is short of memory: that says nothing.
            _ => Ok(()),
        };
        match flags_now(&self.fd, self.prepared.device) {
            Ok(flags) if flags & flag::DETACHED != 0 => {
                return Err("another program detached its queue");
            }
            Ok(flags) if self.prepared.agrees_with(flags) => {}
            Ok(_) => return Err("another program changed the header of its frames"),
            Err(errno) => return gone(errno),
        }
        if self.prepared.header == 0 {
            return Ok(());
        }
        match keeps_header(&self.fd) {
            Ok(true) => Ok(()),
            Ok(false) => Err("another program changed the header of its frames"),
            Err(errno) => gone(errno),
        }
    }
}
