//! What another holder of a port's descriptor, or another user of its TAP, can do to it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Result;

use crate::queue::ioctl::{self, flag};

/// Flags of a queue whose frames have no virtio-net header.
pub const WITHOUT_HEADER: u16 = flag::TAP | flag::NO_PI;

/// Sets the virtio-net header's size, bytes.
///
/// # Errors
/// As the kernel says.
pub fn set_header_size(fd: impl AsFd, bytes: i32) -> Result<()> {
    ioctl::set_header_size(fd, bytes)
}

/// Sets which offloads the reader takes (`TUN_F_…`).
///
/// # Errors
/// As the kernel says.
pub fn set_offloads(fd: impl AsFd, offloads: u32) -> Result<()> {
    ioctl::set_offload(fd, offloads)
}

/// Sets how many bytes may be on their way at once.
///
/// # Errors
/// As the kernel says.
pub fn set_send_buffer(fd: impl AsFd, bytes: i32) -> Result<()> {
    ioctl::set_send_buffer(fd, bytes)
}

/// Sets a macvtap queue's flags.
///
/// # Errors
/// As the kernel says.
pub fn set_flags(fd: impl AsFd, flags: u16) -> Result<()> {
    ioctl::set_iff(fd, "", flags).map(drop)
}

/// Detaches a TAP's queue.
///
/// # Errors
/// As the kernel says.
pub fn detach_queue(fd: impl AsFd) -> Result<()> {
    ioctl::set_queue(fd, flag::DETACHED)
}

/// Makes the netdev outlive its descriptors, or not.
///
/// # Errors
/// As the kernel says.
pub fn set_persistent(fd: impl AsFd, persistent: bool) -> Result<()> {
    ioctl::set_persistent(fd, persistent)
}

/// Attaches a further queue, without a header, to the TAP `name` of the calling thread's namespace.
///
/// # Errors
/// As the kernel says.
pub fn attach_beside(name: &str) -> Result<OwnedFd> {
    let fd = open("/dev/net/tun", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    ioctl::set_iff(&fd, name, WITHOUT_HEADER | flag::MULTI_QUEUE)?;
    Ok(fd)
}
