//! Making sure of a TAP or macvtap descriptor before frames go through it.
//!
//! Whatever a descriptor, or the persistent netdev behind it, was left with
//! (header size, byte order, offloads, filter, send buffer) is set anew and,
//! where the kernel tells, read back. What can't be had is an error.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use switch_core::frame::Takes;

use super::ioctl::flag;
use super::{ioctl, vnet};
use crate::Error;
use crate::queue::tap::Device;

/// What [`prepare`] found and set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prepared {
    pub(crate) device: Device,
    /// `IFF_…` as read back.
    pub(crate) flags: u16,
    /// Bytes of device header before each frame.
    pub(crate) header: usize,
    pub(crate) takes: Takes,
}

impl Prepared {
    /// Whether a queue with these flags has the same before each frame.
    pub(super) fn agrees_with(&self, flags: u16) -> bool {
        const COMPARED: u16 = flag::TYPE_MASK | flag::NO_PI | flag::VNET_HDR;
        flags & COMPARED == self.flags & COMPARED
    }
}

/// A queue's flags, with [`flag::NO_PI`] as it is.
pub(super) fn flags_now(fd: impl AsFd, device: Device) -> rustix::io::Result<u16> {
    match device {
        Device::Tap => ioctl::tap_flags(fd),
        Device::Macvtap => ioctl::get_iff(fd).map(|(_, flags)| flags),
    }
}

/// Whether the virtio-net header is as [`prepare`] sets it.
pub(super) fn keeps_header(fd: impl AsFd) -> rustix::io::Result<bool> {
    Ok(ioctl::header_size(&fd)? == vnet::LEN as i32 && ioctl::is_little_endian(&fd)?)
}

/// Checks what an attached descriptor `what` is, sets its virtio-net header
/// and offloads, and reads back what can be read back. Nothing is left as the
/// descriptor or a persistent netdev happened to have it.
///
/// # Errors
/// When it is no TAP or macvtap, carries packet information, lost its netdev
/// or queue, or the kernel does not keep what was set.
pub(crate) fn prepare(fd: BorrowedFd<'_>, what: &str) -> Result<Prepared, Error> {
    let (_, mut flags) = ioctl::get_iff(fd).map_err(|errno| get_iff_error(what, errno))?;
    if flags & flag::TYPE_MASK != flag::TAP {
        return Err(Error::failed(what, "is a TUN: it carries IP packets, not Ethernet frames"));
    }
    let device = device(fd, what)?;
    if device == Device::Tap {
        flags = flags_now(fd, device).map_err(|errno| kept(what, "filter", errno))?;
    }
    if flags & flag::NO_PI == 0 {
        return Err(Error::failed(what, "puts packet information before each frame")
            .hint("open it with IFF_NO_PI"));
    }
    if flags & flag::DETACHED != 0 {
        return Err(Error::failed(what, "is a queue that was detached")
            .hint("attach it with TUNSETQUEUE before handing it over"));
    }
    let header = flags & flag::VNET_HDR != 0;
    if header {
        set_header(fd, what)?;
    }
    let takes = set_offloads(fd, what, header)?;
    if device == Device::Tap {
        // The default; the kernel's cheap way in needs it. A macvtap's is
        // smaller and stays so: it bounds what waits on the lower netdev.
        ioctl::set_send_buffer(fd, i32::MAX).map_err(|errno| kept(what, "send buffer", errno))?;
    }
    let header = if header { vnet::LEN } else { 0 };
    Ok(Prepared { device, flags, header, takes })
}

fn device(fd: BorrowedFd<'_>, what: &str) -> Result<Device, Error> {
    let features = ioctl::features(fd).map_err(|errno| kept(what, "features", errno))?;
    // Only /dev/net/tun offers TUN mode beside TAP.
    Ok(if features & u32::from(flag::TUN) != 0 { Device::Tap } else { Device::Macvtap })
}

fn set_header(fd: BorrowedFd<'_>, what: &str) -> Result<(), Error> {
    let size = vnet::LEN as i32;
    let error = |errno| kept(what, "virtio-net header", errno);
    ioctl::set_header_size(fd, size).map_err(error)?;
    ioctl::set_little_endian(fd).map_err(error)?;
    if ioctl::header_size(fd).map_err(error)? != size {
        return Err(Error::failed(what, "the kernel does not keep a 12-byte virtio-net header"));
    }
    if !ioctl::is_little_endian(fd).map_err(error)? {
        return Err(Error::failed(what, "the kernel does not keep a little-endian header"));
    }
    Ok(())
}

/// Sets what the switch takes from the kernel; the answer is what the kernel
/// takes from the switch: with a header any checksum and TCP super-frame, and
/// UDP super-frames since the version (6.2) that offers them too. Without a
/// header a frame's offload state has no place, so nothing is taken.
fn set_offloads(fd: BorrowedFd<'_>, what: &str, header: bool) -> Result<Takes, Error> {
    if !header {
        ioctl::set_offload(fd, 0).map_err(|errno| kept(what, "offloads", errno))?;
        return Ok(Takes::NOTHING);
    }
    match ioctl::set_offload(fd, ioctl::OFFLOADS_USO) {
        Ok(()) => Ok(Takes::EVERYTHING),
        Err(Errno::INVAL) => {
            ioctl::set_offload(fd, ioctl::OFFLOADS)
                .map_err(|errno| kept(what, "offloads", errno))?;
            Ok(Takes { uso: false, ..Takes::EVERYTHING })
        }
        Err(errno) => Err(kept(what, "offloads", errno)),
    }
}

fn kept(what: &str, which: &str, errno: Errno) -> Error {
    let mut error = Error::system(what, &errno.into(), "CAP_NET_ADMIN");
    error.why = format!("its {which} can't be set: {}", error.why);
    error
}

fn get_iff_error(what: &str, errno: Errno) -> Error {
    match errno {
        Errno::NOTTY | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => {
            Error::failed(what, "is neither a TAP nor a macvtap").hint(
                "open /dev/net/tun and choose a TAP with TUNSETIFF, or open a macvtap's /dev/tapN",
            )
        }
        Errno::BADFD => Error::failed(what, "is attached to no TAP, or its netdev is gone")
            .hint("choose a TAP with TUNSETIFF before handing it over"),
        Errno::NOLINK => Error::failed(what, "its macvtap is gone"),
        errno => Error::io(what, &errno.into()),
    }
}
