//! What the lane does with a frame: `forward.rs` of switch-core once more, for
//! the kernel, as far as known unicast goes.
//!
//! The program runs at tcx ingress of a port's netdev. It either does exactly
//! what the pipeline would, byte for byte and port for port, or it passes the
//! frame up to it, by the port's handle. It drops nothing that is not too much
//! for the handle, so whatever it does not know or finds strange goes up, and
//! the pipeline gives the reason.
//!
//! The steps are those of `forward.rs`, in its order, with its rule numbers.
//! The kernel has taken the outer tag out of the frame's bytes before.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use switch_core::fdb::{Bucket, Seed, WAYS};
use switch_core::port::{MAX_PORTS, PortId};

use super::layout::{
    COUNTS_A_CPU, Control, Counts, Doorstep, FLOWS, Flow, NO_VLAN, Passed, Read, Record, flag,
};
use crate::bpf::asm::{
    FRAME, Function, If, Label, Op, Program, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, Reg,
};
use crate::bpf::{Insn, Width};

use Width::{Double, Half, Word};

/// What the program of one port is made for.
#[derive(Clone, Copy)]
pub(super) struct Wiring<'m> {
    /// The port.
    pub(super) port: PortId,
    /// The netdev whose descriptor the pipeline reads.
    pub(super) handle: u32,
    /// The most frames on their way up at once: fewer than the handle's ring holds.
    pub(super) room: u32,
    /// The FDB's seed, with odd factors.
    pub(super) seed: Seed,
    /// How many buckets it has.
    pub(super) buckets: u32,
    /// What CLOCK_MONOTONIC says when the switch's clock is 0, in nanoseconds.
    pub(super) clock_start: u64,
    /// How many CPUs are counted for.
    pub(super) cpus: u32,
    pub(super) maps: Maps<'m>,
}

/// The memory that it shares.
#[derive(Clone, Copy)]
pub(super) struct Maps<'m> {
    pub(super) control: BorrowedFd<'m>,
    pub(super) records: BorrowedFd<'m>,
    pub(super) counts: BorrowedFd<'m>,
    pub(super) buckets: BorrowedFd<'m>,
    pub(super) doorstep: BorrowedFd<'m>,
}

/// A flow that was kept from the lane for longer has its frames held back, so
/// that those on their way can arrive: it is faster than the pipeline.
const PATIENCE: i32 = 20_000_000;
/// And for no longer than this, counted from the beginning: then it is passed up again.
const HOLD: i32 = 2 * PATIENCE;

/// What the program answers: the frame goes no further (`TC_ACT_SHOT`).
const SHOT: i32 = 2;

const HEADER: i32 = 14;
const SECOND: i32 = 1_000_000_000;
/// Stands for the tag of a frame that came without one. A tag has 16 bits.
const NO_TAG: i32 = 1 << 16;
/// 0x8100 in network byte order.
const TPID: i32 = 0x0081;
const STATIC: i32 = i32::MIN;

/// Offsets in `struct __sk_buff`.
pub(super) mod skb {
    pub(in super::super) const LEN: i16 = 0;
    pub(in super::super) const TAG_PRESENT: i16 = 20;
    pub(in super::super) const TCI: i16 = 24;
    pub(in super::super) const TPID: i16 = 28;
    pub(in super::super) const DATA: i16 = 76;
    pub(in super::super) const DATA_END: i16 = 80;
    pub(in super::super) const GSO_SIZE: i16 = 176;
}

/// The frame (`struct __sk_buff`), from the first instruction to the last.
pub(super) const SKB: Reg = R6;

/// What is put aside on the stack, by its offset from the end.
mod aside {
    /// The address of the frame's [`Flow`](super::Flow).
    pub(super) const FLOW: i16 = -8;
    /// Nanoseconds on the switch's clock.
    pub(super) const NANOSECONDS: i16 = -16;
    /// The VLAN that the frame belongs to.
    pub(super) const VLAN: i16 = -24;
    /// The tag it came with, or `NO_TAG`.
    pub(super) const TAG: i16 = -32;
    /// The key of its destination.
    pub(super) const DST: i16 = -40;
    /// The tag it is to leave with.
    pub(super) const NEW_TAG: i16 = -48;
    /// What `CheckMtu` reads and writes.
    pub(super) const MTU: i16 = -56;
}

/// Where a frame goes when the program is done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Up to the pipeline; R1 is the handle's number.
    Up,
    /// Out by the netdev R1.
    Out,
    /// Into the other end of the veth R1.
    Peer,
    /// Nowhere.
    Nowhere,
}

/// The program of one port.
pub(super) fn program(wiring: &Wiring<'_>) -> Vec<Insn> {
    let mut program = Program::default();
    Writer { p: &mut program, wiring, end: &end }.write();
    program.finish()
}

/// Does what was decided, and ends the program.
pub(super) fn end(p: &mut Program, end: End) {
    match end {
        End::Nowhere => p.set(R0, SHOT),
        End::Up | End::Out => {
            p.set(R2, 0);
            p.call(Function::Redirect);
        }
        End::Peer => {
            p.set(R2, 0);
            p.call(Function::RedirectPeer);
        }
    }
    p.exit();
}

/// The program as it is written.
pub(super) struct Writer<'p, 'w> {
    pub(super) p: &'p mut Program,
    pub(super) wiring: &'w Wiring<'w>,
    pub(super) end: &'p dyn Fn(&mut Program, End),
}

impl Writer<'_, '_> {
    /// Writes the whole program; R1 is the frame.
    pub(super) fn write(&mut self) {
        let up = self.p.label();
        self.p.set(SKB, R1);
        self.parse(up);
        self.classify(up);
        self.now();
        self.learn(up);
        self.resolve(up);
        self.check_mtu(up);
        self.keep_order(up);
        self.count_in(up);
        self.edit();
        self.count_out();
        self.send();
        self.p.here(up);
        self.pass_up();
    }

    /// R7 and R8 = the addresses of destination and source, in bits 16 to 63,
    /// R9 = the EtherType. Then the frame has a flow. Rule 2.
    fn parse(&mut self, up: Label) {
        let p = &mut *self.p;
        // Until it is known which, the frame's flow is the one that never takes the lane.
        p.set_address(R1, self.wiring.maps.doorstep, flow_offset(FLOWS));
        p.store(Double, FRAME, aside::FLOW, R1);
        p.load(Word, R2, SKB, skb::DATA);
        p.load(Word, R3, SKB, skb::DATA_END);
        p.set(R4, R2);
        p.op(Op::Add, R4, HEADER);
        p.jump_if(If::Above, R4, R3, up);
        // Two loads of eight bytes that overlap: each address with what follows it.
        for (address, offset) in [(R7, 0), (R8, 6)] {
            p.load(Double, address, R2, offset);
            p.swap_network(address);
        }
        p.set(R9, R8);
        p.op(Op::And, R9, 0xffff);
        for address in [R7, R8] {
            p.op(Op::ShiftRight, address, 16);
            p.op(Op::ShiftLeft, address, 16);
        }
        self.up_if_group(R7, up);

        // A flow's number: some bits of a product, of which the highest depend on all of its factors.
        let p = &mut *self.p;
        p.set(R1, R8);
        p.set_wide(R2, SPREAD);
        p.op(Op::Multiply, R1, R2);
        p.op(Op::Xor, R1, R7);
        p.op(Op::Multiply, R1, R2);
        p.op(Op::ShiftRight, R1, 64 - FLOWS.ilog2() as i32);
        p.op(Op::ShiftLeft, R1, size_of::<Flow>().ilog2() as i32);
        p.set_address(R2, self.wiring.maps.doorstep, flow_offset(0));
        p.op(Op::Add, R2, R1);
        p.store(Double, FRAME, aside::FLOW, R2);

        self.up_if_group(R8, up);
        self.p.jump_if(If::Equal, R8, 0, up);
    }

    /// Groups are flooded, and no source.
    fn up_if_group(&mut self, address: Reg, up: Label) {
        self.p.set(R1, address);
        self.p.op(Op::ShiftRight, R1, 56);
        self.p.jump_if(If::AnyBit, R1, 1, up);
    }

    /// R9 = the frame's VLAN; R7 and R8 become keys of the FDB. Rules 11 to 15.
    fn classify(&mut self, up: Label) {
        let port = self.wiring.port.index();
        let p = &mut *self.p;
        let (tagged, untagged, classified) = (p.label(), p.label(), p.label());
        p.set_address(R1, self.wiring.maps.control, 0);
        p.load(Double, R1, R1, offset_of!(Control, open) as i16);
        p.jump_if(If::Equal, R1, 0, up);
        p.set_address(R4, self.wiring.maps.records, record_offset(port));
        p.load(Word, R5, R4, offset_of!(Record, flags) as i16);
        up_unless(p, R5, flag::USABLE, up);

        p.load(Word, R1, SKB, skb::TAG_PRESENT);
        p.jump_if(If::NotEqual, R1, 0, tagged);
        // The kernel has taken a tag out of the bytes, unless something is wrong with it.
        p.jump_if(If::Equal, R9, 0x8100, up);
        p.set(R3, NO_TAG);
        p.here(untagged);
        p.load(Double, R9, R4, offset_of!(Record, pvid) as i16);
        p.jump_if(If::AtLeast, R9, NO_VLAN as i32, up);
        p.jump(classified);

        p.here(tagged);
        p.load(Word, R1, SKB, skb::TPID);
        p.jump_if(If::NotEqual, R1, TPID, up);
        p.load(Word, R3, SKB, skb::TCI);
        p.set(R9, R3);
        p.op(Op::And, R9, 0xfff);
        p.jump_if(If::Equal, R9, 0, untagged);
        up_unless(p, R5, flag::TAKES_TAGS, up);
        up_unless_member(p, R4, R9, up);

        p.here(classified);
        // A frame's VLAN has 12 bits; the verifier wants to see it.
        p.op(Op::And, R9, 0xfff);
        p.store(Double, FRAME, aside::TAG, R3);
        p.store(Double, FRAME, aside::VLAN, R9);
        p.op(Op::ShiftLeft, R9, 4);
        p.op(Op::Or, R9, 1);
        p.op(Op::Or, R7, R9);
        p.op(Op::Or, R8, R9);
        p.store(Double, FRAME, aside::DST, R7);
    }

    /// R9 = the second that it is on the switch's clock. The kernel's clock is
    /// that of the last tick, a few milliseconds late: no entry expires too early.
    fn now(&mut self) {
        let p = &mut *self.p;
        let (running, known) = (p.label(), p.label());
        p.call(Function::Clock);
        p.set_wide(R1, self.wiring.clock_start);
        p.jump_if(If::AtLeast, R0, R1, running);
        p.set(R0, R1);
        p.here(running);
        p.op(Op::Subtract, R0, R1);
        p.store(Double, FRAME, aside::NANOSECONDS, R0);
        p.set_address(R1, self.wiring.maps.control, offset_of!(Control, second) as u32);
        p.load(Double, R9, R1, 0);
        p.set(R2, R9);
        p.op(Op::Multiply, R2, SECOND);
        p.set(R3, R0);
        p.op(Op::Subtract, R3, R2);
        p.jump_if(If::Below, R3, SECOND, known);
        p.op(Op::Divide, R0, SECOND);
        p.set(R9, R0);
        p.store(Double, R1, 0, R9);
        p.here(known);
    }

    /// Only what is known at this port is learned here: it counts as seen now.
    /// News and moves go up. Rules 1 to 5 and 9.
    fn learn(&mut self, up: Label) {
        let port = self.wiring.port;
        let p = &mut *self.p;
        let learned = p.label();
        p.set_address(R1, self.wiring.maps.records, record_offset(port.index()));
        p.load(Word, R1, R1, offset_of!(Record, flags) as i16);
        skip_unless(p, R1, flag::LEARNS, learned);
        self.find(R8, up);
        let p = &mut *self.p;
        p.set(R3, R2);
        p.op(Op::ShiftRight, R3, 32);
        p.set_wide(R4, port.bits().into());
        p.jump_if(If::NotEqual, R3, R4, up);
        self.up_if_expired(learned, up);
        // As `Value::seen`: if another was faster, that is as good.
        let p = &mut *self.p;
        p.set(R0, R2);
        p.op(Op::ShiftRight, R2, 31);
        p.op(Op::ShiftLeft, R2, 31);
        p.op(Op::Or, R2, R9);
        p.compare_exchange(R1, VALUES, R2);
        p.here(learned);
    }

    /// R7 = the record of the port the frame goes to, R8 = the port's number. Rules 5 and 6.
    fn resolve(&mut self, up: Label) {
        let port = self.wiring.port.index();
        self.find(R7, up);
        let fresh = self.p.label();
        self.up_if_expired(fresh, up);
        let p = &mut *self.p;
        p.here(fresh);
        p.op(Op::ShiftRight, R2, 32);
        p.set(R8, R2);
        p.op(Op::And, R8, 0xffff);
        p.jump_if(If::AtLeast, R8, MAX_PORTS as i32, up);
        p.jump_if(If::Equal, R8, port as i32, up);
        p.set(R1, R8);
        p.op(Op::Multiply, R1, size_of::<Record>() as i32);
        p.set_address(R7, self.wiring.maps.records, 0);
        p.op(Op::Add, R7, R1);
        // An entry for a port that is no more counts as none.
        p.load(Word, R1, R7, offset_of!(Record, id) as i16);
        p.jump_if(If::NotEqual, R1, R2, up);
        p.load(Word, R1, R7, offset_of!(Record, flags) as i16);
        up_unless(p, R1, flag::USABLE, up);
        // Both isolated?
        p.set_address(R2, self.wiring.maps.records, record_offset(port));
        p.load(Word, R2, R2, offset_of!(Record, flags) as i16);
        p.op(Op::And, R2, R1);
        p.jump_if(If::AnyBit, R2, flag::ISOLATED as i32, up);
        p.load(Double, R1, FRAME, aside::VLAN);
        p.op(Op::And, R1, 0xfff);
        up_unless_member(p, R7, R1, up);
    }

    /// Rule 18. A tag that a frame leaves with doesn't count, and its length here is without.
    /// One inside is too rare to be looked for: a frame that long goes up.
    fn check_mtu(&mut self, up: Label) {
        let p = &mut *self.p;
        let fits = p.label();
        p.load(Word, R1, SKB, skb::LEN);
        p.load(Word, R2, R7, offset_of!(Record, mtu) as i16);
        p.op(Op::Add, R2, HEADER);
        p.jump_if(If::AtMost, R1, R2, fits);
        // The kernel knows best how it would cut a super-frame.
        const SEGMENTS: i32 = 1;
        p.load(Word, R1, SKB, skb::GSO_SIZE);
        p.jump_if(If::Equal, R1, 0, up);
        p.store_number(Double, FRAME, aside::MTU, 0);
        p.set(R1, SKB);
        p.load(Word, R2, R7, offset_of!(Record, netdev) as i16);
        p.set(R3, FRAME);
        p.op(Op::Add, R3, i32::from(aside::MTU));
        p.set(R4, 0);
        p.set(R5, SEGMENTS);
        p.call(Function::CheckMtu);
        p.jump_if(If::NotEqual, R0, 0, up);
        p.here(fits);
    }

    /// Rule 7: no frame overtakes one of its flow that was passed up. See [`order`](super::order).
    fn keep_order(&mut self, up: Label) {
        let p = &mut *self.p;
        let (in_order, again, first) = (p.label(), p.label(), p.label());
        p.load(Double, R1, FRAME, aside::FLOW);
        p.set_address(R2, self.wiring.maps.doorstep, SETTLED);
        p.load(Double, R2, R2, 0);
        p.load(Double, R3, R1, offset_of!(Flow, last) as i16);
        p.load(Double, R4, R1, offset_of!(Flow, since) as i16);
        p.jump_if(If::AtMost, R3, R2, in_order);
        p.load(Double, R2, FRAME, aside::NANOSECONDS);
        p.jump_if(If::Equal, R4, 0, first);
        p.set(R3, R2);
        p.op(Op::Subtract, R3, R4);
        p.jump_if(If::Below, R3, PATIENCE, up);
        p.jump_if(If::AtLeast, R3, HOLD, first);
        self.drop(offset_of!(Passed, held_back));

        let p = &mut *self.p;
        p.here(first);
        p.op(Op::Or, R2, 1);
        p.store(Double, R1, offset_of!(Flow, since) as i16, R2);
        p.jump(up);

        p.here(in_order);
        p.jump_if(If::Equal, R4, 0, again);
        p.store_number(Double, R1, offset_of!(Flow, since) as i16, 0);
        p.here(again);
    }

    /// Counts the frame in, and from here on it doesn't go up. R9 = where this CPU's counts begin.
    fn count_in(&mut self, up: Label) {
        let port = self.wiring.port.index();
        let p = &mut *self.p;
        let untagged = p.label();
        p.call(Function::Cpu);
        p.jump_if(If::AtLeast, R0, self.wiring.cpus as i32, up);
        p.set(R9, R0);
        p.op(Op::Multiply, R9, (COUNTS_A_CPU * size_of::<Counts>()) as i32);
        p.load(Word, R2, SKB, skb::LEN);
        p.load(Double, R3, FRAME, aside::TAG);
        p.jump_if(If::Equal, R3, NO_TAG, untagged);
        p.op(Op::Add, R2, 4);
        p.here(untagged);
        p.set_address(R1, self.wiring.maps.counts, (port * size_of::<Counts>()) as u32);
        p.op(Op::Add, R1, R9);
        add(p, R1, offset_of!(Counts, rx_bytes), R2);
        p.set(R2, 1);
        add(p, R1, offset_of!(Counts, rx_frames), R2);
    }

    /// As `PortTable::edit`. Rules 11 to 16.
    fn edit(&mut self) {
        let p = &mut *self.p;
        let (tag, push, pop, rewrite) = (p.label(), p.label(), p.label(), p.label());
        let (done, failed) = (p.label(), p.label());
        p.load(Double, R1, FRAME, aside::VLAN);
        p.load(Double, R2, FRAME, aside::TAG);
        p.load(Double, R3, R7, offset_of!(Record, pvid) as i16);
        p.jump_if(If::NotEqual, R3, R1, tag);
        // It leaves untagged. VLAN 0 leaves as it came, a priority tag included.
        p.jump_if(If::Equal, R2, NO_TAG, done);
        p.jump_if(If::Equal, R1, 0, done);
        p.jump(pop);

        // It leaves tagged, with its priority.
        p.here(tag);
        p.set(R3, R1);
        p.jump_if(If::Equal, R2, NO_TAG, push);
        p.set(R4, R2);
        p.op(Op::And, R4, 0xf000);
        p.op(Op::Or, R3, R4);
        p.jump_if(If::Equal, R3, R2, done);

        p.here(rewrite);
        p.store(Double, FRAME, aside::NEW_TAG, R3);
        p.set(R1, SKB);
        p.call(Function::PopTag);
        p.jump_if(If::NotEqual, R0, 0, failed);
        p.load(Double, R3, FRAME, aside::NEW_TAG);

        p.here(push);
        p.set(R1, SKB);
        p.set(R2, TPID);
        p.call(Function::PushTag);
        p.jump_if(If::Equal, R0, 0, done);
        p.jump(failed);

        p.here(pop);
        p.set(R1, SKB);
        p.call(Function::PopTag);
        p.jump_if(If::Equal, R0, 0, done);

        p.here(failed);
        self.drop(offset_of!(Passed, failed));
        self.p.here(done);
    }

    /// Counts the frame out, with the tag that it leaves with.
    fn count_out(&mut self) {
        let p = &mut *self.p;
        let untagged = p.label();
        p.load(Word, R2, SKB, skb::LEN);
        p.load(Word, R3, SKB, skb::TAG_PRESENT);
        p.jump_if(If::Equal, R3, 0, untagged);
        p.op(Op::Add, R2, 4);
        p.here(untagged);
        p.op(Op::ShiftLeft, R8, size_of::<Counts>().ilog2() as i32);
        p.set_address(R1, self.wiring.maps.counts, 0);
        p.op(Op::Add, R1, R9);
        p.op(Op::Add, R1, R8);
        add(p, R1, offset_of!(Counts, tx_bytes), R2);
        p.set(R2, 1);
        add(p, R1, offset_of!(Counts, tx_frames), R2);
    }

    /// Out by the port's netdev, or straight into the other end of its veth: but that only for the
    /// address of that end, which takes for its own whatever comes this way.
    fn send(&mut self) {
        let p = &mut *self.p;
        let peer = p.label();
        p.load(Word, R1, R7, offset_of!(Record, netdev) as i16);
        p.load(Double, R2, R7, offset_of!(Record, station) as i16);
        p.load(Double, R3, FRAME, aside::DST);
        p.op(Op::ShiftRight, R3, 16);
        p.op(Op::ShiftLeft, R3, 16);
        p.jump_if(If::Equal, R2, R3, peer);
        (self.end)(self.p, End::Out);
        self.p.here(peer);
        (self.end)(self.p, End::Peer);
    }

    /// Up to the pipeline, counted for the sake of order. See [`order`](super::order).
    fn pass_up(&mut self) {
        let p = &mut *self.p;
        let (crowded, certain, uncertain) = (p.label(), p.label(), p.label());
        p.set_address(R1, self.wiring.maps.doorstep, 0);
        p.load(Double, R2, R1, PASSED);
        p.load(Double, R3, R1, DONE);
        p.op(Op::Subtract, R2, R3);
        p.jump_if(If::AtLeastSigned, R2, self.wiring.room as i32, crowded);
        p.set(R4, 1);
        p.fetch_add(R1, PASSED, R4);
        p.op(Op::Add, R4, 1);
        p.load(Double, R5, FRAME, aside::FLOW);
        p.store(Double, R5, offset_of!(Flow, last) as i16, R4);

        // TCP comes out of the handle whole; of all else the kernel may make several frames.
        const TCP: i32 = 6;
        p.load(Word, R2, SKB, skb::GSO_SIZE);
        p.jump_if(If::Equal, R2, 0, certain);
        p.load(Word, R2, SKB, skb::DATA);
        p.load(Word, R3, SKB, skb::DATA_END);
        p.set(R4, R2);
        p.op(Op::Add, R4, 24);
        p.jump_if(If::Above, R4, R3, uncertain);
        p.load(Half, R4, R2, 12);
        for (ethertype, protocol) in [(0x0800_u16, 23), (0x86dd, 20)] {
            let other = p.label();
            p.jump_if(If::NotEqual, R4, i32::from(ethertype.to_be()), other);
            p.load(Width::Byte, R5, R2, protocol);
            p.jump_if(If::Equal, R5, TCP, certain);
            p.here(other);
        }
        p.here(uncertain);
        p.set(R4, 1);
        p.fetch_add(R1, offset_of!(Passed, uncertain) as i16, R4);
        p.here(certain);
        p.set(R1, self.wiring.handle.cast_signed());
        (self.end)(self.p, End::Up);

        self.p.here(crowded);
        self.drop(offset_of!(Passed, crowded_out));
    }

    /// Drops the frame, counted here.
    fn drop(&mut self, counter: usize) {
        self.p.set_address(R1, self.wiring.maps.doorstep, counter as u32);
        self.p.set(R2, 1);
        self.p.fetch_add(R1, 0, R2);
        (self.end)(self.p, End::Nowhere);
    }

    /// R1 = the slot of `key`'s entry, R2 = its value; up without one. As the
    /// `hash` and `table` modules of switch-core's FDB: key, value and key again.
    /// An entry that moves meanwhile may not be found.
    fn find(&mut self, key: Reg, up: Label) {
        let Seed([a, b, c, d]) = self.wiring.seed;
        let count = self.wiring.buckets.cast_signed();
        let p = &mut *self.p;
        let (found, second) = (p.label(), p.label());
        p.set(R0, key);
        for (mask, factor) in [(a, b), (c, d)] {
            p.set_wide(R1, mask);
            p.op(Op::Xor, R0, R1);
            p.set_wide(R1, factor);
            p.op(Op::Multiply, R0, R1);
            p.set(R1, R0);
            p.op(Op::ShiftRight, R1, 32);
            p.op(Op::Xor, R0, R1);
        }
        // The first bucket, by the lower half.
        p.set_low(R3, R0);
        p.op(Op::Multiply, R3, count);
        p.op(Op::ShiftRight, R3, 32);
        p.set(R4, R3);
        self.look(key, R4, found);
        // The second, by the upper.
        let p = &mut *self.p;
        p.op(Op::ShiftRight, R0, 32);
        p.op(Op::Multiply, R0, count - 1);
        p.op(Op::ShiftRight, R0, 32);
        p.op(Op::Add, R0, R3);
        p.op(Op::Add, R0, 1);
        p.jump_if(If::Below, R0, count, second);
        p.op(Op::Subtract, R0, count);
        p.here(second);
        self.look(key, R0, found);
        let p = &mut *self.p;
        p.jump(up);
        p.here(found);
        p.load(Double, R2, R1, VALUES);
        p.load(Double, R3, R1, 0);
        p.jump_if(If::NotEqual, R3, key, up);
    }

    /// Goes to `found` with R1 = the slot of `key` in the bucket of this number.
    fn look(&mut self, key: Reg, bucket: Reg, found: Label) {
        let p = &mut *self.p;
        p.op(Op::ShiftLeft, bucket, size_of::<Bucket>().ilog2() as i32);
        p.set_address(R1, self.wiring.maps.buckets, 0);
        p.op(Op::Add, R1, bucket);
        for way in 0..WAYS {
            if way > 0 {
                p.op(Op::Add, R1, size_of::<AtomicU64>() as i32);
            }
            p.load(Double, R5, R1, 0);
            p.jump_if(If::Equal, R5, key, found);
        }
    }

    /// Of an entry's value R2 at the second R9: up if it has expired, `fresh` if
    /// it is static or was seen this second, else on. As `Value::is_expired`.
    fn up_if_expired(&mut self, fresh: Label, up: Label) {
        let p = &mut *self.p;
        p.set_low(R3, R2);
        p.jump_if(If::AnyBit, R3, STATIC, fresh);
        p.jump_if(If::AtLeast, R3, R9, fresh);
        p.set(R4, R9);
        p.op(Op::Subtract, R4, R3);
        p.set_address(R5, self.wiring.maps.control, offset_of!(Control, ageing) as u32);
        p.load(Double, R5, R5, 0);
        p.jump_if(If::Above, R4, R5, up);
    }
}

/// 2⁶⁴ over the golden ratio, odd (Knuth 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// From an entry's key to its value.
const VALUES: i16 = (WAYS * size_of::<AtomicU64>()) as i16;

const PASSED: i16 = (offset_of!(Doorstep, passed) + offset_of!(Passed, frames)) as i16;
const DONE: i16 = (offset_of!(Doorstep, read) + offset_of!(Read, done)) as i16;
const SETTLED: u32 = (offset_of!(Doorstep, read) + offset_of!(Read, settled)) as u32;
const _: () = assert!(offset_of!(Doorstep, passed) == 0, "`Passed` is reached by its own offsets");

fn flow_offset(number: usize) -> u32 {
    (offset_of!(Doorstep, flows) + number * size_of::<Flow>()) as u32
}

fn record_offset(port: usize) -> u32 {
    (port * size_of::<Record>()) as u32
}

/// Up unless the flag is set in `flags`.
fn up_unless(p: &mut Program, flags: Reg, flag: u32, up: Label) {
    let set = p.label();
    p.jump_if(If::AnyBit, flags, flag.cast_signed(), set);
    p.jump(up);
    p.here(set);
}

/// To `label` unless the flag is set in `flags`.
fn skip_unless(p: &mut Program, flags: Reg, flag: u32, label: Label) {
    up_unless(p, flags, flag, label);
}

/// Up unless the port of this record is a member of `vid`, of at most 12 bits. R0 to R2 are lost.
fn up_unless_member(p: &mut Program, record: Reg, vid: Reg, up: Label) {
    let member = p.label();
    p.set(R0, vid);
    p.op(Op::ShiftRight, R0, 6);
    p.op(Op::ShiftLeft, R0, 3);
    p.set(R2, record);
    p.op(Op::Add, R2, R0);
    p.load(Double, R2, R2, offset_of!(Record, members) as i16);
    p.set(R0, vid);
    p.op(Op::And, R0, 63);
    p.op(Op::ShiftRight, R2, R0);
    p.jump_if(If::AnyBit, R2, 1, member);
    p.jump(up);
    p.here(member);
}

/// `*(to + offset) += what`; R5 is lost. Only this CPU does it, and nothing comes between.
fn add(p: &mut Program, to: Reg, offset: usize, what: Reg) {
    p.load(Double, R5, to, offset as i16);
    p.op(Op::Add, R5, what);
    p.store(Double, to, offset as i16, R5);
}
