//! Which queue of a multi-queue TAP a frame comes in by: always the same for a flow.
//!
//! Left alone, the kernel moves a flow to the queue on which its reverse was
//! last written. Two workers that answer each other would see it hop between
//! them, and one overtake the other. So the kernel runs a small program for
//! every frame that chooses by the frame's bytes alone (TUNSETSTEERINGEBPF):
//!
//! - IPv4 and IPv6: by the addresses, for TCP also by the ports;
//! - all else: by the MAC addresses.
//!
//! Ports count for TCP only: of a fragmented UDP datagram one fragment has
//! them, and fragments and whole datagrams of a flow must not part. TCP avoids
//! fragments; those there are go by their addresses. Up to two tags are
//! skipped. The kernel's own flow hash is not used: for a local socket it
//! changes when TCP suspects the path.
#![expect(unsafe_code, reason = "an ioctl's argument type is a promise to the kernel")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;

use linux_raw_sys::ioctl::TUNSETSTEERINGEBPF;
use rustix::io::Result;
use rustix::ioctl::{Setter, ioctl};

use crate::bpf::{self, Insn, Kind, Width};

/// Offsets in an Ethernet frame, and in an IPv4 or IPv6 header.
mod at {
    pub(super) const TO: i32 = 0;
    pub(super) const FROM: i32 = 6;
    pub(super) const ETHERTYPE: i32 = 12;
    pub(super) const V4_FRAGMENT: i32 = 6;
    pub(super) const V4_PROTOCOL: i32 = 9;
    pub(super) const V4_ADDRESSES: i32 = 12;
    pub(super) const V6_NEXT: i32 = 6;
    pub(super) const V6_ADDRESSES: i32 = 8;
    pub(super) const V6_END: i32 = 40;
}

const IPV4: i32 = 0x0800;
const IPV6: i32 = 0x86dd;
const TAG: i32 = 0x8100;
const SERVICE_TAG: i32 = 0x88a8;
const TCP: i32 = 6;

/// More fragments follow, or this is not the first (RFC 791, 3.1).
const FRAGMENT: i32 = 0x3fff;

/// Odd, with bits spread evenly: 2³² over the golden ratio (Knuth 6.4).
const SPREAD: i32 = 0x9e37_79b1_u32.cast_signed();

/// What the registers hold; 6 is the program's argument, as loads demand.
const ARGUMENT: u8 = 6;
const HERE: u8 = 7;
const HASH: u8 = 8;

/// Whether this process may steer: it needs CAP_BPF.
pub(crate) fn is_possible() -> bool {
    program().is_ok()
}

/// Has the kernel choose the queue of each frame of this TAP by its flow.
///
/// # Errors
/// EPERM without CAP_BPF; EINVAL on a macvtap, which has no such choice.
pub(crate) fn set(tap: impl AsFd) -> Result<()> {
    let number = program()?.as_raw_fd();
    // SAFETY: TUNSETSTEERINGEBPF reads one `int`.
    unsafe { ioctl(tap, Setter::<{ TUNSETSTEERINGEBPF }, i32>::new(number)) }
}

/// Leaves the choice to the kernel again.
pub(crate) fn unset(tap: impl AsFd) {
    // SAFETY: as above; -1 stands for no program.
    let result = unsafe { ioctl(tap, Setter::<{ TUNSETSTEERINGEBPF }, i32>::new(-1)) };
    // It fails only where there is no TAP any more.
    let _ = result;
}

/// The program, loaded once for all TAPs.
fn program() -> Result<&'static OwnedFd> {
    static PROGRAM: OnceLock<OwnedFd> = OnceLock::new();
    once_it_succeeds(&PROGRAM, || bpf::load(Kind::SOCKET_FILTER, &instructions()))
}

/// What `make` makes, kept from its first success on: a failure may pass.
fn once_it_succeeds<T>(
    kept: &'static OnceLock<T>,
    make: impl FnOnce() -> Result<T>,
) -> Result<&'static T> {
    match kept.get() {
        Some(made) => Ok(made),
        None => make().map(|made| kept.get_or_init(|| made)),
    }
}

fn instructions() -> Vec<Insn> {
    let skip_tag = [
        Insn::skip_if(0, TAG, 1),
        Insn::skip_unless(0, SERVICE_TAG, 2),
        Insn::add(HERE, 4),
        Insn::frame(Width::Half, HERE, 0),
    ];
    let start = [
        Insn::copy(ARGUMENT, 1),
        Insn::set(HASH, 0),
        Insn::set(HERE, at::ETHERTYPE),
        Insn::frame(Width::Half, HERE, 0),
    ];
    [
        &start[..],
        &skip_tag,
        &skip_tag,
        &[Insn::add(HERE, 2)],
        &when(IPV4, &ipv4()),
        &when(IPV6, &ipv6()),
        &others(),
    ]
    .concat()
}

fn ipv4() -> Vec<Insn> {
    let ports = [
        // The header's length is in words of four bytes.
        &[Insn::frame(Width::Byte, HERE, 0), Insn::and(0, 0xf), Insn::shift_left(0, 2)][..],
        &[Insn::add_register(HERE, 0)],
        &mix(Width::Word, HERE, 0),
        &answer(),
    ]
    .concat();
    let whole = [Insn::frame(Width::Half, HERE, at::V4_FRAGMENT), Insn::and(0, FRAGMENT)];
    [
        &mix(Width::Word, HERE, at::V4_ADDRESSES)[..],
        &mix(Width::Word, HERE, at::V4_ADDRESSES + 4),
        &[Insn::frame(Width::Byte, HERE, at::V4_PROTOCOL)],
        &when(TCP, &[&whole[..], &when(0, &ports), &answer()].concat()),
        &answer(),
    ]
    .concat()
}

fn ipv6() -> Vec<Insn> {
    let addresses = (0..8).flat_map(|word| mix(Width::Word, HERE, at::V6_ADDRESSES + 4 * word));
    let ports = [&mix(Width::Word, HERE, at::V6_END)[..], &answer()].concat();
    [
        &addresses.collect::<Vec<_>>()[..],
        // A fragment's next header is the fragment header.
        &[Insn::frame(Width::Byte, HERE, at::V6_NEXT)],
        &when(TCP, &ports),
        &answer(),
    ]
    .concat()
}

fn others() -> Vec<Insn> {
    let start = [Insn::set(HERE, 0)];
    let octets = [at::TO, at::TO + 4, at::FROM + 2];
    let words = octets.into_iter().flat_map(|offset| mix(Width::Word, HERE, offset));
    [&start[..], &words.collect::<Vec<_>>(), &answer()].concat()
}

/// `block`, which ends the program, where register 0 is `value`.
fn when(value: i32, block: &[Insn]) -> Vec<Insn> {
    [&[Insn::skip_unless(0, value, block.len() as i16)][..], block].concat()
}

/// Takes bytes of the frame into the hash.
fn mix(width: Width, from: u8, offset: i32) -> [Insn; 3] {
    [Insn::frame(width, from, offset), Insn::xor_register(HASH, 0), Insn::multiply(HASH, SPREAD)]
}

/// Ends the program; the kernel takes the answer modulo the number of queues.
fn answer() -> [Insn; 3] {
    [Insn::copy(0, HASH), Insn::shift_right(0, 32), Insn::exit()]
}

#[cfg(test)]
mod tests;
