//! Runs programs on given bytes, without a netdev (`BPF_PROG_TEST_RUN`): for tests.
#![expect(unsafe_code, reason = "bpf(2) takes pointers")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Result;

use super::{Insn, Kind, command, load_with_log};

/// What a program sees of a frame beside its bytes (`struct __sk_buff`), as far
/// as a test run takes it and gives it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Context {
    /// Must be 0.
    before: [u32; 12],
    /// Notes of the program's own.
    pub(super) notes: [u32; 5],
    /// Must be 0.
    between: [u32; 24],
    pub(super) gso_segments: u32,
    socket: u64,
    pub(super) gso_size: u32,
    after: [u32; 3],
}

const _: () = assert!(std::mem::offset_of!(Context, notes) == 48);
const _: () = assert!(std::mem::offset_of!(Context, gso_segments) == 164);
const _: () = assert!(std::mem::offset_of!(Context, gso_size) == 176);
const _: () = assert!(size_of::<Context>() == 192);

impl Context {
    pub(super) fn new() -> Context {
        Context {
            before: [0; 12],
            notes: [0; 5],
            between: [0; 24],
            gso_segments: 0,
            socket: 0,
            gso_size: 0,
            after: [0; 3],
        }
    }
}

/// Loads a program.
///
/// # Panics
/// With the verifier's log, when the kernel refuses it.
pub(super) fn load(kind: Kind, program: &[Insn]) -> OwnedFd {
    super::load(kind, program).unwrap_or_else(|error| {
        let mut log = vec![0; 1 << 24];
        let again = load_with_log(kind, program, &mut log);
        let len = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        let text = String::from_utf8_lossy(&log[..len]);
        let end = text.len().saturating_sub(6000);
        panic!("{error}, again {again:?}: {}", &text[end..]);
    })
}

/// `BPF_PROG_TEST_RUN` and its arguments.
#[repr(C)]
struct RunArguments {
    program: u32,
    answer: u32,
    data_in_size: u32,
    data_out_size: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    nanoseconds: u32,
    context_in_size: u32,
    context_out_size: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    padding: u32,
}

/// Runs a program once on a frame of more than 14 bytes, which it may change in `bytes` and `context`.
pub(super) fn run(program: impl AsFd, bytes: &mut Vec<u8>, context: &mut Context) -> Result<()> {
    const PROG_TEST_RUN: u32 = 10;
    let mut out = vec![0_u8; bytes.len() + 64];
    let mut after = Context::new();
    let mut arguments = RunArguments {
        program: program.as_fd().as_raw_fd().cast_unsigned(),
        answer: 0,
        data_in_size: bytes.len() as u32,
        data_out_size: out.len() as u32,
        data_in: bytes.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat: 1,
        nanoseconds: 0,
        context_in_size: size_of::<Context>() as u32,
        context_out_size: size_of::<Context>() as u32,
        context_in: &raw const *context as u64,
        context_out: &raw mut after as u64,
        flags: 0,
        cpu: 0,
        batch: 0,
        padding: 0,
    };
    // SAFETY: the four pointers are to live memory of the sizes named beside
    // them, of which the kernel reads the first and third and writes the others.
    unsafe { command(PROG_TEST_RUN, &mut arguments)? };
    out.truncate(arguments.data_out_size as usize);
    *bytes = out;
    *context = after;
    Ok(())
}
