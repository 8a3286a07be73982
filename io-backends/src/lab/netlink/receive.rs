//! One datagram from a netlink socket, with the namespace it is about.
#![expect(unsafe_code, reason = "no safe wrapper passes this control message on")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Datagram {
    /// Bytes written to the buffer.
    pub(super) length: usize,
    /// The id of the namespace it is about; `None`: the socket's own.
    pub(super) nsid: Option<i32>,
    /// The buffer was too short for all of it.
    pub(super) truncated: bool,
}

/// Room for control messages, aligned as their headers must be.
type Control = [u64; 16];

/// Receives one datagram from a non-blocking socket with `NETLINK_LISTEN_ALL_NSID` set.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut control: Control = [0; 16];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid `msghdr`: no name, no parts, no control messages.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the one part and the control room are writable for the lengths
    // stated, and outlive the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let truncated = message.msg_flags & libc::MSG_TRUNC != 0;
    Ok(Datagram { length, nsid: nsid(&message), truncated })
}

/// The namespace id among the control messages that `recvmsg` wrote.
fn nsid(message: &libc::msghdr) -> Option<i32> {
    // SAFETY: `message` is as `recvmsg` left it, its control room still borrowed by the caller.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: the CMSG functions return null or a whole header within the control room.
        let found = unsafe { *header };
        if (found.cmsg_level, found.cmsg_type) == (libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID)
        {
            // SAFETY: the kernel puts one `int` in this message; it need not be aligned.
            return Some(unsafe { libc::CMSG_DATA(header).cast::<i32>().read_unaligned() });
        }
        // SAFETY: as above, and `header` is one of this message's headers.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}
