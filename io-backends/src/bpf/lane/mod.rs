//! The kernel lane: known unicast between netdevs goes through the kernel, by the FDB
//! that the pipeline keeps.
//!
//! A port whose netdev stays where it is has a handle, a TAP of the switch's own, and
//! two programs: one takes each frame that the netdev receives, the other each frame
//! that the switch writes to the handle. The second is a door (`bpf/door.rs`); the first
//! is `program.rs`: it sends a frame straight on to where the FDB says, or passes it up by
//! the handle.
//!
//! The FDB's buckets are the memory of a map, so what a worker learns, moves or takes
//! out is what the next frame in the kernel finds, and what the programs refresh is
//! refreshed. Configuration is told to them by [`Lane::set_port`] while the lane is
//! closed. How order is kept is told in `order.rs`.

mod layout;
mod order;
mod program;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use switch_core::config::PortRules;
use switch_core::fdb::{Bucket, Fdb, Seed};
use switch_core::port::{MAX_PORTS, PortId};
use switch_core::vlan::{Allowed, VidSet};
use switch_core::{Mac, Tpid, Vid, VlanMode};

use super::asm::Program;
use super::door::vacant_revision;
use super::map::{Shared, forever};
use super::{Kind, load};
use layout::{COUNTS_A_CPU, Control, Counts, Doorstep, NO_STATION, NO_VLAN, Record, flag};
use order::Account;
use program::{Maps, Wiring};

/// The lane of one switch.
pub struct Lane {
    control: Shared<Control>,
    records: Shared<Record>,
    counts: Shared<Counts>,
    /// The FDB's buckets, whose memory lives for ever.
    buckets: OwnedFd,
    bucket_count: u32,
    seed: Seed,
    clock_start: u64,
    cpus: u32,
}

/// A port as the lane is told of it.
#[derive(Clone, Debug)]
pub struct LanePort<'r> {
    /// Its number and generation.
    pub id: PortId,
    /// What the user set.
    pub rules: &'r PortRules,
    /// Whether frames may come in and leave by it without the pipeline: its device is up, and
    /// nothing wants to see them.
    pub is_open: bool,
    /// The netdev's MTU in bytes.
    pub mtu: u32,
    /// The netdev that frames leave by, by its number.
    pub netdev: u32,
    /// Where that is one end of a veth whose other end is in another namespace: the other
    /// end's own address. Frames for it go there at once, past the veth.
    pub far_address: Option<Mac>,
}

/// Why a port has no lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoLane {
    /// It adds a tag of its own to every frame.
    Tunnel,
    /// Its tags are not 0x8100.
    ServiceTag,
}

/// What the lane can't do without, and this host lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// A processor on which the order of memory accesses is known to be that of the program.
    Processor,
    /// CAP_BPF and CAP_NET_ADMIN.
    Right,
    /// Linux 6.6, whose programs at a netdev go with their descriptor (tcx).
    Kernel,
    /// The kernel refuses what it should take.
    Refused(Errno),
}

/// What passed the lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LaneCounts {
    /// Frames that came in by the port and left by the lane.
    pub rx_frames: u64,
    /// Their bytes, tags included.
    pub rx_bytes: u64,
    /// Frames that left by the port out of the lane.
    pub tx_frames: u64,
    /// Their bytes, tags included.
    pub tx_bytes: u64,
}

/// Frames that a port's program dropped; the pipeline never saw them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DoorstepDrops {
    /// More came than the pipeline took.
    pub crowded_out: u64,
    /// Held back until those before them had arrived.
    pub held_back: u64,
    /// The kernel could not change their tag.
    pub failed: u64,
}

/// What a port's program is made for.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The port.
    pub port: PortId,
    /// The TAP whose descriptor the switch reads, by its number in the netdev's namespace.
    /// Nobody else may send by it: it has no address and no IPv6.
    pub handle: u32,
    /// How many frames the TAP's ring holds.
    pub ring: u32,
}

/// A port's program, to be attached at its netdev's ingress; and its account of what it
/// passed up. The program may be closed once it is attached.
pub struct LaneDoor {
    program: OwnedFd,
    doorstep: Arc<Shared<Doorstep>>,
}

impl AsFd for LaneDoor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

/// Frames fewer than the handle's ring holds are let up: as many CPUs may count one more each.
const SPARE: u32 = 64;

impl Lane {
    /// A closed lane, and the memory for an FDB of this capacity that it will look in.
    /// `start` is when the switch's clock was 0.
    ///
    /// # Errors
    /// What [`Lane::is_missing`] tells, or ENOMEM.
    pub fn new(
        capacity: u32,
        seed: Seed,
        start: Instant,
    ) -> rustix::io::Result<(Lane, &'static [Bucket])> {
        let cpus = possible_cpus().unwrap_or(1);
        let bucket_count = Fdb::buckets_for(capacity);
        let (buckets, memory) = forever("netloom_fdb", bucket_count as usize)?;
        let lane = Lane {
            control: Shared::new("netloom_lane", 1)?,
            records: Shared::new("netloom_ports", MAX_PORTS)?,
            counts: Shared::new("netloom_counts", COUNTS_A_CPU * cpus as usize)?,
            buckets,
            bucket_count,
            seed: seed.with_odd_factors(),
            clock_start: monotonic().saturating_sub(start.elapsed().as_nanos() as u64),
            cpus,
        };
        Ok((lane, memory))
    }

    /// What keeps this process on this host from having a lane.
    pub fn is_missing() -> Option<Missing> {
        if cfg!(not(target_arch = "x86_64")) {
            return Some(Missing::Processor);
        }
        let mut program = Program::default();
        program.set(super::asm::R0, 0);
        program.exit();
        match load(Kind::CLASSIFIER, &program.finish()) {
            Err(Errno::PERM) => return Some(Missing::Right),
            Err(errno) => return Some(Missing::Refused(errno)),
            Ok(_) => {}
        }
        // Every namespace has a netdev with the number 1; what is attached there is all one.
        match vacant_revision(1) {
            Ok(_) | Err(Errno::BUSY) => None,
            Err(Errno::INVAL) => Some(Missing::Kernel),
            Err(errno) => Some(Missing::Refused(errno)),
        }
    }

    /// Lets frames take the lane.
    pub fn open(&self) {
        self.control[0].open.store(1, Ordering::Release);
    }

    /// Lets no frame take the lane; returns when those on it have left. Takes some
    /// milliseconds where the lane was open.
    ///
    /// # Errors
    /// When the kernel can't say when they have: the lane is closed, but perhaps not empty.
    pub fn close(&self) -> rustix::io::Result<()> {
        if self.control[0].open.swap(0, Ordering::AcqRel) == 0 {
            return Ok(());
        }
        wait_for_programs()
    }

    /// Seconds after which an address not seen is forgotten; 0 is never.
    pub fn set_ageing(&self, ageing: u32) {
        let ageing = if ageing == 0 { u64::MAX } else { ageing.into() };
        self.control[0].ageing.store(ageing, Ordering::Relaxed);
    }

    /// Whether such a port can have a lane.
    ///
    /// # Errors
    /// Why not.
    pub fn takes(rules: &PortRules) -> Result<(), NoLane> {
        match rules.vlan {
            VlanMode::Tunnel(_) => Err(NoLane::Tunnel),
            VlanMode::Trunk { tpid: Tpid::Service, .. } => Err(NoLane::ServiceTag),
            _ => Ok(()),
        }
    }

    /// Tells the lane of a port; one that it does not take goes without. Only while it is closed.
    pub fn set_port(&self, port: &LanePort<'_>) {
        let LanePort { id, rules, is_open, mtu, netdev, far_address } = port;
        let record = &self.records[id.index()];
        let flags = [
            (*is_open && Lane::takes(rules).is_ok(), flag::USABLE),
            (rules.learning, flag::LEARNS),
            (rules.isolated, flag::ISOLATED),
            (!matches!(rules.vlan, VlanMode::Access(_)), flag::TAKES_TAGS),
        ];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum();
        let pvid = rules.vlan.pvid().map_or(NO_VLAN, |vid| vid.get().into());
        let station = far_address.map_or(NO_STATION, |mac| mac.to_u64() << 16);
        record.id.store(id.bits(), Ordering::Relaxed);
        record.flags.store(flags, Ordering::Relaxed);
        record.netdev.store(*netdev, Ordering::Relaxed);
        record.mtu.store(*mtu, Ordering::Relaxed);
        record.pvid.store(pvid, Ordering::Relaxed);
        record.station.store(station, Ordering::Relaxed);
        for (word, members) in record.members.iter().zip(members(&rules.vlan)) {
            word.store(members, Ordering::Relaxed);
        }
    }

    /// Forgets a port. Only while the lane is closed.
    pub fn remove_port(&self, id: PortId) {
        self.records[id.index()].flags.store(0, Ordering::Relaxed);
    }

    /// The program that sends what a port's netdev receives by the lane, or up to the handle.
    ///
    /// # Errors
    /// What [`Lane::is_missing`] tells, or ENOMEM.
    pub fn door(&self, door: &Door) -> rustix::io::Result<LaneDoor> {
        let doorstep = Shared::new("netloom_door", 1)?;
        let program = program::program(&self.wiring(door, &doorstep));
        let program = load(Kind::CLASSIFIER, &program)?;
        Ok(LaneDoor { program, doorstep: Arc::new(doorstep) })
    }

    fn wiring<'m>(&'m self, door: &Door, doorstep: &'m Shared<Doorstep>) -> Wiring<'m> {
        Wiring {
            port: door.port,
            handle: door.handle,
            room: door.ring.saturating_sub(SPARE).max(1),
            seed: self.seed,
            buckets: self.bucket_count,
            clock_start: self.clock_start,
            cpus: self.cpus,
            maps: Maps {
                control: self.control.as_fd(),
                records: self.records.as_fd(),
                counts: self.counts.as_fd(),
                buckets: self.buckets.as_fd(),
                doorstep: doorstep.as_fd(),
            },
        }
    }

    /// What passed by a port number since the lane was made, of all ports that had it.
    pub fn counts(&self, port: PortId) -> LaneCounts {
        let of = |cpu: u32| &self.counts[cpu as usize * COUNTS_A_CPU + port.index()];
        let sum = |read: fn(&Counts) -> &AtomicU64| -> u64 {
            (0..self.cpus).map(|cpu| read(of(cpu)).load(Ordering::Relaxed)).sum()
        };
        LaneCounts {
            rx_frames: sum(|counts| &counts.rx_frames),
            rx_bytes: sum(|counts| &counts.rx_bytes),
            tx_frames: sum(|counts| &counts.tx_frames),
            tx_bytes: sum(|counts| &counts.tx_bytes),
        }
    }
}

impl LaneDoor {
    /// For the worker that reads the handle.
    pub fn progress(&self) -> Progress {
        Progress { doorstep: Arc::clone(&self.doorstep), account: Account::default() }
    }

    /// What the program dropped.
    pub fn drops(&self) -> DoorstepDrops {
        let passed = &self.doorstep[0].passed;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DoorstepDrops {
            crowded_out: read(&passed.crowded_out),
            held_back: read(&passed.held_back),
            failed: read(&passed.failed),
        }
    }
}

/// A worker's side of the order between pipeline and lane: it must be told of every
/// frame that is read from the handle, and before each read that all earlier ones are
/// delivered. There is one for each handle.
pub struct Progress {
    doorstep: Arc<Shared<Doorstep>>,
    account: Account,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Progress {
    /// All that was read is delivered. Call it before the handle is read again.
    #[inline]
    pub fn delivered(&mut self) {
        self.account.delivered(&self.doorstep[0]);
    }

    /// So many frames were read from the handle; 0 where it was empty.
    #[inline]
    pub fn read(&mut self, frames: usize) {
        self.account.read(frames, Instant::now);
    }
}

/// The VLANs that a port of this mode is a member of, a bit each; never 4095.
fn members(mode: &VlanMode) -> [u64; 64] {
    let mut members = [0; 64];
    let mut add = |vid: Vid| members[usize::from(vid.get()) / 64] |= 1 << (vid.get() % 64);
    let mut add_all = |set: &VidSet| set.iter().for_each(&mut add);
    match mode {
        VlanMode::Transparent => {
            add_all(&VidSet::all());
            add(Vid::UNTAGGED);
        }
        VlanMode::Access(vid) | VlanMode::Tunnel(vid) => add(*vid),
        VlanMode::Trunk { allowed, native, .. } => {
            match allowed {
                Allowed::All => add_all(&VidSet::all()),
                Allowed::Only(set) => add_all(set),
            }
            if let Some(native) = native {
                add(*native);
            }
        }
    }
    members
}

/// Nanoseconds on the clock that programs read.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// One more than the highest number a CPU of this machine can have.
fn possible_cpus() -> io::Result<u32> {
    let list = std::fs::read_to_string(Path::new("/sys/devices/system/cpu/possible"))?;
    let last = list.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<u32>().ok());
    last.map(|last| last + 1).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns when every program that runs now has ended, on all CPUs.
fn wait_for_programs() -> rustix::io::Result<()> {
    rustix::thread::membarrier(rustix::thread::MembarrierCommand::Global)
}
