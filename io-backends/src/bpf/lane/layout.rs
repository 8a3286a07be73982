//! What the lane's programs and this process share, word by word.
//!
//! Each of these lies in memory that both sides read and write at any time, so
//! all of it is atomic. Offsets that programs use are worked out from the types.

use std::sync::atomic::{AtomicU32, AtomicU64};

use switch_core::port::MAX_PORTS;

use crate::bpf::map::Shareable;

/// What holds for all ports.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Control {
    /// 1 while frames may take the lane, else 0.
    pub(super) open: AtomicU64,
    /// Seconds after which an address not seen is forgotten; `u64::MAX` for never.
    pub(super) ageing: AtomicU64,
    /// The second that it was when last looked, so that no program divides for each frame.
    pub(super) second: AtomicU64,
}

// SAFETY: it consists of atomics, aligned to 64.
unsafe impl Shareable for Control {}

/// What the lane knows of a port. Changed only while the lane is closed.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Record {
    /// The port's id (`PortId::bits`): an entry for an earlier port of this number is not for it.
    pub(super) id: AtomicU32,
    /// A union of [`flag`]s.
    pub(super) flags: AtomicU32,
    /// The netdev that frames leave by.
    pub(super) netdev: AtomicU32,
    /// The longest payload in bytes.
    pub(super) mtu: AtomicU32,
    /// The VLAN of untagged frames, in and out, or [`NO_VLAN`].
    pub(super) pvid: AtomicU64,
    /// The address in bits 16 to 63 whose frames go straight into the other end of the veth, or
    /// [`NO_STATION`].
    pub(super) station: AtomicU64,
    /// A bit for each VLAN that the port is a member of.
    pub(super) members: Members,
}

/// VLANs, 64 a word, from 0 to 4095, which no port is a member of.
pub(super) type Members = [AtomicU64; 64];

// SAFETY: it consists of atomics, aligned to 64.
unsafe impl Shareable for Record {}

pub(super) const NO_VLAN: u64 = 0xffff;
/// A group address, which no frame for one station has.
pub(super) const NO_STATION: u64 = u64::MAX;

/// What a [`Record`]'s flags say.
pub(super) mod flag {
    /// Frames may come in and leave by the port without the pipeline.
    pub(in super::super) const USABLE: u32 = 1;
    /// Sources are learned.
    pub(in super::super) const LEARNS: u32 = 2;
    /// It exchanges nothing with other isolated ports.
    pub(in super::super) const ISOLATED: u32 = 4;
    /// It takes tagged frames of the VLANs it is a member of.
    pub(in super::super) const TAKES_TAGS: u32 = 8;
}

/// What the lane counts of a port on one CPU.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Counts {
    pub(super) rx_frames: AtomicU64,
    pub(super) rx_bytes: AtomicU64,
    pub(super) tx_frames: AtomicU64,
    pub(super) tx_bytes: AtomicU64,
}

// SAFETY: it consists of atomics, aligned to 64.
unsafe impl Shareable for Counts {}

/// [`Counts`] of all ports, of one CPU after the other.
pub(super) const COUNTS_A_CPU: usize = MAX_PORTS;

/// What passes from a port's program to the worker that reads the port's handle, and how
/// far the worker is: see [`order`](super::order).
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Doorstep {
    /// Written by the program.
    pub(super) passed: Passed,
    /// Written by the worker.
    pub(super) read: Read,
    /// The last is for frames that are never to take the lane.
    pub(super) flows: [Flow; FLOWS + 1],
}

// SAFETY: it consists of atomics, aligned to 64.
unsafe impl Shareable for Doorstep {}

/// What the program passed up to the handle, and what it dropped there.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Passed {
    /// Frames, each counted before it is on its way.
    pub(super) frames: AtomicU64,
    /// Super-frames among them that may come out of the handle as several frames.
    pub(super) uncertain: AtomicU64,
    /// Frames dropped because as many as the handle's ring holds were on their way.
    pub(super) crowded_out: AtomicU64,
    /// Frames dropped so that those before them arrive first.
    pub(super) held_back: AtomicU64,
    /// Frames dropped because the kernel had no memory to change their tag.
    pub(super) failed: AtomicU64,
}

/// What the worker did with them.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Read {
    /// As many of the frames passed up as were delivered, or are known to be lost.
    pub(super) done: AtomicU64,
    /// All of the first so many frames passed up are done.
    pub(super) settled: AtomicU64,
}

/// Flows of one port that share a number.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Flow {
    /// The number of the last frame passed up, counting from 1.
    pub(super) last: AtomicU64,
    /// When a frame first was kept from the lane for the sake of order, in
    /// nanoseconds; 0 while none is.
    pub(super) since: AtomicU64,
}

/// Flows are told apart by so many numbers, a power of two.
pub(super) const FLOWS: usize = 128;
