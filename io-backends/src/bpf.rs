//! Small kernel programs (eBPF) without a compiler: instructions put together
//! here, loaded and attached by `bpf(2)` (`linux/bpf.h`).
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Insn {
    code: u8,
    /// The destination register, and above it the source.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// How wide a load or store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// 16 bits.
    Half = 0x08,
    /// 32 bits.
    Word = 0x00,
}

/// What a program is run for (`enum bpf_prog_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// For each frame a netdev receives, before all else.
    Xdp = 6,
}

impl Insn {
    const fn new(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Insn {
        Insn { code, registers: to | from << 4, offset, immediate }
    }

    /// `to = value`
    pub(crate) const fn set(to: u8, value: i32) -> Insn {
        Insn::new(0xb7, to, 0, 0, value)
    }

    /// `to = from`
    pub(crate) const fn copy(to: u8, from: u8) -> Insn {
        Insn::new(0xbf, to, from, 0, 0)
    }

    /// `to += value`
    pub(crate) const fn add(to: u8, value: i32) -> Insn {
        Insn::new(0x07, to, 0, 0, value)
    }

    /// `to = *(from + offset)`
    pub(crate) const fn load(width: Width, to: u8, from: u8, offset: i16) -> Insn {
        Insn::new(0x61 | width as u8, to, from, offset, 0)
    }

    /// `*(to + offset) = from`
    pub(crate) const fn store(width: Width, to: u8, offset: i16, from: u8) -> Insn {
        Insn::new(0x63 | width as u8, to, from, offset, 0)
    }

    /// Skips `count` instructions when `left > right`.
    pub(crate) const fn skip_if_above(left: u8, right: u8, count: i16) -> Insn {
        Insn::new(0x2d, left, right, count, 0)
    }

    /// Skips `count` instructions when `left != value`.
    pub(crate) const fn skip_unless(left: u8, value: i32, count: i16) -> Insn {
        Insn::new(0x55, left, 0, count, value)
    }

    /// Ends the program; register 0 is the answer.
    pub(crate) const fn exit() -> Insn {
        Insn::new(0x95, 0, 0, 0, 0)
    }
}

/// `BPF_PROG_LOAD` and its arguments, as far as they are used.
#[repr(C)]
struct LoadArguments {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

/// Has the kernel verify and take a program.
///
/// # Errors
/// EPERM without CAP_BPF (and CAP_NET_ADMIN), EINVAL or EACCES for what its verifier refuses.
pub(crate) fn load(kind: Kind, program: &[Insn]) -> Result<OwnedFd> {
    const PROG_LOAD: u32 = 5;
    let arguments = LoadArguments {
        kind: kind as u32,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
    };
    // SAFETY: the kernel reads `count` instructions, which `program` holds, and
    // the text up to its NUL; both live until the call returns.
    unsafe { call(PROG_LOAD, &arguments) }
}

/// `BPF_LINK_CREATE` for a netdev.
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
pub(crate) fn attach_xdp(program: impl AsFd, ifindex: u32) -> Result<OwnedFd> {
    const LINK_CREATE: u32 = 28;
    const XDP: u32 = 37;
    const DRIVER_MODE: u32 = 4;
    let program = program.as_fd().as_raw_fd().cast_unsigned();
    let arguments = LinkArguments { program, netdev: ifindex, attach: XDP, flags: DRIVER_MODE };
    // SAFETY: the arguments hold no pointer.
    unsafe { call(LINK_CREATE, &arguments) }
}

/// # Safety
/// `A` is the beginning of `union bpf_attr` for this command, and pointers in
/// `arguments` are good for what the command does with them.
unsafe fn call<A>(command: u32, arguments: &A) -> Result<OwnedFd> {
    let size = size_of::<A>() as u32;
    // SAFETY: the kernel reads `size` bytes from `arguments`; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *arguments, size) };
    match i32::try_from(result) {
        // SAFETY: these commands answer with a descriptor that is the caller's alone.
        Ok(number) if number >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}
