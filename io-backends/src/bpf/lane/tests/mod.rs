//! The lane's program run on frames (`BPF_PROG_TEST_RUN`), and held against the pipeline.

mod concurrent;
mod netdevs;
mod order;
mod same;
mod seen;

use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use switch_core::PortId;
use switch_core::fdb::{Fdb, Seed};

use super::program::{self, End, SKB, Writer, skb};
use super::*;
use crate::bpf::asm::{Function, If, Op, R1, R2, R3};
use crate::bpf::{Insn, Width, run};

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }

    fn in_hundred(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A tag, as the kernel keeps it beside the frame's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Beside {
    tpid: u16,
    tci: u16,
}

/// A frame in the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Skb {
    bytes: Vec<u8>,
    tag: Option<Beside>,
    gso_size: u16,
}

impl Skb {
    /// Its bytes on a wire.
    fn wire(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(Beside { tpid, tci }) = self.tag {
            let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
            bytes.splice(12..12, tag);
        }
        bytes
    }
}

/// What the program did with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    end: End,
    /// The netdev that it leaves by.
    netdev: u32,
}

/// A program that notes what it decided instead of doing it, and puts the tag of its notes beside
/// the frame before it begins, since a test run can't.
fn noting(wiring: &Wiring<'_>) -> Vec<Insn> {
    let mut program = Program::default();
    let untagged = program.label();
    program.set(SKB, R1);
    program.load(Width::Word, R3, SKB, NOTES);
    program.jump_if(If::Equal, R3, 0, untagged);
    program.load(Width::Word, R2, SKB, NOTES + 4);
    program.op(Op::And, R3, 0xffff);
    program.call(Function::PushTag);
    program.here(untagged);
    program.set(R1, SKB);
    let note = |program: &mut Program, end: End| {
        program.store(Width::Word, SKB, NOTES + 4, R1);
        program.set(R1, end as i32);
        program.store(Width::Word, SKB, NOTES, R1);
        for (place, what) in [(8, skb::TAG_PRESENT), (12, skb::TCI), (16, skb::TPID)] {
            program.load(Width::Word, R1, SKB, what);
            program.store(Width::Word, SKB, NOTES + place, R1);
        }
        program.set(crate::bpf::asm::R0, 0);
        program.exit();
    };
    Writer { p: &mut program, wiring, end: &note }.write();
    program.finish()
}

/// Where the notes are in `struct __sk_buff`.
const NOTES: i16 = 48;

const PORTS: u16 = 5;

/// Netdevs get these numbers.
fn netdev(port: u16) -> u32 {
    100 + u32::from(port)
}

fn handle(port: u16) -> u32 {
    200 + u32::from(port)
}

/// A lane of five ports with an FDB, and the program of each.
struct Rig {
    lane: Lane,
    fdb: Fdb,
    start: Instant,
    ids: Vec<PortId>,
    doors: Vec<TestDoor>,
}

struct TestDoor {
    program: OwnedFd,
    doorstep: OwnDoorstep,
    progress: Mutex<Progress>,
    /// Instructions of the program.
    len: usize,
}

/// A doorstep without a netdev.
struct OwnDoorstep(Arc<Shared<Doorstep>>);

/// How long the switch's clock has run when a test begins.
const RUNNING: Duration = Duration::from_secs(30);

const RING: u32 = 1000;

impl Rig {
    fn new(capacity: u32, seed: u64) -> Rig {
        let start = Instant::now() - RUNNING;
        let mut dice = Dice(seed);
        let seed = Seed(std::array::from_fn(|_| dice.next()));
        let (lane, memory) = Lane::new(capacity, seed, start).expect("a lane: run tests as root");
        let fdb = Fdb::shared(memory, capacity, 0, seed);
        let id = |number| PortId { number, generation: 0xfff0 + number };
        let ids: Vec<PortId> = (0..PORTS).map(id).collect();
        let mut doors = Vec::new();
        for &port in &ids {
            let doorstep = Shared::new("test_door", 1).expect("a map");
            let door = Door { port, handle: handle(port.number), ring: RING };
            let noting = noting(&lane.wiring(&door, &doorstep));
            let len = program::program(&lane.wiring(&door, &doorstep)).len();
            let program = run::load(Kind::CLASSIFIER, &noting);
            let doorstep = OwnDoorstep(Arc::new(doorstep));
            let progress =
                Progress { doorstep: Arc::clone(&doorstep.0), account: Account::default() };
            doors.push(TestDoor { program, doorstep, progress: progress.into(), len });
        }
        Rig { lane, fdb, start, ids, doors }
    }

    /// The second on the switch's clock.
    fn now(&self) -> u32 {
        self.start.elapsed().as_secs() as u32
    }

    /// Has the program of `port` decide about a frame, `repeat` times. The frame becomes what it
    /// makes of it.
    fn run_on(&self, port: u16, skb: &mut Skb) -> Verdict {
        let mut context = run::Context::new();
        if let Some(Beside { tpid, tci }) = skb.tag {
            context.notes[0] = 1 << 16 | u32::from(tci);
            context.notes[1] = tpid.to_be().into();
        }
        context.gso_size = skb.gso_size.into();
        context.gso_segments = u32::from(skb.gso_size != 0) * 2;
        let program = &self.doors[usize::from(port)].program;
        if let Err(error) = run::run(program, &mut skb.bytes, &mut context) {
            panic!("{error}: {skb:02x?}, {context:?}");
        }
        let [end, netdev, present, tci, tpid] = context.notes;
        skb.tag = (present != 0).then_some(Beside { tpid: (tpid as u16).to_be(), tci: tci as u16 });
        let ends = [End::Up, End::Out, End::Peer, End::Nowhere];
        let end = ends.into_iter().find(|known| *known as u32 == end).expect("an end");
        Verdict { end, netdev }
    }

    /// All that was passed up by a port is read and delivered.
    fn settle(&self, port: u16) {
        let door = &self.doors[usize::from(port)];
        let passed = door.doorstep.0[0].passed.frames.load(Ordering::Relaxed);
        let done = door.doorstep.0[0].read.done.load(Ordering::Relaxed);
        let mut progress = door.progress.lock().unwrap();
        // Nothing here makes several frames of one.
        progress.account.certain_up_to =
            door.doorstep.0[0].passed.uncertain.load(Ordering::Relaxed);
        progress.read((passed - done) as usize);
        progress.delivered();
    }
}

/// The kernel takes it, and it is not long.
#[test]
fn the_program_is_short() {
    let rig = Rig::new(65_536, 1);
    let longest = rig.doors.iter().map(|door| door.len).max().unwrap();
    assert!(longest < 500, "{longest} instructions");
}
