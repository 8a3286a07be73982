//! Order within a flow that changes between pipeline and lane: a model of CPUs, ring and worker,
//! in every order that chance brings, around the real account; and the real program.

use std::collections::VecDeque;

use super::seen::{frame, simple};
use super::*;
use crate::bpf::lane::layout::{FLOWS, Flow, Passed, Read};
use crate::bpf::lane::order::OVERTAKEN;

/// A frame of one of several flows, and its number in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Numbered {
    flow: usize,
    number: u64,
}

/// What a CPU has in hand between two steps.
#[derive(Clone, Copy, Debug)]
enum Step {
    Idle,
    /// The frame is counted as passed up; its flow is not told yet.
    Counted(Numbered, u64),
    /// Its flow is told; it is not in the ring yet.
    Told(Numbered),
}

/// The program's part of the order, step by step as [`program`](super::program) does it, the
/// ring, and a worker with the real account.
struct Model {
    doorstep: Box<Doorstep>,
    account: Account,
    cpus: Vec<Step>,
    ring: VecDeque<Numbered>,
    /// Read and not delivered.
    burst: Vec<Numbered>,
    next: Vec<u64>,
    delivered: Vec<u64>,
    by_lane: u64,
    clock: Instant,
    /// Of a thousand frames, so many are lost on their way to the ring.
    loses: u64,
}

const ROOM: u64 = 12;
const FLOWS_HERE: usize = 3;

fn doorstep() -> Box<Doorstep> {
    let zero = || AtomicU64::new(0);
    Box::new(Doorstep {
        passed: Passed {
            frames: zero(),
            uncertain: zero(),
            crowded_out: zero(),
            held_back: zero(),
            failed: zero(),
        },
        read: Read { done: zero(), settled: zero() },
        flows: std::array::from_fn(|_| Flow { last: zero(), since: zero() }),
    })
}

fn read(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

impl Model {
    fn new(loses: u64) -> Model {
        Model {
            doorstep: doorstep(),
            account: Account::default(),
            cpus: vec![Step::Idle; 3],
            ring: VecDeque::new(),
            burst: Vec::new(),
            next: vec![0; FLOWS_HERE],
            delivered: vec![0; FLOWS_HERE],
            by_lane: 0,
            clock: Instant::now(),
            loses,
        }
    }

    /// Whether no CPU has a frame of the flow in hand: what a netdev receives of a flow it
    /// receives one after the other.
    fn is_free(&self, flow: usize) -> bool {
        self.cpus.iter().all(|step| match step {
            Step::Idle => true,
            Step::Counted(frame, _) | Step::Told(frame) => frame.flow != flow,
        })
    }

    fn deliver(&mut self, frame: Numbered) {
        let last = &mut self.delivered[frame.flow];
        assert!(frame.number > *last, "{frame:?} arrived after {last}");
        *last = frame.number;
    }

    fn cpu(&mut self, cpu: usize, dice: &mut Dice) {
        // Flows 0 and 1 share a number.
        let number_of = |flow: usize| flow / 2;
        self.cpus[cpu] = match self.cpus[cpu] {
            Step::Idle => {
                let flow = dice.below(FLOWS_HERE as u64) as usize;
                if !self.is_free(flow) {
                    return;
                }
                self.next[flow] += 1;
                let frame = Numbered { flow, number: self.next[flow] };
                let known = dice.in_hundred(70);
                let state = &self.doorstep.flows[number_of(flow)];
                if known && read(&state.last) <= read(&self.doorstep.read.settled) {
                    self.by_lane += 1;
                    self.deliver(frame);
                    return;
                }
                let passed = &self.doorstep.passed.frames;
                if read(passed).wrapping_sub(read(&self.doorstep.read.done)).cast_signed()
                    >= ROOM as i64
                {
                    return;
                }
                Step::Counted(frame, passed.fetch_add(1, Ordering::AcqRel) + 1)
            }
            Step::Counted(frame, number) => {
                self.doorstep.flows[number_of(frame.flow)].last.store(number, Ordering::Relaxed);
                Step::Told(frame)
            }
            Step::Told(frame) => {
                if dice.below(1000) >= self.loses {
                    self.ring.push_back(frame);
                }
                Step::Idle
            }
        };
    }

    fn worker(&mut self, dice: &mut Dice) {
        if let Some(frame) = (!self.burst.is_empty()).then(|| self.burst.remove(0)) {
            self.deliver(frame);
            return;
        }
        self.account.delivered(&self.doorstep);
        let count = self.ring.len().min(dice.below(6) as usize + 1);
        self.burst.extend(self.ring.drain(..count));
        // Slow beside what a frame takes from its count to the ring.
        self.clock += Duration::from_micros(20);
        self.account.read(count, || self.clock);
    }
}

impl Model {
    fn play(&mut self, steps: u64, dice: &mut Dice) {
        for _ in 0..steps {
            match dice.below(6) {
                cpu @ 0..3 => self.cpu(cpu as usize, dice),
                _ => self.worker(dice),
            }
        }
    }
}

#[test]
fn no_frame_on_the_lane_overtakes_one_that_was_passed_up() {
    let by_lane = |seed| {
        let mut model = Model::new(0);
        model.play(20_000, &mut Dice(seed));
        model.by_lane
    };
    let all: u64 = (0..200).map(by_lane).sum();
    assert!(all > 20_000, "only {all} frames by the lane");
}

/// Frames that are lost behind the program shut the lane for a while, not for ever.
#[test]
fn lost_frames_do_not_shut_the_lane() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut model = Model::new(20);
        model.play(10_000, &mut dice);
        model.loses = 0;
        // More than the time after which a frame counts as lost, in the worker's turns.
        model.play(50_000, &mut dice);
        let before = model.by_lane;
        model.play(10_000, &mut dice);
        assert!(model.by_lane > before, "no frame by the lane, seed {seed}");
    }
}

#[test]
fn what_may_be_several_frames_settles_only_once_the_handle_stays_empty() {
    let doorstep = doorstep();
    let mut account = Account::default();
    let settled = || read(&doorstep.read.settled);
    doorstep.passed.frames.store(1, Ordering::Relaxed);
    doorstep.passed.uncertain.store(1, Ordering::Relaxed);
    let start = Instant::now();
    // One frame passed up came out as three.
    account.delivered(&doorstep);
    account.read(3, || start);
    account.delivered(&doorstep);
    // Two more that are on their way make the counts agree.
    doorstep.passed.frames.store(3, Ordering::Relaxed);
    account.delivered(&doorstep);
    assert_eq!(settled(), 0, "the counts agree by chance");
    account.read(2, || start);
    for millis in [0, 50, 101] {
        account.delivered(&doorstep);
        assert_eq!(settled(), 0, "after {millis} ms");
        account.read(0, || start + Duration::from_millis(millis));
    }
    account.delivered(&doorstep);
    assert_eq!(settled(), 3);
}

#[test]
fn a_pipeline_that_is_never_done_settles_what_is_long_past() {
    let doorstep = doorstep();
    let mut account = Account::default();
    for turn in 1..100 {
        doorstep.passed.frames.store(turn * 64 + 500, Ordering::Relaxed);
        account.delivered(&doorstep);
        account.read(64, Instant::now);
    }
    assert_eq!(read(&doorstep.read.settled), 98 * 64 - OVERTAKEN);
}

/// The program itself.
#[test]
fn a_flow_stays_with_the_pipeline_until_its_frames_are_delivered() {
    let rig = simple(64);
    let door = &rig.doors[0];
    let mut progress = door.progress.lock().unwrap();
    let end = |src, dst| rig.run_on(0, &mut frame(src, dst)).end;
    assert_eq!(end(0, 1), End::Out);
    // An address nobody knows.
    assert_eq!(end(0, 99), End::Up);
    let known = rig.fdb.seek(seen::key(99));
    rig.fdb.learn(&known, rig.ids[1], 0, 1);
    assert_eq!(end(0, 99), End::Up, "the first is on its way");
    assert_eq!(end(0, 1), End::Out, "another flow's frame needs not wait");
    progress.delivered();
    progress.read(1);
    progress.delivered();
    assert_eq!(end(0, 99), End::Up, "two of three are on their way");
    progress.read(2);
    assert_eq!(end(0, 99), End::Up, "read, but not delivered");
    progress.delivered();
    assert_eq!(end(0, 99), End::Up, "the one just passed up is on its way");
    progress.read(2);
    progress.delivered();
    assert_eq!(end(0, 99), End::Out);
}

#[test]
fn a_flow_that_is_faster_than_the_pipeline_is_held_back_until_it_has_arrived() {
    let rig = simple(64);
    let passed = &rig.doors[0].doorstep.0[0].passed;
    let end = || rig.run_on(0, &mut frame(0, 1)).end;
    rig.run_on(0, &mut frame(0, 99));
    rig.fdb.learn(&rig.fdb.seek(seen::key(99)), rig.ids[1], 0, 1);
    let end_of_it = || rig.run_on(0, &mut frame(0, 99)).end;
    rig.doors[0].progress.lock().unwrap().read(1);
    // Passed up for 20 ms, as the kernel's clock of ticks has it; then held back.
    let begun = Instant::now();
    while end_of_it() == End::Up {
        // The worker reads, but there is always one more.
        let mut progress = rig.doors[0].progress.lock().unwrap();
        progress.delivered();
        progress.read(1);
        assert!(begun.elapsed() < Duration::from_secs(10), "passed up for ever");
    }
    assert!(begun.elapsed() > Duration::from_millis(10));
    assert_eq!((read(&passed.held_back), read(&passed.crowded_out)), (1, 0));
    assert_eq!(end(), End::Out, "other flows are not concerned");
    rig.doors[0].progress.lock().unwrap().delivered();
    assert_eq!(end_of_it(), End::Out);
}

#[test]
fn no_more_is_passed_up_than_the_ring_holds() {
    let rig = simple(64);
    let ends: Vec<End> =
        (0..u64::from(RING) + 100).map(|n| rig.run_on(0, &mut frame(0, 1000 + n)).end).collect();
    let up = ends.iter().take_while(|end| **end == End::Up).count();
    assert_eq!(up as u32, RING - SPARE);
    assert!(ends[up..].iter().all(|end| *end == End::Nowhere));
    let passed = &rig.doors[0].doorstep.0[0].passed;
    assert_eq!(read(&passed.frames) as usize, up);
    assert_eq!(read(&passed.crowded_out) as usize, ends.len() - up);
    assert_eq!(FLOWS.count_ones(), 1);
}
