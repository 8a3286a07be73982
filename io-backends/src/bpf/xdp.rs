//! What only programs in a netdev's driver need.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Result;

use super::{Insn, Kind, Width, call};

/// The program is content with a frame's first piece (`BPF_F_XDP_HAS_FRAGS`):
/// a veth of a large MTU takes no other.
const HAS_FRAGS: u32 = 1 << 5;

impl Kind {
    /// For each frame a netdev receives, before all else.
    pub const XDP: Kind = Kind { number: 6, flags: HAS_FRAGS };
}

impl Insn {
    /// `to = *(from + offset)`
    pub const fn load(width: Width, to: u8, from: u8, offset: i16) -> Insn {
        Insn::new(0x61 | width as u8, to, from, offset, 0)
    }

    /// `*(to + offset) = from`
    pub const fn store(width: Width, to: u8, offset: i16, from: u8) -> Insn {
        Insn::new(0x63 | width as u8, to, from, offset, 0)
    }

    /// Skips `count` instructions when `left > right`.
    pub const fn skip_if_above(left: u8, right: u8, count: i16) -> Insn {
        Insn::new(0x2d, left, right, count, 0)
    }
}

/// `BPF_LINK_CREATE` for a netdev.
#[derive(Clone)]
#[repr(C)]
struct LinkArguments {
    program: u32,
    netdev: u32,
    attach: u32,
    flags: u32,
}

/// Runs an XDP program in the driver of a netdev of the calling thread's
/// namespace, for as long as the answer is held.
///
/// # Errors
/// EINVAL without such a netdev, EBUSY when it has a program, EOPNOTSUPP when
/// its driver runs none.
pub fn attach_xdp(program: impl AsFd, ifindex: u32) -> Result<OwnedFd> {
    const LINK_CREATE: u32 = 28;
    const XDP: u32 = 37;
    const DRIVER_MODE: u32 = 4;
    let program = program.as_fd().as_raw_fd().cast_unsigned();
    let arguments = LinkArguments { program, netdev: ifindex, attach: XDP, flags: DRIVER_MODE };
    // SAFETY: the arguments are those of this command, and hold no pointer.
    unsafe { call(LINK_CREATE, &arguments) }
}
