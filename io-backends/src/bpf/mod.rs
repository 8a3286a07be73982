//! Small kernel programs (eBPF) without a compiler: instructions put together
//! here, loaded and attached by `bpf(2)` (`linux/bpf.h`).
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

mod asm;
pub(crate) mod door;
pub mod lane;
pub(crate) mod map;
#[cfg(test)]
mod run;
pub(crate) mod steer;
mod xdp;

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

pub use xdp::attach_xdp;

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Insn {
    code: u8,
    /// The destination register, and above it the source.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// How wide a load or store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 8 bits.
    Byte = 0x10,
    /// 16 bits.
    Half = 0x08,
    /// 32 bits.
    Word = 0x00,
    /// 64 bits.
    Double = 0x18,
}

/// What a program is run for (`enum bpf_prog_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    number: u32,
    /// Flags that such programs are loaded with.
    flags: u32,
}

impl Kind {
    /// For a frame as it stands in the kernel's buffers, from its first byte.
    pub const SOCKET_FILTER: Kind = Kind { number: 1, flags: 0 };
    /// For each frame that passes a netdev, on its way in or out (`BPF_PROG_TYPE_SCHED_CLS`).
    pub const CLASSIFIER: Kind = Kind { number: 3, flags: 0 };
}

impl Insn {
    const fn new(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Insn {
        Insn { code, registers: to | from << 4, offset, immediate }
    }

    /// `to = value`
    pub const fn set(to: u8, value: i32) -> Insn {
        Insn::new(0xb7, to, 0, 0, value)
    }

    /// `to = from`
    pub const fn copy(to: u8, from: u8) -> Insn {
        Insn::new(0xbf, to, from, 0, 0)
    }

    /// `to += value`
    pub const fn add(to: u8, value: i32) -> Insn {
        Insn::new(0x07, to, 0, 0, value)
    }

    /// `to = from << count`
    pub const fn shift_left(to: u8, count: i32) -> Insn {
        Insn::new(0x67, to, 0, 0, count)
    }

    /// `to = to >> count`
    pub const fn shift_right(to: u8, count: i32) -> Insn {
        Insn::new(0x77, to, 0, 0, count)
    }

    /// `to &= value`
    pub const fn and(to: u8, value: i32) -> Insn {
        Insn::new(0x57, to, 0, 0, value)
    }

    /// `to *= value`
    pub const fn multiply(to: u8, value: i32) -> Insn {
        Insn::new(0x27, to, 0, 0, value)
    }

    /// `to += from`
    pub const fn add_register(to: u8, from: u8) -> Insn {
        Insn::new(0x0f, to, from, 0, 0)
    }

    /// `to ^= from`
    pub const fn xor_register(to: u8, from: u8) -> Insn {
        Insn::new(0xaf, to, from, 0, 0)
    }

    /// `r0 = ` the frame's bytes at `from + offset`, from network byte order.
    /// Register 6 must hold the program's argument; registers 1 to 5 are lost.
    /// Past the frame's end it ends the program with the answer 0.
    pub const fn frame(width: Width, from: u8, offset: i32) -> Insn {
        Insn::new(0x40 | width as u8, 0, from, 0, offset)
    }

    /// Skips `count` instructions when `left != value`.
    pub const fn skip_unless(left: u8, value: i32, count: i16) -> Insn {
        Insn::new(0x55, left, 0, count, value)
    }

    /// Skips `count` instructions when `left == value`.
    pub const fn skip_if(left: u8, value: i32, count: i16) -> Insn {
        Insn::new(0x15, left, 0, count, value)
    }

    /// `r0 = ` the answer of this function of the kernel's to registers 1 to 5, which are lost.
    pub const fn call(function: i32) -> Insn {
        Insn::new(0x85, 0, 0, 0, function)
    }

    /// Ends the program; register 0 is the answer.
    pub const fn exit() -> Insn {
        Insn::new(0x95, 0, 0, 0, 0)
    }
}

/// `BPF_PROG_LOAD` and its arguments, as far as they are used.
#[derive(Clone)]
#[repr(C)]
struct LoadArguments {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    /// 0 where no log of the verifier is asked for.
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// How often a program is handed to the kernel before EAGAIN counts, as in libbpf.
const LOAD_ATTEMPTS: usize = 5;

/// Has the kernel verify and take a program.
///
/// # Errors
/// EPERM without CAP_BPF (and CAP_NET_ADMIN), EINVAL or EACCES for what its verifier
/// refuses, EAGAIN when signals kept coming while it worked.
pub fn load(kind: Kind, program: &[Insn]) -> Result<OwnedFd> {
    load_with_log(kind, program, &mut [])
}

/// Repeats what a signal made the kernel give up.
fn uninterrupted<T>(mut load: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..LOAD_ATTEMPTS {
        match load() {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    load()
}

/// The same; the verifier writes into `log` what it thinks of the program, as
/// text that ends with a NUL.
fn load_with_log(kind: Kind, program: &[Insn], log: &mut [u8]) -> Result<OwnedFd> {
    uninterrupted(|| load_once(kind, program, log))
}

fn load_once(kind: Kind, program: &[Insn], log: &mut [u8]) -> Result<OwnedFd> {
    const PROG_LOAD: u32 = 5;
    let arguments = LoadArguments {
        kind: kind.number,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_size: log.len() as u32,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
        kernel_version: 0,
        flags: kind.flags,
    };
    // SAFETY: the kernel reads `count` instructions, which `program` holds, and
    // the text up to its NUL, and writes at most `log_size` bytes to `log`; all
    // live until the call returns.
    unsafe { call(PROG_LOAD, &arguments) }
}

/// A command that answers with a descriptor.
///
/// # Safety
/// As [`command`].
unsafe fn call<A: Clone>(number: u32, arguments: &A) -> Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { command(number, &mut arguments.clone()) }?;
    // SAFETY: these commands answer with a descriptor that is the caller's alone.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// A command of `bpf(2)`; returns its answer, which is 0 or more.
///
/// # Safety
/// `A` is the beginning of `union bpf_attr` for this command, and pointers in
/// `arguments` are good for what the command does with them.
unsafe fn command<A>(number: u32, arguments: &mut A) -> Result<i32> {
    let size = size_of::<A>() as u32;
    // SAFETY: the kernel reads and writes `size` bytes of `arguments`; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, number, &raw mut *arguments, size) };
    match i32::try_from(result) {
        Ok(answer) if answer >= 0 => Ok(answer),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_signals_interrupt_is_repeated() {
        for (interruptions, expected) in
            [(0, Ok(1)), (4, Ok(5)), (5, Err(Errno::AGAIN)), (9, Err(Errno::AGAIN))]
        {
            let mut calls = 0;
            let loaded = uninterrupted(|| {
                calls += 1;
                if calls > interruptions { Ok(calls) } else { Err(Errno::AGAIN) }
            });
            assert_eq!(loaded, expected, "{interruptions} interruptions");
        }
        let mut calls = 0;
        let refused: Result<()> = uninterrupted(|| {
            calls += 1;
            Err(Errno::PERM)
        });
        assert_eq!((refused, calls), (Err(Errno::PERM), 1));
    }
}
