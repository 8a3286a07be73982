//! Programs as a list of instructions with jumps to labels.
//!
//! The names of operations are those of the kernel's documentation
//! (`Documentation/bpf/standardization/instruction-set.rst`).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Insn, Width};

/// A register. R0 is what a function answers and a program's own answer; R1 to
/// R5 are a function's arguments and lost by calling it; R6 to R9 are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reg(pub(crate) u8);

pub(crate) const R0: Reg = Reg(0);
pub(crate) const R1: Reg = Reg(1);
pub(crate) const R2: Reg = Reg(2);
pub(crate) const R3: Reg = Reg(3);
pub(crate) const R4: Reg = Reg(4);
pub(crate) const R5: Reg = Reg(5);
pub(crate) const R6: Reg = Reg(6);
pub(crate) const R7: Reg = Reg(7);
pub(crate) const R8: Reg = Reg(8);
pub(crate) const R9: Reg = Reg(9);
/// The end of the program's 512 bytes of stack; read only.
pub(crate) const FRAME: Reg = Reg(10);

/// A place in a program that jumps lead to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(usize);

/// The second operand of an operation or a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    /// A register.
    Reg(Reg),
    /// A number, its sign extended to 64 bits.
    Number(i32),
}

impl From<Reg> for Operand {
    fn from(reg: Reg) -> Operand {
        Operand::Reg(reg)
    }
}

impl From<i32> for Operand {
    fn from(number: i32) -> Operand {
        Operand::Number(number)
    }
}

/// `to = to OP operand`, on 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    Add = 0x00,
    Subtract = 0x10,
    Multiply = 0x20,
    /// Unsigned.
    Divide = 0x30,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    /// Unsigned.
    ShiftRight = 0x70,
    Xor = 0xa0,
    Move = 0xb0,
}

/// When a jump is taken; comparisons are of 64 bits, unsigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum If {
    Equal = 0x10,
    Above = 0x20,
    AtLeast = 0x30,
    AtLeastSigned = 0x70,
    /// Some of the operand's bits are set.
    AnyBit = 0x40,
    NotEqual = 0x50,
    Below = 0xa0,
    AtMost = 0xb0,
}

/// A program in the making.
#[derive(Default)]
pub(crate) struct Program {
    insns: Vec<Insn>,
    /// Where each label stands, once it does.
    labels: Vec<Option<usize>>,
    /// Jumps, to be filled in: which instruction, where to.
    jumps: Vec<(usize, Label)>,
}

impl Program {
    /// A label that stands nowhere yet.
    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label here.
    ///
    /// # Panics
    /// When it stands somewhere already.
    pub(crate) fn here(&mut self, label: Label) {
        let before = self.labels[label.0].replace(self.insns.len());
        assert_eq!(before, None, "a label stands once");
    }

    /// The finished instructions.
    ///
    /// # Panics
    /// When a label that a jump leads to stands nowhere.
    pub(crate) fn finish(mut self) -> Vec<Insn> {
        for (at, label) in self.jumps {
            let to = self.labels[label.0].expect("each label that is jumped to stands somewhere");
            self.insns[at].offset = (to as i32 - at as i32 - 1) as i16;
        }
        self.insns
    }

    fn push(&mut self, code: u8, to: Reg, from: Reg, offset: i16, number: i32) {
        self.insns.push(Insn::new(code, to.0, from.0, offset, number));
    }

    /// `to = to OP operand`
    pub(crate) fn op(&mut self, op: Op, to: Reg, operand: impl Into<Operand>) {
        match operand.into() {
            Operand::Reg(from) => self.push(0x0f | op as u8, to, from, 0, 0),
            Operand::Number(number) => self.push(0x07 | op as u8, to, R0, 0, number),
        }
    }

    /// `to = operand`
    pub(crate) fn set(&mut self, to: Reg, operand: impl Into<Operand>) {
        self.op(Op::Move, to, operand);
    }

    /// `to =` the low 32 bits of `from`
    pub(crate) fn set_low(&mut self, to: Reg, from: Reg) {
        self.push(0xbc, to, from, 0, 0);
    }

    /// `to = number`, of 64 bits.
    pub(crate) fn set_wide(&mut self, to: Reg, number: u64) {
        self.wide(to, R0, number as u32 as i32, (number >> 32) as i32);
    }

    /// `to =` the address `offset` bytes into the only element of an array map.
    pub(crate) fn set_address(&mut self, to: Reg, map: BorrowedFd<'_>, offset: u32) {
        const MAP_VALUE: Reg = Reg(2);
        self.wide(to, MAP_VALUE, map.as_raw_fd(), offset.cast_signed());
    }

    /// `to =` what functions of the kernel know the map by.
    pub(crate) fn set_map(&mut self, to: Reg, map: BorrowedFd<'_>) {
        const MAP: Reg = Reg(1);
        self.wide(to, MAP, map.as_raw_fd(), 0);
    }

    /// An instruction that fills the places of two.
    fn wide(&mut self, to: Reg, source: Reg, low: i32, high: i32) {
        self.push(0x18, to, source, 0, low);
        self.push(0, R0, R0, 0, high);
    }

    /// `to = *(from + offset)`
    pub(crate) fn load(&mut self, width: Width, to: Reg, from: Reg, offset: i16) {
        self.push(0x61 | width as u8, to, from, offset, 0);
    }

    /// `*(to + offset) = from`
    pub(crate) fn store(&mut self, width: Width, to: Reg, offset: i16, from: Reg) {
        self.push(0x63 | width as u8, to, from, offset, 0);
    }

    /// `*(to + offset) = number`
    pub(crate) fn store_number(&mut self, width: Width, to: Reg, offset: i16, number: i32) {
        self.push(0x62 | width as u8, to, R0, offset, number);
    }

    /// `from = *(to + offset)`, and `*(to + offset) += from`, at once (64 bits).
    pub(crate) fn fetch_add(&mut self, to: Reg, offset: i16, from: Reg) {
        const ADD_AND_FETCH: i32 = 0x01;
        self.push(0xdb, to, from, offset, ADD_AND_FETCH);
    }

    /// `*(to + offset) = from` if it is R0; R0 is what was there before (64 bits).
    pub(crate) fn compare_exchange(&mut self, to: Reg, offset: i16, from: Reg) {
        const COMPARE_AND_EXCHANGE: i32 = 0xf1;
        self.push(0xdb, to, from, offset, COMPARE_AND_EXCHANGE);
    }

    /// Turns 64 bits round from network byte order.
    pub(crate) fn swap_network(&mut self, to: Reg) {
        self.push(0xdc, to, R0, 0, 64);
    }

    /// Goes to `label` if `left IF right`.
    pub(crate) fn jump_if(
        &mut self,
        condition: If,
        left: Reg,
        right: impl Into<Operand>,
        label: Label,
    ) {
        self.jumps.push((self.insns.len(), label));
        match right.into() {
            Operand::Reg(right) => self.push(0x0d | condition as u8, left, right, 0, 0),
            Operand::Number(right) => self.push(0x05 | condition as u8, left, R0, 0, right),
        }
    }

    /// Goes to `label`.
    pub(crate) fn jump(&mut self, label: Label) {
        self.jumps.push((self.insns.len(), label));
        self.push(0x05, R0, R0, 0, 0);
    }

    /// R0 = what this function of the kernel answers to R1 to R5, which are lost.
    pub(crate) fn call(&mut self, function: Function) {
        self.push(0x85, R0, R0, 0, function as i32);
    }

    /// Ends the program; R0 is the answer.
    pub(crate) fn exit(&mut self) {
        self.push(0x95, R0, R0, 0, 0);
    }
}

/// The kernel's functions that are used (`enum bpf_func_id`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Function {
    /// R0 = the number of this CPU.
    Cpu = 8,
    /// Goes on as the program number R3 of the array R2, with R1 as its argument; does
    /// nothing where there is none.
    TailCall = 12,
    /// Puts a tag of TPID R2 (network byte order) and TCI R3 into the frame R1.
    PushTag = 18,
    /// Takes the outer tag out of the frame R1.
    PopTag = 19,
    /// R0 = the answer by which the frame leaves by the netdev R1.
    Redirect = 23,
    /// R0 = the answer by which the other end of the veth R1 receives the frame.
    RedirectPeer = 155,
    /// R0 = nanoseconds on CLOCK_MONOTONIC, as of the last tick.
    Clock = 160,
    /// R0 = 0 if the frame R1 holds the MTU of the netdev R2.
    CheckMtu = 163,
}
