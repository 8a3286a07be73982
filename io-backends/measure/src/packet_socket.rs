//! A socket that sends and receives whole frames of one EtherType on one netdev.
//!
//! It is the generator of `netloom bench`. Frames it sends skip the netdev's
//! queueing discipline, so that what the driver drops is not retried.
#![expect(unsafe_code, reason = "packet sockets' addresses and options that rustix does not name")]

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use linux_raw_sys::if_packet;
use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send,
    socket_with,
};

/// Room for frames that wait to be received, bytes.
const ROOM: c_int = 64 << 20;

/// The socket. Never blocks.
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens one on the netdev `name` of the calling thread's namespace, for frames of this EtherType.
    ///
    /// # Errors
    /// When there is no such netdev, or CAP_NET_RAW is missing.
    pub fn open(name: &str, ethertype: u16) -> Result<PacketSocket> {
        // With no protocol nothing is received before the socket is bound to its netdev.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
        set_option(&fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        // Needs CAP_NET_ADMIN; without it the host's own limit has to do.
        let _ = set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, ROOM);
        let index = netdevice::name_to_index(&fd, name)?;
        bind(&fd, index, ethertype)?;
        Ok(PacketSocket { fd })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// What the kernel says: EAGAIN or ENOBUFS when it takes no more now.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        send(&self.fd, frame, SendFlags::DONTWAIT).map(drop)
    }

    /// The next frame that came in, cut to the buffer's length; `None` while there is none.
    ///
    /// # Errors
    /// What the kernel says, like ENETDOWN once after the netdev went down.
    pub fn receive(&self, into: &mut [u8]) -> Result<Option<usize>> {
        match recv(&self.fd, into, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The same with the time when the netdev received the frame, however long it waited here.
    ///
    /// # Errors
    /// As [`PacketSocket::receive`].
    pub fn receive_at(&self, into: &mut [u8]) -> Result<Option<(usize, SystemTime)>> {
        const HEADER: usize = size_of::<libc::cmsghdr>();
        // In words, because control messages are aligned.
        let mut control = [0_u64; (HEADER + size_of::<libc::timespec>()).div_ceil(8)];
        let mut iov = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        // SAFETY: a message header of zeros names no buffer at all.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the header names two live buffers, each with its size.
        let length =
            unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        let Ok(length) = usize::try_from(length) else {
            return match last_errno() {
                Errno::AGAIN => Ok(None),
                errno => Err(errno),
            };
        };
        if message.msg_controllen < size_of_val(&control) {
            return Err(Errno::NOMSG);
        }
        // The only control message this socket asked for.
        // SAFETY: the kernel filled in that many bytes, and the type takes any.
        let time =
            unsafe { control.as_ptr().cast::<u8>().add(HEADER).cast::<libc::timespec>().read() };
        let since = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32);
        Ok(Some((length, SystemTime::UNIX_EPOCH + since)))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn set_option(fd: &OwnedFd, level: c_int, option: c_int, value: c_int) -> Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to a live `c_int` and the length is its size.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    check(result)
}

fn bind(fd: &OwnedFd, index: u32, ethertype: u16) -> Result<()> {
    let address = if_packet::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the pointer is to a live link-layer socket address and the length is its size.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) };
    check(result)
}

fn check(result: c_int) -> Result<()> {
    if result == 0 {
        return Ok(());
    }
    Err(last_errno())
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::xdp_loop::{ETHERTYPE, frame};
    use io_backends::lab::{Place, Wanted};
    use io_backends::testing::in_own_netns;
    use switch_core::Mac;

    const HERE: Mac = Mac::new([2, 0, 0, 0, 0, 1]);

    #[test]
    fn frames_of_its_ethertype_arrive_and_its_own_do_not_come_back() {
        in_own_netns(|| {
            let up = Wanted { up: Some(true), ..Wanted::default() };
            Place::Here
                .links(|links| {
                    let one = links.make_veth("one", "two")?;
                    let two = links.require("two")?;
                    links.set(&one, &up)?;
                    links.set(&two, &up)
                })
                .unwrap();
            let [one, two] =
                ["one", "two"].map(|name| PacketSocket::open(name, ETHERTYPE).unwrap());
            let other = PacketSocket::open("one", 0x88b6).unwrap();
            let mut alien = frame(HERE, HERE, 60);
            alien[13] += 1;
            other.send(&alien).unwrap();
            let sent = frame(Mac::new([0xff; 6]), HERE, 60);
            one.send(&sent).unwrap();
            let mut buffer = [0; 100];
            let deadline = Instant::now() + Duration::from_secs(5);
            let length = loop {
                assert!(Instant::now() < deadline);
                if let Some(length) = two.receive(&mut buffer).unwrap() {
                    break length;
                }
            };
            assert_eq!(buffer[..length], sent);
            assert_eq!(two.receive(&mut buffer), Ok(None));
            assert_eq!(two.receive_at(&mut buffer), Ok(None));
            let before = SystemTime::now();
            one.send(&sent).unwrap();
            let (length, time) = loop {
                assert!(Instant::now() < deadline);
                if let Some(received) = two.receive_at(&mut buffer).unwrap() {
                    break received;
                }
            };
            assert_eq!(buffer[..length], sent);
            let window = Duration::from_secs(1);
            assert!(time + window > before && time < SystemTime::now() + window, "{time:?}");
            assert_eq!(one.receive(&mut buffer), Ok(None));
            assert_eq!(PacketSocket::open("absent", ETHERTYPE).err(), Some(Errno::NODEV));
        });
    }
}
