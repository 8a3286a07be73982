//! The suite itself: ports with one fault each, which it must find.

use switch_core::frame::checksum::finish;
use switch_core::frame::{Frame, Takes};
use switch_core::port::{Port, PortFault, TxError};
use switch_core::ports::memory::MemoryPort;
use tests::conformance::check;

use crate::rigs::memory_rig;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    SwapsFrames,
    CutsLongFrames,
    SaysOneMoreThanItGives,
    SpoilsWhatItSends,
    FinishesWhatItShouldPass,
    TakesAllWhenFull,
    NeverGone,
}

struct Faulty {
    port: MemoryPort,
    fault: Fault,
}

impl Port for Faulty {
    fn receive(&mut self, into: &mut [Frame]) -> Result<usize, PortFault> {
        let result = self.port.receive(into);
        match (self.fault, result) {
            (Fault::SwapsFrames, Ok(2..)) => into.swap(0, 1),
            (Fault::CutsLongFrames, Ok(1..)) if into[0].len() > 1500 => {
                let cut = into[0].bytes()[..1500].to_vec();
                into[0].set(&cut);
            }
            (Fault::SaysOneMoreThanItGives, Ok(0)) if !into.is_empty() => return Ok(1),
            (Fault::NeverGone, Err(PortFault::Gone)) => return Ok(0),
            _ => {}
        }
        result
    }

    fn transmit(&mut self, frame: &mut Frame) -> Result<(), TxError> {
        if self.fault == Fault::FinishesWhatItShouldPass {
            finish(frame);
        }
        let result = self.port.transmit(frame);
        if self.fault == Fault::SpoilsWhatItSends {
            frame.bytes_mut()[0] ^= 1;
        }
        if self.fault == Fault::TakesAllWhenFull { Ok(()) } else { result }
    }

    fn takes(&self) -> Takes {
        self.port.takes()
    }
}

fn check_with(fault: Fault) {
    check(|| memory_rig(|port| Faulty { port, fault }));
}

#[test]
#[should_panic(expected = "left == right")]
fn finds_swapped_frames() {
    check_with(Fault::SwapsFrames);
}

#[test]
#[should_panic(expected = "left == right")]
fn finds_cut_frames() {
    check_with(Fault::CutsLongFrames);
}

#[test]
#[should_panic(expected = "left == right")]
fn finds_frames_that_are_none() {
    check_with(Fault::SaysOneMoreThanItGives);
}

#[test]
#[should_panic(expected = "with 0 tags pushed")]
fn finds_spoiled_frames() {
    check_with(Fault::SpoilsWhatItSends);
}

#[test]
#[should_panic(expected = "left == right")]
fn finds_lost_offloads() {
    check_with(Fault::FinishesWhatItShouldPass);
}

#[test]
#[should_panic(expected = "left == right")]
fn finds_a_port_that_is_never_full() {
    check_with(Fault::TakesAllWhenFull);
}

#[test]
#[should_panic(expected = "left == right")]
fn finds_a_port_that_is_never_gone() {
    check_with(Fault::NeverGone);
}
