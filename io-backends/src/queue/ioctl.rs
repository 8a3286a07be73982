//! The ioctls of TAP and macvtap descriptors, typed (`linux/if_tun.h`).
//!
//! Every call here is one system call; what the answers mean is for
//! [`crate::queue::tap`] and the modules that open descriptors.
#![expect(unsafe_code, reason = "an ioctl's argument type is a promise to the kernel")]

use std::ffi::c_void;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use linux_raw_sys::net::ifreq;
use linux_raw_sys::{if_tun, ioctl as op};
use rustix::io::Result;
use rustix::ioctl::{
    Getter, IntegerSetter, Ioctl, IoctlOutput, Opcode, Setter, Updater, ioctl, opcode,
};

/// `IFF_…` of a queue that TUNGETIFF and TUNSETIFF speak about.
pub(crate) mod flag {
    use super::if_tun;

    pub(crate) const TUN: u16 = if_tun::IFF_TUN as u16;
    pub(crate) const TAP: u16 = if_tun::IFF_TAP as u16;
    pub(crate) const TYPE_MASK: u16 = if_tun::TUN_TYPE_MASK as u16;
    /// On `/dev/net/tun` also `IFF_NOFILTER`: see [`super::tap_flags`].
    pub(crate) const NO_PI: u16 = if_tun::IFF_NO_PI as u16;
    pub(crate) const VNET_HDR: u16 = if_tun::IFF_VNET_HDR as u16;
    pub(crate) const MULTI_QUEUE: u16 = if_tun::IFF_MULTI_QUEUE as u16;
    pub(crate) const EXCL: u16 = if_tun::IFF_TUN_EXCL as u16;
    pub(crate) const PERSIST: u16 = if_tun::IFF_PERSIST as u16;
    pub(crate) const DETACHED: u16 = if_tun::IFF_DETACH_QUEUE as u16;
}

/// What a reader of frames takes unfinished, without UDP super-frames: all kernels know it.
pub(crate) const OFFLOADS: u32 =
    if_tun::TUN_F_CSUM | if_tun::TUN_F_TSO4 | if_tun::TUN_F_TSO6 | if_tun::TUN_F_TSO_ECN;
/// The same with UDP super-frames (Linux 6.2).
pub(crate) const OFFLOADS_USO: u32 = OFFLOADS | if_tun::TUN_F_USO4 | if_tun::TUN_F_USO6;

/// Longest name of a netdev, bytes.
const NAME_MAX: usize = 15;

fn request(name: &str, flags: u16) -> ifreq {
    let bytes = name.as_bytes();
    // SAFETY: `ifreq` is plain old data; all zeroes is a valid value of each of its unions' fields.
    let mut request: ifreq = unsafe { std::mem::zeroed() };
    let mut field = [0; NAME_MAX + 1];
    for (to, from) in field.iter_mut().zip(&bytes[..bytes.len().min(NAME_MAX)]) {
        *to = from.cast_signed();
    }
    request.ifr_ifrn.ifrn_name = field;
    request.ifr_ifru.ifru_flags = flags.cast_signed();
    request
}

fn name_of(request: &ifreq) -> String {
    // SAFETY: every bit pattern is a valid array of `c_char`, and `request` began as zeroes.
    let field = unsafe { request.ifr_ifrn.ifrn_name };
    let bytes: Vec<u8> = field.iter().take_while(|&&c| c != 0).map(|c| c.cast_unsigned()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Attaches a fresh `/dev/net/tun` descriptor to the netdev `name`, or sets a
/// macvtap queue's flags; the name that resulted.
pub(crate) fn set_iff(fd: impl AsFd, name: &str, flags: u16) -> Result<String> {
    let mut request = request(name, flags);
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`.
    unsafe { ioctl(fd, Updater::<{ op::TUNSETIFF }, ifreq>::new(&mut request))? };
    Ok(name_of(&request))
}

/// The netdev's name and the queue's flags.
pub(crate) fn get_iff(fd: impl AsFd) -> Result<(String, u16)> {
    let mut request = request("", 0);
    // SAFETY: TUNGETIFF writes one `struct ifreq`, whatever size its number says.
    unsafe { ioctl(fd, Updater::<{ op::TUNGETIFF }, ifreq>::new(&mut request))? };
    // SAFETY: TUNGETIFF sets `ifru_flags`, and any bits are a valid integer.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok((name_of(&request), flags.cast_unsigned()))
}

/// The flags of a TAP's queue, with [`flag::NO_PI`] as it is; takes a socket
/// filter away that somebody may have left on the netdev.
///
/// In the answer of TUNGETIFF one bit is both `IFF_NO_PI` and `IFF_NOFILTER`,
/// and so is set on every TAP without a filter. With a filter on it, here one
/// that lets all frames pass, the bit means `IFF_NO_PI` alone.
pub(crate) fn tap_flags(fd: impl AsFd) -> Result<u16> {
    // A classic BPF program of one instruction: return the whole frame.
    let mut program =
        [if_tun::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: !0 }];
    let filter = if_tun::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    // SAFETY: TUNATTACHFILTER reads one `struct sock_fprog` and copies the
    // program it points to before it returns.
    unsafe {
        ioctl(&fd, Setter::<{ op::TUNATTACHFILTER }, if_tun::sock_fprog>::new(filter))?;
    }
    let flags = get_iff(&fd);
    // SAFETY: TUNDETACHFILTER reads nothing from its argument, whose size its number states.
    let removed = unsafe {
        let none = if_tun::sock_fprog { len: 0, filter: std::ptr::null_mut() };
        ioctl(&fd, Setter::<{ op::TUNDETACHFILTER }, if_tun::sock_fprog>::new(none))
    };
    removed.and(flags).map(|(_, flags)| flags)
}

/// The flags this descriptor's driver knows.
pub(crate) fn features(fd: impl AsFd) -> Result<u32> {
    // SAFETY: TUNGETFEATURES writes one `unsigned int`.
    unsafe { ioctl(fd, Getter::<{ op::TUNGETFEATURES }, u32>::new()) }
}

/// Sets the virtio-net header's size, bytes.
pub(crate) fn set_header_size(fd: impl AsFd, bytes: i32) -> Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one `int`.
    unsafe { ioctl(fd, Setter::<{ op::TUNSETVNETHDRSZ }, i32>::new(bytes)) }
}

/// The virtio-net header's size, bytes.
pub(crate) fn header_size(fd: impl AsFd) -> Result<i32> {
    // SAFETY: TUNGETVNETHDRSZ writes one `int`.
    unsafe { ioctl(fd, Getter::<{ op::TUNGETVNETHDRSZ }, i32>::new()) }
}

/// Makes the header's fields little-endian on any host; stronger than TUNSETVNETBE.
pub(crate) fn set_little_endian(fd: impl AsFd) -> Result<()> {
    // SAFETY: TUNSETVNETLE reads one `int`.
    unsafe { ioctl(fd, Setter::<{ op::TUNSETVNETLE }, i32>::new(1)) }
}

/// Whether the header's fields are little-endian on any host.
pub(crate) fn is_little_endian(fd: impl AsFd) -> Result<bool> {
    // SAFETY: TUNGETVNETLE writes one `int`.
    unsafe { ioctl(fd, Getter::<{ op::TUNGETVNETLE }, i32>::new()) }.map(|value| value == 1)
}

/// Says what the reader of this descriptor takes unfinished: `TUN_F_…`.
pub(crate) fn set_offload(fd: impl AsFd, offloads: u32) -> Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value, any integer.
    unsafe { ioctl(fd, IntegerSetter::<{ op::TUNSETOFFLOAD }>::new_usize(offloads as usize)) }
}

/// Sets how many bytes written may be on their way at once.
pub(crate) fn set_send_buffer(fd: impl AsFd, bytes: i32) -> Result<()> {
    // SAFETY: TUNSETSNDBUF reads one `int`.
    unsafe { ioctl(fd, Setter::<{ op::TUNSETSNDBUF }, i32>::new(bytes)) }
}

/// Detaches a TAP's queue from its netdev, or attaches it again.
#[cfg(feature = "testing")]
pub(crate) fn set_queue(fd: impl AsFd, flags: u16) -> Result<()> {
    let request = request("", flags);
    // SAFETY: TUNSETQUEUE reads one `struct ifreq`, whatever size its number says.
    unsafe { ioctl(fd, Setter::<{ op::TUNSETQUEUE }, ifreq>::new(request)) }
}

/// Says whether the netdev outlives its descriptors.
#[cfg(feature = "testing")]
pub(crate) fn set_persistent(fd: impl AsFd, persistent: bool) -> Result<()> {
    // SAFETY: TUNSETPERSIST takes its argument by value, any integer.
    unsafe { ioctl(fd, IntegerSetter::<{ op::TUNSETPERSIST }>::new_usize(persistent.into())) }
}

/// The namespace a TAP's netdev is in. The answer keeps it alive: drop it soon. Not on macvtap.
pub(crate) fn device_netns(fd: impl AsFd) -> Result<OwnedFd> {
    // SAFETY: TUNGETDEVNETNS takes no argument.
    unsafe { ioctl(fd, GetNetns) }
}

struct GetNetns;

// SAFETY: the call passes no pointer, and answers with a descriptor that is the caller's.
unsafe impl Ioctl for GetNetns {
    type Output = OwnedFd;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::none(b'T', 227)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> Result<OwnedFd> {
        // SAFETY: the kernel made this descriptor for this call alone.
        Ok(unsafe { OwnedFd::from_raw_fd(output) })
    }
}
