//! A port over a TAP or macvtap descriptor: one system call a frame.
//!
//! [`FdPort`] is what every opener ([`crate::tap`], [`crate::macvtap`],
//! [`crate::inherited`]) hands out: one queue, non-blocking, whose virtio-net
//! header and offloads were set and read back. The frame's own buffer is read
//! into and written from; its headroom takes the device header.
//!
//! What Linux tells through these descriptors differs by device. A TAP that
//! is down refuses writes, one that is deleted refuses everything and polls
//! as an error. A macvtap tells nothing at all: down or deleted, writes
//! succeed and reads find nothing. [`FdPort::is_gone`] asks outright.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, read, retry_on_intr, write};
use switch_core::frame::{Frame, Offload, Takes};
use switch_core::port::{Port, PortFault, TxError};

use crate::tun::{self, flag};
use crate::{Error, vnet};

/// No frame is shorter than an Ethernet header; the kernel refuses such writes too.
const MIN_FRAME: usize = 14;

/// The driver behind a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// `/dev/net/tun` in TAP mode.
    Tap,
    /// A macvtap's (or ipvtap's) character device.
    Macvtap,
}

/// One queue of a TAP or macvtap.
#[derive(Debug)]
pub struct FdPort {
    fd: OwnedFd,
    settled: Settled,
    gone: bool,
}

/// What [`settle`] found and set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settled {
    pub(crate) device: Device,
    /// `IFF_…` as read back.
    pub(crate) flags: u16,
    /// Bytes of device header before each frame.
    header: usize,
    takes: Takes,
}

impl FdPort {
    pub(crate) fn new(fd: OwnedFd, settled: Settled) -> FdPort {
        FdPort { fd, settled, gone: false }
    }

    /// The driver behind the descriptor.
    pub fn device(&self) -> Device {
        self.settled.device
    }

    /// Whether frames carry a virtio-net header, and with it offload state.
    pub fn has_vnet_header(&self) -> bool {
        self.settled.header > 0
    }

    /// Bytes of header before each frame read or written: 12 or 0.
    #[inline]
    pub fn vnet_header_len(&self) -> usize {
        self.settled.header
    }

    /// The netdev's name in whatever namespace it is; `None` when it is gone.
    pub fn netdev_name(&self) -> Option<String> {
        tun::get_iff(&self.fd).ok().map(|(name, _)| name)
    }

    /// Asks the kernel whether the netdev is gone. Unlike reading and writing
    /// this also tells for a macvtap. Takes the kernel's configuration lock:
    /// for the control plane, not for each frame.
    pub fn is_gone(&self) -> bool {
        self.gone || tun::get_iff(&self.fd).is_err()
    }

    /// Makes a frame of the `read` bytes, header included, that a read put
    /// into [`Frame::receive_buffer`] of [`FdPort::vnet_header_len`].
    ///
    /// # Panics
    /// When `read` is more than that buffer.
    #[inline]
    pub fn finish_receive(&self, frame: &mut Frame, read: usize) {
        let len = read.saturating_sub(self.settled.header);
        let mut offload = Offload::default();
        if self.settled.header > 0
            && let Some(header) = frame.receive_buffer(vnet::LEN).first_chunk()
        {
            offload = vnet::decode(header);
        }
        frame.received(len, offload);
    }

    /// The bytes to write for a frame: its device header, set in its headroom, and the frame.
    ///
    /// # Errors
    /// [`TxError::Refused`] for a frame this port does not take.
    #[inline]
    pub fn begin_transmit<'f>(&self, frame: &'f mut Frame) -> Result<&'f [u8], TxError> {
        if frame.len() < MIN_FRAME || !self.settled.takes.accepts(&frame.offload) {
            return Err(TxError::Refused);
        }
        if self.settled.header == 0 {
            return Ok(frame.bytes());
        }
        let header = vnet::encode(&frame.offload, frame.bytes());
        let buffer = frame.with_header(vnet::LEN);
        buffer[..vnet::LEN].copy_from_slice(&header);
        Ok(buffer)
    }

    /// What a failed write means, and remembers when it means that the device is gone.
    #[cold]
    pub fn transmit_fault(&mut self, errno: Errno) -> TxError {
        self.gone |= tells_gone(errno);
        tx_error(errno)
    }
}

impl AsFd for FdPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Port for FdPort {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let mut filled = 0;
        // As many reads as frames asked for, so that a run of frames the
        // kernel fails to hand over is bounded too.
        for _ in 0..into.len() {
            if self.gone {
                break;
            }
            let frame = &mut into[filled];
            let result =
                retry_on_intr(|| read(&self.fd, frame.receive_buffer(self.settled.header)));
            match result {
                Ok(len) => {
                    self.finish_receive(frame, len);
                    filled += 1;
                }
                Err(errno) if tells_gone(errno) => self.gone = true,
                Err(errno) if lost_one_frame(errno) => {}
                Err(_) => break,
            }
        }
        if filled == 0 && self.gone { Err(PortFault::Gone) } else { Ok(filled) }
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        if self.gone {
            return Err(TxError::Down);
        }
        let bytes = self.begin_transmit(frame)?;
        match retry_on_intr(|| write(&self.fd, bytes)) {
            Ok(_) => Ok(()),
            Err(errno) => Err(self.transmit_fault(errno)),
        }
    }

    fn takes(&self) -> Takes {
        self.settled.takes
    }
}

/// Whether reading or writing failed because there is no device any more.
pub(crate) fn tells_gone(errno: Errno) -> bool {
    matches!(errno, Errno::BADFD | Errno::BADF | Errno::NODEV | Errno::NXIO | Errno::NOLINK)
}

/// Whether a failed read took a frame out of the kernel's queue and lost it
/// (one whose offload state no header can say, EINVAL), so that the next may follow.
pub(crate) fn lost_one_frame(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::MSGSIZE)
}

/// What a failed write means for the frame.
pub(crate) fn tx_error(errno: Errno) -> TxError {
    match errno {
        Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM => TxError::Full,
        Errno::IO | Errno::NETDOWN => TxError::Down,
        errno if tells_gone(errno) => TxError::Down,
        _ => TxError::Refused,
    }
}

/// Checks what an attached descriptor `what` is, sets its virtio-net header
/// and offloads, and reads back what can be read back. Nothing is left as the
/// descriptor or a persistent netdev happened to have it.
///
/// # Errors
/// When it is no TAP or macvtap, carries packet information, lost its netdev
/// or queue, or the kernel does not keep what was set.
pub(crate) fn settle(fd: BorrowedFd<'_>, what: &str) -> Result<Settled, Error> {
    let (_, mut flags) = tun::get_iff(fd).map_err(|errno| get_iff_error(what, errno))?;
    if flags & flag::TYPE_MASK != flag::TAP {
        return Err(Error::failed(what, "is a TUN: it carries IP packets, not Ethernet frames"));
    }
    let device = device(fd, what)?;
    if device == Device::Tap {
        flags = tun::tap_flags(fd).map_err(|errno| kept(what, "filter", errno))?;
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
        tun::set_send_buffer(fd, i32::MAX).map_err(|errno| kept(what, "send buffer", errno))?;
    }
    let header = if header { vnet::LEN } else { 0 };
    Ok(Settled { device, flags, header, takes })
}

fn device(fd: BorrowedFd<'_>, what: &str) -> Result<Device, Error> {
    let features = tun::features(fd).map_err(|errno| kept(what, "features", errno))?;
    // Only /dev/net/tun offers TUN mode beside TAP.
    Ok(if features & u32::from(flag::TUN) != 0 { Device::Tap } else { Device::Macvtap })
}

fn set_header(fd: BorrowedFd<'_>, what: &str) -> Result<(), Error> {
    let size = vnet::LEN as i32;
    let error = |errno| kept(what, "virtio-net header", errno);
    tun::set_header_size(fd, size).map_err(error)?;
    tun::set_little_endian(fd).map_err(error)?;
    if tun::header_size(fd).map_err(error)? != size {
        return Err(Error::failed(what, "the kernel does not keep a 12-byte virtio-net header"));
    }
    if !tun::is_little_endian(fd).map_err(error)? {
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
        tun::set_offload(fd, 0).map_err(|errno| kept(what, "offloads", errno))?;
        return Ok(Takes::NOTHING);
    }
    match tun::set_offload(fd, tun::OFFLOADS_USO) {
        Ok(()) => Ok(Takes::EVERYTHING),
        Err(Errno::INVAL) => {
            tun::set_offload(fd, tun::OFFLOADS).map_err(|errno| kept(what, "offloads", errno))?;
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
            Error::failed(what, "is neither a TAP nor a macvtap")
        }
        Errno::BADFD => Error::failed(what, "is attached to no TAP, or its netdev is gone"),
        Errno::NOLINK => Error::failed(what, "its macvtap is gone"),
        errno => Error::failed(what, crate::error::describe(&errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_write_say_what_to_do() {
        for (errno, expected) in [
            (Errno::AGAIN, TxError::Full),
            (Errno::NOBUFS, TxError::Full),
            (Errno::NOMEM, TxError::Full),
            (Errno::IO, TxError::Down),
            (Errno::BADFD, TxError::Down),
            (Errno::NXIO, TxError::Down),
            (Errno::INVAL, TxError::Refused),
            (Errno::MSGSIZE, TxError::Refused),
            (Errno::PERM, TxError::Refused),
        ] {
            assert_eq!(tx_error(errno), expected, "{errno:?}");
        }
    }

    #[test]
    fn only_a_missing_device_is_gone() {
        assert!(tells_gone(Errno::BADFD) && tells_gone(Errno::NXIO) && tells_gone(Errno::NODEV));
        assert!(!tells_gone(Errno::IO), "a TAP that is down comes back");
        assert!(!tells_gone(Errno::AGAIN) && !tells_gone(Errno::INVAL));
    }
}
