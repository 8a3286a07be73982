//! What tests and benches need and the switch does not: a namespace for a
//! thread, and a raw socket as a netdev's other user.
#![expect(unsafe_code, reason = "unshare, and socket options rustix does not name")]

#[cfg(feature = "testing")]
pub mod allocations;
mod host;
pub mod points;
#[cfg(feature = "testing")]
pub mod tamper;

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use linux_raw_sys::if_packet;
use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send,
    socket_with,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use switch_core::ports::memory::Wire;

use crate::queue::vnet;

pub use host::in_own_host;

/// Moves the calling thread, for good, into a network namespace of its own
/// that ends with the thread. IPv6 is off in it, so that no netdev says
/// anything by itself.
///
/// # Errors
/// When CAP_SYS_ADMIN is missing.
pub fn enter_own_netns() -> Result<()> {
    // SAFETY: only the network namespace changes; memory and descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET)? };
    for which in ["all", "default"] {
        // A kernel without IPv6 has no such file, and nothing to turn off.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1");
    }
    Ok(())
}

/// Runs `body` on a thread in a namespace of its own.
///
/// # Panics
/// When `body` panics or takes longer than two minutes, or the namespace can't be made.
pub fn in_own_netns(body: impl FnOnce() + Send + 'static) {
    let (done, finished) = sync_channel::<()>(1);
    let runner = thread::spawn(move || {
        let _done = done;
        enter_own_netns().expect("a network namespace: run the tests as root");
        body();
    });
    if finished.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
        panic!("still busy after two minutes: something blocks");
    }
    if let Err(panic) = runner.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A raw socket on a netdev: what it sends, the netdev sends; what the netdev
/// receives, it receives too. Never blocks.
pub struct RawSocket {
    fd: OwnedFd,
    header: usize,
    keeps_tags: bool,
}

impl RawSocket {
    /// Opens one on the netdev `name` of the calling thread's namespace. With
    /// `offloads`, frames come and go with their offload state; without, only whole.
    ///
    /// # Errors
    /// When there is no such netdev, or CAP_NET_RAW is missing.
    pub fn open(name: &str, offloads: bool) -> Result<RawSocket> {
        // With no protocol nothing is received before the socket is bound to its netdev.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        let header = if offloads { 10 } else { 0 };
        if offloads {
            set_option(&fd, libc::SOL_PACKET, if_packet::PACKET_VNET_HDR as c_int, 1)?;
        }
        // Room for every burst a test sends; needs CAP_NET_ADMIN to pass the host's limit.
        set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20)?;
        let index = netdevice::name_to_index(&fd, name)?;
        bind(&fd, index)?;
        Ok(RawSocket { fd, header, keeps_tags: false })
    }

    /// The same socket, receiving frames with their outer VLAN tag, which the
    /// kernel otherwise takes off. Only for sockets without `offloads`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn keeping_tags(mut self) -> Result<RawSocket> {
        if self.header != 0 {
            return Err(Errno::OPNOTSUPP);
        }
        set_option(&self.fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
        self.keeps_tags = true;
        Ok(self)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// What the kernel says: EAGAIN or ENOBUFS when it takes no more now.
    pub fn send(&self, frame: &Wire) -> Result<()> {
        let header = vnet::encode(&frame.offload, &frame.bytes);
        let message = [&header[..self.header], &frame.bytes].concat();
        send(&self.fd, &message, SendFlags::DONTWAIT).map(|_| ())
    }

    /// The next frame received, if one waits.
    ///
    /// # Errors
    /// What the kernel says, like ENETDOWN once after the netdev went down.
    pub fn receive(&self) -> Result<Option<Wire>> {
        let mut buffer = vec![0; vnet::LEN + switch_core::frame::MAX_FRAME];
        if self.keeps_tags {
            return match receive_with_tag(&self.fd, &mut buffer) {
                Ok(bytes) => Ok(Some(Wire::from(&bytes[..]))),
                Err(Errno::AGAIN) => Ok(None),
                Err(errno) => Err(errno),
            };
        }
        let len = match recv(&self.fd, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((len, _)) => len,
            Err(Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let mut header = [0; vnet::LEN];
        header[..self.header].copy_from_slice(&buffer[..self.header]);
        Ok(Some(Wire { bytes: buffer[self.header..len].to_vec(), offload: vnet::decode(&header) }))
    }
}

/// The next frame, the tag that the kernel tells beside it back in its place.
fn receive_with_tag(fd: &OwnedFd, buffer: &mut [u8]) -> Result<Vec<u8>> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    const AUXILIARY: usize = size_of::<if_packet::tpacket_auxdata>();
    const ADDRESSES: usize = 12;
    // In words, because control messages are aligned.
    let mut control = [0_u64; (HEADER + AUXILIARY).div_ceil(8)];
    let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a message header of zeros names no buffer at all.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the header names two live buffers, each with its size.
    let len = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let len = usize::try_from(len)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))?;
    let mut bytes = buffer[..len].to_vec();
    if message.msg_controllen >= HEADER + AUXILIARY && len >= ADDRESSES {
        // The only control message this socket asked for.
        // SAFETY: the kernel filled in that many bytes, and the type takes any.
        let told = unsafe {
            control.as_ptr().cast::<u8>().add(HEADER).cast::<if_packet::tpacket_auxdata>().read()
        };
        if told.tp_status & if_packet::TP_STATUS_VLAN_VALID != 0 {
            let tag = [told.tp_vlan_tpid.to_be_bytes(), told.tp_vlan_tci.to_be_bytes()];
            bytes.splice(ADDRESSES..ADDRESSES, tag.concat());
        }
    }
    Ok(bytes)
}

fn set_option(fd: &OwnedFd, level: c_int, option: c_int, value: c_int) -> Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to a live `c_int` and the length is its size.
    let result =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    check(result)
}

fn bind(fd: &OwnedFd, index: u32) -> Result<()> {
    let address = if_packet::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
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
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
