//! A port over a TAP or macvtap descriptor: one system call a frame.
//!
//! [`TapQueue`] is what every opener ([`crate::ports::tap`], [`crate::ports::macvtap`],
//! [`crate::ports::fd`]) hands out: one queue, non-blocking, whose virtio-net
//! header and offloads were set and read back. The frame's own buffer is read
//! into and written from; its headroom takes the device header.
//!
//! What Linux tells through these descriptors differs by device. A TAP that
//! is down refuses writes, one that is deleted refuses everything and polls
//! as an error. A macvtap tells nothing at all: down or deleted, writes
//! succeed and reads find nothing. [`TapQueue::is_gone`] asks outright.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{
    Errno, ReadWriteFlags, fcntl_dupfd_cloexec, preadv2, pwritev2, read, retry_on_intr, write,
};
use switch_core::frame::{Frame, Offload, Takes};
use switch_core::port::{Port, PortFault, TxError};

use super::guard::Guard;
use super::ioctl::{self, flag};
use super::vnet;
use crate::bpf::lane::Progress;
use crate::bpf::steer;
use crate::error::Error;
use crate::queue::header::Prepared;

/// No frame is shorter than an Ethernet header; the kernel refuses such writes too.
const MIN_FRAME: usize = 14;

/// Says to preadv2 and pwritev2 that a device has no place to read at.
const NO_OFFSET: u64 = u64::MAX;

/// The driver behind a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// `/dev/net/tun` in TAP mode.
    Tap,
    /// A macvtap's (or ipvtap's) character device.
    Macvtap,
}

/// Why a read brought no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadFault {
    /// There is no device any more.
    Gone,
    /// The kernel had one and could not hand it over; the next may follow.
    Lost,
    /// None waits.
    Empty,
}

/// One queue of a TAP or macvtap.
#[derive(Debug)]
pub struct TapQueue {
    fd: OwnedFd,
    prepared: Prepared,
    gone: bool,
    /// Its netdev stays and is to choose queues by itself again.
    unsteers: bool,
    /// Another process holds the descriptor too and can make it blocking.
    shared: bool,
    /// Of a handle whose netdev has a lane: the account of what was read and delivered.
    progress: Option<Progress>,
    /// It is to be read once more before it rests.
    reads_on: bool,
}

impl TapQueue {
    pub(crate) fn new(fd: OwnedFd, prepared: Prepared) -> TapQueue {
        TapQueue {
            fd,
            prepared,
            gone: false,
            unsteers: false,
            shared: false,
            progress: None,
            reads_on: false,
        }
    }

    /// A queue whose descriptor the process that opened it may hold still.
    ///
    /// O_NONBLOCK belongs to all who hold a descriptor, and without it a read
    /// would stop the worker. So no-wait is asked for with each call, which
    /// costs some 80 ns more: only here. Before Linux 6.4 the kernel can't be
    /// asked that of a TAP; then the flag is all there is.
    pub(crate) fn shared(fd: OwnedFd, prepared: Prepared) -> TapQueue {
        let mut queue = TapQueue::new(fd, prepared);
        queue.shared = true;
        queue
    }

    /// Has the netdev choose queues by itself again when this is dropped.
    pub(crate) fn unsteer_at_end(&mut self) {
        self.unsteers = true;
    }

    /// Keeps the account of what is read from it and delivered, by which the lane keeps order.
    pub fn keep_account(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Whether it is to be read once more before it rests, though it was found empty.
    #[inline]
    pub(crate) fn reads_on(&self) -> bool {
        self.reads_on
    }

    /// What was read before is delivered; the queue is about to be read.
    #[inline]
    pub(crate) fn begin_reading(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.delivered();
        }
    }

    /// So many frames were read; with none the queue was empty. After some it is to be read
    /// once more before it rests: only then are they known to be delivered and none to be left.
    #[inline]
    pub(crate) fn end_reading(&mut self, frames: usize) {
        if let Some(progress) = &mut self.progress {
            progress.read(frames);
            self.reads_on = frames > 0;
        }
    }

    /// A second descriptor of this queue, for a worker that only sends on it.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub fn sender(&self) -> Result<TapQueue, Error> {
        let fd = self.duplicate()?;
        Ok(TapQueue {
            fd,
            prepared: self.prepared,
            gone: self.gone,
            unsteers: false,
            shared: self.shared,
            progress: None,
            reads_on: false,
        })
    }

    /// What tells the control plane whether others changed the queue; `None`
    /// where nobody else can: the descriptor is the switch's alone, and the
    /// netdev has room for no other.
    ///
    /// # Errors
    /// When the process may open no more descriptors.
    pub(super) fn guard(&self) -> Result<Option<Guard>, Error> {
        if !self.shared && self.prepared.flags & flag::MULTI_QUEUE == 0 {
            return Ok(None);
        }
        Ok(Some(Guard { fd: self.duplicate()?, prepared: self.prepared }))
    }

    fn duplicate(&self) -> Result<OwnedFd, Error> {
        let error = |errno: Errno| Error::io("a port's queue", &errno.into());
        fcntl_dupfd_cloexec(&self.fd, 0).map_err(error)
    }

    fn read(&mut self, into: &mut [u8]) -> rustix::io::Result<usize> {
        if self.shared {
            let mut parts = [IoSliceMut::new(into)];
            match preadv2(&self.fd, &mut parts, NO_OFFSET, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP) => self.shared = false,
                result => return result,
            }
        }
        read(&self.fd, into)
    }

    fn write(&mut self, bytes: &[u8]) -> rustix::io::Result<usize> {
        if self.shared {
            let parts = [IoSlice::new(bytes)];
            match pwritev2(&self.fd, &parts, NO_OFFSET, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP) => self.shared = false,
                result => return result,
            }
        }
        write(&self.fd, bytes)
    }

    /// The driver behind the descriptor.
    pub fn device(&self) -> Device {
        self.prepared.device
    }

    /// Whether frames carry a virtio-net header, and with it offload state.
    pub fn has_vnet_header(&self) -> bool {
        self.prepared.header > 0
    }

    /// Bytes of header before each frame read or written: 12 or 0.
    #[inline]
    pub fn vnet_header_len(&self) -> usize {
        self.prepared.header
    }

    /// The netdev's name in whatever namespace it is; `None` when it is gone.
    pub fn netdev_name(&self) -> Option<String> {
        ioctl::get_iff(&self.fd).ok().map(|(name, _)| name)
    }

    /// Asks the kernel whether the netdev is gone. Unlike reading and writing
    /// this also tells for a macvtap. Takes the kernel's configuration lock:
    /// for the control plane, not for each frame.
    pub fn is_gone(&self) -> bool {
        self.gone || ioctl::get_iff(&self.fd).is_err()
    }

    /// Makes a frame of the `read` bytes, header included, that a read put
    /// into [`Frame::receive_buffer`] of [`TapQueue::vnet_header_len`].
    ///
    /// # Panics
    /// When `read` is more than that buffer.
    #[inline]
    pub fn finish_receive(&self, frame: &mut Frame, read: usize) {
        let len = read.saturating_sub(self.prepared.header);
        let mut offload = Offload::default();
        if self.prepared.header > 0
            && let Some(header) = frame.receive_buffer(vnet::LEN).first_chunk()
        {
            offload = vnet::decode(header);
        }
        frame.received(len, offload);
    }

    /// The bytes to write for a frame: its device header, set in its headroom, and the frame.
    ///
    /// # Errors
    /// [`TxError::Refused`] for a frame this port does not take, [`TxError::Down`]
    /// once its device was found gone.
    #[inline]
    pub fn begin_transmit<'f>(&self, frame: &'f mut Frame) -> Result<&'f [u8], TxError> {
        if self.gone {
            return Err(TxError::Down);
        }
        if frame.len() < MIN_FRAME || !self.prepared.takes.accepts(&frame.offload) {
            return Err(TxError::Refused);
        }
        if self.prepared.header == 0 {
            return Ok(frame.bytes());
        }
        let header = vnet::encode(&frame.offload, frame.bytes());
        let buffer = frame.with_header(vnet::LEN);
        buffer[..vnet::LEN].copy_from_slice(&header);
        Ok(buffer)
    }

    /// What a failed read means, and remembers when it means that the device is gone.
    pub(crate) fn receive_fault(&mut self, errno: Errno) -> ReadFault {
        if tells_gone(errno) {
            self.gone = true;
            ReadFault::Gone
        } else if lost_one_frame(errno) {
            ReadFault::Lost
        } else {
            ReadFault::Empty
        }
    }

    /// What a failed write means, and remembers when it means that the device is gone.
    #[cold]
    pub fn transmit_fault(&mut self, errno: Errno) -> TxError {
        self.gone |= tells_gone(errno);
        tx_error(errno)
    }
}

impl Drop for TapQueue {
    fn drop(&mut self) {
        if self.unsteers {
            steer::unset(&self.fd);
        }
    }
}

impl AsFd for TapQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Port for TapQueue {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        self.begin_reading();
        let mut filled = 0;
        // As many reads as frames asked for, so that a run of frames the
        // kernel fails to hand over is bounded too.
        for _ in 0..into.len() {
            if self.gone {
                break;
            }
            let frame = &mut into[filled];
            let header = self.prepared.header;
            let result = retry_on_intr(|| self.read(frame.receive_buffer(header)));
            match result {
                Ok(len) => {
                    self.finish_receive(frame, len);
                    filled += 1;
                }
                Err(errno) => {
                    if self.receive_fault(errno) == ReadFault::Empty {
                        break;
                    }
                }
            }
        }
        self.end_reading(filled);
        if filled == 0 && self.gone { Err(PortFault::Gone) } else { Ok(filled) }
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        let bytes = self.begin_transmit(frame)?;
        match retry_on_intr(|| self.write(bytes)) {
            Ok(_) => Ok(()),
            Err(errno) => Err(self.transmit_fault(errno)),
        }
    }

    fn takes(&self) -> Takes {
        self.prepared.takes
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

#[cfg(test)]
pub(crate) mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use switch_core::frame::Checksum;

    use super::*;

    /// A port over one end of a pair of message sockets, which keep frames
    /// apart and in order as a TAP does, and the other end.
    pub(crate) fn pair(header: bool) -> (TapQueue, OwnedFd) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let (header, takes) =
            if header { (vnet::LEN, Takes::EVERYTHING) } else { (0, Takes::NOTHING) };
        let prepared = Prepared { device: Device::Tap, flags: 0, header, takes };
        (TapQueue::new(near, prepared), far)
    }

    fn frames(count: usize) -> Vec<Frame> {
        (0..count).map(|_| Frame::new()).collect()
    }

    #[test]
    fn a_header_comes_and_goes_with_the_frame() {
        let (mut port, far) = pair(true);
        let header = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0];
        let message = [&header[..], &[7; 60]].concat();
        write(&far, &message).unwrap();
        let mut into = frames(1);
        assert_eq!(port.receive(&mut into), Ok(1));
        assert_eq!(into[0].bytes(), [7; 60]);
        assert_eq!(into[0].offload.checksum, Checksum::Partial { start: 34, offset: 16 });

        into[0].push_tag(0x8100, 5);
        into[0].push_tag(0x88a8, 6);
        let bytes = into[0].bytes().to_vec();
        port.transmit(&mut into[0]).unwrap();
        assert_eq!(into[0].bytes(), bytes);
        let mut sent = [0; 200];
        let len = read(&far, &mut sent).unwrap();
        assert_eq!(sent[..12], [1, 0, 0, 0, 0, 0, 42, 0, 16, 0, 0, 0]);
        assert_eq!(sent[12..len], bytes);
    }

    #[test]
    fn a_read_too_short_for_its_header_is_an_empty_frame() {
        let (mut port, far) = pair(true);
        write(&far, &[0; 5]).unwrap();
        let mut into = frames(1);
        assert_eq!(port.receive(&mut into), Ok(1));
        assert!(into[0].is_empty());
    }

    #[test]
    fn without_a_header_only_finished_frames_pass() {
        let (mut port, far) = pair(false);
        let mut frame = Frame::from_bytes(&[3; 14]);
        port.transmit(&mut frame).unwrap();
        let mut sent = [0; 20];
        assert_eq!(read(&far, &mut sent), Ok(14));
        frame.offload.checksum = Checksum::Partial { start: 14, offset: 0 };
        assert_eq!(port.transmit(&mut frame), Err(TxError::Refused));
        assert_eq!(port.transmit(&mut Frame::from_bytes(&[3; 13])), Err(TxError::Refused));
        assert_eq!(read(&far, &mut sent), Err(Errno::AGAIN));
    }

    #[test]
    fn fills_what_it_is_given_and_stops_when_empty() {
        let (mut port, far) = pair(false);
        for n in 0..5 {
            write(&far, &[n; 60]).unwrap();
        }
        let mut into = frames(3);
        assert_eq!(port.receive(&mut into), Ok(3));
        assert_eq!(into[2].bytes(), [2; 60]);
        assert_eq!(port.receive(&mut into), Ok(2));
        assert_eq!(port.receive(&mut into), Ok(0));
        assert_eq!(port.receive(&mut []), Ok(0));
    }

    #[test]
    fn says_when_no_more_fits() {
        let (mut port, _far) = pair(false);
        let mut frame = Frame::from_bytes(&[1; 1500]);
        let refused = (0..100_000).find_map(|_| port.transmit(&mut frame).err());
        assert_eq!(refused, Some(TxError::Full));
    }

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
